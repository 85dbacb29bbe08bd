// SPDX-License-Identifier: MIT
#include "lib/tool/complete.h"
#include "lib/base/cleanup.h"
#include "lib/client/internal.h"
#include "lib/tool/common/command.h"
#include "lib/tool/internal.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define FILES "\tfiles\n"

static bool begins(const char *text, const char *with)
{
	return strncmp(text, with, strlen(with)) == 0;
}

static void print(const char *word, const char *text, const char *begin)
{
	if (begins(word, begin))
		printf("%s\t%.*s\n", word, (int)strcspn(text, "\n"), text);
}

/* --- names --- */

static bool is_directory(DIR *dir, const struct dirent *entry)
{
	struct stat found;

	if (entry->d_type != DT_UNKNOWN)
		return entry->d_type == DT_DIR;
	return fstatat(dirfd(dir), entry->d_name, &found, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(found.st_mode);
}

/* Whether a name can be a line, and no terminal takes it for a command. */
static bool is_line(const char *name)
{
	while (*name && (unsigned char)*name >= ' ' && *name != 0x7f)
		name++;
	return !*name;
}

/* What begins so in the directory of the name. */
static void print_names(const char *begin)
{
	_cleanup_closedir_ DIR *dir = NULL;
	const char *slash = strrchr(begin, '/');
	const int prefix = slash ? (int)(slash - begin) + 1 : 0;
	const char *last = begin + prefix;
	char name[PATH_MAX], path[PATH_MAX];
	const struct dirent *entry;

	if (snprintf(name, sizeof(name), "%.*s", prefix, begin) >= (int)sizeof(name) ||
	    name_resolve(name, true, path) < 0)
		return;
	dir = opendir(path);
	while (dir && (entry = readdir(dir))) {
		if ((entry->d_name[0] == '.' && *last != '.') || !begins(entry->d_name, last) ||
		    !is_line(entry->d_name))
			continue;
		if (is_directory(dir, entry))
			printf("%.*s%s/\tdirectory\n", prefix, begin, entry->d_name);
		else
			printf("%.*s%s\tsegment\n", prefix, begin, entry->d_name);
	}
}

/* --- words of a command --- */

static const struct command *find_command(const char *name)
{
	for (size_t i = 0; commands[i]; i++)
		if (strcmp(commands[i]->name, name) == 0)
			return commands[i];
	return NULL;
}

static const struct command_option *find_option(const struct command *command, const char *word)
{
	for (const struct command_option *option = command->options; option && option->name; option++)
		if ((begins(word, "--") && strcmp(word + 2, option->name) == 0) ||
		    (word[0] == '-' && option->letter && word[1] == option->letter && !word[2]))
			return option;
	return NULL;
}

static void print_options(const struct command *command, const char *begin)
{
	char word[64];

	for (const struct command_option *option = command->options; option && option->name; option++) {
		snprintf(word, sizeof(word), "--%s", option->name);
		print(word, option->help, begin);
	}
	print("--help", "describe the command", begin);
}

/* What an option takes, as far as it is a file; nothing else is known of it. */
static void print_argument(const struct command_option *option)
{
	if (option->argument &&
	    (strcmp(option->argument, "FILE") == 0 || strcmp(option->argument, "DIRECTORY") == 0))
		fputs(FILES, stdout);
}

/* The words after the name of the command, the last of which is to be completed. */
static void complete_command(const struct command *command, int argc, char **argv)
{
	const char *last = argv[argc - 1];
	const struct command_option *before = argc > 1 ? find_option(command, argv[argc - 2]) : NULL;
	int arguments = 0;

	if (before && before->type != OPTION_FLAG) {
		print_argument(before);
		return;
	}
	if (*last == '-') {
		print_options(command, last);
		return;
	}
	for (int i = 0; i < argc - 1; i++) {
		const struct command_option *option = find_option(command, argv[i]);

		if (*argv[i] != '-')
			arguments++;
		else if (option && option->type != OPTION_FLAG)
			i++;
	}
	if (command->completes == ARGUMENT_NAMES || (command->completes == ARGUMENT_NAME && arguments == 0))
		print_names(last);
	else if (command->completes == ARGUMENT_FILE)
		fputs(FILES, stdout);
}

static void print_commands(const char *begin)
{
	for (size_t i = 0; commands[i]; i++)
		print(commands[i]->name, commands[i]->summary, begin);
	if (*begin != '-')
		return;
	print("--mount", "choose the mount", begin);
	print("--help", "list the commands", begin);
	print("--version", "print the version", begin);
}

int complete(struct tool *tool, int argc, char **argv)
{
	const struct command *command;
	int at = 0;

	(void)tool;
	/* options before the command; that of a mount is for the names */
	while (at < argc - 1 && *argv[at] == '-') {
		const bool is_mount = strcmp(argv[at], "--mount") == 0 || strcmp(argv[at], "-m") == 0;

		if (begins(argv[at], "--mount="))
			setenv("SEGFS_MOUNT", argv[at] + strlen("--mount="), 1);
		else if (is_mount && at + 1 < argc - 1)
			setenv("SEGFS_MOUNT", argv[at + 1], 1);
		at += is_mount ? 2 : 1;
	}
	if (argc == 0 || at >= argc) {
		fputs(FILES, stdout);
		return STATUS_DONE;
	}
	if (at == argc - 1) {
		print_commands(argv[at]);
		return STATUS_DONE;
	}
	command = find_command(argv[at]);
	if (command)
		complete_command(command, argc - at - 1, argv + at + 1);
	return STATUS_DONE;
}
