/* SPDX-License-Identifier: MIT */
/*
 * Nodes of the System V source: their keys, their attributes, and notes in their slots.
 *
 * All functions are thread-safe.
 */
#ifndef SEGFS_SOURCE_SYSV_NODE_H
#define SEGFS_SOURCE_SYSV_NODE_H

#include "fs/source/sysv_calls.h"

enum sysv_kind {
	SYSV_ROOT = 1,
	SYSV_RESERVED = 2, /* a key reserved for a segment that has no size yet */
	SYSV_SEGMENT = 3,
};

/* Key of a node, at the start of its slot's handle. */
struct sysv_key {
	uint32_t kind; /* enum sysv_kind */
	int32_t id;    /* SYSV_SEGMENT: reused only after some 2^31 others */
	union {
		struct {
			uint64_t size; /* bytes */
			uint32_t creator_uid;
			uint32_t unused;
			int32_t creator; /* pid */
			uint32_t unused2;
		} segment;
		struct {
			uint64_t made_at; /* CLOCK_REALTIME, nanoseconds; unique for the key */
			uint32_t uid;     /* of the future segment */
			uint32_t gid;
			uint32_t mode;
			uint32_t key;
		} reserved;
	};
};

/*
 * Note about a node, in the rest of its slot's handle; not part of the key. Guarded by a lock in sysv_node.c.
 */
struct sysv_note {
	int32_t made; /* SYSV_RESERVED: id of the created segment, plus one */
	/*
	 * SYSV_RESERVED: pid of the worker that began to create it; SYSV_SEGMENT: of the one that last
	 * attached it
	 */
	int32_t maker;
	uint32_t uid; /* last known owner, group and mode */
	uint32_t gid;
	uint32_t mode;
	int32_t last; /* SYSV_SEGMENT: shm_lpid, shm_atime and shm_dtime before the worker's own attach */
	union {
		struct {
			uint32_t atime;
			uint32_t dtime;
		} before;
		uint64_t made_size; /* SYSV_RESERVED: bytes of the created segment */
	};
};

_Static_assert(sizeof(struct sysv_key) == 32 && sizeof(struct sysv_note) == 32 &&
		       64 <= sizeof(((struct node_slot *)0)->handle),
	       "both fit into a slot");

static inline const struct sysv_key *sysv_key_of(const struct node_slot *node)
{
	return (const void *)node->handle;
}

/* Whether a node is the directory of segments. */
bool sysv_is_root(const struct node_slot *node);

/* Gets the key of the directory of segments. */
void sysv_root_key(uint16_t store, struct node_key *key);

/* Fills `file` for a segment found by name. Changes by the worker's own attach are hidden. */
void sysv_file_of_segment(struct state *state, uint16_t store, const struct sysv_segment *segment,
			  struct source_file *file);

/* Fills `file` for a reservation, without a descriptor. */
void sysv_file_of_reservation(const struct sysv_key *key, uint16_t store, struct source_file *file);

/* Gets the attributes of any node. Returns 0; -ESTALE if its segment is gone and not open. */
int sysv_stat_node(struct state *state, const struct node_slot *node, struct stat *stat);

/* The segment id of a node, or -1. */
int sysv_segment_id(const struct node_slot *node);

/* Whether a node is a reservation without a segment. */
bool sysv_is_unsized(struct state *state, const struct node_slot *node);

/* The open node that reserves a key, or NULL. */
const struct node_slot *sysv_find_reservation(struct state *state, uint16_t store, uint32_t key);

/* Gets the segment of a node. Returns 0; -ESTALE if there is none yet, or none any more. */
int sysv_segment_of(struct state *state, const struct node_slot *node, struct sysv_segment *segment);

/* Whether a node's segment is open through the mount, also by the open that created it. */
bool sysv_is_open(struct state *state, const struct node_slot *node, const struct sysv_segment *segment);

/* --- notes --- */

/*
 * Gets the pid of the worker that began to create the segment of a reservation, or 0; sets it to this worker.
 */
pid_t sysv_maker_of(const struct node_slot *node);
void sysv_note_maker(const struct node_slot *node);

/* Records that segment `id` of `size` bytes was created for a reservation. */
void sysv_note_made(const struct node_slot *node, int id, uint64_t size);

/* Records the attributes of a segment before the worker attaches it, so that the change can be hidden. */
void sysv_note_attach(const struct node_slot *node, const struct sysv_segment *segment);

#endif
