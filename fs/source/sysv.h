/* SPDX-License-Identifier: MIT */
/*
 * System V segments of an IPC namespace, by the kernel's calls.
 *
 * The calls work in the namespace of a store: one that is not the daemon's own is entered for the call, by the calling thread alone.
 * See svipc(7), shmctl(2). Knows nothing of FUSE.
 */
#ifndef SEGFS_SOURCE_SYSV_H
#define SEGFS_SOURCE_SYSV_H

#include "fs/source/source.h"

#include <time.h>

/* A segment, as the kernel tells it. */
struct sysv_segment {
	int id;
	uint32_t key;     /* 0 = IPC_PRIVATE, or removed */
	uid_t uid;
	gid_t gid;
	mode_t mode;      /* permission bits */
	bool removed;     /* goes when nobody has it attached any more */
	bool locked;      /* SHM_LOCK */
	uint64_t size;    /* bytes */
	uint64_t nattch;
	pid_t creator;    /* in the daemon's pid namespace; 0 = not visible there */
	pid_t last;       /* who attached or detached it last */
	uid_t creator_uid;
	time_t atime;     /* of the last attach, 0 = never; seconds */
	time_t dtime;     /* of the last detach */
	time_t ctime;
};

/* Facts about segments. */
extern const struct source_fact sysv_facts[];

/* --- the kernel's calls; store: index of the store_record --- */

/* Tells a segment. Returns 0; -ENOENT. */
int sysv_stat(const struct state *state, uint16_t store, int id, struct sysv_segment *segment);

/* The id of the segment that has a key other than IPC_PRIVATE. Returns it; -ENOENT. */
int sysv_find(const struct state *state, uint16_t store, uint32_t key);

/* Calls `visit` for each segment there is. Returns 0, or the first thing but 0 that visit() returned; the errno of shmctl(2). */
int sysv_visit(const struct state *state, uint16_t store, int (*visit)(const struct sysv_segment *segment, void *context),
	       void *context);

/*
 * Makes a segment that belongs to `uid` and `gid`. size: bytes. Returns its id; -EEXIST; -ENOSPC where the size or the number of segments
 * is more than SHMMAX, SHMALL or SHMMNI allow; -EINVAL for a size of 0; -ENOMEM.
 */
int sysv_make(const struct state *state, uint16_t store, uint32_t key, uint64_t size, mode_t mode, uid_t uid, gid_t gid);

/*
 * IPC_SET of owner, group and mode; IPC_RMID. By the requester, see requester.h, or by the daemon itself, to undo what it has done.
 * Return 0; -EPERM where the requester is neither owner nor creator; -ENOENT; -EINVAL for ids that the namespace does not know.
 */
int sysv_set(const struct state *state, uint16_t store, const struct sysv_segment *segment);
int sysv_remove(const struct state *state, uint16_t store, int id);
int sysv_undo(const struct state *state, uint16_t store, int id);

/*
 * Whether the requester may attach a segment: to read it, which leaves no trace; or to read and write it, which attaches it for a moment.
 * Return 0; -EACCES; -ENOENT; -ENOMEM.
 */
int sysv_may_read(const struct state *state, uint16_t store, int id);
int sysv_may_write(const struct state *state, uint16_t store, int id);

/*
 * Opens the file that holds a segment's memory (fact K1). flags: of open(2). It is attached for that moment, which the kernel notes.
 * Returns a descriptor that the caller closes; -ENOENT where the segment is gone; -ENOMEM, -EMFILE, -ENFILE.
 */
int sysv_open_memory(const struct state *state, uint16_t store, int id, int flags);

#endif
