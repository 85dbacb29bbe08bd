/* SPDX-License-Identifier: MIT */
/*
 * Finds leaks of a segfs: descriptors and passthrough ids that nothing in its arena refers to. A dying worker
 * leaves some; the next one must close them.
 */
#ifndef SEGFS_TESTS_LEAKS_H
#define SEGFS_TESTS_LEAKS_H

#include "tests/mount/harness.h"

/*
 * Whether, before the deadline, the arena refers to every descriptor. Otherwise lists the others on stderr.
 */
bool no_lost_descriptors(const struct mount *mount);

/*
 * Like no_lost_descriptors() for passthrough ids; probing closes leaked ones. To be called while nobody opens
 * files. True if this kernel or user cannot tell.
 */
bool no_lost_backing_ids(const struct mount *mount);

/*
 * For teardowns: mount_verify() of a mount on which nobody has a file open, and both checks above. Returns 0
 * or -1.
 */
int verify_nothing_lost(const struct mount *mount);

/*
 * The number of removed files held by nodes that the kernel refers to. If nobody has files open, these are
 * lookup counts that are too high for good.
 * print: lists them on stderr. Returns the number, or -1.
 */
int removed_files_held(const struct mount *mount, bool print);

/* Resources in use by a segfs. */
struct holdings {
	int descriptors; /* except cached ones, whose number depends on chance */
	int nodes;       /* that the kernel refers to */
	int handles;
	int locks;    /* held or waited for */
	int requests; /* in flight */
	int closing;  /* passthrough ids */
};

/* Waits until the resources of a mount no longer change, and returns them. */
struct holdings holdings_of(const struct mount *mount);

/* Whether, before the deadline, they are the same as before. Otherwise prints them on stderr. */
bool has_the_same(const struct mount *mount, const struct holdings *before);

#endif
