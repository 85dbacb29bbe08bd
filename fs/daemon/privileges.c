// SPDX-License-Identifier: MIT
#include "fs/daemon/privileges.h"
#include "fs/daemon/filter.h"
#include "lib/base/log.h"

#include <cap-ng.h>
#include <errno.h>
#include <linux/securebits.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

/*
 * What a privileged worker needs. The set is the same for every configuration, but for mount options, since SIGHUP may change that, and a
 * process can't get back what it gave up. Where less is permitted to the program, as in a container, there is less of
 * it, and what rests on it fails with EPERM or EACCES. tests/mount fails without any of them.
 */
static const unsigned int worker_capabilities[] = {
	CAP_SYS_ADMIN,       /* passthrough ids, trusted.* attributes, mounts at SIGHUP, IPC namespaces, other owners'
				System V segments, /proc/PID/map_files */
	CAP_DAC_OVERRIDE,    /* files on behalf of users whom the kernel has checked already, by default_permissions */
	CAP_DAC_READ_SEARCH, /* open_by_handle_at(2) */
	CAP_CHOWN,           /* chown(2) by root, and owners of the configuration */
	CAP_FOWNER,          /* modes, times and attributes of files of others */
	CAP_FSETID,          /* set-group-id bits that the kernel has decided to keep */
	CAP_SETUID,          /* files belong to who makes them: setfsuid(2), and seteuid(2) for System V segments */
	CAP_SETGID,
	CAP_SETFCAP,         /* security.capability on files of a store */
	CAP_LINUX_IMMUTABLE, /* the flags of chattr(1) that only root may set */
	CAP_SYS_PTRACE,      /* who has a segment open or mapped, and the memory of processes */
	CAP_LEASE,           /* whether views of somebody else's file are left: F_SETLEASE */
	CAP_IPC_OWNER,       /* System V segments that their mode keeps others from */
	CAP_MKNOD,           /* devices, for mknod(2) by who has it: with -o dev only */
};

#define N_CAPABILITIES (sizeof(worker_capabilities) / sizeof(worker_capabilities[0]))

/* For each worker it takes itself out of the bounding set, and locks what a change of ids does. */
#define SUPERVISOR_CAPABILITY CAP_SETPCAP

/*
 * Ids change without a change of capabilities: threads act on behalf of users by setfsuid(2). User 0 is no reason to have
 * any. Neither can be undone.
 */
#define SECUREBITS                                                                                                 \
	(SECBIT_NO_SETUID_FIXUP | SECBIT_NO_SETUID_FIXUP_LOCKED | SECBIT_NOROOT | SECBIT_NOROOT_LOCKED |            \
	 SECBIT_KEEP_CAPS_LOCKED | SECBIT_NO_CAP_AMBIENT_RAISE | SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED)

static bool permitted[N_CAPABILITIES]; /* what of worker_capabilities the program had at its start */

static int failed(const char *what, int result)
{
	log_error("least privilege: %s: %s", what, strerror(-result));
	return result;
}

/* libcap-ng returns numbers of its own; what has failed is a system call, or memory. */
static int capabilities_failed(void)
{
	return failed("capabilities", errno ? -errno : -EPERM);
}

static void add_capability(unsigned int capability)
{
	capng_update(CAPNG_ADD, CAPNG_EFFECTIVE, capability);
	capng_update(CAPNG_ADD, CAPNG_PERMITTED, capability);
}

static void add_worker_capabilities(void)
{
	for (size_t i = 0; i < N_CAPABILITIES; i++)
		if (permitted[i])
			add_capability(worker_capabilities[i]);
}

static bool is_wanted(const struct program *program, unsigned int capability)
{
	return capability != CAP_MKNOD || program->options.devices;
}

static int limit_privileged(const struct program *program)
{
	errno = 0;
	if (capng_get_caps_process() < 0)
		return capabilities_failed();
	if (!capng_have_capability(CAPNG_EFFECTIVE, SUPERVISOR_CAPABILITY))
		return failed("CAP_SETPCAP is needed", -EPERM);
	for (size_t i = 0; i < N_CAPABILITIES; i++) {
		if (!is_wanted(program, worker_capabilities[i]))
			continue;
		permitted[i] = capng_have_capability(CAPNG_PERMITTED, worker_capabilities[i]);
		if (!permitted[i])
			log_info("this process may not have the capability %s",
				 capng_capability_to_name(worker_capabilities[i]));
	}
	capng_clear(CAPNG_SELECT_ALL);
	add_worker_capabilities();
	add_capability(SUPERVISOR_CAPABILITY);
	for (size_t i = 0; i < N_CAPABILITIES; i++)
		if (permitted[i])
			capng_update(CAPNG_ADD, CAPNG_BOUNDING_SET, worker_capabilities[i]);
	capng_update(CAPNG_ADD, CAPNG_BOUNDING_SET, SUPERVISOR_CAPABILITY);
	errno = 0;
	return capng_apply(CAPNG_SELECT_ALL) < 0 ? capabilities_failed() : 0;
}

/* The bounding set is left as it is, since only CAP_SETPCAP could change it. */
static int drop_capabilities(void)
{
	errno = 0;
	capng_clear(CAPNG_SELECT_CAPS);
	if (capng_apply(CAPNG_SELECT_CAPS) < 0 || capng_apply(CAPNG_SELECT_AMBIENT) < 0)
		return capabilities_failed();
	return 0;
}

int privileges_limit_supervisor(const struct program *program)
{
	int result;

	if (!filter_is_supported())
		return failed("the kernel can't filter system calls", -EOPNOTSUPP);
	if (!program->privileged)
		return drop_capabilities();
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return failed("no_new_privs", -errno);
	result = limit_privileged(program);
	if (result < 0)
		return result;
	result = filter_install_supervisor(&program->arena.header->supervisor_filter);
	return result < 0 ? failed("the filter of system calls", result) : 0;
}

/* The supervisor has left nothing else in the bounding set, and nothing in the inheritable and ambient sets. */
static int limit_worker_capabilities(const struct program *program)
{
	if (program->privileged) {
		if (prctl(PR_SET_SECUREBITS, SECUREBITS, 0, 0, 0) < 0)
			return failed("securebits", -errno);
		if (prctl(PR_CAPBSET_DROP, SUPERVISOR_CAPABILITY, 0, 0, 0) < 0)
			return failed("the bounding set", -errno);
		/*
		 * Threads that act as a requester return to none. There is one thread yet, whatever glibc knows of the supervisor's, for which
		 * setgroups(3) would wait: the thread sanitizer has one there.
		 */
		if (syscall(SYS_setgroups, 0, NULL) < 0)
			return failed("supplementary groups", -errno);
	}
	/* what libcap-ng remembers is of the supervisor */
	capng_setpid(getpid());
	capng_clear(CAPNG_SELECT_CAPS);
	if (program->privileged)
		add_worker_capabilities();
	errno = 0;
	return capng_apply(CAPNG_SELECT_CAPS) < 0 ? capabilities_failed() : 0;
}

/* None of it has a use here; all of it would have one for who got hold of a worker. Descriptors: see worker.c. */
static int limit_resources(bool makes_core)
{
	const struct rlimit none = {0};

	if (setrlimit(RLIMIT_MEMLOCK, &none) < 0 || setrlimit(RLIMIT_MSGQUEUE, &none) < 0 || setrlimit(RLIMIT_NICE, &none) < 0 ||
	    setrlimit(RLIMIT_RTPRIO, &none) < 0 || (!makes_core && setrlimit(RLIMIT_CORE, &none) < 0))
		return failed("resource limits", -errno);
	return 0;
}

int privileges_limit_worker(const struct program *program)
{
	/* segments' bytes pass through this memory; an ordinary user's worker has nothing that is not the user's own */
	const bool makes_core = !program->privileged || program->options.debug;
	int result;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return failed("no_new_privs", -errno);
	/* and nobody without CAP_SYS_PTRACE looks into it */
	if (!makes_core && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return failed("no core dumps", -errno);
	result = limit_resources(makes_core);
	if (result == 0)
		result = limit_worker_capabilities(program);
	if (result == 0) {
		result = filter_install_worker(&program->arena.header->forbidden_call);
		if (result < 0)
			failed("the filter of system calls", result);
	}
	return result;
}

void privileges_expect_no_call(const struct program *program)
{
	atomic_store(&program->arena.header->forbidden_call, -1);
}

void privileges_log_call(const struct program *program, pid_t worker)
{
	int call = atomic_load(&program->arena.header->forbidden_call);

	if (call < 0)
		log_error("worker %d made a forbidden system call, which is not known", worker);
	else
		log_error("worker %d made a forbidden system call: %s (%d)", worker, filter_call_name(call),
			  call);
}
