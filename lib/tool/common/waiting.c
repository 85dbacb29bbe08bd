// SPDX-License-Identifier: MIT
#include "lib/tool/common/waiting.h"
#include "lib/base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <sys/time.h>

#define AGAIN 20000 /* microseconds: a signal that comes just before the wait must not be the only one */

static void do_nothing(int signal_number)
{
	(void)signal_number;
}

static int try_lock(int fd, bool exclusive, bool waits)
{
	struct flock lock = {.l_type = exclusive ? F_WRLCK : F_RDLCK, .l_whence = SEEK_SET};

	if (fcntl(fd, waits ? F_OFD_SETLKW : F_OFD_SETLK, &lock) == 0)
		return 0;
	return errno == EACCES ? -EAGAIN : -errno;
}

static int wait_until(int fd, bool exclusive, uint64_t deadline)
{
	int result;

	do {
		result = try_lock(fd, exclusive, true);
	} while (result == -EINTR && monotonic_nanoseconds() < deadline);
	return result == -EINTR ? -EAGAIN : result;
}

int waiting_lock(int fd, bool exclusive, uint64_t timeout)
{
	const struct sigaction handler = {.sa_handler = do_nothing};
	const struct itimerval none = {0};
	struct itimerval timer = {.it_interval = {.tv_usec = AGAIN}};
	struct sigaction before;
	int result = try_lock(fd, exclusive, false);

	if (result != -EAGAIN || timeout == 0)
		return result;
	if (timeout == WAITING_FOREVER)
		return wait_until(fd, exclusive, UINT64_MAX);
	timer.it_value.tv_sec = (time_t)((timeout / 1000 + 1) / 1000000);
	timer.it_value.tv_usec = (suseconds_t)((timeout / 1000 + 1) % 1000000);
	sigaction(SIGALRM, &handler, &before);
	setitimer(ITIMER_REAL, &timer, NULL);
	result = wait_until(fd, exclusive, monotonic_nanoseconds() + timeout);
	setitimer(ITIMER_REAL, &none, NULL);
	sigaction(SIGALRM, &before, NULL);
	return result;
}
