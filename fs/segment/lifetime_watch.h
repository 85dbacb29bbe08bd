/* SPDX-License-Identifier: MIT */
/*
 * The watches over segments whose life is limited: which there are, when each segment is to end, and what the thread that
 * watches sleeps on. All of it is that thread's own.
 */
#ifndef SEGFS_SEGMENT_LIFETIME_WATCH_H
#define SEGFS_SEGMENT_LIFETIME_WATCH_H

#include "fs/fuse/fs.h"
#include "fs/source/views.h"

#include <poll.h>

#define WATCH_NEVER UINT64_MAX            /* a time that does not come */
#define WATCH_RETRY UINT64_C(1000000000)  /* nanoseconds, after something failed for want of descriptors or memory */

/* A segment whose life is limited. */
struct watch {
	uint64_t id;    /* node id */
	uint64_t ttl;   /* nanoseconds; 0 = it has no such limit */
	uint32_t word;  /* the kind of lifetime: one of NODE_POLICY_LIFETIMES */
	uint64_t due;   /* CLOCK_BOOTTIME, nanoseconds: when it is to be looked at again */
	int process_fd; /* pidfd, -1 = none */
	size_t polled;  /* its place in watches.polled, if it has a process_fd */
	struct views_probe probe; /* of one that is closed, and may still be mapped */
	int wd;         /* inotify watch of its backing file, -1 = none */
	uint64_t unmapped; /* the node's closed_at when nobody had it mapped either, 0 = not known */
	bool is_owned;  /* ends with a process */
	bool over;      /* its process has ended */
};

/* All of them. */
struct watches {
	struct watch *watch;   /* `n`, in no order */
	size_t n;
	struct pollfd *polled; /* one for each watch that has a process_fd, and one for inotify_fd */
	int inotify_fd;        /* tells that a view is gone, -1 = not needed yet */
	bool all_closed;       /* the mount is gone, and whatever was open in it is closed */
};

#define WATCHES_NONE {.inotify_fd = -1}

/* Makes room for one more, and for what it is polled by. Returns 0 or -ENOMEM. */
int watches_reserve(struct watches *watches);

/*
 * Takes up what a node's policy says by now: it is watched from here on, or not any more. Returns 0; the errno of reading the
 * policy, with all as it was; -ENOMEM, with the node not watched.
 */
int watches_take_up(struct fs *fs, struct watches *watches, uint64_t id);

/* Ends a watch; the last one gets its place. */
void watches_drop(struct watches *watches, struct watch *watch);

/* Whether a node has a handle, and the mount is there. */
bool watches_is_open(struct fs *fs, const struct watches *watches, uint64_t id);

/* When the segment of a watch is to end, or to be looked at again, CLOCK_BOOTTIME in nanoseconds: 0 = now; WATCH_NEVER. */
uint64_t watches_time_of_end(struct fs *fs, struct watches *watches, struct watch *watch, struct node_slot *node);

/* Sleeps until `next`, a process ends, a view goes, or a signal comes; notes which processes have ended. */
void watches_sleep(struct watches *watches, uint64_t next);

/* Closes what is needed only as long as a view is awaited, if none is. */
void watches_close_unused(struct watches *watches);

/* Ends all, and gives back the memory. */
void watches_close(struct watches *watches);

#endif
