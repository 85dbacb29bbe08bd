/* SPDX-License-Identifier: MIT */
/* Libraries of tests/preload, which the daemon under test is started with, and what they are told. */
#ifndef SEGFS_TESTS_PRELOAD_H
#define SEGFS_TESTS_PRELOAD_H

#include <stddef.h>

/* The path of a library, by its name without ".so", for struct mount_spec. Valid until the next call. */
const char *preload_path(const char *name);

/*
 * Makes the plan of a library: `size` bytes of zeros that the daemon maps as well, once it is started with the library.
 * variable: of the environment, by which the library finds it. Returns the plan, for the life of the test; NULL, with the reason on
 * stderr, also where there is no such library.
 */
void *preload_plan(const char *name, const char *variable, size_t size);

#endif
