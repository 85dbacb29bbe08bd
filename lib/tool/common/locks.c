// SPDX-License-Identifier: MIT
#include "lib/tool/common/locks.h"
#include "lib/tool/common/command.h"
#include "lib/tool/common/fields.h"
#include "lib/tool/common/report.h"
#include "lib/tool/common/text.h"
#include "lib/tool/common/tool.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { NUMBER, KIND, ENFORCED, TYPE, PROCESS, FILE_ID, START, END, SINCE, NAME, FIELDS };

static bool parse_line(char *line, struct lock_line *lock)
{
	char *arrow = strstr(line, ": -> ");
	char *fields[FIELDS];

	*lock = (struct lock_line){.waits = arrow != NULL};
	if (arrow)
		memset(arrow + 1, ' ', 3);
	if (fields_split(line, fields, FIELDS) < FIELDS)
		return false;
	lock->kind = fields[KIND];
	lock->mandatory = strcmp(fields[ENFORCED], "MANDATORY") == 0;
	lock->exclusive = strcmp(fields[TYPE], "WRITE") == 0;
	lock->process = (pid_t)strtol(fields[PROCESS], NULL, 10);
	lock->file = fields[FILE_ID];
	lock->start = strtoull(fields[START], NULL, 10);
	lock->end = strcmp(fields[END], "EOF") == 0 ? UINT64_MAX : strtoull(fields[END], NULL, 10);
	lock->name = strcmp(fields[NAME], "-") == 0 ? NULL : fields[NAME];
	text_parse_time(fields[SINCE], &lock->since);
	return true;
}

int locks_read(struct tool *tool, struct lock_list *list)
{
	size_t length, max = 0;
	char *at;
	int status;

	*list = (struct lock_list){0};
	status = tool_read(tool, "locks", &list->text, &length);
	if (status != STATUS_DONE)
		return status;
	at = list->text;
	for (char *line; (line = fields_line(&at));) {
		if (list->n == max) {
			struct lock_line *larger =
				reallocarray(list->locks, max ? 2 * max : 64, sizeof(*larger));

			if (!larger) {
				locks_free(list);
				return report_error(tool, NULL, -ENOMEM);
			}
			list->locks = larger;
			max = max ? 2 * max : 64;
		}
		list->n += parse_line(line, &list->locks[list->n]);
	}
	return STATUS_DONE;
}

void locks_free(struct lock_list *list)
{
	free(list->text);
	free(list->locks);
	*list = (struct lock_list){0};
}

static bool is_flock(const struct lock_line *lock)
{
	return strcmp(lock->kind, "FLOCK") == 0;
}

/* Whether `lock` keeps `waiting` from going on. */
static bool excludes(const struct lock_line *lock, const struct lock_line *waiting)
{
	if (lock == waiting || strcmp(lock->file, waiting->file) != 0 || is_flock(lock) != is_flock(waiting))
		return false;
	if (!lock->exclusive && !waiting->exclusive)
		return false;
	/* a process is not in its own way, unless the locks are those of open file descriptions */
	if (lock->process == waiting->process && strcmp(lock->kind, "POSIX") == 0 &&
	    strcmp(waiting->kind, "POSIX") == 0)
		return false;
	return lock->start <= waiting->end && waiting->start <= lock->end;
}

size_t locks_blocker(const struct lock_list *list, size_t waiting)
{
	for (size_t i = 0; i < list->n; i++)
		if (!list->locks[i].waits && excludes(&list->locks[i], &list->locks[waiting]))
			return i;
	/* what waits longer is listed before */
	for (size_t i = 0; i < waiting; i++)
		if (list->locks[i].waits && excludes(&list->locks[i], &list->locks[waiting]))
			return i;
	return LOCKS_NONE;
}
