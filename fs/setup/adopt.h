/* SPDX-License-Identifier: MIT */
/* Whether an existing file or directory may be adopted as one that the configuration declares. */
#ifndef SEGFS_SETUP_ADOPT_H
#define SEGFS_SETUP_ADOPT_H

#include "fs/setup/application.h"

#include <sys/stat.h>

/* An existing file with the name of a declared segment. */
struct adoption {
	struct stat stat;   /* as found */
	bool is_marked;     /* the configuration has created or adopted it before */
	bool changes_hands; /* it gets another owner: nobody may have it open for writing */
};

/*
 * Checks an existing directory that a section names or uses: it must belong to root, the daemon's user or the
 * section's owner, be a mount, or be declared itself. path: of the directory, below the mount.
 * Returns 0; -EPERM, or the negative errno of fstat(2), with the error formatted.
 */
int adopt_directory(const struct application *application, const struct claim *claim, int fd,
		    const char *path);

/*
 * Marks a file or directory as declared by the configuration under this name. Does nothing on media without
 * attributes.
 */
void adopt_mark(const struct application *application, int fd, const char *name);

/*
 * Checks an existing file with the name of a segment, without changing it. Unless the configuration has
 * created or adopted it before, it must be a regular file without hard links, owned by root, the daemon's
 * user or the segment's owner. If it gets another owner, nobody may have it open or mapped for writing.
 * fd: may be O_PATH. Returns 0; -EEXIST, -EPERM, -EBUSY, or the errno of inspecting it, with the error
 * formatted.
 */
int adopt_segment(const struct application *application, const struct config_segment *segment, int fd,
		  struct adoption *adoption);

/*
 * Applies the configured owner and mode to a file that passed adopt_segment(), checking again what may have
 * changed.
 * Returns 0; otherwise as adopt_segment(), with owner and mode unchanged.
 */
int adopt_finish(const struct application *application, const struct config_segment *segment, int fd,
		 const struct adoption *adoption);

#endif
