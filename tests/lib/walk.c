// SPDX-License-Identifier: MIT
#include "tests/lib/walk.h"
#include "tests/lib/machine.h"
#include "tests/lib/modes.h"

#include <string.h>

static struct mount mount;
static void (*walk_one)(const struct scene *scene); /* argument of walk_in_scenes() */

int walk_start(const char *mode, unsigned int attr_timeout)
{
	const struct mount_spec spec = {
		.tag = mode,
		.config = SCENE_CONFIG,
		.options = path_of("io_mode=%s,mand,entry_timeout=0,attr_timeout=%u", mode, attr_timeout),
	};

	if (mount_start(&mount, &spec) < 0)
		return -1;
	return scene_enter(&mount, &scene_of_store);
}

int walk_stop(void **unused)
{
	(void)unused;
	scene_leave();
	return mount_stop(&mount);
}

const struct mount *walk_mount(void)
{
	return &mount;
}

char *walk_undisturbed(const struct operation *operation, const char *when)
{
	int result;

	operation_prepare(operation);
	result = operation->run();
	if (result != 0 || (operation->done && !operation->done()))
		fail_msg("%s%s: %s", operation->name, when, result ? strerror(-result) : "it was not done");
	return scene_print();
}

static void walk_in(const struct scene *scene)
{
	scene_leave();
	assert_int_equal(scene_enter(&mount, scene), 0);
	walk_one(scene);
}

static void segments(void **unused)
{
	(void)unused;
	walk_in(&scene_of_segments);
}

static void objects(void **unused)
{
	(void)unused;
	walk_in(&scene_of_objects);
}

static void memory_of_process(void **unused)
{
	(void)unused;
	walk_in(&scene_of_process);
}

static void control(void **unused)
{
	(void)unused;
	walk_in(&scene_of_control);
}

int walk_in_scenes(int (*start)(const char *mode), void (*walk)(const struct scene *scene))
{
	static const struct CMUnitTest cases[] = {
		cmocka_unit_test(segments),
		cmocka_unit_test(objects),
		cmocka_unit_test(memory_of_process),
		cmocka_unit_test(control),
	};

	walk_one = walk;
	machine_isolate();
	return run_in_mode(usual_mode(), cases, sizeof(cases) / sizeof(cases[0]), start, walk_stop);
}
