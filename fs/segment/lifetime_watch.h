/* SPDX-License-Identifier: MIT */
/*
 * The watches on segments with a limited lifetime, the time when each is due, and the sleep of the thread
 * that watches. Used by that thread only.
 */
#ifndef SEGFS_SEGMENT_LIFETIME_WATCH_H
#define SEGFS_SEGMENT_LIFETIME_WATCH_H

#include "fs/fuse/fs.h"
#include "fs/source/views.h"

#include <poll.h>

#define WATCH_NEVER UINT64_MAX           /* not due */
#define WATCH_RETRY UINT64_C(1000000000) /* nanoseconds, after a shortage of descriptors or memory */

/* A segment with a limited lifetime. */
struct watch {
	uint64_t id;              /* node id */
	uint64_t ttl;             /* nanoseconds; 0 = none */
	uint32_t word;            /* the kind of lifetime: one of NODE_POLICY_LIFETIMES */
	uint64_t due;             /* CLOCK_BOOTTIME, nanoseconds: when to check it again */
	int process_fd;           /* pidfd, -1 = none */
	size_t polled;            /* index in watches.polled, if there is a process_fd */
	struct views_probe probe; /* of a segment that is closed, but may be mapped */
	int wd;                   /* inotify watch of its backing file, -1 = none */
	uint64_t unmapped;        /* the node's closed_at when it was found unmapped, 0 = unknown */
	bool is_owned;            /* ends with a process */
	bool ended;               /* its process has ended */
};

/* All watches. */
struct watches {
	struct watch *watch; /* `n`, in no order */
	size_t n;
	struct pollfd *polled; /* one for each watch that has a process_fd, and one for inotify_fd */
	int inotify_fd;        /* reports that a view has ended, -1 = not needed yet */
	bool all_closed;       /* the mount has ended, which closed all segments */
};

#define WATCHES_NONE                                                                                         \
	{                                                                                                    \
		.inotify_fd = -1                                                                             \
	}

/* Reserves memory for one more watch, and for polling it. Returns 0 or -ENOMEM. */
int watches_reserve(struct watches *watches);

/*
 * Applies the present policy of a node: begins or ends watching it. Returns 0; the errno of reading the
 * policy, with nothing changed; -ENOMEM, with the node not watched.
 */
int watches_update(struct fs *fs, struct watches *watches, uint64_t id);

/* Ends a watch; the last watch moves to its place. */
void watches_drop(struct watches *watches, struct watch *watch);

/* Whether a node has a handle, and the mount has not ended. */
bool watches_is_open(struct fs *fs, const struct watches *watches, uint64_t id);

/* When a segment is due, or is to be checked again: CLOCK_BOOTTIME in nanoseconds; 0 = now; WATCH_NEVER. */
uint64_t watches_time_of_end(struct fs *fs, struct watches *watches, struct watch *watch,
			     struct node_slot *node);

/* Sleeps until `next`, the end of a process or view, or a signal. Records which processes have ended. */
void watches_sleep(struct watches *watches, uint64_t next);

/* Closes the inotify instance if no watch uses it. */
void watches_close_unused(struct watches *watches);

/* Ends all watches, and frees the memory. */
void watches_close(struct watches *watches);

#endif
