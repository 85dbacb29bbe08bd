// SPDX-License-Identifier: MIT
/*
 * The reader thread waits for nobody: in all operations of the daemon it makes no call that may wait for
 * another process. tests/preload/reader.c defines and records such calls.
 */
#include "lib/base/cleanup.h"
#include "tests/lib/machine.h"
#include "tests/lib/operations.h"
#include "tests/lib/preload.h"
#include "tests/lib/segments.h"
#include "tests/preload/reader.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

static struct mount mount_here;
static struct reader_calls *calls;
static unsigned int seen; /* of calls->n */

static int start(void **unused)
{
	const struct mount_spec spec = {
		.config = SCENE_CONFIG,
		.options = "mand,entry_timeout=0,attr_timeout=0",
		.preload = preload_path("reader"),
	};

	(void)unused;
	calls = preload_plan("reader", "READER_CALLS", sizeof(*calls));
	preload_with_sanitizers("");
	return calls ? mount_start(&mount_here, &spec) : -1;
}

static int stop(void **unused)
{
	(void)unused;
	scene_leave();
	return mount_stop(&mount_here);
}

/* Reports the calls since the last time, as far as they are recorded. */
static void tell(const char *what)
{
	const unsigned int n = atomic_load(&calls->n);

	for (; seen < n; seen++)
		if (seen < READER_CALLS_MAX)
			fprintf(stderr, "%s in %s/: the reader has called %s\n", what, scene_now()->below,
				calls->calls[seen]);
}

/* Who uses a file is found out in other ways while somebody does. */
static void read_attributes(const char *name)
{
	for (int used = 0; used < 2; used++) {
		int fd = used ? open(in_mount(name), O_RDONLY | O_CLOEXEC) : -1;

		for (size_t i = 0; attribute_names[i]; i++) {
			const char *attribute = path_of("user.segfs.%s", attribute_names[i]);
			char value[4096];

			/* not every file has each */
			if (getxattr(in_mount(name), attribute, value, sizeof(value)) < 0)
				assert_int_equal(errno, ENODATA);
			tell(attribute);
		}
		if (fd >= 0)
			close(fd);
	}
}

static void carry_out(const struct operation *operation)
{
	int result;

	operation_prepare(operation);
	result = operation->run();
	scene_settle();
	if (result < 0)
		fail_msg("%s: %s", operation->name, strerror(-result));
	tell(operation->name);
}

static void walk(const struct scene *scene)
{
	unsigned int before = atomic_load(&calls->n);

	scene_leave();
	assert_int_equal(scene_enter(&mount_here, scene), 0);
	operations_walk(operations_all, carry_out);
	scene_lay();
	read_attributes("file");
	read_attributes("a");
	scene_settle();
	assert_int_equal(atomic_load(&calls->n) - before, 0);
}

static void in_the_store(void **unused)
{
	(void)unused;
	walk(&scene_of_store);
}

static void in_segments(void **unused)
{
	(void)unused;
	walk(&scene_of_segments);
}

static void in_objects(void **unused)
{
	(void)unused;
	walk(&scene_of_objects);
}

static void in_a_process(void **unused)
{
	(void)unused;
	walk(&scene_of_process);
}

static void in_what_the_mount_tells(void **unused)
{
	(void)unused;
	walk(&scene_of_control);
}

/* Other threads inspect processes; the reader must not. */
static int chown_to_nobody(void *path)
{
	return chown(path, -1U, -1U) < 0 ? -errno : 0;
}

static int change_as_outsider(void *path)
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);

	return fd >= 0 && write(fd, "x", 1) == 1 && fallocate(fd, 0, 0, 4096) == 0 && truncate(path, 1) == 0
		       ? 0
		       : -errno;
}

/* Changing a file with set-id bits takes the identity of the requester and its system call. */
static void for_set_id_bits(void **unused)
{
	const char *path = path_of("%s/set-id", mount_here.path);
	static const mode_t modes[] = {06777, 02666, 04666};
	unsigned int before = atomic_load(&calls->n);

	(void)unused;
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		check(close((int)check(open(path, O_RDWR | O_CREAT | O_EXCL, 0666))));
		check(chmod(path, modes[i]));
		assert_int_equal(as_user(TEST_UID, TEST_GID, change_as_outsider, (void *)(uintptr_t)path), 0);
		check(chmod(path, modes[i]));
		assert_int_equal(as_user(TEST_UID, TEST_GID, chown_to_nobody, (void *)(uintptr_t)path),
				 -EPERM);
		check(unlink(path));
	}
	if (atomic_load(&calls->n) > before)
		fail_msg("the reader has called %s", calls->calls[before]);
}

static void calls_are_seen(void **unused)
{
	(void)unused;
	assert_true(atomic_load(&calls->looked) > 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(in_the_store),
		cmocka_unit_test(in_segments),
		cmocka_unit_test(in_objects),
		cmocka_unit_test(in_a_process),
		cmocka_unit_test(in_what_the_mount_tells),
		cmocka_unit_test(for_set_id_bits),
		cmocka_unit_test(calls_are_seen),
	};

	machine_isolate();
	return cmocka_run_group_tests_name("reader", tests, start, stop);
}
