/* SPDX-License-Identifier: MIT */
/*
 * What the files of segctl map share: map.c is the command, map_text.c, map_json.c and map_svg.c show what it
 * has found. Belongs to one thread.
 */
#ifndef SEGFS_TOOL_MAPPING_H
#define SEGFS_TOOL_MAPPING_H

#include "lib/tool/common/looks.h"
#include "lib/tool/common/pages.h"
#include "lib/tool/common/views.h"

struct tool;

/* What is known of a segment. */
struct mapping {
	struct tool *tool;
	const char *name; /* as the user has given it */
	struct pages pages;
	struct view_list views;
	bool diff;        /* what has changed is asked for */
	struct look look; /* the last one; `states` is NULL without */
};

/* A picture of equal cells, in rows. */
struct mapping_grid {
	size_t columns, rows; /* the last row may be shorter */
	uint64_t cell;        /* bytes of a cell */
	size_t n;             /* cells */
};

/* Divides a segment into at most columns x rows cells. */
struct mapping_grid mapping_divide(const struct mapping *mapping, size_t columns, size_t rows);

/* Bytes of each of so many parts, 1 at least. */
uint64_t mapping_part(const struct mapping *mapping, size_t parts);

/* What most of a cell is. */
enum pages_state mapping_cell(const struct mapping *mapping, const struct mapping_grid *grid, size_t cell);

/* How a range has changed since the last look. */
enum mapping_change {
	CHANGE_NONE,
	CHANGE_CAME, /* into memory, or from a hole to data */
	CHANGE_LEFT,
	CHANGE_OTHER,
};
enum mapping_change mapping_changed(const struct mapping *mapping, uint64_t begin, uint64_t end);

/* The state of a unit at the last look; PAGES_STATES beyond its end. */
enum pages_state mapping_before(const struct mapping *mapping, uint64_t offset);

/* The n-th thing that is not known, as a sentence; NULL at the end. text: for it. */
const char *mapping_unknown(const struct mapping *mapping, size_t n, char *text, size_t size);

#endif
