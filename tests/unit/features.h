/* SPDX-License-Identifier: MIT */
/*
 * For unit tests: skips a case for what the machine lacks. An emulator of user programs, such as qemu-user,
 * lacks more than a kernel that segfs runs on.
 */
#ifndef SEGFS_TESTS_UNIT_FEATURES_H
#define SEGFS_TESTS_UNIT_FEATURES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/base/sanitizer.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static inline void skip_missing(const char *feature)
{
	print_message("missing: %s\n", feature);
	skip();
}

UNSANITIZED static inline int features_write(void *memory)
{
	*(volatile int *)memory = 1;
	syscall(SYS_exit, 0);
	return 0;
}

/* Skips the case if a process cannot share its memory with a child, as it does with a delegate. */
static inline void need_shared_memory(void)
{
	static _Alignas(16) char stack[64 * 1024];
	volatile int written = 0;
	pid_t pid = -1;

	if (sanitizer_clone(features_write, stack + sizeof(stack),
			    CLONE_VM | CLONE_FILES | CLONE_VFORK | CLONE_PARENT_SETTID,
			    (void *)(uintptr_t)&written, &pid) > 0)
		waitpid(pid, NULL, __WALL);
	if (!written)
		skip_missing("clone(2) with CLONE_VM");
}

/* Skips the case if statx(2) does not tell the ids of mounts. */
static inline void need_mount_ids(void)
{
	struct statx root = {0};

	if (statx(AT_FDCWD, "/", 0, STATX_MNT_ID, &root) < 0 || !(root.stx_mask & STATX_MNT_ID) ||
	    root.stx_mnt_id == 0)
		skip_missing("statx(2) with STATX_MNT_ID");
}

/* Skips the case if an emulator's pages are larger than the kernel's, which decide how it maps a file. */
static inline void need_pages_of_kernel(void)
{
	struct stat memory = {.st_blksize = 1};
	int fd = memfd_create("page", MFD_CLOEXEC);

	if (fd >= 0) {
		fstat(fd, &memory);
		close(fd);
	}
	if (memory.st_blksize % sysconf(_SC_PAGESIZE) != 0)
		skip_missing("a kernel with pages of this size");
}

/* Skips the case if the kernel does not tell of the list by which it releases the locks of a dead thread. */
static inline void need_robust_list(void)
{
	void *list = NULL;
	size_t size;

	if (syscall(SYS_get_robust_list, 0, &list, &size) < 0 || !list)
		skip_missing("get_robust_list(2)");
}

#endif
