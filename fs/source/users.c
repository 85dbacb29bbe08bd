// SPDX-License-Identifier: MIT
#include "fs/source/users.h"
#include "fs/source/fd_cache.h"
#include "fs/source/process_view.h"
#include "fs/source/views.h"
#include "lib/base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

ssize_t fact_text(const char *text, char *value, size_t size)
{
	size_t length = 0;

	/* without the final 0 */
	for (; text[length]; length++) {
		if (length == size)
			return -ERANGE;
		value[length] = text[length];
	}
	return (ssize_t)length;
}

ssize_t fact_number(long long number, char *value, size_t size)
{
	char text[24];

	snprintf(text, sizeof(text), "%lld", number);
	return fact_text(text, value, size);
}

ssize_t fact_time(long long seconds, char *value, size_t size)
{
	const time_t time = (time_t)seconds;
	struct tm parts;
	char text[32];

	gmtime_r(&time, &parts);
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &parts);
	return fact_text(text, value, size);
}

/* Gets the identity of a file as seen by processes that do not use the mount. */
static int file_of(struct state *state, const struct node_slot *node, struct procfs_file *file)
{
	_cleanup_cached_fd_ struct cached_fd cached = CACHED_FD_NONE;
	int result = fd_cache_get(state, node, &cached);
	struct stat stat;

	if (result < 0)
		return result;
	if (fstatat(cached.fd, "", &stat, AT_EMPTY_PATH) < 0)
		return -errno;
	*file = (struct procfs_file){stat.st_dev, stat.st_ino};
	return 0;
}

ssize_t users_find(struct state *state, const struct node_slot *node, struct procfs_user **users)
{
	struct procfs_file file;
	int result = file_of(state, node, &file);

	return result < 0 ? result : users_find_of(state, node, &file, users);
}

ssize_t users_find_of(const struct state *state, const struct node_slot *node, const struct procfs_file *file,
		      struct procfs_user **users)
{
	const struct procfs_file files[] = {
		*file,
		{.device = state->arena->header->device, .inode = source_inode_of(node)},
	};
	struct procfs_user *found;
	ssize_t n = procfs_find_users(files, 2, &found);
	ssize_t n_kept = 0;

	if (n < 0)
		return n;
	for (ssize_t i = 0; i < n; i++)
		if (!source_is_segfs(state, found[i].process))
			found[n_kept++] = found[i];
	*users = found;
	return n_kept;
}

ssize_t users_filter_visible(const struct state *state, struct procfs_user *users, size_t n)
{
	_cleanup_free_ pid_t *processes = NULL;
	struct view view;
	bool *seen;
	size_t n_kept = 0;
	int result = view_of_requester(state, &view);

	if (result < 0)
		return result;
	/* one allocation: `seen` follows `processes` */
	processes = calloc(n + 1, sizeof(*processes) + sizeof(*seen));
	if (!processes)
		return -ENOMEM;
	seen = (bool *)(processes + n + 1);
	for (size_t i = 0; i < n; i++)
		processes[i] = users[i].process;
	result = view_filter(&view, processes, n, seen);
	if (result < 0)
		return result;
	for (size_t i = 0; i < n; i++)
		if (seen[i])
			users[n_kept++] = users[i];
	return (ssize_t)n_kept;
}

ssize_t users_print_count(const struct procfs_user *users, size_t n, char *value, size_t size)
{
	long long count = 0;

	for (size_t i = 0; i < n; i++)
		count += users[i].maps;
	return fact_number(count, value, size);
}

ssize_t users_print_pids(const struct procfs_user *users, size_t n, char *value, size_t size)
{
	size_t length = 0;

	for (size_t i = 0; i < n; i++) {
		int more;

		if (!users[i].maps)
			continue;
		more = snprintf(value + length, size - length, "%s%d", length ? " " : "",
				(int)users[i].process);
		if (more < 0 || (size_t)more >= size - length)
			return -ERANGE;
		length += (size_t)more;
	}
	return (ssize_t)length;
}

/* Whether any user is known: unknown processes may not use the file at all. */
static bool users_are_known(const struct procfs_user *users, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!users[i].is_unknown)
			return true;
	return false;
}

ssize_t users_print_orphan(struct state *state, const struct node_slot *node, char *value, size_t size)
{
	struct views_probe probe = VIEWS_PROBE_NONE;
	_cleanup_free_ struct procfs_user *users = NULL;
	ssize_t n;
	int busy;

	/*
	 * Probe the lease first: a concurrent close then reads as "unknown", and a concurrent open never as
	 * "yes".
	 */
	busy = views_probe_open(state, node, &probe);
	if (busy == 0)
		busy = views_probe(&probe, false);
	views_probe_close(&probe);
	if (busy == 0)
		return fact_text("yes", value, size);
	/* if leases are unsupported or refused to us, scan the processes; a resource shortage is an error */
	if (busy < 0 && busy != -EINVAL && busy != -EACCES && busy != -EPERM)
		return busy;
	n = users_find(state, node, &users);
	return n < 0 ? n : fact_text(users_are_known(users, (size_t)n) ? "no" : "unknown", value, size);
}
