/* SPDX-License-Identifier: MIT */
/*
 * Policies of nodes: stored with the backing file, and remembered in the node's slot as far as opens and I/O ask for them.
 */
#ifndef SEGFS_SEGMENT_POLICY_H
#define SEGFS_SEGMENT_POLICY_H

#include "fs/state/handle.h"
#include "lib/base/policy.h"

/*
 * Finds the policy word of a node: enum node_policy. Returns 0, or the errno of reading it: a policy that is not known must not be
 * taken for none.
 */
int policy_find(struct state *state, const struct node_slot *node, uint32_t *word);

/* The same where there is nobody to be refused: what can't be read counts as the default. */
uint32_t policy_word(struct state *state, const struct node_slot *node);

/* The whole policy of a segment, or a directory's default. Returns 0; the errno of reading it. */
int policy_read(struct state *state, const struct node_slot *node, struct policy *policy);

/*
 * Changes one field of a node's policy.
 * wanted: has the field as it is to be. Returns 0; 1 where the lifetime of a segment has changed, which the caller passes on by
 * lifetime_changed(); -EBUSY where opens are in the way, other than the requester's own: a tool
 * that restores a file sets its attributes while it has it open; -ESRCH for the lifetime of a process that
 * has ended or is not known; -ENOSPC where the memory to be committed is not there; -EOPNOTSUPP where the medium stores no
 * attributes; -ESTALE.
 */
int policy_change(struct state *state, uint64_t id, enum policy_field field, const struct policy *wanted, pid_t requester);

/* The same for several fields at once, all of them or none, on behalf of nobody who may have it open. */
int policy_give(struct state *state, uint64_t id, const bool fields[POLICY_FIELDS], const struct policy *wanted);

/*
 * The line to be stored with a file or directory that the request makes in `dir`; "" where there is no default.
 * is_file: a regular file, which has an owner if its lifetime says so. policy: gets the same.
 * Returns 0; -ESRCH where the requester, as owner, is in a pid namespace that is not visible here; as policy_find().
 */
int policy_inherit(struct state *state, const struct node_slot *dir, bool is_file, pid_t requester, struct policy *policy,
		   char text[POLICY_TEXT_MAX]);

/* Notes the policy that a node was made with, and who made it. Returns whether its life is limited: lifetime_changed() is to be called. */
bool policy_made(struct state *state, uint64_t id, bool is_file, pid_t requester, const struct policy *policy);

/*
 * Before *size bytes are written from `offset` on, or at the end: cuts *size down to what a fixed size leaves, and reserves the
 * memory between the present end and `offset`. Returns 0; -EFBIG where nothing can be written; -ENOSPC.
 */
int policy_before_write(uint32_t policy, int fd, bool append, off_t offset, size_t *size);

/*
 * Before fallocate(2); reserves the memory between the present end and `offset`. Returns 0; -EPERM where it would change a fixed
 * size; -EOPNOTSUPP where it would give back memory that is committed; -ENOSPC.
 */
int policy_before_fallocate(uint32_t policy, int fd, int mode, off_t offset, off_t length);

/*
 * Before the size is set; reserves memory and sets the size for one that is committed.
 * Returns 0; -EPERM for a fixed size, unless it is empty or stays as it is; -ENOSPC.
 */
int policy_before_resize(uint32_t policy, int fd, off_t size);

/*
 * What of a node's policy holds now: a size that is to be fixed is not yet, while the first open for writing fills the segment.
 */
uint32_t policy_in_force(const struct node_slot *node, uint32_t policy);

/* The size of a node is settled: it was given one, or the open that filled it has ended. */
void policy_size_settled(struct state *state, const struct node_slot *node);

/* A policy as a node's slot has it. */
uint32_t policy_pack(const struct policy *policy);

/*
 * Keeps policies from being changed until policy_let_go(), which has to come in any case, and soon: nothing that waits for a
 * request may be done in between. Returns whether the node has the lifetime `lifetime`, one of NODE_POLICY_LIFETIMES.
 */
bool policy_hold(const struct node_slot *node, uint32_t lifetime);
void policy_let_go(void);

/* Completes what a worker that died was changing. */
void policy_recover(struct state *state);

#endif
