// SPDX-License-Identifier: MIT
/*
 * Arbitrary bytes as the value of a policy attribute, chosen by the first byte, and as the stored line of a
 * segment: a message about the error, or a value that is formatted as it was parsed.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/policy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int ok)
{
	if (!ok)
		abort();
}

static void check_value(enum policy_field field, const char *text, size_t length)
{
	static const struct policy before = {.writers = 7, .lifetime = LIFETIME_TTL, .ttl = 5000};
	struct policy policy = before;
	struct policy again = {0};
	char why[POLICY_WHY_MAX] = "";
	char value[POLICY_VALUE_MAX];
	int result = policy_set(&policy, field, text, length, why);

	if (result < 0) {
		check(result == -EINVAL);
		check(policy.ttl == before.ttl);
		for (int other = 0; other < POLICY_FIELDS; other++)
			check(policy_is_same(&policy, (enum policy_field)other, &before));
		check(strlen(why) > 0 && strlen(why) < sizeof(why) - 1);
		return;
	}
	result = policy_format(&policy, field, value);
	check(result > 0 && (size_t)result == strlen(value) && (size_t)result < sizeof(value));
	check(policy_set(&again, field, value, (size_t)result, why) == 0);
	check(policy_is_same(&policy, field, &again));
	policy_copy(&again, field, &before);
	check(policy_is_same(&again, field, &before));
}

static bool is_default(const struct policy *policy)
{
	static const struct policy by_default;

	for (int field = 0; field < POLICY_FIELDS; field++)
		if (!policy_is_same(policy, (enum policy_field)field, &by_default))
			return false;
	return true;
}

static void check_line(const char *text, size_t length)
{
	struct policy policy;
	struct policy again;
	char line[POLICY_TEXT_MAX];
	char line_again[POLICY_TEXT_MAX];
	int result = policy_load(&policy, text, length);
	int stored;

	check(result == 0 || result == -EINVAL);
	/* fields that could be parsed form a valid policy nevertheless */
	stored = policy_store(&policy, line);
	check(stored >= 0 && (size_t)stored == strlen(line) && (size_t)stored < sizeof(line));
	check((stored == 0) == is_default(&policy));
	check(policy_load(&again, line, (size_t)stored) == 0);
	check(policy_store(&again, line_again) == stored && strcmp(line, line_again) == 0);
	for (int field = 0; field < POLICY_FIELDS; field++)
		check(policy_is_same(&policy, (enum policy_field)field, &again));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1)
		return -1;
	check_value((enum policy_field)(data[0] % POLICY_FIELDS), (const char *)data + 1, size - 1);
	check_line((const char *)data + 1, size - 1);
	return 0;
}
