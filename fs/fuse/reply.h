/* SPDX-License-Identifier: MIT */
/*
 * Replies: the one place where the negative errno of an operation becomes the kernel's positive one. An
 * operation calls at most one reply_...() with a request. They return 0, or a negative errno if the kernel
 * does not take the reply: ENOENT if the requester was killed. The caller then undoes opens and lookup counts
 * of the request.
 */
#ifndef SEGFS_FUSE_REPLY_H
#define SEGFS_FUSE_REPLY_H

#include "fs/fuse/request.h"

#include <sys/statvfs.h>

/*
 * Sends `result`, 0 or a negative errno, without a body. EMFILE becomes ENFILE: it is the daemon's table that
 * is full.
 */
int reply_status(struct request *request, int result);

/* Sends a body of `size` bytes. */
int reply_data(struct request *request, const void *body, size_t size);

/* Likewise, with a body in two parts. */
int reply_parts(struct request *request, const void *first, size_t first_size, const void *second,
		size_t second_size);

/* GETATTR, SETATTR. timeout: seconds for which the kernel may cache the attributes. */
int reply_attributes(struct request *request, const struct stat *attr, double timeout);

/* LOOKUP and requests that create a name; CREATE and TMPFILE also open it. */
int reply_entry_out(struct request *request, const struct fuse_entry_param *entry);
int reply_create(struct request *request, const struct fuse_entry_param *entry,
		 const struct fuse_open_out *open);

/* Converts a time in seconds for which the kernel may cache. */
void reply_fill_timeout(double timeout, uint64_t *seconds, uint32_t *nanoseconds);

/* Fills an entry as READDIRPLUS has it. */
void reply_fill_entry(struct fuse_entry_out *out, const struct fuse_entry_param *entry);

/* WRITE, COPY_FILE_RANGE. */
int reply_written(struct request *request, size_t size);

/* GETXATTR, LISTXATTR: `length` bytes of `value`, or just the length if `wanted` is 0. */
int reply_xattr(struct request *request, size_t length, const char *value, size_t wanted);

int reply_statfs(struct request *request, const struct statvfs *found);

/* The caller replies later, by reply_to(). */
static inline void reply_later(struct request *request)
{
	request->has_reply = true;
}

/*
 * Sends a reply without a body to a request that another thread may have read. unique: as sent by the kernel.
 */
void reply_to(const struct fs *fs, uint64_t unique, int result);

/* Sends the saved reply of a request. Returns false if the kernel does not take it. */
bool reply_from_journal(struct request *request);

/*
 * For journal_send_replies(); context: the struct fs. Sends a saved reply to a request that this worker has
 * not read.
 */
bool reply_saved(void *context, const void *reply, size_t size);

/*
 * Whether the kernel waits for the reply to a request that an earlier worker has read. If the requester was
 * interrupted, the kernel sends another INTERRUPT.
 */
bool reply_is_awaited(const struct fs *fs, uint64_t unique);

/* Whether reply_read() would return at once: a request waits. A system call. */
bool reply_may_read(const struct fs *fs);

/* read(2) of a message from the device. Returns its length, or -1 with errno. */
ssize_t reply_read(int fd, void *message, size_t size);

/* writev(2) of a reply or a notification to the device. */
ssize_t reply_write(int fd, const struct iovec *parts, int n_parts);

#endif
