/* SPDX-License-Identifier: MIT */
/*
 * Undoing what a section has changed of an existing file or directory when a later step of it fails: owner,
 * mode and policy. What cannot be undone, size and limits, is changed last.
 */
#ifndef SEGFS_SETUP_UNDO_H
#define SEGFS_SETUP_UNDO_H

#include "fs/setup/application.h"

#include <sys/stat.h>

/* As it was before. */
struct undo {
	struct stat stat;
	struct policy policy;
};

/* fd: not O_PATH. Returns 0, or the negative errno of fstat(2) or fgetxattr(2). */
int undo_note(const struct application *application, int fd, struct undo *undo);

/* Restores owner and mode, if they differ. fd: may be O_PATH. */
void undo_owner_and_mode(int fd, const struct stat *before);

/* Restores owner, mode, and the fields of the policy that the section gives. fd: may be O_PATH. */
void undo_change(const struct application *application, int fd, const struct undo *undo,
		 const struct config_policy *given);

/* Restores all of a directory that is in no store yet. fd: not O_PATH. */
void undo_detached(const struct application *application, int fd, const struct undo *undo);

#endif
