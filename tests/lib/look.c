// SPDX-License-Identifier: MIT
#include "tests/lib/look.h"
#include "fs/state/handle.h"
#include "fs/state/node.h"
#include "fs/state/recover.h"
#include "lib/base/cleanup.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

static int open_arena(pid_t supervisor)
{
	_cleanup_closedir_ DIR *dir = NULL;
	const struct dirent *entry;
	char target[64];
	char path[32];

	snprintf(path, sizeof(path), "/proc/%d/fd", supervisor);
	dir = opendir(path);

	while (dir && (entry = readdir(dir))) {
		ssize_t length = readlinkat(dirfd(dir), entry->d_name, target, sizeof(target) - 1);

		target[length > 0 ? length : 0] = '\0';
		if (strstr(target, "memfd:segfs-arena"))
			return openat(dirfd(dir), entry->d_name, O_RDONLY | O_CLOEXEC);
	}
	return -1;
}

/*
 * Runs in a child process: state_recover() closes descriptors by number, which mean other files here than in
 * the daemon.
 */
static void look_into_arena(int fd, struct finding *finding)
{
	struct stat stat;
	struct state state;
	struct arena arena = {.fd = -1};
	char *memory;

	if (fstat(fd, &stat) < 0)
		return;
	memory = mmap(NULL, (size_t)stat.st_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE, fd, 0);
	if (memory == MAP_FAILED)
		return;
	arena.size = (size_t)stat.st_size;
	arena.header = (void *)memory;
	if (arena.header->magic != ARENA_MAGIC || arena.header->layout != ARENA_LAYOUT) {
		snprintf(finding->why, sizeof(finding->why), "the arena has another layout");
		return;
	}
	arena_locate(&arena);
	for (uint32_t i = 0; i < arena.header->handles_high; i++)
		finding->handles += atomic_load(&arena.handles[i].state) == SLOT_LIVE;
	/* after the handles: a handle is freed before its RELEASE is completed */
	for (uint32_t i = 0; i < ARENA_JOURNAL; i++)
		finding->running += atomic_load(&arena.header->journal[i].state) != JOURNAL_FREE;
	for (uint32_t i = 0; i < arena.header->locks_high; i++)
		finding->waiting += atomic_load(&arena.locks[i].state) == LOCK_SLOT_WAITING;
	if (state_recover(&state, &arena, 1u << 30) == 0)
		state_check(&state, finding->why, sizeof(finding->why));
	else
		snprintf(finding->why, sizeof(finding->why), "the indexes can't be built");
}

struct finding look_into(pid_t supervisor)
{
	struct finding found = {.handles = -1};
	struct finding *shared =
		mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	_cleanup_close_ int fd = open_arena(supervisor);
	pid_t child;
	int status;

	if (shared == MAP_FAILED || fd < 0) {
		snprintf(found.why, sizeof(found.why), "the supervisor has no arena");
		return found;
	}
	fflush(NULL);
	child = fork();
	if (child == 0) {
		look_into_arena(fd, shared);
		_exit(0);
	}
	if (child > 0 && waitpid(child, &status, 0) == child && status == 0)
		found = *shared;
	else
		snprintf(found.why, sizeof(found.why), "looking into the arena failed");
	munmap(shared, sizeof(*shared));
	return found;
}
