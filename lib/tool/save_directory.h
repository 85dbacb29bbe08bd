/* SPDX-License-Identifier: MIT */
/* segctl save to a directory. */
#ifndef SEGFS_TOOL_SAVE_DIRECTORY_H
#define SEGFS_TOOL_SAVE_DIRECTORY_H

struct saving;

/* Saves to the directory of the path. Returns a STATUS_*, after messages. */
int save_directory(struct saving *saving);

#endif
