// SPDX-License-Identifier: MIT
/* segctl value: the state of an object. */
#include "lib/tool/common/command.h"
#include "lib/tool/common/objects.h"
#include "lib/tool/internal.h"

#include <inttypes.h>
#include <stdio.h>

static int run(struct tool *tool, void *given, int argc, char **argv)
{
	struct segfs_object *object;
	int status = objects_open(tool, argv[0], &object);
	uint32_t value;

	(void)given;
	(void)argc;
	if (status != STATUS_DONE)
		return status;
	value = segfs_object_value(object);
	if (segfs_object_kind(object) == SEGFS_RWLOCK && value == UINT32_MAX)
		printf("writing\n");
	else
		printf("%" PRIu32 "\n", value);
	segfs_object_close(object);
	return STATUS_DONE;
}

const struct command value_command = {
	.name = "value",
	.arguments = "NAME",
	.summary = "Prints the state of a synchronization object",
	.more = "It is of\n"
		"  a semaphore             its count\n"
		"  an event, a mutex       1 if it is set or held, else 0\n"
		"  a doorbell, condition   how often it was rung or notified\n"
		"  a rwlock                how many read, or 'writing'\n"
		"  a barrier               how many have arrived\n"
		"\nExamples:\n"
		"  segctl value slots\n"
		"  [ \"$(segctl value go)\" = 1 ] && echo \"go is set\"\n",
	.min = 1,
	.max = 1,
	.completes = ARGUMENT_NAME,
	.run = run,
};
