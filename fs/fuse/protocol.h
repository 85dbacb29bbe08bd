/* SPDX-License-Identifier: MIT */
/*
 * The kernel's FUSE protocol: <linux/fuse.h>, and what headers before Linux 6.9 lack (Debian 12 has those of
 * Linux 6.1). Numbers and layouts are the kernel's.
 */
#ifndef SEGFS_FUSE_PROTOCOL_H
#define SEGFS_FUSE_PROTOCOL_H

#include <linux/fuse.h>
#include <stdint.h>
#include <string.h>

#if FUSE_KERNEL_MINOR_VERSION < 39
#define FUSE_STATX 52

struct fuse_statx_in {
	uint32_t getattr_flags;
	uint32_t reserved;
	uint64_t fh;
	uint32_t sx_flags;
	uint32_t sx_mask;
};

struct fuse_sx_time {
	int64_t tv_sec;
	uint32_t tv_nsec;
	int32_t __reserved;
};

struct fuse_statx {
	uint32_t mask, blksize;
	uint64_t attributes;
	uint32_t nlink, uid, gid;
	uint16_t mode, __spare0[1];
	uint64_t ino, size, blocks, attributes_mask;
	struct fuse_sx_time atime, btime, ctime, mtime;
	uint32_t rdev_major, rdev_minor, dev_major, dev_minor;
	uint64_t __spare2[14];
};

struct fuse_statx_out {
	uint64_t attr_valid;
	uint32_t attr_valid_nsec;
	uint32_t flags;
	uint64_t spare[2];
	struct fuse_statx stat;
};
#endif

_Static_assert(sizeof(struct fuse_statx_out) == 32 + 256, "layout of struct fuse_statx_out");

/* the headers of Debian 12's cross compilers are older than those of its kernel */
#if FUSE_KERNEL_MINOR_VERSION < 38
#define FOPEN_PARALLEL_DIRECT_WRITES (1 << 6)
#endif

#if FUSE_KERNEL_MINOR_VERSION < 40
#define FOPEN_PASSTHROUGH (1 << 7)

struct fuse_backing_map {
	int32_t fd;
	uint32_t flags;
	uint64_t padding;
};

#define FUSE_DEV_IOC_BACKING_OPEN  _IOW(FUSE_DEV_IOC_MAGIC, 1, struct fuse_backing_map)
#define FUSE_DEV_IOC_BACKING_CLOSE _IOW(FUSE_DEV_IOC_MAGIC, 2, uint32_t)
#endif

#ifndef FUSE_ALLOW_IDMAP
#define FUSE_ALLOW_IDMAP (UINT64_C(1) << 40)
#endif

/* Set in the id of an INTERRUPT; the rest is that of the interrupted request, whose own id is even. */
#define PROTOCOL_INTERRUPT_BIT UINT64_C(1)

/* Linux 6.18: asks the kernel to forget unused nodes. */
#define PROTOCOL_NOTIFY_PRUNE 9

struct protocol_prune {
	uint32_t count; /* of node ids that follow */
	uint32_t padding;
	uint64_t spare;
};

/* Sets the backing id of an open, a member whose name older headers lack. */
static inline void protocol_set_backing_id(struct fuse_open_out *out, int id)
{
	memcpy((char *)out + sizeof(*out) - sizeof(int32_t), &id, sizeof(int32_t));
}

#endif
