/* SPDX-License-Identifier: MIT */
/* A picture of a segment in the terminal. */
#ifndef SEGFS_TOOL_MAP_TEXT_H
#define SEGFS_TOOL_MAP_TEXT_H

struct mapping;

/* Prints it to standard output, no wider than the terminal. */
void map_print_text(const struct mapping *mapping);

#endif
