// SPDX-License-Identifier: MIT
/* segctl set: policies of a segment, or an event. */
#include "lib/base/cleanup.h"
#include "lib/client/internal.h"
#include "lib/tool/common/command.h"
#include "lib/tool/common/objects.h"
#include "lib/tool/common/policies.h"
#include "lib/tool/common/remedy.h"
#include "lib/tool/common/report.h"
#include "lib/tool/common/target.h"
#include "lib/tool/internal.h"

#include <errno.h>

static int refuse(const struct tool *tool, const char *name, const struct segfs_attribute *policy, int error)
{
	static const struct remedy remedies[] = {
		{EPERM, "only its owner and root may set it"},
		{EACCES, "only its owner, who may read and write it, and root may set it"},
		{EBUSY, "others have it open in a way that this excludes, or more of them write"},
		{ENOSPC, "there is no memory left to commit"},
		{ESRCH, "the process that created it has ended, or is not known"},
		{EOPNOTSUPP, "not possible here: policies are for stores of segfs, "
			     "and lock=mandatory is for mounts with -o mand"},
		{0},
	};
	const char *remedy = remedy_find(remedies, error);

	if (!remedy)
		return report_error(tool, name, error);
	return report(tool, report_status(error), name, "%s=%s: %s", policy->name, policy->value, remedy);
}

/* Returns whether all of the first n have their old values again. */
static bool undo(int fd, const struct policies *policies, char old[POLICY_FIELDS][POLICY_VALUE_MAX],
		 uint32_t n)
{
	bool is_done = true;

	while (n-- > 0)
		is_done = attribute_set(fd, policies->items[n].name, old[n]) == 0 && is_done;
	return is_done;
}

static int set_policies(const struct tool *tool, const char *name, int fd, const struct policies *policies)
{
	char old[POLICY_FIELDS][POLICY_VALUE_MAX];
	ssize_t length = 0;
	int result = 0;
	uint32_t n = 0;

	for (uint32_t i = 0; i < policies->n; i++) {
		length = attribute_get(fd, policies->items[i].name, old[i], sizeof(old[i]));
		if (length < 0)
			return refuse(tool, name, &policies->items[i],
				      length == -ENODATA ? -EOPNOTSUPP : (int)length);
	}
	while (n < policies->n && result == 0) {
		result = attribute_set(fd, policies->items[n].name, policies->items[n].value);
		if (result == 0)
			n++;
	}
	if (result == 0)
		return STATUS_DONE;
	if (!undo(fd, policies, old, n))
		report(tool, STATUS_DONE, name, "what was set before the failure could not be undone");
	return refuse(tool, name, &policies->items[n], result);
}

static int run(struct tool *tool, void *given, int argc, char **argv)
{
	_cleanup_close_ int fd = -1;
	struct policies policies;
	struct stat attr;
	int status;

	(void)given;
	if (argc == 1)
		return objects_change(tool, argv[0], segfs_set_event);
	status = policies_parse(tool, (const char *const *)argv + 1, (size_t)argc - 1, &policies);
	if (status == STATUS_DONE)
		status = target_open(tool, argv[0], &fd, &attr);
	return status == STATUS_DONE ? set_policies(tool, argv[0], fd, &policies) : status;
}

const struct command set_command = {
	.name = "set",
	.arguments = "NAME [KEY=VALUE]...",
	.summary = "Sets policies of a segment, all or none; without any, sets an event",
	.more = "  lock=advisory|mandatory            who is kept out by a lock\n"
		"  writers=N                          how many may write; 0 = any number\n"
		"  commit=no|yes                      memory is reserved as the segment grows\n"
		"  size-policy=variable|fixed         whether its size can change\n"
		"  lifetime=persistent|last-close|owner|ttl:TIME\n"
		"Those of a directory are the defaults for what is created in it.\n"
		"\nExamples:\n"
		"  segctl set video/ring commit=yes writers=1\n"
		"  segctl set video lifetime=ttl:30s\n"
		"  segctl set go                      all who wait for the event 'go' continue\n",
	.min = 1,
	.max = SIZE_MAX,
	.completes = ARGUMENT_NAME,
	.run = run,
};
