// SPDX-License-Identifier: MIT
/* segctl resize: another size. */
#include "lib/base/cleanup.h"
#include "lib/base/procfs.h"
#include "lib/base/sizes.h"
#include "lib/client/internal.h"
#include "lib/tool/common/command.h"
#include "lib/tool/common/remedy.h"
#include "lib/tool/common/report.h"
#include "lib/tool/common/target.h"
#include "lib/tool/internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/*
 * Parses SIZE, +SIZE or -SIZE. present: the size that the latter two change. Returns 0; -EINVAL: no size;
 * -ERANGE: less than nothing, or more than a file can have.
 */
static int parse_size(const char *text, uint64_t present, uint64_t *size)
{
	const char sign = *text == '+' || *text == '-' ? *text : '\0';
	uint64_t number;
	int result = size_parse(text + (sign != '\0'), &number);

	if (result < 0)
		return result;
	if (sign == '-' && number > present)
		return -ERANGE;
	if (sign == '-')
		number = present - number;
	else if (sign == '+' && __builtin_add_overflow(number, present, &number))
		return -ERANGE;
	if (number > INT64_MAX)
		return -ERANGE;
	*size = number;
	return 0;
}

/* What a refusal means depends on what refuses. */
static int refuse(const struct tool *tool, const char *name, int fd, int error)
{
	static const struct remedy remedies[] = {
		{EACCES, "you may not write it; ask its owner"},
		{ENOSPC, "there is no room for it; 'df' shows that of its directory"},
		{EFBIG, "a file cannot be that large here"},
		{EBUSY, "others use it in a way that excludes it; 'segctl ls' shows whether it is in use"},
		{0},
	};
	char value[32];

	if (error == -EPERM && attribute_get(fd, "object", value, sizeof(value)) > 0)
		return report(tool, STATUS_NOT_AS_ASKED, name,
			      "the size of a synchronization object is fixed");
	if (error == -EPERM && attribute_get(fd, "size-policy", value, sizeof(value)) > 0 &&
	    strcmp(value, "fixed") == 0)
		return report(tool, STATUS_NOT_AS_ASKED, name,
			      "its size is fixed; 'segctl set NAME size-policy=variable' changes that");
	if (error == -EPERM && attribute_get(fd, "source", value, sizeof(value)) > 0 &&
	    (strcmp(value, "sysv") == 0 || strcmp(value, "process") == 0))
		return report(tool, STATUS_NOT_AS_ASKED, name,
			      "memory of the source '%s' cannot be resized; create another one", value);
	return remedy_report(tool, name, error, remedies);
}

static int run(struct tool *tool, void *given, int argc, char **argv)
{
	const char *name = argv[0];
	_cleanup_close_ int fd = -1;
	struct stat attr;
	uint64_t size = 0;
	char path[PROCFS_FD_MAX];
	int result = parse_size(argv[1], INT64_MAX / 2, &size);
	int status;

	(void)given;
	(void)argc;
	if (result == -EINVAL)
		return report(tool, STATUS_USAGE, argv[1],
			      "SIZE is bytes, or a number with K, M, G or T, after + or - for a change");
	status = target_open(tool, name, &fd, &attr);
	if (status != STATUS_DONE)
		return status;
	if (S_ISDIR(attr.st_mode))
		return report(tool, STATUS_NOT_AS_ASKED, name, "this is a directory; name a segment in it");
	result = parse_size(argv[1], (uint64_t)attr.st_size, &size);
	if (result < 0 && *argv[1] != '+' && *argv[1] != '-')
		return refuse(tool, name, fd, -EFBIG);
	if (result < 0)
		return report(tool, STATUS_NOT_AS_ASKED, name,
			      "it has %lld bytes, which cannot be changed by %s", (long long)attr.st_size,
			      argv[1]);
	/* no open, which a lifetime or a limit of writers would count */
	procfs_fd_path(path, fd);
	return truncate(path, (off_t)size) < 0 ? refuse(tool, name, fd, -errno) : STATUS_DONE;
}

const struct command resize_command = {
	.name = "resize",
	.arguments = "NAME SIZE|+SIZE|-SIZE",
	.summary = "Sets the size of a segment, or changes it by so much",
	.more = "SIZE is bytes, or a number with K, M, G or T. What is added is zero. A program\n"
		"that has mapped what is cut off gets SIGBUS when it accesses that.\n"
		"\nExamples:\n"
		"  segctl resize video/ring 128M\n"
		"  segctl resize video/ring +64M\n",
	.min = 2,
	.max = 2,
	.options_first = true,
	.completes = ARGUMENT_NAME,
	.run = run,
};
