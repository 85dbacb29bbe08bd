/* SPDX-License-Identifier: MIT */
/*
 * A directory of saved segments, with its manifest. One command works in it at a time, which a lock of
 * flock(2) on the manifest sees to. Belongs to one thread.
 */
#ifndef SEGFS_TOOL_DEPOT_H
#define SEGFS_TOOL_DEPOT_H

#include "lib/tool/common/manifest.h"

struct tool;

#define DEPOT_MANIFEST_MAX ((size_t)1 << 30) /* bytes of a manifest */

struct depot {
	const char *path; /* as the user has named it */
	int dir_fd;       /* O_PATH */
	int manifest_fd;
	struct manifest manifest; /* as it was when it was opened */
};

/*
 * Opens a directory. writes: to save to it; it is created if need be, and its manifest may be missing.
 * depot: released by depot_close(), also after a failure. Returns a STATUS_*, after a message.
 */
int depot_open(struct tool *tool, const char *path, bool writes, struct depot *depot);
void depot_close(struct depot *depot);

/* Appends an entry to the manifest. Returns 0; a negative errno. */
int depot_append(struct depot *depot, const struct manifest_entry *entry);

/*
 * Writes the manifest anew, without those lines of a name that others have followed. is_settled: whether the
 * file of a name is the one of its last line. Returns 0; a negative errno, and the manifest is as before.
 */
int depot_compact(struct depot *depot, bool (*is_settled)(const char *name, const void *context),
		  const void *context);

/*
 * Parses the text of a manifest, which is changed. path: for messages. Returns a STATUS_*, after a message.
 */
int depot_parse(struct tool *tool, const char *path, char *text, size_t length, struct manifest *manifest);

/* Notes how many segments --resume has left out. path: of what was saved. */
void depot_note_complete(struct tool *tool, const char *path, size_t n);

/* Reports an error of a file that is not on the mount: path and name of it. Returns the STATUS_*. */
int depot_report(struct tool *tool, const char *path, const char *name, int error);

#endif
