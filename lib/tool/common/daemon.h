/* SPDX-License-Identifier: MIT */
/* The daemon of a mount: .segfs/status, signals, and its program. A status belongs to one thread. */
#ifndef SEGFS_TOOL_DAEMON_H
#define SEGFS_TOOL_DAEMON_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct tool;

/*
 * Reads .segfs/status. status: receives an object, released by json_decref(). Returns a STATUS_*, after a
 * message.
 */
int daemon_status(struct tool *tool, json_t **status);

/* A member of a status: 0, false or "" if it is missing. The text lives as long as the status. */
int64_t daemon_number(const json_t *status, const char *key);
bool daemon_truth(const json_t *status, const char *key);
const char *daemon_text(const json_t *status, const char *key);

/*
 * Sends a signal to the supervisor that a status names. Who has mounted the file system could name any
 * process: it gets the signal only if it is one of the same user. Returns a STATUS_*, after a message.
 */
int daemon_signal(struct tool *tool, const json_t *status, int signal);

/*
 * Runs the program segfs with arguments up to a NULL, that of the same directory as segctl if there is one.
 * output: where its standard output goes; -1 = where ours does. quiet: it prints no errors. Returns its exit
 * status; 128 and more if a signal ended it; or a negative errno.
 */
int daemon_run(const char *const *arguments, int output, bool quiet);

#endif
