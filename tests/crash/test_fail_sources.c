// SPDX-License-Identifier: MIT
/*
 * Each operation on the machine's own shared memory and on .segfs, with each system call of the worker
 * failing in turn, see failwalk.h.
 *
 * Some operations scan all processes of the machine, with all their descriptors and mappings. Even in the
 * test's own PID namespace, which has few, that is too many calls: for these operations one call of each kind
 * fails, the one for the first process, the test itself. So do all operations in process/, where each request
 * finds the process and its memory again by the same twenty calls or more; and in posix/, which works mostly
 * as the store.
 */
#include "tests/lib/failwalk.h"

static void walk(const struct scene *scene)
{
	failwalk_all_points(scene == &scene_of_objects || scene == &scene_of_process);
}

int main(void)
{
	failwalk_require();
	return walk_in_scenes(failwalk_start, walk);
}
