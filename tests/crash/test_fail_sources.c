// SPDX-License-Identifier: MIT
/*
 * Each operation on what others have made, and on what the mount tells of itself, with each of the worker's
 * system calls failing, one after another, see failwalk.h.
 *
 * Some look at each process of the machine, and in it at each descriptor and mapping. It is a machine of the
 * test's own, with few of them, and still there are more calls than can fail: of these operations each kind
 * of call fails, which is one of those that are made for the first process, the test itself. It is so for all
 * operations in process/, where each request looks for the process and its memory again, with twenty calls
 * and more that are the same for all; and in posix/, where most is done as in the store.
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
