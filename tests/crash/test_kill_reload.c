// SPDX-License-Identifier: MIT
/*
 * The worker is killed at each of its system calls while it rereads the configuration: a refused one is never
 * visible, and a valid one is in force in the end.
 */
#include "tests/lib/killpoint.h"
#include "tests/lib/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define POINTS_MAX 1500 /* more than any reload makes */

static struct mount mount;

static int start(void **unused)
{
	const struct mount_spec spec = {.config = "[mount]\nsources = none\n"};

	(void)unused;
	return mount_start(&mount, &spec);
}

static int stop(void **unused)
{
	(void)unused;
	return mount.running ? mount_stop(&mount) : 0;
}

/* Reloads a configuration with a kill at point `n`. Returns whether the worker was killed. */
static bool reload(const char *config, const char *text, unsigned int n)
{
	unsigned int before = log_count(&mount, text);
	struct killpoint point;
	bool killed;
	bool done;

	check(write_text(mount.config, config));
	assert_int_equal(killpoint_set(&point, &mount, n), 0);
	check(kill(mount.supervisor, SIGHUP));
	done = wait_for(log_count(&mount, text) > before);
	killed = killpoint_end(&point, &mount) > 0;
	/* a worker killed after the last step has a successor with nothing to do */
	assert_true(done);
	return killed;
}

static void a_refused_one(void **unused)
{
	bool killed = true;
	unsigned int n;

	(void)unused;
	for (n = 1; killed && n < POINTS_MAX; n++) {
		killed = reload("[mount]\nsources = none\n[directory web/shm]\nsource = sysv\nipc-namespace "
				"= 999999999\n",
				"was not changed", n);
		check_error(ENOENT, access(path_of("%s/web", mount.path), F_OK));
		assert_int_equal(mount_verify(&mount, 0), 0);
	}
	assert_true(n > 20 && n < POINTS_MAX);
}

static void a_right_one(void **unused)
{
	bool killed = true;
	unsigned int n;

	(void)unused;
	for (n = 1; killed && n < POINTS_MAX; n++) {
		char config[512];
		struct stat found;

		snprintf(config, sizeof(config),
			 "[mount]\nsources = none\n[directory d%u/memory]\nmedium = memory\nsize = 64K\nmode "
			 "= 0710\nowner = 11:12\n"
			 "[directory d%u/shm]\nsource = sysv\n[directory d%u/plain]\nmode = 0700\n[segment "
			 "d%u/plain/file]\nsize = 4K\nmode = 0640\n",
			 n, n, n, n);
		killed = reload(config, "is in force", n);
		check(stat(path_of("%s/d%u/memory", mount.path, n), &found));
		assert_int_equal(found.st_mode, S_IFDIR | 0710);
		assert_int_equal(found.st_uid, 11);
		check(access(path_of("%s/d%u/shm", mount.path, n), R_OK | X_OK));
		check_error(EINVAL, open(path_of("%s/d%u/shm/name", mount.path, n),
					 O_RDWR | O_CREAT | O_CLOEXEC, 0600));
		check(stat(path_of("%s/d%u/plain", mount.path, n), &found));
		assert_int_equal(found.st_mode, S_IFDIR | 0700);
		check(stat(path_of("%s/d%u/plain/file", mount.path, n), &found));
		assert_int_equal(found.st_mode, S_IFREG | 0640);
		assert_int_equal(found.st_size, 4096);
		assert_int_equal(mount_verify(&mount, 0), 0);
		/* the number of stores is limited */
		if (n % 50 == 0) {
			assert_int_equal(mount_stop(&mount), 0);
			assert_int_equal(start(NULL), 0);
		}
	}
	assert_true(n > 20 && n < POINTS_MAX);
}

int main(void)
{
	static const struct CMUnitTest all[] = {
		cmocka_unit_test(a_refused_one),
		cmocka_unit_test(a_right_one),
	};

	if (geteuid() != 0)
		skip_program("root");
	return cmocka_run_group_tests_name("reload", all, start, stop);
}
