/* SPDX-License-Identifier: MIT */
/*
 * What a segfs holds and has forgotten about: descriptors and passthrough ids that nothing in its arena names. A worker
 * that dies leaves such; the next one has to find and close them.
 */
#ifndef SEGFS_TESTS_LEAKS_H
#define SEGFS_TESTS_LEAKS_H

#include "tests/mount/harness.h"

/* Whether there comes a moment at which every descriptor is named. Else says on stderr which are not. */
bool no_lost_descriptors(const struct mount *mount);

/*
 * The same of passthrough ids; those that are lost are closed by looking for them. To be called when nobody opens files.
 * True where this kernel or user can't tell.
 */
bool no_lost_backing_ids(const struct mount *mount);

/*
 * How many removed files are held by nodes that the kernel refers to. Where nobody has anything open, these are counts that are
 * too high, and that nothing will ever take back.
 * print: says on stderr which. Returns the number, or -1.
 */
int removed_files_held(const struct mount *mount, bool print);

/* What a segfs has: of each kind, how many. */
struct holdings {
	int descriptors; /* but for those that are kept for directories and files that may be asked for again: these depend on chance */
	int nodes;       /* that the kernel refers to */
	int handles;
	int locks;       /* held or waited for */
	int requests;    /* that are being carried out */
	int closing;     /* passthrough ids */
};

/* Waits until what a mount has no longer changes. */
struct holdings holdings_of(const struct mount *mount);

/* Whether it comes to have the same as before. Else says on stderr what it has. */
bool has_the_same(const struct mount *mount, const struct holdings *before);

#endif
