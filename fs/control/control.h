/* SPDX-License-Identifier: MIT */
/*
 * The directory .segfs of the mount: what segfs knows, as read-only files.
 *
 * A source without a store: its nodes have fixed slots, and opening a file makes a memfd with what is true at that
 * moment, so that a reader sees one state and goes on reading when the worker dies.
 */
#ifndef SEGFS_CONTROL_CONTROL_H
#define SEGFS_CONTROL_CONTROL_H

#include "fs/source/source.h"

/* What the files tell beside the state; the strings live as long as the worker. */
struct control_facts {
	const char *instance;    /* name of the instance */
	const char *mount_point; /* absolute */
	bool passthrough;        /* set once the kernel said so */
	const char *(*operation_name)(uint32_t opcode); /* NULL for an unknown one */
};

/* Adds the nodes of .segfs to a new arena, after the other fixed ones. Returns 0 or as node_add_fixed(). */
int control_add_nodes(struct state *state);

/* Makes .segfs appear, in every worker. `facts` is kept by reference. */
void control_setup(const struct control_facts *facts);

#endif
