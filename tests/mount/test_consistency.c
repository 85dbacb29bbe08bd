// SPDX-License-Identifier: MIT
/*
 * One segment used in every way at once: read, written, mapped, resized and punched through two descriptors
 * and two views, by two processes in turn. Each must see at once what the other did, in direct, mediated and
 * relayed mode.
 *
 * The operations are random; SEED repeats a sequence. Each byte is compared with a copy in plain memory.
 */
#include "tests/lib/modes.h"
#include "tests/mount/harness.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SIZE_MAX_  (64u * 1024u) /* bytes of the segment, at most */
#define OPERATIONS 4000
#define USERS      2 /* each with a descriptor and a view */

static struct mount mounted;

/* Shared by both processes. */
static struct common {
	unsigned char bytes[SIZE_MAX_]; /* what the segment must contain */
	size_t size;
	unsigned int random;
	unsigned int done; /* operations */
	char error[256];   /* of the first difference; "" = none */
} * common;

static int fds[USERS];
static unsigned char *views[USERS];

static const char *at_segment(void)
{
	return path_of("%s/segment", mounted.path);
}

static unsigned int any(unsigned int limit)
{
	common->random = common->random * 1103515245u + 12345u;
	return (common->random >> 8) % limit;
}

static bool fails(const char *operation, size_t at, size_t length)
{
	snprintf(common->error, sizeof(common->error), "operation %u, %s of %zu bytes at %zu of %zu: %s",
		 common->done, operation, length, at, common->size, strerror(errno));
	return false;
}

static bool is_equal(const char *operation, const unsigned char *found, size_t at, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		if (found[i] == common->bytes[at + i])
			continue;
		snprintf(common->error, sizeof(common->error),
			 "operation %u, %s of %zu bytes at %zu of %zu: byte %zu is %#x, not %#x",
			 common->done, operation, length, at, common->size, at + i, found[i],
			 common->bytes[at + i]);
		return false;
	}
	return true;
}

/* A part of what there is, or, if it may grow, of what there can be. */
static void any_part(size_t *at, size_t *length, bool may_grow)
{
	const unsigned int end = may_grow ? SIZE_MAX_ : (unsigned int)common->size;

	*at = end ? any(end) : 0;
	*length = end ? 1 + any(any(4) ? 300 : 20000) : 0;
	if (*length > end - *at)
		*length = end - *at;
}

static void fill(unsigned char *bytes, size_t length)
{
	const unsigned char first = (unsigned char)any(256);

	for (size_t i = 0; i < length; i++)
		bytes[i] = (unsigned char)(first + i * 7);
}

static bool do_read(int user)
{
	static unsigned char found[SIZE_MAX_];
	size_t at, length;

	any_part(&at, &length, false);
	if (pread(fds[user], found, length, (off_t)at) != (ssize_t)length)
		return fails("read", at, length);
	return is_equal("read", found, at, length);
}

static bool do_write(int user)
{
	static unsigned char bytes[SIZE_MAX_];
	size_t at, length;

	any_part(&at, &length, any(3) == 0);
	fill(bytes, length);
	if (pwrite(fds[user], bytes, length, (off_t)at) != (ssize_t)length)
		return fails("write", at, length);
	memcpy(common->bytes + at, bytes, length);
	if (at + length > common->size)
		common->size = at + length;
	return true;
}

static bool do_load(int user)
{
	size_t at, length;

	any_part(&at, &length, false);
	return is_equal("load", views[user] + at, at, length);
}

static bool do_store(int user)
{
	size_t at, length;

	any_part(&at, &length, false);
	fill(views[user] + at, length);
	memcpy(common->bytes + at, views[user] + at, length);
	return true;
}

static bool do_truncate(int user)
{
	const size_t size = any(SIZE_MAX_ + 1);

	if (ftruncate(fds[user], (off_t)size) < 0)
		return fails("truncate", size, 0);
	if (size < common->size)
		memset(common->bytes + size, 0, common->size - size);
	common->size = size;
	return true;
}

static bool do_punch(int user)
{
	size_t at, length;

	any_part(&at, &length, false);
	if (length == 0)
		return true;
	if (fallocate(fds[user], FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)at, (off_t)length) < 0)
		return fails("punch", at, length);
	memset(common->bytes + at, 0, length);
	return true;
}

static bool do_sync(int user)
{
	if (msync(views[user], SIZE_MAX_, MS_SYNC) < 0 || fsync(fds[user]) < 0)
		return fails("sync", 0, 0);
	return true;
}

/* Through a descriptor of its own, as cat(1) does it. */
static bool do_read_again(int user)
{
	static unsigned char found[SIZE_MAX_];
	int fd = open(at_segment(), O_RDONLY | O_CLOEXEC);
	ssize_t length = fd < 0 ? -1 : read(fd, found, sizeof(found));

	(void)user;
	close(fd);
	if (length != (ssize_t)common->size)
		return fails("read of a new open", 0, common->size);
	return is_equal("read of a new open", found, 0, common->size);
}

static bool (*const operations[])(int user) = {
	do_read, do_write, do_load,     do_store,      do_read,  do_write,
	do_load, do_store, do_truncate, do_read_again, do_punch, do_sync,
};

static void use(int user, unsigned int n)
{
	for (unsigned int i = 0; i < n && !*common->error; i++) {
		operations[any(sizeof(operations) / sizeof(operations[0]))](user);
		common->done++;
	}
}

/* Two processes in turn, each some operations at a time. */
static void in_turn(void)
{
	int turns[2][2];
	pid_t other;
	char byte = 0;

	check(pipe2(turns[0], O_CLOEXEC));
	check(pipe2(turns[1], O_CLOEXEC));
	other = (pid_t)check(fork());
	if (other == 0) {
		close(turns[0][1]);
		while (read(turns[0][0], &byte, 1) == 1) {
			use((int)any(USERS), 1 + any(4));
			if (write(turns[1][1], &byte, 1) != 1)
				break;
		}
		_exit(0);
	}
	while (common->done < OPERATIONS && !*common->error) {
		use((int)any(USERS), 1 + any(4));
		if (write(turns[0][1], &byte, 1) != 1 || read(turns[1][0], &byte, 1) != 1)
			break;
	}
	for (int i = 0; i < 2; i++) {
		close(turns[i][0]);
		close(turns[i][1]);
	}
	check(waitpid(other, NULL, 0));
}

static void everything_at_once(void **unused)
{
	const char *seed = getenv("SEED");
	unsigned int first = seed ? (unsigned int)atoi(seed) : (unsigned int)time(NULL);

	(void)unused;
	memset(common, 0, sizeof(*common));
	common->random = first;
	for (int i = 0; i < USERS; i++) {
		fds[i] = (int)check(open(at_segment(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
		views[i] = mmap(NULL, SIZE_MAX_, PROT_READ | PROT_WRITE, MAP_SHARED, fds[i], 0);
		assert_ptr_not_equal(views[i], MAP_FAILED);
	}
	in_turn();
	if (*common->error)
		fail_msg("%s; SEED=%u repeats it", common->error, first);
	assert_true(common->done >= OPERATIONS);
	for (int i = 0; i < USERS; i++) {
		check(munmap(views[i], SIZE_MAX_));
		check(close(fds[i]));
	}
	check(unlink(at_segment()));
}

static int start(const char *mode)
{
	const struct mount_spec spec = {.tag = mode, .options = path_of("io_mode=%s", mode)};

	return mount_start(&mounted, &spec);
}

static int stop(void **unused)
{
	(void)unused;
	return mount_stop(&mounted);
}

int main(void)
{
	static const struct CMUnitTest cases[] = {cmocka_unit_test(everything_at_once)};

	if (geteuid() != 0)
		skip_program("root");
	common = mmap(NULL, sizeof(*common), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (common == MAP_FAILED)
		return 1;
	return run_in_each_mode(cases, 1, start, stop);
}
