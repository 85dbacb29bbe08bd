// SPDX-License-Identifier: MIT
/* segctl doctor: what this kernel, mount and user can and cannot have. */
#include "lib/tool/common/command.h"
#include "lib/tool/common/findings.h"
#include "lib/tool/common/findings_memory.h"
#include "lib/tool/common/findings_rights.h"
#include "lib/tool/common/report.h"
#include "lib/tool/common/table.h"
#include "lib/tool/common/tool.h"
#include "lib/tool/internal.h"

#include <stdio.h>

struct settings {
	struct table_style style;
	bool check, all;
};

enum column { STATE, SUBJECT, TEXT, REMEDY };

static const struct table_column columns[] = {
	[STATE] = {"STATE", TABLE_TEXT, .help = "ok, limited or missing"},
	[SUBJECT] = {"SUBJECT", TABLE_LABEL, .help = "what it is about"},
	[TEXT] = {"TEXT", TABLE_LABEL, .help = "what is so"},
	[REMEDY] = {"REMEDY", TABLE_LABEL, .help = "what to do"},
	{0},
};

static const char *const states[] = {
	[FINDING_OK] = "ok", [FINDING_LIMITED] = "limited", [FINDING_MISSING] = "missing"};

static void print_state(const struct tool *tool, enum finding_state state)
{
	static const char *const colours[] = {
		[FINDING_OK] = "32", [FINDING_LIMITED] = "33", [FINDING_MISSING] = "1;31"};

	if (tool->colour)
		printf("\033[%sm%-8s\033[0m", colours[state], states[state]);
	else
		printf("%-8s", states[state]);
}

/* What is missing first. */
static void print(const struct tool *tool, const struct finding_list *list, bool all)
{
	size_t n[3] = {0};

	for (int state = FINDING_MISSING; state >= FINDING_OK; state--) {
		for (size_t i = 0; i < list->n; i++) {
			const struct finding *finding = &list->findings[i];

			if ((int)finding->state != state)
				continue;
			n[state]++;
			if (state == FINDING_OK && !all)
				continue;
			print_state(tool, finding->state);
			printf(" %-15s %s\n", finding->subject, finding->text ? finding->text : "");
			if (finding->remedy)
				printf("%25s-> %s\n", "", finding->remedy);
		}
	}
	printf("%zu missing, %zu limited, %zu ok%s\n", n[FINDING_MISSING], n[FINDING_LIMITED], n[FINDING_OK],
	       all || n[FINDING_OK] == 0 ? "" : " (--all lists them)");
}

static int print_json(struct tool *tool, const struct finding_list *list, const struct table_style *style)
{
	struct table *table = NULL;
	int status = table_open(tool, columns, "STATE,SUBJECT,TEXT,REMEDY", style, "findings", &table);

	if (status != STATUS_DONE)
		return status < 0 ? STATUS_DONE : status;
	for (size_t i = 0; i < list->n; i++) {
		const struct finding *finding = &list->findings[i];
		const size_t line = table_add(table, TABLE_NO_PARENT);

		table_text(table, line, STATE, states[finding->state]);
		table_text(table, line, SUBJECT, finding->subject);
		table_text(table, line, TEXT, finding->text ? finding->text : "");
		if (finding->remedy)
			table_text(table, line, REMEDY, finding->remedy);
	}
	return table_close(tool, table);
}

static int run(struct tool *tool, void *given, int argc, char **argv)
{
	const struct settings *settings = given;
	struct finding_list list = {0};
	int status = STATUS_DONE;

	(void)argc;
	(void)argv;
	findings_program(&list);
	findings_mounts(&list);
	findings_rights(&list);
	findings_memory(&list);
	if (list.result < 0)
		status = report_error(tool, NULL, list.result);
	else if (settings->style.json)
		status = print_json(tool, &list, &settings->style);
	else
		print(tool, &list, settings->all);
	for (size_t i = 0; i < list.n && settings->check && status == STATUS_DONE; i++)
		if (list.findings[i].state == FINDING_MISSING)
			status = STATUS_NOT_AS_ASKED;
	findings_free(&list);
	return status;
}

static const struct command_option options[] = {
	COMMAND_OPTION(OPTION_FLAG, settings, all, "all", 'a', NULL, "also what is as it should be"),
	COMMAND_OPTION(OPTION_FLAG, settings, check, "check", 'c', NULL,
		       "exit with 1 if something is missing"),
	COMMAND_OPTION(OPTION_FLAG, settings, style.json, "json", 'J', NULL, "all as JSON"),
	{0},
};

const struct command doctor_command = {
	.name = "doctor",
	.arguments = "",
	.summary = "Finds out what this kernel, mount and user cannot have, and the remedies",
	.options = options,
	.more = "Examples:\n"
		"  segctl doctor\n"
		"  segctl doctor --json | jq '.findings[] | select(.state != \"ok\")'\n",
	.settings_size = sizeof(struct settings),
	.run = run,
};
