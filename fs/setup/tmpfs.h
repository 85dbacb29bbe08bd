/* SPDX-License-Identifier: MIT */
/*
 * The tmpfs of a store in memory: made apart from all names, so that nobody sees it before it is what it is to be, then attached.
 */
#ifndef SEGFS_SETUP_TMPFS_H
#define SEGFS_SETUP_TMPFS_H

#include "fs/config/config.h"

#define TMPFS_ERROR_MAX CONFIG_ERROR_MAX /* bytes of an error text */

#define TMPFS_NAME "segfs" /* what one of ours is mounted from, in mountinfo */

/*
 * Makes a tmpfs with the limits of `store`, which is mounted nowhere. fresh_mode: permission bits where the configuration gives none.
 * Returns an O_PATH descriptor of its root, with which the tmpfs goes unless it was attached by mount_attach(); the negative errno of
 * fsopen(2), fsconfig(2), fsmount(2), with `error` filled.
 */
int tmpfs_make(const struct config_store *store, mode_t fresh_mode, char error[TMPFS_ERROR_MAX]);

/* Applies the limits of `store` to the tmpfs whose root is `fd`. Returns 0, or the negative errno of mount(2) with `error` filled. */
int tmpfs_change(int fd, const struct config_store *store, char error[TMPFS_ERROR_MAX]);

/* Shows at the directory `target_fd` a mount that is shown nowhere yet. Returns 0 or the negative errno of move_mount(2). */
int mount_attach(int mount_fd, int target_fd);

#endif
