/* SPDX-License-Identifier: MIT */
/* Shared by the files of fs/setup that apply the configuration. */
#ifndef SEGFS_SETUP_INTERNAL_H
#define SEGFS_SETUP_INTERNAL_H

#include "fs/setup/apply.h"
#include "fs/source/source.h"

#define APPLY_DIRECTORY_MODE 0755 /* of directories without a configured mode */

/* The run of apply_config(). */
struct application {
	struct state *state;
	int root_fd;      /* of the default store */
	const char *file; /* name of the configuration file */
	void (*changed)(uint64_t id); /* see apply_config() */
	char *error;      /* CONFIG_ERROR_MAX bytes */
};

/* A section of the configuration that names an object in the store. */
struct claim {
	const char *kind;  /* "segment" or "directory" */
	const char *name;  /* below the mount */
	unsigned int line;
	bool has_owner;    /* `owner` is valid */
	uid_t owner;
};

/* An existing file with the name of a declared segment. */
struct adoption {
	struct stat stat;   /* as found */
	bool is_marked;     /* the configuration has created or adopted it before */
	bool changes_hands; /* it gets another owner: nobody may have it open for writing */
};

/* Formats an error about the section at `line`. Returns `result`. */
int apply_fail(const struct application *application, int result, unsigned int line, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* The path of a directory in the default store, part of which may be missing. */
struct place {
	const char *path; /* below the mount; borrowed */
	const char *rest; /* the missing part of the path; "" = none */
	size_t made;      /* bytes of `rest` created by place_make() */
	int fd;           /* the deepest existing directory, O_RDONLY */
};

/*
 * Opens the directory `path` below the default store, as far as it exists. Never follows a symbolic link,
 * since users can write in the store. Existing directories are checked by adopt_directory().
 * Returns 0, and the caller must call place_close(); a negative errno with the error formatted.
 */
int place_find(const struct application *application, const struct claim *claim, const char *path, struct place *place);
void place_close(struct place *place);

/*
 * Creates the missing directories. mode: of the last one; those above get APPLY_DIRECTORY_MODE.
 * Returns an O_RDONLY descriptor of the directory, which the caller closes; a negative errno with the error
 * formatted, and nothing left behind.
 */
int place_make(const struct application *application, const struct claim *claim, struct place *place, mode_t mode);

/* Removes the directories created by place_make(), as far as they are empty. */
void place_unmake(const struct place *place);

/*
 * Checks an existing directory that a section names or uses: it must belong to root, the daemon's user or the
 * section's owner, be a mount, or be declared itself. path: of the directory, below the mount.
 * Returns 0; -EPERM, or the negative errno of fstat(2), with the error formatted.
 */
int adopt_directory(const struct application *application, const struct claim *claim, int fd, const char *path);

/*
 * Marks a file or directory as declared by the configuration under this name. Does nothing on media without
 * attributes.
 */
void adopt_mark(const struct application *application, int fd, const char *name);

/*
 * Checks an existing file with the name of a segment, without changing it. Unless the configuration has
 * created or adopted it before, it must be a regular file without hard links, owned by root, the daemon's
 * user or the segment's owner. If it gets another owner, nobody may have it open or mapped for writing.
 * fd: may be O_PATH. Returns 0; -EEXIST, -EPERM, -EBUSY, or the errno of inspecting it, with the error
 * formatted.
 */
int adopt_segment(const struct application *application, const struct config_segment *segment, int fd, struct adoption *adoption);

/*
 * Applies the configured owner and mode to a file that passed adopt_segment(), checking again what may have
 * changed.
 * Returns 0; otherwise as adopt_segment(), with owner and mode unchanged.
 */
int adopt_finish(const struct application *application, const struct config_segment *segment, int fd,
		 const struct adoption *adoption);

/* Notifies the kernel that owner or mode of the file or directory `fd` has changed. */
void apply_tell(const struct application *application, int fd);

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

/* The claim of a directory's section. */
struct claim claim_of_directory(const struct config_directory *directory);

/* Reads the policy stored with a file or directory. Returns 0 or the negative errno of fgetxattr(2). */
int apply_read_policy(const struct application *application, int fd, struct policy *policy);

/*
 * Merges the configured fields into a policy and stores it, for a file that nobody has open. Returns 0 or the
 * negative errno of fsetxattr(2).
 */
int apply_store_policy(const struct application *application, int fd, struct policy *policy, const struct config_policy *given);

/*
 * Adds a store record that is not attached yet. path: below the mount. root_fd: its root; ipc_fd: an IPC
 * namespace, or -1; both are moved to the record on success only.
 * Returns its index; -ENFILE if there are too many; the negative errno of statx(2), fstatfs(2).
 */
int apply_register_hidden(struct state *state, const char *path, enum source_kind source, int root_fd, int ipc_fd);

/* Marks the record as attached. */
void apply_publish(struct state *state, int index);

/* apply_register_hidden() and apply_publish(), for a store that is attached already. */
int apply_register(struct state *state, const char *path, enum source_kind source, int root_fd, int ipc_fd);

/*
 * Finds the record of a source on the mount of `fd`. Returns its index; -ENOENT; the negative errno of
 * statx(2).
 */
int apply_registered(const struct state *state, enum source_kind source, int fd);

/* Removes a record without nodes, and closes its descriptors. */
void apply_unregister(struct state *state, int index);

/* Completes or undoes the registrations that a dead worker has not published. */
void apply_settle(struct state *state);

/*
 * Like apply_register(), for a source that is no directory of a file system. root_fd: what it reads from, or
 * -1; moved on success.
 * Returns its index; -ENFILE.
 */
int apply_register_virtual(struct state *state, const char *path, enum source_kind source, int root_fd);

/*
 * Mounts a directory's medium or source on it, or changes an existing mount. Returns 0, or a negative errno
 * with the error formatted and nothing new visible.
 */
int apply_medium(const struct application *application, const struct config_directory *directory, struct place *place);

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

/* Creates or adjusts a segment. Returns 0, or a negative errno with the error formatted. */
int apply_segment(const struct application *application, const struct config_segment *segment);

#endif
