// SPDX-License-Identifier: MIT
#include "fs/source/posix.h"
#include "fs/source/paths.h"
#include "fs/source/users.h"
#include "lib/base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#define SEMAPHORE_PREFIX "sem." /* file names of sem_open(3) in glibc and musl */

/* Gets the path of a node's file relative to the root of its store. */
static int path_below(const struct state *state, const struct node_slot *node, char *path, size_t size)
{
	_cleanup_close_ int fd = source_of(state, node)->open((struct state *)(uintptr_t)state, node, O_PATH);
	struct stat stat;

	if (fd < 0)
		return fd;
	if (fstatat(fd, "", &stat, AT_EMPTY_PATH) < 0)
		return -errno;
	if (stat.st_nlink == 0)
		return -ENOENT;
	return paths_below(state->arena->header->stores[node->store].root_fd, fd, path, size);
}

int posix_path(const struct state *state, const struct node_slot *node, char *path, size_t size)
{
	const char *place = state->arena->header->stores[node->store].path;
	char below[PATH_MAX];
	int length = path_below(state, node, below, sizeof(below));

	if (length < 0)
		return length;
	length = snprintf(path, size, "%s/%s", place, below);
	return (size_t)length < size ? length : -ENAMETOOLONG;
}

static ssize_t kind(struct state *state, const struct node_slot *node, char *value, size_t size)
{
	char path[PATH_MAX];
	bool semaphore = path_below(state, node, path, sizeof(path)) >= 0 && !strchr(path, '/') &&
			 strncmp(path, SEMAPHORE_PREFIX, strlen(SEMAPHORE_PREFIX)) == 0;

	return fact_text(semaphore ? "semaphore" : "memory", value, size);
}

static ssize_t mapped(struct state *state, const struct node_slot *node, char *value, size_t size)
{
	_cleanup_free_ struct procfs_user *users = NULL;
	ssize_t n = users_find(state, node, &users);

	return n < 0 ? n : users_print_count(users, (size_t)n, value, size);
}

static ssize_t mapped_pids(struct state *state, const struct node_slot *node, char *value, size_t size)
{
	_cleanup_free_ struct procfs_user *users = NULL;
	ssize_t n = users_find(state, node, &users);

	/*
	 * The number of users is no secret, since anyone who can open the file can learn it by a lease. Their
	 * pids are shown as /proc shows them.
	 */
	n = n < 0 ? n : users_filter_visible(state, users, (size_t)n);
	return n < 0 ? n : users_print_pids(users, (size_t)n, value, size);
}

const struct source_fact posix_facts[] = {
	{.name = "kind", .value = kind},
	{.name = "mapped", .value = mapped, .scans = true},
	{.name = "mapped-pids", .value = mapped_pids, .scans = true},
	{.name = "orphan", .value = users_print_orphan, .scans = true},
	{.name = NULL},
};
