// SPDX-License-Identifier: MIT
/*
 * Attributes: GETATTR, SETATTR, STATX, STATFS.
 */
#include "fs/fuse/reader.h"
#include "fs/fuse/reply.h"
#include "fs/ops/internal.h"
#include "fs/segment/entry.h"
#include "fs/segment/mandatory.h"
#include "fs/segment/policy.h"
#include "fs/segment/set_id.h"
#include "fs/source/backing.h"
#include "lib/base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/sysmacros.h>

/* The handle that SETATTR names, if it is one of the node and open for writing; or NULL. */
static const struct handle_slot *find_writer(const struct request *request)
{
	const struct fuse_setattr_in *in = request->body;
	const struct handle_slot *handle =
		in->valid & FATTR_FH ? handle_get(&request->fs->state, in->fh) : NULL;

	return handle && handle->node == request->node && handle_writes(handle) ? handle : NULL;
}

static int get_attributes(struct fs *fs, const struct node_slot *node, struct stat *attr)
{
	return node ? source_of(&fs->state, node)->stat(&fs->state, node, attr) : -ESTALE;
}

int op_getattr(struct request *request)
{
	const struct node_slot *node = request_node(request);
	struct stat attr;
	int result = get_attributes(request->fs, node, &attr);

	if (result == 0)
		reply_attributes(request, &attr, attr_timeout(request->fs, node, attr.st_mode));
	return result;
}

static void change_from_request(const struct fuse_setattr_in *in, struct source_change *change)
{
	static const struct {
		uint32_t fuse_bit;
		unsigned int source_bit;
	} bits[] = {
		{FATTR_MODE, SOURCE_SET_MODE},   {FATTR_UID, SOURCE_SET_UID},
		{FATTR_GID, SOURCE_SET_GID},     {FATTR_SIZE, SOURCE_SET_SIZE},
		{FATTR_ATIME, SOURCE_SET_ATIME}, {FATTR_MTIME, SOURCE_SET_MTIME},
	};

	*change = (struct source_change){
		.mode = in->mode,
		.uid = in->uid,
		.gid = in->gid,
		.size = (off_t)in->size,
		.atime = {.tv_sec = (time_t)in->atime, .tv_nsec = in->atimensec},
		.mtime = {.tv_sec = (time_t)in->mtime, .tv_nsec = in->mtimensec},
		.drop_privileges = in->valid & FATTR_KILL_SUIDGID,
	};
	for (size_t i = 0; i < sizeof(bits) / sizeof(bits[0]); i++)
		if (in->valid & bits[i].fuse_bit)
			change->what |= bits[i].source_bit;
	/* chown(path, -1, -1) drops set-id bits, too, and sets none of the bits above */
	if (change->what == 0)
		change->drop_privileges = true;
	if (in->valid & FATTR_ATIME_NOW)
		change->atime.tv_nsec = UTIME_NOW;
	if (in->valid & FATTR_MTIME_NOW)
		change->mtime.tv_nsec = UTIME_NOW;
}

static int check_resize(struct fs *fs, const struct node_slot *node, off_t size, int held)
{
	_cleanup_close_ int fd = -1;
	uint32_t policy;
	int result = policy_find(&fs->state, node, &policy);

	if (result == 0 && policy & NODE_POLICY_MANDATORY)
		result = mandatory_available(fs);
	if (result < 0)
		return result;
	policy = policy_in_force(node, policy);
	if (held < 0 && policy & (NODE_POLICY_FIXED | NODE_POLICY_COMMIT)) {
		fd = source_of(&fs->state, node)->open(&fs->state, node, O_RDWR);
		if (fd < 0)
			return fd;
		held = fd;
	}
	return policy_before_resize(policy, held, size);
}

static int change_attributes(const struct request *request, struct source_change *change, int fd,
			     struct stat *attr)
{
	struct fs *fs = request->fs;
	const struct node_slot *node = request_node(request);
	const bool sizes = change->what & SOURCE_SET_SIZE && change->size > 0;
	const struct source *source;
	int result;

	if (!node)
		return -ESTALE;
	source = source_of(&fs->state, node);
	if (!source->change)
		return -EPERM;
	if (source->fixed_size)
		return source->change(&fs->state, node, change, attr);
	result = set_id_complete(request, node, change);
	if (result < 0)
		return result;
	if (change->what & SOURCE_SET_SIZE && !mandatory_is_on(fs, request->node) &&
	    source->stat(&fs->state, node, attr) == 0 && attr->st_blocks >= SOURCE_SLOW_BLOCKS)
		reader_hand_over();
	if (change->what & SOURCE_SET_SIZE) {
		result = check_resize(fs, node, change->size, fd);
		if (result == 0)
			result = source_before_resize(&fs->state, node, change->size);
		if (result < 0)
			return result;
	}
	/* a file that is open for writing can be resized, even if its mode has changed since */
	if (change->what & SOURCE_SET_SIZE && fd >= 0) {
		if (ftruncate(fd, change->size) < 0)
			return -errno;
		change->what &= ~(unsigned int)SOURCE_SET_SIZE;
	}
	result = source->change(&fs->state, node, change, attr);
	if (result == 0 && sizes)
		policy_size_settled(&fs->state, node);
	return result;
}

int op_setattr(struct request *request)
{
	const struct handle_slot *writer = find_writer(request);
	struct source_change change;
	struct stat changed = {0};
	int result;

	change_from_request(request->body, &change);
	change.by_writer = writer != NULL;
	result = change_attributes(request, &change, writer ? writer->fd : -1, &changed);
	if (result == 0)
		reply_attributes(request, &changed,
				 attr_timeout(request->fs, request_node(request), changed.st_mode));
	return result;
}

int op_statfs(struct request *request)
{
	struct state *state = &request->fs->state;
	const struct node_slot *node = request_node(request);
	struct statvfs found;
	int result;

	/* other nodes report the file system of the root */
	if (node && !source_of(state, node)->statfs)
		node = node_get(state, NODE_ROOT);
	result = node ? source_of(state, node)->statfs(state, node, &found) : -ESTALE;
	if (result == 0)
		reply_statfs(request, &found);
	return result;
}

/* Gets the birth time, the only field that source->stat() does not report. */
static int get_birth_time(const struct fs *fs, const struct node_slot *node, struct statx *found)
{
	_cleanup_close_ int fd = -1;

	if (node->handle_type == NODE_HANDLE_CONTROL || node->handle_type == NODE_HANDLE_SOURCE)
		return -EOPNOTSUPP;
	fd = backing_open(&fs->state, node, O_PATH);
	if (fd < 0)
		return fd;
	return statx(fd, "", AT_EMPTY_PATH, STATX_BTIME, found) < 0 ? -errno : 0;
}

static void set_time(struct fuse_sx_time *out, struct timespec time)
{
	out->tv_sec = time.tv_sec;
	out->tv_nsec = (uint32_t)time.tv_nsec;
}

static void set_statx(struct fuse_statx *out, const struct stat *attr)
{
	out->mask = STATX_BASIC_STATS;
	out->blksize = (uint32_t)attr->st_blksize;
	out->nlink = (uint32_t)attr->st_nlink;
	out->uid = attr->st_uid;
	out->gid = attr->st_gid;
	out->mode = (uint16_t)attr->st_mode;
	out->ino = attr->st_ino;
	out->size = (uint64_t)attr->st_size;
	out->blocks = (uint64_t)attr->st_blocks;
	out->rdev_major = major(attr->st_rdev);
	out->rdev_minor = minor(attr->st_rdev);
	set_time(&out->atime, attr->st_atim);
	set_time(&out->mtime, attr->st_mtim);
	set_time(&out->ctime, attr->st_ctim);
}

int op_statx(struct request *request)
{
	const struct node_slot *node = request_node(request);
	struct fuse_statx_out out = {0};
	struct statx birth;
	struct stat attr;
	int result = get_attributes(request->fs, node, &attr);

	if (result < 0)
		return result;
	reply_fill_timeout(attr_timeout(request->fs, node, attr.st_mode), &out.attr_valid,
			   &out.attr_valid_nsec);
	set_statx(&out.stat, &attr);
	if (get_birth_time(request->fs, node, &birth) == 0 && birth.stx_mask & STATX_BTIME) {
		out.stat.mask |= STATX_BTIME;
		out.stat.btime.tv_sec = birth.stx_btime.tv_sec;
		out.stat.btime.tv_nsec = birth.stx_btime.tv_nsec;
	}
	reply_data(request, &out, sizeof(out));
	return 0;
}
