/* SPDX-License-Identifier: MIT */
/*
 * The scene of operations: a part of a mount, whose files can also be created and read bypassing segfs.
 *
 * One scene at a time, set by scene_enter(). All scenes have the same names of files, filled with their first
 * letter: file, a, b; operations create `new`. If others choose the names, as in sysv/ and process/, these
 * are aliases.
 */
#ifndef SEGFS_TESTS_SCENE_H
#define SEGFS_TESTS_SCENE_H

#include "tests/mount/harness.h"

#define SCENE_SIZE 8192 /* bytes of each file */

/* The configuration of the mount. */
#define SCENE_CONFIG "[mount]\nsources = posix, sysv, process\nfsync = always\n"

/* Scenes, as bits. */
enum {
	IN_STORE = 1,    /* the root of the mount; with list/, dir/ and symlink */
	IN_OBJECTS = 2,  /* posix/, with the same */
	IN_SEGMENTS = 4, /* sysv/ */
	IN_PROCESS = 8,  /* a directory in process/; no `new` */
	IN_CONTROL = 16, /* .segfs/, with the files of IN_STORE as content of its reports */
	IN_FILES = IN_STORE | IN_OBJECTS,
	IN_ALL = IN_FILES | IN_SEGMENTS | IN_PROCESS,
};

struct scene {
	unsigned int bit;
	const char *below; /* directory in the mount, "" = the root */
	/* directory of the same files outside of the mount; "" = the mount's store; NULL = none */
	const char *native;

	const char *(*path)(const char *name);    /* path of a file in the mount; valid like path_of() */
	void (*put)(const char *name, char byte); /* creates or fills a file, bypassing segfs */
	char (*byte)(const char *name);           /* first byte of a file, 0 if there is none */
	bool (*is_there)(const char *name);

	int (*begin)(void);       /* creates what stays for all operations. Returns 0 or -1 */
	void (*clean)(void);      /* removes what operations change or leave, so that the mount forgets it */
	void (*lay)(void);        /* creates what operations start with, after clean() */
	void (*print)(FILE *out); /* prints the content in a fixed order, without times and usage */
	void (*end)(void);
};

extern const struct scene scene_of_store;
extern const struct scene scene_of_objects;
/* for programs of machine_isolate() or segments_isolate(); it removes all segments */
extern const struct scene scene_of_segments;
extern const struct scene scene_of_process;
extern const struct scene scene_of_control;

/* Makes a scene current, in a mount unchanged since the last time. Returns 0 or -1. */
int scene_enter(const struct mount *mount, const struct scene *scene);

/* Leaves the current scene, if any. */
void scene_leave(void);

/* The current scene; its mount. */
const struct scene *scene_now(void);
const struct mount *scene_mount(void);

/* Paths in the mount, and in the directory of the files outside of it; valid like path_of(). */
const char *in_mount(const char *name);
const char *in_store(const char *name);

/* Functions of the current scene. */
void put_file(const char *name, char byte);
char byte_of(const char *name);
bool is_there(const char *name);

/* Creates exactly what operations start with. */
void scene_lay(void);

/* Removes what operations leave, and makes the kernel forget unused nodes. */
void scene_settle(void);

/*
 * Returns the content as text: name, type, mode, owner, size, data of each file; without times and usage. The
 * caller frees it.
 */
char *scene_print(void);

/* Prints the difference of two such texts to stderr, line by line. */
void scene_report_difference(const char *before, const char *after);

/*
 * Sets a policy, as attribute user.segfs.*, of a file or an empty directory of the store that is unknown to
 * the mount. Replaces the object by another one of the same type and name.
 */
void put_policy(const char *name, const char *attribute, const char *value);

/* Result of a system call: 0, or -errno. */
int result_of(long long result);

/* Result of a call that should have processed `wanted` bytes: 0, -errno, or -EBADMSG for another number. */
int result_of_bytes(ssize_t got, ssize_t wanted);

/*
 * Result of a call that should have failed with `error`: 0, -errno of another failure, or -EBADMSG for
 * success.
 */
int result_of_failure(int error, long long result);

#endif
