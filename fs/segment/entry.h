/* SPDX-License-Identifier: MIT */
/*
 * Entries: the attributes of a node that the kernel gets, how long it may cache them, and its references.
 */
#ifndef SEGFS_SEGMENT_ENTRY_H
#define SEGFS_SEGMENT_ENTRY_H

#include "fs/fuse/request.h"
#include "fs/source/source.h"

/*
 * Seconds for which the kernel may cache the entries of a large external directory: the shortest time that it
 * counts, one or two clock ticks, which is enough for a program that looks up each entry as it is listed. A
 * request for each would make the listing ten times slower. Entries of small external directories are not
 * cached.
 */
#define LISTED_TIMEOUT 0.001

/*
 * Seconds for which the kernel may cache a node's attributes; 0 for a file with set-id bits, see set_id.h.
 * Must be called for each reply with attributes, since it records the mode that is sent.
 * mode: st_mode in the reply.
 */
double attr_timeout(struct fs *fs, const struct node_slot *node, mode_t mode);

/*
 * Records that a large external directory is being listed, so that its own attributes are cached for
 * LISTED_TIMEOUT, too: each lookup of an entry revalidates them.
 */
void node_was_listed(struct fs *fs, const struct node_slot *dir);

/*
 * Finds or creates the node of a file, increments its lookup count, and fills the entry for the reply.
 * file->fd is moved or closed. Returns 0; -ENFILE, -ENOMEM, -ENOSPC as node_reference().
 */
int entry_from_file(struct fs *fs, struct source_file *file, struct fuse_entry_param *entry);

/* The parts of entry_from_file(): flags of the node of a file; the entry of a referenced node. */
uint32_t entry_node_flags(const struct source_file *file);
void entry_of_node(struct fs *fs, uint64_t id, const struct source_file *file,
		   struct fuse_entry_param *entry);

/*
 * Whether the kernel got the file with this inode number recently and still caches it, so a listing can omit
 * it.
 */
bool kernel_knows(struct fs *fs, uint16_t store, uint64_t inode);

/*
 * Subtracts `count` from a node's lookup count, and releases the passthrough id and the cached descriptor if
 * they are no longer needed.
 */
void entry_forget(struct fs *fs, uint64_t id, uint64_t count);

/* Ends node_pin_slot(), and releases the same. */
void entry_unpin(struct fs *fs, uint64_t id);

/* Replies with an entry; drops its reference if the kernel does not take the reply. */
void reply_entry(struct request *request, const struct fuse_entry_param *entry);

/*
 * Ends an operation that finds or creates a name: replies with the file's entry, unless `result` is negative.
 * Returns 0; a negative `result`; the errors of entry_from_file().
 */
int reply_file(struct request *request, int result, struct source_file *file);

#endif
