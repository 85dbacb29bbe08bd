/* SPDX-License-Identifier: MIT */
/*
 * The FUSE operations, named and typed as in libfuse's fuse_lowlevel_ops. Each answers its request exactly once.
 */
#ifndef SEGFS_OPS_OPS_H
#define SEGFS_OPS_OPS_H

#include "fs/fuse/fs.h"
#include "fs/state/lock.h"

extern const struct fuse_lowlevel_ops segfs_operations;

/* lookup.c */
void op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name);

/* attr.c */
void op_getattr(fuse_req_t req, fuse_ino_t id, struct fuse_file_info *file_info);
void op_setattr(fuse_req_t req, fuse_ino_t id, struct stat *attr, int what, struct fuse_file_info *file_info);
void op_statfs(fuse_req_t req, fuse_ino_t id);

/* name.c */
void op_readlink(fuse_req_t req, fuse_ino_t id);
void op_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t device);
void op_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode);
void op_symlink(fuse_req_t req, const char *target, fuse_ino_t parent, const char *name);
void op_link(fuse_req_t req, fuse_ino_t id, fuse_ino_t new_parent, const char *new_name);
void op_unlink(fuse_req_t req, fuse_ino_t parent, const char *name);
void op_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name);
void op_rename(fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t new_parent, const char *new_name,
	       unsigned int flags);

/* file.c */
void op_open(fuse_req_t req, fuse_ino_t id, struct fuse_file_info *file_info);
void op_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, struct fuse_file_info *file_info);
void op_tmpfile(fuse_req_t req, fuse_ino_t parent, mode_t mode, struct fuse_file_info *file_info);

/* io.c */
void op_read(fuse_req_t req, fuse_ino_t id, size_t size, off_t offset, struct fuse_file_info *file_info);
void op_write(fuse_req_t req, fuse_ino_t id, const char *data, size_t size, off_t offset,
	      struct fuse_file_info *file_info);
void op_fsync(fuse_req_t req, fuse_ino_t id, int data_only, struct fuse_file_info *file_info);
void op_fallocate(fuse_req_t req, fuse_ino_t id, int mode, off_t offset, off_t length,
		  struct fuse_file_info *file_info);
void op_lseek(fuse_req_t req, fuse_ino_t id, off_t offset, int whence, struct fuse_file_info *file_info);
void op_copy_file_range(fuse_req_t req, fuse_ino_t id_in, off_t offset_in, struct fuse_file_info *file_info_in,
			fuse_ino_t id_out, off_t offset_out, struct fuse_file_info *file_info_out, size_t length,
			int flags);

/* dir.c */
void op_opendir(fuse_req_t req, fuse_ino_t id, struct fuse_file_info *file_info);
void op_readdir(fuse_req_t req, fuse_ino_t id, size_t size, off_t offset, struct fuse_file_info *file_info);
void op_readdirplus(fuse_req_t req, fuse_ino_t id, size_t size, off_t offset, struct fuse_file_info *file_info);
void directory_streams_free(struct fs *fs); /* what listings that are open have read ahead */
int directory_close(struct fs *fs, uint64_t number); /* EBADF for a handle that is none of a directory; 0 also where it is closed already */
void op_fsyncdir(fuse_req_t req, fuse_ino_t id, int data_only, struct fuse_file_info *file_info);

/* xattr.c */
void op_setxattr(fuse_req_t req, fuse_ino_t id, const char *name, const char *value, size_t size, int flags);
void op_getxattr(fuse_req_t req, fuse_ino_t id, const char *name, size_t size);
void op_listxattr(fuse_req_t req, fuse_ino_t id, size_t size);
void op_removexattr(fuse_req_t req, fuse_ino_t id, const char *name);

/* ioctl.c */
void op_ioctl(fuse_req_t req, fuse_ino_t id, unsigned int command, void *argument, struct fuse_file_info *file_info,
	      unsigned int flags, const void *in, size_t in_size, size_t out_size);

/*
 * What is carried out past libfuse, for the calling thread's request and without a fuse_req_t: STATX, which libfuse 3.17 does
 * not know, and what nobody asks for again, so that it has to be done also when there is no memory for a fuse_req_t:
 * FLUSH, RELEASE, RELEASEDIR, FORGET, BATCH_FORGET, locks, and those WRITEs by which the kernel parts with pages. They fail only by not
 * answering, where the kernel has closed the connection; it awaits no answer to FORGET and BATCH_FORGET.
 */
void op_getlk_raw(struct fs *fs);        /* lock.c */
void op_setlk_raw(struct fs *fs, bool wait);
void op_flush_raw(struct fs *fs);
bool op_interrupt_raw(struct fs *fs);    /* ... returns false where no request is meant that waits, and does nothing */
void op_statx_raw(struct fs *fs);        /* attr.c */
void op_release_raw(struct fs *fs);      /* file.c */

/* An open that a worker carried out before it died is undone, since the kernel does not know its number, or has no use for it. */
void drop_earlier_attempt(struct fs *fs);

/* Ends the open that request `unique` has made, which nobody has been told of. */
void op_withdrawn(struct fs *fs, uint64_t unique);

void op_releasedir_raw(struct fs *fs);   /* dir.c */
void op_forget_raw(struct fs *fs);       /* lookup.c */
void op_batch_forget_raw(struct fs *fs); /* lookup.c */
bool op_write_back_raw(struct fs *fs);   /* io.c; returns false, and does nothing, for another WRITE */

/* lock.c: gives up what was locked through the handle of a RELEASE. */
void locks_release(struct fs *fs);

/*
 * io.c: drops what the thread's last READ has put into the mount's page cache, where it is not to be. The thread may be no reader
 * any more after that.
 */
void forget_cached_read(struct fs *fs);

/* lookup.c: drops removed files to which an earlier worker counted references that the kernel does not have. */
void forget_unknown(struct fs *fs);

#endif
