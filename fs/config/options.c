// SPDX-License-Identifier: MIT
#include "fs/config/options.h"
#include "lib/base/log.h"
#include "lib/base/names.h"

#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	OPTION_CONFIG = 256,
	OPTION_CHECK,
	OPTION_NAME,
	OPTION_PURGE,
	OPTION_READY_FD,
	OPTION_LOG_LEVEL,
	OPTION_FEATURES,
};

static const struct option long_options[] = {
	{"config", required_argument, NULL, OPTION_CONFIG},
	{"check", required_argument, NULL, OPTION_CHECK},
	{"name", required_argument, NULL, OPTION_NAME},
	{"purge", required_argument, NULL, OPTION_PURGE},
	{"features", no_argument, NULL, OPTION_FEATURES},
	{"ready-fd", required_argument, NULL, OPTION_READY_FD},
	{"log-level", required_argument, NULL, OPTION_LOG_LEVEL},
	{"foreground", no_argument, NULL, 'f'},
	{"debug", no_argument, NULL, 'd'},
	{"version", no_argument, NULL, 'V'},
	{"help", no_argument, NULL, 'h'},
	{NULL, 0, NULL, 0},
};

void options_print_help(void)
{
	fputs("Usage: segfs [options] MOUNTPOINT\n"
	      "       segfs --check FILE\n"
	      "       segfs --purge NAME\n"
	      "       segfs --features\n"
	      "\n"
	      "Mounts a file system on MOUNTPOINT that shows named shared-memory segments as files. Returns "
	      "when the mount is\n"
	      "usable and continues in the background. `umount MOUNTPOINT` ends it; the segments stay.\n"
	      "\n"
	      "  -o OPT[,OPT...]      mount options: those below, and those of other FUSE file systems\n"
	      "  -f, --foreground     stay in the foreground and log to standard error\n"
	      "  -d, --debug          like -f, and log every request\n"
	      "      --config FILE    read FILE instead of /etc/segfs/segfs.ini\n"
	      "      --check FILE     only check the configuration FILE; exit status 0, or 2 with the error\n"
	      "      --name NAME      name of the instance (default: from MOUNTPOINT, mnt-seg for /mnt/seg)\n"
	      "      --purge NAME     remove the stores of an instance that is not mounted, with their "
	      "segments\n"
	      "      --features       print what the kernel can do, and what segfs does without\n"
	      "      --ready-fd N     write READY to descriptor N when the mount is usable\n"
	      "      --log-level L    log messages of level L and above: error, warning, notice (default), "
	      "info, debug\n"
	      "  -V, --version        print the version\n"
	      "  -h, --help           print this help\n"
	      "\n"
	      "Mount options of segfs:\n"
	      "  io_mode=MODE         I/O mode of opens: direct (default, where available), mediated, "
	      "relayed\n"
	      "  mand                 allow mandatory locks: segfs keeps all locks, which makes locks and "
	      "closes slower\n"
	      "                       (default: nomand, the kernel keeps them)\n"
	      "  entry_timeout=S      seconds for which the kernel may cache a name (1)\n"
	      "  attr_timeout=S       seconds for which the kernel may cache attributes (1)\n"
	      "  negative_timeout=S   seconds for which the kernel may cache that a name does not exist "
	      "(entry_timeout)\n"
	      "  dev, suid            allow devices; let set-id bits take effect (default: nodev, nosuid)\n"
	      "\n"
	      "Exit status: 0 mounted; 1 cannot mount; 2 the command line or the configuration is wrong.\n"
	      "See segfs(8), segfs.ini(5) and segfs(7).\n",
	      stdout);
}

__attribute__((format(printf, 2, 3))) static int wrong(char error[OPTIONS_ERROR_MAX], const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(error, OPTIONS_ERROR_MAX, format, arguments);
	va_end(arguments);
	return -EINVAL;
}

static int parse_seconds(const char *key, const char *value, double *out, char error[OPTIONS_ERROR_MAX])
{
	char *end;
	double seconds = strtod(value, &end);

	if (end == value || *end || !isfinite(seconds) || seconds < 0 || seconds > 1e9)
		return wrong(error, "-o %s=%s: not a number of seconds; write 0 to 1e9", key, value);
	*out = seconds;
	return 0;
}

static int parse_io_mode(const char *value, struct options *options, char error[OPTIONS_ERROR_MAX])
{
	static const char *const names[] = {"direct", "mediated", "relayed"};

	for (unsigned int i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(value, names[i]) == 0) {
			options->io_mode = (enum options_io_mode)i;
			return 0;
		}
	}
	return wrong(error, "-o io_mode=%s: unknown mode; write direct, mediated or relayed", value);
}

static int parse_number(const char *what, const char *value, unsigned long max, unsigned long *out,
			char error[OPTIONS_ERROR_MAX])
{
	char *end;
	unsigned long number;

	errno = 0;
	number = strtoul(value, &end, 10);
	if (end == value || *end || errno || number > max || value[0] == '-')
		return wrong(error, "%s %s: not a number; write 0 to %lu", what, value, max);
	*out = number;
	return 0;
}

static int pass_to_libfuse(struct options *options, const char *text, char error[OPTIONS_ERROR_MAX])
{
	size_t used = strlen(options->mount_options);

	if (used + strlen(text) + 2 > sizeof(options->mount_options))
		return wrong(error, "-o: the mount options have more than %d bytes; shorten them",
			     OPTIONS_MOUNT_MAX);
	snprintf(options->mount_options + used, sizeof(options->mount_options) - used, "%s%s",
		 used ? "," : "", text);
	return 0;
}

/* Parses one KEY or KEY=VALUE. */
static int parse_mount_option(struct options *options, char *text, char error[OPTIONS_ERROR_MAX])
{
	char *value = strchr(text, '=');
	unsigned long number = 0;
	size_t key_length = value ? (size_t)(value - text) : strlen(text);
	struct {
		const char *key;
		double *seconds;
	} times[] = {
		{"entry_timeout", &options->entry_timeout},
		{"attr_timeout", &options->attr_timeout},
		{"negative_timeout", &options->negative_timeout},
	};

	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++)
		if (value && strlen(times[i].key) == key_length &&
		    strncmp(text, times[i].key, key_length) == 0)
			return parse_seconds(times[i].key, value + 1, times[i].seconds, error);
	if (value && strncmp(text, "io_mode=", 8) == 0)
		return parse_io_mode(value + 1, options, error);
	if (strcmp(text, "mand") == 0 || strcmp(text, "nomand") == 0) {
		options->mand = text[0] == 'm';
		return 0;
	}
	if (value && strncmp(text, "max_read=", 9) == 0) {
		if (parse_number("-o max_read", value + 1, 1024ul * 1024ul, &number, error) < 0)
			return -EINVAL;
		options->max_read = (unsigned int)number;
	}
	if (strcmp(text, "allow_root") == 0)
		options->allow_root = true;
	if (strcmp(text, "dev") == 0 || strcmp(text, "nodev") == 0)
		options->devices = text[0] == 'd';
	if (strcmp(text, "debug") == 0)
		options->debug = options->foreground = true;
	return *text ? pass_to_libfuse(options, text, error) : 0;
}

/*
 * A backslash quotes a comma, as in libfuse. The text is restored, because an upgrade passes the same
 * arguments.
 */
static int parse_mount_options(struct options *options, char *text, char error[OPTIONS_ERROR_MAX])
{
	char *start = text;
	int result = 0;

	while (result == 0) {
		char *end = start;
		bool last;

		while (*end && *end != ',')
			end += end[0] == '\\' && end[1] ? 2 : 1;
		last = *end == '\0';
		*end = '\0';
		result = parse_mount_option(options, start, error);
		if (last)
			break;
		*end = ',';
		start = end + 1;
	}
	return result;
}

static int parse_ready_fd(const char *value, struct options *options, char error[OPTIONS_ERROR_MAX])
{
	unsigned long number = 0;

	if (parse_number("--ready-fd", value, 1000000, &number, error) < 0)
		return -EINVAL;
	if (number < 3)
		return wrong(error, "--ready-fd %s: not usable; write an open descriptor, 3 or higher",
			     value);
	options->ready_fd = (int)number;
	return 0;
}

static int parse_option(struct options *options, int option, char error[OPTIONS_ERROR_MAX])
{
	switch (option) {
	case 'o':
		return parse_mount_options(options, optarg, error);
	case 'f':
		options->foreground = true;
		return 0;
	case 'd':
		options->debug = options->foreground = true;
		return pass_to_libfuse(options, "debug", error);
	case 'V':
		options->action = ACTION_VERSION;
		return 0;
	case 'h':
		options->action = ACTION_HELP;
		return 0;
	case OPTION_CHECK:
		options->action = ACTION_CHECK;
		options->config_file = optarg;
		return 0;
	case OPTION_CONFIG:
		options->config_file = optarg;
		return 0;
	case OPTION_FEATURES:
		options->action = ACTION_FEATURES;
		return 0;
	case OPTION_PURGE:
		options->action = ACTION_PURGE;
		__attribute__((fallthrough));
	case OPTION_NAME:
		options->name = optarg;
		if (!instance_name_valid(optarg))
			return wrong(error,
				     "'%s' is not a name of an instance; write 1 to 255 of A-Z a-z 0-9 _ . "
				     "%% -, not starting with '-'",
				     optarg);
		return 0;
	case OPTION_READY_FD:
		return parse_ready_fd(optarg, options, error);
	case OPTION_LOG_LEVEL:
		options->log_priority = log_priority_from_name(optarg);
		if (options->log_priority < 0)
			return wrong(
				error,
				"--log-level %s: unknown level; write error, warning, notice, info or debug",
				optarg);
		return 0;
	default:
		return -EINVAL;
	}
}

int options_parse(int argc, char *argv[], struct options *options, char error[OPTIONS_ERROR_MAX])
{
	int option;

	*options = (struct options){
		.action = ACTION_MOUNT,
		.ready_fd = -1,
		.log_priority = LOG_NOTICE,
		.entry_timeout = 1.0,
		.attr_timeout = 1.0,
		.negative_timeout = OPTIONS_AS_ENTRY_TIMEOUT,
	};
	opterr = 0;
	while ((option = getopt_long(argc, argv, ":o:fdVh", long_options, NULL)) != -1) {
		if (option == '?')
			return wrong(error, "unknown option '%s'; see segfs --help", argv[optind - 1]);
		if (option == ':')
			return wrong(error, "option '%s' requires a value; see segfs --help",
				     argv[optind - 1]);
		if (parse_option(options, option, error) < 0)
			return -EINVAL;
	}
	/* mount(8) passes the source of fstab(5) before the mount point */
	if (optind + 1 < argc && (strcmp(argv[optind], "segfs") == 0 || strcmp(argv[optind], "none") == 0))
		optind++;
	if (optind < argc)
		options->mount_point = argv[optind++];
	if (optind < argc)
		return wrong(error, "unexpected argument '%s'; give one mount point, see segfs --help",
			     argv[optind]);
	if (options->action != ACTION_MOUNT && options->mount_point &&
	    (options->action == ACTION_CHECK || options->action == ACTION_PURGE ||
	     options->action == ACTION_FEATURES))
		return wrong(error, "--check, --purge and --features take no mount point; remove it");
	return 0;
}
