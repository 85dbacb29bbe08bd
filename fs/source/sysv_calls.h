/* SPDX-License-Identifier: MIT */
/*
 * System V segments of an IPC namespace, by system calls.
 *
 * The calls apply to the IPC namespace of a store. If it is not the daemon's own, the calling thread alone
 * enters it for the call. See svipc(7), shmctl(2). Knows nothing of FUSE.
 */
#ifndef SEGFS_SOURCE_SYSV_CALLS_H
#define SEGFS_SOURCE_SYSV_CALLS_H

#include "fs/source/source.h"

#include <time.h>

/* A segment, as reported by the kernel. */
struct sysv_segment {
	int id;
	uint32_t key; /* 0 = IPC_PRIVATE, or removed */
	uid_t uid;
	gid_t gid;
	mode_t mode;   /* permission bits */
	bool removed;  /* destroyed with the last detach */
	bool locked;   /* SHM_LOCK */
	uint64_t size; /* bytes */
	uint64_t nattch;
	pid_t creator; /* in the daemon's PID namespace; 0 = not visible there */
	pid_t last;    /* last process to attach or detach */
	uid_t creator_uid;
	time_t atime; /* of the last attach, 0 = never; seconds */
	time_t dtime; /* of the last detach */
	time_t ctime;
};

/* --- system calls; store: index of the store_record --- */

/* Gets a segment. Returns 0; -ENOENT. */
int sysv_stat(const struct state *state, uint16_t store, int id, struct sysv_segment *segment);

/*
 * Gets the memory of a segment in bytes, without what is swapped out, from /proc/sysvipc/shm: no call tells
 * it. Returns 0; -ENOENT; the negative errno of fopen(3).
 */
int sysv_resident(const struct state *state, uint16_t store, int id, uint64_t *bytes);

/* Finds a segment by its key, which must not be IPC_PRIVATE. Returns its id; -ENOENT. */
int sysv_find(const struct state *state, uint16_t store, uint32_t key);

/*
 * Calls `visit` for each segment. Returns 0, or the first non-zero result of visit(); the negative errno of
 * shmctl(2).
 */
int sysv_visit(const struct state *state, uint16_t store,
	       int (*visit)(const struct sysv_segment *segment, void *context), void *context);

/*
 * Creates a segment owned by `uid` and `gid`. size: bytes. Returns its id; -EEXIST; -ENOSPC if the size or
 * the number of segments exceeds SHMMAX, SHMALL or SHMMNI; -EINVAL for a size of 0; -ENOMEM.
 */
int sysv_make(const struct state *state, uint16_t store, uint32_t key, uint64_t size, mode_t mode, uid_t uid,
	      gid_t gid);

/*
 * IPC_SET of owner, group and mode; IPC_RMID with the requester's permissions, see requester.h; IPC_RMID by
 * the daemon, to undo sysv_make().
 * Return 0; -EPERM if the requester is neither owner nor creator; -ENOENT; -EINVAL for ids unknown to the
 * namespace.
 */
int sysv_set(const struct state *state, uint16_t store, const struct sysv_segment *segment);
int sysv_remove(const struct state *state, uint16_t store, int id);
int sysv_undo(const struct state *state, uint16_t store, int id);

/*
 * Whether the requester may attach a segment: for reading, which leaves no trace; or for reading and writing,
 * which attaches it briefly.
 * Return 0; -EACCES; -ENOENT; -ENOMEM.
 */
int sysv_may_read(const struct state *state, uint16_t store, int id);
int sysv_may_write(const struct state *state, uint16_t store, int id);

/*
 * Opens the file of a segment's memory (fact K1). flags: of open(2). Attaches the segment meanwhile, which
 * changes its attributes. Returns a descriptor that the caller closes; -ENOENT if the segment is gone;
 * -ENOMEM, -EMFILE, -ENFILE.
 */
int sysv_open_memory(const struct state *state, uint16_t store, int id, int flags);

#endif
