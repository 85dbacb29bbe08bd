/* SPDX-License-Identifier: MIT */
/*
 * A listing in memory: records as getdents64(2) has them, in a memfd, as source->list() gives them where `listed_in_memory` is set.
 */
#ifndef SEGFS_SOURCE_RECORDS_H
#define SEGFS_SOURCE_RECORDS_H

#include <stddef.h>
#include <stdint.h>

struct records {
	int fd;        /* the memfd */
	int result;    /* 0, or what went wrong first: a negative errno */
	uint64_t size; /* bytes written to the memfd */
	size_t used;   /* bytes of `buffer` */
	char buffer[8192] __attribute__((aligned(8)));
};

/* Begins an empty listing. What goes wrong, here or later, is told by records_finish(). */
void records_begin(struct records *records);

/* name: of at most NAME_MAX bytes. inode: as in the mount. type: DT_DIR, DT_REG, ... */
void records_add(struct records *records, const char *name, uint64_t inode, unsigned char type);

/* Ends it. Returns the memfd, which the caller closes, its offset at the start; -ENOMEM, -ENOSPC, -EMFILE, -ENFILE. */
int records_finish(struct records *records);

/* Any bytes in a memfd, its offset at the start, that the caller closes; -ENOMEM, -EMFILE, -ENFILE, -ENOSPC. */
int records_memfd(const char *bytes, size_t length);

#endif
