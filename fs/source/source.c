// SPDX-License-Identifier: MIT
#include "fs/source/source.h"
#include "fs/source/internal.h"
#include "lib/base/delegate.h"

#include <string.h>

#define STORE_INODE_SHIFT 48 /* inode numbers of file systems are normally below this bit */

_Static_assert(SOURCE_KINDS == ARENA_SOURCES, "a store is of one of these");

static const struct source *const sources[SOURCE_KINDS] = {
	[SOURCE_STORE] = &store_source,
	[SOURCE_POSIX] = &posix_source,
	[SOURCE_SYSV] = &sysv_source,
	[SOURCE_PROCESS] = &process_source,
};

/* The control directory, then the directories of sources by kind. */
static const struct builtin builtins[SOURCE_KINDS] = {
	{".segfs", NODE_CONTROL},
	[SOURCE_POSIX] = {"posix", NODE_POSIX},
	[SOURCE_SYSV] = {"sysv", NODE_SYSV},
	[SOURCE_PROCESS] = {"process", NODE_PROCESS},
};

static const struct source *control;

const struct source *source_of(const struct state *state, const struct node_slot *node)
{
	if (node->store == NODE_STORE_CONTROL)
		return control;
	return sources[state->arena->header->stores[node->store].source];
}

ino_t source_unique_inode(ino_t inode, uint16_t store)
{
	return inode ^ (ino_t)store << STORE_INODE_SHIFT;
}

ino_t source_inode_of(const struct node_slot *node)
{
	return node->store == NODE_STORE_CONTROL ? node->inode
						 : source_unique_inode(node->inode, node->store);
}

uint64_t source_node_of(struct state *state, ino_t unique)
{
	/* an inode number that reaches the shift is found by trying all stores */
	for (uint16_t store = 0; store < ARENA_STORES; store++) {
		uint64_t id =
			store_exists(&state->arena->header->stores[store])
				? node_find_inode(state, store, unique ^ (ino_t)store << STORE_INODE_SHIFT)
				: 0;

		if (id)
			return id;
	}
	return 0;
}

/* An unprivileged daemon cannot set trusted attributes; nobody else can reach its store anyway. */
const char *source_policy_attribute(const struct state *state)
{
	return state->arena->header->privileged ? SOURCE_PRIVATE_PREFIX "policy"
						: SOURCE_PUBLIC_PREFIX "policy";
}

const char *source_use_attribute(const struct state *state)
{
	return state->arena->header->privileged ? SOURCE_PRIVATE_PREFIX "use" : SOURCE_PUBLIC_PREFIX "use";
}

int source_before_resize(struct state *state, const struct node_slot *node, off_t size)
{
	const struct source *source = source_of(state, node);

	return source->before_resize ? source->before_resize(state, node, size) : 0;
}

const char *source_generation_attribute(const struct state *state)
{
	return state->arena->header->privileged ? SOURCE_PRIVATE_PREFIX "generation"
						: SOURCE_PUBLIC_PREFIX "generation";
}

void source_set_control(const struct source *source)
{
	control = source;
}

const char *source_kind_name(enum source_kind kind)
{
	return sources[kind]->name;
}

enum source_kind source_kind_find(const char *name, size_t length)
{
	for (int kind = 0; kind < SOURCE_KINDS; kind++)
		if (strlen(sources[kind]->name) == length && memcmp(sources[kind]->name, name, length) == 0)
			return (enum source_kind)kind;
	return SOURCE_KINDS;
}

bool source_is_unsized(struct state *state, const struct node_slot *node)
{
	const struct source *source = source_of(state, node);

	return source->unsized && source->unsized(state, node);
}

bool source_is_segfs(const struct state *state, pid_t process)
{
	const struct arena_header *header = state->arena->header;

	return process == header->supervisor_pid || process == atomic_load(&header->worker_pid) ||
	       delegate_is(process);
}

uint32_t source_builtin_index(enum source_kind kind)
{
	return builtins[kind].index;
}

const struct builtin *source_builtin(const struct state *state, unsigned int n)
{
	return n == 0 || atomic_load(&state->arena->header->shown) & 1u << n ? &builtins[n] : NULL;
}

uint32_t source_find_builtin(const struct state *state, uint64_t parent, const char *name)
{
	if (parent != NODE_ROOT)
		return 0;
	for (unsigned int n = 0; n < SOURCE_KINDS; n++) {
		const struct builtin *builtin = source_builtin(state, n);

		if (builtin && strcmp(builtin->name, name) == 0)
			return builtin->index;
	}
	return 0;
}
