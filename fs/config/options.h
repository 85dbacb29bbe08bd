/* SPDX-License-Identifier: MIT */
/*
 * The command line.
 */
#ifndef SEGFS_CONFIG_OPTIONS_H
#define SEGFS_CONFIG_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

#define OPTIONS_ERROR_MAX 512
#define OPTIONS_MOUNT_MAX 4096 /* bytes of the options passed to libfuse and the kernel */

enum options_action {
	ACTION_MOUNT,
	ACTION_CHECK, /* --check FILE */
	ACTION_PURGE, /* --purge NAME */
	ACTION_FEATURES,
	ACTION_VERSION,
	ACTION_HELP,
};

#define OPTIONS_AS_ENTRY_TIMEOUT (-1.0)

/* The I/O mode given on the command line. */
enum options_io_mode {
	OPTION_DIRECT = 0,
	OPTION_MEDIATED = 1,
	OPTION_RELAYED = 2,
};

struct options {
	enum options_action action;
	const char *mount_point; /* as given, or NULL */
	const char *config_file; /* --config or --check, or NULL */
	const char *name;        /* --name or --purge, or NULL */
	bool foreground;         /* -f */
	bool debug;              /* -d: logs every request; implies -f */
	int ready_fd;            /* --ready-fd, or -1; may be closed, for example after an upgrade */
	int log_priority;        /* of syslog(3); more verbose messages are dropped */
	double entry_timeout;    /* seconds */
	double attr_timeout;
	double negative_timeout; /* or OPTIONS_AS_ENTRY_TIMEOUT */
	enum options_io_mode io_mode;
	bool mand;             /* -o mand: segfs keeps all locks, so that they can be mandatory */
	bool allow_root;       /* -o allow_root */
	bool devices;          /* -o dev: users with CAP_MKNOD may create devices */
	unsigned int max_read; /* bytes; 0 = unlimited. libfuse needs it in the options and at INIT */
	char mount_options[OPTIONS_MOUNT_MAX]; /* all other -o options, comma-separated */
};

/*
 * Parses the command line. Strings point into argv.
 * Returns 0; -EINVAL with `error`: what is wrong and what to write instead.
 */
int options_parse(int argc, char *argv[], struct options *options, char error[OPTIONS_ERROR_MAX]);

/* Writes the text of --help to standard output. */
void options_print_help(void);

#endif
