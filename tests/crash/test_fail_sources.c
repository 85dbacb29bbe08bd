// SPDX-License-Identifier: MIT
/*
 * Each operation on what others have made, and on what the mount tells of itself, with each of the worker's system calls failing, one
 * after another, see failwalk.h.
 *
 * Some look at each process of the machine, and in it at each descriptor and mapping. It is a machine of the test's own, with few of
 * them, and still there are more calls than can fail: of these operations each kind of call fails, which is one of those that are made
 * for the first process, the test itself. It is so for all operations in process/, where each request looks for the process and its
 * memory again, with twenty calls and more that are the same for all; and in posix/, where most is done as in the store.
 */
#include "tests/lib/failwalk.h"
#include "tests/lib/machine.h"

static void walk(const struct scene *scene, bool kinds)
{
	scene_leave();
	assert_int_equal(scene_enter(failwalk_mount(), scene), 0);
	failwalk_all_points(kinds);
}

static void segments(void **unused)
{
	(void)unused;
	walk(&scene_of_segments, false);
}

static void objects(void **unused)
{
	(void)unused;
	walk(&scene_of_objects, true);
}

static void memory_of_process(void **unused)
{
	(void)unused;
	walk(&scene_of_process, true);
}

static void control(void **unused)
{
	(void)unused;
	walk(&scene_of_control, false);
}

static int start(void **unused)
{
	(void)unused;
	return failwalk_start("direct");
}

int main(void)
{
	static const struct CMUnitTest cases[] = {
		cmocka_unit_test(segments),
		cmocka_unit_test(objects),
		cmocka_unit_test(memory_of_process),
		cmocka_unit_test(control),
	};

	failwalk_require();
	machine_isolate();
	return cmocka_run_group_tests(cases, start, failwalk_stop);
}
