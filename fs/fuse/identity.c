// SPDX-License-Identifier: MIT
#include "fs/fuse/identity.h"
#include "fs/source/source.h"
#include "lib/base/cleanup.h"
#include "lib/base/procfs.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CACHED 16u /* pidfds that are cached: opening one costs as much as several queries */

/* As <linux/pidfd.h> has it since Linux 6.13; older headers don't. */
struct info {
	uint64_t mask; /* fields that are asked for, and those that were filled */
	uint64_t cgroup;
	uint32_t pid, tgid, ppid;
	uint32_t ruid, rgid, euid, egid, suid, sgid, fsuid, fsgid;
	int32_t exit_code;
};

#define INFO_CREDS 2u /* mask */
#define GET_INFO   _IOWR(0xFF, 11, struct info)
#define OF_THREAD  O_EXCL /* PIDFD_THREAD of pidfd_open(2) */

_Static_assert(sizeof(struct info) == 64, "the size is part of the number of the ioctl");

/*
 * Used by the reader only. A pidfd stays that of its thread: it fails once the thread has ended, even if the
 * number is reused.
 */
static struct cached {
	pid_t thread;
	int fd;
	uint64_t identity; /* 0 = not asked for yet */
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

/* Returns NULL if the thread or PIDFD_GET_INFO is unknown. */
static struct cached *ask_thread(pid_t thread, struct info *info)
{
	struct cached *cached = &cache[(size_t)thread % CACHED];
	int fd;

	if (cached->thread == thread && ask(cached->fd, info) == 0)
		return cached;
	fd = open_thread(thread);
	if (fd < 0)
		return NULL;
	if (cached->thread)
		close(cached->fd);
	*cached = (struct cached){.thread = thread, .fd = fd};
	return ask(fd, info) == 0 ? cached : NULL;
}

/* What the kernel has checked in full needs no user, nor what concerns an open that has been checked. */
static bool needs_user(const struct request *request)
{
	const struct node_slot *node = request_node(request);
	const bool is_own = node && !node_is_external(node) && node->store != NODE_STORE_CONTROL;
	const bool is_mandatory = is_own && atomic_load(&node->policy) & NODE_POLICY_MANDATORY;

	switch (request->operation->user) {
	case USER_NEVER:
		return false;
	case USER_EXTERNAL:
		return !is_own || is_mandatory;
	case USER_MANDATORY:
		return is_mandatory;
	case USER_XATTR:
		return !is_own || source_attribute(request->name);
	case USER_ALWAYS:
		break;
	}
	return true;
}

/* Whether the operation makes a file of a source that records the creator. */
static bool needs_creator(const struct request *request)
{
	const struct node_slot *dir = request_node(request);

	return request->operation->flags & OPERATION_MAKES_FILE && dir && !node_is_external(dir) &&
	       !procfs_identity_waits();
}

/* 0 = unknown. */
static uint64_t identity_of(pid_t thread)
{
	struct info info;
	struct cached *cached = ask_thread(thread, &info);
	uint64_t identity = 0;

	if (!cached) {
		procfs_thread_identity(thread, &identity);
		return identity;
	}
	if (!cached->identity)
		procfs_pidfd_identity(cached->fd, thread, &cached->identity);
	return cached->identity;
}

void identity_complete(struct request *request)
{
	struct fuse_in_header *header = (struct fuse_in_header *)(uintptr_t)request->header;
	const pid_t thread = (pid_t)header->pid;
	struct info info;

	if (thread == 0)
		return;
	if (needs_creator(request))
		request->creator = identity_of(thread);
	if (header->uid == IDENTITY_UNKNOWN && needs_user(request) && ask_thread(thread, &info)) {
		header->uid = info.fsuid;
		header->gid = info.fsgid;
	}
}

void identity_close(void)
{
	for (size_t i = 0; i < CACHED; i++) {
		if (cache[i].thread)
			close(cache[i].fd);
		cache[i] = (struct cached){0};
	}
}
