/* SPDX-License-Identifier: MIT */
/*
 * The file of a synchronization object of libsegfs: a header of constants, and words that processes share at
 * the end of its first page. The daemon reads the header to tell what a file is.
 */
#ifndef SEGFS_BASE_OBJECT_FORMAT_H
#define SEGFS_BASE_OBJECT_FORMAT_H

#include <stddef.h>
#include <stdint.h>

#define OBJECT_MAGIC   0x6a626f7366676573u /* "segfsobj" in memory, little endian */
#define OBJECT_VERSION 1u

/* Values of object_header.kind, and of enum segfs_kind. */
enum object_kind {
	OBJECT_SEMAPHORE = 3,
	OBJECT_EVENT = 4,
	OBJECT_AUTO_EVENT = 5,
	OBJECT_DOORBELL = 6,
	OBJECT_MUTEX = 7,
	OBJECT_RECURSIVE_MUTEX = 8,
	OBJECT_RWLOCK = 9,
	OBJECT_CONDITION = 10,
	OBJECT_BARRIER = 11,
};

/* Threads that can hold a reader-writer lock for reading at a time: each has a page of the file. */
#define OBJECT_READERS_MAX 64u

/* The first bytes of the file. */
struct object_header {
	uint64_t magic;   /* OBJECT_MAGIC */
	uint32_t version; /* OBJECT_VERSION */
	uint32_t kind;    /* enum object_kind */
	uint32_t limit;   /* of a semaphore's count; threads of a barrier; otherwise 0 */
	uint32_t page;    /* bytes of a page of the machine that has created it */
};

/*
 * The name of a kind of object, or NULL if the header is not one of an object.
 * size: of the file, in bytes.
 */
const char *object_kind_name(const struct object_header *header, uint64_t size);

/* The name of a kind; NULL for what is no kind of object. */
const char *object_kind_text(uint32_t kind);

/* The article before that name, "a" or "an". */
const char *object_kind_article(uint32_t kind);

/* The kind of that name; 0 if there is none. */
uint32_t object_kind_find(const char *name);

/* How many pages the file of an object of this kind has; 0 for what is no kind of object. */
uint64_t object_pages(uint32_t kind);

#endif
