/* SPDX-License-Identifier: MIT */
/*
 * Commands of segctl and their options: one table per command, from which the command line is parsed, --help
 * is printed and completions are made.
 */
#ifndef SEGFS_TOOL_COMMAND_H
#define SEGFS_TOOL_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tool;

/* Exit statuses, documented in segctl(1). */
enum {
	STATUS_DONE = 0,
	STATUS_NOT_AS_ASKED = 1, /* it was not possible, or what was asked is not so */
	STATUS_USAGE = 2,        /* the command line is wrong */
	STATUS_NO_MOUNT = 3,     /* no segfs is mounted, more than one, or it has ended */
	STATUS_NO_RIGHT = 4,     /* the user may not do it */
};

/* What an option takes, and the type of its member in the settings of the command. */
enum option_type {
	OPTION_FLAG,   /* nothing: bool */
	OPTION_TEXT,   /* const char *, in argv */
	OPTION_LIST,   /* struct option_list; may be given several times */
	OPTION_NUMBER, /* struct option_number: decimal digits */
	OPTION_SIZE,   /* struct option_number: bytes, see size_parse() */
	OPTION_MODE,   /* struct option_number: permission bits, octal */
	OPTION_TIME,   /* struct option_number: nanoseconds; a number with a fraction and ms, s, m, h or d */
};

struct option_list {
	const char **items; /* in argv */
	size_t n;
};

struct option_number {
	bool is_given;
	uint64_t value;
};

struct command_option {
	const char *name; /* without "--"; NULL ends the table */
	char letter;      /* the short option; 0 = none */
	enum option_type type;
	const char *argument; /* its name in --help; NULL for OPTION_FLAG */
	const char *help;     /* one line */
	size_t offset;        /* of the member of the settings */
};

/* What the arguments of a command are, for completions. */
enum command_argument {
	ARGUMENT_NONE,
	ARGUMENT_NAME,  /* a segment, then nothing */
	ARGUMENT_NAMES, /* segments */
	ARGUMENT_FILE,  /* a file of the machine */
	ARGUMENT_OTHER,
};

struct command {
	const char *name;
	const char *arguments;                /* for the line of usage, such as "NAME [KEY=VALUE]..." */
	const char *summary;                  /* one line */
	const struct command_option *options; /* NULL = none */
	const char *more;                     /* further lines of --help, examples among them */
	size_t settings_size;                 /* of the settings, which are 0 at first */
	size_t min, max;                      /* number of arguments */
	bool options_first;                   /* what follows the first argument may begin with '-' */
	enum command_argument completes;
	/* argv: argc arguments without options, and NULL. Returns a STATUS_*. */
	int (*run)(struct tool *tool, void *settings, int argc, char **argv);
};

/* A row of the table of options. */
#define COMMAND_OPTION(type_, settings, member, name_, letter_, argument_, help_)                            \
	{                                                                                                    \
		.name = (name_), .letter = (letter_), .type = (type_), .argument = (argument_),              \
		.help = (help_), .offset = offsetof(struct settings, member)                                 \
	}

/*
 * Parses the command line of a command, argv[0] being its name, and runs it; or prints its help.
 * Returns a STATUS_*.
 */
int command_run(const struct command *command, struct tool *tool, int argc, char **argv);

/* Prints the help of a command to standard output, within 80 columns. */
void command_print_help(const struct command *command);

/* Parses decimal digits. Returns 0; -EINVAL; -ERANGE, more than `max`. */
int command_parse_number(const char *text, uint64_t max, uint64_t *value);

/*
 * Parses a time: a decimal number with an optional fraction, and an optional unit of ms, s (the default), m,
 * h or d. Returns 0; -EINVAL; -ERANGE.
 */
int command_parse_time(const char *text, uint64_t *nanoseconds);

#endif
