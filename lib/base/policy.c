// SPDX-License-Identifier: MIT
#include "lib/base/policy.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const field_names[POLICY_FIELDS] = {
	[POLICY_LOCK] = "lock",        [POLICY_WRITERS] = "writers",   [POLICY_COMMIT] = "commit",
	[POLICY_SIZE] = "size-policy", [POLICY_LIFETIME] = "lifetime",
};

/* Units of time in milliseconds, largest first. */
static const struct {
	const char *name;
	uint64_t milliseconds;
} units[] = {{"d", 86400000}, {"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}};

#define N_UNITS (sizeof(units) / sizeof(units[0]))

const char *policy_field_name(enum policy_field field)
{
	return field_names[field];
}

enum policy_field policy_field_find(const char *name)
{
	int field = 0;

	while (field < POLICY_FIELDS && strcmp(field_names[field], name) != 0)
		field++;
	return (enum policy_field)field;
}

static int wrong(char why[POLICY_WHY_MAX], const char *text)
{
	snprintf(why, POLICY_WHY_MAX, "%s", text);
	return -EINVAL;
}

static int set_flag(bool *flag, const char *value, const char *no, const char *yes, char why[POLICY_WHY_MAX])
{
	bool is_yes = strcmp(value, yes) == 0;

	if (!is_yes && strcmp(value, no) != 0) {
		snprintf(why, POLICY_WHY_MAX, "neither %s nor %s; write one of them", yes, no);
		return -EINVAL;
	}
	*flag = is_yes;
	return 0;
}

/* Parses leading digits; `end` gets the first byte after them. */
static bool parse_number(const char *text, uint64_t *number, const char **end)
{
	size_t digits = strspn(text, "0123456789");

	if (digits == 0 || digits > 18)
		return false;
	*number = strtoull(text, NULL, 10);
	*end = text + digits;
	return true;
}

static int set_writers(struct policy *policy, const char *value, char why[POLICY_WHY_MAX])
{
	const char *end;
	uint64_t number;

	if (!parse_number(value, &number, &end) || *end || number > POLICY_WRITERS_MAX)
		return wrong(why, "not a number of writers; write 0 for any number, or 1 to 65535");
	policy->writers = (uint16_t)number;
	return 0;
}

int policy_parse_time(const char *text, uint64_t *milliseconds)
{
	const char *unit;
	uint64_t number;

	if (!parse_number(text, &number, &unit) || number == 0)
		return -EINVAL;
	for (size_t i = 0; i < N_UNITS; i++) {
		if (strcmp(*unit ? unit : "s", units[i].name) != 0)
			continue;
		if (number > POLICY_TTL_MAX / units[i].milliseconds)
			return -ERANGE;
		*milliseconds = number * units[i].milliseconds;
		return 0;
	}
	return -EINVAL;
}

static int set_lifetime(struct policy *policy, const char *value, char why[POLICY_WHY_MAX])
{
	static const char *const names[] = {"persistent", "last-close", "owner"};
	int result;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(value, names[i]) == 0) {
			policy->lifetime = (enum policy_lifetime)i;
			return 0;
		}
	}
	if (strncmp(value, "ttl:", 4) != 0)
		return wrong(
			why,
			"not a lifetime; write persistent, last-close, owner, or ttl:TIME such as ttl:30s");
	result = policy_parse_time(value + 4, &policy->ttl);
	if (result == -ERANGE)
		return wrong(why, "too long a time; the longest is ttl:3650d");
	if (result < 0)
		return wrong(
			why,
			"not a time; write a whole number above 0 with ms, s, m, h or d, such as ttl:30s");
	policy->lifetime = LIFETIME_TTL;
	return 0;
}

int policy_set(struct policy *policy, enum policy_field field, const char *value, size_t length,
	       char why[POLICY_WHY_MAX])
{
	char text[POLICY_VALUE_MAX];

	if (length >= sizeof(text) || memchr(value, 0, length))
		return wrong(why, "not a value of this attribute; it is too long, or has a zero byte in it");
	memcpy(text, value, length);
	text[length] = 0;
	switch (field) {
	case POLICY_LOCK:
		return set_flag(&policy->mandatory, text, "advisory", "mandatory", why);
	case POLICY_WRITERS:
		return set_writers(policy, text, why);
	case POLICY_COMMIT:
		return set_flag(&policy->commit, text, "no", "yes", why);
	case POLICY_SIZE:
		return set_flag(&policy->fixed_size, text, "variable", "fixed", why);
	case POLICY_LIFETIME:
		return set_lifetime(policy, text, why);
	case POLICY_FIELDS:
		break;
	}
	return wrong(why, "no such attribute");
}

int policy_format_time(uint64_t milliseconds, char *value)
{
	size_t unit = 0;

	while (milliseconds % units[unit].milliseconds)
		unit++;
	return snprintf(value, POLICY_TIME_MAX, "%" PRIu64 "%s", milliseconds / units[unit].milliseconds,
			units[unit].name);
}

static int format_lifetime(const struct policy *policy, char value[POLICY_VALUE_MAX])
{
	int length;

	switch (policy->lifetime) {
	case LIFETIME_PERSISTENT:
		return snprintf(value, POLICY_VALUE_MAX, "persistent");
	case LIFETIME_LAST_CLOSE:
		return snprintf(value, POLICY_VALUE_MAX, "last-close");
	case LIFETIME_OWNER:
		return snprintf(value, POLICY_VALUE_MAX, "owner");
	case LIFETIME_TTL:
		break;
	}
	length = snprintf(value, POLICY_VALUE_MAX, "ttl:");
	return length + policy_format_time(policy->ttl, value + length);
}

int policy_format(const struct policy *policy, enum policy_field field, char value[POLICY_VALUE_MAX])
{
	switch (field) {
	case POLICY_LOCK:
		return snprintf(value, POLICY_VALUE_MAX, "%s", policy->mandatory ? "mandatory" : "advisory");
	case POLICY_WRITERS:
		return snprintf(value, POLICY_VALUE_MAX, "%u", policy->writers);
	case POLICY_COMMIT:
		return snprintf(value, POLICY_VALUE_MAX, "%s", policy->commit ? "yes" : "no");
	case POLICY_SIZE:
		return snprintf(value, POLICY_VALUE_MAX, "%s", policy->fixed_size ? "fixed" : "variable");
	case POLICY_LIFETIME:
		return format_lifetime(policy, value);
	case POLICY_FIELDS:
		break;
	}
	value[0] = 0;
	return 0;
}

void policy_copy(struct policy *policy, enum policy_field field, const struct policy *from)
{
	switch (field) {
	case POLICY_LOCK:
		policy->mandatory = from->mandatory;
		break;
	case POLICY_WRITERS:
		policy->writers = from->writers;
		break;
	case POLICY_COMMIT:
		policy->commit = from->commit;
		break;
	case POLICY_SIZE:
		policy->fixed_size = from->fixed_size;
		break;
	case POLICY_LIFETIME:
		policy->lifetime = from->lifetime;
		policy->ttl = from->ttl;
		policy->owner = from->owner;
		break;
	case POLICY_FIELDS:
		break;
	}
}

bool policy_is_same(const struct policy *a, enum policy_field field, const struct policy *b)
{
	char first[POLICY_VALUE_MAX];
	char second[POLICY_VALUE_MAX];

	policy_format(a, field, first);
	policy_format(b, field, second);
	return strcmp(first, second) == 0;
}

int policy_store(const struct policy *policy, char text[POLICY_TEXT_MAX])
{
	static const struct policy by_default;
	int length = 0;

	text[0] = 0;
	for (int field = 0; field < POLICY_FIELDS; field++) {
		char value[POLICY_VALUE_MAX];

		if (policy_is_same(policy, (enum policy_field)field, &by_default))
			continue;
		policy_format(policy, (enum policy_field)field, value);
		length += snprintf(text + length, POLICY_TEXT_MAX - (size_t)length, "%s%s=%s",
				   length ? " " : "", field_names[field], value);
	}
	if (policy->lifetime == LIFETIME_OWNER && policy->owner.pid > 0)
		length += snprintf(text + length, POLICY_TEXT_MAX - (size_t)length,
				   " process=%d:%" PRIu64 ":%s", (int)policy->owner.pid,
				   policy->owner.identity, policy->owner.boot);
	return length;
}

static int load_owner(struct policy_owner *owner, const char *text)
{
	struct policy_owner read = {0};
	uint64_t pid;

	if (!parse_number(text, &pid, &text) || pid == 0 || pid > INT32_MAX || *text++ != ':')
		return -EINVAL;
	if (!parse_number(text, &read.identity, &text) || *text++ != ':' ||
	    strlen(text) != POLICY_BOOT_MAX - 1)
		return -EINVAL;
	memcpy(read.boot, text, sizeof(read.boot));
	read.pid = (pid_t)pid;
	*owner = read;
	return 0;
}

static int load_word(struct policy *policy, char *word)
{
	char *value = strchr(word, '=');
	char why[POLICY_WHY_MAX];

	if (!value)
		return -EINVAL;
	*value++ = 0;
	if (strcmp(word, "process") == 0)
		return load_owner(&policy->owner, value);
	return policy_set(policy, policy_field_find(word), value, strlen(value), why);
}

int policy_load(struct policy *policy, const char *text, size_t length)
{
	char copy[POLICY_TEXT_MAX];
	char *place = NULL;
	int result = 0;

	*policy = (struct policy){0};
	if (length >= sizeof(copy))
		return -EINVAL;
	memcpy(copy, text, length);
	copy[length] = 0;
	if (strlen(copy) != length)
		result = -EINVAL;
	for (char *word = strtok_r(copy, " ", &place); word; word = strtok_r(NULL, " ", &place))
		if (load_word(policy, word) < 0)
			result = -EINVAL;
	return result;
}
