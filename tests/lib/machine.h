/* SPDX-License-Identifier: MIT */
/*
 * A machine of the test's own, as far as shared memory and processes go: what looks at all of them finds those that the test has made.
 */
#ifndef SEGFS_TESTS_MACHINE_H
#define SEGFS_TESTS_MACHINE_H

#include <stdbool.h>

/*
 * Called first in main(): goes on in a child process that has IPC, process and mount namespaces of its own, with a /proc and an empty
 * /dev/shm to go with them; the caller ends as that one does, and never returns. Or ends the program as skipped.
 */
void machine_isolate(void);

/* Whether that was done. */
bool machine_is_isolated(void);

#endif
