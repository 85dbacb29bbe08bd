// SPDX-License-Identifier: MIT
/* segctl reset: an event is no longer set. */
#include "lib/tool/common/command.h"
#include "lib/tool/common/objects.h"
#include "lib/tool/internal.h"

static int run(struct tool *tool, void *given, int argc, char **argv)
{
	(void)given;
	(void)argc;
	return objects_change(tool, argv[0], segfs_reset_event);
}

const struct command reset_command = {
	.name = "reset",
	.arguments = "NAME",
	.summary = "Resets an event: waits for it do not end until it is set",
	.more = "Examples:\n"
		"  segctl reset go\n"
		"  segctl reset go && segctl wait --timeout 10s go\n",
	.min = 1,
	.max = 1,
	.completes = ARGUMENT_NAME,
	.run = run,
};
