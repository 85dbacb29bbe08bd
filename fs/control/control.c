// SPDX-License-Identifier: MIT
#include "fs/control/control.h"
#include "fs/control/internal.h"
#include "fs/source/records.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CONTROL_DIRECTORY NODE_CONTROL
#define INODE_BASE        (UINT64_C(0xffff) << 48)

static const struct control_facts *facts;

static void print_version(struct control_text *text, struct state *state)
{
	(void)state;
	control_print(text, "segfs %s\n", SEGFS_VERSION);
}

static void print_status(struct control_text *text, struct state *state)
{
	control_print_status(text, state, facts);
}

static void print_attached(struct control_text *text, struct state *state)
{
	control_print_attached(text, state, facts);
}

/* The arena holds the text of the configuration in force. */
static void print_config(struct control_text *text, struct state *state)
{
	int fd = atomic_load(&state->arena->header->config_fd);
	char part[4096];
	ssize_t length = 0;
	off_t at = 0;

	while (fd >= 0 && (length = pread(fd, part, sizeof(part), at)) > 0) {
		control_print(text, "%.*s", (int)length, part);
		at += length;
	}
	if (fd >= 0 && length < 0)
		control_fail(text, -errno);
}

static const struct control_file {
	const char *name;
	void (*print)(struct control_text *text, struct state *state);
	/*
	 * Reading it inspects all processes or all files, which must queue for a place. What needs none never
	 * queues: /proc/locks answers whatever processes do.
	 */
	bool scans;
} files[] = {
	{"version", print_version, false},  {"status", print_status, false},
	{"config", print_config, false},    {"locks", control_print_locks, false},
	{"attached", print_attached, true}, {"policies", control_print_policies, true},
};

#define N_FILES (sizeof(files) / sizeof(files[0]))

static uint32_t index_in(const struct state *state, const struct node_slot *node)
{
	return (uint32_t)(node - state->arena->nodes);
}

static void key_of(uint32_t index, struct node_key *key)
{
	*key = (struct node_key){
		.inode = INODE_BASE | index,
		.store = NODE_STORE_CONTROL,
		.handle_type = NODE_HANDLE_CONTROL,
		.handle_bytes = sizeof(index),
	};
	memcpy(key->handle, &index, sizeof(index));
}

static mode_t mode_of(uint32_t index)
{
	return index == CONTROL_DIRECTORY ? S_IFDIR | 0555 : S_IFREG | 0444;
}

static void stat_of(const struct state *state, uint32_t index, struct stat *stat)
{
	time_t started = (time_t)(state->arena->header->started_at / 1000000000u);

	*stat = (struct stat){
		.st_ino = INODE_BASE | index,
		.st_mode = mode_of(index),
		.st_nlink = index == CONTROL_DIRECTORY ? 2 : 1,
		.st_uid = geteuid(),
		.st_gid = getegid(),
		.st_blksize = 4096,
		.st_atim.tv_sec = started,
		.st_mtim.tv_sec = started,
		.st_ctim.tv_sec = started,
	};
}

static int control_find(struct state *state, const struct node_slot *dir, const char *name,
			struct source_file *file)
{
	if (index_in(state, dir) != CONTROL_DIRECTORY)
		return -ENOTDIR;
	for (uint32_t i = 0; i < N_FILES; i++) {
		uint32_t index = CONTROL_DIRECTORY + 1 + i;

		if (strcmp(files[i].name, name) != 0)
			continue;
		*file = (struct source_file){.fd = -1};
		stat_of(state, index, &file->stat);
		key_of(index, &file->key);
		return 0;
	}
	return -ENOENT;
}

static int control_stat(struct state *state, const struct node_slot *node, struct stat *stat)
{
	stat_of(state, index_in(state, node), stat);
	return 0;
}

static int control_open(struct state *state, const struct node_slot *node, int flags)
{
	uint32_t index = index_in(state, node);
	struct control_text text = {0};
	int result;

	if ((flags & O_ACCMODE) != O_RDONLY)
		return -EPERM;
	if (index <= CONTROL_DIRECTORY || index > CONTROL_DIRECTORY + N_FILES)
		return -EISDIR;
	files[index - CONTROL_DIRECTORY - 1].print(&text, state);
	result = text.result < 0 ? text.result : records_memfd(text.bytes, text.length);
	free(text.bytes);
	return result;
}

static int control_list(struct state *state, const struct node_slot *dir)
{
	struct records records;

	(void)dir;
	records_begin(&records);
	records_add(&records, ".", INODE_BASE | CONTROL_DIRECTORY, DT_DIR);
	records_add(&records, "..", state->arena->nodes[NODE_ROOT].inode, DT_DIR);
	for (uint32_t i = 0; i < N_FILES; i++)
		records_add(&records, files[i].name, INODE_BASE | (CONTROL_DIRECTORY + 1 + i), DT_REG);
	return records_finish(&records);
}

static bool control_waits(const struct state *state, const struct node_slot *node, enum source_wanted wanted)
{
	uint32_t index = index_in(state, node);

	return wanted == SOURCE_ALL && index > CONTROL_DIRECTORY && index <= CONTROL_DIRECTORY + N_FILES &&
	       files[index - CONTROL_DIRECTORY - 1].scans;
}

static const struct source control_source = {
	.name = "control",
	.waits = control_waits,
	.find = control_find,
	.stat = control_stat,
	.open = control_open,
	.list = control_list,
	.listed_in_memory = true,
	.as_requester = true,
};

int control_add_nodes(struct state *state)
{
	for (uint32_t index = CONTROL_DIRECTORY; index <= CONTROL_DIRECTORY + N_FILES; index++) {
		struct node_key key;
		int result;

		key_of(index, &key);
		result = node_add_fixed(state, index, &key, mode_of(index), 0, -1);
		if (result < 0)
			return result;
	}
	return 0;
}

void control_setup(const struct control_facts *new_facts)
{
	facts = new_facts;
	source_set_control(&control_source);
}
