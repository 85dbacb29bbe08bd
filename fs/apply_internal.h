/* SPDX-License-Identifier: MIT */
/*
 * What apply.c and apply_segment.c share.
 */
#ifndef SEGFS_APPLY_INTERNAL_H
#define SEGFS_APPLY_INTERNAL_H

#include "fs/apply.h"
#include "fs/source/source.h"

/* What is being applied, for messages. */
struct application {
	struct state *state;
	int root_fd;      /* of the default store */
	const char *file; /* the configuration's name */
	char *error;      /* CONFIG_ERROR_MAX bytes */
};

/* Notes what went wrong with the section at `line`. Returns `result`. */
int apply_fail(const struct application *application, int result, unsigned int line, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/*
 * Opens the directory `name` below the default store, making it and those above it where they are missing. Never follows
 * a symbolic link: users may write in the store. Returns an O_RDONLY descriptor, or a negative errno.
 */
int open_directory_path(const struct application *application, const char *name);

/*
 * Makes the file or directory `fd` a node, and takes a reference that apply_forget() gives back. Returns 0; as backing_identify() and
 * node_reference().
 */
int apply_reference(const struct application *application, int fd, uint64_t *id);
void apply_forget(const struct application *application, uint64_t id);

/*
 * Gives the file or directory `fd` those fields of a policy that the configuration has.
 * Returns 0; -EBUSY where opens are in the way; the errno of storing it.
 */
int apply_policy(const struct application *application, int fd, const struct config_policy *policy);

/*
 * Adds a store's record to the arena, or finds it there. path: below the mount. root_fd: its root; taken over.
 * Returns its index; -ENFILE where there are too many; -ENAMETOOLONG; -ENOMEM.
 */
int apply_register(struct state *state, const char *path, enum source_kind source, int root_fd);

/* The same for a source that is no directory of a file system. root_fd: what it looks into, or -1; taken over on success. Returns its index; -ENFILE. */
int apply_register_virtual(struct state *state, const char *path, enum source_kind source, int root_fd);

/* Makes the nodes of the directories that show sources, each in its place; none is shown yet. Returns 0 or a negative errno. */
int apply_builtins(struct state *state);

/*
 * Has the System V source of store `store` look into the namespace that a directory names. Returns 0, or a negative errno with the error
 * noted: -EBUSY where it looks into another one.
 */
int apply_namespace(const struct application *application, int store, const struct config_directory *directory);

/* Shows those that the configuration wants. Returns 0; -ENOTSUP, with the error noted, for one that this machine does not have. */
int apply_sources(const struct application *application, const struct config *config);

/* Makes or adjusts one segment. Returns 0, or a negative errno with the error noted. */
int apply_segment(const struct application *application, const struct config_segment *segment);

#endif
