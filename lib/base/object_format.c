// SPDX-License-Identifier: MIT
#include "lib/base/object_format.h"

#include <string.h>

#define KINDS (OBJECT_BARRIER + 1)

static const struct {
	char name[16]; /* no pointer, which the loader would have to write */
	uint8_t pages;
} kinds[KINDS] = {
	[OBJECT_SEMAPHORE] = {"semaphore", 1},
	[OBJECT_EVENT] = {"event", 1},
	[OBJECT_AUTO_EVENT] = {"auto-event", 1},
	[OBJECT_DOORBELL] = {"doorbell", 1},
	[OBJECT_MUTEX] = {"mutex", 1},
	[OBJECT_RECURSIVE_MUTEX] = {"recursive-mutex", 1},
	[OBJECT_RWLOCK] = {"rwlock", 1 + OBJECT_READERS_MAX},
	[OBJECT_CONDITION] = {"condition", 1},
	[OBJECT_BARRIER] = {"barrier", 1},
};

uint64_t object_pages(uint32_t kind)
{
	return kind < KINDS ? kinds[kind].pages : 0;
}

const char *object_kind_name(const struct object_header *header, uint64_t size)
{
	const uint64_t pages = object_pages(header->kind);

	if (header->magic != OBJECT_MAGIC || header->version != OBJECT_VERSION || pages == 0 ||
	    size != pages * header->page)
		return NULL;
	return kinds[header->kind].name;
}

const char *object_kind_text(uint32_t kind)
{
	return object_pages(kind) ? kinds[kind].name : NULL;
}

const char *object_kind_article(uint32_t kind)
{
	return object_pages(kind) && strchr("aeiou", *kinds[kind].name) ? "an" : "a";
}

uint32_t object_kind_find(const char *name)
{
	uint32_t kind = KINDS - 1;

	while (kind > 0 && strcmp(kinds[kind].name, name) != 0)
		kind--;
	return *name ? kind : 0;
}
