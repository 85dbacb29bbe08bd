// SPDX-License-Identifier: MIT
#include "fs/daemon/supervisor.h"
#include "fs/daemon/mounting.h"
#include "fs/daemon/notify.h"
#include "fs/daemon/privileges.h"
#include "fs/daemon/upgrade.h"
#include "fs/daemon/watchdog.h"
#include "fs/daemon/worker.h"
#include "fs/state/descriptors.h"
#include "fs/state/fault.h"
#include "lib/base/cleanup.h"
#include "lib/base/log.h"
#include "lib/base/procfs.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#define FAILURES_MAX     10          /* consecutive workers that ended before they served */
#define BACKOFF_FIRST_NS 10000000L   /* 10 ms before the second attempt, doubled for each further one */
#define BACKOFF_MAX_NS   1000000000L /* up to 1 s */
#define LIVED_LONG_NS    1000000000L /* a worker that lived this long has not failed */
#define CHECK_TIMEOUT_NS 5000000000L /* for the check of another version before it takes over */
#define STOP_TIMEOUT_NS  5000000000L /* for a worker to finish the requests that it has read */

static struct {
	struct program *program;
	struct fuse_session *session;
	pid_t worker;           /* 0 = none */
	int64_t worker_started; /* CLOCK_MONOTONIC, nanoseconds */
	unsigned int failures;  /* consecutive */
	bool ready_sent;
	bool stopping;
	bool hung;                /* the worker was killed by the watchdog */
	int64_t deadline;         /* for stopping or starting: CLOCK_MONOTONIC; 0 = none */
	bool reloading;           /* the service manager was sent RELOADING=1 and waits for READY=1 */
	bool upgrade_again;       /* requested while a check was running */
	pid_t checker;            /* process that checks whether another version can take over, 0 = none */
	int64_t checker_deadline; /* CLOCK_MONOTONIC */
	struct watchdog watchdog;
	int64_t next_check; /* time of the next watchdog check; 0 = none */
} self;

static int64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

int supervisor_mount(struct program *program)
{
	self.program = program;
	return mounting_begin(program, &self.session);
}

int supervisor_adopt(struct program *program)
{
	self.program = program;
	self.ready_sent = true;
	self.reloading = true;
	/* the previous version has closed it */
	program->options.ready_fd = -1;
	return mounting_adopt(program, &self.session);
}

/* The worker's whole life; never returns to the supervisor's code. */
__attribute__((noreturn)) static void be_worker(void)
{
	struct arena_header *header = self.program->arena.header;

	/* without a supervisor the worker must die, so that callers get an error */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != header->supervisor_pid)
		_exit(EXIT_FAILURE);
	atomic_store(&header->worker_pid, getpid());
	prctl(PR_SET_NAME, "segfs-worker");
	/* a core file, which only debugging makes of root's worker, goes to the current directory */
	if (!self.program->options.debug)
		procfs_enter_fds();
	if (privileges_limit_worker(self.program) < 0)
		_exit(EXIT_FAILURE);
	_exit(worker_run(self.program, self.session));
}

/*
 * CLONE_FILES: descriptors opened by a worker outlive it under the same numbers. Memory is copied as by
 * fork(2), so each worker starts with the supervisor's state from before the first one.
 */
static void start_worker(void)
{
	struct arena_header *header = self.program->arena.header;
	struct clone_args arguments = {.flags = CLONE_FILES, .exit_signal = SIGCHLD};
	long pid;

	atomic_fetch_add(&header->workers_started, 1);
	fault_clear(header);
	self.watchdog = (struct watchdog){0};
	self.next_check = 0;
	privileges_expect_no_call(self.program);
	pid = syscall(SYS_clone3, &arguments, sizeof(arguments));
	if (pid == 0)
		be_worker();
	self.worker_started = now();
	self.worker = pid > 0 ? (pid_t)pid : 0;
	if (pid < 0) {
		log_error("starting a worker: %s", strerror(errno));
		self.failures++;
	}
}

static void start_later(void)
{
	int64_t delay = 0;

	for (unsigned int i = 1; i < self.failures; i++)
		delay = delay == 0                   ? BACKOFF_FIRST_NS
			: delay * 2 < BACKOFF_MAX_NS ? delay * 2
						     : BACKOFF_MAX_NS;
	self.deadline = now() + delay;
}

static void start_or_retry(void)
{
	start_worker();
	if (!self.worker)
		start_later();
}

static bool did_serve(void)
{
	const struct arena_header *header = self.program->arena.header;

	return atomic_load(&header->workers_serving) == atomic_load(&header->workers_started);
}

/* Returns the exit status of the program, or -1 to continue. */
static int worker_ended(const siginfo_t *info)
{
	bool lived_long = now() - self.worker_started >= LIVED_LONG_NS;
	bool killed = info->si_code != CLD_EXITED;
	bool was_hung = self.hung;
	bool by_itself;

	self.worker = 0;
	if (!killed && info->si_status == EXIT_SUCCESS)
		return EXIT_SUCCESS;
	if (self.stopping)
		return EXIT_SUCCESS;
	/* SIGKILL from outside is not the worker's failure */
	by_itself = !killed || info->si_status != SIGKILL || was_hung;
	self.hung = false;
	atomic_store(&self.program->arena.header->death, by_itself ? ARENA_DEATH_FAULT : ARENA_DEATH_OUTSIDE);
	if (did_serve() && (lived_long || !by_itself))
		self.failures = 0;
	else
		self.failures++;
	if (killed && info->si_status == SIGSYS)
		privileges_log_call(self.program, info->si_pid);
	if (killed)
		log_warning("worker %d was ended by signal %d (%s); starting another", info->si_pid,
			    info->si_status, strsignal(info->si_status));
	else
		log_warning("worker %d ended with status %d; starting another", info->si_pid,
			    info->si_status);
	if (!was_hung)
		fault_log(self.program->arena.header);
	if (self.failures >= FAILURES_MAX) {
		log_error("%u workers in a row could not continue; giving up. The segments stay in %s",
			  self.failures, self.program->instance.store);
		return EXIT_FAILURE;
	}
	start_later();
	return -1;
}

/* --- upgrade --- */

/* Tells the service manager that we are busy. */
static void report_reloading(void)
{
	notify_reloading();
	self.reloading = true;
}

/* Tells it that we are ready, once nothing is pending any more. */
static void report_reloaded(void)
{
	if (!self.reloading || !did_serve() || self.checker ||
	    arena_reload_is_pending(atomic_load(&self.program->arena.header->reload)))
		return;
	self.reloading = false;
	notify_send("READY=1");
}

static void refuse_upgrade(const char *why)
{
	log_error("upgrade refused: %s; this version continues", why);
	arena_record_outcome(&self.program->arena.header->refusals, why);
	if (!self.upgrade_again)
		report_reloaded();
}

static void begin_upgrade(void)
{
	pid_t pid;

	if (self.stopping)
		return;
	report_reloading();
	/* the file may have changed since that check began, so it is checked again */
	self.upgrade_again = self.checker != 0;
	if (self.checker)
		return;
	pid = upgrade_start_check(self.program);
	self.checker = pid > 0 ? pid : 0;
	self.checker_deadline = now() + CHECK_TIMEOUT_NS;
	if (pid < 0)
		refuse_upgrade(strerror((int)-pid));
}

/*
 * Kills the worker. Returns whether it is gone: one that waits for a device cannot be killed until that
 * answers.
 */
static bool end_worker(void)
{
	const struct timespec pause = {.tv_nsec = 1000000};
	int64_t end = now() + STOP_TIMEOUT_NS;
	siginfo_t info = {0};

	if (!self.worker)
		return true;
	kill(self.worker, SIGKILL);
	while (waitid(P_PID, (id_t)self.worker, &info, WEXITED | WNOHANG) == 0 && info.si_pid == 0 &&
	       now() < end)
		nanosleep(&pause, NULL);
	if (info.si_pid == 0)
		return false;
	self.worker = 0;
	return true;
}

static const char *why_not(const siginfo_t *info)
{
	if (info->si_code != CLD_EXITED && now() >= self.checker_deadline)
		return "the program file has not finished its check within 5 s";
	if (info->si_code == CLD_EXITED && info->si_status == 127)
		return "the program file cannot be executed";
	return "the program file has not passed its check";
}

static void checker_ended(const siginfo_t *info)
{
	int result;

	self.checker = 0;
	if (self.stopping)
		return;
	if (info->si_code != CLD_EXITED || info->si_status != EXIT_SUCCESS) {
		refuse_upgrade(why_not(info));
		if (self.upgrade_again)
			begin_upgrade();
		return;
	}
	if (!end_worker()) {
		refuse_upgrade("the worker does not end");
		return;
	}
	atomic_store(&self.program->arena.header->death, ARENA_DEATH_NONE);
	result = upgrade_execute(self.program);
	start_or_retry();
	refuse_upgrade(strerror(-result));
}

/* Returns as worker_ended(). */
static int reap(void)
{
	siginfo_t info = {0};
	int status = -1;

	while (status < 0 && waitid(P_ALL, 0, &info, WEXITED | WNOHANG) == 0 && info.si_pid != 0) {
		if (info.si_pid == self.worker)
			status = worker_ended(&info);
		else if (info.si_pid == self.checker)
			checker_ended(&info);
		info.si_pid = 0;
	}
	return status;
}

static void detach_from_terminal(void)
{
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return;
	for (int standard = 0; standard <= 2; standard++)
		dup2(fd, standard);
	if (fd > 2)
		close(fd);
}

/* A worker may reuse the number from here on. */
static void close_base_fd(int fd)
{
	struct arena_header *header = self.program->arena.header;

	for (uint32_t i = 0; i < header->n_base_fds; i++)
		if (header->base_fds[i] == fd)
			header->base_fds[i] = -1;
	close(fd);
}

/*
 * The descriptor table is shared with the worker, which may be recovering: each descriptor is opened, used
 * and closed at once.
 */
static void report_ready(void)
{
	struct arena_header *header = self.program->arena.header;
	int fd = self.program->options.ready_fd;

	report_reloaded();
	if (self.ready_sent || !did_serve())
		return;
	self.ready_sent = true;
	self.program->was_usable = true;
	if (fd >= 0) {
		if (write(fd, "READY\n", 6) < 0)
			log_warning("--ready-fd %d: %s", fd, strerror(errno));
		close_base_fd(fd);
	}
	notify_send("READY=1");
	if (header->ready_fd >= 0) {
		detach_from_terminal();
		if (write(header->ready_fd, "R", 1) < 0)
			log_debug("nobody waits for the mount");
		close(header->ready_fd);
		header->ready_fd = -1;
	}
}

static void stop(void)
{
	if (self.stopping)
		return;
	self.stopping = true;
	notify_send("STOPPING=1");
	mounting_end(self.program);
	if (self.worker)
		kill(self.worker, SIGTERM);
	self.deadline = now() + STOP_TIMEOUT_NS;
}

static void deadline_passed(void)
{
	self.deadline = 0;
	if (self.stopping) {
		log_warning("worker %d does not end; killing it", self.worker);
		kill(self.worker, SIGKILL);
	} else if (!self.worker) {
		start_or_retry();
	}
}

static void check_worker(void)
{
	struct arena_header *header = self.program->arena.header;

	self.next_check = 0;
	if (!self.worker || self.stopping || self.hung || !watchdog_check(&self.watchdog, header))
		return;
	watchdog_log_threads(header, self.worker);
	log_error("worker %d hangs; killing it", self.worker);
	self.hung = true;
	kill(self.worker, SIGKILL);
}

/* The earlier of two times; 0 = never. */
static int64_t earlier(int64_t one, int64_t other)
{
	return one && (!other || one < other) ? one : other;
}

/* The time of the next action without a signal; 0 = none. */
static int64_t next_moment(void)
{
	int64_t pause = self.worker && !self.stopping ? watchdog_pause(self.program->arena.header) : 0;

	if (pause == 0)
		self.next_check = 0;
	else if (self.next_check == 0)
		self.next_check = now() + pause;
	return earlier(earlier(self.deadline, self.next_check), self.checker ? self.checker_deadline : 0);
}

/* Waits for one of `signals` or the next action. Returns the signal, or 0. */
static int wait_signal(const sigset_t *signals)
{
	int64_t moment = next_moment();
	struct timespec timeout = {0};
	int64_t left;
	int signal;

	if (!moment) {
		signal = sigwaitinfo(signals, NULL);
		return signal < 0 ? 0 : signal;
	}
	left = moment - now();
	if (left > 0) {
		timeout.tv_sec = left / 1000000000;
		timeout.tv_nsec = left % 1000000000;
	}
	signal = sigtimedwait(signals, NULL, &timeout);
	if (signal < 0 && errno == EAGAIN) {
		if (self.next_check && now() >= self.next_check)
			check_worker();
		if (self.checker && now() >= self.checker_deadline)
			kill(self.checker, SIGKILL);
		if (self.deadline && now() >= self.deadline)
			deadline_passed();
	}
	return signal < 0 ? 0 : signal;
}

static int supervise(const sigset_t *signals)
{
	int status = -1;

	start_worker();
	if (!self.worker)
		return EXIT_FAILURE;
	while (status < 0) {
		switch (wait_signal(signals)) {
		case SIGCHLD:
			status = reap();
			break;
		case SIGTERM:
		case SIGINT:
			stop();
			if (!self.worker)
				status = EXIT_SUCCESS;
			break;
		case SIGHUP:
			report_reloading();
			/* a worker that starts later finds the request by itself */
			program_request_reload(self.program->arena.header);
			if (self.worker)
				kill(self.worker, SIGHUP);
			break;
		case SIGUSR2:
			begin_upgrade();
			break;
		case WORKER_READY_SIGNAL:
			report_ready();
			break;
		default:
			break;
		}
	}
	return status;
}

int supervisor_run(struct program *program)
{
	struct arena_header *header = program->arena.header;
	sigset_t signals;
	int status;
	int result;

	sigemptyset(&signals);
	sigaddset(&signals, SIGCHLD);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGHUP);
	sigaddset(&signals, SIGUSR2);
	sigaddset(&signals, WORKER_READY_SIGNAL);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	header->supervisor_pid = getpid();
	instance_write_holder(&program->instance, program->mount_point, (dev_t)header->device);
	result = descriptors_note_base(&program->arena);
	if (result == 0 && privileges_limit_supervisor(program) < 0) {
		status = EXIT_FAILURE;
	} else if (result < 0) {
		log_error("too many open descriptors, or no /proc: %s", strerror(-result));
		status = EXIT_FAILURE;
	} else {
		status = supervise(&signals);
	}
	notify_send("STOPPING=1");
	mounting_end(program);
	return status;
}
