/* SPDX-License-Identifier: MIT */
/*
 * What the files of segctl load share: load.c is the command, load_directory.c and load_archive.c read what
 * was saved. Belongs to one thread.
 */
#ifndef SEGFS_TOOL_LOADING_H
#define SEGFS_TOOL_LOADING_H

#include "lib/tool/common/landing.h"
#include "lib/tool/common/manifest.h"
#include "lib/tool/common/progress.h"

#include <limits.h>

struct tool;

/* What one call works on. */
struct loading {
	struct tool *tool;
	const char *source; /* as the user has named it */
	const char *to;     /* a directory of the mount; NULL = the mount */
	bool verifies;      /* only checks */
	bool objects;       /* loads synchronization objects */
	struct landing_style style;
	const char *const *patterns; /* n_patterns; none = everything */
	size_t n_patterns;
	bool *is_matched; /* by the index of the pattern */
	struct progress progress;
	size_t n;          /* segments that were loaded or verified */
	size_t n_complete; /* ... that were there already */
};

/* Messages. Return the STATUS_*. what: that could not be set, or NULL. */
int loading_complain(struct loading *loading, const char *name, int error, const char *what);

/* ... of a file or member of what was saved. */
int loading_complain_of_source(struct loading *loading, const char *name, int error);

/* first: offset of the first byte that may be damaged. */
int loading_complain_of_damage(struct loading *loading, const char *name, uint64_t first);

/* Whether the user wants this segment. */
bool loading_is_wanted(struct loading *loading, const char *name);

/* Whether it is an object that is left out, which is told. */
bool loading_is_left_out(struct loading *loading, const struct manifest_entry *entry);

/* The name below the mount. Returns 0; -ENAMETOOLONG. */
int loading_target(const struct loading *loading, const char *name, char target[PATH_MAX]);

/*
 * Whether the mount has a segment as it was saved, which --resume leaves out and counts. target: its name
 * below the mount.
 */
bool loading_is_complete(struct loading *loading, const char *target, const struct manifest_entry *entry);

/*
 * The entry of a file by its sum; NULL if there is none. first: where it differs from that of the last line.
 */
struct manifest_entry *loading_find_entry(const struct manifest *manifest, const char *name,
					  const struct checksum *checksum, uint64_t *first);

/* Publishes a segment, with the directories above it. content: see landing_publish(). Returns a STATUS_*. */
int loading_publish(struct loading *loading, const struct manifest *manifest,
		    const struct manifest_entry *entry, struct landing *landing, int content);

#endif
