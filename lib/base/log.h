/* SPDX-License-Identifier: MIT */
/*
 * The program's log: one line per message, to stderr and optionally to the system log. Messages below a level
 * are dropped.
 *
 * log_setup() runs once before threads start; log_write() is thread-safe and works after a fork. Allocates
 * nothing.
 */
#ifndef SEGFS_BASE_LOG_H
#define SEGFS_BASE_LOG_H

#include <stdarg.h>
#include <stdbool.h>
#include <syslog.h>

enum log_target {
	LOG_TO_STDERR, /* "segfs: message"; with a <N> priority prefix if stderr is the journal's stream */
	LOG_TO_BOTH,   /* stderr, and the syslog socket /dev/log, facility daemon */
};

/* Sets the target and the least important syslog priority (LOG_ERR ... LOG_DEBUG) that is written. */
void log_setup(enum log_target target, int max_priority);

/*
 * Opens the socket of the system log for LOG_TO_BOTH. The descriptor stays open and unconnected, so that
 * processes sharing a descriptor table can log at any time. If that fails, only stderr is written.
 */
void log_open(void);

/* Returns the syslog priority named by "error", "warning", "notice", "info" or "debug", or -1. */
int log_priority_from_name(const char *name);

/* Writes one line. priority: of syslog(3). Preserves errno. */
void log_write(int priority, const char *format, ...) __attribute__((format(printf, 2, 3)));
void log_vwrite(int priority, const char *format, va_list arguments) __attribute__((format(printf, 2, 0)));

#define log_error(...)   log_write(LOG_ERR, __VA_ARGS__)
#define log_warning(...) log_write(LOG_WARNING, __VA_ARGS__)
#define log_notice(...)  log_write(LOG_NOTICE, __VA_ARGS__)
#define log_info(...)    log_write(LOG_INFO, __VA_ARGS__)
#define log_debug(...)   log_write(LOG_DEBUG, __VA_ARGS__)

#endif
