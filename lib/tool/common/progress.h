/* SPDX-License-Identifier: MIT */
/*
 * A line that tells how far a long command is: on standard error, if that is a terminal, and rewritten a few
 * times a second. Belongs to one thread.
 */
#ifndef SEGFS_TOOL_PROGRESS_H
#define SEGFS_TOOL_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
	bool is_shown;
	bool is_printed;  /* a line is on the screen */
	uint64_t done;    /* bytes */
	uint64_t total;   /* bytes; 0 = unknown */
	uint64_t begin;   /* nanoseconds of CLOCK_MONOTONIC */
	uint64_t printed; /* the same, when the line was */
	char *name;       /* what is worked on, quoted */
};

/* quiet: nothing is shown. Released by progress_end(). */
void progress_begin(struct progress *progress, bool quiet, uint64_t total);

/* What is worked on from now on. */
void progress_name(struct progress *progress, const char *name);

/* So many bytes more. */
void progress_add(struct progress *progress, uint64_t bytes);

/* Removes the line, before a message. */
void progress_clear(struct progress *progress);
void progress_end(struct progress *progress);

#endif
