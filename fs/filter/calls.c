// SPDX-License-Identifier: MIT
#include "fs/filter/calls.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>

/*
 * System calls newer than the libseccomp of Debian 12; their numbers are the same on all supported
 * architectures.
 */
#define CALL_CACHESTAT     451
#define CALL_FCHMODAT2     452
#define CALL_FUTEX_WAKE    454
#define CALL_FUTEX_WAIT    455
#define CALL_FUTEX_REQUEUE 456
#define CALL_STATMOUNT     457
#define CALL_LISTMOUNT     458
#define CALL_SETXATTRAT    463
#define CALL_GETXATTRAT    464
#define CALL_LISTXATTRAT   465
#define CALL_REMOVEXATTRAT 466

#ifndef PR_SET_VMA
#define PR_SET_VMA 0x53564d41
#endif

/* the flags are the second argument on s390 */
#ifdef __s390__
#define CLONE_FLAGS_ARGUMENT 1
#else
#define CLONE_FLAGS_ARGUMENT 0
#endif
#define CLONE_NAMESPACES                                                                                     \
	(CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID |        \
	 CLONE_NEWNET)

/*
 * Calls that the C library makes under another name on other machines, or in later releases, are listed by
 * all names.
 */
/* clang-format off */
const int filter_allowed[] = {
	/* requests and replies; splice and pipes are libfuse's; ioctl is for passthrough and inode flags */
	SCMP_SYS(read), SCMP_SYS(readv), SCMP_SYS(pread64), SCMP_SYS(preadv), SCMP_SYS(preadv2),
	SCMP_SYS(write), SCMP_SYS(writev), SCMP_SYS(pwrite64), SCMP_SYS(pwritev), SCMP_SYS(pwritev2),
	SCMP_SYS(splice), SCMP_SYS(vmsplice), SCMP_SYS(tee), SCMP_SYS(pipe), SCMP_SYS(pipe2), SCMP_SYS(sendfile),
	SCMP_SYS(sendfile64), SCMP_SYS(ioctl), SCMP_SYS(poll), SCMP_SYS(ppoll), SCMP_SYS(ppoll_time64),
	SCMP_SYS(select), SCMP_SYS(_newselect), SCMP_SYS(pselect6), SCMP_SYS(pselect6_time64),

	/* descriptors */
	SCMP_SYS(open), SCMP_SYS(openat), SCMP_SYS(openat2), SCMP_SYS(open_by_handle_at), SCMP_SYS(name_to_handle_at),
	SCMP_SYS(close), SCMP_SYS(close_range), SCMP_SYS(dup), SCMP_SYS(dup2), SCMP_SYS(dup3), SCMP_SYS(fcntl),
	SCMP_SYS(fcntl64), SCMP_SYS(flock), SCMP_SYS(lseek), SCMP_SYS(_llseek), SCMP_SYS(memfd_create),
	SCMP_SYS(inotify_init), SCMP_SYS(inotify_init1), SCMP_SYS(inotify_add_watch), SCMP_SYS(inotify_rm_watch),
	SCMP_SYS(eventfd2), SCMP_SYS(timerfd_create), SCMP_SYS(timerfd_settime), SCMP_SYS(timerfd_settime64),
	SCMP_SYS(timerfd_gettime), SCMP_SYS(timerfd_gettime64), SCMP_SYS(signalfd4),
	SCMP_SYS(epoll_create), SCMP_SYS(epoll_create1), SCMP_SYS(epoll_ctl), SCMP_SYS(epoll_wait), SCMP_SYS(epoll_pwait),
	SCMP_SYS(epoll_pwait2),

	/* files, names and attributes */
	SCMP_SYS(stat), SCMP_SYS(stat64), SCMP_SYS(lstat), SCMP_SYS(lstat64), SCMP_SYS(fstat), SCMP_SYS(fstat64),
	SCMP_SYS(newfstatat), SCMP_SYS(fstatat64), SCMP_SYS(statx), SCMP_SYS(statfs), SCMP_SYS(statfs64),
	CALL_STATMOUNT, CALL_LISTMOUNT, /* the owner of a file on an idmapped mount */
	SCMP_SYS(fstatfs), SCMP_SYS(fstatfs64), SCMP_SYS(access), SCMP_SYS(faccessat), SCMP_SYS(faccessat2),
	SCMP_SYS(getdents), SCMP_SYS(getdents64), SCMP_SYS(readlink), SCMP_SYS(readlinkat), SCMP_SYS(getcwd),
	SCMP_SYS(mkdir), SCMP_SYS(mkdirat), SCMP_SYS(mknod), SCMP_SYS(mknodat), SCMP_SYS(symlink), SCMP_SYS(symlinkat),
	SCMP_SYS(link), SCMP_SYS(linkat), SCMP_SYS(unlink), SCMP_SYS(unlinkat), SCMP_SYS(rmdir),
	SCMP_SYS(rename), SCMP_SYS(renameat), SCMP_SYS(renameat2),
	SCMP_SYS(chmod), SCMP_SYS(fchmod), SCMP_SYS(fchmodat), CALL_FCHMODAT2, SCMP_SYS(umask),
	SCMP_SYS(chown), SCMP_SYS(chown32), SCMP_SYS(lchown), SCMP_SYS(lchown32), SCMP_SYS(fchown),
	SCMP_SYS(fchown32), SCMP_SYS(fchownat), SCMP_SYS(utimensat), SCMP_SYS(utimensat_time64),
	SCMP_SYS(truncate), SCMP_SYS(truncate64), SCMP_SYS(ftruncate), SCMP_SYS(ftruncate64), SCMP_SYS(fallocate),
	SCMP_SYS(copy_file_range), SCMP_SYS(fadvise64), SCMP_SYS(fadvise64_64), SCMP_SYS(readahead), CALL_CACHESTAT,
	SCMP_SYS(fsync), SCMP_SYS(fdatasync), SCMP_SYS(syncfs), SCMP_SYS(sync_file_range), SCMP_SYS(sync_file_range2),
	SCMP_SYS(getxattr), SCMP_SYS(lgetxattr), SCMP_SYS(fgetxattr), CALL_GETXATTRAT,
	SCMP_SYS(setxattr), SCMP_SYS(lsetxattr), SCMP_SYS(fsetxattr), CALL_SETXATTRAT,
	SCMP_SYS(listxattr), SCMP_SYS(llistxattr), SCMP_SYS(flistxattr), CALL_LISTXATTRAT,
	SCMP_SYS(removexattr), SCMP_SYS(lremovexattr), SCMP_SYS(fremovexattr), CALL_REMOVEXATTRAT,

	/* System V segments; a single call on some architectures */
	SCMP_SYS(shmget), SCMP_SYS(shmat), SCMP_SYS(shmdt), SCMP_SYS(shmctl), SCMP_SYS(ipc),

	/* credentials; capset cannot add capabilities, since all permitted ones are effective */
	SCMP_SYS(setfsuid), SCMP_SYS(setfsuid32), SCMP_SYS(setfsgid), SCMP_SYS(setfsgid32),
	SCMP_SYS(setresuid), SCMP_SYS(setresuid32), SCMP_SYS(setresgid), SCMP_SYS(setresgid32),
	SCMP_SYS(getuid), SCMP_SYS(getuid32), SCMP_SYS(geteuid), SCMP_SYS(geteuid32), SCMP_SYS(getresuid),
	SCMP_SYS(getresuid32), SCMP_SYS(getgid), SCMP_SYS(getgid32), SCMP_SYS(getegid), SCMP_SYS(getegid32),
	SCMP_SYS(getresgid), SCMP_SYS(getresgid32), SCMP_SYS(getgroups), SCMP_SYS(getgroups32), SCMP_SYS(setgroups),
	SCMP_SYS(setgroups32), SCMP_SYS(capget), SCMP_SYS(capset),

	/* processes: others are watched, own ones are signalled and waited for */
	SCMP_SYS(pidfd_open), SCMP_SYS(pidfd_send_signal), SCMP_SYS(kill), SCMP_SYS(tgkill), SCMP_SYS(wait4),
	SCMP_SYS(waitid), SCMP_SYS(waitpid), SCMP_SYS(getpid), SCMP_SYS(getppid), SCMP_SYS(getpgrp), SCMP_SYS(getpgid),
	SCMP_SYS(getsid), SCMP_SYS(exit), SCMP_SYS(exit_group),

	/* threads */
	SCMP_SYS(gettid), SCMP_SYS(futex), SCMP_SYS(futex_time64), SCMP_SYS(futex_waitv), CALL_FUTEX_WAKE, CALL_FUTEX_WAIT,
	CALL_FUTEX_REQUEUE, SCMP_SYS(set_robust_list), SCMP_SYS(get_robust_list), SCMP_SYS(rseq), SCMP_SYS(set_tid_address),
	SCMP_SYS(set_thread_area), SCMP_SYS(membarrier), SCMP_SYS(sched_yield), SCMP_SYS(sched_getaffinity),
	SCMP_SYS(sched_getparam), SCMP_SYS(sched_getscheduler),
	SCMP_SYS(sched_get_priority_max), SCMP_SYS(sched_get_priority_min), SCMP_SYS(getcpu), SCMP_SYS(getpriority),

	/* signals and time */
	SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigpending), SCMP_SYS(rt_sigsuspend), SCMP_SYS(rt_sigtimedwait),
	SCMP_SYS(rt_sigtimedwait_time64), SCMP_SYS(rt_sigqueueinfo), SCMP_SYS(rt_tgsigqueueinfo), SCMP_SYS(rt_sigreturn),
	SCMP_SYS(sigreturn), SCMP_SYS(sigaltstack), SCMP_SYS(pause), SCMP_SYS(restart_syscall),
	SCMP_SYS(timer_create), SCMP_SYS(timer_settime), SCMP_SYS(timer_settime64), SCMP_SYS(timer_gettime),
	SCMP_SYS(timer_gettime64), SCMP_SYS(timer_getoverrun), SCMP_SYS(timer_delete),
	SCMP_SYS(clock_gettime), SCMP_SYS(clock_gettime64), SCMP_SYS(clock_getres), SCMP_SYS(clock_getres_time64),
	SCMP_SYS(clock_nanosleep), SCMP_SYS(clock_nanosleep_time64), SCMP_SYS(nanosleep), SCMP_SYS(gettimeofday),
	SCMP_SYS(time), SCMP_SYS(times), SCMP_SYS(setitimer),

	/* memory */
	SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise), SCMP_SYS(brk), SCMP_SYS(msync), SCMP_SYS(mincore),

	/* queries by libraries about machine and process */
	SCMP_SYS(getrandom), SCMP_SYS(uname), SCMP_SYS(sysinfo), SCMP_SYS(getrlimit), SCMP_SYS(ugetrlimit), SCMP_SYS(getrusage),

	/* the system log; name services, for owners in a reloaded configuration */
	SCMP_SYS(connect), SCMP_SYS(sendto), SCMP_SYS(sendmsg), SCMP_SYS(sendmmsg), SCMP_SYS(send), SCMP_SYS(recvfrom),
	SCMP_SYS(recvmsg), SCMP_SYS(recvmmsg), SCMP_SYS(recvmmsg_time64), SCMP_SYS(recv), SCMP_SYS(getsockopt),
	SCMP_SYS(setsockopt), SCMP_SYS(getsockname), SCMP_SYS(getpeername), SCMP_SYS(shutdown),

#ifdef FILTER_SANITIZED
	/* sanitizers stop all threads from a separate process, and run programs that resolve addresses */
	SCMP_SYS(ptrace), SCMP_SYS(process_vm_readv), SCMP_SYS(clone), SCMP_SYS(fork), SCMP_SYS(vfork), SCMP_SYS(execve),
	SCMP_SYS(prctl), SCMP_SYS(arch_prctl), SCMP_SYS(personality), SCMP_SYS(mmap), SCMP_SYS(mmap2), SCMP_SYS(mprotect),
	SCMP_SYS(mlock), SCMP_SYS(munlock), SCMP_SYS(setrlimit), SCMP_SYS(prlimit64), SCMP_SYS(socketpair),
#endif
};
/* clang-format on */

#define IS(number, value)                                                                                    \
	{                                                                                                    \
		.arg = (number), .op = SCMP_CMP_EQ, .datum_a = (value)                                       \
	}
#define IS_NOT(number, value)                                                                                \
	{                                                                                                    \
		.arg = (number), .op = SCMP_CMP_NE, .datum_a = (value)                                       \
	}
#define BITS(number, mask, value)                                                                            \
	{                                                                                                    \
		.arg = (number), .op = SCMP_CMP_MASKED_EQ, .datum_a = (mask), .datum_b = (value)             \
	}

/*
 * A signal other than SIGSYS differs from it in at least one bit. The whole value cannot be compared: the
 * filter sees 64 bits of the register, of which the kernel uses 32.
 */
#define OTHER_SIGNAL(bit)                                                                                    \
	{                                                                                                    \
		SCMP_SYS(rt_sigaction), SCMP_ACT_ALLOW,                                                      \
			BITS(0, 1u << (bit), ~(unsigned int)SIGSYS & 1u << (bit))                            \
	}

/* Memory may be writable or executable, not both. */
#define MAP_WITH(call, protection)                                                                           \
	{                                                                                                    \
		call, SCMP_ACT_ALLOW, BITS(2, PROT_WRITE | PROT_EXEC, protection)                            \
	}

/* Required attributes of new mounts. */
#define ATTRIBUTES ((unsigned int)(MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV))

#define PRCTL(option)                                                                                        \
	{                                                                                                    \
		SCMP_SYS(prctl), SCMP_ACT_ALLOW, IS(0, option)                                               \
	}

/* clang-format off */
const struct filter_rule filter_limited[] = {
#ifndef FILTER_SANITIZED
	/* threads, and processes for allocations and delegates; no new namespaces */
	{SCMP_SYS(clone), SCMP_ACT_ALLOW, BITS(CLONE_FLAGS_ARGUMENT, CLONE_NAMESPACES, 0)},

	/* for loading libraries of name services */
	MAP_WITH(SCMP_SYS(mmap), 0), MAP_WITH(SCMP_SYS(mmap), PROT_WRITE), MAP_WITH(SCMP_SYS(mmap), PROT_EXEC),
	MAP_WITH(SCMP_SYS(mmap2), 0), MAP_WITH(SCMP_SYS(mmap2), PROT_WRITE), MAP_WITH(SCMP_SYS(mmap2), PROT_EXEC),
	{SCMP_SYS(mprotect), SCMP_ACT_ALLOW, BITS(2, PROT_EXEC, 0)},

	/*
	 * names of threads, the parent-death signal of delegates, names that malloc(3) may give to mappings
	 */
	PRCTL(PR_SET_PDEATHSIG), PRCTL(PR_SET_NAME), PRCTL(PR_SET_VMA),
	/* queries, made by libraries of name services when they are loaded */
	PRCTL(PR_GET_NAME), PRCTL(PR_GET_SECUREBITS), PRCTL(PR_CAPBSET_READ), PRCTL(PR_GET_DUMPABLE), PRCTL(PR_GET_KEEPCAPS),
	PRCTL(PR_GET_NO_NEW_PRIVS), PRCTL(PR_GET_SECCOMP),

	/* getrlimit(3) and setrlimit(3) of the worker itself */
	{SCMP_SYS(prlimit64), SCMP_ACT_ALLOW, IS(0, 0)},
#endif
	/* its flags are in memory, which a filter cannot read; on ENOSYS the C library uses clone */
	{SCMP_SYS(clone3), SCMP_ACT_ERRNO(ENOSYS), {0}},

	{SCMP_SYS(unshare), SCMP_ACT_ALLOW, IS(0, CLONE_FS)},  /* for a thread's own umask */
	{SCMP_SYS(setns), SCMP_ACT_ALLOW, IS(1, CLONE_NEWIPC)}, /* System V segments of another namespace */

	/* media of directories, in a reloaded configuration */
	{SCMP_SYS(fsopen), SCMP_ACT_ALLOW, {0}},
	{SCMP_SYS(fsconfig), SCMP_ACT_ALLOW, {0}},
	{SCMP_SYS(fsmount), SCMP_ACT_ALLOW, BITS(2, ATTRIBUTES, ATTRIBUTES)},
	{SCMP_SYS(open_tree), SCMP_ACT_ALLOW, BITS(2, ~0u, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC)},
	{SCMP_SYS(move_mount), SCMP_ACT_ALLOW, BITS(4, ~0u, MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH)},
	/* ... and changed limits of an existing one */
	{SCMP_SYS(fspick), SCMP_ACT_ALLOW, BITS(2, ~0u, FSPICK_CLOEXEC | FSPICK_EMPTY_PATH)},

	/* the handler of SIGSYS cannot be replaced */
	OTHER_SIGNAL(0), OTHER_SIGNAL(1), OTHER_SIGNAL(2), OTHER_SIGNAL(3), OTHER_SIGNAL(4), OTHER_SIGNAL(5), OTHER_SIGNAL(6),

	/* fails for network name services, without killing the worker */
	{SCMP_SYS(socket), SCMP_ACT_ALLOW, IS(0, AF_UNIX)},
	{SCMP_SYS(socket), SCMP_ACT_ERRNO(EAFNOSUPPORT), IS_NOT(0, AF_UNIX)},
};
/* clang-format on */

/*
 * Applies to every program that the supervisor starts or becomes, including later versions, since a filter
 * cannot be removed. So it lists nothing that a user-space file system may ever need.
 */
/* clang-format off */
const int filter_forbidden[] = {
	/* other processes' memory and state */
#ifndef FILTER_SANITIZED
	SCMP_SYS(ptrace), SCMP_SYS(process_vm_readv), SCMP_SYS(personality),
#endif
	SCMP_SYS(process_vm_writev), SCMP_SYS(kcmp), SCMP_SYS(move_pages), SCMP_SYS(migrate_pages),
	SCMP_SYS(perf_event_open), SCMP_SYS(userfaultfd), SCMP_SYS(lookup_dcookie),

	/* the kernel's code, and starting another kernel */
	SCMP_SYS(bpf), SCMP_SYS(init_module), SCMP_SYS(finit_module), SCMP_SYS(delete_module), SCMP_SYS(create_module),
	SCMP_SYS(kexec_load), SCMP_SYS(kexec_file_load), SCMP_SYS(reboot),

	/* machine-wide settings */
	SCMP_SYS(swapon), SCMP_SYS(swapoff), SCMP_SYS(acct), SCMP_SYS(syslog), SCMP_SYS(vhangup), SCMP_SYS(quotactl),
	SCMP_SYS(quotactl_fd), SCMP_SYS(nfsservctl), SCMP_SYS(sethostname), SCMP_SYS(setdomainname),
	SCMP_SYS(settimeofday), SCMP_SYS(clock_settime), SCMP_SYS(clock_settime64), SCMP_SYS(stime), SCMP_SYS(adjtimex),
	SCMP_SYS(clock_adjtime), SCMP_SYS(clock_adjtime64),
	SCMP_SYS(iopl), SCMP_SYS(ioperm), SCMP_SYS(modify_ldt), SCMP_SYS(vm86), SCMP_SYS(vm86old), SCMP_SYS(uselib),

	/* changing the root, and keys */
	SCMP_SYS(pivot_root), SCMP_SYS(chroot), SCMP_SYS(add_key), SCMP_SYS(request_key), SCMP_SYS(keyctl),
};
/* clang-format on */

const size_t filter_n_allowed = sizeof(filter_allowed) / sizeof(filter_allowed[0]);
const size_t filter_n_limited = sizeof(filter_limited) / sizeof(filter_limited[0]);
const size_t filter_n_forbidden = sizeof(filter_forbidden) / sizeof(filter_forbidden[0]);
