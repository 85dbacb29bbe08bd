/* SPDX-License-Identifier: MIT */
/* What the steps of apply_config() share: what is applied, and how an error is reported. */
#ifndef SEGFS_SETUP_APPLICATION_H
#define SEGFS_SETUP_APPLICATION_H

#include "fs/config/config.h"
#include "fs/state/state.h"

#define APPLY_DIRECTORY_MODE 0755 /* of directories without a configured mode */

/* The run of apply_config(). */
struct application {
	struct state *state;
	int root_fd;                  /* of the default store */
	const char *file;             /* name of the configuration file */
	void (*changed)(uint64_t id); /* see apply_config() */
	char *error;                  /* CONFIG_ERROR_MAX bytes */
};

/* A section of the configuration that names an object in the store. */
struct claim {
	const char *kind; /* "segment" or "directory" */
	const char *name; /* below the mount */
	unsigned int line;
	bool has_owner; /* `owner` is valid */
	uid_t owner;
};

/* Formats an error about the section at `line`. Returns `result`. */
int apply_fail(const struct application *application, int result, unsigned int line, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* Notifies the kernel that owner or mode of the file or directory `fd` has changed. */
void apply_notify(const struct application *application, int fd);

/*
 * Gets the node of the file or directory `fd` and takes a reference; apply_forget() drops it. Returns 0;
 * otherwise as backing_identify() and node_reference().
 */
int apply_reference(const struct application *application, int fd, uint64_t *id);
void apply_forget(const struct application *application, uint64_t id);

/*
 * Applies the configured fields of a policy to the file or directory `fd`.
 * Returns 0; -EBUSY if an open conflicts; the errno of storing it.
 */
int apply_policy(const struct application *application, int fd, const struct config_policy *policy);

/* Reads the policy stored with a file or directory. Returns 0 or the negative errno of fgetxattr(2). */
int apply_read_policy(const struct application *application, int fd, struct policy *policy);

/*
 * Merges the configured fields into a policy and stores it, for a file that nobody has open. Returns 0 or the
 * negative errno of fsetxattr(2).
 */
int apply_store_policy(const struct application *application, int fd, struct policy *policy,
		       const struct config_policy *given);

/* Sets the configured fields of a policy. */
void apply_merge_policy(struct policy *policy, const struct config_policy *given);

/* The claim of a directory's section. */
struct claim claim_of_directory(const struct config_directory *directory);

#endif
