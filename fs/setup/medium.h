/* SPDX-License-Identifier: MIT */
/* Directories that are mounts of their own. */
#ifndef SEGFS_SETUP_MEDIUM_H
#define SEGFS_SETUP_MEDIUM_H

#include "fs/setup/place.h"

/*
 * Mounts a directory's medium or source on it, or changes an existing mount. Returns 0, or a negative errno
 * with the error formatted and nothing new visible.
 */
int apply_medium(const struct application *application, const struct config_directory *directory,
		 struct place *place);

#endif
