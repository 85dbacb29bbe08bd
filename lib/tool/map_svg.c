// SPDX-License-Identifier: MIT
#include "lib/tool/map_svg.h"
#include "lib/base/cleanup.h"
#include "lib/tool/common/copying.h"
#include "lib/tool/common/place.h"
#include "lib/tool/common/text.h"
#include "lib/tool/mapping.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define COLUMNS   64
#define ROWS      32
#define CELL      13 /* pixels, with the gap */
#define LEFT      110
#define RIGHT     30
#define TOP       92
#define LINE      30 /* pixels of a view */
#define VIEWS_MAX 40 /* that are drawn */
#define WIDTH     (LEFT + COLUMNS * CELL + RIGHT)

/* Colours that those with colour blindness can tell apart, by Okabe and Ito. */
static const char *const colours[PAGES_STATES] = {
	[PAGES_HOLE] = "#e8e8e8", [PAGES_PART] = "#9fd8c6",  [PAGES_RESIDENT] = "#009e73",
	[PAGES_HUGE] = "#0072b2", [PAGES_DIRTY] = "#d55e00", [PAGES_AWAY] = "#cc79a7",
	[PAGES_DATA] = "#56b4e9",
};

/* Text of XML. What text_quote() leaves is printable. */
static void put_text(FILE *file, const char *text)
{
	_cleanup_free_ char *quoted = text_quote(text);

	for (const char *at = quoted ? quoted : "?"; *at; at++)
		switch (*at) {
		case '&':
			fputs("&amp;", file);
			break;
		case '<':
			fputs("&lt;", file);
			break;
		case '>':
			fputs("&gt;", file);
			break;
		default:
			fputc(*at, file);
		}
}

/* --- parts --- */

static void put_cells(FILE *file, const struct mapping *mapping, const struct mapping_grid *grid)
{
	for (size_t i = 0; i < grid->n; i++) {
		const uint64_t begin = i * grid->cell;
		const bool changed = mapping_changed(mapping, begin, begin + grid->cell) != CHANGE_NONE;

		fprintf(file, "<rect x=\"%zu\" y=\"%zu\" width=\"%d\" height=\"%d\" fill=\"%s\"%s/>\n",
			LEFT + i % grid->columns * CELL, TOP + i / grid->columns * CELL, CELL - 1, CELL - 1,
			colours[mapping_cell(mapping, grid, i)],
			changed ? " stroke=\"#000000\" stroke-width=\"1.5\"" : "");
	}
	for (size_t row = 0; row < grid->rows; row++)
		fprintf(file,
			"<text x=\"%d\" y=\"%zu\" text-anchor=\"end\" font-family=\"monospace\" "
			"font-size=\"10\" "
			"fill=\"#555555\">%08llx</text>\n",
			LEFT - 8, TOP + row * CELL + CELL - 3,
			(unsigned long long)(row * grid->columns) * (unsigned long long)grid->cell);
}

static void put_legend(FILE *file, const struct mapping *mapping, const struct mapping_grid *grid, size_t y)
{
	bool has[PAGES_STATES] = {false};
	size_t x = LEFT;

	for (size_t i = 0; i < grid->n; i++)
		has[mapping_cell(mapping, grid, i)] = true;
	for (size_t i = 0; i < PAGES_STATES; i++) {
		const char *word = pages_word((enum pages_state)i);

		if (!has[i])
			continue;
		fprintf(file, "<rect x=\"%zu\" y=\"%zu\" width=\"12\" height=\"12\" fill=\"%s\"/>\n", x, y,
			colours[i]);
		fprintf(file, "<text x=\"%zu\" y=\"%zu\">%s</text>\n", x + 18, y + 10, word);
		x += 18 + 8 * strlen(word) + 24;
	}
	if (mapping->diff && mapping->look.states) {
		fprintf(file,
			"<rect x=\"%zu\" y=\"%zu\" width=\"11\" height=\"11\" fill=\"none\" "
			"stroke=\"#000000\" "
			"stroke-width=\"1.5\"/>\n<text x=\"%zu\" y=\"%zu\">has changed</text>\n",
			x, y, x + 18, y + 10);
	}
}

static void put_view(FILE *file, const struct mapping *mapping, const struct view *view, size_t y)
{
	const double scale =
		(double)(COLUMNS * CELL) / (double)(mapping->pages.size ? mapping->pages.size : 1);
	const uint64_t size = mapping->pages.size;
	const uint64_t part = mapping_part(mapping, COLUMNS);
	const uint64_t end = view->offset + view->length < size ? view->offset + view->length : size;
	bool marks[COLUMNS] = {false};
	char length[TEXT_SIZE_MAX];

	if (view->offset >= end)
		return;
	text_size(view->length, length);
	fprintf(file, "<text x=\"%d\" y=\"%zu\">%d ", LEFT, y, (int)view->process);
	put_text(file, view->command);
	fprintf(file, ", %s, %s</text>\n", view->access, length);
	fprintf(file, "<rect x=\"%.1f\" y=\"%zu\" width=\"%.1f\" height=\"6\" fill=\"#d0d0d0\"/>\n",
		LEFT + (double)view->offset * scale, y + 5, (double)(end - view->offset) * scale);
	views_mark(view, part, marks, COLUMNS);
	for (size_t i = 0; i < COLUMNS; i++)
		if (marks[i])
			fprintf(file,
				"<rect x=\"%zu\" y=\"%zu\" width=\"%d\" height=\"6\" fill=\"#333333\"/>\n",
				LEFT + i * CELL, y + 5, CELL);
}

static void put_heading(FILE *file, const struct mapping *mapping, const struct mapping_grid *grid)
{
	const struct pages *pages = &mapping->pages;
	char size[TEXT_SIZE_MAX], data[TEXT_SIZE_MAX], resident[TEXT_SIZE_MAX], cell[TEXT_SIZE_MAX];
	char when[TEXT_TIME_MAX];

	text_size(pages->size, size);
	text_size(pages->all.data, data);
	text_size(pages->all.resident, resident);
	text_size(grid->cell, cell);
	text_iso_time(time(NULL), when);
	fprintf(file, "<text x=\"%d\" y=\"36\" font-size=\"18\" font-weight=\"bold\">", LEFT);
	put_text(file, mapping->name);
	fprintf(file, "</text>\n<text x=\"%d\" y=\"58\" fill=\"#555555\">%s, %s of it data", LEFT, size,
		data);
	if (pages->knows_resident)
		fprintf(file, ", %s in memory", resident);
	fprintf(file, "; a cell is %s; %s</text>\n", cell, when);
}

static void put_all(FILE *file, const struct mapping *mapping)
{
	const struct mapping_grid grid = mapping_divide(mapping, COLUMNS, ROWS);
	const struct view_list *list = &mapping->views;
	const size_t n = list->n < VIEWS_MAX ? list->n : VIEWS_MAX;
	const size_t legend = TOP + grid.rows * CELL + 16;
	size_t y = legend + 48, unknown = 0;
	char text[256];

	while (mapping_unknown(mapping, unknown, text, sizeof(text)))
		unknown++;
	fprintf(file,
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<svg xmlns=\"http://www.w3.org/2000/svg\" "
		"width=\"%d\" "
		"height=\"%zu\" viewBox=\"0 0 %d %zu\" font-family=\"sans-serif\" font-size=\"12\">\n<title>",
		WIDTH, y + 24 + n * LINE + unknown * 18, WIDTH, y + 24 + n * LINE + unknown * 18);
	put_text(file, mapping->name);
	fputs("</title>\n<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n", file);
	put_heading(file, mapping, &grid);
	put_cells(file, mapping, &grid);
	put_legend(file, mapping, &grid, legend);
	fprintf(file, "<text x=\"%d\" y=\"%zu\" font-weight=\"bold\">%s</text>\n", LEFT, y,
		list->n > n   ? "The first views (dark: in the page table of the process)"
		: list->n > 0 ? "Views (dark: in the page table of the process)"
			      : "No view of it was found");
	y += 24;
	for (size_t i = 0; i < n; i++, y += LINE)
		put_view(file, mapping, &list->views[i], y);
	for (size_t i = 0; mapping_unknown(mapping, i, text, sizeof(text)); i++, y += 18)
		fprintf(file, "<text x=\"%d\" y=\"%zu\" fill=\"#555555\">Not known: %s.</text>\n", LEFT, y,
			text);
	fputs("</svg>\n", file);
}

/* --- the file --- */

static int write_file(const char *path, const char *text, size_t length)
{
	const char *slash = strrchr(path, '/');
	const char *last = slash ? slash + 1 : path;
	char directory[PATH_MAX] = ".";
	_cleanup_close_ int dir_fd = -1;
	_cleanup_close_ int fd = -1;
	const mode_t mask = umask(0);
	bool is_resumed;
	int result;

	umask(mask);
	if (slash)
		snprintf(directory, sizeof(directory), "%.*s/", (int)(slash - path), path);
	dir_fd = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir_fd < 0)
		return -errno;
	fd = place_create(dir_fd, last, false, &is_resumed);
	if (fd < 0)
		return fd;
	result = copying_write(fd, text, length, 0);
	if (result == 0 && fchmod(fd, 0666 & ~mask) < 0)
		result = -errno;
	if (result == 0)
		result = place_publish(dir_fd, last, dir_fd, last, true);
	if (result < 0)
		place_remove(dir_fd, last);
	return result;
}

int map_write_svg(const struct mapping *mapping, const char *path)
{
	char *text = NULL;
	size_t length = 0;
	FILE *file = open_memstream(&text, &length);
	int result = 0;

	if (!file)
		return -ENOMEM;
	put_all(file, mapping);
	if (fclose(file) != 0)
		result = -ENOMEM;
	else if (strcmp(path, "-") == 0)
		fwrite(text, length, 1, stdout);
	else
		result = write_file(path, text, length);
	free(text);
	return result;
}
