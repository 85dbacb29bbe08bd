/* SPDX-License-Identifier: MIT */
/*
 * The command line.
 */
#ifndef SEGFS_CONFIG_OPTIONS_H
#define SEGFS_CONFIG_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

#define OPTIONS_ERROR_MAX 512
#define OPTIONS_MOUNT_MAX 4096 /* bytes of the options that go to libfuse and the kernel */

enum options_action {
	ACTION_MOUNT,
	ACTION_CHECK,   /* --check FILE */
	ACTION_PURGE,   /* --purge NAME */
	ACTION_VERSION,
	ACTION_HELP,
};

/* The way that opens take, as far as the command line says. */
enum options_io_mode {
	OPTION_DIRECT = 0,
	OPTION_MEDIATED = 1,
	OPTION_RELAYED = 2,
};

struct options {
	enum options_action action;
	const char *mount_point;  /* as given, or NULL */
	const char *config_file;  /* --config or --check, or NULL */
	const char *name;         /* --name or --purge, or NULL */
	bool foreground;          /* -f */
	bool debug;               /* -d: every request is logged; implies -f */
	int ready_fd;             /* --ready-fd, or -1; whether it is open is not known, and an upgrade finds it used */
	int log_priority;         /* of syslog(3); more verbose messages are dropped */
	double entry_timeout;     /* seconds */
	double attr_timeout;
	double negative_timeout;
	enum options_io_mode io_mode;
	bool local_posix;         /* locks of fcntl(2) are the kernel's; the daemon knows nothing of them */
	bool local_flock;         /* those of flock(2) */
	bool allow_root;          /* -o allow_root */
	bool devices;             /* -o dev: who has CAP_MKNOD makes devices */
	unsigned int max_read;    /* bytes; 0 = as large as can be. libfuse must hear it twice */
	char mount_options[OPTIONS_MOUNT_MAX]; /* the rest of all -o, comma-separated */
};

/*
 * Reads the command line. The strings point into argv.
 * Returns 0, or -EINVAL with `error` saying what is wrong and what would be right.
 */
int options_parse(int argc, char *argv[], struct options *options, char error[OPTIONS_ERROR_MAX]);

/* Writes the text of --help to standard output. */
void options_print_help(void);

#endif
