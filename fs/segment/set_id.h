/* SPDX-License-Identifier: MIT */
/*
 * Set-user-id and set-group-id bits of files: which changes of a file drop them, and what the kernel has
 * cached of them.
 *
 * The kernel says that a requester has no CAP_FSETID, so that its change of the file drops the bits. Whether
 * the set-group-id bit stays is decided here.
 *
 * execve(2) takes the mode from the kernel's cached attributes. Those of a file with such a bit expire at
 * once, so the kernel sends GETATTR when it checks the permission to execute. Between this check and the
 * moment from which the kernel denies writes, the file must not be written: opens for writing and opens for
 * execution exclude each other, and an OPEN for execution of a file that has lost its bits gets ESTALE, upon
 * which the kernel looks the file up again and starts over.
 */
#ifndef SEGFS_SEGMENT_SET_ID_H
#define SEGFS_SEGMENT_SET_ID_H

#include "fs/fuse/request.h"
#include "fs/source/source.h"

/* Whether a mode (st_mode) is that of a regular file with a set-id bit. */
bool set_id_has(mode_t mode);

/* Records that the mode of a node is sent to the kernel. Returns set_id_has(). */
bool set_id_sent(struct fs *fs, const struct node_slot *node, mode_t mode);

/*
 * Whether an open, which already has its handle, may proceed.
 * flags: of OPEN, as the kernel sends them. writes: the open may change the file.
 * Returns 0; ESTALE, once, if the kernel would execute the file with bits that it no longer has; ETXTBSY if
 * the file is being executed, or written; the errors of source->stat().
 */
int set_id_admit(const struct request *request, const struct node_slot *node, int flags, bool writes);

/*
 * Drops the set-id bits that a requester without CAP_FSETID loses when it changes a file's bytes.
 * Returns 0; the errors of source->stat(), source->change() or credentials_read().
 */
int set_id_drop(const struct request *request, const struct node_slot *node);

/*
 * Completes a change by SETATTR that drops privileges: decides drop_privileges and keep_set_group_id.
 * Returns 0; EPERM for a chown(2) that names neither user nor group, by anyone but the owner; the errors of
 * set_id_drop().
 */
int set_id_complete(const struct request *request, const struct node_slot *node,
		    struct source_change *change);

#endif
