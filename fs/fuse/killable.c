// SPDX-License-Identifier: MIT
#include "fs/fuse/killable.h"
#include "fs/fuse/interrupt.h"
#include "lib/base/sanitizer.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define SHORT_LENGTH (32l << 20) /* bytes that are allocated in a few milliseconds */
#define STACK_SIZE   16384

struct allocation {
	int fd;
	int mode;
	off_t offset;
	off_t length;
	_Atomic pid_t pid;       /* of the process; set before it runs */
	atomic_bool interrupted; /* set before `pid` is read */
	int result;
};

/* Runs in the process, on the memory of the waiting thread: system calls only. */
UNSANITIZED static int carry_out(void *context)
{
	struct allocation *allocation = context;

	syscall(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	if (!atomic_load(&allocation->interrupted))
		allocation->result = syscall(SYS_fallocate, allocation->fd, allocation->mode,
					     allocation->offset, allocation->length) < 0
					     ? -errno
					     : 0;
	syscall(SYS_exit, 0);
	return 0;
}

/* Called by the thread that read the INTERRUPT. */
static void interrupt(void *context)
{
	struct allocation *allocation = context;
	pid_t pid;

	atomic_store(&allocation->interrupted, true);
	pid = atomic_load(&allocation->pid);
	if (pid > 0)
		kill(pid, SIGKILL);
}

int killable_fallocate(struct request *request, int fd, int mode, off_t offset, off_t length)
{
	_Alignas(16) char stack[STACK_SIZE];
	struct allocation allocation = {
		.fd = fd,
		.mode = mode,
		.offset = offset,
		.length = length,
		.result = -EINTR,
	};
	pid_t pid = -1;

	if (length > SHORT_LENGTH) {
		interrupt_call(request, interrupt, &allocation);
		pid = sanitizer_clone(carry_out, stack + sizeof(stack),
				      CLONE_VM | CLONE_FILES | CLONE_VFORK | CLONE_PARENT_SETTID, &allocation,
				      (pid_t *)(uintptr_t)&allocation.pid);
		/*
		 * waits for an interrupt() under way; the process is gone, but its number is taken until it
		 * is waited for
		 */
		interrupt_ignore(request);
	}
	if (pid < 0)
		return fallocate(fd, mode, offset, length) < 0 ? -errno : 0;
	while (waitpid(pid, NULL, __WALL) < 0 && errno == EINTR)
		;
	return allocation.result;
}
