/* SPDX-License-Identifier: MIT */
/* A part of segctl load: a source of segments. */
#ifndef SEGFS_TOOL_LOAD_ARCHIVE_H
#define SEGFS_TOOL_LOAD_ARCHIVE_H

struct loading;

/* Loads from an archive of tar(1) that is open. Returns a STATUS_*, after a message. */
int load_archive(struct loading *loading, int fd);

#endif
