// SPDX-License-Identifier: MIT
/* segctl post: adds to a semaphore. */
#include "lib/tool/common/command.h"
#include "lib/tool/common/objects.h"
#include "lib/tool/common/remedy.h"
#include "lib/tool/common/report.h"
#include "lib/tool/internal.h"

#include <errno.h>

static int run(struct tool *tool, void *given, int argc, char **argv)
{
	static const struct remedy remedies[] = {
		{EOVERFLOW, "its count would be more than its maximum; nothing was added"},
		{EAGAIN, "others change it without end; try again"},
		{0},
	};
	struct segfs_object *object;
	uint64_t n = 1;
	int status, result;

	(void)given;
	if (argc > 1 && (command_parse_number(argv[1], INT32_MAX, &n) < 0 || n == 0))
		return report(tool, STATUS_USAGE, argv[1], "N is a number from 1 to 2147483647");
	status = objects_open(tool, argv[0], &object);
	if (status != STATUS_DONE)
		return status;
	result = segfs_post(object, (uint32_t)n);
	if (result == -EPROTOTYPE)
		status = objects_refuse(tool, argv[0], segfs_object_kind(object));
	else if (result < 0)
		status = remedy_report(tool, argv[0], result, remedies);
	segfs_object_close(object);
	return status;
}

const struct command post_command = {
	.name = "post",
	.arguments = "NAME [N]",
	.summary = "Adds N, or 1, to the count of a semaphore: so many waits continue",
	.more = "Examples:\n"
		"  segctl post slots\n"
		"  segctl post slots 4\n",
	.min = 1,
	.max = 2,
	.completes = ARGUMENT_NAME,
	.run = run,
};
