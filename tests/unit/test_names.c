// SPDX-License-Identifier: MIT
/* Names of segments, paths of the host, names of instances: each rule, at its limit and one past it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/names.h"

/* Fills with `length` times the byte, and a final 0. */
static void fill(char *text, char byte, size_t length)
{
	memset(text, byte, length);
	text[length] = 0;
}

static void append(char *text, const char *more)
{
	memcpy(text + strlen(text), more, strlen(more) + 1);
}

static void checks_names(void **state)
{
	static const struct {
		const char *name;
		enum name_problem problem;
	} cases[] = {
		{"a", NAME_OK},         {"video/ring", NAME_OK}, {"a/b/c", NAME_OK},
		{"...", NAME_OK},       {".hidden", NAME_OK},    {"a.", NAME_OK},
		{"a b", NAME_OK},       {"\xc3\xa4", NAME_OK},   {"..a/b..", NAME_OK},
		{"-", NAME_OK},         {"", NAME_EMPTY},        {"/", NAME_SLASH},
		{"/a", NAME_SLASH},     {"a/", NAME_SLASH},      {"a//b", NAME_SLASH},
		{".", NAME_DOT},        {"..", NAME_DOT},        {"a/.", NAME_DOT},
		{"../a", NAME_DOT},     {"a/../b", NAME_DOT},    {"a\x1f", NAME_CONTROL},
		{"a\tb", NAME_CONTROL}, {"a\x7f", NAME_CONTROL}, {"a\nb/c", NAME_CONTROL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(name_check(cases[i].name, strlen(cases[i].name)), cases[i].problem);
	assert_int_equal(name_check("a\0b", 3), NAME_CONTROL);
	assert_int_equal(name_check("abc", 1), NAME_OK);
}

static void checks_name_lengths(void **state)
{
	char name[PATH_MAX + 1];

	(void)state;
	fill(name, 'a', 255);
	assert_int_equal(name_check(name, 255), NAME_OK);
	fill(name, 'a', 256);
	assert_int_equal(name_check(name, 256), NAME_LONG_COMPONENT);
	for (size_t i = 0; i < PATH_MAX; i++)
		name[i] = i % 2 ? '/' : 'a';
	assert_int_equal(name_check(name, PATH_MAX - 1), NAME_OK);
	assert_int_equal(name_check(name, PATH_MAX), NAME_LONG);
}

static void explains_every_problem(void **state)
{
	(void)state;
	for (int problem = NAME_EMPTY; problem <= NAME_LONG; problem++)
		assert_non_null(strstr(name_problem_text((enum name_problem)problem), "; "));
}

static void normalizes_paths(void **state)
{
	static const struct {
		const char *path;
		const char *normal;
	} cases[] = {
		{"/", "/"},
		{"//", "/"},
		{"/.", "/"},
		{"/a", "/a"},
		{"/a/", "/a"},
		{"//a///b//", "/a/b"},
		{"/./a/./b/.", "/a/b"},
		{"/a/...", "/a/..."},
		{"/.a/b.", "/.a/b."},
		{"/a b/c", "/a b/c"},
	};
	static const char *const refused[] = {"",        "a",     "a/b",   "./a",   "/..",
					      "/a/../b", "/a/..", "/a\nb", "/a\x7f"};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char path[64];

		snprintf(path, sizeof(path), "%s", cases[i].path);
		assert_int_equal(path_normalize(path), 0);
		assert_string_equal(path, cases[i].normal);
	}
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		char path[64];

		snprintf(path, sizeof(path), "%s", refused[i]);
		assert_int_equal(path_normalize(path), -EINVAL);
		assert_string_equal(path, refused[i]);
	}
}

static void limits_paths(void **state)
{
	char path[PATH_MAX + 1];

	(void)state;
	fill(path + 1, 'a', 255);
	path[0] = '/';
	assert_int_equal(path_normalize(path), 0);
	fill(path + 1, 'a', 256);
	assert_int_equal(path_normalize(path), -ENAMETOOLONG);
	for (size_t i = 0; i < PATH_MAX; i++)
		path[i] = i % 2 ? 'a' : '/';
	path[PATH_MAX] = 0;
	assert_int_equal(path_normalize(path), -ENAMETOOLONG);
	path[PATH_MAX - 1] = 0;
	assert_int_equal(path_normalize(path), 0);
}

static void names_instances_by_path(void **state)
{
	static const struct {
		const char *path;
		const char *name;
	} cases[] = {
		{"/mnt/seg", "mnt-seg"},   {"/mnt/seg/", "mnt-seg"},
		{"//mnt//seg", "mnt-seg"}, {"/a", "a"},
		{"/a-b", "a%2Db"},         {"/a/b", "a-b"},
		{"/.x/_y.z", ".x-_y.z"},   {"/a b", "a%20b"},
		{"/\xc3\xa4", "%C3%A4"},   {"/100%", "100%25"},
		{"/...", "..."},           {"/a\nb", "a%0Ab"},
	};
	static const char *const refused[] = {"", "a", "/", "//", "/.", "/..", "/a/../b", "/a/.", "./a"};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char name[NAME_MAX + 1];

		assert_int_equal(instance_name_from_path(cases[i].path, name), 0);
		assert_string_equal(name, cases[i].name);
		assert_true(instance_name_valid(name));
	}
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		char name[NAME_MAX + 1] = "untouched";

		assert_int_equal(instance_name_from_path(refused[i], name), -EINVAL);
		assert_string_equal(name, "untouched");
	}
}

static void limits_instance_names(void **state)
{
	char path[PATH_MAX];
	char name[NAME_MAX + 1] = "untouched";

	(void)state;
	fill(path + 1, 'a', 256);
	path[0] = '/';
	assert_int_equal(instance_name_from_path(path, name), -ENAMETOOLONG);
	fill(path + 1, ' ', 85); /* three bytes each: 255 */
	assert_int_equal(instance_name_from_path(path, name), 0);
	assert_int_equal(strlen(name), 255);
	append(path, "/");
	assert_int_equal(instance_name_from_path(path, name), 0);
	append(path, "a");
	assert_int_equal(instance_name_from_path(path, name), -ENAMETOOLONG);
	fill(path + 1, ' ', 86);
	assert_int_equal(instance_name_from_path(path, name), -ENAMETOOLONG);
	fill(path + 1, 'a', 253); /* with "-b" 255 bytes, with "-bc" one too many */
	append(path, "/b");
	assert_int_equal(instance_name_from_path(path, name), 0);
	assert_int_equal(strlen(name), 255);
	append(path, "c");
	assert_int_equal(instance_name_from_path(path, name), -ENAMETOOLONG);
}

static void validates_instance_names(void **state)
{
	static const char *const good[] = {"a", "mnt-seg", "...", ".x", "_", "%20", "a%2Db", "A.b_c-9"};
	static const char *const bad[] = {"",    ".",   "..",       "-a",  "-",   "a/b",
					  "a b", "a\n", "\xc3\xa4", "a@b", "a:b", "/"};
	char name[NAME_MAX + 2];

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_true(instance_name_valid(good[i]));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(instance_name_valid(bad[i]));
	fill(name, 'a', 255);
	assert_true(instance_name_valid(name));
	fill(name, 'a', 256);
	assert_false(instance_name_valid(name));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(checks_names),           cmocka_unit_test(checks_name_lengths),
		cmocka_unit_test(explains_every_problem), cmocka_unit_test(normalizes_paths),
		cmocka_unit_test(limits_paths),           cmocka_unit_test(names_instances_by_path),
		cmocka_unit_test(limits_instance_names),  cmocka_unit_test(validates_instance_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
