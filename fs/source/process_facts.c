// SPDX-License-Identifier: MIT
/* Attributes of memory of processes. */
#include "fs/source/internal.h"
#include "fs/source/process_node.h"
#include "fs/source/users.h"
#include "lib/base/cleanup.h"

#include <fcntl.h>
#include <string.h>

#ifndef F_SEAL_EXEC
#define F_SEAL_EXEC 0x0020
#endif

static int is_memfd(struct state *state, const struct node_slot *node)
{
	struct process_key key;

	(void)state;
	return process_key_of(node, &key) && key.kind == PROCESS_MEMFD;
}

static ssize_t seals(struct state *state, const struct node_slot *node, char *value, size_t size)
{
	static const struct {
		int bit;
		const char *name;
	} names[] = {
		{F_SEAL_SEAL, "seal"},
		{F_SEAL_SHRINK, "shrink"},
		{F_SEAL_GROW, "grow"},
		{F_SEAL_WRITE, "write"},
		{F_SEAL_FUTURE_WRITE, "future-write"},
		{F_SEAL_EXEC, "exec"},
	};
	_cleanup_process_file_ struct process_file file = PROCESS_FILE_NONE;
	struct view view;
	int result = view_of_requester(state, &view);
	char text[96] = "";

	if (result == 0)
		result = process_reach(state, &view, node, &file);
	if (result == 0)
		result = process_seals(&view, &file);
	if (result < 0)
		return result == -EINVAL ? -ENODATA : result;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (result & names[i].bit)
			snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s", *text ? "," : "",
				 names[i].name);
	return fact_text(*text ? text : "none", value, size);
}

static ssize_t inode(struct state *state, const struct node_slot *node, char *value, size_t size)
{
	struct process_key key;

	(void)state;
	if (!process_key_of(node, &key))
		return -ENODATA;
	return fact_number((long long)key.inode, value, size);
}

/* Users other than the process whose directory the file is in. */
static ssize_t users(struct state *state, const struct node_slot *node, char *value, size_t size)
{
	_cleanup_free_ struct procfs_user *found = NULL;
	struct process_key key;
	struct procfs_file file;
	size_t others = 0;
	ssize_t n;

	if (!process_key_of(node, &key))
		return -ENODATA;
	file = (struct procfs_file){.device = (dev_t)key.device, .inode = key.inode};
	n = users_find_of(state, node, &file, &found);
	for (ssize_t i = 0; i < n; i++) {
		if (found[i].process == key.pid || found[i].is_unknown)
			continue;
		found[others] = found[i];
		/* a process that has the memfd open can map it at any time, and read and write it now */
		found[others++].maps = true;
	}
	n = n < 0 ? n : users_filter_visible(state, found, others);
	return n < 0 ? n : users_print_pids(found, (size_t)n, value, size);
}

const struct source_fact process_facts[] = {
	{.name = "seals", .applies = is_memfd, .value = seals},
	{.name = "inode", .value = inode},
	{.name = "users", .value = users, .scans = true},
	{.name = NULL},
};
