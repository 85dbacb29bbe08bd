// SPDX-License-Identifier: MIT
#include "fs/control/listed.h"
#include "fs/source/source.h"
#include "lib/base/procfs.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/fsuid.h>
#include <time.h>

uid_t listed_for(void)
{
	return (uid_t)setfsuid((uid_t)-1);
}

bool listed_in_full(const struct state *state)
{
	return !state->arena->header->privileged || listed_for() == 0;
}

bool listed_is_own_process(const struct state *state, pid_t process)
{
	uid_t user;

	return listed_in_full(state) || (procfs_user(process, &user) == 0 && user == listed_for());
}

static bool may_see(const struct state *state, const struct stat *attr)
{
	return listed_in_full(state) || listed_for() == attr->st_uid;
}

static void begin_segment(const struct state *state, uint64_t id, struct listed_segment *segment)
{
	*segment = (struct listed_segment){.id = id, .path = "-", .is_shown = listed_in_full(state)};
}

static int look_at(struct state *state, const struct node_slot *node, struct listed_segment *segment)
{
	const struct source *source;
	struct stat attr;
	int result;

	source = source_of(state, node);
	segment->mandatory = atomic_load(&node->policy) & NODE_POLICY_MANDATORY;
	result = source->stat(state, node, &attr);
	if (result < 0)
		return result == -ESTALE ? 0 : result;
	segment->inode = attr.st_ino;
	segment->is_shown = may_see(state, &attr);
	if (attr.st_nlink == 0 || !source->path || !segment->is_shown)
		return 0;
	result = source->path(state, node, segment->path, sizeof(segment->path));
	if (result >= 0)
		return 0;
	snprintf(segment->path, sizeof(segment->path), "-");
	return result == -ENOENT || result == -ESTALE || result == -ENAMETOOLONG ? 0 : result;
}

int listed_find(struct state *state, uint64_t id, struct listed_segment *segment)
{
	const struct node_slot *node = node_get(state, id);
	int result;

	if (segment->id == id && *segment->path)
		return 0;
	begin_segment(state, id, segment);
	if (!node)
		return 0;
	result = look_at(state, node, segment);
	/* the slot may have been reused for another file meanwhile, whose name and owner these are */
	if (!node_get(state, id))
		begin_segment(state, id, segment);
	return result;
}

void listed_print_name(struct control_text *text, const char *name)
{
	size_t plain;

	for (; *name; name += plain) {
		plain = strcspn(name, " \t\n\\");
		control_print(text, "%.*s", (int)plain, name);
		if (name[plain])
			control_print(text, "\\%03o", (unsigned char)name[plain++]);
	}
	control_print(text, "\n");
}

void listed_print_time(struct control_text *text, uint64_t nanoseconds)
{
	time_t seconds = (time_t)(nanoseconds / 1000000000u);
	struct tm parts;
	char date[32];

	if (nanoseconds == 0) {
		control_print(text, " - ");
		return;
	}
	gmtime_r(&seconds, &parts);
	strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &parts);
	control_print(text, " %s.%03uZ ", date, (unsigned int)(nanoseconds / 1000000u % 1000u));
}
