/* SPDX-License-Identifier: MIT */
/*
 * Nodes of the System V source: what tells them apart, their attributes, and what is noted of them in their slots.
 *
 * All functions may be called by several threads at once.
 */
#ifndef SEGFS_SOURCE_SYSV_NODE_H
#define SEGFS_SOURCE_SYSV_NODE_H

#include "fs/source/sysv.h"

enum sysv_kind {
	SYSV_ROOT = 1,
	SYSV_RESERVED = 2, /* a key that somebody wants to give a segment: it has no size yet */
	SYSV_SEGMENT = 3,
};

/* Key of a node of this source: the start of its slot's handle. */
struct sysv_key {
	uint32_t kind;               /* enum sysv_kind */
	int32_t id;                  /* SYSV_SEGMENT: reused only after some 2^31 others */
	union {
		struct {
			uint64_t size;         /* bytes */
			uint32_t creator_uid;
			uint32_t unused;
			int32_t creator;       /* pid */
			uint32_t unused2;
		} segment;
		struct {
			uint64_t made_at;      /* CLOCK_REALTIME, nanoseconds; tells it from other reservations of the key */
			uint32_t uid;          /* of the segment to be made */
			uint32_t gid;
			uint32_t mode;
			uint32_t key;
		} reserved;
	};
};

/* What is recorded of a node: the rest of its slot's handle, not part of its key. Guarded by a lock of sysv_node.c. */
struct sysv_note {
	int32_t made;      /* SYSV_RESERVED: id of the segment that was made, plus one */
	int32_t maker;     /* SYSV_RESERVED: the worker that began to make it; SYSV_SEGMENT: the one that attached it last */
	uint32_t uid;      /* as they were when the segment was last seen */
	uint32_t gid;
	uint32_t mode;
	int32_t last;      /* SYSV_SEGMENT: shm_lpid, shm_atime, shm_dtime before the worker attached it */
	union {
		struct {
			uint32_t atime;
			uint32_t dtime;
		} before;
		uint64_t made_size; /* SYSV_RESERVED: bytes of the segment that was made */
	};
};

_Static_assert(sizeof(struct sysv_key) == 32 && sizeof(struct sysv_note) == 32 && 64 <= sizeof(((struct node_slot *)0)->handle),
	       "both fit into a slot");

static inline const struct sysv_key *sysv_key_of(const struct node_slot *node)
{
	return (const void *)node->handle;
}

/* Whether a node is the directory of all segments. */
bool sysv_is_root(const struct node_slot *node);

/* The key of the directory of all segments. */
void sysv_root_key(uint16_t store, struct node_key *key);

/* Fills `file` for a segment that was found by name: key and attributes, what the worker's own attaching has changed being hidden. */
void sysv_file_of_segment(struct state *state, uint16_t store, const struct sysv_segment *segment, struct source_file *file);

/* ... for a file that reserves its key, without a descriptor to keep. */
void sysv_file_of_reservation(const struct sysv_key *key, uint16_t store, struct source_file *file);

/* Attributes of any node. Returns 0; -ESTALE where its segment is gone, and not open either. */
int sysv_stat_node(struct state *state, const struct node_slot *node, struct stat *stat);

/* Which segment a node is about, or -1. */
int sysv_segment_id(const struct node_slot *node);

/* Whether a node reserves a key, and no segment was made for it yet. */
bool sysv_is_unsized(struct state *state, const struct node_slot *node);

/* The open file, if there is one, that reserves a key; or NULL. */
const struct node_slot *sysv_find_reservation(struct state *state, uint16_t store, uint32_t key);

/* Tells the segment of a node. Returns 0; -ESTALE where it is gone, or there is none yet. */
int sysv_segment_of(struct state *state, const struct node_slot *node, struct sysv_segment *segment);

/* Whether a node's segment is open through the mount, also by an open that made it. */
bool sysv_is_open(struct state *state, const struct node_slot *node, const struct sysv_segment *segment);

/* --- what is noted --- */

/* Which worker was about to make the segment of a reservation, or 0; and that it is this one. */
pid_t sysv_maker_of(const struct node_slot *node);
void sysv_note_maker(const struct node_slot *node);

/* The segment `id` of `size` bytes was made for a reservation. */
void sysv_note_made(const struct node_slot *node, int id, uint64_t size);

/* The worker is about to attach a segment, which is in `segment` as it was before: what that changes can be hidden then. */
void sysv_note_attach(const struct node_slot *node, const struct sysv_segment *segment);

#endif
