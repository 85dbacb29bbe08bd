// SPDX-License-Identifier: MIT
/*
 * Policies as text: every value, every kind of error, the stored line; and the processes that own segments.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/cleanup.h"
#include "lib/base/clock.h"
#include "lib/base/policy.h"
#include "lib/base/procfs.h"
#include "tests/unit/features.h"

#define BOOT      "01234567-89ab-cdef-0123-456789abcdef"
#define ROUNDS    100000
#define START_MAX UINT64_C(999999999999999999) /* ticks: longer than any uptime */

#define MS     UINT64_C(1)
#define SECOND (1000 * MS)
#define MINUTE (60 * SECOND)
#define HOUR   (60 * MINUTE)
#define DAY    (24 * HOUR)

static int set(struct policy *policy, enum policy_field field, const char *value, char why[POLICY_WHY_MAX])
{
	return policy_set(policy, field, value, strlen(value), why);
}

/* Field by field, as padding is undefined. */
static void expect_same(const struct policy *left, const struct policy *right)
{
	assert_int_equal(left->mandatory, right->mandatory);
	assert_int_equal(left->commit, right->commit);
	assert_int_equal(left->fixed_size, right->fixed_size);
	assert_int_equal(left->writers, right->writers);
	assert_int_equal(left->lifetime, right->lifetime);
	if (left->lifetime == LIFETIME_TTL)
		assert_true(left->ttl == right->ttl);
	assert_int_equal(left->owner.pid, right->owner.pid);
	assert_true(left->owner.identity == right->owner.identity);
	assert_string_equal(left->owner.boot, right->owner.boot);
}

static uint64_t value_of(const struct policy *policy, enum policy_field field)
{
	switch (field) {
	case POLICY_LOCK:
		return policy->mandatory;
	case POLICY_WRITERS:
		return policy->writers;
	case POLICY_COMMIT:
		return policy->commit;
	case POLICY_SIZE:
		return policy->fixed_size;
	case POLICY_LIFETIME:
		return policy->lifetime == LIFETIME_TTL ? 1000 + policy->ttl : policy->lifetime;
	case POLICY_FIELDS:
		break;
	}
	return 0;
}

static bool is_default(const struct policy *policy)
{
	for (int field = 0; field < POLICY_FIELDS; field++)
		if (value_of(policy, (enum policy_field)field))
			return false;
	return true;
}

/* --- values --- */

static void names_of_fields(void **state)
{
	static const char *const names[POLICY_FIELDS] = {"lock", "writers", "commit", "size-policy",
							 "lifetime"};
	static const char *const others[] = {"",      "Lock", "lock ",   "loc",
					     "locks", "size", "process", "io-mode"};

	(void)state;
	for (int field = 0; field < POLICY_FIELDS; field++) {
		assert_string_equal(policy_field_name((enum policy_field)field), names[field]);
		assert_int_equal(policy_field_find(names[field]), field);
	}
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		assert_int_equal(policy_field_find(others[i]), POLICY_FIELDS);
}

static void reads_every_value(void **state)
{
	static const struct {
		enum policy_field field;
		const char *text;
		uint64_t value;      /* by value_of() */
		const char *written; /* NULL = the same text */
	} cases[] = {
		{POLICY_LOCK, "advisory", 0, NULL},
		{POLICY_LOCK, "mandatory", 1, NULL},
		{POLICY_WRITERS, "0", 0, NULL},
		{POLICY_WRITERS, "1", 1, NULL},
		{POLICY_WRITERS, "2", 2, NULL},
		{POLICY_WRITERS, "007", 7, "7"},
		{POLICY_WRITERS, "65535", 65535, NULL},
		{POLICY_WRITERS, "000000000000065535", 65535, "65535"},
		{POLICY_COMMIT, "no", 0, NULL},
		{POLICY_COMMIT, "yes", 1, NULL},
		{POLICY_SIZE, "variable", 0, NULL},
		{POLICY_SIZE, "fixed", 1, NULL},
		{POLICY_LIFETIME, "persistent", LIFETIME_PERSISTENT, NULL},
		{POLICY_LIFETIME, "last-close", LIFETIME_LAST_CLOSE, NULL},
		{POLICY_LIFETIME, "owner", LIFETIME_OWNER, NULL},
		{POLICY_LIFETIME, "ttl:1", 1000 + SECOND, "ttl:1s"},
		{POLICY_LIFETIME, "ttl:1ms", 1000 + MS, NULL},
		{POLICY_LIFETIME, "ttl:999ms", 1000 + 999 * MS, NULL},
		{POLICY_LIFETIME, "ttl:1000ms", 1000 + SECOND, "ttl:1s"},
		{POLICY_LIFETIME, "ttl:30s", 1000 + 30 * SECOND, NULL},
		{POLICY_LIFETIME, "ttl:030s", 1000 + 30 * SECOND, "ttl:30s"},
		{POLICY_LIFETIME, "ttl:60s", 1000 + MINUTE, "ttl:1m"},
		{POLICY_LIFETIME, "ttl:61s", 1000 + 61 * SECOND, NULL},
		{POLICY_LIFETIME, "ttl:90m", 1000 + 90 * MINUTE, NULL},
		{POLICY_LIFETIME, "ttl:24h", 1000 + DAY, "ttl:1d"},
		{POLICY_LIFETIME, "ttl:25h", 1000 + 25 * HOUR, NULL},
		{POLICY_LIFETIME, "ttl:3650d", 1000 + POLICY_TTL_MAX, NULL},
		{POLICY_LIFETIME, "ttl:87600h", 1000 + POLICY_TTL_MAX, "ttl:3650d"},
		{POLICY_LIFETIME, "ttl:315360000000ms", 1000 + POLICY_TTL_MAX, "ttl:3650d"},
		{POLICY_LIFETIME, "ttl:315359999999ms", 1000 + POLICY_TTL_MAX - 1, NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *written = cases[i].written ? cases[i].written : cases[i].text;
		struct policy policy = {0};
		struct policy again = {0};
		char why[POLICY_WHY_MAX] = "";
		char text[POLICY_VALUE_MAX];

		assert_int_equal(set(&policy, cases[i].field, cases[i].text, why), 0);
		assert_true(value_of(&policy, cases[i].field) == cases[i].value);
		for (int other = 0; other < POLICY_FIELDS; other++)
			if (other != (int)cases[i].field)
				assert_true(value_of(&policy, (enum policy_field)other) == 0);
		assert_int_equal(policy_format(&policy, cases[i].field, text), strlen(written));
		assert_string_equal(text, written);
		assert_int_equal(set(&again, cases[i].field, text, why), 0);
		expect_same(&again, &policy);
	}
}

#define WHY_LOCK            "neither mandatory nor advisory; write one of them"
#define WHY_COMMIT          "neither yes nor no; write one of them"
#define WHY_SIZE            "neither fixed nor variable; write one of them"
#define WHY_WRITERS         "not a number of writers; write 0 for any number, or 1 to 65535"
#define WHY_LIFETIME        "not a lifetime; write persistent, last-close, owner, or ttl:TIME such as ttl:30s"
#define WHY_TIME            "not a time; write a whole number above 0 with ms, s, m, h or d, such as ttl:30s"
#define WHY_TOO_LONG_A_TIME "too long a time; the longest is ttl:3650d"

static const struct {
	enum policy_field field;
	const char *text;
	const char *why;
} bad_values[] = {
	{POLICY_LOCK, "", WHY_LOCK},
	{POLICY_LOCK, "Mandatory", WHY_LOCK},
	{POLICY_LOCK, "mandatory ", WHY_LOCK},
	{POLICY_LOCK, " mandatory", WHY_LOCK},
	{POLICY_LOCK, "mandatory\n", WHY_LOCK},
	{POLICY_LOCK, "mandator", WHY_LOCK},
	{POLICY_LOCK, "yes", WHY_LOCK},
	{POLICY_LOCK, "1", WHY_LOCK},
	{POLICY_COMMIT, "", WHY_COMMIT},
	{POLICY_COMMIT, "YES", WHY_COMMIT},
	{POLICY_COMMIT, "true", WHY_COMMIT},
	{POLICY_COMMIT, "1", WHY_COMMIT},
	{POLICY_COMMIT, "y", WHY_COMMIT},
	{POLICY_SIZE, "", WHY_SIZE},
	{POLICY_SIZE, "Fixed", WHY_SIZE},
	{POLICY_SIZE, "fix", WHY_SIZE},
	{POLICY_SIZE, "4096", WHY_SIZE},
	{POLICY_WRITERS, "", WHY_WRITERS},
	{POLICY_WRITERS, "-1", WHY_WRITERS},
	{POLICY_WRITERS, "+1", WHY_WRITERS},
	{POLICY_WRITERS, " 1", WHY_WRITERS},
	{POLICY_WRITERS, "1 ", WHY_WRITERS},
	{POLICY_WRITERS, "1\n", WHY_WRITERS},
	{POLICY_WRITERS, "0x1", WHY_WRITERS},
	{POLICY_WRITERS, "1.0", WHY_WRITERS},
	{POLICY_WRITERS, "1e3", WHY_WRITERS},
	{POLICY_WRITERS, "one", WHY_WRITERS},
	{POLICY_WRITERS, "65536", WHY_WRITERS},
	{POLICY_WRITERS, "4294967296", WHY_WRITERS},
	{POLICY_WRITERS, "4294967297", WHY_WRITERS},
	{POLICY_WRITERS, "18446744073709551616", WHY_WRITERS},
	{POLICY_WRITERS, "18446744073709551617", WHY_WRITERS},
	{POLICY_WRITERS, "0000000000000000001", WHY_WRITERS}, /* too many digits */
	{POLICY_LIFETIME, "", WHY_LIFETIME},
	{POLICY_LIFETIME, "Persistent", WHY_LIFETIME},
	{POLICY_LIFETIME, "persistent ", WHY_LIFETIME},
	{POLICY_LIFETIME, "last_close", WHY_LIFETIME},
	{POLICY_LIFETIME, "lastclose", WHY_LIFETIME},
	{POLICY_LIFETIME, "owner:1", WHY_LIFETIME},
	{POLICY_LIFETIME, "ttl", WHY_LIFETIME},
	{POLICY_LIFETIME, "ttl=30s", WHY_LIFETIME},
	{POLICY_LIFETIME, "TTL:30s", WHY_LIFETIME},
	{POLICY_LIFETIME, "30s", WHY_LIFETIME},
	{POLICY_LIFETIME, "ttl:", WHY_TIME},
	{POLICY_LIFETIME, "ttl:0", WHY_TIME},
	{POLICY_LIFETIME, "ttl:0s", WHY_TIME},
	{POLICY_LIFETIME, "ttl:0ms", WHY_TIME},
	{POLICY_LIFETIME, "ttl:s", WHY_TIME},
	{POLICY_LIFETIME, "ttl:-1s", WHY_TIME},
	{POLICY_LIFETIME, "ttl:+1s", WHY_TIME},
	{POLICY_LIFETIME, "ttl: 1s", WHY_TIME},
	{POLICY_LIFETIME, "ttl:1 s", WHY_TIME},
	{POLICY_LIFETIME, "ttl:1s ", WHY_TIME},
	{POLICY_LIFETIME, "ttl:1S", WHY_TIME},
	{POLICY_LIFETIME, "ttl:1.5s", WHY_TIME},
	{POLICY_LIFETIME, "ttl:1h30m", WHY_TIME},
	{POLICY_LIFETIME, "ttl:1w", WHY_TIME},
	{POLICY_LIFETIME, "ttl:1sec", WHY_TIME},
	{POLICY_LIFETIME, "ttl:1us", WHY_TIME},
	{POLICY_LIFETIME, "ttl:9999999999999999999d", WHY_TIME},
	{POLICY_LIFETIME, "ttl:3651d", WHY_TOO_LONG_A_TIME},
	{POLICY_LIFETIME, "ttl:87601h", WHY_TOO_LONG_A_TIME},
	{POLICY_LIFETIME, "ttl:315360000001ms", WHY_TOO_LONG_A_TIME},
	{POLICY_LIFETIME, "ttl:315360001", WHY_TOO_LONG_A_TIME},
	{POLICY_LIFETIME, "ttl:999999999999999999d", WHY_TOO_LONG_A_TIME},
	/* in milliseconds, this overflows to a small number */
	{POLICY_LIFETIME, "ttl:213503982335d", WHY_TOO_LONG_A_TIME},
};

static void refuses_with_a_reason(void **state)
{
	const struct policy before = {
		.mandatory = true,
		.commit = true,
		.fixed_size = true,
		.writers = 3,
		.lifetime = LIFETIME_TTL,
		.ttl = 77,
		.owner = {.pid = 5, .identity = 6, .boot = BOOT},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad_values) / sizeof(bad_values[0]); i++) {
		struct policy policy = before;
		char why[POLICY_WHY_MAX] = "";

		assert_int_equal(set(&policy, bad_values[i].field, bad_values[i].text, why), -EINVAL);
		assert_string_equal(why, bad_values[i].why);
		expect_same(&policy, &before);
	}
}

static void refuses_bytes_that_are_no_text(void **state)
{
	static const char *const good[POLICY_FIELDS] = {"mandatory", "1", "yes", "fixed", "owner"};
	const struct policy before = {0};

	(void)state;
	for (int field = 0; field < POLICY_FIELDS; field++) {
		char bytes[65536];
		size_t length = strlen(good[field]);
		struct policy policy = before;
		char why[POLICY_WHY_MAX];

		memset(bytes, '0', sizeof(bytes));
		memcpy(bytes, good[field], length);
		/* with its final 0, as a program may pass it; with a 0 within; a 0 only */
		bytes[length] = 0;
		assert_int_equal(policy_set(&policy, (enum policy_field)field, bytes, length + 1, why),
				 -EINVAL);
		assert_non_null(strstr(why, "zero byte"));
		assert_int_equal(policy_set(&policy, (enum policy_field)field, bytes, length + 5, why),
				 -EINVAL);
		assert_int_equal(policy_set(&policy, (enum policy_field)field, "", 1, why), -EINVAL);
		/* at the limit and past it */
		memset(bytes, '0', sizeof(bytes));
		assert_int_equal(
			policy_set(&policy, (enum policy_field)field, bytes, POLICY_VALUE_MAX - 1, why),
			-EINVAL);
		assert_null(strstr(why, "too long"));
		assert_int_equal(policy_set(&policy, (enum policy_field)field, bytes, POLICY_VALUE_MAX, why),
				 -EINVAL);
		assert_non_null(strstr(why, "too long"));
		assert_int_equal(policy_set(&policy, (enum policy_field)field, bytes, sizeof(bytes), why),
				 -EINVAL);
		expect_same(&policy, &before);
		/* bytes past `length` are ignored */
		memcpy(bytes, good[field], length);
		assert_int_equal(policy_set(&policy, (enum policy_field)field, bytes, length, why), 0);
	}
}

static void there_is_no_further_field(void **state)
{
	struct policy policy = {0};
	char why[POLICY_WHY_MAX];
	char value[POLICY_VALUE_MAX] = "?";

	(void)state;
	assert_int_equal(set(&policy, POLICY_FIELDS, "1", why), -EINVAL);
	assert_string_equal(why, "no such attribute");
	assert_int_equal(policy_format(&policy, POLICY_FIELDS, value), 0);
	assert_string_equal(value, "");
}

static void an_empty_value_needs_no_bytes(void **state)
{
	struct policy policy = {0};
	char why[POLICY_WHY_MAX];

	(void)state;
	for (int field = 0; field < POLICY_FIELDS; field++)
		assert_int_equal(policy_set(&policy, (enum policy_field)field, "x", 0, why), -EINVAL);
	assert_true(is_default(&policy));
}

/* --- the stored line --- */

static uint64_t random_bits(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

static uint64_t random_up_to(uint64_t *seed, uint64_t most)
{
	/* smallest, largest and medium numbers */
	uint64_t number = random_bits(seed) >> random_bits(seed) % 64;

	return random_bits(seed) % 8 == 0 ? most : number % (most + 1);
}

static struct policy random_policy(uint64_t *seed)
{
	struct policy policy = {
		.mandatory = random_bits(seed) % 2,
		.commit = random_bits(seed) % 2,
		.fixed_size = random_bits(seed) % 2,
		.writers = (uint16_t)random_up_to(seed, POLICY_WRITERS_MAX),
		.lifetime = (enum policy_lifetime)(random_bits(seed) % 4),
	};

	if (policy.lifetime == LIFETIME_TTL)
		policy.ttl = 1 + random_up_to(seed, POLICY_TTL_MAX - 1);
	if (policy.lifetime == LIFETIME_OWNER && random_bits(seed) % 4) {
		policy.owner.pid = 1 + (pid_t)random_up_to(seed, INT32_MAX - 1);
		policy.owner.identity = random_up_to(seed, START_MAX);
		snprintf(policy.owner.boot, sizeof(policy.owner.boot), "%s", BOOT);
	}
	return policy;
}

static void what_is_stored_is_loaded(void **state)
{
	uint64_t seed = 88172645463325252;

	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		struct policy policy = random_policy(&seed);
		struct policy loaded = {.mandatory = true, .writers = 9, .lifetime = LIFETIME_TTL, .ttl = 4};
		char text[POLICY_TEXT_MAX];
		char again[POLICY_TEXT_MAX];
		int length = policy_store(&policy, text);

		assert_in_range(length, 0, POLICY_TEXT_MAX - 1);
		assert_int_equal(strlen(text), length);
		assert_null(strchr(text, '\n'));
		assert_int_equal(length == 0, is_default(&policy));
		assert_int_equal(policy_load(&loaded, text, (size_t)length), 0);
		expect_same(&loaded, &policy);
		assert_int_equal(policy_store(&loaded, again), length);
		assert_string_equal(again, text);
	}
}

static void the_longest_line_fits(void **state)
{
	struct policy policy = {
		.mandatory = true,
		.commit = true,
		.fixed_size = true,
		.writers = POLICY_WRITERS_MAX,
		.lifetime = LIFETIME_OWNER,
		.owner = {.pid = INT32_MAX, .identity = START_MAX, .boot = BOOT},
	};
	struct policy loaded;
	char text[POLICY_TEXT_MAX];

	(void)state;
	assert_in_range(policy_store(&policy, text), 1, POLICY_TEXT_MAX - 1);
	assert_string_equal(text, "lock=mandatory writers=65535 commit=yes size-policy=fixed lifetime=owner "
				  "process=2147483647:999999999999999999:" BOOT);
	assert_int_equal(policy_load(&loaded, text, strlen(text)), 0);
	expect_same(&loaded, &policy);
}

static void one_field_is_copied(void **state)
{
	uint64_t seed = 123456789;

	(void)state;
	for (int round = 0; round < 1000; round++) {
		const struct policy from = random_policy(&seed);
		const struct policy before = random_policy(&seed);

		for (int field = 0; field < POLICY_FIELDS; field++) {
			struct policy to = before;

			policy_copy(&to, (enum policy_field)field, &from);
			for (int other = 0; other < POLICY_FIELDS; other++)
				assert_true(
					value_of(&to, (enum policy_field)other) ==
					value_of(other == field ? &from : &before, (enum policy_field)other));
			assert_int_equal(to.owner.pid,
					 (field == POLICY_LIFETIME ? &from : &before)->owner.pid);
		}
	}
}

/* Lines not from policy_store() are refused, but their valid fields are used. */
static void hostile_lines(void **state)
{
	static const struct {
		const char *text;
		int result;
		struct policy policy;
	} cases[] = {
		{"", 0, {0}},
		{" ", 0, {0}},
		{"lock=mandatory", 0, {.mandatory = true}},
		{"  lock=mandatory   writers=2  ", 0, {.mandatory = true, .writers = 2}},
		{"lock", -EINVAL, {0}},
		{"=", -EINVAL, {0}},
		{"=mandatory", -EINVAL, {0}},
		{"lock=", -EINVAL, {0}},
		{"lock==mandatory", -EINVAL, {0}},
		{"lock=mandatory\n", -EINVAL, {0}},
		{"lock=mandatory\twriters=1", -EINVAL, {0}},
		{"LOCK=mandatory", -EINVAL, {0}},
		{"colour=red", -EINVAL, {0}},
		{"colour=red writers=4", -EINVAL, {.writers = 4}},
		{"writers=4 colour=red commit=yes", -EINVAL, {.writers = 4, .commit = true}},
		{"writers=65536 commit=yes", -EINVAL, {.commit = true}},
		{"writers=1 writers=2", 0, {.writers = 2}},
		{"lifetime=ttl:0 size-policy=fixed", -EINVAL, {.fixed_size = true}},
		{"lifetime=ttl:30s lifetime=forever",
		 -EINVAL,
		 {.lifetime = LIFETIME_TTL, .ttl = 30 * SECOND}},
		{"process=1:2:" BOOT, 0, {.owner = {1, 2, BOOT}}},
		{"lifetime=owner process=1:2:" BOOT, 0, {.lifetime = LIFETIME_OWNER, .owner = {1, 2, BOOT}}},
		{"lifetime=owner process=0:2:" BOOT, -EINVAL, {.lifetime = LIFETIME_OWNER}},
		{"lifetime=owner process=-1:2:" BOOT, -EINVAL, {.lifetime = LIFETIME_OWNER}},
		{"lifetime=owner process=", -EINVAL, {.lifetime = LIFETIME_OWNER}},
		{"lifetime=owner process=x:2:" BOOT, -EINVAL, {.lifetime = LIFETIME_OWNER}},
		{"lifetime=owner process=1", -EINVAL, {.lifetime = LIFETIME_OWNER}},
		{"lifetime=owner process=1:2", -EINVAL, {.lifetime = LIFETIME_OWNER}},
		{"lifetime=owner process=1:2:", -EINVAL, {.lifetime = LIFETIME_OWNER}},
		{"lifetime=owner process=1:x:" BOOT, -EINVAL, {.lifetime = LIFETIME_OWNER}},
		/* numbers that wrap around would refer to another process */
		{"lifetime=owner process=4294967297:2:" BOOT, -EINVAL, {.lifetime = LIFETIME_OWNER}},
		{"lifetime=owner process=1:99999999999999999999999:" BOOT,
		 -EINVAL,
		 {.lifetime = LIFETIME_OWNER}},
		{"lifetime=owner process=1:-2:" BOOT, -EINVAL, {.lifetime = LIFETIME_OWNER}},
		/* a boot id has a fixed length */
		{"lifetime=owner process=1:2:" BOOT "0", -EINVAL, {.lifetime = LIFETIME_OWNER}},
		{"lifetime=owner process=1:2:0", -EINVAL, {.lifetime = LIFETIME_OWNER}},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct policy loaded = {.mandatory = true, .writers = 9, .owner = {.pid = 7}};
		int result = policy_load(&loaded, cases[i].text, strlen(cases[i].text));

		if (result != cases[i].result)
			print_error("\"%s\"\n", cases[i].text);
		assert_int_equal(result, cases[i].result);
		expect_same(&loaded, &cases[i].policy);
	}
}

static void lines_of_any_length_and_any_bytes(void **state)
{
	const struct policy by_default = {0};
	uint64_t seed = 987654321;
	struct policy loaded;
	char text[4 * POLICY_TEXT_MAX];
	char why[POLICY_TEXT_MAX];

	(void)state;
	memset(text, ' ', sizeof(text));
	assert_int_equal(policy_load(&loaded, text, POLICY_TEXT_MAX - 1), 0);
	loaded = (struct policy){.writers = 3};
	assert_int_equal(policy_load(&loaded, text, POLICY_TEXT_MAX), -EINVAL);
	expect_same(&loaded, &by_default);
	loaded = (struct policy){.writers = 3};
	assert_int_equal(policy_load(&loaded, text, sizeof(text)), -EINVAL);
	expect_same(&loaded, &by_default);
	/* a line does not end at a zero byte */
	assert_int_equal(policy_load(&loaded, "writers=1\0", 10), -EINVAL);
	assert_int_equal(policy_load(&loaded, "\0writers=1", 10), -EINVAL);
	for (int round = 0; round < ROUNDS; round++) {
		struct policy policy = random_policy(&seed);
		size_t length = (size_t)policy_store(&policy, text);
		int changes = (int)(random_bits(&seed) % 4);

		/* a valid line with changed bytes; random bytes; a truncated line */
		if (round % 4 == 0)
			length = (size_t)random_up_to(&seed, POLICY_TEXT_MAX + 8);
		for (size_t i = 0; i < length && round % 4 == 0; i++)
			text[i] = (char)random_bits(&seed);
		for (int i = 0; i < changes && length > 0; i++)
			text[random_bits(&seed) % length] = (char)random_bits(&seed);
		if (round % 4 == 1 && length > 0)
			length = random_bits(&seed) % length;
		policy_load(&loaded, text, length);
		assert_in_range(loaded.lifetime, LIFETIME_PERSISTENT, LIFETIME_TTL);
		assert_true(loaded.ttl <= POLICY_TTL_MAX);
		assert_true(loaded.lifetime != LIFETIME_TTL || loaded.ttl > 0);
		assert_true(memchr(loaded.owner.boot, 0, sizeof(loaded.owner.boot)) != NULL);
		assert_true(loaded.owner.pid >= 0);
		/* whatever was parsed can be stored */
		assert_in_range(policy_store(&loaded, why), 0, POLICY_TEXT_MAX - 1);
	}
}

/* --- processes --- */

/* A child that lives until the pipe's other end is closed. */
struct child {
	pid_t pid;
	int lifeline;
};

static struct child begin_child(void)
{
	struct child child;
	int ends[2];

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	fflush(NULL);
	child.pid = fork();
	if (child.pid == 0) {
		char byte;

		close(ends[1]);
		_exit(read(ends[0], &byte, 1) == 0 ? 0 : 1);
	}
	assert_true(child.pid > 0);
	close(ends[0]);
	child.lifeline = ends[1];
	return child;
}

/* It becomes a zombie. */
static void let_end(const struct child *child)
{
	siginfo_t info;

	close(child->lifeline);
	assert_int_equal(waitid(P_PID, (id_t)child->pid, &info, WEXITED | WNOWAIT), 0);
}

static void collect(const struct child *child)
{
	assert_int_equal(waitpid(child->pid, NULL, 0), child->pid);
}

static bool has_ended(int process_fd)
{
	struct pollfd polled = {.fd = process_fd, .events = POLLIN};

	return poll(&polled, 1, 0) == 1;
}

static void this_process(void **state)
{
	struct policy_owner owner = {0};
	_cleanup_close_ int fd = -1;
	char command[PROCFS_COMMAND_MAX];
	uint64_t start;

	(void)state;
	need_shared_memory();
	assert_int_equal(procfs_process_of(getpid()), getpid());
	assert_int_equal(procfs_start(getpid(), &start), 0);
	assert_true(start > 0);
	assert_true(start / procfs_ticks_per_second() <= boottime_nanoseconds() / 1000000000);
	assert_int_equal(procfs_owner(getpid(), &owner), 0);
	assert_int_equal(owner.pid, getpid());
	assert_true(!procfs_identity_waits() || owner.identity == start);
	assert_int_equal(procfs_thread_identity(getpid(), &start), 0);
	assert_true(owner.identity == start);
	assert_int_equal(strlen(owner.boot), POLICY_BOOT_MAX - 1);
	fd = procfs_owner_open(&owner);
	assert_true(fd >= 0);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	assert_false(has_ended(fd));
	assert_int_equal(procfs_command(getpid(), command), 0);
	assert_string_equal(command, "test_policy");
}

static void numbers_that_nobody_has(void **state)
{
	static const pid_t numbers[] = {0, -1, -ESRCH, INT32_MIN, INT32_MAX};
	struct policy_owner owner = {.pid = 77, .identity = 78, .boot = BOOT};

	(void)state;
	need_shared_memory();
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		const struct policy_owner wrong = {.pid = numbers[i], .identity = 1};
		char command[PROCFS_COMMAND_MAX] = "as it was";
		uint64_t start = 79;

		assert_int_equal(procfs_process_of(numbers[i]), -ESRCH);
		assert_int_equal(procfs_start(numbers[i], &start), -ESRCH);
		assert_true(start == 79);
		assert_int_equal(procfs_owner(numbers[i], &owner), -ESRCH);
		assert_int_equal(procfs_owner_open(&wrong), -ESRCH);
		assert_int_equal(procfs_command(numbers[i], command), -ESRCH);
		assert_string_equal(command, "as it was");
		assert_int_equal(procfs_fcntl_command(numbers[i]), -1);
	}
	assert_int_equal(owner.pid, 77);
	assert_true(owner.identity == 78);
	assert_string_equal(owner.boot, BOOT);
}

struct thread {
	pthread_t handle;
	pid_t id;
	int told[2]; /* reports its id */
	int stop[2]; /* it ends at the end of file */
};

static void *live(void *argument)
{
	const struct thread *thread = argument;
	pid_t id = (pid_t)syscall(SYS_gettid);
	char byte;

	/* a process may have any name */
	prctl(PR_SET_NAME, ") S 1 1 (\n\x7f 9");
	if (write(thread->told[1], &id, sizeof(id)) != sizeof(id))
		return NULL;
	return read(thread->stop[0], &byte, 1) == 0 ? argument : NULL;
}

/* pthread_join(3) returns once the thread has released its memory, before its number is free. */
static void wait_until_gone(pid_t id)
{
	for (int i = 0; i < 10000 && syscall(SYS_tgkill, getpid(), id, 0) == 0; i++)
		usleep(1000);
}

static void a_thread_is_its_process(void **state)
{
	struct thread thread;
	struct policy_owner owner = {0};
	struct policy_owner by_thread = {0};
	char command[PROCFS_COMMAND_MAX];
	uint64_t start = 0;
	uint64_t later = 0;
	int fd;

	(void)state;
	need_shared_memory();
	assert_int_equal(pipe2(thread.told, O_CLOEXEC), 0);
	assert_int_equal(pipe2(thread.stop, O_CLOEXEC), 0);
	assert_int_equal(pthread_create(&thread.handle, NULL, live, &thread), 0);
	assert_int_equal(read(thread.told[0], &thread.id, sizeof(thread.id)), sizeof(thread.id));
	assert_int_not_equal(thread.id, getpid());
	assert_int_equal(procfs_process_of(thread.id), getpid());
	assert_int_equal(procfs_owner(getpid(), &owner), 0);
	assert_int_equal(procfs_owner(thread.id, &by_thread), 0);
	assert_int_equal(by_thread.pid, getpid());
	assert_true(by_thread.identity == owner.identity);
	/* start of the thread itself, whatever its name */
	assert_int_equal(procfs_start(getpid(), &start), 0);
	assert_int_equal(procfs_start(thread.id, &later), 0);
	assert_true(later >= start);
	assert_int_equal(procfs_command(thread.id, command), 0);
	assert_string_equal(command, ")_S_1_1_(___9");
	/* a thread's number is not a process's */
	by_thread.pid = thread.id;
	assert_int_equal(procfs_owner_open(&by_thread), -ESRCH);
	by_thread.identity = later;
	assert_int_equal(procfs_owner_open(&by_thread), -ESRCH);
	close(thread.stop[1]);
	pthread_join(thread.handle, NULL);
	wait_until_gone(thread.id);
	assert_int_equal(procfs_owner(thread.id, &by_thread), -ESRCH);
	fd = procfs_owner_open(&owner);
	assert_true(fd >= 0);
	assert_false(has_ended(fd));
	close(fd);
	close(thread.told[0]);
	close(thread.told[1]);
	close(thread.stop[0]);
}

static void a_child_that_ends(void **state)
{
	struct child child;
	struct policy_owner owner = {0};
	char command[PROCFS_COMMAND_MAX];
	uint64_t start;
	int before;
	int zombie;

	(void)state;
	need_shared_memory();
	child = begin_child();
	assert_int_equal(procfs_owner(child.pid, &owner), 0);
	assert_int_equal(owner.pid, child.pid);
	before = procfs_owner_open(&owner);
	assert_true(before >= 0);
	assert_false(has_ended(before));
	let_end(&child);
	assert_true(has_ended(before));
	/* a zombie still has its number, but has ended */
	zombie = procfs_owner_open(&owner);
	assert_true(zombie == -ESRCH || has_ended(zombie));
	if (zombie >= 0)
		close(zombie);
	collect(&child);
	assert_int_equal(procfs_owner_open(&owner), -ESRCH);
	assert_int_equal(procfs_owner(child.pid, &owner), -ESRCH);
	assert_int_equal(procfs_process_of(child.pid), -ESRCH);
	assert_int_equal(procfs_start(child.pid, &start), -ESRCH);
	assert_int_equal(procfs_command(child.pid, command), -ESRCH);
	assert_true(has_ended(before));
	close(before);
}

static void a_number_that_another_has_by_now(void **state)
{
	struct child child = begin_child();
	struct policy_owner owner = {0};
	struct policy_owner other;
	int fd;

	(void)state;
	assert_int_equal(procfs_owner(child.pid, &owner), 0);
	for (int64_t off = -1; off <= 1; off += 2) {
		other = owner;
		other.identity += (uint64_t)off;
		assert_int_equal(procfs_owner_open(&other), -ESRCH);
	}
	other = owner;
	other.identity = 0;
	assert_int_equal(procfs_owner_open(&other), -ESRCH);
	/* the same number and time in another boot */
	other = owner;
	other.boot[0] = other.boot[0] == '0' ? '1' : '0';
	assert_int_equal(procfs_owner_open(&other), -ESRCH);
	other.boot[0] = 0;
	assert_int_equal(procfs_owner_open(&other), -ESRCH);
	fd = procfs_owner_open(&owner);
	assert_true(fd >= 0);
	close(fd);
	let_end(&child);
	collect(&child);
}

/* A line that is stored for a process finds that process. */
static void an_owner_is_found_again(void **state)
{
	struct child child = begin_child();
	struct policy policy = {.lifetime = LIFETIME_OWNER};
	struct policy loaded;
	char text[POLICY_TEXT_MAX] = "";
	int fd;

	(void)state;
	assert_int_equal(procfs_owner(child.pid, &policy.owner), 0);
	assert_int_equal(policy_load(&loaded, text, (size_t)policy_store(&policy, text)), 0);
	fd = procfs_owner_open(&loaded.owner);
	assert_true(fd >= 0);
	assert_false(has_ended(fd));
	let_end(&child);
	assert_true(has_ended(fd));
	close(fd);
	collect(&child);
}

static void what_a_thread_waits_for(void **state)
{
	(void)state;
	need_shared_memory();
	/*
	 * this thread is in read(2), whose second argument is a buffer: no command that fcntl(2) has, but no
	 * failure
	 */
	assert_true(procfs_fcntl_command(getpid()) != -1 || access("/proc/self/syscall", R_OK) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_of_fields),
		cmocka_unit_test(reads_every_value),
		cmocka_unit_test(refuses_with_a_reason),
		cmocka_unit_test(refuses_bytes_that_are_no_text),
		cmocka_unit_test(there_is_no_further_field),
		cmocka_unit_test(an_empty_value_needs_no_bytes),
		cmocka_unit_test(what_is_stored_is_loaded),
		cmocka_unit_test(the_longest_line_fits),
		cmocka_unit_test(one_field_is_copied),
		cmocka_unit_test(hostile_lines),
		cmocka_unit_test(lines_of_any_length_and_any_bytes),
		cmocka_unit_test(this_process),
		cmocka_unit_test(numbers_that_nobody_has),
		cmocka_unit_test(a_thread_is_its_process),
		cmocka_unit_test(a_child_that_ends),
		cmocka_unit_test(a_number_that_another_has_by_now),
		cmocka_unit_test(an_owner_is_found_again),
		cmocka_unit_test(what_a_thread_waits_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
