// SPDX-License-Identifier: MIT
#include "tests/lib/preload.h"
#include "lib/base/cleanup.h"
#include "tests/mount/harness.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

const char *preload_path(const char *name)
{
	static char path[PATH_MAX];
	const char *out = getenv("SEGFS_OUT");

	snprintf(path, sizeof(path), "%s/tests/preload/%s.so", out ? out : "build", name);
	return path;
}

void *preload_plan(const char *name, const char *variable, size_t size)
{
	const char *path = path_of("%s/plan-of-%s", test_directory(), name);
	_cleanup_close_ int fd = -1;
	void *memory = MAP_FAILED;

	setenv(variable, path, 1);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd >= 0 && ftruncate(fd, (off_t)size) == 0 && access(preload_path(name), R_OK) == 0)
		memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (memory == MAP_FAILED) {
		perror(preload_path(name));
		return NULL;
	}
	return memory;
}
