/* SPDX-License-Identifier: MIT */
/* The names that a configuration declares, as the kernel may have cached them. */
#ifndef SEGFS_SETUP_NAMES_H
#define SEGFS_SETUP_NAMES_H

#include "fs/config/config.h"
#include "fs/state/state.h"

/*
 * Calls `visit` for every name that a configuration declares in a directory of which the kernel knows the
 * node, directories above included: the kernel may have cached that there is no such name. Directories that
 * cannot be opened are left out.
 */
void names_of_config(struct state *state, const struct config *config,
		     void (*visit)(uint64_t dir, const char *name));

#endif
