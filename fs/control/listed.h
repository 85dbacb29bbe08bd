/* SPDX-License-Identifier: MIT */
/*
 * What .segfs/locks and .segfs/attached share. Everybody may read these lists, and sees his own entries. The
 * entries of others, and the names of segments, which may be in unreadable directories, are shown only to
 * root and the owner of the segment.
 */
#ifndef SEGFS_CONTROL_LISTED_H
#define SEGFS_CONTROL_LISTED_H

#include "fs/control/internal.h"

#include <limits.h>

/* A listed segment; cached, since consecutive lines are often about the same one. */
struct listed_segment {
	uint64_t id;    /* node id, 0 = unknown */
	uint64_t inode; /* as in the mount */
	bool mandatory;
	bool is_shown;       /* in full: the reader is root or the owner */
	char path[PATH_MAX]; /* "-" if unknown or not shown; "" = nothing is described yet */
};

/* The user who reads the list: the thread has his file-system ids. */
uid_t listed_for(void);

/* Whether he sees all segments. */
bool listed_in_full(const struct state *state);

/* Whether he may see what a process does with segments that he does not own. */
bool listed_is_own_process(const struct state *state, pid_t process);

/*
 * Describes a segment, unless it is the one described already. Returns 0, also if it is gone or has no path;
 * the errno of a resource shortage.
 */
int listed_find(struct state *state, uint64_t id, struct listed_segment *segment);

/* Appends the path of a segment, escaped as in /proc/mounts, and ends the line. */
void listed_print_name(struct control_text *text, const char *name);

/* Appends a time between blanks: ISO 8601, UTC. nanoseconds: of CLOCK_REALTIME; 0 = unknown, shown as "-". */
void listed_print_time(struct control_text *text, uint64_t nanoseconds);

#endif
