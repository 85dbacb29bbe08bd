/* SPDX-License-Identifier: MIT */
/*
 * How saved segments get onto a mount: beside what is there under hidden names, which are given up for their
 * own when they are complete; or, in sysv/ and in place, by writing what was verified before.
 * Belongs to one thread.
 */
#ifndef SEGFS_TOOL_LANDING_H
#define SEGFS_TOOL_LANDING_H

#include "lib/tool/common/manifest.h"

#include <limits.h>

struct tool;
struct progress;
struct place_swept;

/* How to treat what is there. Members of settings of commands that load. */
struct landing_style {
	bool replace, in_place, resume, no_policy, quiet;
	uint64_t timeout;          /* nanoseconds to wait for a lock, FILELOCK_FOREVER */
	struct place_swept *swept; /* the caller's */
};

/* A segment that is to be. */
struct landing {
	char name[PATH_MAX]; /* below the mount */
	size_t above;        /* how much of the name is the directory in which the file is until then */
	bool is_written;     /* the bytes are not moved by renaming: sysv/, in place */
	bool is_new;         /* of is_written: the segment is still to be created */
	bool is_resumed;     /* fd has data of an earlier run */
	int fd;              /* the hidden file; of is_written: memory of this process, or -1 */
};

/*
 * Prepares a name: looks at what is there, and creates the hidden file. needs_memory: of is_written: the
 * source is a stream, so that fd is memory. landing: released by landing_end(). Returns 0; -EEXIST, -EBUSY;
 * -EROFS in process/; -ENOTSUP, a name that sysv/ cannot have; a negative errno.
 */
int landing_begin(const struct tool *tool, const char *name, const struct landing_style *style,
		  bool needs_memory, struct landing *landing);

/*
 * Gives the segment its bytes, properties and name. content: a file with the bytes, of is_written; may be fd.
 * what: receives what could not be set, or NULL. Returns 0; -EAGAIN, the lock; a negative errno.
 */
int landing_publish(const struct tool *tool, struct landing *landing, const struct manifest_entry *entry,
		    int content, const struct landing_style *style, struct progress *progress,
		    const char **what);

/*
 * Whether a segment has the mode, owner and attributes that landing_publish() gives it; in place, all that it
 * has are right. fd: of the segment. Returns 1, 0 or a negative errno.
 */
int landing_has_properties(const struct tool *tool, int fd, const struct manifest_entry *entry,
			   const struct landing_style *style);

/* The same with its bytes, which are read. Returns also 0 if there is no such segment. */
int landing_is_complete(const struct tool *tool, const char *name, const struct manifest_entry *entry,
			const struct landing_style *style, struct progress *progress);

/* Lets the hidden file stay for a run that resumes. landing_end() must follow. */
void landing_keep(struct landing *landing);

/* Releases it; the hidden file is removed, unless it was published. */
void landing_end(const struct tool *tool, struct landing *landing);

/*
 * Creates the directories above a name, as the manifest has them; those that exist stay as they are.
 * skip: how much of the name is not in the manifest. Returns 0; a negative errno.
 */
int landing_make_directories(const struct tool *tool, const char *name, size_t skip,
			     const struct manifest *manifest, const struct landing_style *style);

#endif
