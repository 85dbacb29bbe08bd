// SPDX-License-Identifier: MIT
/*
 * segctl: the shared memory of a machine from the command line.
 *
 *   main.c, commands.c   the options before the command, and the table of commands
 *   NAME.c               the command NAME
 *   common/              what commands share: options (command), the mount (tool), messages (report, remedy),
 *                        text, tables, what is known of segments (survey), lists of .segfs (fields, attached,
 *                        locks), arguments (target, policies, users, load), objects, creation, and what lock
 *                        needs (filelock, child)
 *
 * Segments are reached by files and attributes of the mount, and by libsegfs.
 */
#include "lib/tool/common/command.h"
#include "lib/tool/common/report.h"
#include "lib/tool/common/tool.h"
#include "lib/tool/complete.h"
#include "lib/tool/internal.h"

#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void print_help(void)
{
	printf("usage: segctl [--mount DIR] COMMAND [OPTION]... [ARGUMENT]...\n"
	       "Shared memory of this machine: what there is, who uses it, and what to do with it.\n\n");
	for (size_t i = 0; commands[i]; i++)
		printf("  %-10s %s\n", commands[i]->name, commands[i]->summary);
	printf("\n'segctl COMMAND --help' describes a command. SEGFS_MOUNT or --mount chooses the mount.\n"
	       "Exit status: 0 done, 1 not as asked, 2 usage, 3 no mount, 4 no right. See segctl(1).\n");
}

/* Names are for commands with the mount as well as for the library. */
static int choose_mount(struct tool *tool, const char *path)
{
	if (!path || !*path)
		return report(tool, STATUS_USAGE, "--mount", "an argument is missing");
	return setenv("SEGFS_MOUNT", path, 1) < 0 ? STATUS_NOT_AS_ASKED : STATUS_DONE;
}

/* Sets the options before the command. Returns the index of that; or -1, and a status. */
static int parse(struct tool *tool, int argc, char **argv, int *status)
{
	int i = 1;

	*status = STATUS_DONE;
	for (; i < argc && *argv[i] == '-' && *status == STATUS_DONE; i++) {
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
			print_help();
			return -1;
		}
		if (strcmp(argv[i], "--version") == 0 || strcmp(argv[i], "-V") == 0) {
			printf("segctl %s\n", SEGFS_VERSION);
			return -1;
		}
		if (strcmp(argv[i], "--mount") == 0 || strcmp(argv[i], "-m") == 0) {
			i++;
			*status = choose_mount(tool, i < argc ? argv[i] : NULL);
		} else if (strncmp(argv[i], "--mount=", 8) == 0) {
			*status = choose_mount(tool, argv[i] + 8);
		} else {
			*status = report(tool, STATUS_USAGE, argv[i], "no such option; see 'segctl --help'");
		}
	}
	return *status == STATUS_DONE ? i : -1;
}

static const struct command *find(const char *name)
{
	for (size_t i = 0; commands[i]; i++)
		if (strcmp(commands[i]->name, name) == 0)
			return commands[i];
	return NULL;
}

/* A full disk or a closed pipe is no success. */
static int finish(const struct tool *tool, int status)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return status;
	return status != STATUS_DONE ? status
				     : report(tool, STATUS_NOT_AS_ASKED, NULL,
					      "not all could be written to standard output");
}

int main(int argc, char **argv)
{
	const struct command *command;
	struct tool tool;
	int status, at;

	setlocale(LC_CTYPE, "");
	tool_init(&tool);
	if (argc > 1 && strcmp(argv[1], "--complete") == 0)
		return complete(&tool, argc - 2, argv + 2);
	at = parse(&tool, argc, argv, &status);
	if (at < 0)
		return finish(&tool, status);
	if (at == argc) {
		print_help();
		return STATUS_USAGE;
	}
	command = find(argv[at]);
	if (!command)
		return report(&tool, STATUS_USAGE, argv[at], "no such command; see 'segctl --help'");
	status = command_run(command, &tool, argc - at, argv + at);
	status = finish(&tool, status);
	tool_close(&tool);
	return status;
}
