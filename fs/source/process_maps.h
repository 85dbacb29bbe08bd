/* SPDX-License-Identifier: MIT */
/*
 * Shared mappings of a process, from its /proc/PID/maps. All facts about a mapping come from a single line,
 * read with the viewer's credentials. The file behind it is then verified by device and inode number, which
 * are unique at any time.
 *
 * May block until a deadline while the process is in execve(2).
 */
#ifndef SEGFS_SOURCE_PROCESS_MAPS_H
#define SEGFS_SOURCE_PROCESS_MAPS_H

#include "fs/source/process_names.h"
#include "fs/source/process_view.h"

#define MAPS_MAX 65536 /* mappings listed per process */

/* A shared mapping. */
struct mapping {
	uint64_t start; /* addresses */
	uint64_t end;
	uint64_t device; /* st_dev of the file */
	uint64_t inode;
	enum process_kind kind;
	bool readable; /* access permitted by the mapping */
	bool writable;
};

/*
 * Finds the mapping that begins at `start`. accessible: receives whether the viewer may read and write the
 * process's memory, tested by opening /proc/PID/mem; may be NULL.
 * Returns 0; -ENOENT if there is no such shared mapping; -EACCES if the viewer may not look; -ETIMEDOUT; the
 * errno of a resource shortage.
 */
int maps_find(const struct view *view, const struct task *task, uint64_t start, struct mapping *mapping,
	      bool *accessible);

/*
 * Lists mappings by address, MAPS_MAX at most. mappings: receives memory that the caller releases with
 * maps_free().
 * Returns their number; otherwise as maps_find().
 */
ssize_t maps_list(const struct view *view, const struct task *task, struct mapping **mappings);
void maps_free(struct mapping *mappings);

#endif
