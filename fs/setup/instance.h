/* SPDX-License-Identifier: MIT */
/*
 * An instance: the directory with the stores of a mount, locked against a second segfs.
 *
 * Privileged: /run/segfs/NAME; `store` is a tmpfs mounted there, which outlives the program. Unprivileged:
 * $XDG_RUNTIME_DIR/segfs/NAME or /dev/shm/segfs-UID/NAME; `store` is a directory. Accessible to its user
 * only.
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
	bool made;   /* this start has created the store, and removes it on failure */
	int lock_fd; /* held while the instance is in use */
};

/*
 * Creates the directory if necessary, and locks it.
 * name: valid for instance_name_valid(). error: receives what is wrong and what to do, on failure.
 * Waits some seconds for a daemon that is exiting.
 * Returns 0; -EBUSY if another segfs holds the lock; the negative errno of mkdir(2), open(2), flock(2).
 */
int instance_open(struct instance *instance, const char *name, bool privileged,
		  char error[INSTANCE_ERROR_MAX]);

/*
 * Takes over an instance, with its lock, from the previous version of the program. Returns 0; -ENAMETOOLONG.
 */
int instance_adopt(struct instance *instance, const char *name, bool privileged, int lock_fd);

/*
 * Creates or finds the default store, and applies limits, mode and owner to it.
 * Returns a descriptor of its root directory; the negative errno of mount(2) and others, with `error` filled.
 */
int instance_open_store(struct instance *instance, const struct config_store *root,
			char error[INSTANCE_ERROR_MAX]);

/*
 * Writes the calling process's pid, its mount point and the mount's device into the lock file, for messages
 * of others.
 */
void instance_write_holder(const struct instance *instance, const char *mount_point, dev_t device);

/* Releases the lock. failed: removes what the failed start has created. */
void instance_close(struct instance *instance, bool failed);

/*
 * Ends an unused instance: unmounts its stores, which frees their memory, and removes its directory.
 * Directories of other file systems that were shown in it are not touched.
 * Returns 0; -ENOENT if there is none; -EBUSY if it is in use; others with `error` filled.
 */
int instance_purge(const char *name, bool privileged, char error[INSTANCE_ERROR_MAX]);

/* Whether a descriptor refers to the root of a mount. */
bool is_mount_root(int fd);

/*
 * Applies the mode and owner of the configuration, if given. Returns 0 or the negative errno of fchmod(2),
 * fchown(2).
 */
int apply_mode_and_owner(int fd, const struct config_store *store);

#endif
