/* SPDX-License-Identifier: MIT */
/* What is known of a segment as JSON. */
#ifndef SEGFS_TOOL_MAP_JSON_H
#define SEGFS_TOOL_MAP_JSON_H

struct mapping;

/* Prints it to standard output. Returns 0; -ENOMEM. */
int map_print_json(const struct mapping *mapping);

#endif
