// SPDX-License-Identifier: MIT
/*
 * MODE[=static|relative][:NODES], which is what tmpfs's mpol= takes. Whether a node exists is the kernel's to say.
 */
#include <stdbool.h>
#include <string.h>

#include "fs/config/keys.h"

enum node_list { NO_NODES, ONE_NODE, SOME_NODES, NODES_OR_ALL };

static const struct {
	const char *name;
	bool flags; /* takes =static or =relative */
	enum node_list nodes;
} numa_modes[] = {
	{"default", false, NO_NODES},
	{"local", false, NO_NODES},
	{"prefer", true, ONE_NODE},
	{"prefer (many)", true, SOME_NODES},
	{"bind", true, SOME_NODES},
	{"interleave", true, NODES_OR_ALL},
	{"weighted interleave", true, NODES_OR_ALL},
};

/* Reads a node number below 1024, the most that Linux is built for. Returns what follows it, or NULL. */
static const char *skip_node(const char *text, unsigned int *node)
{
	size_t digits = strspn(text, "0123456789");

	if (!digits || digits > 4)
		return NULL;
	*node = 0;
	for (size_t i = 0; i < digits; i++)
		*node = *node * 10 + (unsigned int)(text[i] - '0');
	return *node < 1024 ? text + digits : NULL;
}

/* Whether the text is "0", "0-3", "0,2-5" and so on. */
static bool is_node_list(const char *text)
{
	for (;;) {
		unsigned int first;
		unsigned int last;

		text = skip_node(text, &first);
		if (text && *text == '-') {
			text = skip_node(text + 1, &last);
			if (text && last < first)
				return false;
		}
		if (!text || !*text)
			return text;
		if (*text++ != ',')
			return false;
	}
}

static const char *nodes_problem(enum node_list expected, const char *nodes)
{
	unsigned int node;
	const char *rest;

	switch (expected) {
	case NO_NODES:
		return nodes ? "this policy takes no nodes; leave out ':' and what follows" : NULL;
	case ONE_NODE:
		rest = nodes ? skip_node(nodes, &node) : NULL;
		return rest && !*rest ? NULL : "this policy takes one node; write it such as prefer:0";
	case NODES_OR_ALL:
		if (!nodes)
			return NULL;
		break;
	case SOME_NODES:
		break;
	}
	if (!nodes || !is_node_list(nodes))
		return "not a list of nodes; write them after ':', such as 0-1 or 0,2";
	return NULL;
}

const char *config_numa_problem(const char *value)
{
	size_t length = strcspn(value, "=:");
	const char *flags = value[length] == '=' ? value + length + 1 : NULL;
	const char *nodes = strchr(value, ':');

	for (size_t i = 0; i < sizeof(numa_modes) / sizeof(numa_modes[0]); i++) {
		const char *problem;

		if (strlen(numa_modes[i].name) != length || strncmp(value, numa_modes[i].name, length) != 0)
			continue;
		if (flags) {
			size_t flags_length = strcspn(flags, ":");

			if (!numa_modes[i].flags)
				return "this policy takes no flag; leave out '=' and what follows";
			if (!(flags_length == 6 && strncmp(flags, "static", 6) == 0) &&
			    !(flags_length == 8 && strncmp(flags, "relative", 8) == 0))
				return "the flag after '=' is not known; write static or relative";
		}
		problem = nodes_problem(numa_modes[i].nodes, nodes ? nodes + 1 : NULL);
		if (!problem && flags && !nodes)
			problem = "a flag means nothing without nodes; write them after ':'";
		return problem;
	}
	return "not a tmpfs policy; write default, local, prefer:N, bind:LIST, interleave:LIST, \"prefer (many):LIST\" "
	       "or \"weighted interleave:LIST\"";
}
