// SPDX-License-Identifier: MIT
/*
 * Closed segments that stay registered with the kernel (hot-segments in [mount]): as many as configured, the
 * most recently closed ones; and what of them keeps nothing alive that is to go.
 */
#include "tests/lib/leaks.h"
#include "tests/lib/worker.h"
#include "tests/mount/harness.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#define MANY 300
#define MIB  (1024 * 1024)

static struct mount mount;

static const char *at(int number)
{
	return path_of("%s/%d", mount.path, number);
}

static void make_all(int n)
{
	for (int i = 0; i < n; i++)
		check(close((int)check(open(at(i), O_RDWR | O_CREAT | O_CLOEXEC, 0644))));
}

static void remove_all(int n)
{
	for (int i = 0; i < n; i++)
		check(unlink(at(i)));
}

static void open_each(int n)
{
	for (int i = 0; i < n; i++)
		check(close((int)check(open(at(i), O_RDWR | O_CLOEXEC))));
}

static bool are_hot(int n)
{
	return wait_for(mount_status(&mount, "nodes_hot") == n);
}

static void configure(const char *keys)
{
	assert_int_equal(write_text(mount.config, path_of("[mount]\nsize = 4M\n%s", keys)), 0);
	check(kill(mount.supervisor, SIGHUP));
}

static void by_default_many(void **unused)
{
	(void)unused;
	make_all(MANY);
	open_each(MANY);
	assert_true(are_hot(MANY));
	open_each(MANY);
	worker_replace(&mount);
	assert_true(are_hot(MANY));
	open_each(MANY);
	/* names that go take theirs with them */
	remove_all(MANY / 2);
	assert_true(are_hot(MANY - MANY / 2));
	make_all(MANY / 2);
	remove_all(MANY);
	assert_true(are_hot(0));
}

static void as_many_as_configured(void **unused)
{
	(void)unused;
	make_all(MANY);
	assert_true(are_hot(MANY));
	configure("hot-segments = 10\n");
	assert_true(are_hot(10));
	open_each(MANY);
	assert_true(are_hot(10));
	worker_replace(&mount);
	assert_true(are_hot(10));
	configure("hot-segments = 0\n");
	assert_true(are_hot(0));
	open_each(MANY);
	assert_true(are_hot(0));
	configure("");
	assert_true(wait_for(({
		open_each(20);
		mount_status(&mount, "nodes_hot") == 20;
	})));
	remove_all(MANY);
}

/* A file that was removed behind the mount is kept by nothing but its passthrough id. */
static void not_when_the_store_is_full(void **unused)
{
	int fd = (int)check(open(at(0), O_RDWR | O_CREAT | O_CLOEXEC, 0644));

	(void)unused;
	check(fallocate(fd, 0, 0, 3 * MIB));
	check(close(fd));
	assert_true(are_hot(1));
	check(unlink(path_of("%s/0", mount.store)));
	fd = (int)check(open(at(1), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
	check(fallocate(fd, 0, 0, 3 * MIB));
	assert_true(are_hot(0));
	/* what is full stays full */
	check_error(ENOSPC, fallocate(fd, 0, 0, 5 * MIB));
	check(close(fd));
	check(unlink(at(1)));
}

static int start(void **unused)
{
	const struct mount_spec spec = {.config = "[mount]\nsize = 4M\n",
					.options = "entry_timeout=600,attr_timeout=600"};

	(void)unused;
	return mount_start(&mount, &spec);
}

static int verify(void **unused)
{
	(void)unused;
	return verify_nothing_lost(&mount);
}

static int stop(void **unused)
{
	(void)unused;
	return mount_stop(&mount);
}

int main(void)
{
	static const struct CMUnitTest cases[] = {
		cmocka_unit_test_teardown(by_default_many, verify),
		cmocka_unit_test_teardown(as_many_as_configured, verify),
		cmocka_unit_test_teardown(not_when_the_store_is_full, verify),
	};

	if (geteuid() != 0)
		skip_program("root");
	if (!kernel_has("passthrough"))
		skip_program("passthrough");
	return cmocka_run_group_tests(cases, start, stop);
}
