/* SPDX-License-Identifier: MIT */
/*
 * A private view of the machine with regard to shared memory and processes: scans find only what the test has
 * created.
 */
#ifndef SEGFS_TESTS_MACHINE_H
#define SEGFS_TESTS_MACHINE_H

#include <stdbool.h>

/*
 * To be called first in main(): continues in a child process with its own IPC, PID and mount namespaces,
 * /proc, and an empty /dev/shm; the caller exits as the child does, and never returns. Or skips the program.
 */
void machine_isolate(void);

/* Whether the process is isolated. */
bool machine_is_isolated(void);

#endif
