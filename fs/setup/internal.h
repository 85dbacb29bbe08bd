/* SPDX-License-Identifier: MIT */
/*
 * What the files apply*.c share.
 */
#ifndef SEGFS_SETUP_INTERNAL_H
#define SEGFS_SETUP_INTERNAL_H

#include "fs/setup/apply.h"
#include "fs/source/source.h"

#define APPLY_DIRECTORY_MODE 0755 /* of a directory that the configuration implies or gives no mode */

/* What is being applied, for messages. */
struct application {
	struct state *state;
	int root_fd;      /* of the default store */
	const char *file; /* the configuration's name */
	void (*changed)(uint64_t id); /* as apply_config() has it */
	char *error;      /* CONFIG_ERROR_MAX bytes */
};

/* A section that wants a name in the store. */
struct claim {
	const char *kind;  /* "segment" or "directory" */
	const char *name;  /* below the mount */
	unsigned int line;
	bool has_owner;    /* `owner` was given */
	uid_t owner;
};

/* A file that has the name of a segment. */
struct adoption {
	struct stat stat;   /* as it was found */
	bool is_marked;     /* the configuration has made it, or adopted it before */
	bool changes_hands; /* somebody gets it who did not have it: nobody may have it open for writing */
};

/* Notes what went wrong with the section at `line`. Returns `result`. */
int apply_fail(const struct application *application, int result, unsigned int line, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* A directory below the default store, of which a part may be missing. */
struct place {
	const char *path; /* below the mount; the caller's */
	const char *rest; /* the part of it that is missing; "" = nothing */
	size_t made;      /* bytes of `rest` that place_make() has made */
	int fd;           /* the directory in which `rest` is missing, O_RDONLY */
};

/*
 * Finds the directory `path` below the default store, or as much of it as there is, and makes nothing. Never follows a symbolic link:
 * users may write in the store. What is there is checked by adopt_directory().
 * Returns 0, and the caller calls place_close(); a negative errno with the error noted.
 */
int place_find(const struct application *application, const struct claim *claim, const char *path, struct place *place);
void place_close(struct place *place);

/*
 * Makes what is missing. mode: of the last one, APPLY_DIRECTORY_MODE being that of those above.
 * Returns an O_RDONLY descriptor of the directory, which the caller closes; a negative errno with the error noted, and nothing is left.
 */
int place_make(const struct application *application, const struct claim *claim, struct place *place, mode_t mode);

/* Removes what place_make() has made, as far as it is empty. */
void place_unmake(const struct place *place);

/*
 * Checks a directory that is there and that a section wants, or wants something in: it has to belong to root, the daemon's user or the
 * section's owner, be a mount, or be declared itself. path: its own, below the mount.
 * Returns 0; -EPERM, or the errno of fstat(2), with the error noted.
 */
int adopt_directory(const struct application *application, const struct claim *claim, int fd, const char *path);

/* Marks a file or directory as that which the configuration declares by this name. Where the medium has no attributes it stays without. */
void adopt_mark(const struct application *application, int fd, const char *name);

/*
 * Checks a file that has the name of a segment, and changes nothing. A file that the configuration has not made or adopted before has to
 * be a regular one with one name, of root, the daemon's user or the segment's owner. Where it changes hands, nobody may have it open or
 * mapped for writing.
 * fd: may be an O_PATH one. Returns 0; -EEXIST, -EPERM, -EBUSY, or what looking at it failed with, with the error noted.
 */
int adopt_segment(const struct application *application, const struct config_segment *segment, int fd, struct adoption *adoption);

/*
 * Gives a file that adopt_segment() has admitted the owner and mode of the configuration, checking once more what may have changed.
 * Returns 0; or as adopt_segment(), with owner and mode as they were.
 */
int adopt_finish(const struct application *application, const struct config_segment *segment, int fd,
		 const struct adoption *adoption);

/* Lets the kernel know that owner or mode of the file or directory `fd` have changed. */
void apply_tell(const struct application *application, int fd);

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

/* What a directory's section claims. */
struct claim claim_of_directory(const struct config_directory *directory);

/* The policy that a file or directory has, by what is stored with it. Returns 0 or the errno of fgetxattr(2). */
int apply_read_policy(const struct application *application, int fd, struct policy *policy);

/*
 * Stores a policy, with those fields that the configuration has, where nobody has the file open. policy: gets those fields. Returns 0 or
 * the errno of fsetxattr(2).
 */
int apply_store_policy(const struct application *application, int fd, struct policy *policy, const struct config_policy *given);

/*
 * Adds a store's record to the arena, as one that is not attached yet. path: below the mount. root_fd: its root; ipc_fd: an IPC
 * namespace, or -1; both are the record's after success, and only then.
 * Returns its index; -ENFILE where there are too many; the errno of statx(2), fstatfs(2).
 */
int apply_register_hidden(struct state *state, const char *path, enum source_kind source, int root_fd, int ipc_fd);

/* Notes that it is attached. */
void apply_publish(struct state *state, int index);

/* Both, for one that is attached. */
int apply_register(struct state *state, const char *path, enum source_kind source, int root_fd, int ipc_fd);

/* The record of a source on the mount of which `fd` is. Returns its index; -ENOENT; the errno of statx(2). */
int apply_registered(const struct state *state, enum source_kind source, int fd);

/* Takes back a record of which nobody knows a node, and closes its descriptors. */
void apply_unregister(struct state *state, int index);

/* Completes, or takes back, what a worker that died has registered and not published. */
void apply_settle(struct state *state);

/*
 * As apply_register(), for a source that is no directory of a file system. root_fd: what it looks into, or -1; taken over on success.
 * Returns its index; -ENFILE.
 */
int apply_register_virtual(struct state *state, const char *path, enum source_kind source, int root_fd);

/*
 * Makes a directory a mount, of its medium or for what it shows, or changes the one that is there. Returns 0, or a negative errno with the
 * error noted, and nothing new is seen.
 */
int apply_medium(const struct application *application, const struct config_directory *directory, struct place *place);

/* Makes the nodes of the directories that show sources, each in its place; none is shown yet. Returns 0 or a negative errno. */
int apply_builtins(struct state *state);

/*
 * Opens the IPC namespace that a directory is to show. Returns a descriptor that the caller closes; -EINVAL for what is none, or the errno
 * of open(2), with the error noted.
 */
int apply_open_namespace(const struct application *application, const struct config_directory *directory);

/* Whether two descriptors are of one file. */
bool is_same_file(int one, int other);

/* Shows those that the configuration wants. Returns 0; -ENOTSUP, with the error noted, for one that this machine does not have. */
int apply_sources(const struct application *application, const struct config *config);

/* Makes or adjusts one segment. Returns 0, or a negative errno with the error noted. */
int apply_segment(const struct application *application, const struct config_segment *segment);

#endif
