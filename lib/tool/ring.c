// SPDX-License-Identifier: MIT
/* segctl ring: a doorbell rings. */
#include "lib/tool/common/command.h"
#include "lib/tool/common/objects.h"
#include "lib/tool/internal.h"

static int run(struct tool *tool, void *given, int argc, char **argv)
{
	(void)given;
	(void)argc;
	return objects_change(tool, argv[0], segfs_ring);
}

const struct command ring_command = {
	.name = "ring",
	.arguments = "NAME",
	.summary = "Rings a doorbell: all who wait for it continue",
	.more = "Examples:\n"
		"  segctl ring changed\n",
	.min = 1,
	.max = 1,
	.completes = ARGUMENT_NAME,
	.run = run,
};
