// SPDX-License-Identifier: MIT
/*
 * The configuration without memory: each allocation fails in turn, then all after it too. The result is
 * always -ENOMEM or NULL, and nothing leaks.
 *
 * The allocator is replaced by a counting one, so this does not run with a sanitizer, which has its own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fs/config/parse.h"
#include "tests/unit/allocator.h"

/* Numeric ids, so that the name service of the system, which keeps memory, isn't used. */
static const char text[] =
	"[mount]\npath = /mnt/seg\nhuge = always\nnuma = local\nowner = 1:2\n"
	"[directory a/b/c]\nmedium = /x\n[directory a]\nmedium = memory\nhuge = never\nnuma = bind:0\n"
	"[segment a/b/s]\nowner = 3:4\nload = /y\n[segment t]\n[segment u]\n[segment v]\n";

/* Many names in a few directories. */
static char many[8000];

static void check_parse(const char *what, size_t length, bool all_after)
{
	for (long n = 0;; n++) {
		struct config config = {.n_segments = 4711};
		char error[CONFIG_ERROR_MAX] = "";
		int status;

		allocator_start(n, all_after);
		status = config_parse(what, length, "t.ini", &config, error);
		if (status == 0)
			config_free(&config);
		allocator_stop();
		assert_int_equal(allocator.blocks, 0);
		if (status == 0) {
			assert_true(n > 10);
			return;
		}
		assert_int_equal(status, -ENOMEM);
		assert_int_equal(config.n_segments, 4711);
		assert_memory_equal(error, "t.ini:", 6);
		assert_non_null(strstr(error, ": out of memory; "));
	}
}

static void needs_counting(void)
{
#ifndef ALLOCATOR_FAILS
	print_message(
		"missing: an allocator that can be replaced (a sanitizer or another libc has its own)\n");
	skip();
#endif
}

static void parses_without_memory(void **state)
{
	size_t used = 0;

	(void)state;
	needs_counting();
	check_parse(text, sizeof(text) - 1, false);
	check_parse(text, sizeof(text) - 1, true);
	for (int i = 0; used < sizeof(many) - 40; i++)
		used += (size_t)snprintf(many + used, sizeof(many) - used, "[segment %d/%d]\n", i % 7, i);
	check_parse(many, used, false);
}

static void formats_without_memory(void **state)
{
	struct config config;
	char error[CONFIG_ERROR_MAX];

	(void)state;
	needs_counting();
	assert_int_equal(config_parse(text, sizeof(text) - 1, "t.ini", &config, error), 0);
	for (long n = 0;; n++) {
		char *formatted;
		bool done;

		allocator_start(n, false);
		formatted = config_format(&config);
		done = formatted != NULL;
		free(formatted);
		allocator_stop();
		assert_int_equal(allocator.blocks, 0);
		if (done) {
			assert_true(n > 2);
			break;
		}
	}
	config_free(&config);
}

static void reads_without_memory(void **state)
{
	const char *folder = getenv("TMPDIR");
	char path[PATH_MAX];
	int fd;
	int status = -ENOMEM;

	(void)state;
	needs_counting();
	snprintf(path, sizeof(path), "%s/config-XXXXXX", folder ? folder : "/tmp");
	fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, sizeof(text) - 1), sizeof(text) - 1);
	close(fd);
	for (long n = 0; status == -ENOMEM; n++) {
		struct config config;
		char error[CONFIG_ERROR_MAX] = "";

		allocator_start(n, true);
		status = config_read(path, &config, error);
		if (!status)
			config_free(&config);
		allocator_stop();
		assert_int_equal(allocator.blocks, 0);
		if (status)
			assert_non_null(strstr(error, ": out of memory; "));
	}
	unlink(path);
	assert_int_equal(status, 0);
}

/*
 * A user name is looked up by the system's name service, which may report "not found" without memory. glibc's
 * (2.36) crashes if the first look-up of a process has no memory for its tables, so one is made before.
 */
static void looks_up_without_memory(void **state)
{
	static const char named[] = "[mount]\nowner = root:root\n[segment s]\nowner = root\n";
	int status = -ENOMEM;

	(void)state;
	needs_counting();
	assert_non_null(getpwnam("root"));
	assert_non_null(getgrnam("root"));
	for (long n = 0; status; n++) {
		struct config config;
		char error[CONFIG_ERROR_MAX] = "";

		assert_true(n < 1000);
		allocator_start(n, false);
		status = config_parse(named, sizeof(named) - 1, "t.ini", &config, error);
		allocator_stop();
		if (status)
			assert_true(status == -ENOMEM || status == -EINVAL);
		else
			config_free(&config);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parses_without_memory),
		cmocka_unit_test(formats_without_memory),
		cmocka_unit_test(reads_without_memory),
		cmocka_unit_test(looks_up_without_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
