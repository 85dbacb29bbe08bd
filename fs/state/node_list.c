// SPDX-License-Identifier: MIT
#include "fs/state/node_list.h"

bool node_list_has(const struct state *state, enum node_list_kind kind, uint32_t index)
{
	return state->index[index].list == kind;
}

void node_list_append(struct state *state, enum node_list_kind kind, uint32_t index)
{
	struct node_list *list = &state->lists[kind];
	struct node_index *entry = &state->index[index];

	entry->list = kind;
	entry->list_prev = list->tail;
	entry->list_next = 0;
	if (list->tail)
		state->index[list->tail].list_next = index;
	else
		list->head = index;
	list->tail = index;
	list->n++;
}

void node_list_remove(struct state *state, enum node_list_kind kind, uint32_t index)
{
	struct node_list *list = &state->lists[kind];
	struct node_index *entry = &state->index[index];

	if (entry->list != kind)
		return;
	if (entry->list_prev)
		state->index[entry->list_prev].list_next = entry->list_next;
	else
		list->head = entry->list_next;
	if (entry->list_next)
		state->index[entry->list_next].list_prev = entry->list_prev;
	else
		list->tail = entry->list_prev;
	entry->list = NODE_LIST_NONE;
	entry->list_prev = entry->list_next = 0;
	list->n--;
}
