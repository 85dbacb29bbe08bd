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
 * Capabilities of a privileged worker. The set does not depend on the configuration, since SIGHUP may change
 * that and a process cannot regain a capability; it does depend on mount options. If fewer are permitted, as
 * in a container, what needs the others fails with EPERM or EACCES. tests/mount fails without any of them.
 */
static const unsigned int worker_capabilities[] = {
	CAP_SYS_ADMIN,       /* passthrough ids, trusted.* attributes, mounts at SIGHUP, IPC namespaces, other
			      * owners' System V segments, /proc/PID/map_files */
	CAP_DAC_OVERRIDE,    /* files on behalf of users whose permissions the kernel has checked
				(default_permissions) */
	CAP_DAC_READ_SEARCH, /* open_by_handle_at(2) */
	CAP_CHOWN,           /* chown(2) by root, and configured owners */
	CAP_FOWNER,          /* modes, times and attributes of other owners' files */
	CAP_FSETID,          /* set-group-id bits that the kernel has decided to keep */
	CAP_SETUID,          /* ownership of new files: setfsuid(2), and seteuid(2) for System V segments */
	CAP_SETGID,          CAP_SETFCAP, /* security.capability on files of a store */
	CAP_LINUX_IMMUTABLE,              /* flags of chattr(1) reserved to root */
	CAP_SYS_PTRACE,                   /* users of a segment, and the memory of processes */
	CAP_LEASE,                        /* F_SETLEASE on other owners' files, to detect views */
	CAP_IPC_OWNER,                    /* System V segments regardless of their mode */
	CAP_MKNOD,                        /* mknod(2) of devices by users who have it: with -o dev only */
};

#define N_CAPABILITIES (sizeof(worker_capabilities) / sizeof(worker_capabilities[0]))

/* Lets each worker drop itself from the bounding set, and lock the securebits. */
#define SUPERVISOR_CAPABILITY CAP_SETPCAP

/*
 * A change of ids does not change capabilities, since threads act on behalf of users by setfsuid(2). Uid 0
 * implies no capabilities. Both are locked.
 */
#define SECUREBITS                                                                                           \
	(SECBIT_NO_SETUID_FIXUP | SECBIT_NO_SETUID_FIXUP_LOCKED | SECBIT_NOROOT | SECBIT_NOROOT_LOCKED |     \
	 SECBIT_KEEP_CAPS_LOCKED | SECBIT_NO_CAP_AMBIENT_RAISE | SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED)

static bool permitted[N_CAPABILITIES]; /* those of worker_capabilities that the program had at the start */

static int failed(const char *what, int result)
{
	log_error("least privilege: %s: %s", what, strerror(-result));
	return result;
}

/* libcap-ng returns error codes of its own; the cause is a system call or a lack of memory. */
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
			log_info("the capability %s is not available to this process",
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

/* The bounding set stays as it is, since changing it requires CAP_SETPCAP. */
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
		return failed("the kernel cannot filter system calls", -EOPNOTSUPP);
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

/*
 * The supervisor has left no other capability in the bounding set, and none in the inheritable and ambient
 * sets.
 */
static int limit_worker_capabilities(const struct program *program)
{
	if (program->privileged) {
		if (prctl(PR_SET_SECUREBITS, SECUREBITS, 0, 0, 0) < 0)
			return failed("securebits", -errno);
		if (prctl(PR_CAPBSET_DROP, SUPERVISOR_CAPABILITY, 0, 0, 0) < 0)
			return failed("the bounding set", -errno);
		/*
		 * Threads that assume credentials return to none. Not setgroups(3): glibc would wait for
		 * threads of the supervisor, such as the one of the thread sanitizer, which do not exist in
		 * this process.
		 */
		if (syscall(SYS_setgroups, 0, NULL) < 0)
			return failed("supplementary groups", -errno);
	}
	/* libcap-ng has cached the supervisor's state */
	capng_setpid(getpid());
	capng_clear(CAPNG_SELECT_CAPS);
	if (program->privileged)
		add_worker_capabilities();
	errno = 0;
	return capng_apply(CAPNG_SELECT_CAPS) < 0 ? capabilities_failed() : 0;
}

/* A worker needs none of these; an attacker in control of one might. Descriptors: see worker.c. */
static int limit_resources(bool makes_core)
{
	const struct rlimit none = {0};

	if (setrlimit(RLIMIT_MEMLOCK, &none) < 0 || setrlimit(RLIMIT_MSGQUEUE, &none) < 0 ||
	    setrlimit(RLIMIT_NICE, &none) < 0 || setrlimit(RLIMIT_RTPRIO, &none) < 0 ||
	    (!makes_core && setrlimit(RLIMIT_CORE, &none) < 0))
		return failed("resource limits", -errno);
	return 0;
}

int privileges_limit_worker(const struct program *program)
{
	/* segment data passes through this memory; an unprivileged worker has only its own user's data */
	const bool makes_core = !program->privileged || program->options.debug;
	int result;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return failed("no_new_privs", -errno);
	/* also blocks ptrace(2) without CAP_SYS_PTRACE */
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
