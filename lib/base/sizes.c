// SPDX-License-Identifier: MIT
#include "lib/base/sizes.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

static const char suffixes[] = "KMGTPE"; /* powers of 1024, from 1 */

/* Returns the power of 1024 of a suffix, or -1. */
static int suffix_power(char c)
{
	if (c >= 'a' && c <= 'z')
		c = (char)(c - 'a' + 'A');
	for (int i = 0; suffixes[i]; i++)
		if (suffixes[i] == c)
			return i + 1;
	return -1;
}

int size_parse(const char *text, uint64_t *bytes)
{
	const char *p = text;
	uint64_t value = 0;
	int overflow = 0;
	int power;

	if (*p < '0' || *p > '9')
		return -EINVAL;
	/* check the syntax to the end before the range, so that "99999999999999999999x" is -EINVAL */
	for (; *p >= '0' && *p <= '9'; p++) {
		overflow |= __builtin_mul_overflow(value, UINT64_C(10), &value);
		overflow |= __builtin_add_overflow(value, (uint64_t)(*p - '0'), &value);
	}
	if (*p) {
		power = suffix_power(*p);
		if (power < 0 || p[1])
			return -EINVAL;
		overflow |= __builtin_mul_overflow(value, UINT64_C(1) << (10 * power), &value);
	}
	if (overflow)
		return -ERANGE;
	*bytes = value;
	return 0;
}

void size_format(uint64_t bytes, char text[SIZE_TEXT_MAX])
{
	int power = 0;

	while (bytes && bytes % 1024 == 0 && suffixes[power]) {
		bytes /= 1024;
		power++;
	}
	if (power)
		snprintf(text, SIZE_TEXT_MAX, "%" PRIu64 "%c", bytes, suffixes[power - 1]);
	else
		snprintf(text, SIZE_TEXT_MAX, "%" PRIu64, bytes);
}
