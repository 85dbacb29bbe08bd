// SPDX-License-Identifier: MIT
/*
 * Inode flags: lsattr, chattr +i, +a. The kernel has checked whether the caller may change them.
 */
#include "fs/fuse/reader.h"
#include "fs/fuse/reply.h"
#include "fs/fuse/session.h"
#include "fs/ops/internal.h"
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

static int on_backing(struct fs *fs, uint64_t id, unsigned int command, union inode_flags *value, bool sets)
{
	const struct node_slot *node = node_get(&fs->state, id);
	_cleanup_credentials_self_ struct credentials_self self = CREDENTIALS_SELF;
	_cleanup_close_ int fd = -1;
	int result;

	if (!node)
		return -ESTALE;
	if ((node->type != S_IFREG >> 12 && node->type != S_IFDIR >> 12) ||
	    node->store == NODE_STORE_CONTROL || node->handle_type == NODE_HANDLE_SOURCE)
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

/*
 * The kernel does not know that the ioctl(2) changed st_ctime. The open file keeps its inode from eviction.
 */
static void attributes_changed(struct fs *fs, uint64_t id)
{
	reader_hand_over();
	session_invalidate(fs, id, -1, 0);
}

int op_ioctl(struct request *request)
{
	const struct fuse_ioctl_in *in = request->body;
	const struct fuse_ioctl_out out = {0};
	union inode_flags value = {0};

	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		int result;

		if (commands[i].command != in->cmd)
			continue;
		if ((commands[i].sets ? in->in_size : in->out_size) < commands[i].size)
			break;
		if (commands[i].sets)
			memcpy(&value, in + 1, commands[i].size);
		result = on_backing(request->fs, request->node, in->cmd, &value, commands[i].sets);
		if (result < 0)
			return result;
		if (commands[i].sets)
			attributes_changed(request->fs, request->node);
		reply_parts(request, &out, sizeof(out), &value, commands[i].sets ? 0 : commands[i].size);
		return 0;
	}
	return -ENOTTY;
}
