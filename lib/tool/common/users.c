// SPDX-License-Identifier: MIT
#include "lib/tool/common/users.h"
#include "lib/tool/common/command.h"
#include "lib/tool/common/report.h"
#include "lib/tool/common/text.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* The greatest number means "none" to chown(2). */
static bool parse_number(const char *text, uint32_t *id)
{
	uint64_t number;

	if (command_parse_number(text, UINT32_MAX - 1, &number) < 0)
		return false;
	*id = (uint32_t)number;
	return true;
}

static int find_user(const struct tool *tool, const char *name, uid_t *uid)
{
	const int result = text_find_user(name, uid);

	if (result == -ENOMEM)
		return report_error(tool, NULL, result);
	if (result < 0 && !parse_number(name, uid))
		return report(tool, STATUS_USAGE, name, "there is no such user; give a name or a number");
	return STATUS_DONE;
}

static int find_group(const struct tool *tool, const char *name, gid_t *gid)
{
	const int result = text_find_group(name, gid);

	if (result == -ENOMEM)
		return report_error(tool, NULL, result);
	if (result < 0 && !parse_number(name, gid))
		return report(tool, STATUS_USAGE, name, "there is no such group; give a name or a number");
	return STATUS_DONE;
}

/* user: of a text USER:GROUP, cut at the colon. group: NULL = none. */
static int find_both(const struct tool *tool, const char *user, const char *group, uid_t *uid, gid_t *gid)
{
	int status = STATUS_DONE;

	if (!*user && (!group || !*group))
		return report(tool, STATUS_USAGE, user, "this is no USER, USER:GROUP or :GROUP");
	if (*user)
		status = find_user(tool, user, uid);
	if (status == STATUS_DONE && group && *group)
		status = find_group(tool, group, gid);
	return status;
}

int users_parse(const struct tool *tool, const char *text, uid_t *uid, gid_t *gid)
{
	char *user = strdup(text);
	char *group = user ? strchr(user, ':') : NULL;
	int status;

	if (group)
		*group++ = '\0';
	status = user ? find_both(tool, user, group, uid, gid) : report_error(tool, NULL, -ENOMEM);
	free(user);
	return status;
}
