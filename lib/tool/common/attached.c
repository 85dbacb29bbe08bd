// SPDX-License-Identifier: MIT
#include "lib/tool/common/attached.h"
#include "lib/tool/common/command.h"
#include "lib/tool/common/fields.h"
#include "lib/tool/common/report.h"
#include "lib/tool/common/text.h"
#include "lib/tool/common/tool.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PROCESS, COMMAND, ACCESS, MODE, SINCE, NAME, FIELDS };

static int compare_names(const char *a, const char *b)
{
	if (!a || !b)
		return (a != NULL) - (b != NULL);
	return strcmp(a, b);
}

static int compare(const void *a, const void *b)
{
	const struct attached *first = a;
	const struct attached *second = b;
	const int order = compare_names(first->name, second->name);

	if (order != 0)
		return order;
	if (first->since != second->since)
		return first->since < second->since ? -1 : 1;
	return first->process < second->process ? -1 : first->process > second->process;
}

static size_t count_lines(const char *text)
{
	size_t n = 0;

	for (; *text; n++) {
		text = strchrnul(text, '\n');
		text += *text == '\n';
	}
	return n;
}

static void parse(struct attached_list *list)
{
	char *at = list->text;

	for (char *line; (line = fields_line(&at));) {
		struct attached *user = &list->users[list->n];
		char *fields[FIELDS];

		/* the path is "-" as a whole, and never escaped: a segment of that name cannot be told apart
		 */
		if (fields_split(line, fields, FIELDS) < FIELDS)
			continue;
		*user = (struct attached){
			.process = (pid_t)strtol(fields[PROCESS], NULL, 10),
			.command = fields[COMMAND],
			.access = fields[ACCESS],
			.mode = fields[MODE],
			.name = strcmp(fields[NAME], "-") == 0 ? NULL : fields[NAME],
		};
		text_parse_time(fields[SINCE], &user->since);
		list->has_unknown = list->has_unknown || strcmp(user->mode, "unknown") == 0;
		list->n++;
	}
}

int attached_read(struct tool *tool, struct attached_list *list)
{
	size_t length;
	int status;

	*list = (struct attached_list){0};
	status = tool_read(tool, "attached", &list->text, &length);
	if (status != STATUS_DONE)
		return status;
	list->users = calloc(count_lines(list->text) + 1, sizeof(*list->users));
	if (!list->users) {
		attached_free(list);
		return report_error(tool, NULL, -ENOMEM);
	}
	parse(list);
	qsort(list->users, list->n, sizeof(*list->users), compare);
	return STATUS_DONE;
}

void attached_free(struct attached_list *list)
{
	free(list->text);
	free(list->users);
	*list = (struct attached_list){0};
}

const struct attached *attached_find(const struct attached_list *list, const char *name, size_t *n)
{
	size_t low = 0, high = list->n;

	while (low < high) {
		const size_t middle = (low + high) / 2;

		if (compare_names(list->users[middle].name, name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	for (*n = 0; low + *n < list->n && compare_names(list->users[low + *n].name, name) == 0;)
		++*n;
	return *n > 0 ? &list->users[low] : NULL;
}
