/* SPDX-License-Identifier: MIT */
/*
 * On what kind of file system a file is, told without asking that file system: what processes have open and mapped may be on a user's own, which
 * need not answer. The path of a file says nothing: there a user has any name.
 *
 * Functions may be called by several threads at once; a struct media belongs to one.
 */
#ifndef SEGFS_SOURCE_PROCESS_MEDIUM_H
#define SEGFS_SOURCE_PROCESS_MEDIUM_H

#include "fs/source/task.h"

enum medium {
	MEDIUM_OTHER,
	MEDIUM_MEMORY, /* of memfds and shared anonymous memory, which nobody can mount */
	MEDIUM_HUGE,   /* the same, of huge pages */
	MEDIUM_TMPFS,  /* one that is mounted where the process sees it */
};

/* What is known for the time of one look into a process. Begins as MEDIA_NONE. */
struct media {
	int fd;             /* of a file on the tmpfs that was found last: as long as it is there, no other file system has its device number */
	dev_t tmpfs;        /* device number of that */
	unsigned int looks; /* at the process's mounts */
};

#define MEDIA_NONE ((struct media){.fd = -1})
#define MEDIA_LOOKS_MAX 64 /* after which what is on another tmpfs is not found */

/* Whether a device number is one of the kernel's own. Returns MEDIUM_MEMORY, MEDIUM_HUGE or MEDIUM_OTHER; -ENOMEM, -EMFILE, -ENFILE. */
int medium_internal(dev_t device);

/*
 * Whether it is that of a tmpfs, by what a process has mounted. fd: of a file with that device number. Returns MEDIUM_TMPFS or MEDIUM_OTHER;
 * -ENOMEM, -EMFILE, -ENFILE. Waits for nobody.
 */
int medium_tmpfs(struct media *media, const struct task *task, int fd, dev_t device);

void media_close(struct media *media);

#define _cleanup_media_ __attribute__((cleanup(media_close)))

#endif
