/* SPDX-License-Identifier: MIT */
/*
 * The directory .segfs of the mount: the state of segfs as read-only files.
 *
 * A source without a store: its nodes have fixed slots. Opening a file makes a memfd of its current content,
 * so that a reader sees one consistent state, even if the worker dies meanwhile.
 */
#ifndef SEGFS_CONTROL_CONTROL_H
#define SEGFS_CONTROL_CONTROL_H

#include "fs/source/source.h"

/* Facts beyond the state; the strings live as long as the worker. */
struct control_facts {
	const char *instance;                           /* name of the instance */
	const char *mount_point;                        /* absolute */
	bool passthrough;                               /* set after INIT, if the kernel supports it */
	const char *(*operation_name)(uint32_t opcode); /* NULL if unknown */
};

/*
 * Adds the nodes of .segfs to a new arena, after the other fixed ones. Returns 0; otherwise as
 * node_add_fixed().
 */
int control_add_nodes(struct state *state);

/* Enables .segfs in a worker. `facts` is kept by reference. */
void control_setup(const struct control_facts *facts);

#endif
