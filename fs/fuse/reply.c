// SPDX-License-Identifier: MIT
#include "fs/fuse/reply.h"
#include "fs/state/journal.h"
#include "lib/base/log.h"
#include "lib/base/sanitizer.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#define SMALL_MESSAGE 512 /* bytes; a longer reply is sent in parts */

/*
 * The kernel sends some requests only after the reply to earlier ones: RELEASE comes when no READ of the file
 * is in flight. The thread sanitizer infers this order only if it saw the device being opened, thus not after
 * an upgrade.
 */
static char order_of_kernel;

bool reply_may_read(const struct fs *fs)
{
	struct pollfd device = {.fd = fs->fuse_fd, .events = POLLIN};

	return poll(&device, 1, 0) != 0;
}

ssize_t reply_read(int fd, void *message, size_t size)
{
	ssize_t length = read(fd, message, size);

	if (length >= 0)
		sanitizer_acquire(&order_of_kernel);
	return length;
}

/*
 * The kernel pins a page for each part of a message: a small message is cheaper in one part, which must not
 * cross a page.
 */
ssize_t reply_write(int fd, const struct iovec *parts, int n_parts)
{
	_Alignas(SMALL_MESSAGE) char message[SMALL_MESSAGE];
	size_t length = 0;

	sanitizer_release(&order_of_kernel);
	if (n_parts == 1)
		return write(fd, parts->iov_base, parts->iov_len);
	for (int i = 0; i < n_parts; i++) {
		if (parts[i].iov_len > sizeof(message) - length)
			return writev(fd, parts, n_parts);
		if (parts[i].iov_len > 0)
			memcpy(message + length, parts[i].iov_base, parts[i].iov_len);
		length += parts[i].iov_len;
	}
	return write(fd, message, length);
}

static int send(const struct fs *fs, const struct iovec *parts, int n_parts)
{
	int result = reply_write(fs->fuse_fd, parts, n_parts) < 0 ? -errno : 0;

	if (result < 0 && result != -ENOENT)
		log_warning("a reply was refused by the kernel: %s", strerror(-result));
	return result;
}

/* Once its reply is in the journal a request counts as done, whether the reply is sent or not. */
static int send_reply(struct request *request, struct fuse_out_header *header, struct iovec *parts,
		      int n_parts)
{
	*header = (struct fuse_out_header){
		.len = sizeof(*header), .error = header->error, .unique = request->header->unique};
	for (int i = 1; i < n_parts; i++)
		header->len += (uint32_t)parts[i].iov_len;
	parts[0] = (struct iovec){.iov_base = header, .iov_len = sizeof(*header)};
	if (request->operation->flags & OPERATION_ONCE)
		journal_save_reply(&request->journal, parts, n_parts);
	request->has_reply = true;
	return send(request->fs, parts, n_parts);
}

int reply_status(struct request *request, int result)
{
	struct fuse_out_header header = {.error = result == -EMFILE ? -ENFILE : result};
	struct iovec parts[1];

	return send_reply(request, &header, parts, 1);
}

int reply_parts(struct request *request, const void *first, size_t first_size, const void *second,
		size_t second_size)
{
	struct fuse_out_header header = {0};
	struct iovec parts[3] = {
		{0},
		{.iov_base = (void *)(uintptr_t)first, .iov_len = first_size},
		{.iov_base = (void *)(uintptr_t)second, .iov_len = second_size},
	};

	return send_reply(request, &header, parts, second_size ? 3 : 2);
}

int reply_data(struct request *request, const void *body, size_t size)
{
	return reply_parts(request, body, size, NULL, 0);
}

void reply_to(const struct fs *fs, uint64_t unique, int result)
{
	struct fuse_out_header header = {.len = sizeof(header), .error = result, .unique = unique};

	send(fs, &(struct iovec){.iov_base = &header, .iov_len = sizeof(header)}, 1);
}

bool reply_from_journal(struct request *request)
{
	size_t length;
	const struct fuse_out_header *header = journal_saved_reply(&request->journal, &length);

	if (length < sizeof(*header))
		return false;
	request->has_reply = true;
	sanitizer_release(&order_of_kernel);
	return write(request->fs->fuse_fd, header, length) == (ssize_t)length;
}

bool reply_saved(void *context, const void *reply, size_t size)
{
	const struct fs *fs = context;

	if (size < sizeof(struct fuse_out_header))
		return false;
	/* ENOENT: the kernel has had the reply */
	return write(fs->fuse_fd, reply, size) == (ssize_t)size || errno == ENOENT;
}

bool reply_is_awaited(const struct fs *fs, uint64_t unique)
{
	/* "ask again": the reply to an INTERRUPT of the request, whether there was one or not */
	const struct fuse_out_header header = {
		.len = sizeof(header), .error = -EAGAIN, .unique = unique | PROTOCOL_INTERRUPT_BIT};

	return write(fs->fuse_fd, &header, sizeof(header)) == (ssize_t)sizeof(header) || errno != ENOENT;
}

/* --- bodies --- */

void reply_fill_timeout(double timeout, uint64_t *seconds, uint32_t *nanoseconds)
{
	double rest;

	*seconds = timeout >= (double)UINT64_MAX ? UINT64_MAX : timeout > 0 ? (uint64_t)timeout : 0;
	rest = timeout - (double)*seconds;
	*nanoseconds = rest >= 0.999999999 ? 999999999 : rest > 0 ? (uint32_t)(rest * 1e9) : 0;
}

static void fill_attributes(struct fuse_attr *out, const struct stat *attr)
{
	*out = (struct fuse_attr){
		.ino = attr->st_ino,
		.size = (uint64_t)attr->st_size,
		.blocks = (uint64_t)attr->st_blocks,
		.atime = (uint64_t)attr->st_atim.tv_sec,
		.mtime = (uint64_t)attr->st_mtim.tv_sec,
		.ctime = (uint64_t)attr->st_ctim.tv_sec,
		.atimensec = (uint32_t)attr->st_atim.tv_nsec,
		.mtimensec = (uint32_t)attr->st_mtim.tv_nsec,
		.ctimensec = (uint32_t)attr->st_ctim.tv_nsec,
		.mode = attr->st_mode,
		.nlink = (uint32_t)attr->st_nlink,
		.uid = attr->st_uid,
		.gid = attr->st_gid,
		.rdev = (uint32_t)attr->st_rdev,
		.blksize = (uint32_t)attr->st_blksize,
	};
}

int reply_attributes(struct request *request, const struct stat *attr, double timeout)
{
	struct fuse_attr_out out = {0};

	reply_fill_timeout(timeout, &out.attr_valid, &out.attr_valid_nsec);
	fill_attributes(&out.attr, attr);
	return reply_data(request, &out, sizeof(out));
}

void reply_fill_entry(struct fuse_entry_out *out, const struct fuse_entry_param *entry)
{
	*out = (struct fuse_entry_out){.nodeid = entry->ino, .generation = entry->generation};
	reply_fill_timeout(entry->entry_timeout, &out->entry_valid, &out->entry_valid_nsec);
	reply_fill_timeout(entry->attr_timeout, &out->attr_valid, &out->attr_valid_nsec);
	fill_attributes(&out->attr, &entry->attr);
}

int reply_entry_out(struct request *request, const struct fuse_entry_param *entry)
{
	struct fuse_entry_out out;

	reply_fill_entry(&out, entry);
	return reply_data(request, &out, sizeof(out));
}

int reply_create(struct request *request, const struct fuse_entry_param *entry,
		 const struct fuse_open_out *open)
{
	struct fuse_entry_out out;

	reply_fill_entry(&out, entry);
	return reply_parts(request, &out, sizeof(out), open, sizeof(*open));
}

int reply_written(struct request *request, size_t size)
{
	const struct fuse_write_out out = {.size = (uint32_t)size};

	return reply_data(request, &out, sizeof(out));
}

int reply_xattr(struct request *request, size_t length, const char *value, size_t wanted)
{
	const struct fuse_getxattr_out out = {.size = (uint32_t)length};

	return wanted == 0 ? reply_data(request, &out, sizeof(out)) : reply_data(request, value, length);
}

int reply_statfs(struct request *request, const struct statvfs *found)
{
	const struct fuse_statfs_out out = {.st = {
						    .blocks = found->f_blocks,
						    .bfree = found->f_bfree,
						    .bavail = found->f_bavail,
						    .files = found->f_files,
						    .ffree = found->f_ffree,
						    .bsize = (uint32_t)found->f_bsize,
						    .namelen = (uint32_t)found->f_namemax,
						    .frsize = (uint32_t)found->f_frsize,
					    }};

	return reply_data(request, &out, sizeof(out));
}
