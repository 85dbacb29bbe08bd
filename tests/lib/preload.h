/* SPDX-License-Identifier: MIT */
/* Libraries of tests/preload for the daemon under test, and their plans. */
#ifndef SEGFS_TESTS_PRELOAD_H
#define SEGFS_TESTS_PRELOAD_H

#include <stddef.h>

/* The path of a library, by its name without ".so", for struct mount_spec. Valid until the next call. */
const char *preload_path(const char *name);

/*
 * Creates the plan of a library: `size` zero bytes, shared with the daemon once it is started with the
 * library.
 * variable: environment variable by which the library finds it. Returns the plan, valid for the life of the
 * test; NULL with the reason on stderr, also if the library does not exist.
 */
void *preload_plan(const char *name, const char *variable, size_t size);

#endif
