// SPDX-License-Identifier: MIT
/*
 * Bytes: what of reading, writing and arranging a segment's bytes comes to the daemon. In direct mode reads and writes
 * do not; the rest does in every mode.
 */
#include "fs/fuse/interrupt.h"
#include "fs/fuse/killable.h"
#include "fs/fuse/reader.h"
#include "fs/fuse/reply.h"
#include "fs/fuse/request.h"
#include "fs/ops/ops.h"
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

#define COPY_MAX (64u * 1024u * 1024u) /* bytes of one copy, so that the copier can be interrupted */

/* The backing file of an open: the descriptor it holds, or one for now. */
struct opened {
	int fd;
	bool borrowed; /* `fd` is the handle's */
	const struct node_slot *node;
};

static void cleanup_opened(struct opened *opened)
{
	if (!opened->borrowed)
		cleanup_close(&opened->fd);
}

#define _cleanup_opened_ __attribute__((cleanup(cleanup_opened)))
#define OPENED_NONE ((struct opened){.fd = -1})

/* access: O_RDONLY or O_WRONLY, what the operation needs. */
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

/* EBADF for a handle that is not good, or not for this: what is told in memory, of a directory or under .segfs, is not written to. */
static int open_for(struct fs *fs, uint64_t number, int access, struct opened *opened)
{
	const struct handle_slot *handle = handle_get(&fs->state, number);

	if (!handle || handle->kind == HANDLE_DIRECTORY || (handle->kind == HANDLE_CONTROL && access != O_RDONLY))
		return -EBADF;
	return open_handle(fs, handle, access, opened);
}

/*
 * sendfile(2) and splice(2) read through the page cache of the mount also where nothing else does, since views are the backing
 * file's own pages. What they have read must not stay there: nobody would see that it is out of date.
 */
static _Thread_local struct {
	fuse_ino_t id; /* of the node, 0 = there is nothing to forget */
	off_t offset;
	off_t length;
} cached;

void forget_cached_read(struct fs *fs)
{
	if (!cached.id)
		return;
	/* the kernel waits for pages that it is reading from us */
	reader_hand_over();
	fuse_lowlevel_notify_inval_inode(fs->session, cached.id, cached.offset, cached.length);
	cached.id = 0;
}

static bool is_cached_read(const struct fs *fs, const struct node_slot *node)
{
	const struct wire_read_in *in = request_body(sizeof(*in));
	const struct handle_slot *handle = in ? handle_get(&fs->state, in->handle) : NULL;

	return handle && handle->mode == IO_MEDIATED && !(in->read_flags & WIRE_READ_LOCKOWNER) && atomic_load(&node->backing_id) > 0;
}

static void note_cached_read(struct fs *fs, fuse_ino_t id, off_t offset, size_t length)
{
	forget_cached_read(fs);
	cached.id = id;
	cached.offset = offset;
	cached.length = (off_t)length;
}

/*
 * The last huge page of a segment goes past its end. *size: becomes what lies before that. Where asking for the size may wait, the
 * reader must not.
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

void op_read(fuse_req_t req, fuse_ino_t id, size_t size, off_t offset, struct fuse_file_info *file_info)
{
	_cleanup_opened_ struct opened opened = OPENED_NONE;
	struct fs *fs = fs_of(req);
	char *buffer = request_buffer();
	bool is_cached;
	ssize_t length;
	int result;

	if (size > REQUEST_BUFFER_SIZE)
		size = REQUEST_BUFFER_SIZE;
	result = buffer ? open_for(fs, file_info->fh, O_RDONLY, &opened) : -ENOMEM;
	if (result == 0)
		result = end_at_size(fs, &opened, offset, &size);
	if (result < 0) {
		reply_status(req, result);
		return;
	}
	length = pread(opened.fd, buffer, size, offset);
	if (length < 0)
		length = -errno;
	/* once it is answered, the handle may be closed */
	is_cached = is_cached_read(fs, opened.node);
	if (length < 0)
		reply_status(req, (int)length);
	else
		fuse_reply_buf(req, buffer, (size_t)length);
	if (is_cached)
		note_cached_read(fs, id, offset, size);
}

/* Flags of this one write: those that the file has now, which fcntl(2) may have changed since it was opened. */
static int write_flags(const struct fuse_file_info *file_info)
{
	int flags = 0;

	if (file_info->flags & O_APPEND)
		flags |= RWF_APPEND;
	if ((file_info->flags & O_SYNC) == O_SYNC)
		flags |= RWF_SYNC;
	else if (file_info->flags & O_DSYNC)
		flags |= RWF_DSYNC;
	return flags;
}

/* They go before the first byte is written. */
static int drop_privileges(struct fs *fs, const struct node_slot *node)
{
	const struct wire_write_in *in = request_body(sizeof(*in));

	return in && in->write_flags & WIRE_WRITE_KILL_SUIDGID ? set_id_drop(fs, node) : 0;
}

static ssize_t write_bytes(int fd, const char *data, size_t size, off_t offset, int flags)
{
	struct iovec part = {.iov_base = (void *)(uintptr_t)data, .iov_len = size};
	ssize_t length = pwritev2(fd, &part, 1, offset, flags);

	if (length >= 0)
		return length;
	length = -errno;
	return length == -EINVAL && huge_is_on_hugetlbfs(fd) > 0 ? huge_write(fd, data, size, offset) : length;
}

/*
 * How much of an append an earlier worker has carried out before it died: 0 to `size` bytes. The kernel says where it takes the
 * end to be, and lets nobody else append until it is answered; a file that ends elsewhere was changed past the mount.
 * Returns 0, or a negative errno where that can't be said.
 */
static int appended_already(int fd, size_t size, off_t offset, size_t *appended)
{
	struct stat stat;

	*appended = 0;
	if (!journal_is_again())
		return 0;
	if (fstat(fd, &stat) < 0)
		return -errno;
	if (stat.st_size >= offset && stat.st_size - offset <= (off_t)size)
		*appended = (size_t)(stat.st_size - offset);
	return 0;
}

void op_write(fuse_req_t req, fuse_ino_t id, const char *data, size_t size, off_t offset,
	      struct fuse_file_info *file_info)
{
	struct fs *fs = fs_of(req);
	_cleanup_opened_ struct opened opened = OPENED_NONE;
	int flags = write_flags(file_info);
	uint32_t policy = 0;
	size_t before = 0;
	ssize_t length;
	int result;

	(void)id;
	result = open_for(fs, file_info->fh, O_WRONLY, &opened);
	if (result == 0)
		result = policy_find(&fs->state, opened.node, &policy);
	if (result == 0)
		result = policy_before_write(policy_in_force(opened.node, policy), opened.fd, flags & RWF_APPEND, offset, &size);
	if (result == 0 && size > 0) {
		result = end_at_size(fs, &opened, offset, &size);
		if (result == 0 && size == 0)
			result = -EFBIG;
	}
	if (result == 0)
		result = drop_privileges(fs, opened.node);
	if (result == 0 && flags & RWF_APPEND)
		result = appended_already(opened.fd, size, offset, &before);
	if (result < 0) {
		reply_status(req, result);
		return;
	}
	length = write_bytes(opened.fd, data + before, size - before, offset + (off_t)before, flags);
	if (length < 0 && before == 0)
		reply_status(req, (int)length);
	else
		fuse_reply_write(req, before + (size_t)(length > 0 ? length : 0));
}

/* Pages of views go where they are from; whose flags and identity come along is chance. */
static ssize_t write_back(struct fs *fs, const struct wire_write_in *in)
{
	_cleanup_opened_ struct opened opened = OPENED_NONE;
	int result;

	if (!request_body(sizeof(*in) + in->size))
		return -EINVAL;
	result = open_for(fs, in->handle, O_WRONLY, &opened);
	return result < 0 ? result : write_bytes(opened.fd, (const char *)(in + 1), in->size, (off_t)in->offset, 0);
}

bool op_write_back_raw(struct fs *fs)
{
	const struct wire_write_in *in = request_body(sizeof(*in));
	struct wire_write_out out = {0};
	ssize_t length;

	if (!in || !(in->write_flags & WIRE_WRITE_CACHE))
		return false;
	length = write_back(fs, in);
	if (length > 0)
		out.size = (uint32_t)length;
	request_answer_raw(fs, length < 0 ? (int)length : 0, &out, sizeof(out));
	return true;
}

static int sync_node(struct fs *fs, uint64_t number, int data_only)
{
	_cleanup_opened_ struct opened opened = OPENED_NONE;
	const struct handle_slot *handle = handle_get(&fs->state, number);
	const struct node_slot *node = handle ? node_get(&fs->state, handle->node) : NULL;
	int result;

	if (!handle)
		return -EBADF;
	/* memory is as safe as it gets */
	if (node && (node->store == NODE_STORE_CONTROL || !fs->state.arena->header->stores[node->store].on_disk))
		return 0;
	result = open_handle(fs, handle, O_RDONLY, &opened);
	if (result == 0 && (data_only ? fdatasync(opened.fd) : fsync(opened.fd)) < 0)
		result = -errno;
	return result;
}

void op_fsync(fuse_req_t req, fuse_ino_t id, int data_only, struct fuse_file_info *file_info)
{
	(void)id;
	reply_status(req, sync_node(fs_of(req), file_info->fh, data_only));
}

void op_fsyncdir(fuse_req_t req, fuse_ino_t id, int data_only, struct fuse_file_info *file_info)
{
	(void)id;
	reply_status(req, sync_node(fs_of(req), file_info->fh, data_only));
}

/* The first size makes the segment. */
static int give_size(struct fs *fs, uint64_t id, off_t offset, off_t length)
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

/* Memory behind the end of what others have made, and whose size is theirs, would be seen and accounted for by nobody. */
static int refuse_past_end(struct fs *fs, const struct opened *opened, int mode, off_t offset, off_t length)
{
	struct stat stat;

	if (!source_of(&fs->state, opened->node)->fixed_size || mode & FALLOC_FL_PUNCH_HOLE)
		return 0;
	if (fstat(opened->fd, &stat) < 0)
		return -errno;
	return length > stat.st_size - offset ? -EPERM : 0;
}

void op_fallocate(fuse_req_t req, fuse_ino_t id, int mode, off_t offset, off_t length,
		  struct fuse_file_info *file_info)
{
	_cleanup_opened_ struct opened opened = OPENED_NONE;
	int result = open_for(fs_of(req), file_info->fh, O_WRONLY, &opened);
	uint32_t policy = 0;

	if (result == 0 && source_is_unsized(&fs_of(req)->state, opened.node)) {
		reply_status(req, mode == 0 ? give_size(fs_of(req), id, offset, length) : -EOPNOTSUPP);
		return;
	}
	if (result == 0)
		result = policy_find(&fs_of(req)->state, opened.node, &policy);
	if (result == 0)
		result = policy_before_fallocate(policy_in_force(opened.node, policy), opened.fd, mode, offset, length);
	if (result == 0)
		result = refuse_past_end(fs_of(req), &opened, mode, offset, length);
	if (result == 0)
		result = killable_fallocate(req, opened.fd, mode, offset, length);
	if (result == 0 && !(mode & FALLOC_FL_KEEP_SIZE))
		policy_size_settled(&fs_of(req)->state, opened.node);
	reply_status(req, result);
}

void op_lseek(fuse_req_t req, fuse_ino_t id, off_t offset, int whence, struct fuse_file_info *file_info)
{
	_cleanup_opened_ struct opened opened = OPENED_NONE;
	int result = open_for(fs_of(req), file_info->fh, O_RDONLY, &opened);
	off_t found = 0;

	(void)id;
	/* moves the offset of a held descriptor too, which nothing uses */
	if (result == 0) {
		found = lseek(opened.fd, offset, whence);
		if (found < 0)
			result = -errno;
	}
	if (result < 0)
		reply_status(req, result);
	else
		fuse_reply_lseek(req, found);
}

void op_copy_file_range(fuse_req_t req, fuse_ino_t id_in, off_t offset_in, struct fuse_file_info *file_info_in,
			fuse_ino_t id_out, off_t offset_out, struct fuse_file_info *file_info_out, size_t length,
			int flags)
{
	_cleanup_opened_ struct opened in = OPENED_NONE;
	_cleanup_opened_ struct opened out = OPENED_NONE;
	uint32_t policy = 0;
	ssize_t copied = 0;
	int result;

	(void)id_in;
	(void)id_out;
	result = open_for(fs_of(req), file_info_in->fh, O_RDONLY, &in);
	if (result == 0)
		result = open_for(fs_of(req), file_info_out->fh, O_WRONLY, &out);
	if (result == 0)
		result = policy_find(&fs_of(req)->state, out.node, &policy);
	if (result == 0) {
		if (length > COPY_MAX)
			length = COPY_MAX;
		result = policy_before_write(policy_in_force(out.node, policy), out.fd, false, offset_out, &length);
	}
	if (result == 0) {
		interrupt_enable(req);
		copied = copy_file_range(in.fd, &offset_in, out.fd, &offset_out, length, (unsigned int)flags);
		if (copied < 0)
			result = -errno;
		interrupt_disable(req);
	}
	if (result < 0)
		reply_status(req, result);
	else
		fuse_reply_write(req, (size_t)copied);
}
