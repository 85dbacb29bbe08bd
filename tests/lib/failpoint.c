// SPDX-License-Identifier: MIT
#include "tests/lib/failpoint.h"
#include "lib/base/cleanup.h"
#include "tests/lib/callkinds.h"
#include "tests/lib/follow.h"
#include "tests/lib/worker.h"

#include <elf.h>
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>

#define DEVICE_BACKING_CLOSE _IOW(229, 2, uint32_t)
#define HARMLESS             SYS_getppid /* replaces the failing call: a seccomp filter sees this one */
#define NEVER                (-1)

/* How a call reports failure. */
enum how {
	BY_ERRNO = 0,
	BY_USER, /* returns the current file-system user, as on success */
	BY_GROUP,
};

#define CALL(name, error)                                                                                    \
	{                                                                                                    \
		SYS_##name, #name, error, BY_ERRNO                                                           \
	}
#define NO_CALL(name)                                                                                        \
	{                                                                                                    \
		SYS_##name, #name, NEVER, BY_ERRNO                                                           \
	}

/* The most likely errors of calls; others: ENOMEM. */
static const struct known_call {
	long number;
	const char *name;
	int likely; /* NEVER: not counted */
	enum how how;
} calls[] = {
	/* clang-format off */
	CALL(openat, EMFILE), CALL(openat2, EMFILE), CALL(open_by_handle_at, EMFILE), CALL(fcntl, EMFILE),
	CALL(memfd_create, EMFILE), CALL(dup3, EMFILE),
	CALL(pidfd_open, EMFILE), CALL(inotify_init1, EMFILE), CALL(eventfd2, EMFILE),
	CALL(timerfd_create, EMFILE), CALL(epoll_create1, EMFILE),
	CALL(name_to_handle_at, ENOMEM), CALL(newfstatat, ENOMEM), CALL(fstat, ENOMEM),
	CALL(statx, ENOMEM), CALL(fstatfs, EINTR), CALL(readlinkat, ENOMEM),
	CALL(getdents64, EINTR), CALL(read, EINTR), CALL(pread64, EINTR), CALL(lseek, ENXIO),
	CALL(ppoll, EINTR),
	CALL(write, ENOSPC), CALL(writev, ENOSPC), CALL(pwrite64, ENOSPC), CALL(pwritev2, ENOSPC),
	CALL(fallocate, ENOSPC), CALL(ftruncate, ENOSPC),
	CALL(truncate, ENOSPC), CALL(copy_file_range, ENOSPC), CALL(fsync, ENOSPC), CALL(fdatasync, ENOSPC),
	CALL(mkdirat, ENOSPC), CALL(mknodat, ENOSPC), CALL(symlinkat, ENOSPC), CALL(linkat, ENOSPC),
	CALL(unlinkat, ENOMEM), CALL(renameat2, ENOSPC),
	CALL(setxattr, ENOSPC), CALL(fsetxattr, ENOSPC), CALL(getxattr, ENOMEM), CALL(listxattr, ENOMEM),
	CALL(removexattr, ENOMEM),
	CALL(fchmodat, ENOMEM), CALL(fchownat, ENOMEM), CALL(utimensat, ENOMEM), CALL(ioctl, ENOMEM),
	CALL(mmap, ENOMEM), CALL(mprotect, ENOMEM), CALL(madvise, ENOMEM), CALL(mremap, ENOMEM),
	CALL(brk, ENOMEM), CALL(clone, EAGAIN), CALL(unshare, ENOMEM),
	CALL(timer_create, EAGAIN), CALL(sigaltstack, ENOMEM), CALL(getrandom, EINTR),
	CALL(prlimit64, EPERM), CALL(prctl, EPERM),
	CALL(shmget, ENOSPC), CALL(shmctl, ENOMEM), CALL(shmat, ENOMEM), CALL(setresuid, EAGAIN), CALL(setresgid, EAGAIN),
#ifdef SYS_chmod
	CALL(chmod, ENOMEM),
#endif
#ifdef SYS_open
	CALL(open, EMFILE), CALL(stat, ENOMEM), CALL(lstat, ENOMEM), CALL(readlink, ENOMEM), CALL(poll, EINTR),
#endif
	{SYS_setfsuid, "setfsuid", 0, BY_USER}, {SYS_setfsgid, "setfsgid", 0, BY_GROUP},

	/*
	 * the C library can't do without, or no caller learns of failure: waiting, waking, the end of
	 * threads, unmapping
	 */
	NO_CALL(futex), NO_CALL(munmap), NO_CALL(shmdt), NO_CALL(rt_sigprocmask), NO_CALL(rt_sigreturn), NO_CALL(rt_sigtimedwait), NO_CALL(exit),
	NO_CALL(exit_group), NO_CALL(restart_syscall), NO_CALL(set_robust_list), NO_CALL(rseq), NO_CALL(clock_nanosleep), NO_CALL(nanosleep),
	/* the descriptor is closed, whatever it returns */
	NO_CALL(close),
	/* the kernel never fails these: they only query, or the process exists */
	NO_CALL(gettid), NO_CALL(getpid), NO_CALL(getppid), NO_CALL(geteuid), NO_CALL(getegid), NO_CALL(getuid), NO_CALL(getgid), NO_CALL(umask),
	NO_CALL(kill), NO_CALL(tgkill), NO_CALL(wait4), NO_CALL(timer_settime), NO_CALL(timer_delete),
	/* a call only where the machine has no clock that programs can read without one */
	NO_CALL(clock_gettime),
	/* placement of threads: affects speed only */
	NO_CALL(sched_getaffinity), NO_CALL(sched_yield), NO_CALL(getcpu),
	/* the C library falls back to another call if it does not exist */
	NO_CALL(clone3),
	/* clang-format on */
};

struct failpoint_shared {
	struct follow_shared follow;
	enum failpoint_error error;
	atomic_uint n;            /* calls until the one that fails; 0 = none fails */
	struct call_kinds *kinds; /* kinds to skip, with `n` = 1; or NULL */
	struct call_text text;
	int fuse_fd;
	long number;       /* of the failed call */
	atomic_int thread; /* inside the failing call; 0 = none; -1 = being determined */
	int returned;      /* its forced return value */
	atomic_bool failed;
};

static const struct known_call *find_call(long number)
{
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
		if (calls[i].number == number)
			return &calls[i];
	return NULL;
}

/* On the FUSE device: requests, replies, and BACKING_CLOSE, which is a close. */
static bool is_of_device(const struct failpoint_shared *shared, uint64_t number, const uint64_t arguments[6])
{
	if ((int)arguments[0] != shared->fuse_fd)
		return false;
	switch (number) {
	case SYS_read:
	case SYS_write:
	case SYS_writev:
		return true;
	case SYS_ioctl:
		return (uint32_t)arguments[1] == DEVICE_BACKING_CLOSE;
	default:
		return false;
	}
}

static bool counts(const struct failpoint_shared *shared, uint64_t number, const uint64_t arguments[6])
{
	const struct known_call *call = find_call((long)number);

	return !is_of_device(shared, number, arguments) && !(call && call->likely == NEVER);
}

/* The file-system id of a thread: the fourth number of a line. */
static int identity_of(pid_t thread, const char *line)
{
	char text[4096];
	const char *at;
	int id = -1;

	if (read_text(path_of("/proc/%d/status", thread), text, sizeof(text)) > 0 &&
	    (at = strstr(text, line)))
		sscanf(at + strlen(line), "%*d %*d %*d %d", &id);
	return id;
}

#if defined(__x86_64__)
static bool set_number(pid_t thread, long number)
{
	return ptrace(PTRACE_POKEUSER, thread, offsetof(struct user, regs.orig_rax), number) == 0;
}

static bool set_returned(pid_t thread, long returned)
{
	return ptrace(PTRACE_POKEUSER, thread, offsetof(struct user, regs.rax), returned) == 0;
}
#elif defined(__aarch64__)
static bool set_number(pid_t thread, long number)
{
	int value = (int)number;
	struct iovec part = {.iov_base = &value, .iov_len = sizeof(value)};

	return ptrace(PTRACE_SETREGSET, thread, NT_ARM_SYSTEM_CALL, &part) == 0;
}

static bool set_returned(pid_t thread, long returned)
{
	struct user_regs_struct registers;
	struct iovec part = {.iov_base = &registers, .iov_len = sizeof(registers)};

	if (ptrace(PTRACE_GETREGSET, thread, NT_PRSTATUS, &part) < 0)
		return false;
	registers.regs[0] = (unsigned long long)returned;
	return ptrace(PTRACE_SETREGSET, thread, NT_PRSTATUS, &part) == 0;
}
#else
static bool set_number(pid_t thread, long number)
{
	(void)thread;
	(void)number;
	return false;
}

static bool set_returned(pid_t thread, long returned)
{
	(void)thread;
	(void)returned;
	return false;
}
#endif

bool failpoint_can(void)
{
#if defined(__x86_64__) || defined(__aarch64__)
	return true;
#else
	return false;
#endif
}

static void fail_call(struct failpoint_shared *shared, pid_t thread, long number)
{
	const struct known_call *call = find_call(number);

	if (!set_number(thread, HARMLESS)) {
		atomic_store(&shared->thread, 0);
		return;
	}
	if (call && call->how != BY_ERRNO)
		shared->returned = identity_of(thread, call->how == BY_USER ? "\nUid:" : "\nGid:");
	else if (shared->error == FAIL_EIO)
		shared->returned = -EIO;
	else
		shared->returned = call ? -call->likely : -ENOMEM;
	shared->number = number;
	atomic_store(&shared->thread, thread);
}

/* Whether this call is to fail. */
static bool is_due(struct failpoint_shared *shared, pid_t thread, const struct __ptrace_syscall_info *info)
{
	if (atomic_load(&shared->n) == 0 ||
	    (shared->kinds && !call_is_of_new_kind(shared->kinds, &shared->text, thread, info)))
		return false;
	return atomic_fetch_sub(&shared->n, 1) == 1;
}

static void look_at_call(struct failpoint_shared *shared, pid_t thread)
{
	struct __ptrace_syscall_info info;

	if (ptrace(PTRACE_GET_SYSCALL_INFO, thread, (void *)sizeof(info), &info) <= 0)
		return;
	if (info.op == PTRACE_SYSCALL_INFO_ENTRY && atomic_load(&shared->thread) == 0 &&
	    counts(shared, info.entry.nr, info.entry.args)) {
		atomic_store(&shared->thread, -1);
		if (is_due(shared, thread, &info))
			fail_call(shared, thread, (long)info.entry.nr);
		else
			atomic_store(&shared->thread, 0);
	} else if (info.op == PTRACE_SYSCALL_INFO_EXIT && thread == atomic_load(&shared->thread)) {
		atomic_store(&shared->failed, set_returned(thread, shared->returned));
		atomic_store(&shared->thread, 0);
	}
}

static void follow(void *context)
{
	struct failpoint_shared *shared = context;
	struct follow_stop stop;

	while (follow_next(&shared->follow, &stop)) {
		if (stop.is_call && !stop.is_supervisor)
			look_at_call(shared, stop.thread);
		follow_resume(&stop);
	}
}

/* The device's number in the daemon's descriptor table. */
static int find_device(pid_t worker)
{
	_cleanup_closedir_ DIR *dir = opendir(path_of("/proc/%d/fd", worker));
	const struct dirent *entry;
	char target[64];

	while (dir && (entry = readdir(dir))) {
		ssize_t length = readlinkat(dirfd(dir), entry->d_name, target, sizeof(target) - 1);

		target[length > 0 ? length : 0] = '\0';
		if (strcmp(target, "/dev/fuse") == 0)
			return atoi(entry->d_name);
	}
	return -1;
}

static int set(struct failpoint *point, const struct mount *mount, pid_t worker, unsigned int n,
	       struct call_kinds *kinds, enum failpoint_error error)
{
	void *memory =
		mmap(NULL, sizeof(*point->shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct failed_call ignored;
	int result;

	assert_ptr_not_equal(memory, MAP_FAILED);
	*point = (struct failpoint){.worker = worker, .shared = memory};
	atomic_store(&point->shared->n, n);
	point->shared->error = error;
	point->shared->kinds = kinds;
	if (kinds)
		point->shared->text = call_text_of(worker);
	point->shared->follow.supervisor = worker ? 0 : mount->supervisor;
	point->shared->fuse_fd = find_device(mount->supervisor);
	assert_true(point->shared->fuse_fd >= 0);
	result = follow_start(worker, &point->shared->follow, follow, point->shared, &point->tracer);
	if (result < 0)
		failpoint_end(point, &ignored);
	return result;
}

int failpoint_set(struct failpoint *point, const struct mount *mount, unsigned int n,
		  enum failpoint_error error)
{
	return set(point, mount, worker_pid(mount), n, NULL, error);
}

int failpoint_set_kind(struct failpoint *point, const struct mount *mount, struct call_kinds *kinds,
		       enum failpoint_error error)
{
	return set(point, mount, worker_pid(mount), 1, kinds, error);
}

int failpoint_set_next(struct failpoint *point, const struct mount *mount, unsigned int n,
		       enum failpoint_error error)
{
	return set(point, mount, 0, n, NULL, error);
}

bool failpoint_failed(const struct failpoint *point)
{
	return atomic_load(&point->shared->failed);
}

void failpoint_end(struct failpoint *point, struct failed_call *failed)
{
	const struct known_call *call;
	bool has_ended;

	/* the skipped call must not return the result of its replacement */
	atomic_store(&point->shared->n, 0);
	has_ended = wait_for(atomic_load(&point->shared->thread) == 0);
	follow_end(&point->shared->follow, point->tracer);
	*failed = (struct failed_call){0};
	if (atomic_load(&point->shared->failed)) {
		call = find_call(point->shared->number);
		failed->name = call ? call->name : path_of("call %ld", point->shared->number);
		failed->error = point->shared->returned < 0 ? -point->shared->returned : 0;
	}
	munmap(point->shared, sizeof(*point->shared));
	if (!has_ended)
		fail_msg("a call that was to fail does not end");
}
