/* SPDX-License-Identifier: MIT */
/*
 * Random locks of several processes on a file of the mount, and the same on a tmpfs. After each step,
 * results, errnos and F_GETLK are compared between the two, and with a model that has an element per byte.
 *
 * Some processes are forked and exit; descriptors are opened, duplicated and closed. No call blocks.
 * TEST_SEED and TEST_ROUNDS in the environment repeat or extend a walk.
 */
#ifndef SEGFS_TESTS_LOCKWALK_H
#define SEGFS_TESTS_LOCKWALK_H

#include "tests/mount/harness.h"

/*
 * Runs `steps` steps with a store in memory. kill_every: kills the worker after so many steps; 0 = never.
 * Failures end the case, with lockers running.
 */
void lockwalk(const struct mount *mount, unsigned int steps, unsigned int kill_every);

#endif
