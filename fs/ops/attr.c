// SPDX-License-Identifier: MIT
/*
 * Attributes: reading and changing them, STATX, statfs.
 */
#include "fs/fuse/reader.h"
#include "fs/fuse/reply.h"
#include "fs/fuse/request.h"
#include "fs/ops/ops.h"
#include "fs/segment/entry.h"
#include "fs/segment/mandatory.h"
#include "fs/segment/policy.h"
#include "fs/segment/set_id.h"
#include "fs/source/backing.h"
#include "lib/base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/sysmacros.h>

/* An open for writing of a node, by which its size is set; or NULL. */
static const struct handle_slot *find_writer(const struct fs *fs, uint64_t id, const struct fuse_file_info *file_info)
{
	const struct handle_slot *handle = file_info ? handle_get(&fs->state, file_info->fh) : NULL;

	return handle && handle->node == id && handle_writes(handle) ? handle : NULL;
}

static int get_attributes(struct fs *fs, const struct node_slot *node, struct stat *attr)
{
	return node ? source_of(&fs->state, node)->stat(&fs->state, node, attr) : -ESTALE;
}

void op_getattr(fuse_req_t req, fuse_ino_t id, struct fuse_file_info *file_info)
{
	struct fs *fs = fs_of(req);
	const struct node_slot *node = node_get(&fs->state, id);
	struct stat attr;
	int result = get_attributes(fs, node, &attr);

	(void)file_info;
	if (result < 0)
		reply_status(req, result);
	else
		fuse_reply_attr(req, &attr, attr_timeout(fs, node, attr.st_mode));
}

static void change_from_request(const struct stat *attr, int what, struct source_change *change)
{
	static const struct {
		int theirs;
		unsigned int ours;
	} bits[] = {
		{FUSE_SET_ATTR_MODE, SOURCE_SET_MODE},   {FUSE_SET_ATTR_UID, SOURCE_SET_UID},
		{FUSE_SET_ATTR_GID, SOURCE_SET_GID},     {FUSE_SET_ATTR_SIZE, SOURCE_SET_SIZE},
		{FUSE_SET_ATTR_ATIME, SOURCE_SET_ATIME}, {FUSE_SET_ATTR_MTIME, SOURCE_SET_MTIME},
	};

	*change = (struct source_change){
		.mode = attr->st_mode,
		.uid = attr->st_uid,
		.gid = attr->st_gid,
		.size = attr->st_size,
		.atime = attr->st_atim,
		.mtime = attr->st_mtim,
		.drop_privileges = what & FUSE_SET_ATTR_KILL_SUID,
	};
	for (size_t i = 0; i < sizeof(bits) / sizeof(bits[0]); i++)
		if (what & bits[i].theirs)
			change->what |= bits[i].ours;
	/* chown(2) that names neither user nor group still clears these bits; it comes without any bit of its own */
	if (change->what == 0)
		change->drop_privileges = true;
	if (what & FUSE_SET_ATTR_ATIME_NOW)
		change->atime.tv_nsec = UTIME_NOW;
	if (what & FUSE_SET_ATTR_MTIME_NOW)
		change->mtime.tv_nsec = UTIME_NOW;
}

static int check_resize(struct fs *fs, const struct node_slot *node, off_t size, int held)
{
	_cleanup_close_ int fd = -1;
	uint32_t policy;
	int result = policy_find(&fs->state, node, &policy);

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

static int change_attributes(struct fs *fs, fuse_ino_t id, struct source_change *change, int fd, struct stat *attr)
{
	const struct node_slot *node = node_get(&fs->state, id);
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
	result = set_id_complete(fs, node, change);
	if (result < 0)
		return result;
	if (change->what & SOURCE_SET_SIZE && !mandatory_is_on(fs, id) && source->stat(&fs->state, node, attr) == 0 &&
	    attr->st_blocks >= SOURCE_SLOW_BLOCKS)
		reader_hand_over();
	if (change->what & SOURCE_SET_SIZE) {
		result = check_resize(fs, node, change->size, fd);
		if (result < 0)
			return result;
	}
	/* what was open for writing stays so, whatever became of the mode since */
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

void op_setattr(fuse_req_t req, fuse_ino_t id, struct stat *attr, int what, struct fuse_file_info *file_info)
{
	struct fs *fs = fs_of(req);
	const struct handle_slot *writer;
	struct source_change change;
	struct stat changed = {0};
	int result;

	change_from_request(attr, what, &change);
	writer = find_writer(fs, id, file_info);
	change.by_writer = writer != NULL;
	result = change_attributes(fs, id, &change, writer ? writer->fd : -1, &changed);
	if (result < 0)
		reply_status(req, result);
	else
		fuse_reply_attr(req, &changed, attr_timeout(fs, node_get(&fs->state, id), changed.st_mode));
}

void op_statfs(fuse_req_t req, fuse_ino_t id)
{
	struct fs *fs = fs_of(req);
	const struct node_slot *node = node_get(&fs->state, id);
	struct statvfs found;
	int result;

	/* what no store holds is told as part of the root's file system */
	if (node && !source_of(&fs->state, node)->statfs)
		node = node_get(&fs->state, NODE_ROOT);
	result = node ? source_of(&fs->state, node)->statfs(&fs->state, node, &found) : -ESTALE;
	if (result < 0)
		reply_status(req, result);
	else
		fuse_reply_statfs(req, &found);
}

/* Only the time of birth is not among the attributes that every source tells. */
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

static void set_time(struct wire_statx_time *out, struct timespec time)
{
	out->seconds = time.tv_sec;
	out->nanoseconds = (uint32_t)time.tv_nsec;
}

static void set_statx(struct wire_statx_out *out, const struct stat *attr, double timeout)
{
	out->valid = (uint64_t)timeout;
	out->valid_nanoseconds = (uint32_t)((timeout - (double)out->valid) * 1e9);
	out->mask = STATX_BASIC_STATS;
	out->block_size = (uint32_t)attr->st_blksize;
	out->nlink = (uint32_t)attr->st_nlink;
	out->uid = attr->st_uid;
	out->gid = attr->st_gid;
	out->mode = (uint16_t)attr->st_mode;
	out->inode = attr->st_ino;
	out->size = (uint64_t)attr->st_size;
	out->blocks = (uint64_t)attr->st_blocks;
	out->rdev_major = major(attr->st_rdev);
	out->rdev_minor = minor(attr->st_rdev);
	set_time(&out->atime, attr->st_atim);
	set_time(&out->mtime, attr->st_mtim);
	set_time(&out->ctime, attr->st_ctim);
}

static int fill_statx(struct fs *fs, struct wire_statx_out *out)
{
	const struct node_slot *node = node_get(&fs->state, request_node());
	struct statx birth;
	struct stat attr;
	int result = get_attributes(fs, node, &attr);

	if (result < 0)
		return result;
	set_statx(out, &attr, attr_timeout(fs, node, attr.st_mode));
	if (get_birth_time(fs, node, &birth) == 0 && birth.stx_mask & STATX_BTIME) {
		out->mask |= STATX_BTIME;
		out->btime.seconds = birth.stx_btime.tv_sec;
		out->btime.nanoseconds = birth.stx_btime.tv_nsec;
	}
	return 0;
}

void op_statx_raw(struct fs *fs)
{
	struct wire_statx_out out = {0};
	bool allowed = !fs->options.allow_root || request_uid() == 0 || request_uid() == geteuid();
	int result = allowed ? fill_statx(fs, &out) : -EACCES;

	request_answer_raw(fs, result, &out, sizeof(out));
}
