/* SPDX-License-Identifier: MIT */
/*
 * What becomes of a member of an archive: a hidden file until the manifest is known, or nothing, if the mount
 * has the segment. Belongs to one thread.
 */
#ifndef SEGFS_TOOL_LOAD_MEMBER_H
#define SEGFS_TOOL_LOAD_MEMBER_H

#include "lib/tool/common/manifest.h"
#include "lib/tool/common/tar.h"

struct loading;
struct landing;

struct member {
	char *name;
	struct checksum checksum; /* of its data */
	struct landing *landing;  /* receives the data; NULL = nothing does */
	int present_fd;   /* the segment of the mount that has all the data so far; -1 = there is none */
	bool is_failed;   /* it cannot be loaded, which was told */
	bool is_complete; /* the mount has the segment as it was saved */
};

/* Prepares a member. member: released by member_free(), also after a failure. Returns 0; -ENOMEM. */
int member_init(struct member *member, const char *name);
void member_free(const struct loading *loading, struct member *member);

/*
 * Reads a member of an archive, or leaves it unread if that is not needed. entry: the last one of its name,
 * NULL = not known yet. error: receives an error of the archive, or -EMFILE and -ENFILE, for which there is
 * no message; or 0. Returns a STATUS_*, after a message.
 */
int member_read(struct loading *loading, struct member *member, struct tar *tar,
		const struct tar_member *found, const struct manifest_entry *entry, int *error);

/* Publishes a member whose data was read, and is that of an entry. Returns a STATUS_*, after a message. */
int member_publish(struct loading *loading, const struct manifest *manifest, struct member *member,
		   const struct manifest_entry *entry);

#endif
