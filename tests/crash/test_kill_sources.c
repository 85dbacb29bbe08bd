// SPDX-License-Identifier: MIT
/*
 * Each operation on what others have made, and on what the mount tells of itself, with a kill before and after each of the worker's system
 * calls that it takes, one after another, see killwalk.h. A kind of request that no operation makes in one of the scenes fails the case.
 *
 * What makes and removes segments has that at each call. The other sources change nothing by themselves, or do as the store does: there
 * it is enough that each kind of call has a kill before and after it.
 */
#include "tests/lib/killwalk.h"
#include "tests/lib/machine.h"

#include <unistd.h>

static void walk(const struct scene *scene, const struct operation *each)
{
	scene_leave();
	assert_int_equal(scene_enter(killwalk_mount(), scene), 0);
	killwalk_all_points(each);
}

static void segments(void **unused)
{
	(void)unused;
	walk(&scene_of_segments, operations_on_segments);
}

static void objects(void **unused)
{
	(void)unused;
	walk(&scene_of_objects, NULL);
}

static void memory_of_process(void **unused)
{
	(void)unused;
	walk(&scene_of_process, NULL);
}

static void control(void **unused)
{
	(void)unused;
	walk(&scene_of_control, NULL);
}

static int start(void **unused)
{
	(void)unused;
	return killwalk_start("direct");
}

int main(void)
{
	static const struct CMUnitTest cases[] = {
		cmocka_unit_test(segments),
		cmocka_unit_test(objects),
		cmocka_unit_test(memory_of_process),
		cmocka_unit_test(control),
	};

	if (geteuid() != 0)
		skip_program("root");
	machine_isolate();
	return cmocka_run_group_tests(cases, start, killwalk_stop);
}
