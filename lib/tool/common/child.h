/* SPDX-License-Identifier: MIT */
/* A command that runs while something is held for it. Only for a process with one thread. */
#ifndef SEGFS_TOOL_CHILD_H
#define SEGFS_TOOL_CHILD_H

struct tool;

#define CHILD_NOT_EXECUTABLE 126 /* as sh(1) has it */
#define CHILD_NOT_FOUND      127

/*
 * Runs a command, and returns when it has ended.
 *
 * Signals of a terminal reach both, and this process outlives them. Those that others send to this process
 * are passed on to the command. If this process is killed, the command gets SIGTERM. argv: the command and
 * its arguments, and NULL. status: receives its exit status, or 128 and the number of the signal that ended
 * it; CHILD_* if it could not be started, after a message. Returns 0; the errno of pipe(2) or fork(2).
 */
int child_run(const struct tool *tool, char *const *argv, int *status);

#endif
