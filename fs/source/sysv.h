/* SPDX-License-Identifier: MIT */
/*
 * What the files of the System V source share: the kernel's calls for segments of an IPC namespace, and what tells nodes apart.
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

enum sysv_kind {
	SYSV_ROOT = 1,
	SYSV_RESERVED = 2, /* a key that somebody wants to give a segment: it has no size yet */
	SYSV_SEGMENT = 3,
};

/* What tells a node of this source from others: the start of its slot's handle. */
struct sysv_key {
	uint32_t kind;     /* enum sysv_kind */
	int32_t id;        /* SYSV_SEGMENT: which comes again only after some 2^31 others */
	uint64_t size;     /* SYSV_SEGMENT: bytes; SYSV_RESERVED: a number that no other reservation has */
	uint32_t owner;    /* SYSV_SEGMENT: creator's uid; SYSV_RESERVED: uid of the segment to be */
	uint32_t group;    /* SYSV_SEGMENT: 0 */
	uint32_t mode;     /* SYSV_SEGMENT: the creator's pid */
	uint32_t key;      /* SYSV_SEGMENT: 0, since it changes */
};

/* What is noted of a node: the rest of its slot's handle, which is no part of its key. Guarded by a lock of sysv.c's. */
struct sysv_note {
	int32_t made;      /* SYSV_RESERVED: the segment that was made, plus one */
	int32_t maker;     /* SYSV_RESERVED: the worker that began to make it; SYSV_SEGMENT: the one that attached it last */
	uint32_t uid;      /* as they were when the segment was last there */
	uint32_t gid;
	uint32_t mode;
	int32_t last;      /* SYSV_SEGMENT: what the worker's own attaching has changed: as it was before */
	uint32_t atime;    /* SYSV_RESERVED: the size of what was made, lower half */
	uint32_t dtime;    /* ... upper half */
};

_Static_assert(sizeof(struct sysv_key) + sizeof(struct sysv_note) <= sizeof(((struct node_slot *)0)->handle),
	       "both fit into a slot");

static inline const struct sysv_key *sysv_key_of(const struct node_slot *node)
{
	return (const void *)node->handle;
}

/* The key of the directory of all segments. */
void sysv_root_key(uint16_t store, struct node_key *key);

/* Facts about segments. */
extern const struct source_fact sysv_facts[];

/* Tells the segment of a node. Returns 0; -ESTALE where it is gone, or there is none yet. */
int sysv_segment_of(struct state *state, const struct node_slot *node, struct sysv_segment *segment);

/* Whether a node's segment is open through the mount, also by an open that made it. */
bool sysv_is_open(struct state *state, const struct node_slot *node, const struct sysv_segment *segment);

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

/* IPC_SET of owner, group and mode; IPC_RMID. Return 0; -ENOENT; -EINVAL for ids that the namespace does not know. */
int sysv_set(const struct state *state, uint16_t store, const struct sysv_segment *segment);
int sysv_remove(const struct state *state, uint16_t store, int id);

/*
 * Opens the file that holds a segment's memory (fact K1). flags: of open(2). It is attached for that moment, which the kernel notes.
 * Returns a descriptor that the caller closes; -ENOENT where the segment is gone; -ENOMEM, -EMFILE, -ENFILE.
 */
int sysv_open_memory(const struct state *state, uint16_t store, int id, int flags);

#endif
