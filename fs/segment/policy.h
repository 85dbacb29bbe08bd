/* SPDX-License-Identifier: MIT */
/*
 * Policies of nodes: stored with the backing file, and summarized in the node's slot for opens and I/O.
 */
#ifndef SEGFS_SEGMENT_POLICY_H
#define SEGFS_SEGMENT_POLICY_H

#include "fs/state/handle.h"
#include "lib/base/policy.h"

/*
 * Gets the policy word of a node: enum node_policy. Returns 0, or the errno of reading it: an unreadable
 * policy must not be taken for the default.
 */
int policy_find(struct state *state, const struct node_slot *node, uint32_t *word);

/* The same for callers that cannot fail: an unreadable policy counts as the default. */
uint32_t policy_word(struct state *state, const struct node_slot *node);

/* Reads the whole policy of a segment, or the default of a directory. Returns 0; the errno of reading it. */
int policy_read(struct state *state, const struct node_slot *node, struct policy *policy);

/*
 * Changes one field of a node's policy.
 * wanted: contains the new value.
 * Returns 0; 1 if the lifetime of a segment has changed: the caller must call lifetime_changed(); -EBUSY if
 * opens conflict, except the requester's own: a tool that restores a file sets its attributes while it has it
 * open; -ESRCH for the lifetime of a process that has ended or is unknown; -ENOSPC if the memory to commit is
 * not available; -EOPNOTSUPP if the medium stores no attributes; -ESTALE.
 */
int policy_change(struct state *state, uint64_t id, enum policy_field field, const struct policy *wanted,
		  pid_t requester);

/* The same for several fields at once, all or none, without a requester whose opens are exempt. */
int policy_change_fields(struct state *state, uint64_t id, const bool fields[POLICY_FIELDS],
			 const struct policy *wanted);

/*
 * Gets the policy of a file or directory that the request creates in `dir`, and the line to store with it; ""
 * for the default.
 * is_file: a regular file, which gets an owner if its lifetime requires one.
 * Returns 0; -ESRCH if the requester, as the owner, is in a pid namespace that is not visible here; the
 * errors of policy_find().
 */
int policy_inherit(struct state *state, const struct node_slot *dir, bool is_file, pid_t requester,
		   struct policy *policy, char text[POLICY_TEXT_MAX]);

/*
 * Completes what the node of a file that was created will be, by its policy and its creator; file->mode is
 * set.
 * requester_identity: of that thread, as of procfs_thread_identity(); 0 = unknown.
 * Returns whether its lifetime is limited: the caller must call lifetime_changed() for the node.
 */
bool policy_of_new(const struct policy *policy, pid_t requester, uint64_t requester_identity,
		   struct node_new *file);

/* The same for a node that exists. */
bool policy_made(struct state *state, uint64_t id, const struct policy *policy, pid_t requester,
		 uint64_t requester_identity);

/*
 * To be called before *size bytes are written at `offset`, or at the end: reduces *size to what a fixed size
 * permits, and reserves the memory between the present end and `offset`. Returns 0; -EFBIG if nothing can be
 * written; -ENOSPC.
 */
int policy_before_write(uint32_t policy, int fd, bool append, off_t offset, size_t *size);

/*
 * To be called before fallocate(2): reserves the memory between the present end and `offset`. Returns 0;
 * -EPERM if the call would change a fixed size; -EOPNOTSUPP if it would free committed memory; -ENOSPC.
 */
int policy_before_fallocate(uint32_t policy, int fd, int mode, off_t offset, off_t length);

/*
 * To be called before the size is set: for a committed segment, allocates memory, which also sets a larger
 * size.
 * Returns 0; -EPERM for a fixed size, unless it is 0 or stays the same; -ENOSPC.
 */
int policy_before_resize(uint32_t policy, int fd, off_t size);

/*
 * The part of a policy that is in force: not a fixed size, while the first open for writing fills the
 * segment.
 */
uint32_t policy_in_force(const struct node_slot *node, uint32_t policy);

/* Puts a fixed size in force: the size was set, or the open that filled the segment has ended. */
void policy_size_settled(struct state *state, const struct node_slot *node);

/* Returns the policy word of a policy. */
uint32_t policy_pack(const struct policy *policy);

/*
 * Prevents policy changes until policy_thaw(), which must always follow, and soon: nothing that waits for a
 * request may be called in between. Returns whether the node has the lifetime `lifetime`, one of
 * NODE_POLICY_LIFETIMES.
 */
bool policy_freeze(const struct node_slot *node, uint32_t lifetime);
void policy_thaw(void);

/* Resolves the changes that a worker was making when it died: the stored policy counts. */
void policy_recover(struct state *state);

#endif
