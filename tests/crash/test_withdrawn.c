// SPDX-License-Identifier: MIT
/*
 * Opens that nobody wants any more. A worker dies over an open, and its requester is killed before the
 * successor carries it out again. The requester must end, and no handle must stay.
 *
 * The worker dies at each point of each kind of open. ptrace(2) holds its successor at the end of the
 * write(2) that asks whether the kernel still waits for the reply.
 */
#include "fs/fuse/protocol.h"
#include "lib/base/cleanup.h"
#include "tests/lib/follow.h"
#include "tests/lib/job.h"
#include "tests/lib/killpoint.h"
#include "tests/lib/leaks.h"
#include "tests/lib/modes.h"
#include "tests/lib/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define POINTS_MAX 100 /* more than an open makes */

static struct mount mount;

static const char *at(const char *name)
{
	return path_of("%s/%s", mount.path, name);
}

/* --- the next worker --- */

struct hold {
	struct follow_shared follow;
	atomic_bool held; /* it has asked, and is stopped */
	atomic_bool go;   /* it may continue */
};

static struct hold *hold; /* NULL = none */
static pid_t holder;      /* the process that holds it */
static struct job *asker; /* the requester of the open */

/* Whether a thread asks if a reply is awaited. */
static bool asks(pid_t thread, const struct __ptrace_syscall_info *info)
{
	struct fuse_out_header header = {0};
	uintptr_t at_header = (uintptr_t)info->entry.args[1];
	long words[2];

	if (info->op != PTRACE_SYSCALL_INFO_ENTRY || info->entry.nr != SYS_write ||
	    info->entry.args[2] != sizeof(header))
		return false;
	errno = 0;
	words[0] = ptrace(PTRACE_PEEKDATA, thread, (void *)at_header, NULL);
	words[1] = ptrace(PTRACE_PEEKDATA, thread, (void *)(at_header + sizeof(long)), NULL);
	memcpy(&header, words, sizeof(header));
	return errno == 0 && header.error == -EAGAIN && header.unique & PROTOCOL_INTERRUPT_BIT;
}

static void hold_next(void *unused)
{
	struct follow_stop stop;
	pid_t asking = 0;

	(void)unused;
	while (follow_next(&hold->follow, &stop)) {
		struct __ptrace_syscall_info info;

		if (stop.is_call && stop.is_next &&
		    ptrace(PTRACE_GET_SYSCALL_INFO, stop.thread, (void *)sizeof(info), &info) > 0) {
			if (stop.thread == asking && info.op == PTRACE_SYSCALL_INFO_EXIT) {
				atomic_store(&hold->held, true);
				while (!atomic_load(&hold->go) && !atomic_load(&hold->follow.stop))
					usleep(200);
				/* a held thread continues when its tracer ends */
				return;
			}
			if (asks(stop.thread, &info))
				asking = stop.thread;
		}
		follow_resume(&stop);
	}
}

static void hold_start(void)
{
	void *memory = mmap(NULL, sizeof(*hold), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(memory, MAP_FAILED);
	hold = memory;
	hold->follow.supervisor = mount.supervisor;
	assert_int_equal(follow_start(0, &hold->follow, hold_next, NULL, &holder), 0);
}

static void hold_end(void)
{
	if (!hold)
		return;
	follow_end(&hold->follow, holder);
	munmap(hold, sizeof(*hold));
	hold = NULL;
}

/* --- who asks --- */

static void stay(struct job *job, int fd)
{
	job_must(job, fd >= 0);
	for (;;)
		pause();
}

static void open_file(struct job *job, void *unused)
{
	(void)unused;
	stay(job, open(at("file"), O_RDWR | O_CLOEXEC));
}

/* Most of the work follows the open itself. */
static void open_and_truncate(struct job *job, void *unused)
{
	(void)unused;
	stay(job, open(at("file"), O_RDWR | O_TRUNC | O_CLOEXEC));
}

static void create_file(struct job *job, void *unused)
{
	(void)unused;
	stay(job, open(at("new"), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
}

static void open_directory(struct job *job, void *unused)
{
	(void)unused;
	stay(job, open(at("dir"), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

static void make_without_name(struct job *job, void *unused)
{
	(void)unused;
	stay(job, open(mount.path, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
}

static void open_status(struct job *job, void *unused)
{
	(void)unused;
	stay(job, open(at(".segfs/status"), O_RDONLY | O_CLOEXEC));
}

static bool has_ended(pid_t pid)
{
	siginfo_t info = {0};

	return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == pid;
}

enum {
	NOT_KILLED, /* the worker reached the end */
	ANSWERED,   /* it was killed when the reply was sent */
	WAITED,     /* it was killed, and the requester after it, without a reply */
};

static int try_point(void (*call)(struct job *job, void *unused), unsigned int n)
{
	struct killpoint point;
	int came_of_it = NOT_KILLED;

	/* first: the worker may reach its point at once */
	hold_start();
	assert_int_equal(killpoint_set(&point, &mount, n), 0);
	asker = job_start(call, NULL);
	assert_non_null(asker);
	assert_true(wait_for(killpoint_killed(&point) || job_is_in_call(asker, JOB_PAUSE)));
	if (killpoint_killed(&point)) {
		assert_true(wait_for(atomic_load(&hold->held) || job_is_in_call(asker, JOB_PAUSE)));
		came_of_it = job_is_in_call(asker, JOB_PAUSE) ? ANSWERED : WAITED;
	}
	check(kill(asker->pid, SIGKILL));
	atomic_store(&hold->go, true);
	assert_true(wait_for(has_ended(asker->pid)));
	assert_int_equal(job_kill(&asker), 0);
	hold_end();
	killpoint_end(&point, &mount);
	if (mount_verify(&mount, 0) < 0 || !no_lost_descriptors(&mount))
		fail_msg("point %u", n);
	check(unlink(at("new")) == 0 || errno == ENOENT ? 0 : -1);
	return came_of_it;
}

static void walk(void (*call)(struct job *job, void *unused))
{
	unsigned int waited = 0;
	unsigned int n = 1;
	int came_of_it;

	while ((came_of_it = try_point(call, n)) != NOT_KILLED) {
		waited += came_of_it == WAITED;
		assert_true(++n < POINTS_MAX);
	}
	print_message("%u points, %u without a reply\n", n - 1, waited);
	assert_true(waited > 3);
	assert_true(no_lost_backing_ids(&mount));
}

#define WALK(call)                                                                                           \
	static void of_##call(void **unused)                                                                 \
	{                                                                                                    \
		(void)unused;                                                                                \
		walk(call);                                                                                  \
	}

WALK(open_file)
WALK(open_and_truncate)
WALK(create_file)
WALK(open_directory)
WALK(make_without_name)
WALK(open_status)

/* Releases a thread that a failed case still holds. */
static int let_go(void **unused)
{
	(void)unused;
	hold_end();
	job_kill(&asker);
	return mount_verify(&mount, 0);
}

static int start(const char *mode)
{
	const struct mount_spec spec = {
		.tag = mode, .options = path_of("io_mode=%s,entry_timeout=0,attr_timeout=0", mode)};

	if (mount_start(&mount, &spec) < 0 || mkdir(path_of("%s/dir", mount.store), 0700) < 0)
		return -1;
	return write_text(path_of("%s/file", mount.store), "text");
}

static int stop(void **unused)
{
	(void)unused;
	return mount_stop(&mount);
}

int main(void)
{
	static const struct CMUnitTest cases[] = {
		cmocka_unit_test_teardown(of_open_file, let_go),
		cmocka_unit_test_teardown(of_open_and_truncate, let_go),
		cmocka_unit_test_teardown(of_create_file, let_go),
		cmocka_unit_test_teardown(of_make_without_name, let_go),
		cmocka_unit_test_teardown(of_open_directory, let_go),
		cmocka_unit_test_teardown(of_open_status, let_go),
	};
	int failed;

	if (geteuid() != 0)
		skip_program("root");
	failed = run_in_mode("usual", cases, sizeof(cases) / sizeof(cases[0]), start, stop);
	/* the others are the same there */
	failed += run_in_mode("relayed", cases, 4, start, stop);
	return failed;
}
