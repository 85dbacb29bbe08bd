// SPDX-License-Identifier: MIT
#include "fs/fuse/identity.h"
#include "fs/source/source.h"
#include "lib/base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CACHED 16u /* threads whose descriptors are kept: opening one costs several times what a question does */

/* As <linux/pidfd.h> has it since Linux 6.13; older headers don't. */
struct info {
	uint64_t mask; /* what is asked for, and what was answered */
	uint64_t cgroup;
	uint32_t pid, tgid, ppid;
	uint32_t ruid, rgid, euid, egid, suid, sgid, fsuid, fsgid;
	int32_t exit_code;
};

#define INFO_CREDS 2u /* mask */
#define GET_INFO _IOWR(0xFF, 11, struct info)
#define OF_THREAD O_EXCL /* PIDFD_THREAD of pidfd_open(2) */

_Static_assert(sizeof(struct info) == 64, "the size is part of the number of the ioctl");

/* The reader's. A descriptor stays that of its thread: of one that has ended it tells nothing, whoever has the number. */
static struct {
	pid_t thread;
	int fd;
} cache[CACHED];

static int open_thread(pid_t thread)
{
	int fd = (int)syscall(SYS_pidfd_open, thread, OF_THREAD);

	return fd < 0 ? -errno : fd;
}

static int ask(int fd, struct info *info)
{
	*info = (struct info){.mask = INFO_CREDS};
	if (ioctl(fd, GET_INFO, info) < 0)
		return -errno;
	return info->mask & INFO_CREDS ? 0 : -ENODATA;
}

bool identity_can_be_asked(void)
{
	_cleanup_close_ int fd = open_thread((pid_t)syscall(SYS_gettid));
	struct info info;

	return fd >= 0 && ask(fd, &info) == 0;
}

static int ask_thread(pid_t thread, struct info *info)
{
	const size_t place = (size_t)thread % CACHED;
	int fd;

	if (cache[place].thread == thread && ask(cache[place].fd, info) == 0)
		return 0;
	fd = open_thread(thread);
	if (fd < 0)
		return fd;
	if (cache[place].thread)
		close(cache[place].fd);
	cache[place].thread = thread;
	cache[place].fd = fd;
	return ask(fd, info);
}

/* What the kernel has checked in full, or what concerns an open that has been checked; but for what others share or rely on. */
static bool depends_on_user(const struct fs *fs, const struct wire_in_header *header)
{
	const struct node_slot *node = node_get(&fs->state, header->node);
	const bool is_own = node && !node_is_foreign(node) && node->store != NODE_STORE_CONTROL;

	switch (header->opcode) {
	case WIRE_OP_FORGET:
	case WIRE_OP_BATCH_FORGET:
	case WIRE_OP_INTERRUPT:
	case WIRE_OP_INIT:
	case WIRE_OP_STATFS:
	case WIRE_OP_RELEASE:
	case WIRE_OP_RELEASEDIR:
	case WIRE_OP_FLUSH:
	case WIRE_OP_FSYNC:
	case WIRE_OP_FSYNCDIR:
		return false;
	case WIRE_OP_LOOKUP:
	case WIRE_OP_GETATTR:
	case WIRE_OP_READDIR:
	case WIRE_OP_READDIRPLUS:
		return !is_own;
	/* one that waits for a mandatory lock is part of its user's share */
	case WIRE_OP_READ:
	case WIRE_OP_WRITE:
		return is_own && atomic_load(&node->policy) & NODE_POLICY_MANDATORY;
	default:
		return true;
	}
}

void identity_complete(const struct fs *fs, struct wire_in_header *header)
{
	struct info info;

	if (header->uid != IDENTITY_UNKNOWN || header->pid == 0 || !depends_on_user(fs, header))
		return;
	if (ask_thread((pid_t)header->pid, &info) < 0)
		return;
	header->uid = info.fsuid;
	header->gid = info.fsgid;
}
