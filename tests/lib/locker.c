// SPDX-License-Identifier: MIT
#include "tests/lib/locker.h"
#include "tests/mount/harness.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static struct {
	pid_t pid;
	int near; /* the test's end of the channel, -1 = none */
	int far;  /* the locker's */
} lockers[LOCKERS];
static bool started;

/* --- in a locker --- */

static volatile sig_atomic_t caught;

static void catch (int number)
{
	(void)number;
	caught++;
}

static void catch_signals(void)
{
	struct sigaction action = {.sa_handler = catch};

	sigaction(LOCKER_INTERRUPT, &action, NULL);
	action.sa_flags = SA_RESTART;
	sigaction(LOCKER_RESTART, &action, NULL);
	signal(SIGTERM, SIG_DFL);
}

static __attribute__((noreturn)) void serve(int number, int *fds);

/* A fork(2) whose child also takes commands from the test. */
static int fork_locker(int number, int *fds)
{
	pid_t pid = (pid_t)syscall(SYS_clone, CLONE_PARENT | SIGCHLD, 0, 0, 0, 0);

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		serve(number, fds);
	}
	return pid;
}

static int carry_out(struct locker_command *command, int *fds)
{
	int *fd = &fds[command->slot];
	int result = -1;

	switch (command->action) {
	case LOCKER_OPEN:
		result = *fd = open(command->path, command->argument | O_CLOEXEC, 0666);
		break;
	case LOCKER_DUP:
		result = fds[command->argument] = dup(*fd);
		break;
	case LOCKER_CLOSE:
		result = close(*fd);
		*fd = -1;
		break;
	case LOCKER_FCNTL:
		result = fcntl(*fd, command->argument, &command->lock);
		break;
	case LOCKER_FLOCK:
		result = flock(*fd, command->argument);
		break;
	case LOCKER_FORK:
		result = fork_locker(command->argument, fds);
		break;
	case LOCKER_EXIT:
		_exit(0);
	}
	return result < 0 ? -errno : result;
}

static void serve(int number, int *fds)
{
	struct locker_command command;
	int channel = lockers[number].far;

	caught = 0;
	for (;;) {
		ssize_t length = recv(channel, &command, sizeof(command), 0);
		struct locker_answer answer = {0};

		if (length < 0 && errno == EINTR)
			continue;
		if (length != (ssize_t)sizeof(command))
			_exit(1);
		answer.result = carry_out(&command, fds);
		answer.lock = command.lock;
		answer.caught = (unsigned int)caught;
		while (send(channel, &answer, sizeof(answer), MSG_NOSIGNAL) < 0 && errno == EINTR)
			;
	}
}

/* --- in the test --- */

void locker_start(int number)
{
	pid_t parent = getpid();
	int fds[LOCKER_SLOTS];

	fflush(NULL);
	lockers[number].pid = fork();
	assert_true(lockers[number].pid >= 0);
	if (lockers[number].pid > 0)
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	for (int i = 0; i < LOCKERS; i++)
		close(lockers[i].near);
	memset(fds, -1, sizeof(fds));
	catch_signals();
	serve(number, fds);
}

void lockers_start(unsigned int n)
{
	assert_false(started);
	started = true;
	for (int i = 0; i < LOCKERS; i++)
		lockers[i].near = lockers[i].far = -1;
	for (int i = 0; i < LOCKERS; i++) {
		int pair[2];

		check(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair));
		lockers[i].near = pair[0];
		lockers[i].far = pair[1];
		lockers[i].pid = 0;
	}
	for (unsigned int i = 0; i < n; i++)
		locker_start((int)i);
}

int lockers_end(void)
{
	if (!started)
		return 0;
	for (int i = 0; i < LOCKERS; i++)
		if (lockers[i].pid > 0)
			kill(lockers[i].pid, SIGKILL);
	for (int i = 0; i < LOCKERS; i++) {
		if (lockers[i].pid > 0)
			waitpid(lockers[i].pid, NULL, 0);
		lockers[i].pid = 0;
		if (lockers[i].near >= 0) {
			close(lockers[i].near);
			close(lockers[i].far);
		}
	}
	started = false;
	return 0;
}

pid_t locker_pid(int locker)
{
	return lockers[locker].pid;
}

void locker_begin(int locker, const struct locker_command *command)
{
	assert_true(lockers[locker].pid > 0);
	assert_int_equal(check(send(lockers[locker].near, command, sizeof(*command), 0)), sizeof(*command));
}

int locker_first_answered(const int *some, int n)
{
	const struct deadline deadline = deadline_in(WAIT_SECONDS);
	struct pollfd channels[LOCKERS];
	int ready;

	for (int i = 0; i < n; i++)
		channels[i] = (struct pollfd){.fd = lockers[some[i]].near, .events = POLLIN};
	do
		ready = poll(channels, (nfds_t)n, milliseconds_until(&deadline));
	while (ready < 0 && errno == EINTR);
	for (int i = 0; i < n && ready > 0; i++)
		if (channels[i].revents)
			return some[i];
	return -1;
}

bool locker_is_answered(int locker)
{
	return locker_first_answered(&locker, 1) == locker;
}

bool locker_has_answer(int locker)
{
	struct pollfd channel = {.fd = lockers[locker].near, .events = POLLIN};

	return poll(&channel, 1, 0) > 0;
}

static bool is_in_call(int locker)
{
	char text[256];
	char *end;
	long number;

	if (read_text(path_of("/proc/%d/syscall", lockers[locker].pid), text, sizeof(text)) <= 0)
		return false;
	number = strtol(text, &end, 10);
	return end != text && (number == SYS_fcntl || number == SYS_flock);
}

bool locker_waits(int locker)
{
	return wait_for(locker_has_answer(locker) || is_in_call(locker)) && !locker_has_answer(locker);
}

struct locker_answer locker_end(int locker)
{
	struct locker_answer answer;

	if (!locker_is_answered(locker))
		fail_msg("locker %d does not answer", locker);
	assert_int_equal(check(recv(lockers[locker].near, &answer, sizeof(answer), 0)), sizeof(answer));
	return answer;
}

struct locker_answer locker_call(int locker, const struct locker_command *command)
{
	struct locker_answer answer;

	locker_begin(locker, command);
	answer = locker_end(locker);
	if (command->action == LOCKER_FORK && answer.result > 0)
		lockers[command->argument].pid = answer.result;
	return answer;
}

static int call(int locker, enum locker_action action, int slot, int argument)
{
	const struct locker_command command = {.action = action, .slot = slot, .argument = argument};

	return locker_call(locker, &command).result;
}

void locker_open(int locker, int slot, const char *path, int flags)
{
	struct locker_command command = {.action = LOCKER_OPEN, .slot = slot, .argument = flags};

	snprintf(command.path, sizeof(command.path), "%s", path);
	assert_true(locker_call(locker, &command).result >= 0);
}

void locker_close(int locker, int slot)
{
	assert_int_equal(call(locker, LOCKER_CLOSE, slot, 0), 0);
}

void locker_begin_lock(int locker, int slot, int fcntl_command, int type, off_t start, off_t length)
{
	const struct locker_command command = {
		.action = LOCKER_FCNTL,
		.slot = slot,
		.argument = fcntl_command,
		.lock = {.l_type = (short)type, .l_whence = SEEK_SET, .l_start = start, .l_len = length},
	};

	locker_begin(locker, &command);
}

int locker_lock(int locker, int slot, int fcntl_command, int type, off_t start, off_t length)
{
	locker_begin_lock(locker, slot, fcntl_command, type, start, length);
	return locker_result(locker);
}

void locker_begin_flock(int locker, int slot, int operation)
{
	const struct locker_command command = {.action = LOCKER_FLOCK, .slot = slot, .argument = operation};

	locker_begin(locker, &command);
}

int locker_flock(int locker, int slot, int operation)
{
	return call(locker, LOCKER_FLOCK, slot, operation);
}

int locker_result(int locker)
{
	return locker_end(locker).result;
}

void locker_signal(int locker, int number)
{
	assert_true(lockers[locker].pid > 1);
	check(kill(lockers[locker].pid, number));
}

void locker_collect(int locker)
{
	pid_t pid = lockers[locker].pid;
	pid_t found = 0;
	char rest[8192];

	if (!wait_for((found = waitpid(pid, NULL, WNOHANG)) != 0))
		fail_msg("locker %d does not end", locker);
	assert_int_equal(found, pid);
	lockers[locker].pid = 0;
	/* an unread answer, and a command */
	while (recv(lockers[locker].near, rest, sizeof(rest), MSG_DONTWAIT) > 0 ||
	       recv(lockers[locker].far, rest, sizeof(rest), MSG_DONTWAIT) > 0)
		;
}

void locker_exit(int locker)
{
	const struct locker_command command = {.action = LOCKER_EXIT};

	locker_begin(locker, &command);
	locker_collect(locker);
}

void locker_kill(int locker)
{
	locker_signal(locker, SIGKILL);
	locker_collect(locker);
}
