/* SPDX-License-Identifier: MIT */
/*
 * What the files apply*.c share.
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

/*
 * Opens the directory `path` below the default store, making it and those above it where they are missing. Never follows
 * a symbolic link: users may write in the store. Those that are there are checked by adopt_directory().
 * Returns an O_RDONLY descriptor, or a negative errno with the error noted.
 */
int open_directory_path(const struct application *application, const struct claim *claim, const char *path);

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
 * be a regular one with one name, of root, the daemon's user or the segment's owner. Where it changes hands, nobody may have it open or mapped for writing.
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
