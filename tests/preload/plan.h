/* SPDX-License-Identifier: MIT */
/* For preloaded libraries: maps their plan, a file shared with the test, see tests/lib/preload.h. */
#ifndef SEGFS_TESTS_PLAN_H
#define SEGFS_TESTS_PLAN_H

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

/* Maps the file named by an environment variable. Returns NULL if there is none. */
static inline void *plan_map(const char *variable, size_t size)
{
	const char *path = getenv(variable);
	int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
	void *memory;

	if (fd < 0)
		return NULL;
	memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	return memory == MAP_FAILED ? NULL : memory;
}

#endif
