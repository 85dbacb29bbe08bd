// SPDX-License-Identifier: MIT
#include "fs/setup/names.h"
#include "fs/source/backing.h"
#include "fs/source/paths.h"
#include "fs/source/source.h"
#include "lib/base/cleanup.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

/* The id of a directory, if it has a node; else 0. */
static uint64_t find_node(struct state *state, int dir_fd)
{
	struct source_file file = {.fd = -1};
	uint64_t id = backing_identify(state, 0, dir_fd, "", &file) == 0 ? node_find(state, &file.key) : 0;

	cleanup_close(&file.fd);
	return id;
}

static void visit_path(struct state *state, const char *path, void (*visit)(uint64_t dir, const char *name))
{
	_cleanup_close_ int fd = fcntl(state->arena->header->stores[0].root_fd, F_DUPFD_CLOEXEC, 0);
	uint64_t dir = NODE_ROOT;

	while (fd >= 0 && dir && *path) {
		const char *slash = strchrnul(path, '/');
		char name[NAME_MAX + 1];
		int next;

		snprintf(name, sizeof(name), "%.*s", (int)(slash - path), path);
		visit(dir, name);
		next = *slash ? paths_open_beneath(fd, name) : -1;
		close(fd);
		fd = next;
		dir = fd >= 0 ? find_node(state, fd) : 0;
		path = *slash ? slash + 1 : slash;
	}
}

void names_of_config(struct state *state, const struct config *config,
		     void (*visit)(uint64_t dir, const char *name))
{
	for (unsigned int n = 0; n < SOURCE_KINDS; n++) {
		const struct builtin *builtin = source_builtin(state, n);

		if (builtin)
			visit(NODE_ROOT, builtin->name);
	}
	for (size_t i = 0; i < config->n_directories; i++)
		visit_path(state, config->directories[i].name, visit);
	for (size_t i = 0; i < config->n_segments; i++)
		visit_path(state, config->segments[i].name, visit);
}
