/* SPDX-License-Identifier: MIT */
/* Directories below the default store, part of which may be missing. */
#ifndef SEGFS_SETUP_PLACE_H
#define SEGFS_SETUP_PLACE_H

#include "fs/setup/application.h"

/* The path of a directory in the default store, part of which may be missing. */
struct place {
	const char *path; /* below the mount; borrowed */
	const char *rest; /* the missing part of the path; "" = none */
	size_t made;      /* bytes of `rest` created by place_create() */
	int fd;           /* the deepest existing directory, O_RDONLY */
};

/*
 * Opens the directory `path` below the default store, as far as it exists. Never follows a symbolic link,
 * since users can write in the store. Existing directories are checked by adopt_directory().
 * Returns 0, and the caller must call place_close(); a negative errno with the error formatted.
 */
int place_find(const struct application *application, const struct claim *claim, const char *path,
	       struct place *place);
void place_close(struct place *place);

/*
 * Creates the missing directories. mode: of the last one; those above get APPLY_DIRECTORY_MODE.
 * Returns an O_RDONLY descriptor of the directory, which the caller closes; a negative errno with the error
 * formatted, and nothing left behind.
 */
int place_create(const struct application *application, const struct claim *claim, struct place *place,
		 mode_t mode);

/* Removes the directories created by place_create(), as far as they are empty. */
void place_remove(const struct place *place);

#endif
