/* SPDX-License-Identifier: MIT */
/*
 * Files that get their names when they are complete. Until then they have hidden ones, such as
 * ".segctl-HASH.part", and a lock of flock(2), by which a later run knows those that were left by one that
 * was killed. Names are relative to a directory, and symbolic links are not followed. Stateless, but for what
 * the caller holds.
 */
#ifndef SEGFS_TOOL_PLACE_H
#define SEGFS_TOOL_PLACE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define PLACE_PREFIX        ".segctl-" /* of all hidden names */
#define PLACE_TEMPORARY_MAX 48

/*
 * Opens the directory in which a name lies, O_PATH. last: receives the last component of `name`.
 * Returns the descriptor; -ENOTDIR, -ELOOP: a component is no directory; a negative errno.
 */
int place_open_directory(int root_fd, const char *name, const char **last);

/*
 * Opens the deepest directory above a name that there is. length: receives how much of `name` that is,
 * without a slash; 0 = the root. Returns the descriptor or a negative errno.
 */
int place_open_nearest(int root_fd, const char *name, size_t *length);

/*
 * Opens the directory that the first `length` bytes of a name are the name of, O_PATH; 0 = the root. Returns
 * as place_open_directory().
 */
int place_open_part(int root_fd, const char *name, size_t length);

/* Opens a file: -EINVAL if it is no regular one. Returns the descriptor or a negative errno. */
int place_open_file(int root_fd, const char *name, int flags);

/*
 * Creates a file with a hidden name for what is to get this name; mode 0600, empty. resumes: one that a run
 * of the same user has left is kept, otherwise it is removed. is_resumed: whether there was one.
 * Returns a descriptor for reading and writing; -EBUSY, another run works on it; -EPERM, it is another
 * user's; a negative errno.
 */
int place_create(int dir_fd, const char *name, bool resumes, bool *is_resumed);

/* Removes it. */
void place_remove(int dir_fd, const char *name);

/*
 * Gives it its name in another directory of the same file system. replaces: what has the name loses it.
 * Returns 0; -EEXIST; -ENOENT, another run has taken it for one that was left; a negative errno.
 */
int place_publish(int dir_fd, const char *name, int to_fd, const char *last, bool replaces);

/* Whether a run has left one for a name, or works on it. */
bool place_has_left(int dir_fd, const char *name);

/* Removes what a run that was killed has left of a name, as far as that is possible. */
void place_discard(int dir_fd, const char *name);

/* Directories that a command has swept. */
struct place_swept {
	void *tree; /* of tsearch(3) */
};

/*
 * Removes what runs that were killed have left in a directory, as far as that is possible; once for each
 * directory, since it looks at all its files. swept: zero at first; released by place_swept_free().
 */
void place_sweep(int dir_fd, struct place_swept *swept);
void place_swept_free(struct place_swept *swept);

/* Whether the last component of a name is a hidden one of ours. */
bool place_is_hidden(const char *name);

#endif
