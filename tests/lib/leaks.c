// SPDX-License-Identifier: MIT
#include "tests/lib/leaks.h"
#include "fs/state/node.h"
#include "lib/base/cleanup.h"

#include <ctype.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#define IDS_ABOVE 64 /* ids checked beyond the last recorded one */

#define DEVICE_BACKING_CLOSE _IOW(229, 2, uint32_t)

static void unmap_arena(struct arena *arena)
{
	if (arena->header)
		munmap(arena->header, arena->size);
	cleanup_close(&arena->fd);
}

#define _cleanup_arena_ __attribute__((cleanup(unmap_arena)))

/* arena->fd becomes its number in the daemon's table. */
static int find_arena(const struct mount *mount, const char **path)
{
	_cleanup_closedir_ DIR *dir = opendir(path_of("/proc/%d/fd", mount->supervisor));
	const struct dirent *entry;
	char target[64];

	while (dir && (entry = readdir(dir))) {
		ssize_t length = readlinkat(dirfd(dir), entry->d_name, target, sizeof(target) - 1);

		target[length > 0 ? length : 0] = '\0';
		if (strstr(target, "memfd:segfs-arena")) {
			*path = path_of("/proc/%d/fd/%s", mount->supervisor, entry->d_name);
			return atoi(entry->d_name);
		}
	}
	return -1;
}

static int map_arena(const struct mount *mount, struct arena *arena, int *number)
{
	const char *path = NULL;
	struct stat stat;
	char *memory;

	*number = find_arena(mount, &path);
	arena->fd = *number < 0 ? -1 : open(path, O_RDONLY | O_CLOEXEC);
	if (arena->fd < 0 || fstat(arena->fd, &stat) < 0)
		return -1;
	memory = mmap(NULL, (size_t)stat.st_size, PROT_READ, MAP_SHARED, arena->fd, 0);
	if (memory == MAP_FAILED)
		return -1;
	arena->size = (size_t)stat.st_size;
	arena->header = (void *)memory;
	arena_locate(arena);
	return 0;
}

#define PIDFD         "anon_inode:[pidfd]"
#define CACHED_PIDFDS 16

static bool is_named(const struct arena *arena, int number, int fd)
{
	const struct arena_header *header = arena->header;

	if (fd == number || fd == header->fuse_fd || fd == header->lock_fd || fd == header->ready_fd ||
	    fd == header->messages_fd || fd == atomic_load(&header->config_fd))
		return true;
	for (uint32_t i = 0; i < header->n_base_fds; i++)
		if (header->base_fds[i] == fd)
			return true;
	for (int i = 0; i < ARENA_STORES; i++)
		if (store_exists(&header->stores[i]) && header->stores[i].root_fd == fd)
			return true;
	for (int i = 0; i < ARENA_CACHED_FDS; i++)
		if (atomic_load(&header->cached_fds[i].id) && header->cached_fds[i].fd == fd)
			return true;
	for (uint32_t i = 1; i < atomic_load(&header->nodes_high); i++)
		if (atomic_load(&arena->nodes[i].state) == SLOT_LIVE &&
		    atomic_load(&arena->nodes[i].fd) == fd)
			return true;
	for (uint32_t i = 1; i < atomic_load(&header->handles_high); i++)
		if (atomic_load(&arena->handles[i].state) == SLOT_LIVE && arena->handles[i].fd == fd)
			return true;
	return false;
}

static int count_lost(const struct mount *mount, const struct arena *arena, int number, bool print)
{
	_cleanup_closedir_ DIR *dir = opendir(path_of("/proc/%d/fd", mount->supervisor));
	const struct dirent *entry;
	char target[256];
	int asked = 0;
	int n = 0;

	if (!dir)
		return -1;
	while ((entry = readdir(dir))) {
		ssize_t length;

		if (!isdigit((unsigned char)entry->d_name[0]) || is_named(arena, number, atoi(entry->d_name)))
			continue;
		length = readlinkat(dirfd(dir), entry->d_name, target, sizeof(target) - 1);
		target[length > 0 ? length : 0] = '\0';
		/* the reader caches pidfds of recent requesters, see fs/fuse/identity.c */
		if (strcmp(target, PIDFD) == 0 && ++asked <= CACHED_PIDFDS)
			continue;
		n++;
		if (print)
			fprintf(stderr, "lost descriptor %s -> %s\n", entry->d_name, target);
	}
	return n;
}

bool no_lost_descriptors(const struct mount *mount)
{
	_cleanup_arena_ struct arena arena = {.fd = -1};
	int number;

	if (map_arena(mount, &arena, &number) < 0) {
		fprintf(stderr, "the supervisor has no arena\n");
		return false;
	}
	if (wait_for(count_lost(mount, &arena, number, false) == 0))
		return true;
	count_lost(mount, &arena, number, true);
	return false;
}

static bool is_id_named(const struct arena *arena, int id)
{
	for (uint32_t i = 1; i < atomic_load(&arena->header->nodes_high); i++)
		if (atomic_load(&arena->nodes[i].state) == SLOT_LIVE &&
		    atomic_load(&arena->nodes[i].backing_id) == id)
			return true;
	for (int i = 0; i < ARENA_CLOSING; i++)
		if (atomic_load(&arena->header->backing_closing[i]) == id)
			return true;
	return false;
}

/* Duplicates the daemon's end of the connection into this process. */
static int borrow_device(const struct mount *mount, int number)
{
	_cleanup_close_ int supervisor = (int)syscall(SYS_pidfd_open, mount->supervisor, 0);

	return supervisor < 0 ? -1 : (int)syscall(SYS_pidfd_getfd, supervisor, number, 0);
}

bool no_lost_backing_ids(const struct mount *mount)
{
	_cleanup_arena_ struct arena arena = {.fd = -1};
	_cleanup_close_ int device = -1;
	int number;
	int lost = 0;

	if (map_arena(mount, &arena, &number) < 0)
		return false;
	device = borrow_device(mount, arena.header->fuse_fd);
	if (device < 0)
		return true;
	for (int id = 1; id <= atomic_load(&arena.header->backing_last) + IDS_ABOVE; id++) {
		const uint32_t closed = (uint32_t)id;

		/* ENOENT: the id does not exist, as expected */
		if (is_id_named(&arena, id) || ioctl(device, DEVICE_BACKING_CLOSE, &closed) < 0)
			continue;
		fprintf(stderr, "lost passthrough id %d\n", id);
		lost++;
	}
	return lost == 0;
}

int verify_nothing_lost(const struct mount *mount)
{
	return mount_verify(mount, 0) == 0 && no_lost_descriptors(mount) && no_lost_backing_ids(mount) ? 0
												       : -1;
}

int removed_files_held(const struct mount *mount, bool print)
{
	_cleanup_arena_ struct arena arena = {.fd = -1};
	int number;
	int held = 0;

	if (map_arena(mount, &arena, &number) < 0)
		return -1;
	for (uint32_t i = 1; i < atomic_load(&arena.header->nodes_high); i++) {
		const struct node_slot *node = &arena.nodes[i];
		uint32_t flags = atomic_load(&node->flags);

		if (atomic_load(&node->state) != SLOT_LIVE || !(flags & NODE_UNLINKED) ||
		    atomic_load(&node->lookups) == 0)
			continue;
		held++;
		if (print)
			fprintf(stderr,
				"removed file: node %u, inode %llu, %llu references, descriptor %d, id %d\n",
				i, (unsigned long long)node->inode,
				(unsigned long long)atomic_load(&node->lookups), atomic_load(&node->fd),
				atomic_load(&node->backing_id));
	}
	return held;
}

/* --- how much there is --- */

#define QUIET_LOOKS 20 /* identical observations in a row, a millisecond apart */

static int count_descriptors(const struct mount *mount)
{
	_cleanup_closedir_ DIR *dir = opendir(path_of("/proc/%d/fd", mount->supervisor));
	const struct dirent *entry;
	char target[32];
	int n = 0;

	while (dir && (entry = readdir(dir))) {
		ssize_t length = readlinkat(dirfd(dir), entry->d_name, target, sizeof(target) - 1);

		/* which of them are cached depends on the requesters */
		target[length > 0 ? length : 0] = '\0';
		n += isdigit((unsigned char)entry->d_name[0]) && strcmp(target, PIDFD) != 0;
	}
	return n;
}

static struct holdings look(const struct mount *mount)
{
	_cleanup_arena_ struct arena arena = {.fd = -1};
	struct holdings found = {.descriptors = -1};
	int number;

	if (map_arena(mount, &arena, &number) < 0)
		return found;
	found.descriptors = count_descriptors(mount);
	for (int i = 0; i < ARENA_CACHED_FDS; i++)
		found.descriptors -= atomic_load(&arena.header->cached_fds[i].id) != 0;
	for (uint32_t i = 1; i < atomic_load(&arena.header->nodes_high); i++)
		found.nodes += atomic_load(&arena.nodes[i].state) == SLOT_LIVE &&
			       atomic_load(&arena.nodes[i].lookups) > 0;
	for (uint32_t i = 1; i < atomic_load(&arena.header->handles_high); i++)
		found.handles += atomic_load(&arena.handles[i].state) == SLOT_LIVE;
	for (uint32_t i = 1; i < atomic_load(&arena.header->locks_high); i++)
		found.locks += atomic_load(&arena.locks[i].state) != LOCK_SLOT_FREE;
	for (int i = 0; i < ARENA_JOURNAL; i++)
		found.requests += atomic_load(&arena.header->journal[i].state) != JOURNAL_FREE;
	for (int i = 0; i < ARENA_CLOSING; i++)
		found.closing += atomic_load(&arena.header->backing_closing[i]) != 0;
	return found;
}

struct holdings holdings_of(const struct mount *mount)
{
	const struct deadline deadline = deadline_in(WAIT_SECONDS);
	struct holdings found = look(mount);

	for (int quiet = 0; quiet < QUIET_LOOKS && deadline_wait(&deadline); quiet++) {
		struct holdings next = look(mount);

		if (memcmp(&next, &found, sizeof(next)) != 0)
			quiet = 0;
		found = next;
	}
	return found;
}

static bool is_same(const struct mount *mount, const struct holdings *before, struct holdings *now)
{
	*now = look(mount);
	return memcmp(now, before, sizeof(*now)) == 0;
}

bool has_the_same(const struct mount *mount, const struct holdings *before)
{
	struct holdings now = {0};

	if (wait_for(is_same(mount, before, &now)))
		return true;
	fprintf(stderr,
		"before: %d descriptors, %d nodes, %d handles, %d locks, %d requests, %d ids being closed\n",
		before->descriptors, before->nodes, before->handles, before->locks, before->requests,
		before->closing);
	fprintf(stderr,
		"now:    %d descriptors, %d nodes, %d handles, %d locks, %d requests, %d ids being closed\n",
		now.descriptors, now.nodes, now.handles, now.locks, now.requests, now.closing);
	return false;
}
