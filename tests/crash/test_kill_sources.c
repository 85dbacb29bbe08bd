// SPDX-License-Identifier: MIT
/*
 * Each operation on what others have made, and on what the mount tells of itself, with a kill before and
 * after each of the worker's system calls that it takes, one after another, see killwalk.h. A kind of request
 * that no operation makes in one of the scenes fails the case.
 *
 * What makes and removes segments has that at each call. The other sources change nothing by themselves, or
 * do as the store does: there it is enough that each kind of call has a kill before and after it.
 */
#include "tests/lib/killwalk.h"

#include <unistd.h>

static void walk(const struct scene *scene)
{
	killwalk_all_points(scene == &scene_of_segments ? operations_on_segments : NULL);
}

int main(void)
{
	if (geteuid() != 0)
		skip_program("root");
	return walk_in_scenes(killwalk_start, walk);
}
