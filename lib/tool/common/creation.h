/* SPDX-License-Identifier: MIT */
/*
 * A new segment or object with all that a command line can ask for. Its name appears when owner, mode,
 * policies and content are set. Belongs to one thread.
 */
#ifndef SEGFS_TOOL_CREATION_H
#define SEGFS_TOOL_CREATION_H

#include "lib/segfs.h"
#include "lib/tool/common/load.h"
#include "lib/tool/common/policies.h"

#include <stdbool.h>

struct tool;

struct creation {
	enum segfs_kind kind;
	uint64_t size;             /* of a segment, bytes */
	bool has_size;             /* otherwise it is what is read of a stream */
	uint32_t mode;             /* permission bits */
	uint32_t initial, maximum; /* of an object, see segfs.h */
	uid_t uid;                 /* (uid_t)-1 = the caller */
	gid_t gid;                 /* (gid_t)-1 = as the directory has it */
	struct policies policies;
	struct load *load; /* NULL = zeroes */
};

/* Creates it. Returns a STATUS_*, after a message. exists: set if it fails since the name exists, without
 * one. */
int creation_make(const struct tool *tool, const char *name, const struct creation *creation, bool *exists);

#endif
