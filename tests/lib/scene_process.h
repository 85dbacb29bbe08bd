/* SPDX-License-Identifier: MIT */
/* What operations in process/ use of their scene. */
#ifndef SEGFS_TESTS_SCENE_PROCESS_H
#define SEGFS_TESTS_SCENE_PROCESS_H

#include "tests/lib/target.h"

/* The process, of user TEST_UID, while scene_of_process is current. */
const struct target *scene_target(void);

#endif
