// SPDX-License-Identifier: MIT
#include "fs/source/internal.h"
#include "fs/source/sysv_node.h"
#include "fs/source/users.h"
#include "lib/base/cleanup.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

/* -ENODATA if there is no segment yet, or none any more. */
static int find_segment(struct state *state, const struct node_slot *node, struct sysv_segment *segment)
{
	int result = sysv_segment_of(state, node, segment);

	return result == -ESTALE ? -ENODATA : result;
}

/* Each fact is read from the kernel when it is asked for. */
#define FACT(name, expression)                                                                               \
	static ssize_t name(struct state *state, const struct node_slot *node, char *value, size_t size)     \
	{                                                                                                    \
		struct sysv_segment segment;                                                                 \
		int result = find_segment(state, node, &segment);                                            \
                                                                                                             \
		if (result < 0)                                                                              \
			return result;                                                                       \
		return expression;                                                                           \
	}

static ssize_t print_key(uint32_t key, char *value, size_t size)
{
	char text[16];

	snprintf(text, sizeof(text), "0x%08" PRIx32, key);
	return fact_text(text, value, size);
}

FACT(shmid, fact_number(segment.id, value, size))
FACT(key, print_key(segment.key, value, size))
FACT(nattch, fact_number((long long)segment.nattch, value, size))
FACT(creator_pid, fact_number(segment.creator, value, size))
FACT(last_pid, fact_number(segment.last, value, size))
FACT(creator_uid, fact_number(segment.creator_uid, value, size))
FACT(locked, fact_text(segment.locked ? "yes" : "no", value, size))
FACT(removed, fact_text(segment.removed ? "yes" : "no", value, size))

static int is_segment(struct state *state, const struct node_slot *node)
{
	struct sysv_segment segment;
	int result = find_segment(state, node, &segment);

	return result == 0 ? 1 : result == -ENODATA ? 0 : result;
}

static ssize_t resident(struct state *state, const struct node_slot *node, char *value, size_t size)
{
	struct sysv_segment segment;
	uint64_t bytes = 0;
	int result = find_segment(state, node, &segment);

	if (result == 0)
		result = sysv_resident(state, node->store, segment.id, &bytes);
	if (result < 0)
		return result == -ENOENT ? -ENODATA : result;
	return fact_number((long long)bytes, value, size);
}

/* Whether nobody has it attached, and nobody uses it through the mount. */
static ssize_t orphan(struct state *state, const struct node_slot *node, char *value, size_t size)
{
	_cleanup_free_ struct procfs_view *views = NULL;
	struct sysv_segment segment;
	bool is_unknown = false;
	ssize_t n;
	int result = find_segment(state, node, &segment);

	if (result < 0)
		return result;
	if (segment.nattch > 0 || sysv_is_open(state, node, &segment))
		return fact_text("no", value, size);
	n = procfs_find_views((dev_t)state->arena->header->device, source_inode_of(node), &views);
	for (ssize_t i = 0; i < n; i++) {
		if (!views[i].is_unknown)
			return fact_text("no", value, size);
		is_unknown = true;
	}
	return n < 0 ? n : fact_text(is_unknown ? "unknown" : "yes", value, size);
}

static int is_idle(struct state *state, const struct node_slot *node)
{
	struct sysv_segment segment;
	int result = find_segment(state, node, &segment);

	return result == 0 ? segment.nattch == 0 : result == -ENODATA ? 0 : result;
}

/* Time of the last detach, or of the creation if it was never attached. */
static ssize_t idle_since(struct state *state, const struct node_slot *node, char *value, size_t size)
{
	struct sysv_segment segment;
	int result = find_segment(state, node, &segment);

	if (result < 0)
		return result;
	if (segment.nattch > 0)
		return -ENODATA;
	return fact_time(segment.dtime ? segment.dtime : segment.ctime, value, size);
}

const struct source_fact sysv_facts[] = {
	{.name = "shmid", .applies = is_segment, .value = shmid},
	{.name = "key", .applies = is_segment, .value = key},
	{.name = "nattch", .applies = is_segment, .value = nattch},
	{.name = "creator-pid", .applies = is_segment, .value = creator_pid},
	{.name = "last-pid", .applies = is_segment, .value = last_pid},
	{.name = "creator-uid", .applies = is_segment, .value = creator_uid},
	{.name = "locked", .applies = is_segment, .value = locked},
	{.name = "removed", .applies = is_segment, .value = removed},
	{.name = "resident", .applies = is_segment, .value = resident, .scans = true},
	{.name = "orphan", .applies = is_segment, .value = orphan, .scans = true},
	{.name = "idle-since", .applies = is_idle, .value = idle_since},
	{.name = NULL},
};
