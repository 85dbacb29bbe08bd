// SPDX-License-Identifier: MIT
#include "fs/source/store_facts.h"
#include "fs/source/backing.h"
#include "fs/source/fd_cache.h"
#include "fs/source/internal.h"
#include "fs/source/users.h"
#include "fs/state/handle.h"
#include "lib/base/cleanup.h"
#include "lib/base/clock.h"
#include "lib/base/object_format.h"
#include "lib/base/procfs.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

/* --- idle-since --- */

static int was_closed(struct state *state, const struct node_slot *node)
{
	uint32_t writers;

	return atomic_load(&node->closed_at) && handle_count(state, node_id_of(state, node), &writers) == 0;
}

/* Time of the last close, while segfs knows it. */
static ssize_t idle_since(struct state *state, const struct node_slot *node, char *value, size_t size)
{
	const uint64_t ago = boottime_nanoseconds() - atomic_load(&node->closed_at);

	if (!was_closed(state, node))
		return -ENODATA;
	return fact_time((long long)((realtime_nanoseconds() - ago) / 1000000000), value, size);
}

/* --- object --- */

/* The kind of a synchronization object of libsegfs. */
static ssize_t object(struct state *state, const struct node_slot *node, char *value, size_t size)
{
	_cleanup_close_ int fd = backing_open(state, node, O_RDONLY | O_NONBLOCK);
	struct object_header header;
	const char *name;
	struct stat stat;

	if (fd < 0)
		return fd;
	if (fstat(fd, &stat) < 0)
		return -errno;
	if (pread(fd, &header, sizeof(header), 0) != sizeof(header))
		return -ENODATA;
	name = object_kind_name(&header, (uint64_t)stat.st_size);
	return name ? fact_text(name, value, size) : -ENODATA;
}

/* --- generation --- */

/*
 * A number that is another one whenever the size has changed, so that a program knows whether a view of its
 * is still one of the whole segment. It is stored with the file, together with the size that it belongs to,
 * when somebody asks for it first. In direct mode a file grows without a request: then the size is another
 * one than the stored one when somebody asks again. A file shrinks by requests alone; these change the
 * number, since the file could have its old size again when somebody asks. No two numbers are the same, so
 * that changes at a time by several threads need no lock: whichever is stored last, it is none that was told
 * before.
 */
struct generation {
	uint64_t number;
	uint64_t size; /* bytes */
};

/* Returns 0; -ENODATA if there is none, or nothing that segfs has stored. */
static int load(const struct state *state, const char *path, struct generation *generation)
{
	char text[48];
	ssize_t length = getxattr(path, source_generation_attribute(state), text, sizeof(text) - 1);

	if (length < 0)
		return errno == EOPNOTSUPP || errno == ERANGE ? -ENODATA : -errno;
	text[length] = '\0';
	return sscanf(text, "%" SCNu64 " %" SCNu64, &generation->number, &generation->size) == 2 ? 0
												 : -ENODATA;
}

/* Stores a new number. last: the one before, or 0. */
static int store_next(const struct state *state, const char *path, uint64_t last,
		      struct generation *generation)
{
	const uint64_t now = realtime_nanoseconds();
	char text[48];
	int length;

	generation->number = now > last ? now : last + 1;
	length = snprintf(text, sizeof(text), "%" PRIu64 " %" PRIu64, generation->number, generation->size);
	return setxattr(path, source_generation_attribute(state), text, (size_t)length, 0) < 0 ? -errno : 0;
}

static ssize_t generation_of(struct state *state, const struct node_slot *node, char *value, size_t size)
{
	_cleanup_cached_fd_ struct cached_fd cached = CACHED_FD_NONE;
	struct generation generation = {0};
	char path[PROCFS_FD_MAX];
	struct stat stat;
	char text[24];
	int result = fd_cache_get(state, node, &cached);

	if (result < 0)
		return result;
	procfs_fd_name(path, cached.fd);
	if (fstatat(cached.fd, "", &stat, AT_EMPTY_PATH) < 0)
		return -errno;
	result = load(state, path, &generation);
	if (result == -ENODATA || (result == 0 && generation.size != (uint64_t)stat.st_size)) {
		const uint64_t last = generation.number;

		generation.size = (uint64_t)stat.st_size;
		result = store_next(state, path, last, &generation);
	}
	if (result < 0)
		return result;
	snprintf(text, sizeof(text), "%" PRIu64, generation.number);
	return fact_text(text, value, size);
}

int store_before_resize(struct state *state, const struct node_slot *node, off_t size)
{
	_cleanup_cached_fd_ struct cached_fd cached = CACHED_FD_NONE;
	struct generation generation = {0};
	char path[PROCFS_FD_MAX];
	struct stat stat;
	int result = fd_cache_get(state, node, &cached);

	if (result < 0)
		return result;
	if (fstatat(cached.fd, "", &stat, AT_EMPTY_PATH) < 0)
		return -errno;
	/* it grows, as when it is made */
	if (size >= stat.st_size)
		return 0;
	procfs_fd_name(path, cached.fd);
	/* nobody has asked yet */
	if (load(state, path, &generation) < 0)
		return 0;
	generation.size = (uint64_t)stat.st_size;
	return store_next(state, path, generation.number, &generation);
}

const struct source_fact store_facts[] = {
	{.name = "orphan", .value = users_print_orphan, .scans = true},
	{.name = "idle-since", .applies = was_closed, .value = idle_since},
	{.name = "object", .value = object},
	{.name = "generation", .value = generation_of},
	{.name = NULL},
};
