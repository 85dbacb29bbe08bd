// SPDX-License-Identifier: MIT
/* Mandatory locks and O_NONBLOCK: which I/O gets EAGAIN, and which waits nevertheless. */
#include "lib/base/cleanup.h"
#include "tests/lib/intruder.h"
#include "tests/lib/mandatory.h"
#include "tests/lib/modes.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define SIZE  65536
#define FIRST 20000 /* start of the locked range */
#define LAST  20099
#define PART  50 /* bytes per call */

static int set_up(void **unused)
{
	(void)unused;
	mandatory_make(SIZE);
	return 0;
}

static void lock(void)
{
	assert_int_equal(lock_bytes(owner, F_SETLK, F_WRLCK, FIRST, LAST - FIRST + 1), 0);
}

static void unlock(void)
{
	assert_int_equal(lock_bytes(owner, F_SETLK, F_UNLCK, 0, 0), 0);
}

static void fill(void)
{
	static char bytes[SIZE];

	memset(bytes, 'o', SIZE);
	check(ftruncate(owner, SIZE));
	assert_int_equal(check(pwrite(owner, bytes, SIZE, 0)), SIZE);
}

static void nonblocking(void **unused)
{
	struct access access = {.path = segment, .at = FIRST, .size = 1, .flags = O_NONBLOCK, .byte = 'o'};
	static const struct {
		long (*call)(const struct access *access);
		long result; /* of a call without conflict */
	} calls[] = {
		{call_read, 1},     {call_write, 1}, {call_copy_to, 1},   {call_copy_from, 1},
		{call_allocate, 0}, {call_punch, 0}, {call_ftruncate, 0}, {call_open_truncating, 0},
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		access.call = calls[i].call;
		lock();
		assert_int_equal(intrude_now(&access), -EAGAIN);
		expect_stored(0, SIZE, 'o');
		assert_int_equal(stored_size(), SIZE);
		unlock();
		assert_int_equal(intrude_now(&access), calls[i].result);
		fill();
	}
}

/*
 * Runtimes with their own scheduler, such as Go, set O_NONBLOCK on each file that epoll accepts, which
 * includes those of FUSE.
 */
static int open_for_runtime(const struct access *access)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET};
	_cleanup_close_ int events = epoll_create1(EPOLL_CLOEXEC);
	int fd = open(access->path, O_RDWR | O_CLOEXEC | access->flags);

	if (fd < 0 || epoll_ctl(events, EPOLL_CTL_ADD, fd, &event) < 0 ||
	    fcntl(fd, F_SETFL, access->flags & O_NONBLOCK ? 0 : O_NONBLOCK) < 0)
		return -errno;
	return lseek(fd, access->at, SEEK_SET) < 0 ? -errno : fd;
}

static long runtime_reads(const struct access *access)
{
	_cleanup_close_ int fd = open_for_runtime(access);
	char bytes[PART];

	return fd < 0 ? fd : read(fd, bytes, PART) < 0 ? -errno : bytes[0];
}

static long runtime_reads_at(const struct access *access)
{
	_cleanup_close_ int fd = open_for_runtime(access);
	char bytes[PART];

	return fd < 0 ? fd : pread(fd, bytes, PART, access->at) < 0 ? -errno : bytes[0];
}

static long runtime_writes(const struct access *access)
{
	_cleanup_close_ int fd = open_for_runtime(access);

	return fd < 0 ? fd : write(fd, "o", 1) < 0 ? -errno : 'o';
}

static long runtime_writes_at(const struct access *access)
{
	_cleanup_close_ int fd = open_for_runtime(access);

	return fd < 0 ? fd : pwrite(fd, "o", 1, access->at) < 0 ? -errno : 'o';
}

static void wait_of_runtimes(int flags)
{
	static long (*const calls[])(const struct access *access) = {
		runtime_reads,
		runtime_reads_at,
		runtime_writes,
		runtime_writes_at,
	};
	int intruders[4];

	lock();
	for (int i = 0; i < 4; i++) {
		const struct access access = {.call = calls[i], .path = segment, .at = FIRST, .flags = flags};

		intruders[i] = intrude(&access);
	}
	expect_waiting(4);
	unlock();
	for (int i = 0; i < 4; i++)
		assert_int_equal(result_of(intruders[i]), 'o');
}

/* The flag at open(2) decides: such runtimes never expect EAGAIN from pread(2) and pwrite(2). */
static void set_later_it_waits(void **unused)
{
	(void)unused;
	need_waiting_writes();
	wait_of_runtimes(0);
}

static void taken_away_it_waits(void **unused)
{
	(void)unused;
	need_waiting_writes();
	wait_of_runtimes(O_NONBLOCK);
}

int main(void)
{
	static const struct CMUnitTest cases[] = {
		cmocka_unit_test_setup_teardown(nonblocking, set_up, mandatory_tear_down),
		cmocka_unit_test_setup_teardown(set_later_it_waits, set_up, mandatory_tear_down),
		cmocka_unit_test_setup_teardown(taken_away_it_waits, set_up, mandatory_tear_down),
	};
	int failed;

	if (geteuid() != 0)
		skip_program("root");
	intruders_setup(&mandatory_mount);
	failed = run_in_mode("direct", cases, sizeof(cases) / sizeof(cases[0]), mandatory_start,
			     mandatory_stop);
	failed += run_in_mode("relayed", cases, sizeof(cases) / sizeof(cases[0]), mandatory_start,
			      mandatory_stop);
	return failed;
}
