// SPDX-License-Identifier: MIT
#include "lib/tool/common/command.h"
#include "lib/base/cleanup.h"
#include "lib/base/sizes.h"
#include "lib/tool/common/report.h"
#include "lib/tool/common/tool.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OPTIONS_MAX 32
#define HELP_WIDTH  26 /* columns of the option in a line of help */

/* Nanoseconds of a unit; 0 = no such unit. */
static uint64_t unit_of(const char *text)
{
	static const struct {
		const char *name;
		uint64_t nanoseconds;
	} units[] = {
		{"", 1000000000u},   {"ms", 1000000u},      {"s", 1000000000u},
		{"m", 60000000000u}, {"h", 3600000000000u}, {"d", 86400000000000u},
	};

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (strcmp(text, units[i].name) == 0)
			return units[i].nanoseconds;
	return 0;
}

int command_parse_time(const char *text, uint64_t *nanoseconds)
{
	const size_t whole = strspn(text, "0123456789");
	const size_t fraction = text[whole] == '.' ? strspn(text + whole + 1, "0123456789") : 0;
	const char *unit = text + whole + (text[whole] == '.' ? 1 + fraction : 0);
	const uint64_t scale = unit_of(unit);
	uint64_t value, result = 0, digit_value = scale;

	if (whole == 0 || scale == 0 || (text[whole] == '.' && fraction == 0))
		return -EINVAL;
	errno = 0;
	value = strtoull(text, NULL, 10);
	if (errno || __builtin_mul_overflow(value, scale, &result))
		return -ERANGE;
	for (size_t i = 0; i < fraction; i++) {
		digit_value /= 10;
		if (__builtin_add_overflow(result, (uint64_t)(text[whole + 1 + i] - '0') * digit_value,
					   &result))
			return -ERANGE;
	}
	*nanoseconds = result;
	return 0;
}

static int parse_digits(const char *text, int base, uint64_t max, uint64_t *value)
{
	const char *digits = base == 8 ? "01234567" : "0123456789";
	unsigned long long parsed;

	if (!*text || text[strspn(text, digits)])
		return -EINVAL;
	errno = 0;
	parsed = strtoull(text, NULL, base);
	if (errno || parsed > max)
		return -ERANGE;
	*value = parsed;
	return 0;
}

int command_parse_number(const char *text, uint64_t max, uint64_t *value)
{
	return parse_digits(text, 10, max, value);
}

static int parse_number(enum option_type type, const char *text, uint64_t *value)
{
	switch (type) {
	case OPTION_SIZE:
		return size_parse(text, value);
	case OPTION_TIME:
		return command_parse_time(text, value);
	case OPTION_MODE:
		return parse_digits(text, 8, 07777, value);
	default:
		return command_parse_number(text, UINT64_MAX, value);
	}
}

static const char *wanted(enum option_type type)
{
	switch (type) {
	case OPTION_SIZE:
		return "bytes, or a number with K, M, G or T";
	case OPTION_TIME:
		return "a number with ms, s, m, h or d";
	case OPTION_MODE:
		return "octal digits, up to 7777";
	default:
		return "a decimal number";
	}
}

static int add_to(struct option_list *list, const char *item)
{
	const char **items = reallocarray(list->items, list->n + 1, sizeof(*items));

	if (!items)
		return -ENOMEM;
	items[list->n++] = item;
	list->items = items;
	return 0;
}

/* Returns a STATUS_*. */
static int set(struct tool *tool, const struct command_option *option, void *settings, const char *argument)
{
	void *member = (char *)settings + option->offset;
	uint64_t value;

	switch (option->type) {
	case OPTION_FLAG:
		*(bool *)member = true;
		return STATUS_DONE;
	case OPTION_TEXT:
		*(const char **)member = argument;
		return STATUS_DONE;
	case OPTION_LIST:
		return add_to(member, argument) < 0 ? report_error(tool, NULL, -ENOMEM) : STATUS_DONE;
	default:
		break;
	}
	if (parse_number(option->type, argument, &value) < 0)
		return report(tool, STATUS_USAGE, argument, "--%s takes %s", option->name,
			      wanted(option->type));
	*(struct option_number *)member = (struct option_number){.is_given = true, .value = value};
	return STATUS_DONE;
}

/* Fills the tables of getopt_long(3) from that of a command. Returns the number of options. */
static size_t make_tables(const struct command *command, struct option options[OPTIONS_MAX + 2],
			  char letters[2 * OPTIONS_MAX + 5])
{
	size_t n = 0;

	letters += sprintf(letters, "%s:h", command->options_first ? "+" : "");
	for (const struct command_option *option = command->options;
	     option && option->name && n < OPTIONS_MAX; option++, n++) {
		options[n] = (struct option){
			.name = option->name,
			.has_arg = option->type == OPTION_FLAG ? no_argument : required_argument,
			.val = 256 + (int)n,
		};
		if (option->letter)
			letters += sprintf(letters, "%c%s", option->letter,
					   option->type == OPTION_FLAG ? "" : ":");
	}
	options[n] = (struct option){.name = "help", .val = 'h'};
	options[n + 1] = (struct option){0};
	return n;
}

static const struct command_option *find_option(const struct command *command, int id)
{
	for (const struct command_option *option = command->options; option && option->name; option++)
		if (option->letter == id || option - command->options == id - 256)
			return option;
	return NULL;
}

static int refuse(struct tool *tool, const struct command *command, int id, char **argv)
{
	const char letter[] = {'-', (char)optopt, '\0'};
	const bool is_letter = optopt > 0 && optopt < 256;
	const char *given = is_letter ? letter : argv[optind - 1];

	return report(tool, STATUS_USAGE, given, "%s; see 'segctl %s --help'",
		      id == ':' ? "an argument is missing" : "no such option", command->name);
}

/* Sets what the options say. Returns a STATUS_*, or -1 if the help was printed. */
static int parse(const struct command *command, struct tool *tool, void *settings, int argc, char **argv)
{
	struct option options[OPTIONS_MAX + 2];
	char letters[2 * OPTIONS_MAX + 5];
	int status = STATUS_DONE;
	int id;

	make_tables(command, options, letters);
	optind = 0;
	opterr = 0;
	while (status == STATUS_DONE && (id = getopt_long(argc, argv, letters, options, NULL)) != -1) {
		const struct command_option *option = find_option(command, id);

		if (id == 'h') {
			command_print_help(command);
			return -1;
		}
		status = option ? set(tool, option, settings, optarg) : refuse(tool, command, id, argv);
	}
	return status;
}

static void free_lists(const struct command *command, void *settings)
{
	for (const struct command_option *option = command->options; option && option->name; option++)
		if (option->type == OPTION_LIST)
			free(((struct option_list *)((char *)settings + option->offset))->items);
}

int command_run(const struct command *command, struct tool *tool, int argc, char **argv)
{
	_cleanup_free_ void *settings = calloc(1, command->settings_size + 1);
	size_t n;
	int status;

	tool->command = command->name;
	if (!settings)
		return report_error(tool, NULL, -ENOMEM);
	status = parse(command, tool, settings, argc, argv);
	n = (size_t)(argc - optind);
	if (status < 0)
		status = STATUS_DONE;
	else if (status == STATUS_DONE && (n < command->min || n > command->max))
		status = report(tool, STATUS_USAGE, NULL, "usage: segctl %s %s%s%s", command->name,
				command->options ? "[OPTION]... " : "", command->arguments,
				n < command->min ? "" : ": too many arguments");
	else if (status == STATUS_DONE)
		status = command->run(tool, settings, (int)n, argv + optind);
	free_lists(command, settings);
	return status;
}

void command_print_help(const struct command *command)
{
	printf("usage: segctl %s %s%s\n%s.\n\n", command->name, command->options ? "[OPTION]... " : "",
	       command->arguments, command->summary);
	for (const struct command_option *option = command->options; option && option->name; option++) {
		char text[64] = "     ";
		int n;

		if (option->letter)
			snprintf(text, sizeof(text), "  -%c,", option->letter);
		n = printf("%s --%s%s%s", text, option->name, option->argument ? " " : "",
			   option->argument ? option->argument : "");
		printf("%*s%s\n", n < HELP_WIDTH ? HELP_WIDTH - n : 1, "", option->help);
	}
	if (command->more)
		printf("%s%s", command->options ? "\n" : "", command->more);
}
