// SPDX-License-Identifier: MIT
/* The configuration: every key, syntax around keys, files, and formatting as text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fs/config/parse.h"

static void parse(const char *text, struct config *config)
{
	char error[CONFIG_ERROR_MAX] = "";
	int status = config_parse(text, strlen(text), "t.ini", config, error);

	if (status)
		fail_msg("%s", error);
}

static void reads_nothing(void **state)
{
	static const char *const texts[] = {
		"", "\n", "\n\n", " \t\n", "; only\n# comments", "\xef\xbb\xbf", "[mount]"};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct config config;

		parse(texts[i], &config);
		assert_null(config.mount_path);
		assert_int_equal(config.root.medium, MEDIUM_MEMORY);
		assert_true(config.root.size == 0);
		assert_null(config.root.huge);
		assert_null(config.root.numa);
		assert_false(config.root.has_mode);
		assert_false(config.root.has_owner);
		assert_int_equal(config.n_directories, 0);
		assert_int_equal(config.n_segments, 0);
		config_free(&config);
	}
}

static void reads_every_key(void **state)
{
	struct config config;
	const struct config_directory *directory;
	const struct config_segment *segment;

	(void)state;
	parse("[mount]\n"
	      "path = /mnt/seg\n"
	      "size = 1G\n"
	      "huge = advise\n"
	      "numa = bind=static:0,2-3\n"
	      "mode = 1770\n"
	      "owner = root\n"
	      "[directory video]\n"
	      "medium = memory\n"
	      "size = 2G\n"
	      "huge = always\n"
	      "numa = interleave:0-1\n"
	      "mode = 2770\n"
	      "owner = root:root\n"
	      "[directory archive]\n"
	      "medium = /var/lib//segfs/archive/\n"
	      "mode = 0\n"
	      "owner = 1:2\n"
	      "[directory plain]\n"
	      "[segment video/ring]\n"
	      "size = 256M\n"
	      "mode = 0660\n"
	      "owner = 4294967294:0\n"
	      "commit = yes\n"
	      "load = /usr/share/cam/calibration.bin\n"
	      "[segment bare]\n",
	      &config);
	assert_string_equal(config.mount_path, "/mnt/seg");
	assert_int_equal(config.root.medium, MEDIUM_MEMORY);
	assert_true(config.root.size == UINT64_C(1) << 30);
	assert_string_equal(config.root.huge, "advise");
	assert_string_equal(config.root.numa, "bind=static:0,2-3");
	assert_true(config.root.has_mode);
	assert_int_equal(config.root.mode, 01770);
	assert_true(config.root.has_owner);
	assert_int_equal(config.root.owner, 0);
	assert_int_equal(config.root.group, 0);

	assert_int_equal(config.n_directories, 3);
	directory = &config.directories[0];
	assert_string_equal(directory->name, "video");
	assert_int_equal(directory->line, 8);
	assert_int_equal(directory->store.medium, MEDIUM_MEMORY);
	assert_null(directory->store.path);
	assert_true(directory->store.size == UINT64_C(2) << 30);
	assert_string_equal(directory->store.huge, "always");
	assert_string_equal(directory->store.numa, "interleave:0-1");
	assert_int_equal(directory->store.mode, 02770);
	assert_true(directory->store.has_owner);
	directory = &config.directories[1];
	assert_int_equal(directory->store.medium, MEDIUM_PATH);
	assert_string_equal(directory->store.path, "/var/lib/segfs/archive");
	assert_true(directory->store.has_mode);
	assert_int_equal(directory->store.mode, 0);
	assert_int_equal(directory->store.owner, 1);
	assert_int_equal(directory->store.group, 2);
	directory = &config.directories[2];
	assert_int_equal(directory->store.medium, MEDIUM_PARENT);
	assert_false(directory->store.has_mode);
	assert_false(directory->store.has_owner);

	assert_int_equal(config.n_segments, 2);
	segment = &config.segments[0];
	assert_string_equal(segment->name, "video/ring");
	assert_int_equal(segment->line, 20);
	assert_true(segment->has_size);
	assert_true(segment->size == UINT64_C(256) << 20);
	assert_true(segment->has_mode);
	assert_int_equal(segment->mode, 0660);
	assert_true(segment->has_owner);
	assert_true(segment->owner == 4294967294u);
	assert_int_equal(segment->group, 0);
	assert_true(segment->policy.given[POLICY_COMMIT] && segment->policy.policy.commit);
	assert_string_equal(segment->load, "/usr/share/cam/calibration.bin");
	segment = &config.segments[1];
	assert_string_equal(segment->name, "bare");
	assert_false(segment->has_size);
	assert_false(segment->has_mode);
	assert_int_equal(segment->mode, 0600);
	assert_false(segment->has_owner);
	assert_false(segment->policy.given[POLICY_COMMIT]);
	assert_null(segment->load);
	config_free(&config);
	assert_null(config.segments);
}

static void reads_layouts(void **state)
{
	struct config config;

	(void)state;
	parse("\xef\xbb\xbf[mount] ; comment\r\n"
	      "\tpath=/a b ; comment\r\n"
	      "  size : 8 \r\n"
	      "  # comment = 3\r\n"
	      "\r\n"
	      "[\tsegment  a b#c;d ] # comment\n"
	      "load = /x;y#z = w",
	      &config);
	assert_string_equal(config.mount_path, "/a b");
	assert_true(config.root.size == 8);
	assert_string_equal(config.segments[0].name, "a b#c;d");
	assert_int_equal(config.segments[0].line, 6);
	assert_string_equal(config.segments[0].load, "/x;y#z = w");
	config_free(&config);
}

static void accepts_every_numa_policy(void **state)
{
	static const char *const good[] = {
		"default",
		"local",
		"prefer:0",
		"prefer=static:1",
		"prefer=relative:1023",
		"bind:0",
		"bind:0-3,5,7-7",
		"bind=static:0,1",
		"interleave",
		"interleave:0-1",
		"interleave=relative:0",
		"prefer (many):0,1",
		"prefer (many)=static:0-1",
		"weighted interleave",
		"weighted interleave:0-1",
	};
	static const char *const bad[] = {"Default", "many:0", "0-1", ":0", "=static", "prefers:0", "bin:0"};
	char text[128];

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct config config;

		snprintf(text, sizeof(text), "[mount]\nnuma = %s\n", good[i]);
		parse(text, &config);
		assert_string_equal(config.root.numa, good[i]);
		config_free(&config);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct config config;
		char error[CONFIG_ERROR_MAX] = "";
		char begin[64];

		snprintf(text, sizeof(text), "[mount]\nnuma = %s\n", bad[i]);
		snprintf(begin, sizeof(begin), "t.ini:2: numa = %s: ", bad[i]);
		if (config_parse(text, strlen(text), "t.ini", &config, error) != -EINVAL)
			fail_msg("numa = %s was taken", bad[i]);
		assert_memory_equal(error, begin, strlen(begin));
		assert_non_null(strstr(error, "; "));
	}
}

static void puts_parents_first(void **state)
{
	static const char *const order[] = {"z", "b", "c", "z/y", "b/x", "c/w", "z/y/x", "c/v/u"};
	struct config config;

	(void)state;
	parse("[directory z/y/x]\n[directory z/y]\n[directory z]\n[directory b/x]\n[directory "
	      "c/v/u]\n[directory b]\n"
	      "[directory c]\n[directory c/w]\n",
	      &config);
	assert_int_equal(config.n_directories, 8);
	for (size_t i = 0; i < 8; i++)
		assert_string_equal(config.directories[i].name, order[i]);
	config_free(&config);
}

static void reads_many_sections(void **state)
{
	enum { MANY = 50000 };
	char *text = malloc(MANY * 40);
	size_t used = 0;
	struct config config;
	char error[CONFIG_ERROR_MAX];
	char name[40];

	(void)state;
	assert_non_null(text);
	for (int i = 0; i < MANY; i++)
		used += (size_t)sprintf(text + used, i % 2 ? "[segment d%d/s]\n" : "[directory d%d]\n",
					i / 2);
	assert_int_equal(config_parse(text, used, "t.ini", &config, error), 0);
	assert_int_equal(config.n_directories, MANY / 2);
	assert_int_equal(config.n_segments, MANY / 2);
	for (int i = 0; i < MANY / 2; i++) {
		snprintf(name, sizeof(name), "d%d", i);
		assert_string_equal(config.directories[i].name, name);
		snprintf(name, sizeof(name), "d%d/s", i);
		assert_string_equal(config.segments[i].name, name);
	}
	config_free(&config);
	free(text);
}

static void writes_what_it_read(void **state)
{
	static const char *const cases[][2] = {
		{"", "[mount]\n"},
		{"[mount]\npath=//mnt/./seg/\nsize=1024K\nhuge=never\nnuma=prefer "
		 "(many):0,1\nmode=770\nowner=root",
		 "[mount]\npath = /mnt/seg\nsize = 1M\nhuge = never\nnuma = prefer (many):0,1\nmode = "
		 "0770\nowner = 0:0\n"},
		{"[segment s]\ncommit = no\nmode = 600\nsize = 9223372036854775807\n[directory "
		 "a/b]\nmedium=memory\n"
		 "[directory a]\nmedium = /x y /\n[segment t]\nload=/l\ncommit=yes\nowner=5:6\n",
		 "[mount]\n\n[directory a]\nmedium = /x y /\n\n[directory a/b]\nmedium = memory\n\n[segment "
		 "s]\n"
		 "size = 9223372036854775807\nmode = 0600\ncommit = no\n\n[segment t]\nowner = 5:6\nload = "
		 "/l\n"
		 "commit = yes\n"},
		{"[mount]\nsources = sysv,posix\n[directory d]\npath = //a//b\nsource = posix\n[directory "
		 "e]\nsource=sysv\nipc-namespace=17",
		 "[mount]\nsources = posix, sysv\n\n[directory d]\nsource = posix\npath = /a/b\n\n"
		 "[directory e]\nsource = sysv\nipc-namespace = 17\n"},
		{"[mount]\nhang-limit = 120s", "[mount]\nhang-limit = 2m\n"},
		{"[mount]\nuser-share = 7\nmax-nodes = 2048\nhot-segments=0\nfsync=always\nmax-waiting = "
		 "1M\nmax-locks=100\nmax-handles = 64\nfiles = 3K",
		 "[mount]\nmax-nodes = 2K\nmax-handles = 64\nmax-locks = 100\nhot-segments = 0\nmax-waiting "
		 "= 1M\nfsync = always\nuser-share = 7%\nfiles = 3K\n"},
		{"[mount]\nfsync = auto", "[mount]\n"},
		{"[mount]\nhang-limit = 0", "[mount]\nhang-limit = 0\n"},
		{"[mount]\nsources = none\n[directory e]\nsource=sysv\nipc-namespace=/run/ns",
		 "[mount]\nsources = none\n\n[directory e]\nsource = sysv\nipc-namespace = /run/ns\n"},
		{"[mount]\nwriters = 007\n[directory d]\nlifetime = owner\nlock=mandatory\n"
		 "[segment s]\nlifetime = ttl:120s\nsize-policy=fixed\nlock = advisory",
		 "[mount]\nwriters = 7\n\n[directory d]\nlock = mandatory\nlifetime = owner\n\n"
		 "[segment s]\nlock = advisory\nsize-policy = fixed\nlifetime = ttl:2m\n"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct config config;
		char *text;
		char *again;

		parse(cases[i][0], &config);
		text = config_format(&config);
		assert_non_null(text);
		assert_string_equal(text, cases[i][1]);
		config_free(&config);
		parse(text, &config);
		again = config_format(&config);
		assert_string_equal(again, text);
		config_free(&config);
		free(text);
		free(again);
	}
}

static void reads_files(void **state)
{
	const char *folder = getenv("TMPDIR");
	struct config config = {.n_segments = 4711};
	char path[PATH_MAX];
	char error[CONFIG_ERROR_MAX];
	char expected[PATH_MAX + 100];
	static char big[1024 * 1024 + 1];
	int fd;

	(void)state;
	snprintf(path, sizeof(path), "%s/config-XXXXXX", folder ? folder : "/tmp");
	fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "[segment a]\n", 12), 12);
	assert_int_equal(config_read(path, &config, error), 0);
	assert_int_equal(config.n_segments, 1);
	config_free(&config);

	assert_int_equal(write(fd, "x", 1), 1);
	assert_int_equal(config_read(path, &config, error), -EINVAL);
	snprintf(expected, sizeof(expected),
		 "%s:2: neither a section header, a key nor a comment; write KEY = VALUE", path);
	assert_string_equal(error, expected);

	memset(big, '\n', sizeof(big));
	assert_int_equal(pwrite(fd, big, sizeof(big) - 1, 0), sizeof(big) - 1);
	assert_int_equal(config_read(path, &config, error), 0);
	config_free(&config);
	assert_int_equal(pwrite(fd, big, sizeof(big), 0), sizeof(big));
	assert_int_equal(config_read(path, &config, error), -EFBIG);
	snprintf(expected, sizeof(expected), "%s: larger than 1 MiB; name a configuration file", path);
	assert_string_equal(error, expected);
	close(fd);
	unlink(path);

	assert_int_equal(config_read("/", &config, error), -EISDIR);
	assert_string_equal(error, "/: cannot be read: Is a directory; name a readable configuration file");
	assert_int_equal(config_read(path, &config, error), -ENOENT);
	snprintf(expected, sizeof(expected),
		 "%s: cannot be read: No such file or directory; name a readable configuration file", path);
	assert_string_equal(error, expected);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_nothing),       cmocka_unit_test(reads_every_key),
		cmocka_unit_test(reads_layouts),       cmocka_unit_test(accepts_every_numa_policy),
		cmocka_unit_test(puts_parents_first),  cmocka_unit_test(reads_many_sections),
		cmocka_unit_test(writes_what_it_read), cmocka_unit_test(reads_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
