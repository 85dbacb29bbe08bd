// SPDX-License-Identifier: MIT
/* Lack of memory at the start of segfs, at the start of a worker, and while the configuration is reread. */
#include "lib/base/cleanup.h"
#include "lib/base/names.h"
#include "tests/lib/leaks.h"
#include "tests/lib/preload.h"
#include "tests/lib/shortage.h"
#include "tests/lib/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#define ALLOCATIONS_MAX 2000 /* more than a start makes */

static struct mount a_mount;
static struct mount *const m = &a_mount;

static const char config_text[] = "[mount]\nmode = 1755\nowner = root:daemon\n"
				  "[directory d]\nmedium = memory\nsize = 4M\nmode = 0750\nowner = daemon\n"
				  "[segment d/one]\nsize = 64K\nmode = 0640\nowner = root:daemon\n"
				  "[segment two]\nsize = 4K\nmode = 0600\n";

static const char *at(const char *name)
{
	return path_of("%s/%s", m->path, name);
}

static void expect_usable(void)
{
	char text[16];

	check(write_text(at("usable"), "yes"));
	check(read_text(path_of("%s/usable", m->store), text, sizeof(text)));
	assert_string_equal(text, "yes");
	check(unlink(at("usable")));
}

static bool is_declared(const char *path, off_t size, mode_t mode)
{
	struct stat found;

	return stat(path, &found) == 0 && found.st_size == size && (found.st_mode & 07777) == mode;
}

static int start(const char *config)
{
	const struct mount_spec spec = {
		.preload = preload_path("failmalloc"), .config = config, .options = "entry_timeout=0"};

	return mount_start(m, &spec);
}

static int stop(void **unused)
{
	(void)unused;
	shortage_end();
	return mount_stop(m);
}

/* --- segfs --- */

/* Runs segfs, which goes into the background, with its messages in a file. Returns its exit status. */
static int run_segfs(const char *path, const char *config, const char *messages)
{
	const char *const argv[] = {segfs_program(), "--log-level", "error", "--config", config, path, NULL};
	_cleanup_close_ int standard = dup(STDERR_FILENO);
	_cleanup_close_ int log = open(messages, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	int status;

	fflush(NULL);
	dup2(log, STDERR_FILENO);
	setenv("LD_PRELOAD", preload_path("failmalloc"), 1);
	status = run_program(argv);
	unsetenv("LD_PRELOAD");
	dup2(standard, STDERR_FILENO);
	return status;
}

/* Returns the exit status. */
static int start_lacking(const char *path, const char *config, int first, int last, int *failed)
{
	const char *messages = path_of("%s/messages.txt", test_directory());
	const struct mount end = {.name = ""};
	struct mount mount = end;
	char text[4096];
	int status;

	assert_int_equal(instance_name_from_path(path, mount.name), 0);
	shortage_begin(FAIL_IN_START, first, last, 0);
	status = run_segfs(path, config, messages);
	*failed = shortage_end();
	if (status == 0) {
		check(write_text(path_of("%s/usable", path), "yes"));
		assert_true(is_declared(path_of("%s/d/one", path), 65536, 0640));
		check(umount2(path, 0));
		assert_int_equal(mount_purge(&mount), 0);
	} else {
		check(read_text(messages, text, sizeof(text)));
		/* without memory the C library reports an unreadable user list as empty */
		if ((status != 1 && !(status == 2 && strstr(text, "there is no "))) ||
		    !strstr(text, "segfs: "))
			fail_msg("allocation %d: status %d, it said: '%s'", first, status, text);
	}
	/* everything that the start created is removed */
	if (access(path_of("/run/segfs/%s", mount.name), F_OK) == 0)
		fail_msg("allocation %d: status %d, /run/segfs/%s is left", first, status, mount.name);
	/* an empty directory, and no mount */
	check(rmdir(path));
	check(mkdir(path, 0755));
	return status;
}

static void the_start(void **unused)
{
	char path[PATH_MAX];
	char config[PATH_MAX];
	int failed = 1;
	int harmless = 0;
	int n;

	(void)unused;
	snprintf(path, sizeof(path), "%s/start", test_directory());
	snprintf(config, sizeof(config), "%s/start.ini", test_directory());
	check(mkdir(path, 0755));
	check(write_text(config, config_text));
	for (n = 1; n < ALLOCATIONS_MAX && failed > 0; n++)
		harmless += start_lacking(path, config, n, n, &failed) == 0;
	assert_int_equal(failed, 0);
	assert_int_equal(start_lacking(path, config, 1, SHORTAGE_ALL, &failed), 1);
	print_message("%d allocations, %d of no importance\n", n - 2, harmless - 1);
	assert_true(n > 20);
}

/* --- workers --- */

/* The first worker, before and during INIT. */
static void the_first_worker(void **unused)
{
	int failed = 1;
	int n;

	(void)unused;
	for (n = 1; n < ALLOCATIONS_MAX && failed > 0; n++) {
		shortage_begin_next(1, n, n);
		if (start(NULL) != 0)
			fail_msg("allocation %d", n);
		failed = shortage_end();
		expect_usable();
		assert_int_equal(mount_stop(m), 0);
	}
	print_message("%d allocations\n", n - 2);
	assert_true(n > 5);
}

static void several_first_workers(void **unused)
{
	(void)unused;
	for (int n = 1; n <= 7; n += 2) {
		shortage_begin_next(4, n, SHORTAGE_ALL);
		assert_int_equal(start(NULL), 0);
		shortage_end();
		expect_usable();
		assert_int_equal(mount_stop(m), 0);
	}
}

/* Open files stay open, and leftovers of the previous worker are closed. */
static void recovering_workers(void **unused)
{
	_cleanup_close_ int fd = -1;
	_cleanup_close_ int nameless = -1;
	int failed = 1;
	int n;

	(void)unused;
	assert_int_equal(start(NULL), 0);
	fd = (int)check(open(at("file"), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
	nameless = (int)check(open(at("nameless"), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
	check(unlink(at("nameless")));
	assert_int_equal(check(pwrite(nameless, "n", 1, 0)), 1);
	for (n = 1; n < ALLOCATIONS_MAX && failed > 0; n++) {
		pid_t worker = worker_pid(m);
		char byte;

		shortage_begin_next(1 + n % 2, n, n);
		worker_kill(m, worker);
		worker_wait_next(m, worker);
		failed = shortage_end();
		expect_usable();
		assert_int_equal(check(pread(nameless, &byte, 1, 0)), 1);
		assert_int_equal(byte, 'n');
		if (mount_verify(m, 2) < 0 || !no_lost_descriptors(m) || !no_lost_backing_ids(m))
			fail_msg("allocation %d", n);
	}
	print_message("%d allocations\n", n - 2);
	assert_true(n > 5);
	assert_false(log_has(m, "internal error"));
}

/* --- the configuration --- */

/* Completed reloads, counted by their messages. */
static unsigned int count_reloads(void)
{
	return log_count(m, "is in force") + log_count(m, "nothing was changed") +
	       log_count(m, "was not changed");
}

static void reload(void)
{
	unsigned int before = count_reloads();

	check(kill(m->supervisor, SIGHUP));
	assert_true(wait_for(count_reloads() > before));
}

static bool shows(const char *text)
{
	char config[8192];

	return read_text(at(".segfs/config"), config, sizeof(config)) > 0 && strstr(config, text);
}

static void reloads(void **unused)
{
	pid_t worker;
	int failed = 1;
	int n;

	(void)unused;
	assert_int_equal(start(config_text), 0);
	worker = worker_pid(m);
	for (n = 1; n < ALLOCATIONS_MAX && failed > 0; n++) {
		const char *name = path_of("[segment made-%d]", n);

		check(write_text(m->config,
				 path_of("%s%s\nsize = %dK\nmode = 0604\n", config_text, name, n)));
		shortage_begin(FAIL_IN_WORKER, n, n, 0);
		reload();
		failed = shortage_end();
		assert_int_equal(worker_pid(m), worker);
		/* existing segments remain */
		assert_true(is_declared(path_of("%s/d/one", m->path), 65536, 0640));
		if (failed > 0)
			reload();
		if (!is_declared(path_of("%s/made-%d", m->path, n), n * 1024, 0604) || !shows(name))
			fail_msg("allocation %d", n);
		if (mount_verify(m, 0) < 0 || !no_lost_descriptors(m))
			fail_msg("allocation %d", n);
	}
	print_message("%d allocations\n", n - 2);
	assert_true(n > 20 && n < ALLOCATIONS_MAX);
	assert_false(log_has(m, "internal error"));
}

#define CASE(function) cmocka_unit_test_teardown(function, stop)

int main(void)
{
	static const struct CMUnitTest cases[] = {
		CASE(the_start),          CASE(the_first_worker), CASE(several_first_workers),
		CASE(recovering_workers), CASE(reloads),
	};

	shortage_setup();
	return cmocka_run_group_tests_name("enomem at start", cases, NULL, NULL);
}
