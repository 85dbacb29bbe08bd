/* SPDX-License-Identifier: MIT */
/*
 * Builds a directory listing in memory: records of getdents64(2) in a memfd, which source->list() returns if
 * `listed_in_memory` is set.
 */
#ifndef SEGFS_SOURCE_RECORDS_H
#define SEGFS_SOURCE_RECORDS_H

#include <stddef.h>
#include <stdint.h>

struct records {
	int fd;        /* the memfd */
	int result;    /* 0, or the first error: a negative errno */
	uint64_t size; /* bytes in the memfd */
	size_t used;   /* bytes in `buffer` */
	char buffer[8192] __attribute__((aligned(8)));
};

/* Begins an empty listing. records_finish() reports the errors of all steps. */
void records_begin(struct records *records);

/* Appends a record. name: at most NAME_MAX bytes. inode: as in the mount. type: DT_DIR, DT_REG, ... */
void records_add(struct records *records, const char *name, uint64_t inode, unsigned char type);

/*
 * Ends the listing. Returns the memfd, at offset 0, which the caller closes; -ENOMEM, -ENOSPC, -EMFILE,
 * -ENFILE.
 */
int records_finish(struct records *records);

/*
 * Stores bytes in a memfd. Returns it, at offset 0, for the caller to close; -ENOMEM, -EMFILE, -ENFILE,
 * -ENOSPC.
 */
int records_memfd(const char *bytes, size_t length);

#endif
