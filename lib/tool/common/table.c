// SPDX-License-Identifier: MIT
#include "lib/tool/common/table.h"
#include "lib/base/cleanup.h"
#include "lib/tool/common/command.h"
#include "lib/tool/common/report.h"
#include "lib/tool/common/text.h"
#include "lib/tool/common/tool.h"

#include <ctype.h>
#include <errno.h>
#include <libsmartcols/libsmartcols.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define NONE ((size_t)-1)

struct table {
	struct libscols_table *scols;
	const struct table_column *all;
	size_t *place;     /* of each of all in the table; NONE = not chosen */
	size_t *place_hex; /* ... of the bytes of a TABLE_NAME in JSON */
	struct libscols_line **lines;
	size_t n_lines, max_lines;
	time_t now;
	struct text_known user, group; /* of the line before */
	bool is_json, is_colour, bytes;
	int result; /* the first failure */
};

static size_t count(const struct table_column *all)
{
	size_t n = 0;

	while (all[n].name)
		n++;
	return n;
}

static size_t find_column(const struct table_column *all, const char *name, size_t length)
{
	for (size_t i = 0; all[i].name; i++)
		if (strlen(all[i].name) == length && strncasecmp(all[i].name, name, length) == 0)
			return i;
	return NONE;
}

static void print_columns(const struct table_column *all)
{
	for (size_t i = 0; all[i].name; i++)
		printf("%-12s %s\n", all[i].name, all[i].help);
}

/* Adds the columns of a list with commas. Returns a STATUS_*. */
static int add_columns(struct tool *tool, const struct table_column *all, const char *list, size_t *chosen,
		       size_t *n)
{
	while (*list) {
		const size_t length = strcspn(list, ",");
		const size_t column = find_column(all, list, length);
		bool is_new = true;

		if (column == NONE)
			return report(tool, STATUS_USAGE, NULL, "no column '%.*s'; '-o help' lists them",
				      (int)(length > 40 ? 40 : length), list);
		for (size_t i = 0; i < *n; i++)
			is_new = is_new && chosen[i] != column;
		if (is_new)
			chosen[(*n)++] = column;
		list += length;
		list += *list == ',';
	}
	return STATUS_DONE;
}

int table_choose(struct tool *tool, const struct table_column *all, const char *by_default,
		 const struct table_style *style, size_t **chosen, size_t *n)
{
	const char *asked = style->columns;
	_cleanup_free_ size_t *indexes = NULL;
	size_t found = 0;
	int status = STATUS_DONE;

	if (asked && strcmp(asked, "help") == 0) {
		print_columns(all);
		return -1;
	}
	if (asked && !*asked)
		return report(tool, STATUS_USAGE, NULL, "-o wants names of columns; '-o help' lists them");
	indexes = calloc(count(all) + 1, sizeof(*indexes));
	if (!indexes)
		return report_error(tool, NULL, -ENOMEM);
	if (!asked || *asked == '+')
		status = add_columns(tool, all, by_default, indexes, &found);
	if (status == STATUS_DONE && asked)
		status = add_columns(tool, all, asked + (*asked == '+'), indexes, &found);
	if (status != STATUS_DONE)
		return status;
	*chosen = take_ptr(indexes);
	*n = found;
	return STATUS_DONE;
}

static int json_type(enum table_type type)
{
	return type == TABLE_NUMBER || type == TABLE_SIZE ? SCOLS_JSON_NUMBER
	       : type == TABLE_TRUTH                      ? SCOLS_JSON_BOOLEAN
							  : SCOLS_JSON_STRING;
}

/* Returns the place of the new column in the table, or NONE. */
static size_t add_column(struct table *table, const struct table_column *column, const char *name)
{
	const bool is_right = column->right || column->type == TABLE_NUMBER || column->type == TABLE_SIZE;
	const int flags = (is_right ? SCOLS_FL_RIGHT : 0) | (column->tree ? SCOLS_FL_TREE : 0) |
			  (column->wide ? SCOLS_FL_TRUNC : 0);
	struct libscols_column *made =
		scols_table_new_column(table->scols, name, column->wide ? 0.1 : 0, flags);

	if (!made || (table->is_json && scols_column_set_json_type(made, json_type(column->type)) < 0)) {
		table->result = -ENOMEM;
		return NONE;
	}
	return scols_table_get_ncols(table->scols) - 1;
}

static void add_chosen(struct table *table, size_t column)
{
	const struct table_column *chosen = &table->all[column];
	char name[64];

	snprintf(name, sizeof(name), "%s", chosen->name);
	for (char *at = name; table->is_json && *at; at++)
		*at = *at == '-' ? '_' : (char)tolower((unsigned char)*at);
	table->place[column] = add_column(table, chosen, name);
	if (table->is_json && chosen->type == TABLE_NAME) {
		const struct table_column hex = {.name = "", .type = TABLE_TEXT};

		strncat(name, "_hex", sizeof(name) - strlen(name) - 1);
		table->place_hex[column] = add_column(table, &hex, name);
	}
}

struct table *table_new(const struct tool *tool, const struct table_column *all, const size_t *chosen,
			size_t n, const struct table_style *style, const char *title)
{
	const size_t n_all = count(all);
	struct table *table = calloc(1, sizeof(*table));

	if (!table)
		return NULL;
	scols_init_debug(0);
	*table = (struct table){
		.scols = scols_new_table(),
		.all = all,
		.place = calloc(n_all + 1, sizeof(size_t)),
		.place_hex = calloc(n_all + 1, sizeof(size_t)),
		.now = time(NULL),
		.is_json = style->json,
		.is_colour = tool->colour && !style->json,
		.bytes = style->bytes,
	};
	if (!table->scols || !table->place || !table->place_hex) {
		table_free(table);
		return NULL;
	}
	for (size_t i = 0; i < n_all; i++)
		table->place[i] = table->place_hex[i] = NONE;
	scols_table_enable_json(table->scols, style->json);
	scols_table_set_name(table->scols, title);
	scols_table_enable_noheadings(table->scols, style->no_headings);
	if (table->is_colour)
		scols_table_enable_colors(table->scols, 1);
	for (size_t i = 0; i < n; i++)
		add_chosen(table, chosen[i]);
	return table;
}

void table_free(struct table *table)
{
	if (!table)
		return;
	scols_unref_table(table->scols);
	free(table->place);
	free(table->place_hex);
	free(table->lines);
	text_forget(&table->user);
	text_forget(&table->group);
	free(table);
}

size_t table_add(struct table *table, size_t parent)
{
	if (table->n_lines == table->max_lines) {
		const size_t max = table->max_lines ? 2 * table->max_lines : 64;
		struct libscols_line **lines =
			reallocarray(table->lines, max, sizeof(struct libscols_line *));

		if (!lines) {
			table->result = -ENOMEM;
			return NONE;
		}
		table->lines = lines;
		table->max_lines = max;
	}
	table->lines[table->n_lines] =
		scols_table_new_line(table->scols, parent < table->n_lines ? table->lines[parent] : NULL);
	if (!table->lines[table->n_lines]) {
		table->result = -ENOMEM;
		return NONE;
	}
	return table->n_lines++;
}

static void set(struct table *table, size_t line, size_t place, const char *text)
{
	if (line >= table->n_lines || place == NONE)
		return;
	if (!text || scols_line_set_data(table->lines[line], place, text) < 0)
		table->result = -ENOMEM;
}

static void set_json_name(struct table *table, size_t line, size_t column, const char *name)
{
	bool is_exact = true;
	_cleanup_free_ char *text = text_utf8(name, &is_exact);
	_cleanup_free_ char *bytes = NULL;

	set(table, line, table->place[column], text);
	if (is_exact || table->place_hex[column] == NONE)
		return;
	bytes = text_hex(name);
	set(table, line, table->place_hex[column], bytes);
}

void table_text(struct table *table, size_t line, size_t column, const char *text)
{
	_cleanup_free_ char *quoted = NULL;

	if (table->place[column] == NONE)
		return;
	if (table->is_json) {
		set_json_name(table, line, column, text);
	} else if (table->all[column].type != TABLE_TEXT) {
		quoted = text_quote(text);
		set(table, line, table->place[column], quoted);
	} else {
		set(table, line, table->place[column], text);
	}
}

void table_number(struct table *table, size_t line, size_t column, int64_t number)
{
	char text[24];

	snprintf(text, sizeof(text), "%lld", (long long)number);
	set(table, line, table->place[column], text);
}

void table_size(struct table *table, size_t line, size_t column, uint64_t bytes)
{
	char text[24];

	if (table->is_json || table->bytes)
		snprintf(text, sizeof(text), "%llu", (unsigned long long)bytes);
	else
		text_size(bytes, text);
	set(table, line, table->place[column], text);
}

void table_time(struct table *table, size_t line, size_t column, time_t time)
{
	char text[TEXT_TIME_MAX];

	if (table->is_json)
		text_iso_time(time, text);
	else
		text_time(time, table->now, text);
	set(table, line, table->place[column], text);
}

/* name: NULL = there was no memory for it. */
static void set_owner(struct table *table, size_t line, size_t column, const char *name)
{
	if (name)
		table_text(table, line, column, name);
	else
		table->result = -ENOMEM;
}

void table_user(struct table *table, size_t line, size_t column, uid_t user)
{
	if (table->place[column] != NONE)
		set_owner(table, line, column, text_known_user(&table->user, user));
}

void table_group(struct table *table, size_t line, size_t column, gid_t group)
{
	if (table->place[column] != NONE)
		set_owner(table, line, column, text_known_group(&table->group, group));
}

void table_truth(struct table *table, size_t line, size_t column, bool truth)
{
	const char *text = truth ? "yes" : "no";

	if (table->is_json)
		text = truth ? "1" : "0";
	set(table, line, table->place[column], text);
}

void table_colour(struct table *table, size_t line, const char *colour)
{
	if (table->is_colour && line < table->n_lines)
		scols_line_set_color(table->lines[line], colour);
}

int table_print(struct table *table)
{
	if (table->result == 0 && scols_print_table(table->scols) != 0)
		table->result = -ENOMEM;
	return table->result;
}

int table_open(struct tool *tool, const struct table_column *all, const char *by_default,
	       const struct table_style *style, const char *title, struct table **table)
{
	_cleanup_free_ size_t *chosen = NULL;
	size_t n = 0;
	int status = table_choose(tool, all, by_default, style, &chosen, &n);

	if (status != STATUS_DONE)
		return status;
	*table = table_new(tool, all, chosen, n, style, title);
	return *table ? STATUS_DONE : report_error(tool, NULL, -ENOMEM);
}

int table_close(const struct tool *tool, struct table *table)
{
	int result = table_print(table);

	table_free(table);
	return result < 0 ? report_error(tool, NULL, result) : STATUS_DONE;
}

char *table_take_text(struct table *table)
{
	char *text = NULL;

	scols_table_enable_colors(table->scols, 0);
	if (table->result == 0 && scols_print_table_to_string(table->scols, &text) != 0)
		text = NULL;
	table_free(table);
	return text;
}
