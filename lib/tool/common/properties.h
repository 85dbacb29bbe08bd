/* SPDX-License-Identifier: MIT */
/*
 * What a file has besides its bytes, and what a copy of it is to have: mode, owner, times, attributes (those
 * of the user, policies, access control lists). Belongs to one thread.
 */
#ifndef SEGFS_TOOL_PROPERTIES_H
#define SEGFS_TOOL_PROPERTIES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#define PROPERTIES_POLICY "user.segfs." /* how the names of policies begin */

/* An extended attribute. */
struct property {
	char *name;
	void *value;
	size_t length;
};

struct properties {
	uint32_t mode; /* permission bits, up to 07777 */
	uid_t uid;
	gid_t gid;
	char *user, *group; /* names; or the numbers as text */
	struct timespec atime, mtime;
	struct property *attributes; /* user.*, and access control lists */
	size_t n;
};

/*
 * Gets those of a file. fd: may be O_PATH. properties: released by properties_free(), also after a failure.
 * Returns 0; a negative errno.
 */
int properties_get(int fd, struct properties *properties);
void properties_free(struct properties *properties);

/* Adds an attribute. Returns 0; -ENOMEM; -EINVAL, it is none that is kept. */
int properties_add(struct properties *properties, const char *name, const void *value, size_t length);

/* Whether their lifetime is that of the processes that use a segment, or of the one that creates it. */
bool properties_has_brief_life(const struct properties *properties);

/* What properties_set() and properties_match() leave out: bits. */
#define PROPERTIES_NO_POLICY 1u
/* of a file that keeps a segment: what a file system lacks is not missed */
#define PROPERTIES_ONLY_FILES 2u
/* a lifetime that would end with this process, see properties_has_brief_life() */
#define PROPERTIES_NO_BRIEF 4u

/*
 * Removes the attributes of a file: a new one has policies and access control lists of its directory, and one
 * that an interrupted run has left can have those that it was to get. Returns 0; a negative errno.
 */
int properties_clear(int fd);

/*
 * Gives them to a file of the caller. The owner is set for root only, by name, else by number; without that,
 * bits of set-id are left out. what: receives what could not be set, such as the name of an attribute.
 * Returns 0; a negative errno.
 */
int properties_set(int fd, const struct properties *properties, unsigned int flags, const char **what);

/*
 * Whether a file that has `found` is as properties_set() of this user makes it from `wanted`, whatever its
 * times.
 */
bool properties_match(const struct properties *found, const struct properties *wanted, unsigned int flags);

#endif
