/* SPDX-License-Identifier: MIT */
/*
 * Which pages of a segment are data, in memory, parts of huge pages, and dirty. Bytes are not read, and
 * nothing is brought into memory. Belongs to one thread.
 */
#ifndef SEGFS_TOOL_PAGES_H
#define SEGFS_TOOL_PAGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAGES_UNITS_MAX 4096

/* Bytes of each kind in a part of the segment. */
struct pages_unit {
	uint64_t data, resident, huge, dirty;
};

/* What most of a part is. */
enum pages_state {
	PAGES_HOLE,
	PAGES_PART,     /* less than half is in memory */
	PAGES_RESIDENT, /* in memory */
	PAGES_HUGE,     /* ... in huge pages */
	PAGES_DIRTY,    /* some is to be written to the medium */
	PAGES_AWAY,     /* data that is not in memory: swapped, or on the medium */
	PAGES_DATA,     /* data of which nothing more is known */
	PAGES_STATES,
};

struct pages {
	uint64_t size, page; /* bytes */
	uint64_t unit;       /* bytes of a unit, a power of two of pages */
	size_t n;            /* units */
	struct pages_unit *units;
	struct pages_unit all;
	bool knows_resident, knows_huge, knows_dirty;
	const char *why_resident, *why_huge, *why_dirty; /* why it is not known */
};

/*
 * Looks at a segment. fd: open for reading; its position changes. is_relayed: views of it are of the mount's
 * own page cache. Returns 0; a negative errno. pages: released by pages_free(), also after a failure.
 */
int pages_look(int fd, bool is_relayed, struct pages *pages);
void pages_free(struct pages *pages);

/* The sum of units of a range of bytes, and what it is. */
struct pages_unit pages_sum(const struct pages *pages, uint64_t begin, uint64_t end);
enum pages_state pages_state(const struct pages *pages, const struct pages_unit *unit, uint64_t length);

/* A word for a state: "hole", "resident", ... */
const char *pages_word(enum pages_state state);

#endif
