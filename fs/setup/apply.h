/* SPDX-License-Identifier: MIT */
/*
 * Making what the configuration declares: stores, directories, segments. Used before the mount and again at SIGHUP: what
 * is new appears, what differs is changed in place, nothing that exists is deleted or shrunk.
 */
#ifndef SEGFS_SETUP_APPLY_H
#define SEGFS_SETUP_APPLY_H

#include "fs/config/config.h"
#include "fs/state/state.h"

/*
 * Registers the default store in a new arena, and the mount's root node.
 * root_fd: its root directory; the arena's from here on, also where the call fails.
 * Returns 0, or a negative errno.
 */
int apply_root(struct state *state, int root_fd);

/*
 * Makes the directories and segments of a configuration.
 * file: its name for messages. changed: called for each node whose owner or mode have changed and which the kernel may know; NULL = the
 * kernel knows none yet. error: one line about what could not be made, on failure.
 * Returns 0, or a negative errno; what was made until then stays.
 */
int apply_config(struct state *state, const struct config *config, const char *file, void (*changed)(uint64_t id),
		 char error[CONFIG_ERROR_MAX]);

#endif
