/* SPDX-License-Identifier: MIT */
/*
 * A directory's entries as getdents64(2) would give them, for sources whose directories are none: see `list` in struct source.
 */
#ifndef SEGFS_SOURCE_RECORDS_H
#define SEGFS_SOURCE_RECORDS_H

#include <dirent.h>
#include <stddef.h>
#include <stdint.h>

/* All zero is an empty list. */
struct records {
	char *bytes;
	size_t length; /* bytes in use */
	size_t size;   /* bytes there are */
};

/*
 * Adds an entry. name: at most NAME_MAX bytes. inode: as in the mount. type: DT_REG and the like.
 * Returns 0; -ENOMEM.
 */
int records_add(struct records *records, const char *name, uint64_t inode, unsigned char type);

/* Returns a memfd with the entries, its offset at the start, that the caller closes; -ENOMEM, -EMFILE, -ENFILE, -ENOSPC. */
int records_open(const struct records *records);

/* The same for any bytes. */
int records_memfd(const char *bytes, size_t length);

void records_free(struct records *records);

#define _cleanup_records_ __attribute__((cleanup(records_free)))

#endif
