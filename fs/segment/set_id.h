/* SPDX-License-Identifier: MIT */
/*
 * Set-user-id and set-group-id bits of files: who takes them away by changing a file, and what the kernel believes of them.
 *
 * The kernel tells that a requester has no CAP_FSETID, so that a change of the file takes them away; whether a group keeps its bit
 * is found out here.
 *
 * execve(2) takes the mode from the kernel's cached attributes. Those of a file with such a bit have no lifetime, so the kernel asks
 * when it checks the permission to execute. For what is written between that and the moment from which the kernel lets nobody write,
 * opens to write and opens to execute keep each other out, and an OPEN to execute a file that has lost its bits is answered with
 * ESTALE: the kernel looks the file up again, and starts over.
 */
#ifndef SEGFS_SEGMENT_SET_ID_H
#define SEGFS_SEGMENT_SET_ID_H

#include "fs/fuse/request.h"
#include "fs/source/source.h"

/* Whether a mode (st_mode) is that of a regular file with a set-id bit. */
bool set_id_has(mode_t mode);

/* Notes that the kernel is told the mode of a node. Returns set_id_has(). */
bool set_id_told(struct fs *fs, const struct node_slot *node, mode_t mode);

/*
 * Whether an open, which has its handle already, may go on.
 * flags: of OPEN, as the kernel sends them. writes: it may change the file. Returns 0; ESTALE, once, where the kernel would execute with
 * bits that the file has not any more; ETXTBSY where the file is executed, or written; what source->stat() returns.
 */
int set_id_admit(const struct request *request, const struct node_slot *node, int flags, bool writes);

/*
 * Takes the bits of a file away that the requester, who has no CAP_FSETID, does not leave when he changes its bytes.
 * Returns 0; the errno of source->stat(), source->change() or credentials_read().
 */
int set_id_drop(const struct request *request, const struct node_slot *node);

/*
 * Completes a change that drops privileges, as SETATTR asks for it: drop_privileges and keep_set_group_id become what is to be done.
 * Returns 0; EPERM for a chown(2) by somebody else, that names neither user nor group; as set_id_drop().
 */
int set_id_complete(const struct request *request, const struct node_slot *node, struct source_change *change);

#endif
