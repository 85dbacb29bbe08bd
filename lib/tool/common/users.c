// SPDX-License-Identifier: MIT
#include "lib/tool/common/users.h"
#include "lib/tool/common/command.h"
#include "lib/tool/common/report.h"
#include "lib/tool/common/text.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
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

static int find_user(const struct tool *tool, const char *name, char *buffer, uid_t *uid)
{
	struct passwd entry, *found = NULL;

	if (getpwnam_r(name, &entry, buffer, TEXT_ENTRY_MAX, &found) == 0 && found)
		*uid = found->pw_uid;
	else if (!parse_number(name, uid))
		return report(tool, STATUS_USAGE, name, "there is no such user; give a name or a number");
	return STATUS_DONE;
}

static int find_group(const struct tool *tool, const char *name, char *buffer, gid_t *gid)
{
	struct group entry, *found = NULL;

	if (getgrnam_r(name, &entry, buffer, TEXT_ENTRY_MAX, &found) == 0 && found)
		*gid = found->gr_gid;
	else if (!parse_number(name, gid))
		return report(tool, STATUS_USAGE, name, "there is no such group; give a name or a number");
	return STATUS_DONE;
}

/* user: of a text USER:GROUP, cut at the colon. group: NULL = none. buffer: TEXT_ENTRY_MAX bytes. */
static int find_both(const struct tool *tool, const char *user, const char *group, char *buffer, uid_t *uid,
		     gid_t *gid)
{
	int status = STATUS_DONE;

	if (!*user && (!group || !*group))
		return report(tool, STATUS_USAGE, user, "this is no USER, USER:GROUP or :GROUP");
	if (*user)
		status = find_user(tool, user, buffer, uid);
	if (status == STATUS_DONE && group && *group)
		status = find_group(tool, group, buffer, gid);
	return status;
}

int users_parse(const struct tool *tool, const char *text, uid_t *uid, gid_t *gid)
{
	char *user = strdup(text);
	char *buffer = malloc(TEXT_ENTRY_MAX);
	char *group = user ? strchr(user, ':') : NULL;
	int status;

	if (group)
		*group++ = '\0';
	status = user && buffer ? find_both(tool, user, group, buffer, uid, gid)
				: report_error(tool, NULL, -ENOMEM);
	free(user);
	free(buffer);
	return status;
}
