// SPDX-License-Identifier: MIT
#include "lib/tool/common/filelock.h"
#include "lib/segfs.h"
#include "lib/tool/common/command.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/time.h>
#include <time.h>

#define AGAIN 50000 /* microseconds between signals after the first: one may come before the call */

uint64_t filelock_timeout(bool nonblock, const struct option_number *timeout)
{
	if (nonblock)
		return 0;
	return timeout->is_given ? timeout->value : FILELOCK_FOREVER;
}

static struct flock range_of(const struct filelock *lock)
{
	return (struct flock){
		.l_type = lock->shared ? F_RDLCK : F_WRLCK,
		.l_whence = SEEK_SET,
		.l_start = (off_t)lock->start,
		.l_len = (off_t)lock->length,
	};
}

static int try(int fd, const struct filelock *lock, bool wait)
{
	struct flock range = range_of(lock);
	int result;

	if (lock->by_flock)
		result = flock(fd, (lock->shared ? LOCK_SH : LOCK_EX) | (wait ? 0 : LOCK_NB));
	else
		result = fcntl(fd, wait ? F_OFD_SETLKW : F_OFD_SETLK, &range);
	if (result == 0)
		return 0;
	return errno == EACCES ? -EAGAIN : -errno;
}

/* The call that waits ends with it. */
static void handle_alarm(int number)
{
	(void)number;
}

static bool is_over(const struct timespec *deadline)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec > deadline->tv_sec ||
	       (now.tv_sec == deadline->tv_sec && now.tv_nsec >= deadline->tv_nsec);
}

static int wait_until(int fd, const struct filelock *lock, uint64_t timeout)
{
	const struct sigaction handled = {.sa_handler = handle_alarm};
	/* of 0 microseconds it would be off; it may be early, since it repeats */
	const struct itimerval timer = {
		.it_value = {.tv_sec = (time_t)(timeout / 1000000000),
			     .tv_usec = (suseconds_t)(timeout % 1000000000 / 1000) | 1},
		.it_interval = {.tv_usec = AGAIN},
	};
	const struct itimerval off = {0};
	struct sigaction before;
	struct timespec deadline;
	sigset_t alarm, mask;
	int result;

	segfs_deadline(&deadline, timeout);
	sigemptyset(&alarm);
	sigaddset(&alarm, SIGALRM);
	sigaction(SIGALRM, &handled, &before);
	sigprocmask(SIG_UNBLOCK, &alarm, &mask);
	setitimer(ITIMER_REAL, &timer, NULL);
	do
		result = try(fd, lock, true);
	while (result == -EINTR && !is_over(&deadline));
	setitimer(ITIMER_REAL, &off, NULL);
	sigprocmask(SIG_SETMASK, &mask, NULL);
	sigaction(SIGALRM, &before, NULL);
	return result == -EINTR ? -ETIMEDOUT : result;
}

int filelock_take(int fd, const struct filelock *lock, uint64_t timeout)
{
	int result;

	if (timeout == 0)
		return try(fd, lock, false);
	if (timeout != FILELOCK_FOREVER)
		return wait_until(fd, lock, timeout);
	do
		result = try(fd, lock, true);
	while (result == -EINTR);
	return result;
}

int filelock_take_all(int fd, bool exclusive, uint64_t timeout)
{
	const struct filelock lock = {.shared = !exclusive};
	const int result = filelock_take(fd, &lock, timeout);

	return result == -ETIMEDOUT ? -EAGAIN : result;
}

long filelock_holder(int fd, const struct filelock *lock)
{
	struct flock range = range_of(lock);

	/* F_OFD_GETLK would not tell the process that segfs knows */
	if (lock->by_flock || fcntl(fd, F_GETLK, &range) < 0 || range.l_type == F_UNLCK)
		return 0;
	return range.l_pid > 0 ? range.l_pid : 0;
}
