// SPDX-License-Identifier: MIT
#include "lib/tool/common/stored.h"
#include "lib/tool/common/command.h"
#include "lib/tool/common/fields.h"
#include "lib/tool/common/report.h"
#include "lib/tool/common/tool.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int compare(const void *a, const void *b)
{
	return strcmp(((const struct stored *)a)->name, ((const struct stored *)b)->name);
}

int stored_read(struct tool *tool, struct stored_list *list)
{
	size_t length, max = 0;
	char *at;
	int status;

	*list = (struct stored_list){0};
	status = tool_read(tool, "policies", &list->text, &length);
	if (status != STATUS_DONE)
		return status;
	at = list->text;
	for (char *line; (line = fields_line(&at));) {
		char *fields[2];

		if (list->n == max) {
			struct stored *larger =
				reallocarray(list->policies, max ? 2 * max : 64, sizeof(*larger));

			if (!larger) {
				stored_free(list);
				return report_error(tool, NULL, -ENOMEM);
			}
			list->policies = larger;
			max = max ? 2 * max : 64;
		}
		if (fields_split(line, fields, 2) == 2)
			list->policies[list->n++] = (struct stored){.policy = fields[0], .name = fields[1]};
	}
	if (list->n > 0)
		qsort(list->policies, list->n, sizeof(*list->policies), compare);
	return STATUS_DONE;
}

void stored_free(struct stored_list *list)
{
	free(list->text);
	free(list->policies);
	*list = (struct stored_list){0};
}

const char *stored_find(const struct stored_list *list, const char *name)
{
	const struct stored wanted = {.name = name};
	const struct stored *found =
		list->n > 0 ? bsearch(&wanted, list->policies, list->n, sizeof(wanted), compare) : NULL;

	return found ? found->policy : "";
}
