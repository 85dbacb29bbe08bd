// SPDX-License-Identifier: MIT
/* Maps "user" and "user:group" to ids; the only part of the configuration that queries the system. */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/config/internal.h"

#define ENTRY_MAX  (1 << 20) /* bytes of an entry: that of a group with many members is large */
#define USER_MAX   256       /* bytes of a user name, including the final 0: LOGIN_NAME_MAX of Linux */
#define NAME_SHOWN 64        /* bytes of a name in a message */

/* A lookup with a buffer of that size. Returns 0 (with *found) or a positive errno, as getpwnam_r(3). */
typedef int look_up(const void *what, char *buffer, size_t size, bool *found, unsigned int *id,
		    unsigned int *group);

static int user_by_name(const void *what, char *buffer, size_t size, bool *found, unsigned int *id,
			unsigned int *group)
{
	struct passwd entry;
	struct passwd *result = NULL;
	int error = getpwnam_r(what, &entry, buffer, size, &result);

	*found = !error && result;
	if (*found) {
		*id = entry.pw_uid;
		*group = entry.pw_gid;
	}
	return error;
}

static int user_by_id(const void *what, char *buffer, size_t size, bool *found, unsigned int *id,
		      unsigned int *group)
{
	struct passwd entry;
	struct passwd *result = NULL;
	int error = getpwuid_r(*(const uid_t *)what, &entry, buffer, size, &result);

	*found = !error && result;
	if (*found) {
		*id = entry.pw_uid;
		*group = entry.pw_gid;
	}
	return error;
}

static int group_by_name(const void *what, char *buffer, size_t size, bool *found, unsigned int *id,
			 unsigned int *group)
{
	struct group entry;
	struct group *result = NULL;
	int error = getgrnam_r(what, &entry, buffer, size, &result);

	(void)group;
	*found = !error && result;
	if (*found)
		*id = entry.gr_gid;
	return error;
}

/*
 * Looks up with a buffer that grows as needed. Returns 1 if found, 0 if not, or a negative errno: -ENOMEM, or
 * the error of the name service.
 */
static int look_up_fully(look_up *function, const void *what, unsigned int *id, unsigned int *group)
{
	for (size_t size = 1024; size <= ENTRY_MAX; size *= 2) {
		char *buffer = malloc(size);
		bool found = false;
		int error;

		if (!buffer)
			return -ENOMEM;
		error = function(what, buffer, size, &found, id, group);
		free(buffer); /* only ids of the entry are used */
		switch (error) {
		case ERANGE:
		case EINTR:
			continue;
		case 0:
		case ENOENT:
		case ESRCH:
		case EBADF:
		case EPERM:
			return found; /* name services report "not found" by any of these, see getpwnam(3) */
		default:
			return -error;
		}
	}
	return -ERANGE;
}

static bool is_number(const char *text)
{
	return text[0] && strspn(text, "0123456789") == strlen(text);
}

/* Parses an id. The maximum is one below (uid_t)-1 and (gid_t)-1, which mean "no change" to chown(2). */
static int parse_id(const char *text, unsigned int *id, char why[CONFIG_WHY_MAX])
{
	uint64_t value = 0;

	for (; *text; text++) {
		value = value * 10 + (uint64_t)(*text - '0');
		if (value >= UINT32_MAX) {
			snprintf(why, CONFIG_WHY_MAX, "the id is too large; the largest is 4294967294");
			return -EINVAL;
		}
	}
	*id = (unsigned int)value;
	return 0;
}

static int failed(int error, const char *kind, const char *name, char why[CONFIG_WHY_MAX])
{
	if (error == -ENOMEM)
		return -ENOMEM;
	if (error)
		snprintf(why, CONFIG_WHY_MAX, "%s '%.*s' cannot be looked up: %s; write its number instead",
			 kind, NAME_SHOWN, name, strerror(-error));
	else
		snprintf(why, CONFIG_WHY_MAX, "there is no %s '%.*s'; write one that exists, or a number",
			 kind, NAME_SHOWN, name);
	return -EINVAL;
}

static int parse_user(const char *name, bool needs_group, unsigned int *user, unsigned int *group,
		      char why[CONFIG_WHY_MAX])
{
	int error;

	if (!is_number(name)) {
		error = look_up_fully(user_by_name, name, user, group);
		return error == 1 ? 0 : failed(error, "user", name, why);
	}
	error = parse_id(name, user, why);
	if (error || !needs_group)
		return error;
	error = look_up_fully(user_by_id, user, user, group);
	if (error == 0) {
		snprintf(why, CONFIG_WHY_MAX, "user %u has no passwd entry with a group; write %u:GROUP",
			 *user, *user);
		return -EINVAL;
	}
	return error == 1 ? 0 : failed(error, "user", name, why);
}

static int parse_group(const char *name, unsigned int *group, char why[CONFIG_WHY_MAX])
{
	int error;

	if (is_number(name))
		return parse_id(name, group, why);
	error = look_up_fully(group_by_name, name, group, NULL);
	return error == 1 ? 0 : failed(error, "group", name, why);
}

int config_parse_owner(const char *value, unsigned int *user, unsigned int *group, char why[CONFIG_WHY_MAX])
{
	char user_name[USER_MAX];
	size_t length = strcspn(value, ":");
	const char *group_name = value[length] ? value + length + 1 : NULL;
	unsigned int user_id = 0;
	unsigned int group_id = 0;
	int error;

	if (!length || (group_name && !*group_name)) {
		snprintf(why, CONFIG_WHY_MAX, "the %s is missing; write user or user:group",
			 length ? "group" : "user");
		return -EINVAL;
	}
	if (length >= USER_MAX) {
		snprintf(why, CONFIG_WHY_MAX,
			 "there is no user with a name of %zu bytes; write one that exists, or a number",
			 length);
		return -EINVAL;
	}
	memcpy(user_name, value, length);
	user_name[length] = 0;
	error = parse_user(user_name, !group_name, &user_id, &group_id, why);
	if (error)
		return error;
	if (group_name) {
		error = parse_group(group_name, &group_id, why);
		if (error)
			return error;
	}
	*user = user_id;
	*group = group_id;
	return 0;
}
