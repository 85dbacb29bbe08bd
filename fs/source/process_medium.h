/* SPDX-License-Identifier: MIT */
/*
 * Determines the file-system type of a file without asking that file system: a file of a process may be on a
 * user's FUSE mount, whose server need not answer. The path proves nothing, since a user can choose any.
 *
 * Functions are thread-safe; a struct media belongs to one thread.
 */
#ifndef SEGFS_SOURCE_PROCESS_MEDIUM_H
#define SEGFS_SOURCE_PROCESS_MEDIUM_H

#include "fs/source/task.h"

enum medium {
	MEDIUM_OTHER,
	MEDIUM_MEMORY, /* the kernel's internal tmpfs of memfds and shared anonymous memory */
	MEDIUM_HUGE,   /* the kernel's internal hugetlbfs */
	MEDIUM_TMPFS,  /* a tmpfs mounted in the process's namespace */
};

/* Cache for one scan of a process. Initialize with MEDIA_NONE. */
struct media {
	/* of a file on the last tmpfs found; while it is open no other file system gets that device number */
	int fd;
	dev_t tmpfs;        /* device number of that tmpfs */
	unsigned int scans; /* times the process's mounts were read */
};

#define MEDIA_NONE      ((struct media){.fd = -1})
#define MEDIA_SCANS_MAX 64 /* afterwards files on further tmpfs are not found */

/*
 * Whether a device number is one of the kernel's internal file systems. Returns MEDIUM_MEMORY, MEDIUM_HUGE or
 * MEDIUM_OTHER; -ENOMEM, -EMFILE, -ENFILE.
 */
int medium_internal(dev_t device);

/*
 * Whether a device number is that of a tmpfs in the process's mount namespace. fd: of a file with that device
 * number. Returns MEDIUM_TMPFS or MEDIUM_OTHER; -ENOMEM, -EMFILE, -ENFILE. Never blocks.
 */
int medium_tmpfs(struct media *media, const struct task *task, int fd, dev_t device);

void media_close(struct media *media);

#define _cleanup_media_ __attribute__((cleanup(media_close)))

#endif
