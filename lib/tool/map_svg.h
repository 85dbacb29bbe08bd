/* SPDX-License-Identifier: MIT */
/* A picture of a segment for a report, as SVG. */
#ifndef SEGFS_TOOL_MAP_SVG_H
#define SEGFS_TOOL_MAP_SVG_H

struct mapping;

/*
 * Writes it to a file, which has its name when it is complete and replaces another one; "-" is standard
 * output. Returns 0; a negative errno.
 */
int map_write_svg(const struct mapping *mapping, const char *path);

#endif
