/* SPDX-License-Identifier: MIT */
/*
 * The scene of operations: a part of a mount, whose files can be put and looked at past the segfs.
 *
 * One scene at a time, that of scene_enter(). In all of them operations find the same names, of files that are full of their first
 * letter: file, a, b; what they make is called new. Where names are given by others, as in sysv/ and process/, these stand for them.
 */
#ifndef SEGFS_TESTS_SCENE_H
#define SEGFS_TESTS_SCENE_H

#include "tests/mount/harness.h"

#define SCENE_SIZE 8192 /* bytes of each file */

/* The configuration of the mount. */
#define SCENE_CONFIG "[mount]\nsources = posix, sysv, process\n"

/* Which scenes there are, as bits. */
enum {
	IN_STORE = 1,    /* the root of the mount; also list/, dir/ and symlink */
	IN_OBJECTS = 2,  /* posix/, with the same */
	IN_SEGMENTS = 4, /* sysv/ */
	IN_PROCESS = 8,  /* a directory in process/: without new */
	IN_CONTROL = 16, /* .segfs/, with the files of IN_STORE for what it is to tell of */
	IN_FILES = IN_STORE | IN_OBJECTS,
	IN_ALL = IN_FILES | IN_SEGMENTS | IN_PROCESS,
};

struct scene {
	unsigned int bit;
	const char *below;  /* the part of the mount, "" = all of it */
	const char *native; /* where the same files are past the segfs; "" = in the mount's store; NULL = nowhere */

	const char *(*path)(const char *name);      /* of a file in the mount; valid as those of path_of() */
	void (*put)(const char *name, char byte);   /* makes a file, or fills one that is there, past the segfs */
	char (*byte)(const char *name);             /* the first byte of it, 0 where there is none */
	bool (*is_there)(const char *name);

	int (*begin)(void);       /* makes what stays for all operations. Returns 0 or -1 */
	void (*clean)(void);      /* removes what operations change or leave, so that the mount knows nothing of it */
	void (*lay)(void);        /* makes what they begin with, after that */
	void (*print)(FILE *out); /* what there is, but for times and what tells about use; in an order that is always the same */
	void (*end)(void);
};

extern const struct scene scene_of_store;
extern const struct scene scene_of_objects;
extern const struct scene scene_of_segments; /* for programs of machine_isolate() or segments_isolate(), which remove all there are */
extern const struct scene scene_of_process;
extern const struct scene scene_of_control;

/* Has everything happen there from here on, in a mount that has not changed since the last time. Returns 0 or -1. */
int scene_enter(const struct mount *mount, const struct scene *scene);

/* Ends it; fine where there is none. */
void scene_leave(void);

/* The one that was entered. */
const struct scene *scene_now(void);
const struct mount *scene_mount(void);

/* Paths by the mount, and by the directory in which the files are past the segfs; valid as those of path_of(). */
const char *in_mount(const char *name);
const char *in_store(const char *name);

/* Calls of the scene's functions. */
void put_file(const char *name, char byte);
char byte_of(const char *name);
bool is_there(const char *name);

/* Makes what operations begin with, and nothing else. */
void scene_lay(void);

/* Removes what operations leave, and has the kernel forget all that nobody uses. */
void scene_settle(void);

/*
 * What there is, as text: for each file its name, kind, mode, owner, size, bytes and the like; without times and what tells about use.
 * Returns memory that the caller frees.
 */
char *scene_print(void);

/* Says on stderr where two such texts differ: each line that only the first, or only the second, has. */
void scene_tell_difference(const char *before, const char *after);

/*
 * Gives a file or an empty directory of the store a policy, of which the mount knows nothing yet, by an attribute user.segfs.*. It becomes
 * another one, of the same kind and name.
 */
void put_policy(const char *name, const char *attribute, const char *value);

/* Of a system call: 0, or -errno. */
int result_of(long long result);

/* Of one that should have done `wanted` bytes: 0, -errno, or -EBADMSG where it has done others. */
int result_of_bytes(ssize_t got, ssize_t wanted);

/* Of one that should have failed with `error`: 0, -errno of another failure, or -EBADMSG for success. */
int result_of_failure(int error, long long result);

#endif
