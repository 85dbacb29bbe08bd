// SPDX-License-Identifier: MIT
#include "fs/setup/unmount.h"

#include <spawn.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/wait.h>
#include <unistd.h>

void unmount_as_user(const char *path)
{
	static char name[] = "fusermount3", unmount[] = "-u", quiet[] = "-q", lazy[] = "-z", end[] = "--";
	char *const arguments[] = {name, unmount, quiet, lazy, end, (char *)(uintptr_t)path, NULL};
	pid_t pid;

	if (posix_spawnp(&pid, name, NULL, NULL, arguments, environ) == 0)
		waitpid(pid, NULL, 0);
}
