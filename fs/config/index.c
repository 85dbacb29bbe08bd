// SPDX-License-Identifier: MIT
#include "fs/config/index.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define HASH_START 2166136261u /* 32-bit FNV-1a: each component goes on from the hash of what is above it */

static uint32_t hash_byte(uint32_t hash, char c)
{
	return (hash ^ (unsigned char)c) * 16777619u;
}

/* Returns the entry of that name, or the free one where it belongs. There is always a free one. */
static struct index_entry *find(const struct config_index *index, const char *name, size_t length,
				uint32_t hash)
{
	size_t at = hash & (index->capacity - 1);

	for (;;) {
		struct index_entry *entry = &index->entries[at];

		if (entry->kind == INDEX_FREE)
			return entry;
		if (entry->hash == hash && entry->length == length && memcmp(entry->name, name, length) == 0)
			return entry;
		at = (at + 1) & (index->capacity - 1);
	}
}

/* Makes room for one more entry; at most three of four are used. */
static int reserve(struct config_index *index)
{
	struct config_index larger = {NULL, index->capacity ? index->capacity * 2 : 64, index->used};

	if (index->used + 1 <= index->capacity / 4 * 3)
		return 0;
	larger.entries = calloc(larger.capacity, sizeof(*larger.entries));
	if (!larger.entries)
		return -ENOMEM;
	for (size_t i = 0; i < index->capacity; i++) {
		const struct index_entry *entry = &index->entries[i];

		if (entry->kind != INDEX_FREE)
			*find(&larger, entry->name, entry->length, entry->hash) = *entry;
	}
	free(index->entries);
	*index = larger;
	return 0;
}

/* Adds the first `length` bytes of a name, which are the whole name or a directory above it. */
static int add_one(struct config_index *index, const struct index_entry *wanted,
		   const struct index_entry **conflict)
{
	struct index_entry *entry;
	int error = reserve(index);

	if (error)
		return error;
	entry = find(index, wanted->name, wanted->length, wanted->hash);
	if (entry->kind == INDEX_FREE) {
		*entry = *wanted;
		index->used++;
	} else if (wanted->kind == INDEX_ABOVE && entry->kind != INDEX_SEGMENT) {
		return 0;
	} else if (wanted->kind == INDEX_DIRECTORY && entry->kind == INDEX_ABOVE) {
		entry->kind = INDEX_DIRECTORY;
		entry->line = wanted->line;
	} else {
		*conflict = entry;
		return -EEXIST;
	}
	return 0;
}

int index_add(struct config_index *index, const char *name, enum index_kind kind, unsigned int line,
	      const struct index_entry **conflict)
{
	struct index_entry wanted = {name, 0, HASH_START, line, INDEX_ABOVE};

	for (size_t i = 0; name[i]; i++) {
		if (name[i] == '/') {
			int error;

			wanted.length = i;
			error = add_one(index, &wanted, conflict);
			if (error)
				return error;
		}
		wanted.hash = hash_byte(wanted.hash, name[i]);
		wanted.length = i + 1;
	}
	wanted.kind = kind;
	return add_one(index, &wanted, conflict);
}

void index_free(struct config_index *index)
{
	free(index->entries);
	*index = (struct config_index){NULL, 0, 0};
}
