/* SPDX-License-Identifier: MIT */
/*
 * The program's log: one line per message, to stderr or to the system's log as well, with a level below which messages are dropped.
 *
 * Set up once before threads start; log_write() is safe in every thread and after a fork. Allocates nothing.
 */
#ifndef SEGFS_BASE_LOG_H
#define SEGFS_BASE_LOG_H

#include <stdarg.h>
#include <stdbool.h>
#include <syslog.h>

enum log_target {
	LOG_TO_STDERR, /* "segfs: message"; with a <N> priority prefix where stderr is the journal's stream */
	LOG_TO_BOTH,   /* that, and the socket /dev/log of syslog and the journal, facility daemon */
};

/* Chooses the target and the most verbose syslog priority (LOG_ERR ... LOG_DEBUG) that is written. */
void log_setup(enum log_target target, int max_priority);

/*
 * Opens the socket of the system's log, for LOG_TO_BOTH. One descriptor, kept for ever and used without a connection,
 * so that processes which share their descriptors can log at any time. Without it only standard error is written.
 */
void log_open(void);

/* Returns the syslog priority named by "error", "warning", "notice", "info" or "debug", or -1. */
int log_priority_from_name(const char *name);

/* Writes one line; `priority` is one of syslog's. errno is kept. */
void log_write(int priority, const char *format, ...) __attribute__((format(printf, 2, 3)));
void log_vwrite(int priority, const char *format, va_list arguments) __attribute__((format(printf, 2, 0)));

#define log_error(...) log_write(LOG_ERR, __VA_ARGS__)
#define log_warning(...) log_write(LOG_WARNING, __VA_ARGS__)
#define log_notice(...) log_write(LOG_NOTICE, __VA_ARGS__)
#define log_info(...) log_write(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_write(LOG_DEBUG, __VA_ARGS__)

#endif
