// SPDX-License-Identifier: MIT
/*
 * Each operation on the machine's own shared memory and on .segfs, with a kill before and after each system
 * call of the worker in turn, see killwalk.h. An opcode that no operation of a scene causes fails the case.
 *
 * Operations that create and remove System V segments are killed at every call. The other sources change
 * nothing by themselves, or work as the store does: a kill before and after each kind of call is enough.
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
