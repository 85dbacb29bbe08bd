/* SPDX-License-Identifier: MIT */
/*
 * What the files of segctl save share: save.c is the command, save_directory.c and save_archive.c write to a
 * target. Belongs to one thread.
 */
#ifndef SEGFS_TOOL_SAVING_H
#define SEGFS_TOOL_SAVING_H

#include "lib/tool/common/manifest.h"
#include "lib/tool/common/progress.h"

#include <limits.h>

struct tool;
struct survey;
struct saving;

/* A segment, opened and locked, and its line of the manifest. */
struct saving_source {
	int fd;
	struct manifest_entry entry; /* with a checksum that is begun, and the size */
};

/* Where segments are saved to. Functions that return a STATUS_* have printed a message. */
struct saving_target {
	/* What it has of a segment. Returns 0: nothing; 1: it is complete; -EEXIST; a negative errno. */
	int (*look)(struct saving *saving, const char *name);
	/* Saves a directory without its content. Returns 0; a negative errno. */
	int (*save_directory)(struct saving *saving, const struct manifest_entry *entry);
	/* Saves a segment. Returns a STATUS_*. */
	int (*save)(struct saving *saving, struct saving_source *source);
	/* Prints a message of an error of the target. name: of the segment. Returns the STATUS_*. */
	int (*complain)(struct saving *saving, const char *name, int error);
	void *context;
};

/* How to save. Members of the settings of the command. */
struct saving_style {
	bool replace, resume, objects, quiet;
	uint64_t timeout; /* nanoseconds to wait for a lock, FILELOCK_FOREVER */
};

/* What one call works on. */
struct saving {
	struct tool *tool;
	struct saving_style style;
	const struct survey *survey; /* the segments to save */
	const char *path;            /* of the target, as the user has named it */
	const struct saving_target *target;
	struct progress progress;
	bool is_broken;           /* nothing more can be written */
	bool *is_saved;           /* by the index of the subject */
	char directory[PATH_MAX]; /* the last one that was saved */
	size_t n;                 /* segments that were saved */
	size_t n_complete;        /* ... that were there already */
};

/* Prints a message of an error of a segment. Returns the STATUS_*. */
int saving_complain(struct saving *saving, const char *name, int error);

/* Saves all segments to the target. Returns a STATUS_*, after messages. */
int saving_run(struct saving *saving, const struct saving_target *target);

#endif
