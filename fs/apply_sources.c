// SPDX-License-Identifier: MIT
/*
 * The directories in the root that show the machine's own shared memory. Their nodes have fixed places, so all are made at the
 * start, whether they are shown or not: a configuration that is read again may want another one.
 */
#include "fs/apply_internal.h"
#include "fs/source/backing.h"
#include "fs/source/posix.h"
#include "fs/source/process.h"
#include "lib/base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>

static const uint32_t indexes[SOURCE_KINDS] = {
	[SOURCE_POSIX] = NODE_POSIX,
	[SOURCE_SYSV] = NODE_SYSV,
	[SOURCE_PROCESS] = NODE_PROCESS,
};

/* What shows nothing has a key that no file has. */
static int add_placeholder(struct state *state, enum source_kind kind)
{
	const struct node_key key = {
		.store = NODE_STORE_CONTROL,
		.inode = indexes[kind],
		.handle_type = NODE_HANDLE_SOURCE,
	};

	return node_add_fixed(state, indexes[kind], &key, S_IFDIR, NODE_FOREIGN, -1);
}

/* ENOENT, ENOTDIR where the machine has no such directory. */
static int add_posix(struct state *state)
{
	_cleanup_close_ int fd = open(POSIX_DIRECTORY, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct source_file file = {.fd = -1};
	int result;

	if (fd < 0)
		return -errno;
	result = apply_register(state, "posix", SOURCE_POSIX, fcntl(fd, F_DUPFD_CLOEXEC, 0));
	if (result >= 0)
		result = backing_identify(state, (uint16_t)result, fd, "", &file);
	if (result == 0)
		result = node_add_fixed(state, NODE_POSIX, &file.key, file.stat.st_mode, NODE_FOREIGN, file.fd);
	return result;
}

/* A record of what is no tree of files: no file is found in it by where it is. */
static int add_record(struct state *state, const char *path, enum source_kind kind, int fd)
{
	struct arena_header *header = state->arena->header;

	for (int i = 0; i < ARENA_STORES; i++) {
		struct store_record *place = &header->stores[i];

		if (atomic_load(&place->state) == SLOT_LIVE)
			continue;
		place->source = kind;
		place->mount_id = -1;
		place->root_fd = fd;
		snprintf(place->path, sizeof(place->path), "%s", path);
		atomic_store(&place->state, SLOT_LIVE);
		return i;
	}
	return -ENFILE;
}

/* Opened before there is a mount over it. ENOENT, ENOTDIR where it is not there. */
static int add_process(struct state *state)
{
	_cleanup_close_ int fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct source_file file = {.fd = -1};
	struct statfs found;
	int result;

	if (fd < 0 || fstatfs(fd, &found) < 0)
		return -errno;
	if (found.f_type != PROC_SUPER_MAGIC)
		return -ENOENT;
	result = add_record(state, "process", SOURCE_PROCESS, fd);
	if (result < 0)
		return result;
	take_fd(&fd);
	result = process_identify_root(state, (uint16_t)result, &file);
	if (result == 0)
		result = node_add_fixed(state, NODE_PROCESS, &file.key, file.stat.st_mode, NODE_FOREIGN, file.fd);
	return result;
}

static int or_placeholder(struct state *state, enum source_kind kind, int result)
{
	return result == -ENOENT || result == -ENOTDIR ? add_placeholder(state, kind) : result;
}

int apply_builtins(struct state *state)
{
	int result = or_placeholder(state, SOURCE_POSIX, add_posix(state));

	if (result == 0)
		result = add_placeholder(state, SOURCE_SYSV);
	if (result == 0)
		result = or_placeholder(state, SOURCE_PROCESS, add_process(state));
	return result;
}

static bool is_there(const struct state *state, enum source_kind kind)
{
	return state->arena->nodes[indexes[kind]].store != NODE_STORE_CONTROL;
}

int apply_sources(const struct application *application, const struct config *config)
{
	struct arena_header *header = application->state->arena->header;
	uint32_t shown = 0;

	for (int kind = SOURCE_STORE + 1; kind < SOURCE_KINDS; kind++) {
		if (config->has_sources && !(config->sources & 1u << kind))
			continue;
		if (is_there(application->state, (enum source_kind)kind)) {
			shown |= 1u << kind;
		} else if (config->has_sources) {
			snprintf(application->error, CONFIG_ERROR_MAX, "%.200s: sources: this machine has no %s; leave it out",
				 application->file, source_kind_name((enum source_kind)kind));
			return -ENOTSUP;
		}
	}
	atomic_fetch_or(&header->shown, shown);
	return 0;
}
