// SPDX-License-Identifier: MIT
#include "lib/tool/mapping.h"

#include <stdio.h>

struct mapping_grid mapping_divide(const struct mapping *mapping, size_t columns, size_t rows)
{
	const uint64_t size = mapping->pages.size;
	struct mapping_grid grid = {.columns = columns, .cell = mapping->pages.page};

	while (size / grid.cell >= columns * rows && size > columns * rows * grid.cell)
		grid.cell *= 2;
	grid.n = (size_t)((size + grid.cell - 1) / grid.cell);
	grid.rows = (grid.n + columns - 1) / columns;
	return grid;
}

uint64_t mapping_part(const struct mapping *mapping, size_t parts)
{
	const uint64_t size = mapping->pages.size;

	return parts == 0 || size == 0 ? 1 : size / parts + (size % parts > 0);
}

static uint64_t end_of(const struct mapping *mapping, uint64_t end)
{
	return end < mapping->pages.size ? end : mapping->pages.size;
}

enum pages_state mapping_cell(const struct mapping *mapping, const struct mapping_grid *grid, size_t cell)
{
	const uint64_t begin = cell * grid->cell;
	const uint64_t end = end_of(mapping, begin + grid->cell);
	const struct pages_unit sum = pages_sum(&mapping->pages, begin, end);

	return pages_state(&mapping->pages, &sum, end - begin);
}

enum pages_state mapping_before(const struct mapping *mapping, uint64_t offset)
{
	const struct look *look = &mapping->look;
	const uint64_t index = look->unit ? offset / look->unit : 0;

	return index < look->n ? (enum pages_state)(look->states[index] - 'a') : PAGES_STATES;
}

/* How much of it is there. */
static int rank(enum pages_state state)
{
	static const int ranks[] = {
		[PAGES_HOLE] = 0,  [PAGES_AWAY] = 1, [PAGES_DATA] = 1,     [PAGES_PART] = 2,
		[PAGES_DIRTY] = 3, [PAGES_HUGE] = 3, [PAGES_RESIDENT] = 3, [PAGES_STATES] = 0,
	};

	return ranks[state];
}

enum mapping_change mapping_changed(const struct mapping *mapping, uint64_t begin, uint64_t end)
{
	const struct pages *pages = &mapping->pages;
	enum mapping_change change = CHANGE_NONE;

	if (!mapping->diff || !mapping->look.states)
		return CHANGE_NONE;
	for (uint64_t i = begin / pages->unit; i < pages->n && i * pages->unit < end; i++) {
		const enum pages_state now = pages_state(pages, &pages->units[i], pages->unit);
		const enum pages_state before = mapping_before(mapping, i * pages->unit);
		const enum mapping_change one = now == before              ? CHANGE_NONE
						: rank(now) > rank(before) ? CHANGE_CAME
						: rank(now) < rank(before) ? CHANGE_LEFT
									   : CHANGE_OTHER;

		if (one != CHANGE_NONE)
			change = change == CHANGE_NONE || change == one ? one : CHANGE_OTHER;
	}
	return change;
}

const char *mapping_unknown(const struct mapping *mapping, size_t n, char *text, size_t size)
{
	const struct pages *pages = &mapping->pages;

	if (!pages->knows_resident && n-- == 0)
		snprintf(text, size, "which pages are in memory: %s", pages->why_resident);
	else if (pages->knows_resident && !pages->knows_huge && n-- == 0)
		snprintf(text, size, "huge pages: %s", pages->why_huge);
	else if (!pages->knows_dirty && n-- == 0)
		snprintf(text, size, "dirty pages: %s", pages->why_dirty);
	else if (mapping->views.hidden > 0 && n-- == 0)
		snprintf(text, size, "views of %zu processes of other users; root sees them",
			 mapping->views.hidden);
	else if (mapping->views.has_unknown && n-- == 0)
		snprintf(text, size, "views of a process that did not answer");
	else
		return NULL;
	return text;
}
