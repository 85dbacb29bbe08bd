// SPDX-License-Identifier: MIT
/* segctl wait: until a semaphore, an event or a doorbell lets it continue. */
#include "lib/tool/common/command.h"
#include "lib/tool/common/objects.h"
#include "lib/tool/common/report.h"
#include "lib/tool/common/text.h"
#include "lib/tool/common/tool.h"
#include "lib/tool/internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

struct settings {
	struct option_number timeout;
	bool all, try, quiet;
};

static int not_there(const struct tool *tool, const struct settings *settings, int error, size_t n,
		     char **names)
{
	if (settings->quiet)
		return STATUS_NOT_AS_ASKED;
	return report(tool, STATUS_NOT_AS_ASKED, n == 1 ? names[0] : NULL, "%s%s",
		      n == 1          ? "it was not there"
		      : settings->all ? "not all of them were there"
				      : "none of them was there",
		      error == -ETIMEDOUT ? " before the time was over" : "");
}

static int wait_for(const struct tool *tool, const struct settings *settings,
		    struct segfs_object *const *objects, size_t n, char **names)
{
	const unsigned int flags = settings->try ? SEGFS_TRY : 0;
	struct timespec deadline;
	const struct timespec *end = NULL;
	int result;

	if (settings->timeout.is_given)
		end = segfs_deadline(&deadline, settings->timeout.value);
	result = settings->all ? segfs_wait_all(objects, n, end, flags)
			       : segfs_wait_any(objects, n, end, flags);
	if (result == -EAGAIN || result == -ETIMEDOUT)
		return not_there(tool, settings, result, n, names);
	if (result < 0)
		return report_error(tool, n == 1 ? names[0] : NULL, result);
	if (!settings->all && n > 1)
		text_print_line(names[result], tool->is_terminal);
	return STATUS_DONE;
}

static bool can_be_waited_for(enum segfs_kind kind)
{
	return kind == SEGFS_SEMAPHORE || kind == SEGFS_EVENT || kind == SEGFS_AUTO_EVENT ||
	       kind == SEGFS_DOORBELL;
}

static int run(struct tool *tool, void *given, int argc, char **argv)
{
	const struct settings *settings = given;
	struct segfs_object *objects[SEGFS_OBJECTS_MAX];
	int status = STATUS_DONE;
	size_t n = 0;

	while (n < (size_t)argc && status == STATUS_DONE) {
		status = objects_open(tool, argv[n], &objects[n]);
		if (status != STATUS_DONE)
			break;
		if (!can_be_waited_for(segfs_object_kind(objects[n])))
			status = objects_refuse(tool, argv[n], segfs_object_kind(objects[n]));
		n++;
	}
	if (status == STATUS_DONE)
		status = wait_for(tool, settings, objects, n, argv);
	while (n > 0)
		segfs_object_close(objects[--n]);
	return status;
}

static const struct command_option options[] = {
	COMMAND_OPTION(OPTION_FLAG, settings, all, "all", 'a', NULL, "for all of them, not one"),
	COMMAND_OPTION(OPTION_TIME, settings, timeout, "timeout", 't', "TIME", "no longer than this"),
	COMMAND_OPTION(OPTION_FLAG, settings, try, "try", 'n', NULL, "not at all: only what is there"),
	COMMAND_OPTION(OPTION_FLAG, settings, quiet, "quiet", 'q', NULL, "no message if it was not there"),
	{0},
};

const struct command wait_command = {
	.name = "wait",
	.arguments = "NAME...",
	.summary = "Waits for a semaphore, of which it takes one, an event or a doorbell",
	.options = options,
	.more = "Of several names, the wait ends with the first that is there, which is printed.\n"
		"Exit status 1: it was not there in time.\n"
		"\nExamples:\n"
		"  segctl wait go                     until the event 'go' is set\n"
		"  segctl wait --timeout 1.5s slots || echo \"no slot is free\"\n"
		"  which=$(segctl wait stop work)     of these the first\n",
	.settings_size = sizeof(struct settings),
	.min = 1,
	.max = SEGFS_OBJECTS_MAX,
	.completes = ARGUMENT_NAMES,
	.run = run,
};
