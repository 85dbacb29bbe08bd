// SPDX-License-Identifier: MIT
/*
 * Which bytes requests read or change, for mandatory locks. Each function is an operation->wants.
 */
#include "fs/ops/internal.h"
#include "fs/segment/mandatory.h"
#include "fs/source/source.h"

#include <fcntl.h>
#include <linux/falloc.h>

static void set_range(struct want *want, uint64_t start, uint64_t length)
{
	want->request.start = start;
	want->request.end = length == 0 || length - 1 > LOCK_END - start ? LOCK_END : start + length - 1;
}

/*
 * Whether a handle was opened with O_NONBLOCK. Some runtimes set that flag later on every file that epoll(7)
 * accepts, which includes all files of a FUSE mount, and expect no EAGAIN from pread(2) or pwrite(2).
 */
static bool opened_nonblock(const struct fs *fs, uint64_t handle)
{
	const struct handle_slot *slot = handle_get(&fs->state, handle);

	return slot && slot->open_flags & O_NONBLOCK;
}

/* flags: the present ones, sent with READ and WRITE; fcntl(2) may have cleared O_NONBLOCK. */
static bool is_nonblock(const struct fs *fs, uint64_t handle, uint32_t flags)
{
	return flags & O_NONBLOCK && opened_nonblock(fs, handle);
}

/* Whether the kernel reads pages for a view, of a segment without passthrough id. That is nobody's I/O. */
static bool is_for_view(const struct request *request, const struct fuse_read_in *in)
{
	const struct node_slot *node = request_node(request);

	return !(in->read_flags & FUSE_READ_LOCKOWNER) && node && atomic_load(&node->backing_id) <= 0;
}

bool wants_read(const struct request *request, int part, struct want *want)
{
	const struct fuse_read_in *in = request->body;

	if (part > 0 || in->size == 0 || is_for_view(request, in))
		return false;
	want->request.owner = in->read_flags & FUSE_READ_LOCKOWNER ? in->lock_owner : 0;
	want->request.handle = in->fh;
	want->request.type = LOCK_SHARED;
	/*
	 * sendfile(2), splice(2): the kernel has locked pages, for which a write by the lock's owner would
	 * wait
	 */
	want->nonblock =
		is_nonblock(request->fs, in->fh, in->flags) || !(in->read_flags & FUSE_READ_LOCKOWNER);
	set_range(want, in->offset, in->size);
	return true;
}

bool wants_write(const struct request *request, int part, struct want *want)
{
	const struct fuse_write_in *in = request->body;

	if (part > 0 || in->size == 0 || in->write_flags & FUSE_WRITE_CACHE)
		return false;
	want->request.owner = in->write_flags & FUSE_WRITE_LOCKOWNER ? in->lock_owner : 0;
	want->request.handle = in->fh;
	want->nonblock = is_nonblock(request->fs, in->fh, in->flags);
	set_range(want, in->offset, in->size);
	return true;
}

/* Truncating and extending change the bytes from the lower size on. */
bool wants_setattr(const struct request *request, int part, struct want *want)
{
	const struct fuse_setattr_in *in = request->body;
	struct state *state = &request->fs->state;
	const struct node_slot *node = request_node(request);
	uint64_t from = 0;
	struct stat attr;
	bool is_known;

	if (part > 0 || !(in->valid & FATTR_SIZE))
		return false;
	want->request.owner = in->valid & FATTR_LOCKOWNER ? in->lock_owner : 0;
	want->request.handle = in->valid & FATTR_FH ? in->fh : 0;
	want->nonblock = opened_nonblock(request->fs, want->request.handle);
	/* if the size is unknown, the range is the whole file, so that no lock is ignored */
	is_known = source_of(state, node)->stat(state, node, &attr) == 0;
	if (is_known)
		from = in->size < (uint64_t)attr.st_size ? in->size : (uint64_t)attr.st_size;
	set_range(want, from, 0);
	return !is_known || in->size != (uint64_t)attr.st_size;
}

bool wants_open(const struct request *request, int part, struct want *want)
{
	const struct fuse_open_in *in = request->body;

	if (part > 0 || !(in->flags & O_TRUNC))
		return false;
	want->nonblock = in->flags & O_NONBLOCK;
	set_range(want, 0, 0);
	return true;
}

bool wants_fallocate(const struct request *request, int part, struct want *want)
{
	const struct fuse_fallocate_in *in = request->body;

	want->request.handle = in->fh;
	want->nonblock = opened_nonblock(request->fs, in->fh);
	/* the bytes that follow move, too */
	set_range(want, in->offset,
		  in->mode & (FALLOC_FL_COLLAPSE_RANGE | FALLOC_FL_INSERT_RANGE) ? 0 : in->length);
	return part == 0 && in->length > 0;
}

bool wants_copy_file_range(const struct request *request, int part, struct want *want)
{
	const struct fuse_copy_file_range_in *in = request->body;

	if (in->len == 0)
		return false;
	want->request.node = part ? in->nodeid_out : request->node;
	want->request.handle = part ? in->fh_out : in->fh_in;
	want->request.type = part ? LOCK_EXCLUSIVE : LOCK_SHARED;
	want->nonblock = opened_nonblock(request->fs, want->request.handle);
	set_range(want, part ? in->off_out : in->off_in, in->len);
	return true;
}
