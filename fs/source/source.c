// SPDX-License-Identifier: MIT
#include "fs/source/source.h"

#include <string.h>

#define STORE_INODE_SHIFT 48 /* file systems count from below */

static const struct source *const sources[SOURCE_KINDS] = {
	[SOURCE_STORE] = &store_source,
};

static const struct builtin no_builtins[] = {{.name = NULL}};
static const struct builtin *builtins = no_builtins;
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

uint64_t source_node_of(struct state *state, ino_t unique)
{
	/* inode numbers so high that they reach the shift are tried as such too */
	for (uint16_t store = 0; store < ARENA_STORES; store++) {
		uint64_t id = atomic_load(&state->arena->header->stores[store].state) == SLOT_LIVE
				      ? node_find_inode(state, store, unique ^ (ino_t)store << STORE_INODE_SHIFT)
				      : 0;

		if (id)
			return id;
	}
	return 0;
}

/* Ordinary users can't have trusted attributes; nobody else reaches their store anyway. */
const char *source_policy_attribute(const struct state *state)
{
	return state->arena->header->privileged ? "trusted.segfs.policy" : "user.segfs.policy";
}

const char *source_use_attribute(const struct state *state)
{
	return state->arena->header->privileged ? "trusted.segfs.use" : "user.segfs.use";
}

void source_set_control(const struct source *source, const struct builtin *new_builtins)
{
	control = source;
	builtins = new_builtins;
}

const struct builtin *source_builtins(void)
{
	return builtins;
}

uint32_t source_find_builtin(uint64_t parent, const char *name)
{
	if (parent != NODE_ROOT)
		return 0;
	for (const struct builtin *builtin = builtins; builtin->name; builtin++)
		if (strcmp(builtin->name, name) == 0)
			return builtin->index;
	return 0;
}
