// SPDX-License-Identifier: MIT
#include "lib/tool/map_text.h"
#include "lib/base/cleanup.h"
#include "lib/tool/common/screen.h"
#include "lib/tool/common/text.h"
#include "lib/tool/common/tool.h"
#include "lib/tool/mapping.h"

#include <langinfo.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROWS        16
#define COLUMNS_MAX 256
#define COLUMNS_MIN 8
#define CHANGES     16 /* lines of what has changed */

static const struct {
	const char *plain, *shade, *colour;
} cells[PAGES_STATES] = {
	[PAGES_HOLE] = {".", "·", "2"},      [PAGES_PART] = {"o", "▒", "32"},
	[PAGES_RESIDENT] = {"#", "█", "32"}, [PAGES_HUGE] = {"H", "■", "34"},
	[PAGES_DIRTY] = {"d", "▚", "31"},    [PAGES_AWAY] = {"s", "░", "35"},
	[PAGES_DATA] = {"D", "▓", "36"},
};

static const char *const changes[] = {
	[CHANGE_NONE] = "", [CHANGE_CAME] = "+", [CHANGE_LEFT] = "-", [CHANGE_OTHER] = "~"};

struct picture {
	const struct mapping *mapping;
	struct mapping_grid grid;
	int digits;    /* of an offset */
	bool is_plain; /* ASCII */
	int width;     /* of the terminal */
};

static bool is_plain(void)
{
	const char *no_colour = getenv("NO_COLOR");

	return (no_colour && *no_colour) || strcmp(nl_langinfo(CODESET), "UTF-8") != 0;
}

static void prepare(const struct mapping *mapping, struct picture *picture)
{
	size_t columns = COLUMNS_MAX, width, rows;

	*picture = (struct picture){.mapping = mapping, .digits = 8, .is_plain = is_plain(), .width = 80};
	if (mapping->tool->is_terminal) {
		screen_size(&width, &rows);
		picture->width = (int)width;
	}
	while (picture->digits < 16 && mapping->pages.size >> 4 * picture->digits)
		picture->digits++;
	while (columns > COLUMNS_MIN && (int)columns + picture->digits + 2 > picture->width)
		columns /= 2;
	picture->grid = mapping_divide(mapping, columns, ROWS);
}

/* --- the picture --- */

static void print_cell(const struct picture *picture, size_t index)
{
	const struct mapping *mapping = picture->mapping;
	const uint64_t begin = index * picture->grid.cell;
	const enum mapping_change change = mapping_changed(mapping, begin, begin + picture->grid.cell);
	const enum pages_state state = mapping_cell(mapping, &picture->grid, index);
	const char *text = picture->is_plain ? cells[state].plain : cells[state].shade;

	if (change != CHANGE_NONE)
		text = changes[change];
	if (mapping->tool->colour)
		printf("\033[%s%sm%s\033[0m", cells[state].colour, change != CHANGE_NONE ? ";7" : "", text);
	else
		fputs(text, stdout);
}

static void print_grid(const struct picture *picture)
{
	const struct mapping_grid *grid = &picture->grid;

	for (size_t row = 0; row < grid->rows; row++) {
		printf("%0*llx  ", picture->digits,
		       (unsigned long long)(row * grid->columns) * (unsigned long long)grid->cell);
		for (size_t i = row * grid->columns; i < grid->n && i < (row + 1) * grid->columns; i++)
			print_cell(picture, i);
		putchar('\n');
	}
}

/* Prints an item of a list that is broken at the width. */
static void print_item(const struct picture *picture, int *column, int wide, const char *text)
{
	if (*column > 0 && *column + 2 + wide > picture->width) {
		putchar('\n');
		*column = 0;
	}
	printf("%s%s", *column > 0 ? "  " : "", text);
	*column += wide + (*column > 0 ? 2 : 0);
}

/* What the cells mean that there are. */
static void print_legend(const struct picture *picture)
{
	bool has[PAGES_STATES] = {false};
	int column = 0;

	for (size_t i = 0; i < picture->grid.n; i++)
		has[mapping_cell(picture->mapping, &picture->grid, i)] = true;
	for (size_t i = 0; i < PAGES_STATES; i++) {
		const char *word = pages_word((enum pages_state)i);
		char text[96];

		if (!has[i])
			continue;
		if (picture->mapping->tool->colour)
			snprintf(text, sizeof(text), "\033[%sm%s\033[0m %s", cells[i].colour,
				 picture->is_plain ? cells[i].plain : cells[i].shade, word);
		else
			snprintf(text, sizeof(text), "%s %s",
				 picture->is_plain ? cells[i].plain : cells[i].shade, word);
		print_item(picture, &column, 2 + (int)strlen(word), text);
	}
	if (picture->mapping->diff && picture->mapping->look.states)
		print_item(picture, &column, 29, "+ came, - left, ~ is otherwise");
	if (column > 0)
		putchar('\n');
}

/* --- facts --- */

static void print_heading(const struct picture *picture)
{
	const struct pages *pages = &picture->mapping->pages;
	_cleanup_free_ char *name = text_quote(picture->mapping->name);
	char size[TEXT_SIZE_MAX], data[TEXT_SIZE_MAX], part[TEXT_SIZE_MAX];
	int column = 0;
	char text[96];

	text_size(pages->size, size);
	text_size(pages->all.data, data);
	printf("%s\n", name ? name : "");
	snprintf(text, sizeof(text), "%s, %s of it data", size, data);
	print_item(picture, &column, (int)strlen(text), text);
	if (pages->knows_resident) {
		text_size(pages->all.resident, part);
		snprintf(text, sizeof(text), "%s in memory", part);
		print_item(picture, &column, (int)strlen(text), text);
	}
	if (pages->knows_huge && pages->all.huge > 0) {
		text_size(pages->all.huge, part);
		snprintf(text, sizeof(text), "%s in huge pages", part);
		print_item(picture, &column, (int)strlen(text), text);
	}
	if (pages->knows_dirty && pages->all.dirty > 0) {
		text_size(pages->all.dirty, part);
		snprintf(text, sizeof(text), "%s dirty", part);
		print_item(picture, &column, (int)strlen(text), text);
	}
	text_size(picture->grid.cell, part);
	snprintf(text, sizeof(text), "a cell is %s", part);
	print_item(picture, &column, (int)strlen(text), text);
	putchar('\n');
}

/* Where a view lies, and which parts of that its page table has. */
static void print_bar(const struct picture *picture, const struct view *view)
{
	const struct mapping_grid *grid = &picture->grid;
	const uint64_t size = picture->mapping->pages.size;
	const uint64_t part = mapping_part(picture->mapping, grid->columns);
	bool marks[COLUMNS_MAX] = {false};

	views_mark(view, part, marks, grid->columns);
	printf("%*s", picture->digits + 2, "");
	for (size_t i = 0; i < grid->columns; i++) {
		const bool is_mapped = i * part < view->offset + view->length &&
				       (i + 1) * part > view->offset && i * part < size;

		if (!is_mapped)
			putchar(' ');
		else if (marks[i])
			fputs(picture->is_plain ? "=" : "━", stdout);
		else
			fputs(picture->is_plain ? "-" : "─", stdout);
	}
	putchar('\n');
}

static void print_view(const struct picture *picture, const struct view *view)
{
	_cleanup_free_ char *command = text_quote(view->command);
	char length[TEXT_SIZE_MAX], resident[TEXT_SIZE_MAX] = "?", dirty[TEXT_SIZE_MAX] = "?";
	char text[512];

	text_size(view->length, length);
	if (view->resident >= 0)
		text_size((uint64_t)view->resident, resident);
	if (view->dirty >= 0)
		text_size((uint64_t)view->dirty, dirty);
	snprintf(text, sizeof(text), "%7d %-15s %-4s %s at %0*llx, %s present, %s dirty", (int)view->process,
		 command ? command : "", view->access, length, picture->digits,
		 (unsigned long long)view->offset, resident, dirty);
	printf("%.*s\n", picture->width, text);
	print_bar(picture, view);
}

static void print_views(const struct picture *picture)
{
	const struct view_list *list = &picture->mapping->views;

	if (list->n == 0) {
		puts(list->hidden || list->has_unknown ? "No view of it can be seen."
						       : "No process has a view of it.");
		return;
	}
	puts("Views:");
	for (size_t i = 0; i < list->n; i++)
		print_view(picture, &list->views[i]);
}

/* --- changes --- */

static const char *word_of(enum pages_state state)
{
	return state == PAGES_STATES ? "nothing" : pages_word(state);
}

static void print_ranges(const struct picture *picture)
{
	const struct mapping *mapping = picture->mapping;
	const struct pages *pages = &mapping->pages;
	size_t lines = 0;

	for (size_t i = 0; i < pages->n;) {
		const enum pages_state now = pages_state(pages, &pages->units[i], pages->unit);
		const enum pages_state before = mapping_before(mapping, i * pages->unit);
		size_t end = i + 1;
		char length[TEXT_SIZE_MAX];

		while (end < pages->n && pages_state(pages, &pages->units[end], pages->unit) == now &&
		       mapping_before(mapping, end * pages->unit) == before)
			end++;
		if (now != before && lines++ < CHANGES) {
			text_size((end - i) * pages->unit, length);
			printf("%0*llx  %s: %s, was %s\n", picture->digits,
			       (unsigned long long)i * pages->unit, length, word_of(now), word_of(before));
		}
		i = end;
	}
	if (lines > CHANGES)
		printf("... and %zu further ranges\n", lines - CHANGES);
	if (lines == 0)
		puts("Nothing has changed.");
}

static void print_changes(const struct picture *picture)
{
	const struct look *look = &picture->mapping->look;
	char when[TEXT_TIME_MAX], before[TEXT_SIZE_MAX], now[TEXT_SIZE_MAX];

	if (!look->states) {
		puts("There was no look before this one, with which the next --diff compares.");
		return;
	}
	text_time(look->time, time(NULL), when);
	text_size(look->all.resident, before);
	text_size(picture->mapping->pages.all.resident, now);
	printf("Since %s: %s in memory, %s before.\n", when, now, before);
	print_ranges(picture);
}

/* Prints words of ASCII, broken at the width. text: changed. */
static void print_words(const struct picture *picture, char *text)
{
	char *rest = NULL;
	int column = 0;

	for (char *word = strtok_r(text, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
		const int wide = (int)strlen(word);

		if (column > 0 && column + 1 + wide > picture->width) {
			putchar('\n');
			column = 0;
		}
		column += printf("%s%s", column > 0 ? " " : "", word);
	}
	putchar('\n');
}

void map_print_text(const struct mapping *mapping)
{
	struct picture picture;
	const char *unknown;
	char text[256], sentence[300];

	prepare(mapping, &picture);
	print_heading(&picture);
	print_grid(&picture);
	print_legend(&picture);
	if (mapping->diff)
		print_changes(&picture);
	print_views(&picture);
	for (size_t i = 0; (unknown = mapping_unknown(mapping, i, text, sizeof(text))); i++) {
		snprintf(sentence, sizeof(sentence), "Not known: %s.", unknown);
		print_words(&picture, sentence);
	}
}
