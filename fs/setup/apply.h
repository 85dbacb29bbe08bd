/* SPDX-License-Identifier: MIT */
/*
 * Creates what the configuration declares: stores, directories, segments. Runs before the mount and again at
 * SIGHUP: new objects are created, changed ones are changed in place, and nothing is deleted or shrunk.
 */
#ifndef SEGFS_SETUP_APPLY_H
#define SEGFS_SETUP_APPLY_H

#include "fs/config/config.h"
#include "fs/state/state.h"

/*
 * Registers the default store and the root node in a new arena.
 * root_fd: the root of the store; owned by the arena from here on, also on failure.
 * Returns 0, or a negative errno.
 */
int apply_root(struct state *state, int root_fd);

/*
 * Creates the directories and segments of a configuration.
 * file: its name for messages. changed: called for each node whose owner or mode has changed and that the
 * kernel may have cached; NULL = the kernel knows no nodes yet. error: receives one line on failure.
 * Returns 0, or a negative errno; what was created until then stays.
 */
int apply_config(struct state *state, const struct config *config, const char *file,
		 void (*changed)(uint64_t id), char error[CONFIG_ERROR_MAX]);

/* Whether all stores are in memory. */
bool apply_is_memory(const struct state *state);

#endif
