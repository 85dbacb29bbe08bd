// SPDX-License-Identifier: MIT
#include "fs/fuse/idmapped.h"
#include "lib/base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* As <linux/mount.h>, <linux/pidfd.h> and <linux/nsfs.h> have it; older headers don't. */
#ifndef SYS_statmount
#define SYS_statmount 457
#endif
#ifndef SYS_listmount
#define SYS_listmount 458
#endif
#define OF_THREAD           O_EXCL                  /* PIDFD_THREAD of pidfd_open(2) */
#define GET_MOUNT_NAMESPACE _IO(0xFF, 3)            /* PIDFD_GET_MNT_NAMESPACE */
#define GET_NAMESPACE_ID    _IOR(0xb7, 5, uint64_t) /* NS_GET_MNTNS_ID */
#define ROOT                UINT64_MAX              /* LSMT_ROOT */
#define SB_BASIC            0x1u                    /* STATMOUNT_... */
#define UIDMAP              0x2000u

struct mount_query {
	uint32_t size;
	uint32_t spare;
	uint64_t mount;
	uint64_t param;
	uint64_t namespace;
};

struct mount {
	uint32_t size;
	uint32_t unused1;
	uint64_t mask;
	uint32_t major, minor; /* of the file system's device */
	uint64_t unused2[15];
	uint64_t supported;
	uint32_t uids, uids_at; /* number of strings of the mapping, and where they are in `text` */
	uint32_t gids, gids_at;
	uint64_t spare[43];
	char text[4096];
};

_Static_assert(offsetof(struct mount, uids) == 152 && offsetof(struct mount, text) == 512,
	       "the layout is the kernel's");

static int namespace_of(pid_t thread, uint64_t *id)
{
	_cleanup_close_ int thread_fd = (int)syscall(SYS_pidfd_open, thread, OF_THREAD);
	_cleanup_close_ int namespace_fd = -1;

	if (thread_fd < 0)
		return -errno;
	namespace_fd = ioctl(thread_fd, GET_MOUNT_NAMESPACE, 0);
	if (namespace_fd < 0)
		return -errno;
	return ioctl(namespace_fd, GET_NAMESPACE_ID, id) < 0 ? -errno : 0;
}

/* Each string is "ID-OF-FILES ID-OF-USERS COUNT". */
static bool maps_to(const struct mount *mount, uid_t user, uid_t owner)
{
	const char *at = mount->text + mount->uids_at;
	const char *end = mount->text + sizeof(mount->text);

	for (uint32_t i = 0; i < mount->uids && at < end; i++) {
		unsigned int first;
		unsigned int lower;
		unsigned int count;

		if (sscanf(at, "%u %u %u", &first, &lower, &count) == 3 && user >= lower &&
		    user - lower < count)
			return user - lower + first == owner;
		at += strnlen(at, (size_t)(end - at)) + 1;
	}
	return false;
}

/*
 * Returns 1 for a mount of this file system that maps the owner to the user; 0 for one of another file
 * system; -EPERM; a negative errno if that cannot be found out.
 */
static int look_at(const struct fs *fs, uint64_t id, uint64_t namespace, uid_t user, uid_t owner)
{
	const dev_t device = (dev_t)fs->state.arena->header->device;
	const struct mount_query request = {
		.size = sizeof(request), .mount = id, .param = SB_BASIC | UIDMAP, .namespace = namespace};
	struct mount mount;

	if (syscall(SYS_statmount, &request, &mount, sizeof(mount), 0) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (mount.major != major(device) || mount.minor != minor(device))
		return 0;
	if (!(mount.mask & UIDMAP) || mount.uids == 0 || mount.uids_at >= sizeof(mount.text))
		return -EPERM;
	mount.text[sizeof(mount.text) - 1] = 0;
	return maps_to(&mount, user, owner) ? 1 : -EPERM;
}

bool idmapped_owns(const struct fs *fs, pid_t thread, uid_t user, uid_t owner)
{
	struct mount_query request = {.size = sizeof(request), .mount = ROOT};
	uint64_t mounts[64];
	bool found = false;
	long n;

	if (!fs->allow_idmap || thread == 0 || namespace_of(thread, &request.namespace) < 0)
		return false;
	do {
		n = syscall(SYS_listmount, &request, mounts, sizeof(mounts) / sizeof(mounts[0]), 0);
		if (n < 0)
			return false;
		for (long i = 0; i < n; i++) {
			int result = look_at(fs, mounts[i], request.namespace, user, owner);

			if (result < 0)
				return false;
			found |= result > 0;
		}
		if (n > 0)
			request.param = mounts[n - 1];
	} while (n == (long)(sizeof(mounts) / sizeof(mounts[0])));
	return found;
}
