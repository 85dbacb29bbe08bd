// SPDX-License-Identifier: MIT
/*
 * Reading, writing, allocating and copying a segment's bytes. In direct mode, READ and WRITE do not reach the
 * daemon; the other requests do in every mode.
 */
#include "fs/fuse/interrupt.h"
#include "fs/fuse/killable.h"
#include "fs/fuse/reply.h"
#include "fs/ops/internal.h"
#include "fs/segment/policy.h"
#include "fs/segment/set_id.h"
#include "fs/source/huge.h"
#include "fs/source/source.h"
#include "fs/state/journal.h"
#include "lib/base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/uio.h>

/*
 * Bytes of a read or write that other requests should not wait for. To hand the reader role over costs as
 * much as to copy 64 KiB (fact K16): below VERY_LARGE_IO that is done only if a request waits.
 */
#define LARGE_IO      (64u * 1024u)
#define VERY_LARGE_IO (256u * 1024u)
#define COPY_MAX      (64u * 1024u * 1024u) /* bytes of one copy, so that it can be interrupted */

/* The backing file of an open: the handle's descriptor, or a temporary one. */
struct opened {
	int fd;
	bool borrowed; /* `fd` belongs to the handle */
	const struct node_slot *node;
};

static void cleanup_opened(struct opened *opened)
{
	if (!opened->borrowed)
		cleanup_close(&opened->fd);
}

#define _cleanup_opened_ __attribute__((cleanup(cleanup_opened)))
#define OPENED_NONE      ((struct opened){.fd = -1})

/* access: O_RDONLY or O_WRONLY. */
static int open_handle(struct fs *fs, const struct handle_slot *handle, int access, struct opened *opened)
{
	opened->node = node_get(&fs->state, handle->node);
	if (!opened->node)
		return -ESTALE;
	if (handle->fd >= 0) {
		opened->fd = handle->fd;
		opened->borrowed = true;
		return 0;
	}
	opened->fd = source_of(&fs->state, opened->node)->open(&fs->state, opened->node, access);
	return opened->fd < 0 ? opened->fd : 0;
}

/* EBADF for an invalid handle, or a directory's, or for writing to a file under .segfs. */
static int open_for(struct fs *fs, uint64_t number, int access, struct opened *opened)
{
	const struct handle_slot *handle = handle_get(&fs->state, number);

	if (!handle || handle->kind == HANDLE_DIRECTORY ||
	    (handle->kind == HANDLE_CONTROL && access != O_RDONLY))
		return -EBADF;
	return open_handle(fs, handle, access, opened);
}

/*
 * sendfile(2) and splice(2) read through the page cache of the mount even in mediated mode, in which views
 * are the backing file's own pages. The pages that they read must be dropped: nobody would notice when they
 * become stale.
 */
static bool is_cached_read(const struct request *request, const struct node_slot *node)
{
	const struct fuse_read_in *in = request->body;
	const struct handle_slot *handle = handle_get(&request->fs->state, in->fh);

	return handle && handle->mode == IO_MEDIATED && !(in->read_flags & FUSE_READ_LOCKOWNER) &&
	       atomic_load(&node->backing_id) > 0;
}

/*
 * The last huge page of a segment extends past its end. Reduces *size to the bytes before the end; not if
 * getting the size may block, since the caller may be the reader thread.
 */
static int end_at_size(struct fs *fs, const struct opened *opened, off_t offset, size_t *size)
{
	const struct source *source = source_of(&fs->state, opened->node);
	struct stat stat;
	int result;

	if (!source->fixed_size || source->waits)
		return 0;
	result = huge_is_on_hugetlbfs(opened->fd);
	if (result > 0)
		result = source->stat(&fs->state, opened->node, &stat) == 0 ? 1 : 0;
	if (result <= 0)
		return result;
	if (offset >= stat.st_size)
		*size = 0;
	else if ((off_t)*size > stat.st_size - offset)
		*size = (size_t)(stat.st_size - offset);
	return 0;
}

int op_read(struct request *request)
{
	const struct fuse_read_in *in = request->body;
	_cleanup_opened_ struct opened opened = OPENED_NONE;
	size_t size = in->size < REQUEST_BUFFER_SIZE ? in->size : REQUEST_BUFFER_SIZE;
	char *buffer = request_buffer(request);
	ssize_t length;
	int result;

	result = buffer ? open_for(request->fs, in->fh, O_RDONLY, &opened) : -ENOMEM;
	if (result == 0)
		result = end_at_size(request->fs, &opened, (off_t)in->offset, &size);
	if (result < 0)
		return result;
	length = pread(opened.fd, buffer, size, (off_t)in->offset);
	if (length < 0)
		length = -errno;
	/* the handle may be closed once the reply is sent */
	if (is_cached_read(request, opened.node)) {
		request->stale.node = request->node;
		request->stale.offset = (off_t)in->offset;
		request->stale.length = (off_t)size;
	}
	if (length < 0)
		return (int)length;
	reply_data(request, buffer, (size_t)length);
	return 0;
}

/* Flags of this write: the present ones of the open file description, which fcntl(2) may have changed. */
static int write_flags(uint32_t open_flags)
{
	int flags = 0;

	if (open_flags & O_APPEND)
		flags |= RWF_APPEND;
	if ((open_flags & O_SYNC) == O_SYNC)
		flags |= RWF_SYNC;
	else if (open_flags & O_DSYNC)
		flags |= RWF_DSYNC;
	return flags;
}

static ssize_t write_bytes(int fd, const char *data, size_t size, off_t offset, int flags)
{
	struct iovec part = {.iov_base = (void *)(uintptr_t)data, .iov_len = size};
	ssize_t length = pwritev2(fd, &part, 1, offset, flags);

	if (length >= 0)
		return length;
	length = -errno;
	return length == -EINVAL && huge_is_on_hugetlbfs(fd) > 0 ? huge_write(fd, data, size, offset)
								 : length;
}

/*
 * Gets how many bytes of an append an earlier worker wrote before it died: 0 to `size`. The kernel sends the
 * end of the file as the offset, and blocks other appends until the reply; a file that ends elsewhere was
 * changed outside of the mount. Returns 0, or a negative errno if that cannot be determined.
 */
static int appended_already(const struct request *request, int fd, size_t size, size_t *appended)
{
	const off_t offset = (off_t)((const struct fuse_write_in *)request->body)->offset;
	struct stat stat;

	*appended = 0;
	if (!journal_is_replay(&request->journal))
		return 0;
	if (fstat(fd, &stat) < 0)
		return -errno;
	if (stat.st_size >= offset && stat.st_size - offset <= (off_t)size)
		*appended = (size_t)(stat.st_size - offset);
	return 0;
}

/* Writes back dirty pages of a view. The request's flags and identity are those of an arbitrary writer. */
static int write_back(struct request *request)
{
	const struct fuse_write_in *in = request->body;
	_cleanup_opened_ struct opened opened = OPENED_NONE;
	ssize_t length = open_for(request->fs, in->fh, O_WRONLY, &opened);

	if (length == 0)
		length = write_bytes(opened.fd, (const char *)(in + 1), in->size, (off_t)in->offset, 0);
	if (length < 0)
		return (int)length;
	reply_written(request, (size_t)length);
	return 0;
}

/* Applies the policy, and drops set-id bits. size: reduced to the bytes that may be written. */
static int prepare_write(struct request *request, const struct opened *opened, int flags, size_t *size)
{
	const struct fuse_write_in *in = request->body;
	uint32_t policy = 0;
	int result = policy_find(&request->fs->state, opened->node, &policy);

	if (result == 0)
		result = policy_before_write(policy_in_force(opened->node, policy), opened->fd,
					     flags & RWF_APPEND, (off_t)in->offset, size);
	if (result == 0 && *size > 0) {
		result = end_at_size(request->fs, opened, (off_t)in->offset, size);
		if (result == 0 && *size == 0)
			result = -EFBIG;
	}
	if (result == 0 && in->write_flags & FUSE_WRITE_KILL_SUIDGID)
		result = set_id_drop(request, opened->node);
	return result;
}

int op_write(struct request *request)
{
	const struct fuse_write_in *in = request->body;
	const char *data = (const char *)(in + 1);
	_cleanup_opened_ struct opened opened = OPENED_NONE;
	int flags = write_flags(in->flags);
	size_t size = in->size;
	size_t before = 0;
	ssize_t length;
	int result;

	if (in->write_flags & FUSE_WRITE_CACHE)
		return write_back(request);
	result = open_for(request->fs, in->fh, O_WRONLY, &opened);
	if (result == 0)
		result = prepare_write(request, &opened, flags, &size);
	if (result == 0 && flags & RWF_APPEND)
		result = appended_already(request, opened.fd, size, &before);
	if (result < 0)
		return result;
	length = write_bytes(opened.fd, data + before, size - before, (off_t)(in->offset + before), flags);
	if (length < 0 && before == 0)
		return (int)length;
	reply_written(request, before + (size_t)(length > 0 ? length : 0));
	return 0;
}

static int sync_node(struct fs *fs, uint64_t number, int data_only)
{
	_cleanup_opened_ struct opened opened = OPENED_NONE;
	const struct handle_slot *handle = handle_get(&fs->state, number);
	const struct node_slot *node = handle ? node_get(&fs->state, handle->node) : NULL;
	int result;

	if (!handle)
		return -EBADF;
	/* memory needs no sync */
	if (node &&
	    (node->store == NODE_STORE_CONTROL || !fs->state.arena->header->stores[node->store].on_disk))
		return 0;
	result = open_handle(fs, handle, O_RDONLY, &opened);
	if (result == 0 && (data_only ? fdatasync(opened.fd) : fsync(opened.fd)) < 0)
		result = -errno;
	return result;
}

/* The kernel takes ENOSYS for success, and sends no further request with that opcode. */
int op_fsync(struct request *request)
{
	const struct fuse_fsync_in *in = request->body;

	if (request->fs->state.arena->header->syncs_nothing)
		return -ENOSYS;
	return sync_node(request->fs, in->fh, in->fsync_flags & FUSE_FSYNC_FDATASYNC);
}

/* Sets the first size, which creates the segment. */
static int set_first_size(struct fs *fs, uint64_t id, off_t offset, off_t length)
{
	const struct node_slot *node = node_get(&fs->state, id);
	struct source_change change = {.what = SOURCE_SET_SIZE};
	struct stat ignored;

	if (!node)
		return -ESTALE;
	if (__builtin_add_overflow(offset, length, &change.size))
		return -EFBIG;
	return source_of(&fs->state, node)->change(&fs->state, node, &change, &ignored);
}

/* Refuses allocation past the end of a segment of fixed size: that memory would be invisible. */
static int refuse_past_end(struct fs *fs, const struct opened *opened, int mode, off_t offset, off_t length)
{
	struct stat stat;

	if (!source_of(&fs->state, opened->node)->fixed_size || mode & FALLOC_FL_PUNCH_HOLE)
		return 0;
	if (fstat(opened->fd, &stat) < 0)
		return -errno;
	return length > stat.st_size - offset ? -EPERM : 0;
}

int op_fallocate(struct request *request)
{
	const struct fuse_fallocate_in *in = request->body;
	const off_t offset = (off_t)in->offset;
	const off_t length = (off_t)in->length;
	const int mode = (int)in->mode;
	struct state *state = &request->fs->state;
	_cleanup_opened_ struct opened opened = OPENED_NONE;
	int result = open_for(request->fs, in->fh, O_WRONLY, &opened);
	uint32_t policy = 0;

	if (result == 0 && source_is_unsized(state, opened.node))
		return mode == 0 ? set_first_size(request->fs, request->node, offset, length) : -EOPNOTSUPP;
	if (result == 0)
		result = policy_find(state, opened.node, &policy);
	if (result == 0)
		result = policy_before_fallocate(policy_in_force(opened.node, policy), opened.fd, mode,
						 offset, length);
	if (result == 0)
		result = refuse_past_end(request->fs, &opened, mode, offset, length);
	if (result == 0)
		result = killable_fallocate(request, opened.fd, mode, offset, length);
	if (result == 0 && !(mode & FALLOC_FL_KEEP_SIZE))
		policy_size_settled(state, opened.node);
	return result;
}

int op_lseek(struct request *request)
{
	const struct fuse_lseek_in *in = request->body;
	_cleanup_opened_ struct opened opened = OPENED_NONE;
	struct fuse_lseek_out out;
	int result = open_for(request->fs, in->fh, O_RDONLY, &opened);
	off_t found;

	if (result < 0)
		return result;
	/* also moves the offset of the handle's descriptor, which nothing uses */
	found = lseek(opened.fd, (off_t)in->offset, (int)in->whence);
	if (found < 0)
		return -errno;
	out.offset = (uint64_t)found;
	reply_data(request, &out, sizeof(out));
	return 0;
}

int op_copy_file_range(struct request *request)
{
	const struct fuse_copy_file_range_in *in = request->body;
	_cleanup_opened_ struct opened from = OPENED_NONE;
	_cleanup_opened_ struct opened to = OPENED_NONE;
	size_t length = in->len < COPY_MAX ? in->len : COPY_MAX;
	off_t offset_from = (off_t)in->off_in;
	off_t offset_to = (off_t)in->off_out;
	uint32_t policy = 0;
	ssize_t copied;
	int result = open_for(request->fs, in->fh_in, O_RDONLY, &from);

	if (result == 0)
		result = open_for(request->fs, in->fh_out, O_WRONLY, &to);
	if (result == 0)
		result = policy_find(&request->fs->state, to.node, &policy);
	if (result == 0)
		result = policy_before_write(policy_in_force(to.node, policy), to.fd, false, offset_to,
					     &length);
	if (result < 0)
		return result;
	interrupt_enable(request);
	copied = copy_file_range(from.fd, &offset_from, to.fd, &offset_to, length, (unsigned int)in->flags);
	if (copied < 0)
		copied = -errno;
	interrupt_disable(request);
	if (copied < 0)
		return (int)copied;
	reply_written(request, (size_t)copied);
	return 0;
}

static bool is_large(const struct request *request, uint32_t size)
{
	return size >= VERY_LARGE_IO || (size >= LARGE_IO && reply_may_read(request->fs));
}

bool read_is_large(const struct request *request)
{
	return is_large(request, ((const struct fuse_read_in *)request->body)->size);
}

bool write_is_large(const struct request *request)
{
	return is_large(request, ((const struct fuse_write_in *)request->body)->size);
}
