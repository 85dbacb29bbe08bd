/* SPDX-License-Identifier: MIT */
/*
 * Tables for people, for scripts and as JSON, by libsmartcols. A table belongs to one thread.
 *
 * A command describes all columns that it has; the user chooses among them with -o. Names in cells are given
 * as they are: the table quotes them for people, and makes valid text of them for JSON.
 */
#ifndef SEGFS_TOOL_TABLE_H
#define SEGFS_TOOL_TABLE_H

#include "lib/tool/common/command.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

struct tool;
struct table;

enum table_type {
	TABLE_TEXT,  /* printable ASCII */
	TABLE_LABEL, /* may have any bytes */
	TABLE_NAME,  /* the same; JSON also has NAME_hex: all bytes if they are not UTF-8, else null */
	TABLE_NUMBER,
	TABLE_SIZE, /* bytes; rounded for people */
	TABLE_TIME, /* seconds since 1970 */
	TABLE_TRUTH,
};

struct table_column {
	const char *name; /* as in the heading; in lower case in JSON; NULL ends the array */
	enum table_type type;
	bool right;       /* aligned to the right */
	bool tree;        /* has the branches of a tree */
	bool wide;        /* may be cut off on a terminal */
	const char *help; /* for '-o help' */
};

/* How it is printed. Members of settings of commands that print tables. */
struct table_style {
	const char *columns; /* of -o: "NAME,SIZE", "+SIZE" to add to the default, "help"; NULL = default */
	bool json;
	bool bytes; /* sizes are not rounded */
	bool no_headings;
};

/* Rows of a table of options, for settings with a member `style`. */
#define TABLE_OPTIONS(settings)                                                                              \
	COMMAND_OPTION(OPTION_TEXT, settings, style.columns, "columns", 'o', "LIST",                         \
		       "columns, or +COLUMN to add one; 'help' lists them"),                                 \
		COMMAND_OPTION(OPTION_FLAG, settings, style.json, "json", 'J', NULL, "as JSON"),             \
		COMMAND_OPTION(OPTION_FLAG, settings, style.no_headings, "noheadings", 'n', NULL,            \
			       "without headings")

/* The same for a table with sizes. */
#define TABLE_SIZE_OPTIONS(settings)                                                                         \
	COMMAND_OPTION(OPTION_FLAG, settings, style.bytes, "bytes", 'b', NULL, "sizes in bytes"),            \
		TABLE_OPTIONS(settings)

/*
 * Chooses columns. all: the columns that there are. by_default: names, separated by commas.
 * chosen: receives a malloc'd array of indexes, which the caller frees; n: their number.
 * Returns a STATUS_*, after a message; -1 if the columns were listed since "help" was asked for.
 */
int table_choose(struct tool *tool, const struct table_column *all, const char *by_default,
		 const struct table_style *style, size_t **chosen, size_t *n);

/*
 * Makes a table. title: of the array in JSON. Returns it, released by table_free(); NULL without memory.
 */
struct table *table_new(const struct tool *tool, const struct table_column *all, const size_t *chosen,
			size_t n, const struct table_style *style, const char *title);
void table_free(struct table *table);

/* table_choose() and table_new(). Returns as table_choose(). */
int table_open(struct tool *tool, const struct table_column *all, const char *by_default,
	       const struct table_style *style, const char *title, struct table **table);

/* Prints a table of table_open(), and frees it. Returns a STATUS_*, after a message. */
int table_close(const struct tool *tool, struct table *table);

/* A table of table_open() as text, which the caller frees; NULL without memory. Frees the table. */
char *table_take_text(struct table *table);

#define TABLE_NO_PARENT ((size_t)-1)

/* Adds a line; those of a tree have a parent. Returns its index; a failure is remembered for table_print().
 */
size_t table_add(struct table *table, size_t parent);

/*
 * Sets a cell by the index of its column among all; does nothing if that was not chosen. A cell that is not
 * set is empty, and null in JSON.
 */
void table_text(struct table *table, size_t line, size_t column, const char *text);
void table_number(struct table *table, size_t line, size_t column, int64_t number);
void table_size(struct table *table, size_t line, size_t column, uint64_t bytes);
void table_time(struct table *table, size_t line, size_t column, time_t time);
void table_user(struct table *table, size_t line, size_t column, uid_t user);   /* by name */
void table_group(struct table *table, size_t line, size_t column, gid_t group); /* the same */
void table_truth(struct table *table, size_t line, size_t column, bool truth);

/* Colours a line, such as "red" or "yellow", if the terminal takes colours. */
void table_colour(struct table *table, size_t line, const char *colour);

/* Prints it to standard output. Returns 0; -ENOMEM. */
int table_print(struct table *table);

#endif
