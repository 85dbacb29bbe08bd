/* SPDX-License-Identifier: MIT */
/*
 * The names that a configuration has declared so far, to find a second one of the same name, or one below a
 * segment, in constant time per component.
 *
 * Keeps pointers to the names, which must outlive it; not safe for several threads.
 */
#ifndef SEGFS_CONFIG_INDEX_H
#define SEGFS_CONFIG_INDEX_H

#include <stddef.h>
#include <stdint.h>

enum index_kind {
	INDEX_FREE,      /* no entry */
	INDEX_ABOVE,     /* a directory that exists because a name below it was declared */
	INDEX_DIRECTORY, /* declared by [directory] */
	INDEX_SEGMENT,   /* declared by [segment] */
};

struct index_entry {
	const char *name;     /* not terminated; part of a declared name */
	size_t length;        /* bytes of the name */
	uint32_t hash;        /* of the name */
	unsigned int line;    /* where it was declared; INDEX_ABOVE: where the first name below it was */
	enum index_kind kind; /* INDEX_FREE in an unused place */
};

/* All zero is an empty index. */
struct config_index {
	struct index_entry *entries; /* open addressing */
	size_t capacity;             /* a power of two, or 0 */
	size_t used;                 /* entries that are not INDEX_FREE */
};

/*
 * Adds a valid name (see name_check()) as INDEX_DIRECTORY or INDEX_SEGMENT, and all directories above it.
 * conflict: on -EEXIST the entry that is in the way; valid until the next call.
 * Returns 0; -EEXIST where the name is declared, or is a segment and something lies below it, or a segment
 * lies above it; -ENOMEM.
 */
int index_add(struct config_index *index, const char *name, enum index_kind kind, unsigned int line,
	      const struct index_entry **conflict);

/* Frees the entries; the names stay with their owner. */
void index_free(struct config_index *index);

#endif
