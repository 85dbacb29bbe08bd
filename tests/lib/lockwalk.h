/* SPDX-License-Identifier: MIT */
/*
 * Random locks of several processes on a file of the mount, and the same on a file of a tmpfs: after each step results,
 * errnos and answers of F_GETLK are compared with each other, and with a model that has an element per byte.
 *
 * Among the processes are such that are forked, and end; their descriptors are opened, duplicated and closed. Nobody waits.
 * TEST_SEED and TEST_ROUNDS in the environment repeat a walk, and make it longer.
 */
#ifndef SEGFS_TESTS_LOCKWALK_H
#define SEGFS_TESTS_LOCKWALK_H

#include "tests/mount/harness.h"

/*
 * Walks `steps` steps with a store in memory. kill_every: 0, or after so many steps the worker is killed. Failures end the
 * case, with lockers running.
 */
void lockwalk(const struct mount *mount, unsigned int steps, unsigned int kill_every);

#endif
