/* SPDX-License-Identifier: MIT */
/*
 * A source: what fills a part of the mount with nodes. One table of functions over backing files; adding a source
 * is adding a file with such a table and a line in source.c.
 *
 * All functions return 0 (or what they say) or a negative errno, that of the system call that failed; out
 * parameters are untouched on failure. A function that a source leaves NULL is answered EPERM by the operations:
 * the thing can't be done there. They may be called by several threads at once, on the thread whose file-system
 * identity (setfsuid(2), setfsgid(2), umask(2)) what they create shall have. None of them checks permissions:
 * the kernel did, against the caller.
 *
 * Knows nothing of FUSE.
 */
#ifndef SEGFS_SOURCE_SOURCE_H
#define SEGFS_SOURCE_SOURCE_H

#include "fs/state/node.h"

#include <limits.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#define SOURCE_OWN_PREFIX "user.segfs."        /* of the attributes by which segfs tells about a node, and is told */
#define SOURCE_PRIVATE_PREFIX "trusted.segfs." /* of what segfs stores with a backing file; nobody's business */

#define SOURCE_OPEN_TO_EXECUTE 0x20 /* among the flags of an open: by execve(2); the kernel's __FMODE_EXEC, of which open(2) has none */

enum source_kind {
	SOURCE_STORE = 0,
	SOURCE_POSIX = 1,
	SOURCE_SYSV = 2,
	SOURCE_PROCESS = 3,
	SOURCE_KINDS,
};

/* A directory that segfs itself puts into the root of the mount, beside what the default store has there. */
struct builtin {
	const char *name;
	uint32_t index; /* of its node slot, the same for the life of the mount */
};

/* What a source knows about its nodes: a read-only attribute, user.segfs.NAME. */
struct source_fact {
	const char *name;
	bool of_directories; /* those have it, too */
	bool looks;          /* telling it means to look into all processes */

	/* Whether a node has it, 1 or 0, or a negative errno where that can't be found out; NULL: each has. */
	int (*applies)(struct state *state, const struct node_slot *node);

	/* Writes its value, at most `size` bytes, without a final 0. Returns its length; -ENODATA where it can't be known; -ERANGE. */
	ssize_t (*value)(struct state *state, const struct node_slot *node, char *value, size_t size);
};

/* A backing file that was found or made. */
struct source_file {
	struct stat stat;    /* attributes, st_ino being unique in the mount */
	struct node_key key; /* what tells it from others */
	uint32_t flags;      /* enum node_flags for a new node */
	int fd;              /* O_PATH descriptor to keep for a new node, or -1; the caller closes it */
};

/* What a request wants of a node. */
enum source_wanted {
	SOURCE_ATTRIBUTES, /* ... and extended ones, but for facts */
	SOURCE_NAME,       /* one of the names in it */
	SOURCE_ALL,
};

/* What to change, as setattr_prepare() of the kernel left it: bits of SOURCE_SET_*. */
struct source_change {
	unsigned int what;
	mode_t mode;
	uid_t uid;
	gid_t gid;
	off_t size;                    /* bytes */
	struct timespec atime, mtime;  /* tv_nsec may be UTIME_NOW */
	bool drop_privileges;          /* clear set-user-id and set-group-id with the change */
	bool keep_set_group_id;        /* ... but not the latter where the group may not execute the file */
	bool by_writer;                /* the size is set through an open for writing, which is all that it takes */
	bool by_daemon;                /* no requester asks for it: a consequence of what was done, which nobody may refuse */
};

/* A name in a directory. */
struct source_name {
	struct node_key dir; /* key of the directory */
	char name[NAME_MAX + 1];
};

/* Freeing the memory of a file takes long enough for others to notice from this many blocks of 512 bytes on. */
#define SOURCE_SLOW_BLOCKS (32 * 2048)

enum {
	SOURCE_SET_MODE = 1,
	SOURCE_SET_UID = 2,
	SOURCE_SET_GID = 4,
	SOURCE_SET_SIZE = 8,
	SOURCE_SET_ATIME = 16,
	SOURCE_SET_MTIME = 32,
};

struct source {
	const char *name; /* value of user.segfs.source */

	const struct source_fact *facts; /* ends with a NULL name; NULL = none */

	/* Segments have the size with which they were made: what is written past it is refused, and so is another size, but by change(). */
	bool fixed_size;

	/* Whether a segment has no size yet, so that the first one that change() gets makes it; NULL: none is like that. */
	bool (*unsized)(struct state *state, const struct node_slot *node);

	/*
	 * Whether carrying out a request on a node may wait for a device or another process, beside what all may; NULL: never.
	 */
	bool (*waits)(const struct state *state, const struct node_slot *node, enum source_wanted wanted);

	/* The file `name` in a directory; ".." is its parent. ENOENT, ENOTDIR, ENAMETOOLONG, ... of open(2). */
	int (*find)(struct state *state, const struct node_slot *dir, const char *name, struct source_file *file);

	/*
	 * Whether others change what is in it: then what a requester asks for is done with the requester's credentials, see requester.h.
	 */
	bool as_requester;

	/*
	 * Says whether the requester may open a node, now that the kernel has checked what it was told of it; NULL: yes. Called before each
	 * open. flags: of open(2), and SOURCE_OPEN_TO_EXECUTE. Returns 0; EPERM for what can't be written to; EACCES; ESTALE.
	 */
	int (*admit)(struct state *state, const struct node_slot *node, int flags);

	/* Attributes of a node. ESTALE where its file is gone. */
	int (*stat)(struct state *state, const struct node_slot *node, struct stat *stat);

	/*
	 * Opens a node's file with `flags` of open(2) (never O_CREAT). Returns a descriptor that the caller closes.
	 * EPERM for an append-only or immutable file, ETXTBSY, ENFILE, EMFILE as open(2).
	 */
	int (*open)(struct state *state, const struct node_slot *node, int flags);

	/* The same as the requester, who may not; NULL: by open(). EACCES where the file's permissions have changed since the kernel's check. */
	int (*open_as_requester)(struct state *state, const struct node_slot *node, int flags);

	/*
	 * Says whether open(2) for writing without O_APPEND would be refused by anything but the file's mode, and tells its
	 * st_mode. Returns 0; EPERM for an append-only or immutable file; EROFS, ETXTBSY.
	 */
	int (*writable)(struct state *state, const struct node_slot *node, mode_t *mode);

	/*
	 * Opens a directory node for listing. Returns a descriptor that the caller closes: of a directory, for
	 * getdents64(2), or, where `listed_in_memory` is set, of a memfd that holds records of the same form, d_off
	 * being the offset in bytes of the record that follows. d_ino is as in the mount in such records, and the source's own elsewhere.
	 */
	int (*list)(struct state *state, const struct node_slot *dir);
	bool listed_in_memory;

	/*
	 * Makes and opens a regular file; name NULL: without a name (O_TMPFILE), linkable unless flags has O_EXCL.
	 * policy: the line to be stored with it before its name is seen, "" for none. Returns a descriptor that the caller closes. EEXIST where the name exists, whatever the flags.
	 */
	int (*create)(struct state *state, const struct node_slot *dir, const char *name, mode_t mode, int flags,
		      const char *policy, struct source_file *file);

	/*
	 * Makes a directory, fifo, socket, device or regular file by the type in `mode`, or, S_IFLNK, a link to `target`.
	 * policy: as create() has it, for directories and regular files.
	 */
	int (*make)(struct state *state, const struct node_slot *dir, const char *name, mode_t mode, dev_t device,
		    const char *target, const char *policy, struct source_file *file);

	int (*link)(struct state *state, const struct node_slot *node, const struct node_slot *dir, const char *name,
		    struct source_file *file);

	/* unlink(2), or rmdir(2) with AT_REMOVEDIR in `flags`. */
	int (*remove)(struct state *state, const struct node_slot *dir, const char *name, int flags);

	/*
	 * Where a node's file is below the mount, one of its names: no '/' at the start or the end. Returns its length; ENOENT
	 * where it has no name, or none that can be found.
	 */
	int (*path)(const struct state *state, const struct node_slot *node, char *path, size_t size);

	/*
	 * Removes one of a node's names, wherever it is. gone: gets what it was, for who must hear of it.
	 * Returns 0; ENOENT where there is none left.
	 */
	int (*end)(struct state *state, const struct node_slot *node, struct source_name *gone);

	/* renameat2(2); both directories are of this source. */
	int (*rename)(struct state *state, const struct node_slot *dir, const char *name,
		      const struct node_slot *new_dir, const char *new_name, unsigned int flags);

	/* Applies a change and tells the attributes after it. */
	int (*change)(struct state *state, const struct node_slot *node, const struct source_change *change,
		      struct stat *stat);

	/* Target of a symbolic link, with a final 0 that is not counted. Returns its length. */
	int (*readlink)(struct state *state, const struct node_slot *node, char *target, size_t size);

	int (*statfs)(struct state *state, const struct node_slot *node, struct statvfs *out);

	/* Extended attributes, as the system calls of these names; sizes in bytes. */
	ssize_t (*getxattr)(struct state *state, const struct node_slot *node, const char *name, void *value,
			    size_t size);
	ssize_t (*listxattr)(struct state *state, const struct node_slot *node, char *list, size_t size);
	int (*setxattr)(struct state *state, const struct node_slot *node, const char *name, const void *value,
			size_t size, int flags);
	int (*removexattr)(struct state *state, const struct node_slot *node, const char *name);
};

/* The source of a node. */
const struct source *source_of(const struct state *state, const struct node_slot *node);

/* Fills `file` for the root directory of the default store. Returns 0 or a negative errno; the caller owns file->fd. */
int source_identify_root(struct state *state, struct source_file *file);

/* An inode number of a store's file system, made unique among the stores of a mount; and which node that is, or 0. */
ino_t source_unique_inode(ino_t inode, uint16_t store);
uint64_t source_node_of(struct state *state, ino_t unique);
ino_t source_inode_of(const struct node_slot *node); /* ... of a node's file, in the mount */

/* Makes `source` answer for .segfs and what is in it (NODE_STORE_CONTROL). Called once, before there are requests. */
void source_set_control(const struct source *source);

/* The name of a source; the kind that has this name, or SOURCE_KINDS. */
const char *source_kind_name(enum source_kind kind);
enum source_kind source_kind_find(const char *name, size_t length);

/* Whether a node has no size yet, as `unsized` of its source says. */
bool source_is_unsized(struct state *state, const struct node_slot *node);

/* Whether a process is the supervisor, the worker or one of its delegates. */
bool source_is_segfs(const struct state *state, pid_t process);

/* The extended attribute in which a backing file keeps its policy; nobody but segfs sees it. */
const char *source_policy_attribute(const struct state *state);

/* The one that tells what became of a segment whose life depends on being open; see fs/segment/lifetime.h. */
const char *source_use_attribute(const struct state *state);

/* The n-th of the builtin directories, n < SOURCE_KINDS, or NULL where that one is not shown. */
const struct builtin *source_builtin(const struct state *state, unsigned int n);

/* The index of the one that shows a source, shown or not. */
uint32_t source_builtin_index(enum source_kind kind);

/* The index of the builtin directory `name` if `parent` is the root and it is shown, else 0. */
uint32_t source_find_builtin(const struct state *state, uint64_t parent, const char *name);

extern const struct source store_source;
extern const struct source posix_source;
extern const struct source sysv_source;
extern const struct source process_source;

#endif
