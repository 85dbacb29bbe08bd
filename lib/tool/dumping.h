/* SPDX-License-Identifier: MIT */
/*
 * What the files of segctl dump share: dump.c is the command, dump_follow.c shows what changes. Belongs to
 * one thread.
 */
#ifndef SEGFS_TOOL_DUMPING_H
#define SEGFS_TOOL_DUMPING_H

#include "lib/tool/common/rows.h"

struct tool;

/* What one call works on. */
struct dump {
	struct tool *tool;
	const char *name; /* as the user has given it */
	int fd;           /* of the segment */
	bool json;        /* otherwise text */
	struct rows_layout layout;
	uint64_t begin, end; /* the part, bytes; rows are counted from `begin` */
	uint8_t *buffer;     /* DUMP_BUFFER bytes */

	bool is_first;                /* the next row has none before it */
	uint8_t last[ROWS_BYTES_MAX]; /* otherwise that */
	bool is_squeezed;             /* equal rows were left out */
};

#define DUMP_BUFFER ((size_t)256 << 10)

/* Prints a message of an error of the segment. Returns the STATUS_*. */
int dump_complain(const struct dump *dump, int error);

/* Reads all of these bytes. Returns 0; -ENODATA, they are not there any more; -EINTR; a negative errno. */
int dump_read(const struct dump *dump, uint8_t *data, size_t length, uint64_t offset);

/*
 * Prints the rows from `from`, which begins one, to `end`, with holes. Returns as dump_read(); what was read
 * before is printed.
 */
int dump_rows(struct dump *dump, uint64_t from, uint64_t end);

#endif
