// SPDX-License-Identifier: MIT
/*
 * Inode flags: lsattr, chattr +i, +a. The kernel has checked who may change them.
 */
#include "fs/fuse/reader.h"
#include "fs/fuse/reply.h"
#include "fs/ops/ops.h"
#include "fs/source/requester.h"
#include "fs/source/source.h"
#include "lib/base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>

/* The argument of any of the commands below. */
union inode_flags {
	unsigned int flags;
	struct fsxattr extended;
};

static const struct {
	size_t size;
	unsigned int command;
	bool sets;
} commands[] = {
	{sizeof(unsigned int), FS_IOC_GETFLAGS, false},
	{sizeof(unsigned int), FS_IOC_SETFLAGS, true},
	{sizeof(struct fsxattr), FS_IOC_FSGETXATTR, false},
	{sizeof(struct fsxattr), FS_IOC_FSSETXATTR, true},
};

static int on_backing(struct fs *fs, fuse_ino_t id, unsigned int command, union inode_flags *value, bool sets)
{
	const struct node_slot *node = node_get(&fs->state, id);
	_cleanup_credentials_self_ struct credentials_self self = CREDENTIALS_SELF;
	_cleanup_close_ int fd = -1;
	int result;

	if (!node)
		return -ESTALE;
	if ((node->type != S_IFREG >> 12 && node->type != S_IFDIR >> 12) || node->store == NODE_STORE_CONTROL ||
	    node->handle_type == NODE_HANDLE_SOURCE)
		return -ENOTTY;
	if (sets && !source_of(&fs->state, node)->change)
		return -EPERM;
	fd = source_of(&fs->state, node)->open(&fs->state, node, O_RDONLY);
	if (fd < 0)
		return fd;
	result = sets ? requester_assume_in(&fs->state, node->store, &self) : 0;
	if (result < 0)
		return result;
	return ioctl(fd, command, value) < 0 ? -errno : 0;
}

/* Of an ioctl(2) the kernel does not know that it changes st_ctime. The requester has the file open, so nobody ends its inode meanwhile. */
static void attributes_changed(struct fs *fs, fuse_ino_t id)
{
	reader_hand_over();
	fuse_lowlevel_notify_inval_inode(fs->session, id, -1, 0);
}

void op_ioctl(fuse_req_t req, fuse_ino_t id, unsigned int command, void *argument, struct fuse_file_info *file_info,
	      unsigned int flags, const void *in, size_t in_size, size_t out_size)
{
	union inode_flags value = {0};

	(void)argument;
	(void)file_info;
	(void)flags;
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		int result;

		if (commands[i].command != command)
			continue;
		if ((commands[i].sets ? in_size : out_size) < commands[i].size)
			break;
		if (commands[i].sets)
			memcpy(&value, in, commands[i].size);
		result = on_backing(fs_of(req), id, command, &value, commands[i].sets);
		if (result == 0 && commands[i].sets)
			attributes_changed(fs_of(req), id);
		if (result < 0)
			reply_status(req, result);
		else
			fuse_reply_ioctl(req, 0, &value, commands[i].sets ? 0 : commands[i].size);
		return;
	}
	reply_status(req, -ENOTTY);
}
