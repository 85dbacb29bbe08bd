/* SPDX-License-Identifier: MIT */
/*
 * Rows of bytes as text: hexadecimal with ASCII beside it, or numbers. Pure functions, except for the parsing
 * of a list.
 */
#ifndef SEGFS_TOOL_ROWS_H
#define SEGFS_TOOL_ROWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ROWS_FIELDS_MAX 64
#define ROWS_BYTES_MAX  (8 * ROWS_FIELDS_MAX) /* of a row */
#define ROWS_TEXT_MAX   4096                  /* bytes of a row as text, with colours */

struct rows_field {
	char kind; /* 'u', 'i' or 'f' */
	uint8_t size;
};

/* How a row is shown. */
struct rows_layout {
	struct rows_field fields[ROWS_FIELDS_MAX];
	size_t n; /* 0 = hexadecimal */
	bool big_endian;
	size_t bytes; /* of a row */
	int digits;   /* of an offset */
	bool colour;
};

/*
 * Parses a list such as "u32,f64,be"; NULL = hexadecimal. A single type fills rows of 16 bytes.
 * wrong: receives the part that is wrong. Returns 0; -EINVAL.
 */
int rows_parse(const char *list, struct rows_layout *layout, const char **wrong);

/*
 * The text of a row without a newline. length: of its bytes, less than that of the layout at the end.
 * before: the same bytes as they were, of which those that differ are highlighted; NULL = none is.
 */
void rows_text(const struct rows_layout *layout, uint64_t offset, const uint8_t *data, size_t length,
	       const uint8_t *before, char text[ROWS_TEXT_MAX]);

/* The values of a row as JSON, without brackets: numbers, or one text of hexadecimal digits. */
void rows_json(const struct rows_layout *layout, const uint8_t *data, size_t length,
	       char text[ROWS_TEXT_MAX]);

#endif
