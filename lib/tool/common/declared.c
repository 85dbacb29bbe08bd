// SPDX-License-Identifier: MIT
#include "lib/tool/common/declared.h"
#include "lib/tool/common/command.h"
#include "lib/tool/common/fields.h"
#include "lib/tool/common/report.h"
#include "lib/tool/common/tool.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SECTION "[segment "

/* The name in the heading of a section, which segfs has written; NULL for another line. */
static const char *name_in(char *line)
{
	char *end = strrchr(line, ']');

	if (strncmp(line, SECTION, strlen(SECTION)) != 0 || !end)
		return NULL;
	*end = '\0';
	return line + strlen(SECTION);
}

int declared_read(struct tool *tool, struct declared_list *list)
{
	size_t length;
	char *at;
	int status;

	*list = (struct declared_list){0};
	status = tool_read(tool, "config", &list->text, &length);
	if (status != STATUS_DONE)
		return status;
	at = list->text;
	for (char *line; (line = fields_line(&at));) {
		const char *name = name_in(line);
		const char **larger = name ? reallocarray(list->names, list->n + 1, sizeof(*larger)) : NULL;

		if (!name)
			continue;
		if (!larger) {
			declared_free(list);
			return report_error(tool, NULL, -ENOMEM);
		}
		list->names = larger;
		list->names[list->n++] = name;
	}
	return STATUS_DONE;
}

void declared_free(struct declared_list *list)
{
	free(list->text);
	free(list->names);
	*list = (struct declared_list){0};
}

bool declared_has(const struct declared_list *list, const char *name)
{
	for (size_t i = 0; i < list->n; i++)
		if (strcmp(list->names[i], name) == 0)
			return true;
	return false;
}
