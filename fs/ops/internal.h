/* SPDX-License-Identifier: MIT */
/*
 * Functions of the rows of operations.c, by file. Each op_...() is operation->run, see fs/fuse/operation.h.
 */
#ifndef SEGFS_OPS_INTERNAL_H
#define SEGFS_OPS_INTERNAL_H

#include "fs/fuse/request.h"

/* lookup.c */
int op_lookup(struct request *request);
int op_forget(struct request *request);
int op_batch_forget(struct request *request);

/* Drops removed files whose lookup count is too high because an earlier worker died. */
void forget_unknown(struct fs *fs);

/* attr.c */
int op_getattr(struct request *request);
int op_setattr(struct request *request);
int op_statfs(struct request *request);
int op_statx(struct request *request);

/* name.c */
int op_readlink(struct request *request);
int op_mknod(struct request *request);
int op_mkdir(struct request *request);
int op_symlink(struct request *request);
int op_link(struct request *request);
int op_unlink(struct request *request);
int op_rmdir(struct request *request);
int op_rename(struct request *request);
int op_rename2(struct request *request);

/* file.c */
int op_open(struct request *request);
int op_create(struct request *request); /* CREATE and TMPFILE */
/* operation->is_slow of OPEN, and of CREATE, TMPFILE and MKNOD; operation->queue of OPEN. */
bool open_is_slow(const struct request *request);
bool create_is_slow(const struct request *request);
enum deferral_kind open_queue(const struct request *request);

/* close.c */
int op_release(struct request *request);
int op_flush(struct request *request);
/* operation->prepare of RELEASE: drops the locks that were set through the handle. */
void release_prepare(struct request *request);

/* io.c */
int op_read(struct request *request);
int op_write(struct request *request);
int op_fsync(struct request *request); /* FSYNC and FSYNCDIR */
int op_fallocate(struct request *request);
int op_lseek(struct request *request);
int op_copy_file_range(struct request *request);
/* operation->is_slow of READ and WRITE. */
bool read_is_large(const struct request *request);
bool write_is_large(const struct request *request);

/* dir.c */
int op_opendir(struct request *request);
int op_readdir(struct request *request);
int op_readdirplus(struct request *request);
int op_releasedir(struct request *request);

/* xattr.c */
int op_setxattr(struct request *request);
int op_getxattr(struct request *request);
int op_listxattr(struct request *request);
int op_removexattr(struct request *request);
/* operation->queue of GETXATTR. */
enum deferral_kind getxattr_queue(const struct request *request);

/* lock.c */
int op_getlk(struct request *request);
int op_setlk(struct request *request);
int op_setlkw(struct request *request);
int op_interrupt(struct request *request);

/* ioctl.c */
int op_ioctl(struct request *request);

/* wants.c */
bool wants_read(const struct request *request, int part, struct want *want);
bool wants_write(const struct request *request, int part, struct want *want);
bool wants_setattr(const struct request *request, int part, struct want *want);
bool wants_open(const struct request *request, int part, struct want *want);
bool wants_fallocate(const struct request *request, int part, struct want *want);
bool wants_copy_file_range(const struct request *request, int part, struct want *want);

#endif
