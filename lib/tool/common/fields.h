/* SPDX-License-Identifier: MIT */
/* Lines of .segfs/attached and .segfs/locks: fields between blanks, in which odd bytes are \ and three octal
 * digits. Pure functions. */
#ifndef SEGFS_TOOL_FIELDS_H
#define SEGFS_TOOL_FIELDS_H

#include <stddef.h>

/*
 * Takes the next line of a text, and ends it with a 0 in place.
 * at: where the line begins; moved behind it. Returns the line, or NULL at the end of the text.
 */
char *fields_line(char **at);

/*
 * Splits a line into at most `max` fields in place, the last of which is the rest of the line, and decodes
 * them. Returns their number.
 */
size_t fields_split(char *line, char **fields, size_t max);

#endif
