/* SPDX-License-Identifier: MIT */
/* Builtin directories, and other sources. */
#ifndef SEGFS_SETUP_SOURCES_H
#define SEGFS_SETUP_SOURCES_H

#include "fs/setup/application.h"

/*
 * Creates the nodes of the builtin source directories at their fixed indexes; none is shown yet. Returns 0 or
 * a negative errno.
 */
int apply_builtins(struct state *state);

/*
 * Opens the IPC namespace that a directory is to show. Returns a descriptor that the caller closes; -EINVAL
 * if it is no IPC namespace, or the negative errno of open(2), with the error formatted.
 */
int apply_open_namespace(const struct application *application, const struct config_directory *directory);

/* Whether two descriptors refer to the same file. */
bool is_same_file(int one, int other);

/*
 * Shows the configured builtin directories. Returns 0; -ENOTSUP, with the error formatted, if this machine
 * does not support one of them.
 */
int apply_sources(const struct application *application, const struct config *config);

#endif
