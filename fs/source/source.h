/* SPDX-License-Identifier: MIT */
/*
 * A source provides the nodes of a part of the mount. It is a table of functions over backing files; a new
 * source is a file with such a table and a line in source.c.
 *
 * Functions return 0, or what they document, or the negative errno of the failed system call; out parameters
 * are unchanged on failure. The operations reply EPERM for a function that is NULL: the source does not
 * support it. Functions are thread-safe. They create files with the calling thread's file-system ids and
 * umask. They do not check permissions, since the kernel has checked them against the caller; `as_requester`
 * is the exception.
 *
 * Knows nothing of FUSE.
 */
#ifndef SEGFS_SOURCE_SOURCE_H
#define SEGFS_SOURCE_SOURCE_H

#include "fs/state/node.h"

#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#define SOURCE_PUBLIC_PREFIX  "user.segfs."    /* of attributes that segfs provides or interprets */
#define SOURCE_PRIVATE_PREFIX "trusted.segfs." /* hidden attributes stored with a backing file */

/* The name of one of segfs's attributes without the public prefix; NULL if the attribute is not one of them.
 */
static inline const char *source_attribute(const char *name)
{
	const size_t length = strlen(SOURCE_PUBLIC_PREFIX);

	return strncmp(name, SOURCE_PUBLIC_PREFIX, length) == 0 ? name + length : NULL;
}

/* open flag of execve(2), which is not a flag of open(2): the kernel's __FMODE_EXEC */
#define SOURCE_OPEN_TO_EXECUTE 0x20

enum source_kind {
	SOURCE_STORE = 0,
	SOURCE_POSIX = 1,
	SOURCE_SYSV = 2,
	SOURCE_PROCESS = 3,
	SOURCE_KINDS,
};

/* A directory that segfs adds to the root of the mount, beside those of the default store. */
struct builtin {
	const char *name;
	uint32_t index; /* of its node slot, constant for the life of the mount */
};

/* A read-only attribute, user.segfs.NAME, of a source's nodes. */
struct source_fact {
	const char *name;
	bool of_directories; /* directories have it, too */
	bool scans;          /* its value requires a scan of all processes */

	/* Whether a node has it: 1 or 0, or a negative errno; NULL: every node has it. */
	int (*applies)(struct state *state, const struct node_slot *node);

	/*
	 * Formats the value into at most `size` bytes, without a final 0. Returns its length; -ENODATA if it
	 * is unknown; -ERANGE.
	 */
	ssize_t (*value)(struct state *state, const struct node_slot *node, char *value, size_t size);
};

/* A backing file found or created. */
struct source_file {
	struct stat stat;    /* attributes; st_ino is unique in the mount */
	struct node_key key; /* key of its node */
	uint32_t flags;      /* enum node_flags for a new node */
	int fd;              /* O_PATH descriptor for a new node to hold, or -1; the caller closes it */
};

/* What a request needs from a node. */
enum source_wanted {
	SOURCE_ALL = 0,
	SOURCE_ATTRIBUTES, /* ... including extended ones except facts */
	SOURCE_NAME,       /* a name in the directory */
};

/* A change of attributes, as the kernel's setattr_prepare() left it: bits of SOURCE_SET_*. */
struct source_change {
	unsigned int what;
	mode_t mode;
	uid_t uid;
	gid_t gid;
	off_t size;                   /* bytes */
	struct timespec atime, mtime; /* tv_nsec may be UTIME_NOW */
	bool drop_privileges;         /* clear the set-user-id and set-group-id bits as well */
	bool keep_set_group_id;       /* ... but not set-group-id if the group has no execute permission */
	bool by_writer; /* set the size through an open for writing, which needs no further permission */
	bool by_daemon; /* follows from an earlier operation, so it must not be refused */
};

/* A name in a directory. */
struct source_name {
	struct node_key dir; /* node key of the directory */
	char name[NAME_MAX + 1];
};

/* From this many 512-byte blocks on, freeing a file takes noticeably long. */
#define SOURCE_SLOW_BLOCKS (32 * 2048)

enum {
	SOURCE_SET_MODE = 1,
	SOURCE_SET_UID = 2,
	SOURCE_SET_GID = 4,
	SOURCE_SET_SIZE = 8,
	SOURCE_SET_ATIME = 16,
	SOURCE_SET_MTIME = 32,
};

struct journal_entry;

/*
 * The functions that change names take the journal entry of the request, so that a replay finds what a dead
 * worker has done; NULL for a change of the daemon's own.
 */
struct source {
	const char *name; /* value of user.segfs.source */

	const struct source_fact *facts; /* terminated by a NULL name; NULL = none */

	/*
	 * The size of a segment is fixed at creation: writes past the end, and other sizes except by
	 * change(), are refused.
	 */
	bool fixed_size;

	/*
	 * Whether a segment has no size yet, so that the first size passed to change() creates it; NULL:
	 * never.
	 */
	bool (*unsized)(struct state *state, const struct node_slot *node);

	/*
	 * Whether a request on a node may block on a device or on another process, beyond what any request
	 * may; NULL: never.
	 */
	bool (*waits)(const struct state *state, const struct node_slot *node, enum source_wanted wanted);

	/*
	 * Looks up `name` in a directory; ".." is its parent. -ENOENT, -ENOTDIR, -ENAMETOOLONG, ... of
	 * open(2).
	 */
	int (*find)(struct state *state, const struct node_slot *dir, const char *name,
		    struct source_file *file);

	/*
	 * Others can change the files of this source, so it acts with the requester's credentials, see
	 * requester.h.
	 */
	bool as_requester;

	/*
	 * Checks whether the requester may open a node, since the attributes that the kernel has checked may
	 * be outdated; NULL: yes. Called before each open. flags: of open(2), and SOURCE_OPEN_TO_EXECUTE.
	 * Returns 0; -EPERM if it cannot be written; -EACCES; -ESTALE.
	 */
	int (*admit)(struct state *state, const struct node_slot *node, int flags);

	/* Gets the attributes of a node. -ESTALE if its file is gone. */
	int (*stat)(struct state *state, const struct node_slot *node, struct stat *stat);

	/*
	 * Opens a node's file. flags: of open(2), never O_CREAT. Returns a descriptor that the caller closes.
	 * -EPERM for an append-only or immutable file, -ETXTBSY, -ENFILE, -EMFILE as open(2).
	 */
	int (*open)(struct state *state, const struct node_slot *node, int flags);

	/*
	 * Like open(), with the requester's permissions; NULL: open() is used. -EACCES if the file's
	 * permissions have changed since the kernel's check.
	 */
	int (*open_as_requester)(struct state *state, const struct node_slot *node, int flags);

	/*
	 * Checks whether open(2) for writing without O_APPEND is refused for any reason other than the file's
	 * mode, which it returns in `mode` (st_mode). Returns 0; -EPERM for an append-only or immutable file;
	 * -EROFS, -ETXTBSY.
	 */
	int (*writable)(struct state *state, const struct node_slot *node, mode_t *mode);

	/*
	 * Opens a directory for listing. Returns a descriptor that the caller closes: of a directory for
	 * getdents64(2), with d_ino of its own file system; or, if `listed_in_memory` is set, of a memfd of
	 * such records, with d_off as the byte offset of the next record and d_ino as in the mount.
	 */
	int (*list)(struct state *state, const struct node_slot *dir);
	bool listed_in_memory;

	/*
	 * Creates and opens a regular file. name: NULL for none (O_TMPFILE), linkable unless flags has
	 * O_EXCL. policy: stored with the file before its name becomes visible, "" for none. Returns a
	 * descriptor that the caller closes. -EEXIST if the name exists, whatever the flags.
	 */
	int (*create)(struct state *state, struct journal_entry *entry, const struct node_slot *dir,
		      const char *name, mode_t mode, int flags, const char *policy, struct source_file *file);

	/*
	 * Creates a directory, fifo, socket, device or regular file by the type in `mode`, or, for S_IFLNK, a
	 * link to `target`.
	 * policy: as for create(), for directories and regular files.
	 */
	int (*make)(struct state *state, struct journal_entry *entry, const struct node_slot *dir,
		    const char *name, mode_t mode, dev_t device, const char *target, const char *policy,
		    struct source_file *file);

	int (*link)(struct state *state, struct journal_entry *entry, const struct node_slot *node,
		    const struct node_slot *dir, const char *name, struct source_file *file);

	/* unlink(2), or rmdir(2) with AT_REMOVEDIR in `flags`. */
	int (*remove)(struct state *state, struct journal_entry *entry, const struct node_slot *dir,
		      const char *name, int flags);

	/*
	 * Gets one of the paths of a node's file relative to the mount, without leading or trailing '/'.
	 * Returns its length; -ENOENT if it has no name, or none that can be found.
	 */
	int (*path)(const struct state *state, const struct node_slot *node, char *path, size_t size);

	/*
	 * Removes one of a node's names, wherever it is. gone: receives the name, so that the kernel can be
	 * notified. Returns 0; -ENOENT if it has no name.
	 */
	int (*end)(struct state *state, const struct node_slot *node, struct source_name *gone);

	/* renameat2(2); both directories are in this source. */
	int (*rename)(struct state *state, struct journal_entry *entry, const struct node_slot *dir,
		      const char *name, const struct node_slot *new_dir, const char *new_name,
		      unsigned int flags);

	/* Before the size of a file changes, see source_before_resize(); may be NULL. */
	int (*before_resize)(struct state *state, const struct node_slot *node, off_t size);

	/* Applies a change and gets the attributes after it. */
	int (*change)(struct state *state, const struct node_slot *node, const struct source_change *change,
		      struct stat *stat);

	/* Gets the target of a symbolic link, with a final 0. Returns its length without the 0. */
	int (*readlink)(struct state *state, const struct node_slot *node, char *target, size_t size);

	int (*statfs)(struct state *state, const struct node_slot *node, struct statvfs *out);

	/* Extended attributes, as the system calls of these names; sizes in bytes. */
	ssize_t (*getxattr)(struct state *state, const struct node_slot *node, const char *name, void *value,
			    size_t size);
	ssize_t (*listxattr)(struct state *state, const struct node_slot *node, char *list, size_t size);
	int (*setxattr)(struct state *state, const struct node_slot *node, const char *name,
			const void *value, size_t size, int flags);
	int (*removexattr)(struct state *state, const struct node_slot *node, const char *name);
};

/* The source of a node. */
const struct source *source_of(const struct state *state, const struct node_slot *node);

/*
 * Maps an inode number of a store's file system to one unique in the mount; and the latter to a node id, or
 * 0.
 */
ino_t source_unique_inode(ino_t inode, uint16_t store);
uint64_t source_node_of(struct state *state, ino_t unique);
ino_t source_inode_of(const struct node_slot *node); /* inode number of a node's file in the mount */

/* Sets the source of .segfs and its files (NODE_STORE_CONTROL). Called once, before any request. */
void source_set_control(const struct source *source);

/* The name of a source; the kind of that name, or SOURCE_KINDS. */
const char *source_kind_name(enum source_kind kind);
enum source_kind source_kind_find(const char *name, size_t length);

/* Whether a node has no size yet, see `unsized`. */
bool source_is_unsized(struct state *state, const struct node_slot *node);

/* Whether a process is the supervisor, the worker or one of its delegates. */
bool source_is_segfs(const struct state *state, pid_t process);

/* The extended attribute in which a backing file stores its policy; hidden. */
const char *source_policy_attribute(const struct state *state);

/*
 * The extended attribute that records the use of a segment with a limited lifetime; see
 * fs/segment/lifetime.h.
 */
const char *source_use_attribute(const struct state *state);

/* The extended attribute that stores user.segfs.generation of a segment; see fs/source/store_facts.c. */
const char *source_generation_attribute(const struct state *state);

/* Before a file gets another size, in bytes. Returns 0; the errors of `before_resize`. */
int source_before_resize(struct state *state, const struct node_slot *node, off_t size);

/* The n-th builtin directory, n < SOURCE_KINDS; NULL if it is not shown. */
const struct builtin *source_builtin(const struct state *state, unsigned int n);

/* The node index of a source's directory, shown or not. */
uint32_t source_builtin_index(enum source_kind kind);

/* The node index of the builtin directory `name` if `parent` is the root and it is shown, else 0. */
uint32_t source_find_builtin(const struct state *state, uint64_t parent, const char *name);

#endif
