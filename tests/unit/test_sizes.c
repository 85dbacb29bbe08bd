// SPDX-License-Identifier: MIT
/* Sizes: every suffix, the largest value, and one past each limit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>

#include "lib/base/sizes.h"

static void reads_digits_and_suffixes(void **state)
{
	static const struct {
		const char *text;
		uint64_t bytes;
	} cases[] = {
		{"0", 0},
		{"1", 1},
		{"4096", 4096},
		{"010", 10},
		{"1K", 1024},
		{"1k", 1024},
		{"64M", UINT64_C(64) << 20},
		{"64m", UINT64_C(64) << 20},
		{"2G", UINT64_C(2) << 30},
		{"2g", UINT64_C(2) << 30},
		{"3T", UINT64_C(3) << 40},
		{"3t", UINT64_C(3) << 40},
		{"5P", UINT64_C(5) << 50},
		{"5p", UINT64_C(5) << 50},
		{"7E", UINT64_C(7) << 60},
		{"7e", UINT64_C(7) << 60},
		{"0E", 0},
		{"15E", UINT64_C(15) << 60},
		{"18446744073709551615", UINT64_MAX},
		{"18014398509481983K", UINT64_MAX - 1023},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint64_t bytes = 12345;

		assert_int_equal(size_parse(cases[i].text, &bytes), 0);
		assert_true(bytes == cases[i].bytes);
	}
}

static void refuses_other_forms(void **state)
{
	static const char *const cases[] = {
		"",    " ",    "-1",   "+1",   " 1",  "1 ",  "1 K",
		"K",   "M1",   "1.5G", "1,5G", "1B",  "1KB", "1X",
		"1KK", "1KiB", "0x10", "1e3",  "12Q", "50%", "99999999999999999999x",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint64_t bytes = 12345;

		assert_int_equal(size_parse(cases[i], &bytes), -EINVAL);
		assert_true(bytes == 12345);
	}
}

static void refuses_what_does_not_fit(void **state)
{
	static const char *const cases[] = {
		"18446744073709551616",
		"18446744073709551625",
		"99999999999999999999",
		"18014398509481984K",
		"17592186044416M",
		"17179869184G",
		"16777216T",
		"16384P",
		"16E",
		"18446744073709551615K",
		"36893488147419103233",
		"184467440737095516160",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint64_t bytes = 12345;

		assert_int_equal(size_parse(cases[i], &bytes), -ERANGE);
		assert_true(bytes == 12345);
	}
}

static void formats_exactly(void **state)
{
	static const struct {
		uint64_t bytes;
		const char *text;
	} cases[] = {
		{0, "0"},
		{1, "1"},
		{1023, "1023"},
		{1024, "1K"},
		{1536, "1536"},
		{2048, "2K"},
		{UINT64_C(1) << 20, "1M"},
		{(UINT64_C(1) << 20) + 1024, "1025K"},
		{UINT64_C(1) << 30, "1G"},
		{UINT64_C(1) << 40, "1T"},
		{UINT64_C(1) << 50, "1P"},
		{UINT64_C(1) << 60, "1E"},
		{UINT64_C(1) << 63, "8E"},
		{UINT64_MAX, "18446744073709551615"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[SIZE_TEXT_MAX];
		uint64_t back;

		size_format(cases[i].bytes, text);
		assert_string_equal(text, cases[i].text);
		assert_int_equal(size_parse(text, &back), 0);
		assert_true(back == cases[i].bytes);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_digits_and_suffixes),
		cmocka_unit_test(refuses_other_forms),
		cmocka_unit_test(refuses_what_does_not_fit),
		cmocka_unit_test(formats_exactly),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
