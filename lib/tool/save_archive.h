/* SPDX-License-Identifier: MIT */
/* segctl save to an archive of tar(1). */
#ifndef SEGFS_TOOL_SAVE_ARCHIVE_H
#define SEGFS_TOOL_SAVE_ARCHIVE_H

#include <stdbool.h>

struct saving;

/* Whether the user means an archive by this path: standard output, or a file. */
bool save_is_archive(const char *path);

/* Saves to the archive of the path. Returns a STATUS_*, after messages. */
int save_archive(struct saving *saving);

#endif
