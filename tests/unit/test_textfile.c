// SPDX-License-Identifier: MIT
/* Text files: the limit and one past it; valid and invalid UTF-8. */
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

#include "lib/base/textfile.h"

static void measures_utf8(void **state)
{
	static const struct {
		const char *text;
		size_t valid;
	} cases[] = {
		{"", 0},
		{"abc", 3},
		{"\xc3\xa4z", 3},
		{"\xe2\x82\xac", 3},
		{"\xf0\x9f\x98\x80", 4},
		{"\xf4\x8f\xbf\xbf", 4},
		{"a\x80", 1},            /* no lead byte */
		{"a\xc3", 1},            /* cut */
		{"a\xc3z", 1},           /* no continuation */
		{"a\xe2\x82", 1},        /* cut */
		{"\xc0\xaf", 0},         /* overlong */
		{"\xc1\xbf", 0},         /* overlong */
		{"\xe0\x9f\xbf", 0},     /* overlong */
		{"\xf0\x8f\xbf\xbf", 0}, /* overlong */
		{"\xed\xa0\x80", 0},     /* surrogate */
		{"\xf4\x90\x80\x80", 0}, /* beyond U+10FFFF */
		{"\xf8\x88\x80\x80\x80", 0},
		{"\xff", 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(utf8_valid_length(cases[i].text, strlen(cases[i].text)), cases[i].valid);
}

static void reads_files_up_to_a_limit(void **state)
{
	const char *folder = getenv("TMPDIR");
	char path[PATH_MAX];
	char bytes[10000];
	char *text = NULL;
	size_t length = 99;
	int fd;

	(void)state;
	snprintf(path, sizeof(path), "%s/textfile-XXXXXX", folder ? folder : "/tmp");
	fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(textfile_read(path, 0, &text, &length), 0);
	assert_int_equal(length, 0);
	assert_string_equal(text, "");
	free(text);

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (char)(i * 7);
	assert_int_equal(write(fd, bytes, sizeof(bytes)), sizeof(bytes));
	close(fd);
	text = NULL;
	assert_int_equal(textfile_read(path, sizeof(bytes) - 1, &text, &length), -EFBIG);
	assert_null(text);
	assert_int_equal(textfile_read(path, sizeof(bytes), &text, &length), 0);
	assert_int_equal(length, sizeof(bytes));
	assert_memory_equal(text, bytes, sizeof(bytes));
	assert_int_equal(text[length], 0);
	free(text);
	text = NULL;
	unlink(path);
	assert_int_equal(textfile_read(path, 10, &text, &length), -ENOENT);
	assert_int_equal(textfile_read("/", 10, &text, &length), -EISDIR);
	assert_null(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(measures_utf8),
		cmocka_unit_test(reads_files_up_to_a_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
