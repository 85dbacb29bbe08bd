/* SPDX-License-Identifier: MIT */
/*
 * The last look at a segment, kept for the next one in $XDG_STATE_HOME/segctl or ~/.local/state/segctl, which
 * only the user may enter. Stateless.
 */
#ifndef SEGFS_TOOL_LOOKS_H
#define SEGFS_TOOL_LOOKS_H

#include "lib/tool/common/pages.h"

#include <time.h>

/* What was kept. */
struct look {
	time_t time;
	uint64_t size, unit;
	struct pages_unit all;
	char *states; /* a letter for each unit: 'a' + enum pages_state */
	size_t n;
};

/*
 * Reads the last look at a segment. mount, name: which it is. look: released by looks_free().
 * Returns 0; -ENOENT, there is none; a negative errno.
 */
int looks_read(const char *mount, const char *name, struct look *look);
void looks_free(struct look *look);

/* Keeps a look. Returns 0; a negative errno: -ENOTDIR, there is no home directory. */
int looks_write(const char *mount, const char *name, const struct pages *pages);

#endif
