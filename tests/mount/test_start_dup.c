// SPDX-License-Identifier: MIT
/*
 * Each duplication of a descriptor fails in turn at the start of segfs: it says so, or does without; also
 * where it takes over what an earlier segfs has mounted.
 */
#include "lib/base/names.h"
#include "tests/lib/preload.h"
#include "tests/mount/harness.h"
#include "tests/preload/faildup.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define CALLS_MAX 100 /* more than a start makes */

static const char config_text[] = "[directory d]\nmedium = memory\nsize = 4M\nmode = 0750\n"
				  "[segment d/one]\nsize = 64K\nmode = 0640\n"
				  "[directory shm]\nsource = posix\n";

static struct fail_dup *plan;
static char path[PATH_MAX];
static char config[PATH_MAX];

/* Runs segfs, which goes into the background, with its messages in a file. Returns its exit status. */
static int run_segfs(const char *messages)
{
	const char *const argv[] = {segfs_program(), "--log-level", "error", "--config", config, path, NULL};
	int status;
	pid_t child;

	fflush(NULL);
	child = (pid_t)check(fork());
	if (child == 0) {
		int log = open(messages, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

		if (log < 0 || dup2(log, STDERR_FILENO) < 0 ||
		    setenv("LD_PRELOAD", preload_path("faildup"), 1) < 0)
			_exit(127);
		_exit(run_program(argv));
	}
	assert_int_equal(check(waitpid(child, &status, 0)), child);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static bool is_declared(void)
{
	struct stat found;

	return stat(path_of("%s/d/one", path), &found) == 0 && found.st_size == 65536 &&
	       found.st_mode == (S_IFREG | 0640);
}

/* Whether it is the directory of the machine's objects. */
static bool shows_objects(const char *directory)
{
	struct stat shown;
	struct stat native;

	return stat(path_of("%s/%s", path, directory), &shown) == 0 && stat("/dev/shm", &native) == 0 &&
	       shown.st_mode == native.st_mode && shown.st_uid == native.st_uid;
}

/* Starts with one call failing, 0 = none, and ends again; the store is kept. Returns whether one has failed.
 */
static bool try_start(int call)
{
	const char *messages = path_of("%s/messages.txt", test_directory());
	char text[4096];
	int status;

	atomic_store(&plan->count, 0);
	atomic_store(&plan->failed, 0);
	atomic_store(&plan->call, call);
	status = run_segfs(messages);
	atomic_store(&plan->call, 0);
	if (status == 0) {
		assert_true(is_declared());
		assert_true(shows_objects("posix"));
		assert_true(shows_objects("shm"));
		check(umount2(path, 0));
	} else {
		check(read_text(messages, text, sizeof(text)));
		/* 2: the line of the configuration that could not be put in force */
		if ((status != 1 && status != 2) || !strstr(text, "segfs: ") ||
		    !strstr(text, "Too many open files"))
			fail_msg("call %d: status %d, it said: '%s'", call, status, text);
	}
	/* an empty directory, and no mount */
	check(rmdir(path));
	check(mkdir(path, 0755));
	return atomic_load(&plan->failed) > 0;
}

/* Removes what is there of the instance. */
static void purge(void)
{
	struct mount mount = {.name = ""};

	assert_int_equal(instance_name_from_path(path, mount.name), 0);
	if (access(path_of("/run/segfs/%s", mount.name), F_OK) == 0)
		assert_int_equal(mount_purge(&mount), 0);
}

static void the_first_start(void **unused)
{
	int call = 1;

	(void)unused;
	for (; try_start(call); call++) {
		assert_true(call < CALLS_MAX);
		purge();
	}
	purge();
	print_message("%d calls\n", call - 1);
	assert_true(call > 3);
}

/* What is mounted already is taken over. */
static void a_further_start(void **unused)
{
	int call = 1;

	(void)unused;
	try_start(0);
	for (; try_start(call); call++)
		assert_true(call < CALLS_MAX);
	purge();
	print_message("%d calls\n", call - 1);
	assert_true(call > 3);
}

int main(void)
{
	static const struct CMUnitTest all[] = {
		cmocka_unit_test(the_first_start),
		cmocka_unit_test(a_further_start),
	};

	if (geteuid() != 0)
		skip_program("root");
	plan = preload_plan("faildup", "FAIL_DUP", sizeof(*plan));
	snprintf(path, sizeof(path), "%s/start", test_directory());
	snprintf(config, sizeof(config), "%s/start.ini", test_directory());
	if (!plan || mkdir(path, 0755) < 0 || write_text(config, config_text) < 0)
		return 1;
	preload_with_sanitizers("");
	return cmocka_run_group_tests_name("start", all, NULL, NULL);
}
