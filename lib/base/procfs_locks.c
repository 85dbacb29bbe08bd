// SPDX-License-Identifier: MIT
#include "lib/base/procfs_locks.h"
#include "lib/base/procfs_users.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

#define WORD_MAX 16 /* bytes of a word, including the final 0 */

struct search {
	dev_t device;
	struct procfs_lock *locks;
	size_t n;
	size_t size; /* elements allocated */
};

static bool parse_kind(const char *word, enum procfs_lock_kind *kind)
{
	static const char *const words[] = {
		[PROCFS_LOCK_POSIX] = "POSIX",
		[PROCFS_LOCK_OFD] = "OFDLCK",
		[PROCFS_LOCK_FLOCK] = "FLOCK",
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strcmp(word, words[i]) == 0) {
			*kind = (enum procfs_lock_kind)i;
			return true;
		}
	}
	return false;
}

static bool parse_end(const char *word, uint64_t *end)
{
	char *rest;

	if (strcmp(word, "EOF") == 0) {
		*end = UINT64_MAX;
		return true;
	}
	errno = 0;
	*end = strtoull(word, &rest, 10);
	return rest != word && *rest == 0 && errno == 0;
}

/* "NUMBER: [->] KIND ADVISORY READ|WRITE PID MAJOR:MINOR:INODE START END", "->" indented by what it waits for
 */
bool procfs_parse_lock(const char *line, struct procfs_lock *lock)
{
	char kind[WORD_MAX];
	char type[WORD_MAX];
	char end[24];
	unsigned int major;
	unsigned int minor;

	line = strchr(line, ':');
	if (!line)
		return false;
	line += 1 + strspn(line + 1, " ");
	*lock = (struct procfs_lock){.waits = strncmp(line, "->", 2) == 0};
	if (lock->waits)
		line += 2;
	if (sscanf(line, " %15s %*s %15s %d %x:%x:%" SCNu64 " %" SCNu64 " %23s", kind, type, &lock->process,
		   &major, &minor, &lock->inode, &lock->start, end) != 8)
		return false;
	lock->device = makedev(major, minor);
	lock->exclusive = strcmp(type, "WRITE") == 0;
	return parse_kind(kind, &lock->kind) && (lock->exclusive || strcmp(type, "READ") == 0) &&
	       parse_end(end, &lock->end);
}

static int add(void *context, const char *line, size_t length)
{
	struct search *search = context;
	struct procfs_lock lock;

	(void)length;
	if (!procfs_parse_lock(line, &lock) || lock.device != search->device)
		return 0;
	if (search->n == search->size) {
		size_t size = search->size ? search->size * 2 : 64;
		struct procfs_lock *larger = reallocarray(search->locks, size, sizeof(*larger));

		if (!larger)
			return -ENOMEM;
		search->locks = larger;
		search->size = size;
	}
	search->locks[search->n++] = lock;
	return 0;
}

ssize_t procfs_find_locks(dev_t device, struct procfs_lock **locks)
{
	struct search search = {.device = device};
	int result = procfs_walk_lines(AT_FDCWD, "/proc/locks", add, &search);

	if (result < 0) {
		free(search.locks);
		return result;
	}
	*locks = search.locks;
	return (ssize_t)search.n;
}
