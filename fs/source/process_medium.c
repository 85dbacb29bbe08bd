// SPDX-License-Identifier: MIT
#include "fs/source/process_medium.h"
#include "fs/source/peek.h"
#include "lib/base/cleanup.h"
#include "lib/base/procfs.h"
#include "lib/base/procfs_users.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/memfd.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sysmacros.h>

#define LEAST_SHIFT 12 /* smallest huge page size, as a power of two */
#define SHIFTS      24
#define MOUNTS_MAX  20000 /* mounts examined per process */

/*
 * Gets the device number of files of memfd_create(2) with these flags, and caches it. Returns 1; 0 if the
 * kernel has no such kind; the errno of a resource shortage.
 */
static int find_device(_Atomic dev_t *known, unsigned int flags, dev_t *device)
{
	_cleanup_close_ int fd = -1;
	struct stat stat;
	int result;

	*device = atomic_load(known);
	if (*device)
		return 1;
	fd = memfd_create("segfs", MFD_CLOEXEC | flags);
	if (fd < 0)
		return errno == EMFILE || errno == ENFILE || errno == ENOMEM ? -errno : 0;
	result = peek(fd, "", &stat, NULL);
	if (result < 0)
		return result;
	*device = stat.st_dev;
	atomic_store(known, stat.st_dev);
	return 1;
}

static int is_huge(dev_t device)
{
	static _Atomic dev_t known[SHIFTS];

	for (unsigned int i = 0; i < SHIFTS; i++) {
		dev_t found;
		int result =
			find_device(&known[i], MFD_HUGETLB | (LEAST_SHIFT + i) << MFD_HUGE_SHIFT, &found);

		if (result < 0 || (result > 0 && found == device))
			return result;
	}
	return 0;
}

struct search {
	dev_t device;
	unsigned int n;
};

/*
 * Parses a line of mountinfo: "ID PARENT MAJOR:MINOR ROOT MOUNTPOINT OPTIONS [...] - TYPE SOURCE OPTIONS";
 * blanks in paths are escaped. Returns 1 for a tmpfs.
 */
static int visit_mount(void *context, const char *line, size_t length)
{
	struct search *search = context;
	const char *type = strstr(line, " - ");
	unsigned int major;
	unsigned int minor;

	(void)length;
	if (++search->n > MOUNTS_MAX)
		return -ENOENT;
	if (!type || sscanf(line, "%*d %*d %u:%u ", &major, &minor) != 2 ||
	    makedev(major, minor) != search->device)
		return 0;
	return strncmp(type, " - tmpfs ", strlen(" - tmpfs ")) == 0 ||
			       strncmp(type, " - devtmpfs ", strlen(" - devtmpfs ")) == 0
		       ? 1
		       : -ENOENT;
}

int medium_tmpfs(struct media *media, const struct task *task, int fd, dev_t device)
{
	struct search search = {.device = device};
	char path[TASK_PATH_MAX];
	int result;
	int copy;

	if (media->fd >= 0 && media->tmpfs == device)
		return MEDIUM_TMPFS;
	if (media->scans++ >= MEDIA_SCANS_MAX)
		return MEDIUM_OTHER;
	task_path(task, path, "mountinfo");
	result = procfs_walk_lines(task->proc_fd, path, visit_mount, &search);
	if (result <= 0)
		return result == -ENOENT || (result < 0 && procfs_means_absent(-result)) ? MEDIUM_OTHER
											 : result;
	copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (copy < 0)
		return -errno;
	media_close(media);
	media->fd = copy;
	media->tmpfs = device;
	return MEDIUM_TMPFS;
}

int medium_internal(dev_t device)
{
	static _Atomic dev_t known;
	dev_t memory;
	int result = find_device(&known, 0, &memory);

	if (result < 0)
		return result;
	if (result > 0 && memory == device)
		return MEDIUM_MEMORY;
	result = is_huge(device);
	return result < 0 ? result : result ? MEDIUM_HUGE : MEDIUM_OTHER;
}

void media_close(struct media *media)
{
	if (media->fd >= 0)
		close(media->fd);
	media->fd = -1;
}
