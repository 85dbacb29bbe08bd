// SPDX-License-Identifier: MIT
/* The names under process/ and the lines of /proc from which they are made. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "fs/source/process_names.h"

static void numbers_have_one_form(void **state)
{
	static const char *const wrong[] = {"",
					    "0",
					    "01",
					    "+1",
					    "-1",
					    " 1",
					    "1 ",
					    "1a",
					    "a",
					    "0x1",
					    "2147483648",
					    "18446744073709551617",
					    "99999999999999999999999"};
	pid_t pid = -1;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_false(process_parse_number(wrong[i], &pid));
	assert_int_equal(pid, -1);
	assert_true(process_parse_number("1", &pid));
	assert_int_equal(pid, 1);
	assert_true(process_parse_number("2147483647", &pid));
	assert_int_equal(pid, 2147483647);
}

static void names_are_parsed(void **state)
{
	static const struct {
		const char *name;
		struct process_name parsed; /* kind 0: not a name */
	} cases[] = {
		{"memfd-3-x", {PROCESS_MEMFD, 3, 0}},
		{"memfd-0-", {PROCESS_MEMFD, 0, 0}},
		{"memfd-12-a-b", {PROCESS_MEMFD, 12, 0}},
		{"memfd-2147483647-x", {PROCESS_MEMFD, 2147483647, 0}},
		{"anon-7f0000000000-7f0000001000", {PROCESS_ANONYMOUS, 0x7f0000000000, 0x7f0000001000}},
		{"anon-00400000-00401000", {PROCESS_ANONYMOUS, 0x400000, 0x401000}},
		{"anon-ffffffffff600000-ffffffffff601000",
		 {PROCESS_ANONYMOUS, 0xffffffffff600000, 0xffffffffff601000}},
		{"deleted-7f0000000000-x", {PROCESS_DELETED, 0x7f0000000000, 0}},
		{"deleted-00010000-", {PROCESS_DELETED, 0x10000, 0}},
		{"memfd-3", {0}},
		{"memfd--x", {0}},
		{"memfd-03-x", {0}},
		{"memfd-2147483648-x", {0}},
		{"memfd-99999999999999999999999999-x", {0}},
		{"memfd", {0}},
		{"Memfd-3-x", {0}},
		{"anon-7f0000000000", {0}},
		{"anon-7f0000000000-", {0}},
		{"anon-7f0000000000-7f0000001000-", {0}},
		{"anon-7F0000000000-7F0000001000", {0}},
		{"anon-07f0000000000-7f0000001000", {0}},
		{"anon-400000-401000", {0}},
		{"anon-1ffffffffffffffff-2ffffffffffffffff", {0}},
		{"deleted-7f0000000000", {0}},
		{"deleted-400000-x", {0}},
		{"comm", {0}},
		{"", {0}},
		{".", {0}},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct process_name parsed = {0};

		assert_int_equal(process_parse_name(cases[i].name, &parsed), cases[i].parsed.kind != 0);
		assert_int_equal(parsed.kind, cases[i].parsed.kind);
		assert_int_equal(parsed.first, cases[i].parsed.first);
		assert_int_equal(parsed.second, cases[i].parsed.second);
	}
}

static const char *write_name(enum process_kind kind, uint64_t first, uint64_t second, const char *title,
			      size_t length)
{
	const struct process_name parsed = {kind, first, second};
	static char name[NAME_MAX + 1];

	memset(name, 'X', sizeof(name));
	process_write_name(&parsed, title, length, name);
	assert_true(strlen(name) <= NAME_MAX);
	return name;
}

static void names_are_written(void **state)
{
	(void)state;
	assert_string_equal(write_name(PROCESS_MEMFD, 3, 0, "pool", 4), "memfd-3-pool");
	assert_string_equal(write_name(PROCESS_MEMFD, 3, 0, "", 0), "memfd-3-");
	assert_string_equal(write_name(PROCESS_MEMFD, 3, 0, "a/b\n\x7f\x01\0c \xff\\", 11),
			    "memfd-3-a_b____c \xff\\");
	assert_string_equal(write_name(PROCESS_ANONYMOUS, 0x400000, 0x7f0000001000, "unused", 6),
			    "anon-00400000-7f0000001000");
	assert_string_equal(write_name(PROCESS_DELETED, 0x7f0000000000, 0, "../x", 4),
			    "deleted-7f0000000000-.._x");
}

/* Long titles are truncated at a character boundary. */
static void long_names_are_cut(void **state)
{
	const size_t room = NAME_MAX - strlen("memfd-3-");
	char title[2 * NAME_MAX];
	const char *name;

	(void)state;
	memset(title, 'a', sizeof(title));
	for (size_t length = room - 1; length <= room + 1; length++)
		assert_int_equal(strlen(write_name(PROCESS_MEMFD, 3, 0, title, length)),
				 length < room ? NAME_MAX - 1 : NAME_MAX);
	/* of two, three and four bytes, at each position around the limit */
	for (size_t size = 2; size <= 4; size++) {
		for (size_t missing = 1; missing < size; missing++) {
			memset(title, 'a', sizeof(title));
			title[room - missing] = (char)(size == 2 ? 0xc3 : size == 3 ? 0xe2 : 0xf0);
			memset(title + room - missing + 1, 0x80, size - 1);
			name = write_name(PROCESS_MEMFD, 3, 0, title, sizeof(title));
			assert_int_equal(strlen(name), NAME_MAX - missing);
			assert_int_equal(name[strlen(name) - 1], 'a');
		}
	}
	/* invalid UTF-8 */
	memset(title, 0x80, sizeof(title));
	assert_int_equal(strlen(write_name(PROCESS_MEMFD, 3, 0, title, sizeof(title))), NAME_MAX);
}

static void mappings_are_parsed(void **state)
{
	static const struct {
		const char *line;
		bool good;
		uint64_t start;
		uint64_t end;
		bool shared;
		const char *path;
		enum process_kind kind;
	} cases[] = {
		{"7f00-8f00 rw-s 00000000 00:01 12                         /dev/zero (deleted)\n", true,
		 0x7f00, 0x8f00, true, "/dev/zero (deleted)", PROCESS_ANONYMOUS},
		{"7f00-8f00 ---s 00000000 00:01 12 /dev/zero (deleted)", true, 0x7f00, 0x8f00, true,
		 "/dev/zero (deleted)", PROCESS_ANONYMOUS},
		{"7f00-8f00 rw-p 00000000 00:01 12 /dev/zero (deleted)", true, 0x7f00, 0x8f00, false,
		 "/dev/zero (deleted)", 0},
		{"7f00-8f00 rw-s 00000000 00:01 12 /anon_hugepage (deleted)", true, 0x7f00, 0x8f00, true,
		 "/anon_hugepage (deleted)", PROCESS_ANONYMOUS},
		{"7f00-8f00 rw-p 00000000 00:01 12 /anon_hugepage (deleted)", true, 0x7f00, 0x8f00, false,
		 "/anon_hugepage (deleted)", 0},
		{"7f00-8f00 rw-s 00000000 00:01 12 /dev/shm/a b (deleted)", true, 0x7f00, 0x8f00, true,
		 "/dev/shm/a b (deleted)", PROCESS_DELETED},
		{"7f00-8f00 rw-s 00000000 00:01 12 /dev/shm/ (deleted)", true, 0x7f00, 0x8f00, true,
		 "/dev/shm/ (deleted)", 0},
		{"7f00-8f00 rw-s 00000000 00:01 12 /dev/shm/x", true, 0x7f00, 0x8f00, true, "/dev/shm/x", 0},
		{"7f00-8f00 rw-s 00000000 00:01 12 /SYSV00000000 (deleted)", true, 0x7f00, 0x8f00, true,
		 "/SYSV00000000 (deleted)", 0},
		{"7f00-8f00 rw-s 00000000 00:01 12 /memfd:x (deleted)", true, 0x7f00, 0x8f00, true,
		 "/memfd:x (deleted)", 0},
		{"7f00-8f00 rw-p 00000000 00:00 0 \n", true, 0x7f00, 0x8f00, false, NULL, 0},
		{"7f00-8f00 rw-p 00000000 00:00 0", true, 0x7f00, 0x8f00, false, NULL, 0},
		{"ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0 [vsyscall]\n", true,
		 0xffffffffff600000, 0xffffffffff601000, false, "[vsyscall]", 0},
		{.line = ""},
		{.line = "\n"},
		{.line = "7f00"},
		{.line = "7f00-"},
		{.line = "7f00-8f00"},
		{.line = "7f00-8f00 "},
		{.line = "7f00-8f00 rw-s"},
		{.line = "8f00-7f00 rw-s 00000000 00:01 12 /dev/zero (deleted)"},
		{.line = "x-8f00 rw-s 00000000 00:01 12 /dev/zero (deleted)"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct process_mapping mapping;

		assert_int_equal(process_parse_mapping(cases[i].line, strlen(cases[i].line), &mapping),
				 cases[i].good);
		if (!cases[i].good)
			continue;
		assert_int_equal(mapping.start, cases[i].start);
		assert_int_equal(mapping.end, cases[i].end);
		assert_int_equal(mapping.shared, cases[i].shared);
		assert_int_equal(mapping.path != NULL, cases[i].path != NULL);
		if (mapping.path) {
			assert_int_equal(mapping.length, strlen(cases[i].path));
			assert_memory_equal(mapping.path, cases[i].path, mapping.length);
		}
		assert_int_equal(process_mapping_kind(&mapping), cases[i].kind);
	}
}

static void targets_are_parsed(void **state)
{
	size_t length = 0;
	const char *title = NULL;

	(void)state;
	assert_true(process_parse_memfd("/memfd:a/b (deleted) (deleted)", 30, &title, &length));
	assert_int_equal(length, strlen("a/b (deleted)"));
	assert_memory_equal(title, "a/b (deleted)", length);
	assert_true(process_parse_memfd("/memfd: (deleted)", 17, &title, &length));
	assert_int_equal(length, 0);
	assert_false(process_parse_memfd("/memfd:x", 8, &title, &length));
	assert_false(process_parse_memfd("/memfd:(deleted)", 16, &title, &length));
	assert_false(process_parse_memfd("/x/memfd:x (deleted)", 20, &title, &length));
	assert_false(process_parse_memfd("", 0, &title, &length));
	assert_true(process_parse_deleted("/dev/shm/d/x (deleted)", 22, &title, &length));
	assert_memory_equal(title, "d/x", 3);
	assert_false(process_parse_deleted("/dev/shm/ (deleted)", 19, &title, &length));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_have_one_form), cmocka_unit_test(names_are_parsed),
		cmocka_unit_test(names_are_written),     cmocka_unit_test(long_names_are_cut),
		cmocka_unit_test(mappings_are_parsed),   cmocka_unit_test(targets_are_parsed),
	};

	return cmocka_run_group_tests_name("process names", tests, NULL, NULL);
}
