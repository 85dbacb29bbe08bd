/* SPDX-License-Identifier: MIT */
/*
 * The parts of the kernel's FUSE protocol (fuse.h of its user API) that libfuse keeps to itself or does not know:
 * the request header, the flags of a few requests, STATX and RESEND. Numbers and layouts are the kernel's.
 */
#ifndef SEGFS_FUSE_WIRE_H
#define SEGFS_FUSE_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WIRE_MAJOR 7 /* of the protocol's version */

#define WIRE_OP_LOOKUP 1
#define WIRE_OP_FORGET 2
#define WIRE_OP_GETATTR 3
#define WIRE_OP_SETATTR 4
#define WIRE_OP_READLINK 5
#define WIRE_OP_SYMLINK 6
#define WIRE_OP_MKNOD 8
#define WIRE_OP_MKDIR 9
#define WIRE_OP_UNLINK 10
#define WIRE_OP_RMDIR 11
#define WIRE_OP_RENAME 12
#define WIRE_OP_LINK 13
#define WIRE_OP_OPEN 14
#define WIRE_OP_READ 15
#define WIRE_OP_WRITE 16
#define WIRE_OP_STATFS 17
#define WIRE_OP_RELEASE 18
#define WIRE_OP_FSYNC 20
#define WIRE_OP_SETXATTR 21
#define WIRE_OP_GETXATTR 22
#define WIRE_OP_LISTXATTR 23
#define WIRE_OP_REMOVEXATTR 24
#define WIRE_OP_FLUSH 25
#define WIRE_OP_INIT 26
#define WIRE_OP_OPENDIR 27
#define WIRE_OP_READDIR 28
#define WIRE_OP_RELEASEDIR 29
#define WIRE_OP_FSYNCDIR 30
#define WIRE_OP_GETLK 31
#define WIRE_OP_SETLK 32
#define WIRE_OP_SETLKW 33
#define WIRE_OP_ACCESS 34
#define WIRE_OP_CREATE 35
#define WIRE_OP_INTERRUPT 36
#define WIRE_OP_DESTROY 38
#define WIRE_OP_IOCTL 39
#define WIRE_OP_POLL 40
#define WIRE_OP_BATCH_FORGET 42
#define WIRE_OP_FALLOCATE 43
#define WIRE_OP_READDIRPLUS 44
#define WIRE_OP_RENAME2 45
#define WIRE_OP_LSEEK 46
#define WIRE_OP_COPY_FILE_RANGE 47
#define WIRE_OP_SYNCFS 50
#define WIRE_OP_TMPFILE 51
#define WIRE_OP_STATX 52

#define WIRE_NOTIFY_RESEND 7
#define WIRE_NOTIFY_PRUNE 9 /* since 6.18 */

/* Set in `unique` of a request that was read before but not answered. */
#define WIRE_UNIQUE_RESEND (UINT64_C(1) << 63)

#define WIRE_INIT_EXT (1u << 30)                   /* flags of INIT */
#define WIRE_INIT_ALLOW_IDMAP (1u << 8)            /* flags2 of INIT, since 6.12: bit 40 of all flags */
#define WIRE_OPEN_KILL_SUIDGID (1u << 0)           /* open_flags of OPEN and CREATE */
#define WIRE_READ_LOCKOWNER (1u << 1)              /* read_flags of READ: lock_owner is set */
#define WIRE_WRITE_LOCKOWNER (1u << 1)             /* write_flags of WRITE: the same */
#define WIRE_SETATTR_SIZE (1u << 3)                /* valid of SETATTR */
#define WIRE_SETATTR_FH (1u << 6)                  /* valid of SETATTR */
#define WIRE_SETATTR_LOCKOWNER (1u << 9)           /* valid of SETATTR */
#define WIRE_WRITE_CACHE (1u << 0)                 /* write_flags of WRITE: pages of a view */
#define WIRE_WRITE_KILL_SUIDGID (1u << 2)          /* write_flags of WRITE */
#define WIRE_SETXATTR_ACL_KILL_SGID (1u << 0)      /* setxattr_flags of SETXATTR */
#define WIRE_LK_FLOCK (1u << 0)                    /* lk_flags of GETLK, SETLK and SETLKW: flock(2) */
#define WIRE_GETATTR_FH (1u << 0)                  /* getattr_flags of STATX */

struct wire_in_header {
	uint32_t length;
	uint32_t opcode;
	uint64_t unique;
	uint64_t node;
	uint32_t uid;
	uint32_t gid;
	uint32_t pid;
	uint16_t extension_words;
	uint16_t padding;
};

struct wire_out_header {
	uint32_t length;
	int32_t error;
	uint64_t unique;
};

struct wire_prune_out {
	uint32_t count; /* of node ids that follow */
	uint32_t padding;
	uint64_t spare;
};

/* As far as each kernel sends it. */
struct wire_init_in {
	uint32_t major;
	uint32_t minor;
	uint32_t max_readahead;
	uint32_t flags;
};

/* The second half of its flags is read where the first half says so. */
struct wire_init_more {
	struct wire_init_in in;
	uint32_t flags2;
};

/* As far as it is changed: the reply of libfuse may be longer. */
struct wire_init_out {
	uint32_t major;
	uint32_t minor;
	uint32_t max_readahead;
	uint32_t flags;
	uint32_t unused[4];
	uint32_t flags2;
};

struct wire_forget_in {
	uint64_t lookups;
};

struct wire_batch_forget_in {
	uint32_t count; /* of the records that follow */
	uint32_t padding;
};

struct wire_forget_one {
	uint64_t node;
	uint64_t lookups;
};

/* RELEASE and RELEASEDIR */
struct wire_release_in {
	uint64_t handle;
	uint32_t flags;
	uint32_t release_flags;
	uint64_t lock_owner;
};

struct wire_flush_in {
	uint64_t handle;
	uint32_t unused;
	uint32_t padding;
	uint64_t lock_owner;
};

/* A lock, as fcntl(2) has it: the last byte is INT64_MAX for a range without end. */
struct wire_lock {
	uint64_t start;
	uint64_t end;
	uint32_t type; /* F_RDLCK, F_WRLCK or F_UNLCK */
	uint32_t pid;
};

/* GETLK, SETLK and SETLKW */
struct wire_lk_in {
	uint64_t handle;
	uint64_t owner;
	struct wire_lock lock;
	uint32_t lk_flags;
	uint32_t padding;
};

struct wire_interrupt_in {
	uint64_t unique;
};

struct wire_open_in {
	uint32_t flags;
	uint32_t open_flags;
};

struct wire_create_in {
	uint32_t flags;
	uint32_t mode;
	uint32_t umask;
	uint32_t open_flags;
};

struct wire_write_in {
	uint64_t handle;
	uint64_t offset;
	uint32_t size;
	uint32_t write_flags;
	uint64_t lock_owner;
	uint32_t flags;
	uint32_t padding;
};

struct wire_read_in {
	uint64_t handle;
	uint64_t offset;
	uint32_t size;
	uint32_t read_flags;
	uint64_t lock_owner;
	uint32_t flags;
	uint32_t padding;
};

/* SETATTR, as far as it is about the size */
struct wire_setattr_in {
	uint32_t valid;
	uint32_t padding;
	uint64_t handle;
	uint64_t size;
	uint64_t lock_owner;
};

struct wire_fallocate_in {
	uint64_t handle;
	uint64_t offset;
	uint64_t length;
	uint32_t mode;
	uint32_t padding;
};

struct wire_copy_file_range_in {
	uint64_t handle_in;
	uint64_t offset_in;
	uint64_t node_out;
	uint64_t handle_out;
	uint64_t offset_out;
	uint64_t length;
	uint64_t flags;
};

struct wire_write_out {
	uint32_t size;
	uint32_t padding;
};

struct wire_getxattr_in {
	uint32_t size; /* 0 = its length is asked for */
	uint32_t padding;
};

struct wire_setxattr_in {
	uint32_t size;
	uint32_t flags;
	uint32_t setxattr_flags;
	uint32_t padding;
};

struct wire_ioctl_in {
	uint64_t handle;
	uint32_t flags;
	uint32_t command;
	uint64_t argument;
	uint32_t in_size;  /* bytes that follow */
	uint32_t out_size; /* bytes that there is room for in the answer */
};

/* An entry of READDIR; of READDIRPLUS after what is told of the node. Padded with zeros to a multiple of 8 bytes. */
struct wire_directory_entry {
	uint64_t inode;
	uint64_t next;   /* cookie of the entry that follows */
	uint32_t length; /* bytes of the name, without a final 0 */
	uint32_t type;   /* S_IFMT bits of the mode, shifted right by 12 */
	char name[];
};

#define WIRE_ENTRY_OUT_SIZE 128u /* bytes that READDIRPLUS tells of a node: struct fuse_entry_out */

struct wire_statx_in {
	uint32_t getattr_flags;
	uint32_t reserved;
	uint64_t handle;
	uint32_t flags;
	uint32_t mask;
};

struct wire_statx_time {
	int64_t seconds;
	uint32_t nanoseconds;
	int32_t reserved;
};

struct wire_statx_out {
	uint64_t valid; /* seconds for which the attributes may be cached */
	uint32_t valid_nanoseconds;
	uint32_t flags;
	uint64_t spare[2];
	uint32_t mask;
	uint32_t block_size;
	uint64_t attributes;
	uint32_t nlink;
	uint32_t uid;
	uint32_t gid;
	uint16_t mode;
	uint16_t spare0;
	uint64_t inode;
	uint64_t size;
	uint64_t blocks;
	uint64_t attributes_mask;
	struct wire_statx_time atime;
	struct wire_statx_time btime;
	struct wire_statx_time ctime;
	struct wire_statx_time mtime;
	uint32_t rdev_major;
	uint32_t rdev_minor;
	uint32_t dev_major;
	uint32_t dev_minor;
	uint64_t spare2[14];
};

_Static_assert(sizeof(struct wire_in_header) == 40, "layout of struct fuse_in_header");
_Static_assert(sizeof(struct wire_out_header) == 16, "layout of struct fuse_out_header");
_Static_assert(sizeof(struct wire_flush_in) == 24, "layout of struct fuse_flush_in");
_Static_assert(sizeof(struct wire_lk_in) == 48, "layout of struct fuse_lk_in");
_Static_assert(sizeof(struct wire_release_in) == 24, "layout of struct fuse_release_in");
_Static_assert(sizeof(struct wire_read_in) == 40, "layout of struct fuse_read_in");
_Static_assert(sizeof(struct wire_fallocate_in) == 32, "layout of struct fuse_fallocate_in");
_Static_assert(sizeof(struct wire_copy_file_range_in) == 56, "layout of struct fuse_copy_file_range_in");
_Static_assert(sizeof(struct wire_write_in) == 40, "layout of struct fuse_write_in");
_Static_assert(offsetof(struct wire_directory_entry, name) == 24, "layout of struct fuse_dirent");
_Static_assert(sizeof(struct wire_ioctl_in) == 32, "layout of struct fuse_ioctl_in");
_Static_assert(sizeof(struct wire_statx_in) == 24, "layout of struct fuse_statx_in");
_Static_assert(sizeof(struct wire_statx_out) == 32 + 256, "layout of struct fuse_statx_out");

/*
 * Says whether a message is what a kernel sends: libfuse takes its word for what it contains, and so do the operations.
 * message: `length` bytes, at least a header. short_setxattr: SETXATTR has no setxattr_flags, as is agreed upon at INIT.
 * Returns 0: it has an id and its opcode's fixed part, the strings and bytes that follow are there, names are names, and
 * positions in a file are below 2^63. Else what is to be answered: -EIO; -EINVAL for a position; -ENOSYS for an opcode that
 * nobody carries out; -EPROTO for an INIT of a version so old that its requests have other forms.
 */
int wire_check(const void *message, size_t length, bool short_setxattr);

/* Whether the kernel awaits an answer to each request with this opcode. */
bool wire_is_answered(uint32_t opcode);

#endif
