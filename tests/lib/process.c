// SPDX-License-Identifier: MIT
#include "tests/lib/process.h"
#include "lib/base/cleanup.h"

#include <fcntl.h>
#include <grp.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

static FILE *open_stat(pid_t pid)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	return fopen(path, "re");
}

pid_t parent_of(pid_t pid)
{
	_cleanup_fclose_ FILE *file = open_stat(pid);
	char text[1024] = "";
	const char *at;
	int found = 0;

	if (!file || !fgets(text, sizeof(text), file))
		return 0;
	at = strrchr(text, ')');
	return at && sscanf(at, ") %*c %d", &found) == 1 ? found : 0;
}

bool is_child_of(pid_t pid, pid_t parent)
{
	return pid > 1 && parent > 1 && parent_of(pid) == parent;
}

int run_program(const char *const argv[])
{
	pid_t child = fork();
	int status;

	if (child < 0)
		return -errno;
	if (child == 0) {
		execvp(argv[0], (char *const *)(uintptr_t)argv);
		_exit(127);
	}
	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int as_user(uid_t uid, gid_t gid, int (*function)(void *context), void *context)
{
	int *result = mmap(NULL, sizeof(*result), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int returned;
	int status = 1;
	pid_t child;

	if (result == MAP_FAILED)
		return -ENOMEM;
	fflush(NULL);
	child = fork();
	if (child == 0) {
		if (setgroups(0, NULL) < 0 || setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0)
			_exit(1);
		*result = function(context);
		_exit(0);
	}
	while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	returned = child > 0 && status == 0 ? *result : -ECHILD;
	munmap(result, sizeof(*result));
	return returned;
}

uint64_t physical_page(const void *address)
{
	_cleanup_close_ int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	uintptr_t page = (uintptr_t)address / (uintptr_t)sysconf(_SC_PAGESIZE);
	uint64_t entry;

	if (fd < 0 || pread(fd, &entry, sizeof(entry), (off_t)(page * sizeof(entry))) != sizeof(entry))
		return 0;
	return entry >> 63 ? entry & ((UINT64_C(1) << 55) - 1) : 0;
}
