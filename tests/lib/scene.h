/* SPDX-License-Identifier: MIT */
/*
 * The scene of operations: a mount and its store, in which files can be put and looked at past the segfs.
 *
 * One scene at a time, that of scene_set(). Files are those of scene_clean() and scene_lay() and what operations make of them.
 */
#ifndef SEGFS_TESTS_SCENE_H
#define SEGFS_TESTS_SCENE_H

#include "tests/mount/harness.h"

#define SCENE_SIZE 8192 /* bytes of each file */

/* The mount on which everything happens from here on; not NULL. */
void scene_set(const struct mount *mount);

/* Paths by the mount and by its store; valid as those of path_of(). */
const char *in_mount(const char *name);
const char *in_store(const char *name);

/* What stays for all operations, in a new mount: file, list/, which has three files, and symlink. Returns 0 or -1. */
int scene_begin(void);

/* Removes in the store what operations change or leave, so that the mount knows nothing of it. */
void scene_clean(void);

/* The same, and lays out what they begin with: file, a, b, each full of its first letter, and dir/. */
void scene_lay(void);

/* Makes a file of SCENE_SIZE bytes in the store, or fills one that is there. */
void put_file(const char *name, char byte);

/*
 * Gives a file or an empty directory a policy, of which the mount knows nothing yet, by an attribute user.segfs.*. It becomes another
 * one, of the same kind and name.
 */
void put_policy(const char *name, const char *attribute, const char *value);

/* The first byte of a file in the store, 0 where there is none. */
char byte_of(const char *name);

/* Whether the store has such a name. */
bool is_there(const char *name);

/* Of a system call: 0, or -errno. */
int result_of(long long result);

/* Of one that should have done `wanted` bytes: 0, -errno, or -EBADMSG where it has done others. */
int result_of_bytes(ssize_t got, ssize_t wanted);

/* Of one that should have failed with `error`: 0, -errno of another failure, or -EBADMSG for success. */
int result_of_failure(int error, long long result);

/*
 * Has the kernel remember what stays, and nothing else: what it still remembers of names that are gone is dropped by asking for them once
 * more. To be called after scene_clean().
 */
void scene_settle(void);

/*
 * What the store holds, as text: for each name its kind, mode, owner, number of links, size, target, attributes and a sum of its bytes,
 * sorted; without times and what tells about use. Returns memory that the caller frees.
 */
char *scene_print(void);

/* Says on stderr where two such texts differ; `what` is told of each line that only the first, or only the second, has. */
void scene_tell_difference(const char *before, const char *after);

#endif
