// SPDX-License-Identifier: MIT
/* Errors of a configuration: every kind with its exact line; limits; messages are never truncated. */
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

#include "fs/config/parse.h"

/* fields of a policy, listed last in every section */
#define POLICY_NAMES ", lock, writers, commit, size-policy, lifetime"

static void parse(const char *text, struct config *config)
{
	char error[CONFIG_ERROR_MAX] = "";
	int status = config_parse(text, strlen(text), "t.ini", config, error);

	if (status)
		fail_msg("%s", error);
}

/* Parses invalid text, and compares the error line. */
static void expect_error(const char *text, size_t length, const char *expected)
{
	struct config config = {.n_segments = 4711};
	char error[CONFIG_ERROR_MAX] = "";

	assert_int_equal(config_parse(text, length, "t.ini", &config, error), -EINVAL);
	assert_string_equal(error, expected);
	assert_int_equal(config.n_segments, 4711);
}

static void says_what_is_wrong_with_sections(void **state)
{
	static const char *const cases[][2] = {
		{"[", "t.ini:1: the section header has no ']'; write [KIND] or [KIND NAME]"},
		{"\n[segment a", "t.ini:2: the section header has no ']'; write [KIND] or [KIND NAME]"},
		{"[segment a ;b]", "t.ini:1: the section header has no ']'; write [KIND] or [KIND NAME]"},
		{"[]", "t.ini:1: the section has no kind; known kinds are [mount], [directory NAME] and "
		       "[segment NAME]"},
		{"[ ]", "t.ini:1: the section has no kind; known kinds are [mount], [directory NAME] and "
			"[segment NAME]"},
		{"[lock x]",
		 "t.ini:1: unknown section kind 'lock'; known kinds are [mount], [directory NAME] and "
		 "[segment NAME]"},
		{"[Mount]",
		 "t.ini:1: unknown section kind 'Mount', perhaps 'mount'; known kinds are [mount], "
		 "[directory NAME] "
		 "and [segment NAME]"},
		{"[segmnet x]",
		 "t.ini:1: unknown section kind 'segmnet', perhaps 'segment'; known kinds are [mount], "
		 "[directory NAME] and [segment NAME]"},
		{"[mount x]", "t.ini:1: [mount] takes no name; write [mount]"},
		{"[mount]\n[segment a]\n[mount]",
		 "t.ini:3: [mount] is declared twice; move its keys into the section at line 1"},
		{"[segment]", "t.ini:1: [segment] has no name; write [segment NAME]"},
		{"[directory ]", "t.ini:1: [directory] has no name; write [directory NAME]"},
		{"[mount] path = /a",
		 "t.ini:1: 'path = /a' follows ']'; move it to a line of its own (names cannot contain ']')"},
		{"[segment a]b]",
		 "t.ini:1: 'b]' follows ']'; move it to a line of its own (names cannot contain ']')"},
		{"[segment /a]",
		 "t.ini:1: [segment /a]: the name has a '/' at the start or end, or two in a row; write it "
		 "relative to the mount, such as video/ring"},
		{"[directory a/]",
		 "t.ini:1: [directory a/]: the name has a '/' at the start or end, or two in a row; write it "
		 "relative to the mount, such as video/ring"},
		{"[segment a/../b]",
		 "t.ini:1: [segment a/../b]: the name has a component \".\" or \"..\"; remove it"},
		{"[segment a\tb]", "t.ini:1: [segment a?b]: the name has a control character; remove it"},
		{"[segment .segfs]",
		 "t.ini:1: [segment .segfs]: .segfs is reserved for segfs; use another name"},
		{"[directory .segfs/a]", "t.ini:1: [directory .segfs/a]: .segfs is reserved for segfs; "
					 "use another name"},
		{"[segment a]\n\n[segment a]",
		 "t.ini:3: [segment a] is declared twice; move its keys into the section at line 1"},
		{"[directory a/b]\n[directory a/b]",
		 "t.ini:2: [directory a/b] is declared twice; move its keys into the section at line 1"},
		{"[segment a]\n[directory a]",
		 "t.ini:2: [directory a] has the same name as the segment of line 1; use another name"},
		{"[directory a]\n[segment a]",
		 "t.ini:2: [segment a] has the same name as the directory of line 1; use another name"},
		{"[segment a]\n[segment a/b/c]",
		 "t.ini:2: [segment a/b/c] is below the segment 'a' of line 1, "
		 "which is not a directory; rename one of them"},
		{"[segment a/b]\n[directory a/b/c]",
		 "t.ini:2: [directory a/b/c] is below the segment 'a/b' of line 1, "
		 "which is not a directory; rename one of them"},
		{"[segment a/b]\n[segment a]", "t.ini:2: [segment a] is a directory, since line 1 declares a "
					       "name below it; use another name"},
		/* the first error is reported, though the second one is found before the end of a section */
		{"[directory a]\nsize = 1\n[directory a]",
		 "t.ini:2: size requires medium = memory, but [directory a] has no medium; write medium = "
		 "memory, or remove size"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		expect_error(cases[i][0], strlen(cases[i][0]), cases[i][1]);
}

#define A64            "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define LONG_USER_TEXT "[mount]\nowner = " A64 A64 A64 A64
#define LONG_USER_ERROR                                                                                      \
	"t.ini:2: owner = " A64 "aaaa...: there is no user with a name of 256 bytes; write one that "        \
	"exists, or a number"

static void says_what_is_wrong_with_keys(void **state)
{
	static const char *const cases[][2] = {
		{"size = 1",
		 "t.ini:1: 'size' precedes every section; move it into one of [mount], [directory NAME] "
		 "and [segment NAME]"},
		{"[mount]\nsize",
		 "t.ini:2: neither a section header, a key nor a comment; write KEY = VALUE"},
		{"[mount]\nsize\n[mount]",
		 "t.ini:2: neither a section header, a key nor a comment; write KEY = VALUE"},
		{"[mount]\nsize ;= 1",
		 "t.ini:2: neither a section header, a key nor a comment; write KEY = VALUE"},
		{"[mount]\nsize = 1\n  2",
		 "t.ini:3: neither a section header, a key nor a comment; write KEY = VALUE"},
		{"[segment s]\nsize\nsiez = 1\n",
		 "t.ini:2: neither a section header, a key nor a comment; write KEY = VALUE"},
		{"[segment s]\nsize\n[segment s]\n",
		 "t.ini:2: neither a section header, a key nor a comment; write KEY = VALUE"},
		{"[mount]\n= 1", "t.ini:2: no key before '='; write KEY = VALUE"},
		{"[mount]\nsize =", "t.ini:2: size has no value; write size = VALUE, or remove the line"},
		{"[mount]\nsize = ;1", "t.ini:2: size has no value; write size = VALUE, or remove the line"},
		{"[mount]\nsise = 1",
		 "t.ini:2: unknown key 'sise' in [mount], perhaps 'size'; known keys: path, "
		 "sources, hang-limit, max-nodes, max-handles, max-locks, hot-segments, max-waiting, "
		 "fsync, user-share, size, files, huge, numa, mode, owner" POLICY_NAMES},
		{"[directory d]\nquestion = 1",
		 "t.ini:2: unknown key 'question' in [directory d]; known keys: source, path, ipc-namespace, "
		 "medium, size, files, huge, numa, mode, owner" POLICY_NAMES},
		{"[directory d]\npath = /x",
		 "t.ini:2: path requires source = posix, but [directory d] has no source; remove path"},
		{"[directory d]\nsource = sysv\npath = /x",
		 "t.ini:3: path requires source = posix, but [directory d] has another one; remove path"},
		{"[directory d]\nipc-namespace = 1\nsource = posix",
		 "t.ini:2: ipc-namespace requires source = sysv, but [directory d] has another one; remove "
		 "ipc-namespace"},
		{"[directory d]\nmode = 0700\nsource = sysv",
		 "t.ini:2: mode is for stores only, but [directory d] has a source; remove one of the two"},
		{"[directory d]\nsource = process",
		 "t.ini:2: source = process: not a source for a directory; write posix or sysv"},
		{"[directory d]\nsource = sysv\nipc-namespace = 0",
		 "t.ini:3: ipc-namespace = 0: neither a pid nor the absolute path of a namespace; write one "
		 "of them"},
		{"[directory d]\nsource = sysv\nipc-namespace = ../x",
		 "t.ini:3: ipc-namespace = ../x: neither a pid nor the absolute path of a namespace; write "
		 "one of them"},
		{"[directory d]\nsource = posix\n[segment d/s]\nsize = 1",
		 "t.ini:3: 'd/s' is below a directory with a source (line 1); use another name"},
		{"[directory d/e]\n[directory d]\nsource = posix",
		 "t.ini:1: 'd/e' is below a directory with a source (line 2); use another name"},
		{"[segment sysv/x]\nsize = 1",
		 "t.ini:1: 'sysv/x' would be hidden by the directory of a source; use another name, or set "
		 "sources in [mount] without that source"},
		{"[mount]\nsources = posix sysv", "t.ini:2: sources = posix sysv: a comma is missing between "
						  "two sources; write for example posix, sysv"},
		{"[mount]\nsources = posix, store",
		 "t.ini:2: sources = posix, store: not a list of sources; write any of posix, sysv, process, "
		 "separated by commas, or none"},
		{"[mount]\nfsync = never",
		 "t.ini:2: fsync = never: neither auto nor always; write one of them"},
		{"[mount]\nhot-segments = -1",
		 "t.ini:2: hot-segments = -1: not a count; write a whole number from 0 to 64M"},
		{"[mount]\nhot-segments = 65M",
		 "t.ini:2: hot-segments = 65M: not a count; write a whole number from 0 to 64M"},
		{"[mount]\nmax-nodes = 1",
		 "t.ini:2: max-nodes = 1: not a count; write a whole number from 64 to 64M"},
		{"[mount]\nfiles = many",
		 "t.ini:2: files = many: not a count; write a whole number from 64 to 64M"},
		{"[mount]\nuser-share = 0%", "t.ini:2: user-share = 0%: not a percentage; write 1% to 100%"},
		{"[mount]\nuser-share = 50 %",
		 "t.ini:2: user-share = 50 %: not a percentage; write 1% to 100%"},
		{"[mount]\nhang-limit = -1s", "t.ini:2: hang-limit = -1s: not a time; write a whole number "
					      "with ms, s, m, h or d, such as 10s, or 0 for never"},
		{"[mount]\nhang-limit = 10 parsecs",
		 "t.ini:2: hang-limit = 10 parsecs: not a time; write a whole number with ms, s, m, h or d, "
		 "such as 10s, or 0 for never"},
		{"[mount]\nsources = posix,", "t.ini:2: sources = posix,: not a list of sources; write any "
					      "of posix, sysv, process, separated by commas, or none"},
		{"[segment s]\nMode = 1",
		 "t.ini:2: unknown key 'Mode' in [segment s], perhaps 'mode'; known keys: size, "
		 "mode, owner, load" POLICY_NAMES},
		{"[segment s]\nlack = mandatory", "t.ini:2: unknown key 'lack' in [segment s], perhaps "
						  "'lock'; known keys: size, mode, owner, load" POLICY_NAMES},
		{"[mount]\nsize = 1\nmode = 1\nsize = 2",
		 "t.ini:4: size is set twice in [mount]; remove this line or line 2"},
		{"[segment s]\nsize = 12Q",
		 "t.ini:2: size = 12Q: not a size; write bytes, or a whole number with K, M, "
		 "G, T, P or E, such as 64M"},
		{"[segment s]\nsize = 0", "t.ini:2: size = 0: the size is zero; write at least 1"},
		{"[segment s]\nsize = 8E",
		 "t.ini:2: size = 8E: too large; the largest is 9223372036854775807"},
		{"[segment s]\nsize = 16E",
		 "t.ini:2: size = 16E: too large; the largest is 9223372036854775807"},
		{"[segment s]\nmode = 0o660",
		 "t.ini:2: mode = 0o660: not an octal number; write permissions such as 0660"},
		{"[segment s]\nmode = 8",
		 "t.ini:2: mode = 8: not an octal number; write permissions such as 0660"},
		{"[segment s]\nmode = 10000", "t.ini:2: mode = 10000: too large; the largest mode is 7777"},
		{"[segment s]\nmode = 7777777777777777777777777",
		 "t.ini:2: mode = 7777777777777777777777777: too large; the largest mode is 7777"},
		{"[mount]\nowner = no-such-user", "t.ini:2: owner = no-such-user: there is no user "
						  "'no-such-user'; write one that exists, or a number"},
		{"[mount]\nowner = root:no-such-group",
		 "t.ini:2: owner = root:no-such-group: there is no group "
		 "'no-such-group'; write one that exists, or a number"},
		{"[mount]\nowner = :root",
		 "t.ini:2: owner = :root: the user is missing; write user or user:group"},
		{"[mount]\nowner = root:",
		 "t.ini:2: owner = root:: the group is missing; write user or user:group"},
		{"[mount]\nowner = 4294967295:0",
		 "t.ini:2: owner = 4294967295:0: the id is too large; the largest is 4294967294"},
		{"[mount]\nowner = 0:99999999999999999999999",
		 "t.ini:2: owner = 0:99999999999999999999999: the id is too large; the largest is "
		 "4294967294"},
		{"[mount]\nowner = 4294967294",
		 "t.ini:2: owner = 4294967294: user 4294967294 has no passwd entry with a "
		 "group; write 4294967294:GROUP"},
		{LONG_USER_TEXT, LONG_USER_ERROR},
		{"[mount]\nhuge = force",
		 "t.ini:2: huge = force: not a huge page policy; write never, always, within_size or advise"},
		{"[mount]\nnuma = near:0", "t.ini:2: numa = near:0: not a tmpfs policy; write default, "
					   "local, prefer:N, bind:LIST, interleave:LIST, "
					   "\"prefer (many):LIST\" or \"weighted interleave:LIST\""},
		{"[mount]\npath = mnt", "t.ini:2: path = mnt: not an absolute path; begin it with '/'"},
		{"[mount]\npath = //",
		 "t.ini:2: path = //: the root directory is not allowed; write a path below it"},
		{"[mount]\npath = /a/../b",
		 "t.ini:2: path = /a/../b: the path contains \"..\" or a control character; remove it"},
		{"[directory d]\nmedium = disk",
		 "t.ini:2: medium = disk: not a medium; write memory, or the absolute path of a directory"},
		{"[directory d]\nmedium = /..",
		 "t.ini:2: medium = /..: the path contains \"..\" or a control character; remove it"},
		{"[segment s]\nload = a.bin",
		 "t.ini:2: load = a.bin: not an absolute path; begin it with '/'"},
		{"[segment s]\ncommit = true",
		 "t.ini:2: commit = true: neither yes nor no; write one of them"},
		{"[segment s]\nlock = yes",
		 "t.ini:2: lock = yes: neither mandatory nor advisory; write one of them"},
		{"[directory s]\nwriters = -1",
		 "t.ini:2: writers = -1: not a number of writers; write 0 for any number, or 1 to 65535"},
		{"[mount]\nsize-policy = 1M",
		 "t.ini:2: size-policy = 1M: neither fixed nor variable; write one of them"},
		{"[segment s]\nlifetime = ever",
		 "t.ini:2: lifetime = ever: not a lifetime; write persistent, last-close, "
		 "owner, or ttl:TIME such as ttl:30s"},
		{"[segment s]\nlifetime = ttl:0",
		 "t.ini:2: lifetime = ttl:0: not a time; write a whole number above 0 with "
		 "ms, s, m, h or d, such as ttl:30s"},
		{"[segment s]\nlifetime = ttl:9999d",
		 "t.ini:2: lifetime = ttl:9999d: too long a time; the longest is ttl:3650d"},
		{"[segment s]\nsize = 1\nlifetime = owner\n[mount]",
		 "t.ini:3: lifetime = owner: no process creates [segment s]; write persistent, last-close or "
		 "ttl:TIME"},
		{"[directory d]\nmedium = /x\nmode = 1\nhuge = never\nsize = 1\n[segment s]",
		 "t.ini:4: huge requires medium = memory, but [directory d] has another medium; "
		 "write medium = memory, or remove huge"},
		{"[directory d]\nnuma = local",
		 "t.ini:2: numa requires medium = memory, but [directory d] has no medium; "
		 "write medium = memory, or remove numa"},
		{"[directory d]\nsize = 1\nmedium = /x",
		 "t.ini:2: size requires medium = memory, but [directory d] has another "
		 "medium; write medium = memory, or remove size"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		expect_error(cases[i][0], strlen(cases[i][0]), cases[i][1]);
}

static void says_what_is_wrong_with_bytes(void **state)
{
	static const struct {
		const char *text;
		size_t length;
		const char *error;
	} cases[] = {
		{"[mount]\nsize\0 = 1\n", 19,
		 "t.ini:2: control character 0x00 at byte 5 of the line; remove it"},
		{"; a\0b", 5, "t.ini:1: control character 0x00 at byte 4 of the line; remove it"},
		{"a\rb\n", 4, "t.ini:1: control character 0x0d at byte 2 of the line; remove it"},
		{"\n\x1b[mount]", 9, "t.ini:2: control character 0x1b at byte 1 of the line; remove it"},
		{"; \x7f", 3, "t.ini:1: control character 0x7f at byte 3 of the line; remove it"},
		{"[segment \xe4]", 11, "t.ini:1: byte 10 of the line is not UTF-8; save the file as UTF-8"},
		{"; \xc3", 3, "t.ini:1: byte 3 of the line is not UTF-8; save the file as UTF-8"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		expect_error(cases[i].text, cases[i].length, cases[i].error);
}

/* A line of `length` bytes: a prefix, then 'a', with a '/' after each 100. */
static char *long_line(const char *before, size_t length, const char *after)
{
	size_t before_length = strlen(before);
	char *text = malloc(before_length + length + strlen(after) + 1);

	assert_non_null(text);
	snprintf(text, before_length + 1, "%s", before);
	for (size_t i = 0; i < length; i++)
		text[before_length + i] = i % 100 ? 'a' : '/';
	memcpy(text + before_length + length, after, strlen(after) + 1);
	return text;
}

static void keeps_long_lines_whole(void **state)
{
	struct config config;
	char error[CONFIG_ERROR_MAX];
	char *text;

	(void)state;
	text = long_line("[segment a", PATH_MAX - 2, "]\n");
	parse(text, &config);
	assert_int_equal(strlen(config.segments[0].name), PATH_MAX - 1);
	config_free(&config);
	free(text);

	text = long_line("[segment a", PATH_MAX - 1, "]\n");
	assert_int_equal(config_parse(text, strlen(text), "t.ini", &config, error), -EINVAL);
	assert_non_null(strstr(error, "...]: the name has more than 4095 bytes; shorten it"));
	free(text);

	text = long_line("; ", 8190, "\n[segment b]\n");
	parse(text, &config);
	assert_int_equal(config.segments[0].line, 2);
	config_free(&config);
	free(text);

	text = long_line("; ", 8191, "\n");
	expect_error(text, strlen(text), "t.ini:1: the line has 8193 bytes; write at most 8192");
	free(text);
}

/*
 * Depends on the build of inih: at least 198 bytes of a line, on Debian all of it; never truncated without an
 * error.
 */
static void keeps_long_values_whole(void **state)
{
	(void)state;
	for (size_t length = 100; length < PATH_MAX + 2; length += length < 300 ? 1 : 37) {
		char *text = long_line("[segment s]\nload = ", length, " ; comment\n");
		struct config config;
		char error[CONFIG_ERROR_MAX];
		int status = config_parse(text, strlen(text), "t.ini", &config, error);

		if (status == 0) {
			/* a trailing '/' is removed */
			size_t left = length % 100 == 1 ? length - 1 : length;

			assert_true(left < PATH_MAX);
			assert_int_equal(strlen(config.segments[0].load), left);
			assert_memory_equal(config.segments[0].load, text + 19, left);
		} else {
			assert_int_equal(status, -EINVAL);
			assert_true(length > 180);
			assert_memory_equal(error, "t.ini:2: ", 9);
			if (length >= PATH_MAX)
				assert_true(strstr(error, ": too long; ") || strstr(error, "reads at most"));
			else
				assert_non_null(strstr(error, "reads at most"));
		}
		if (!status)
			config_free(&config);
		free(text);
	}
}

static void keeps_error_lines_whole(void **state)
{
	char file[600];
	char *text = long_line("[segment \xc3\xa4", 200, "]\n\xc3\xa4 = \xc3\xa4\n");
	struct config config;
	char error[CONFIG_ERROR_MAX];

	(void)state;
	memset(file, 'f', sizeof(file) - 1);
	file[sizeof(file) - 1] = 0;
	memcpy(file + 500, "\n\xc3\xa4\xff", 4);
	assert_int_equal(config_parse(text, strlen(text), file, &config, error), -EINVAL);
	assert_true(strlen(error) < CONFIG_ERROR_MAX - 1);
	assert_memory_equal(error, "...fff", 6);
	assert_non_null(strstr(error, "?\xc3\xa4?"));
	assert_non_null(strstr(error, ":2: unknown key '\xc3\xa4' in [segment \xc3\xa4/aaa"));
	assert_non_null(strstr(error, "...]; known keys: size, mode, owner, load" POLICY_NAMES));
	assert_null(strchr(error, '\n'));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(says_what_is_wrong_with_sections),
		cmocka_unit_test(says_what_is_wrong_with_keys),
		cmocka_unit_test(says_what_is_wrong_with_bytes),
		cmocka_unit_test(keeps_long_lines_whole),
		cmocka_unit_test(keeps_long_values_whole),
		cmocka_unit_test(keeps_error_lines_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
