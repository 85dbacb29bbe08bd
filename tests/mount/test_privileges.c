// SPDX-License-Identifier: MIT
/*
 * Privileges of supervisor and worker: capabilities as documented, no_new_privs, seccomp filters; and a
 * worker that makes a forbidden call.
 */
#include "lib/base/cleanup.h"
#include "tests/lib/preload.h"
#include "tests/lib/worker.h"
#include "tests/preload/makecall.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>

#define CAPABILITY(name) (UINT64_C(1) << (name))
#define OF_WORKER                                                                                            \
	(CAPABILITY(CAP_SYS_ADMIN) | CAPABILITY(CAP_DAC_OVERRIDE) | CAPABILITY(CAP_DAC_READ_SEARCH) |        \
	 CAPABILITY(CAP_CHOWN) | CAPABILITY(CAP_FOWNER) | CAPABILITY(CAP_FSETID) | CAPABILITY(CAP_SETUID) |  \
	 CAPABILITY(CAP_SETGID) | CAPABILITY(CAP_SETFCAP) | CAPABILITY(CAP_LINUX_IMMUTABLE) |                \
	 CAPABILITY(CAP_SYS_PTRACE) | CAPABILITY(CAP_LEASE) | CAPABILITY(CAP_IPC_OWNER))
#define OF_SUPERVISOR (OF_WORKER | CAPABILITY(CAP_SETPCAP))

static struct mount a_mount;
static struct mount *const m = &a_mount;
static struct make_call *plan;

static const char *at(const char *name)
{
	return path_of("%s/%s", m->path, name);
}

static int start(void)
{
	const struct mount_spec spec = {.preload = preload_path("makecall")};

	return mount_start(m, &spec);
}

static int setup(void **unused)
{
	(void)unused;
	plan = preload_plan("makecall", "MAKE_CALL", sizeof(*plan));
	preload_with_sanitizers("");
	return plan ? start() : -1;
}

static int teardown(void **unused)
{
	(void)unused;
	return mount_stop(m);
}

/* --- what they have --- */

/* A line of /proc/PID/status of a process or thread; base: of its number. */
static uint64_t status_of(pid_t id, const char *key, int base)
{
	char text[8192];
	const char *line;

	assert_true(read_text(path_of("/proc/%d/status", id), text, sizeof(text)) > 0);
	line = strstr(text, path_of("\n%s:\t", key));
	assert_non_null(line);
	return strtoull(strchr(line, '\t') + 1, NULL, base);
}

static void expect_status(pid_t id, uint64_t capabilities, uint64_t filters)
{
	static const char *const with[] = {"CapPrm", "CapEff", "CapBnd"};
	static const char *const without[] = {"CapInh", "CapAmb"};
	/* this test may have fewer capabilities itself */
	const uint64_t wanted = capabilities & status_of(getpid(), "CapPrm", 16);

	for (size_t i = 0; i < sizeof(with) / sizeof(with[0]); i++)
		if (status_of(id, with[i], 16) != wanted)
			fail_msg("%s of %d is %" PRIx64 ", expected %" PRIx64, with[i], id,
				 status_of(id, with[i], 16), wanted);
	for (size_t i = 0; i < sizeof(without) / sizeof(without[0]); i++)
		assert_int_equal(status_of(id, without[i], 16), 0);
	assert_int_equal(status_of(id, "NoNewPrivs", 10), 1);
	assert_int_equal(status_of(id, "Seccomp", 10), 2);
	assert_int_equal(status_of(id, "Seccomp_filters", 10),
			 status_of(getpid(), "Seccomp_filters", 10) + filters);
}

/* Returns their number. */
static int expect_threads(pid_t worker)
{
	_cleanup_closedir_ DIR *dir = opendir(path_of("/proc/%d/task", worker));
	const struct dirent *entry;
	int n = 0;

	assert_non_null(dir);
	while ((entry = readdir(dir))) {
		if (!isdigit((unsigned char)entry->d_name[0]))
			continue;
		expect_status(atoi(entry->d_name), OF_WORKER, 2);
		n++;
	}
	return n;
}

static int use_it(void *unused)
{
	(void)unused;
	return write_text(at("of-a-user"), "text");
}

static void every_thread_of_the_worker(void **unused)
{
	(void)unused;
	assert_true(expect_threads(worker_pid(m)) > 1);
	/* requests of users change nothing */
	check(chmod(m->path, 01777));
	assert_int_equal(as_user(TEST_UID, TEST_GID, use_it, NULL), 0);
	expect_threads(worker_pid(m));
	worker_replace(m);
	assert_true(expect_threads(worker_pid(m)) > 1);
	check(unlink(at("of-a-user")));
}

/* Neither now nor later. */
#define EXPECT_NONE(pid, resource)                                                                           \
	do {                                                                                                 \
		struct rlimit found;                                                                         \
		check(prlimit(pid, resource, NULL, &found));                                                 \
		assert_int_equal(found.rlim_cur, 0);                                                         \
		assert_int_equal(found.rlim_max, 0);                                                         \
	} while (0)

static void resources_of_the_worker(void **unused)
{
	struct rlimit of_worker, of_supervisor;
	const pid_t worker = worker_pid(m);

	(void)unused;
	EXPECT_NONE(worker, RLIMIT_MEMLOCK);
	EXPECT_NONE(worker, RLIMIT_MSGQUEUE);
	EXPECT_NONE(worker, RLIMIT_NICE);
	EXPECT_NONE(worker, RLIMIT_RTPRIO);
	EXPECT_NONE(worker, RLIMIT_CORE);
	/* some are kept for the next worker */
	check(prlimit(worker, RLIMIT_NOFILE, NULL, &of_worker));
	check(prlimit(m->supervisor, RLIMIT_NOFILE, NULL, &of_supervisor));
	assert_true(of_worker.rlim_max == of_worker.rlim_cur && of_worker.rlim_cur < of_supervisor.rlim_cur);
	assert_int_equal(of_supervisor.rlim_cur, of_supervisor.rlim_max);
}

static void the_supervisor(void **unused)
{
	(void)unused;
	expect_status(m->supervisor, OF_SUPERVISOR, 1);
}

/* The program after an upgrade has the same privileges, and no second filter. */
static void after_an_upgrade(void **unused)
{
	pid_t worker = worker_pid(m);

	(void)unused;
	check(kill(m->supervisor, SIGUSR2));
	worker_wait_next(m, worker);
	assert_true(wait_for(log_has(m, "has taken over")));
	expect_status(m->supervisor, OF_SUPERVISOR, 1);
	expect_threads(worker_pid(m));
}

/* --- what no other test needs of it --- */

static void capabilities_of_files(void **unused)
{
	struct vfs_cap_data wanted = {.magic_etc = VFS_CAP_REVISION_2,
				      .data[0].permitted = CAPABILITY(CAP_CHOWN)};
	struct vfs_cap_data found = {0};

	(void)unused;
	check(write_text(at("file"), "text"));
	check(setxattr(at("file"), "security.capability", &wanted, sizeof(wanted), 0));
	assert_int_equal(check(getxattr(at("file"), "security.capability", &found, sizeof(found))),
			 sizeof(found));
	assert_memory_equal(&found, &wanted, sizeof(found));
	check(unlink(at("file")));
}

static void views_of_a_file_of_somebody_else(void **unused)
{
	int fd = (int)check(open(at("view"), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
	void *view;

	(void)unused;
	check(ftruncate(fd, 4096));
	check(fchown(fd, TEST_UID, TEST_GID));
	check(fsetxattr(fd, "user.segfs.lifetime", "last-close", 10, 0));
	view = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(view, MAP_FAILED);
	close(fd);
	/* a view of the page cache keeps its handle */
	assert_int_equal(mount_verify(m, kernel_has("passthrough") ? 0 : 1), 0);
	check(access(at("view"), F_OK));
	check(munmap(view, 4096));
	assert_true(wait_for(access(at("view"), F_OK) < 0 && errno == ENOENT));
}

static int make_segment(void *unused)
{
	int id = shmget(IPC_PRIVATE, 4096, IPC_CREAT | 0600);

	(void)unused;
	return id < 0 ? -errno : id;
}

static void system_v_segments_of_somebody_else(void **unused)
{
	int id = as_user(TEST_UID, TEST_GID, make_segment, NULL);
	ssize_t length;
	char byte = 1;
	int fd;

	(void)unused;
	assert_true(id >= 0);
	fd = open(at(path_of("sysv/id-%d", id)), O_RDWR | O_CLOEXEC);
	length = fd < 0 ? -1 : pread(fd, &byte, 1, 0);
	if (fd >= 0)
		close(fd);
	check(shmctl(id, IPC_RMID, NULL));
	assert_int_equal(length, 1);
	assert_int_equal(byte, 0);
}

/* --- forbidden calls --- */

/* A system call, for makecall.so. */
struct call {
	const char *name;
	long number;
	long arguments[4];
};

static void plan_call(const struct call *call)
{
	plan->number = call->number;
	memset(plan->arguments, 0, sizeof(plan->arguments));
	memcpy(plan->arguments, call->arguments, sizeof(call->arguments));
	atomic_store(&plan->result, 0);
}

static void make_call(const struct call *call)
{
	plan_call(call);
	atomic_store(&plan->wanted, 1);
	/* carried out by the next worker, if one is needed */
	check(mkdir(at(MAKE_CALL_NAME), 0755));
	assert_int_equal(atomic_load(&plan->wanted), 0);
	check(rmdir(path_of("%s/" MAKE_CALL_NAME, m->store)));
}

static void expect_death(const struct call *call, const char *message)
{
	pid_t worker = worker_pid(m);

	assert_false(log_has(m, path_of("worker %d made a forbidden system call", worker)));
	make_call(call);
	if (worker_pid(m) == worker)
		fail_msg("%s is not forbidden", call->name);
	if (!log_has(m, path_of("worker %d made a forbidden system call%s", worker, message)))
		fail_msg("%s: the log does not say so", call->name);
	assert_true(log_has(m, path_of("worker %d was ended by signal %d", worker, SIGSYS)));
	/* a worker killed from outside resets the count of failures */
	worker_replace(m);
}

static void forbidden_calls(void **unused)
{
	static const struct call calls[] = {
		{"bpf", SYS_bpf, {0}},
		{"keyctl", SYS_keyctl, {-1}},
		{"perf_event_open", SYS_perf_event_open, {0}},
		{"setns", SYS_setns, {-1, CLONE_NEWNS}},
		{"unshare", SYS_unshare, {CLONE_NEWUSER}},
		{"rt_sigaction", SYS_rt_sigaction, {SIGSYS, 0, 0, 8}},
		{"rt_sigaction", SYS_rt_sigaction, {(1L << 32) | SIGSYS, 0, 0, 8}},
		{"mount", SYS_mount, {0, 0, 0, MS_MOVE}},
		{"mount", SYS_mount, {0, 0, 0, MS_BIND}},
		{"mount", SYS_mount, {0, 0, 0, MS_REMOUNT}},
		{"fspick", SYS_fspick, {0, 0, 0}},
		{"fsmount", SYS_fsmount, {-1, 0, MOUNT_ATTR_NOSUID}},
		{"open_tree", SYS_open_tree, {-1, 0, OPEN_TREE_CLOEXEC}},
		{"umount2", SYS_umount2, {0, 0}},
		{"seccomp", SYS_seccomp, {-1}},
	};
	static const struct call not_for_sanitizers[] = {
		{"ptrace", SYS_ptrace, {-1}},
		{"execve", SYS_execve, {0}},
		{"mmap", SYS_mmap, {0, 4096, PROT_WRITE | PROT_EXEC, 0}},
		{"prctl", SYS_prctl, {PR_SET_DUMPABLE, 1}},
		{"clone", SYS_clone, {CLONE_NEWUSER | SIGCHLD}},
		{"prlimit64", SYS_prlimit64, {1, 0, 0, 0}},
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
		expect_death(&calls[i], path_of(": %s (%ld)", calls[i].name, calls[i].number));
	for (size_t i = 0; !SANITIZED && i < sizeof(not_for_sanitizers) / sizeof(not_for_sanitizers[0]); i++)
		expect_death(&not_for_sanitizers[i],
			     path_of(": %s (%ld)", not_for_sanitizers[i].name, not_for_sanitizers[i].number));
	assert_false(log_has(m, "internal error"));
}

static void calls_of_another_table(void **unused)
{
#ifdef __x86_64__
	/* x32's getpid(2) */
	static const struct call call = {"x32", 0x40000000 + SYS_getpid, {0}};

	(void)unused;
	expect_death(&call, ", which is not known");
#else
	(void)unused;
	skip_missing("the system calls of x32");
#endif
}

static void calls_that_return(void **unused)
{
	static const struct {
		struct call call;
		int error; /* 0 = success */
	} calls[] = {
		/* workers do not dump core */
		{{"prctl", SYS_prctl, {PR_GET_DUMPABLE}}, 0},
		{{"clone3", SYS_clone3, {0}}, ENOSYS},
		{{"one to come", 500, {0}}, ENOSYS},
		{{"socket", SYS_socket, {AF_INET, SOCK_STREAM}}, EAFNOSUPPORT},
		{{"socket", SYS_socket, {AF_NETLINK, SOCK_RAW}}, EAFNOSUPPORT},

	};
	pid_t worker = worker_pid(m);

	(void)unused;
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		make_call(&calls[i].call);
		if (worker_pid(m) != worker)
			fail_msg("%s ends the worker", calls[i].call.name);
		if (atomic_load(&plan->result) != -calls[i].error)
			fail_msg("%s: %ld, expected -%d", calls[i].call.name, atomic_load(&plan->result),
				 calls[i].error);
	}
}

/* All signals except one can be handled. */
static void other_signals(void **unused)
{
	pid_t worker = worker_pid(m);

	(void)unused;
	for (int number = 1; number <= 64; number++) {
		/* has no effect: EINVAL for a wrong size comes after the filter */
		const struct call call = {"rt_sigaction", SYS_rt_sigaction, {number, 0, 0, 0}};

		if (number == SIGSYS)
			continue;
		make_call(&call);
		assert_int_equal(atomic_load(&plan->result), -EINVAL);
	}
	assert_int_equal(worker_pid(m), worker);
}

/*
 * The supervisor ends, and the worker with it; allowed calls do not end it. The last case, since the next one
 * would have another mount.
 */
static void calls_of_the_supervisor(void **unused)
{
	static const struct call allowed = {"getppid", SYS_getppid, {0}};
	static const struct call forbidden = {"chroot", SYS_chroot, {0}};
	struct stat found;
	int status;

	(void)unused;
	check(write_text(at("segment"), "stays"));
	plan_call(&allowed);
	atomic_store(&plan->wanted_above, 1);
	worker_replace(m);
	assert_int_equal(atomic_load(&plan->wanted_above), 0);
	assert_int_equal(atomic_load(&plan->result), getpid());
	plan_call(&forbidden);
	atomic_store(&plan->wanted_above, 1);
	worker_kill(m, worker_pid(m));
	assert_int_equal(check(waitpid(m->supervisor, &status, 0)), m->supervisor);
	m->supervisor = 0;
	m->running = false;
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGSYS);
	/* the connection ends with the worker, possibly only now, and aborts a request in flight */
	if (stat(at("segment"), &found) < 0 && errno != ECONNABORTED)
		assert_int_equal(errno, ENOTCONN);
	check_error(ENOTCONN, stat(at("segment"), &found));
	/* the next start finds the segments */
	assert_int_equal(start(), 0);
	check(stat(at("segment"), &found));
	assert_int_equal(found.st_size, 5);
}

int main(void)
{
	static const struct CMUnitTest cases[] = {
		cmocka_unit_test(every_thread_of_the_worker),
		cmocka_unit_test(resources_of_the_worker),
		cmocka_unit_test(the_supervisor),
		cmocka_unit_test(after_an_upgrade),
		cmocka_unit_test(capabilities_of_files),
		cmocka_unit_test(views_of_a_file_of_somebody_else),
		cmocka_unit_test(system_v_segments_of_somebody_else),
		cmocka_unit_test(forbidden_calls),
		cmocka_unit_test(calls_of_another_table),
		cmocka_unit_test(calls_that_return),
		cmocka_unit_test(other_signals),
		cmocka_unit_test(calls_of_the_supervisor),
	};

	if (geteuid() != 0)
		skip_program("root");
	return cmocka_run_group_tests_name("privileges", cases, setup, teardown);
}
