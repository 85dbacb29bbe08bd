/* SPDX-License-Identifier: MIT */
/*
 * An instance: the directory in which a mount of segfs keeps its stores, and the lock that makes it the only one there.
 *
 * Privileged: /run/segfs/NAME; its `store` is a tmpfs mounted there, which outlives the program. Unprivileged:
 * $XDG_RUNTIME_DIR/segfs/NAME or /dev/shm/segfs-UID/NAME; its `store` is a directory. Only its user gets in.
 */
#ifndef SEGFS_SETUP_INSTANCE_H
#define SEGFS_SETUP_INSTANCE_H

#include "fs/config/config.h"

#include <limits.h>
#include <stdbool.h>

#define INSTANCE_ERROR_MAX CONFIG_ERROR_MAX /* bytes of an error text */

struct instance {
	char name[NAME_MAX + 1];
	char directory[PATH_MAX];
	char store[PATH_MAX];
	bool privileged;
	bool made;   /* this start made the store: it is taken back where the start fails */
	int lock_fd; /* held for as long as the instance is in use */
};

/*
 * Makes the directory where there is none, and locks it.
 * name: valid by instance_name_valid(). error: what is wrong, and what would be right, on failure.
 * Waits a few seconds for one that is ending.
 * Returns 0; -EBUSY while another segfs has it; the negative errno of mkdir(2), open(2), flock(2).
 */
int instance_open(struct instance *instance, const char *name, bool privileged, char error[INSTANCE_ERROR_MAX]);

/* Takes over the instance that another program has opened, with its lock. Returns 0; -ENAMETOOLONG. */
int instance_adopt(struct instance *instance, const char *name, bool privileged, int lock_fd);

/*
 * Makes the default store, or finds the one that an earlier start left, and applies limits, mode and owner to it.
 * Returns a descriptor of its root directory; the negative errno of mount(2) and others, with `error` filled.
 */
int instance_open_store(struct instance *instance, const struct config_store *root, char error[INSTANCE_ERROR_MAX]);

/* Writes the calling process's pid, its mount point and the mount's device into the lock, for whoever finds it taken. */
void instance_tell_holder(const struct instance *instance, const char *mount_point, dev_t device);

/* Gives the lock back; after a start that has failed also what that made. */
void instance_close(struct instance *instance, bool failed);

/*
 * Ends an instance that nobody uses: unmounts its stores, whose memory goes, and removes its directory. Directories of
 * other file systems that were shown there stay as they are.
 * Returns 0; -ENOENT where there is none; -EBUSY while it is in use; others with `error` filled.
 */
int instance_purge(const char *name, bool privileged, char error[INSTANCE_ERROR_MAX]);

/* Whether a descriptor is the root of a mount. */
bool is_mount_root(int fd);

/* Applies mode and owner that the configuration gives. Returns 0 or the negative errno of fchmod(2), fchown(2). */
int apply_mode_and_owner(int fd, const struct config_store *store);

#endif
