/* SPDX-License-Identifier: MIT */
/*
 * Entries: what the kernel is told of a node, for how long it may rely on it, and the references that it holds.
 */
#ifndef SEGFS_SEGMENT_ENTRY_H
#define SEGFS_SEGMENT_ENTRY_H

#include "fs/fuse/request.h"
#include "fs/source/source.h"

/*
 * Seconds for which the kernel may rely on what a listing of a large directory tells of what others can change: the shortest time
 * that it counts, one or two clock ticks, which is enough for who asks for each entry as it comes. A question for each would make
 * the listing ten times as slow. Small directories are asked about each time.
 */
#define LISTED_TIMEOUT 0.001

/*
 * Seconds for which the kernel may rely on a node's attributes; none for a file with set-id bits, see set_id.h. To be called for each
 * reply that carries attributes, since it notes what the kernel is told.
 * mode: st_mode, as the reply has it.
 */
double attr_timeout(struct fs *fs, const struct node_slot *node, mode_t mode);

/* Notes that entries of a large directory that others can change were told: who looks each up asks for the directory, too. */
void node_was_listed(struct fs *fs, const struct node_slot *dir);

/*
 * Makes a node of a file that was found or made, takes the kernel's reference to it, and fills the entry that tells
 * the kernel. file->fd is taken over or closed. Returns 0; -ENFILE, -ENOMEM, -ENOSPC as node_reference().
 */
int entry_from_file(struct fs *fs, struct source_file *file, struct fuse_entry_param *entry);

/*
 * Whether the kernel was told about the file with this inode number a moment ago, and relies on it: a listing needs not
 * tell it again.
 */
bool kernel_knows(struct fs *fs, uint16_t store, uint64_t inode);

/* Gives `count` of the kernel's references to a node back, and what was kept for them. */
void entry_forget(struct fs *fs, uint64_t id, uint64_t count);

/* After node_keep(): lets go of the node, and of what was kept for it where it is gone. */
void entry_let_go(struct fs *fs, uint64_t id);

/* Answers with an entry, or gives its reference back where the kernel did not take it. */
void reply_entry(struct request *request, const struct fuse_entry_param *entry);

/* The common end of operations that find or make a name: the file's entry. Returns 0; what entry_from_file() does; `result` below 0. */
int reply_file(struct request *request, int result, struct source_file *file);

#endif
