/* SPDX-License-Identifier: MIT */
/* A part of segctl load: a source of segments. */
#ifndef SEGFS_TOOL_LOAD_DIRECTORY_H
#define SEGFS_TOOL_LOAD_DIRECTORY_H

struct loading;

/* Loads from the directory that `source` names. Returns a STATUS_*, after a message. */
int load_directory(struct loading *loading);

#endif
