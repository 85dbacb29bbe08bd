/* SPDX-License-Identifier: MIT */
/*
 * The tmpfs of a store in memory: created detached and attached when it is complete, so that nobody sees it
 * half-made.
 */
#ifndef SEGFS_SETUP_TMPFS_H
#define SEGFS_SETUP_TMPFS_H

#include "fs/config/config.h"

#define TMPFS_ERROR_MAX CONFIG_ERROR_MAX /* bytes of an error text */

#define TMPFS_NAME "segfs" /* source of our tmpfs mounts in mountinfo */

/*
 * Creates a detached tmpfs with the limits of `store`. fresh_mode: permission bits if the configuration gives
 * none.
 * Returns an O_PATH descriptor of its root, with which the tmpfs ends unless mount_attach() was called; the
 * negative errno of fsopen(2), fsconfig(2), fsmount(2), with `error` filled.
 */
int tmpfs_make(const struct config_store *store, mode_t fresh_mode, char error[TMPFS_ERROR_MAX]);

/*
 * Applies the limits of `store` to the tmpfs with root `fd`. Returns 0, or the negative errno of fspick(2) or
 * fsconfig(2), with `error` filled.
 */
int tmpfs_change(int fd, const struct config_store *store, char error[TMPFS_ERROR_MAX]);

/*
 * Attaches a detached mount to the directory `target_fd`. Returns 0 or the negative errno of move_mount(2).
 */
int mount_attach(int mount_fd, int target_fd);

#endif
