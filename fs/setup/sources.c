// SPDX-License-Identifier: MIT
/*
 * The builtin directories that show the machine's shared memory. Their nodes have fixed indexes, so all are
 * created at the start, shown or not: a reload may show more.
 */
#include "fs/setup/sources.h"
#include "fs/setup/application.h"
#include "fs/setup/register.h"
#include "fs/source/backing.h"
#include "fs/source/posix.h"
#include "fs/source/process_node.h"
#include "fs/source/sysv_node.h"
#include "lib/base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

/* A source that this machine lacks gets a node with a key that no file has. */
static int add_placeholder(struct state *state, enum source_kind kind)
{
	const struct node_key key = {
		.store = NODE_STORE_CONTROL,
		.inode = source_builtin_index(kind),
		.handle_type = NODE_HANDLE_SOURCE,
	};

	return node_add_fixed(state, source_builtin_index(kind), &key, S_IFDIR, NODE_EXTERNAL, -1);
}

/* -ENOENT, -ENOTDIR if the machine has no such directory. */
static int add_posix(struct state *state)
{
	_cleanup_close_ int fd = open(POSIX_DIRECTORY, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_close_ int root_fd = -1;
	struct source_file file = {.fd = -1};
	int result;

	if (fd < 0)
		return -errno;
	root_fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (root_fd < 0)
		return -errno;
	result = apply_register(state, "posix", SOURCE_POSIX, root_fd, -1);
	if (result >= 0)
		take_fd(&root_fd);
	if (result >= 0)
		result = backing_identify(state, (uint16_t)result, fd, "", &file);
	if (result == 0)
		result = node_add_fixed(state, NODE_POSIX, &file.key, file.stat.st_mode, NODE_EXTERNAL,
					file.fd);
	return result;
}

/* System calls reach the daemon's own IPC namespace; memory is opened through /proc, which requires root. */
static int add_sysv(struct state *state)
{
	struct node_key key;
	int store;

	if (!state->arena->header->privileged || access("/proc/sysvipc/shm", F_OK) < 0)
		return -ENOENT;
	store = apply_register_virtual(state, "sysv", SOURCE_SYSV, -1);
	if (store < 0)
		return store;
	sysv_root_key((uint16_t)store, &key);
	return node_add_fixed(state, NODE_SYSV, &key, S_IFDIR, NODE_EXTERNAL, -1);
}

/* Opens /proc before anything is mounted over it. -ENOENT, -ENOTDIR if there is none. */
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
	result = apply_register_virtual(state, "process", SOURCE_PROCESS, fd);
	if (result < 0)
		return result;
	take_fd(&fd);
	result = process_identify_root(state, (uint16_t)result, &file);
	if (result == 0)
		result = node_add_fixed(state, NODE_PROCESS, &file.key, file.stat.st_mode, NODE_EXTERNAL,
					file.fd);
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
		result = or_placeholder(state, SOURCE_SYSV, add_sysv(state));
	if (result == 0)
		result = or_placeholder(state, SOURCE_PROCESS, add_process(state));
	return result;
}

static bool is_there(const struct state *state, enum source_kind kind)
{
	return state->arena->nodes[source_builtin_index(kind)].store != NODE_STORE_CONTROL;
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
			snprintf(application->error, CONFIG_ERROR_MAX,
				 "%.200s: sources: this machine has no %s; remove it", application->file,
				 source_kind_name((enum source_kind)kind));
			return -ENOTSUP;
		}
	}
	atomic_fetch_or(&header->shown, shown);
	return 0;
}

static bool is_ipc_namespace(int fd)
{
	struct statfs found;

	return fstatfs(fd, &found) == 0 && found.f_type == NSFS_MAGIC &&
	       ioctl(fd, NS_GET_NSTYPE) == CLONE_NEWIPC;
}

bool is_same_file(int one, int other)
{
	struct stat first;
	struct stat second;

	return fstat(one, &first) == 0 && fstat(other, &second) == 0 && first.st_dev == second.st_dev &&
	       first.st_ino == second.st_ino;
}

int apply_open_namespace(const struct application *application, const struct config_directory *directory)
{
	const char *name = directory->ipc_namespace;
	_cleanup_close_ int fd = -1;
	char path[PATH_MAX];

	if (name && *name != '/')
		snprintf(path, sizeof(path), "/proc/%s/ns/ipc", name);
	else
		snprintf(path, sizeof(path), "%s", name ? name : "/proc/self/ns/ipc");
	/* the path may lead to a fifo */
	fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return apply_fail(application, -errno, directory->line,
				  "the IPC namespace %s of directory '%s': %s", path, directory->name,
				  strerror(errno));
	if (!is_ipc_namespace(fd))
		return apply_fail(
			application, -EINVAL, directory->line,
			"%s is not an IPC namespace; write a pid, or a path such as /proc/PID/ns/ipc", path);
	return take_fd(&fd);
}
