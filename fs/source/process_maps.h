/* SPDX-License-Identifier: MIT */
/*
 * What a process maps that may be of interest, by its /proc/PID/maps. All that is said of a mapping is of one line of it, read by whom the
 * kernel lets read it; the file behind it is then told by device and inode number, which no two files of a time have.
 *
 * May wait, until a deadline, for a process that is in execve(2).
 */
#ifndef SEGFS_SOURCE_PROCESS_MAPS_H
#define SEGFS_SOURCE_PROCESS_MAPS_H

#include "fs/source/process_names.h"
#include "fs/source/process_view.h"

#define MAPS_MAX 65536 /* mappings of one process that are listed */

/* A shared mapping. */
struct mapping {
	uint64_t start; /* addresses */
	uint64_t end;
	uint64_t device; /* of the file, as stat(2) has it */
	uint64_t inode;
	enum process_kind kind;
	bool readable; /* through the mapping */
	bool writable;
};

/*
 * Finds the mapping that begins at `start`. accessible: gets whether the viewer may read and write the process's memory, as an open of
 * /proc/PID/mem says; NULL where that is no matter.
 * Returns 0; -ENOENT where there is none of interest; -EACCES where the viewer may not look; -ETIMEDOUT; the errno of a lack of our own.
 */
int maps_find(const struct view *view, const struct task *task, uint64_t start, struct mapping *mapping, bool *accessible);

/*
 * Lists them in the order of their addresses, MAPS_MAX at most. mappings: gets memory that the caller gives back by maps_free().
 * Returns their number; as maps_find().
 */
ssize_t maps_list(const struct view *view, const struct task *task, struct mapping **mappings);
void maps_free(struct mapping *mappings);

#endif
