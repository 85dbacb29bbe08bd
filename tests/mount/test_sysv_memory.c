// SPDX-License-Identifier: MIT
/*
 * The memory of System V segments through the mount: the same pages both ways, all sizes; segments removed
 * while open; facts about their users; locks.
 */
#include "lib/base/cleanup.h"
#include "tests/lib/job.h"
#include "tests/lib/modes.h"
#include "tests/lib/process.h"
#include "tests/lib/segments.h"
#include "tests/mount/sysv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static bool has_orphan(const char *value)
{
	/* unknown while a process of the machine does not respond, as in execve(2) */
	wait_for(strcmp(attribute(at_key(KEY), "orphan"), "unknown") != 0);
	return strcmp(attribute(at_key(KEY), "orphan"), value) == 0;
}

/* --- bytes --- */

static void pages_are_the_same(void **state)
{
	const size_t size = (size_t)8 * PAGE;
	int id = segment_make(KEY, size, 0600);
	char *memory;
	char *view;
	int fd;

	(void)state;
	if (!shares_pages())
		return;
	memory = attach(id, 0);
	fd = open_key(O_RDWR);
	view = map(fd, size, PROT_READ | PROT_WRITE);
	close(fd);
	for (size_t i = 0; i < 8; i++) {
		/* touched first on one side and then on the other */
		(i % 2 ? view : memory)[i * PAGE] = (char)('a' + i);
		assert_int_equal((i % 2 ? memory : view)[i * PAGE], 'a' + i);
		assert_int_equal(physical_page(view + i * PAGE), physical_page(memory + i * PAGE));
	}
	/* a view through the mount is not an attachment */
	assert_int_equal(segment_stat(id).shm_nattch, 1);
	assert_string_equal(attribute(at_key(KEY), "nattch"), "1");
	check(munmap(view, size));
	check(shmdt(memory));
}

static void reads_and_writes_go_both_ways(void **state)
{
	int id = segment_make(KEY, 3 * PAGE, 0600);
	char *memory = attach(id, 0);
	int fd = open_key(O_RDWR);
	char bytes[PAGE];

	(void)state;
	for (int i = 0; i < 200; i++) {
		off_t where = i * 61 % (2 * PAGE);

		snprintf(memory + where, 16, "native %d", i);
		assert_int_equal(pread(fd, bytes, 16, where), 16);
		assert_string_equal(bytes, path_of("native %d", i));
		snprintf(bytes, 16, "mount %d", i);
		assert_int_equal(pwrite(fd, bytes, 16, where), 16);
		assert_string_equal(memory + where, path_of("mount %d", i));
	}
	check(close(fd));
	check(shmdt(memory));
}

static void modes_of_opening(void **state)
{
	int id = segment_make(KEY, PAGE, 0400);
	char *memory = attach(id, SHM_RDONLY);
	int fd = open_key(O_RDONLY);
	char byte;

	(void)state;
	check_error(EBADF, pwrite(fd, "x", 1, 0));
	assert_ptr_equal(mmap(NULL, PAGE, PROT_WRITE | PROT_READ, MAP_SHARED, fd, 0), MAP_FAILED);
	assert_int_equal(errno, EACCES);
	assert_int_equal(pread(fd, &byte, 1, 0), 1);
	check(close(fd));
	fd = open_key(O_WRONLY);
	check_error(EBADF, pread(fd, &byte, 1, 0));
	assert_int_equal(pwrite(fd, "w", 1, 0), 1);
	assert_int_equal(memory[0], 'w');
	check(close(fd));
	check(shmdt(memory));
}

static void all_sizes(void **state)
{
	static const size_t sizes[] = {
		1, 2, PAGE - 1, PAGE, PAGE + 1, 3 * PAGE + 17, (1 << 20) + 1, (2 << 20) - 1};

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		const size_t size = sizes[i];
		int id = segment_make(KEY, size, 0600);
		struct stat found;
		char bytes[32];
		char *memory;
		int fd;

		segment_fill(id, size, 'f');
		fd = open_key(O_RDWR);
		check(fstat(fd, &found));
		assert_int_equal(found.st_size, size);
		assert_int_equal(lseek(fd, 0, SEEK_END), size);
		assert_int_equal(pread(fd, bytes, 32, (off_t)size - 1), 1);
		assert_int_equal(bytes[0], 'f');
		assert_int_equal(pread(fd, bytes, 32, (off_t)size), 0);
		assert_int_equal(pwrite(fd, "LAST", 4, (off_t)size - 1), 1);
		check_error(EFBIG, pwrite(fd, "x", 1, (off_t)size));
		memory = attach(id, 0);
		assert_int_equal(memory[size - 1], 'L');
		if (size % PAGE)
			assert_int_equal(memory[size], 0);
		check(shmdt(memory));
		check(close(fd));
		assert_int_equal(segment_stat(id).shm_segsz, size);
		check(unlink(at_key(KEY)));
	}
}

static void more_than_four_gigabytes(void **state)
{
	const off_t size = ((off_t)5 << 30) + 5;
	int id;
	char *memory;
	char bytes[8] = "";
	int fd;

	(void)state;
	if (shmget((key_t)KEY, (size_t)size, IPC_CREAT | SHM_NORESERVE | 0600) < 0)
		skip_missing("5 GiB of address space for a segment");
	id = (int)check(shmget((key_t)KEY, 0, 0));
	memory = attach(id, 0);
	fd = open_key(O_RDWR);
	assert_int_equal(lseek(fd, 0, SEEK_END), size);
	memcpy(memory + ((off_t)4 << 30) + 1, "high", 5);
	assert_int_equal(pread(fd, bytes, 4, ((off_t)4 << 30) + 1), 4);
	assert_string_equal(bytes, "high");
	assert_int_equal(pwrite(fd, "end.....", 8, size - 3), 3);
	assert_memory_equal(memory + size - 3, "end", 3);
	check_error(EFBIG, pwrite(fd, "x", 1, size));
	assert_int_equal(pread(fd, bytes, 8, 1), 8);
	assert_int_equal(bytes[0], 0);
	check(close(fd));
	check(shmdt(memory));
	check(unlink(at_key(KEY)));
	/* a new one of the same size */
	fd = open_key(O_RDWR | O_CREAT);
	if (ftruncate(fd, (off_t)5 << 30) == 0)
		assert_int_equal(segment_stat((int)check(shmget((key_t)KEY, 0, 0))).shm_segsz,
				 (size_t)5 << 30);
	close(fd);
	assert_true(wait_for(mount_handles(&mount) == 0));
}

/* --- life and death --- */

static void removed_while_open(void **state)
{
	int id = segment_make(KEY, 2 * PAGE, 0640);
	struct stat old;
	struct stat found;
	char *view = NULL;
	char byte = 0;
	int next;
	int fd;
	int new;

	(void)state;
	segment_fill(id, 2 * PAGE, 'o');
	fd = open_key(O_RDWR);
	check(fstat(fd, &old));
	if (shares_pages())
		view = map(fd, 2 * PAGE, PROT_READ);
	check(shmctl(id, IPC_RMID, NULL));
	assert_false(segment_exists(id));
	next = segment_make(KEY, PAGE, 0600);
	segment_fill(next, PAGE, 'n');
	new = open_key(O_RDONLY);
	for (int i = 0; i < 2; i++) {
		check(fstat(fd, &found));
		assert_int_equal(found.st_size, 2 * PAGE);
		assert_int_equal(found.st_nlink, 0);
		assert_int_equal(found.st_mode, old.st_mode);
		assert_int_equal(found.st_ino, old.st_ino);
		assert_int_equal(pread(fd, &byte, 1, 2 * PAGE - 1), 1);
		assert_int_equal(byte, 'o');
		assert_int_equal(pwrite(fd, "o", 1, 0), 1);
		check_error(EFBIG, pwrite(fd, "o", 1, 2 * PAGE));
		check(fstat(new, &found));
		assert_int_equal(found.st_size, PAGE);
		assert_int_equal(found.st_nlink, 1);
		assert_int_not_equal(found.st_ino, old.st_ino);
		assert_int_equal(pread(new, &byte, 1, 0), 1);
		assert_int_equal(byte, 'n');
		/* the old one is a file without a name */
		check(close((int)check(open(path_of("/proc/self/fd/%d", fd), O_RDWR | O_CLOEXEC))));
		/* and again with another worker */
		if (i == 0)
			mount_kill_worker(&mount);
	}
	check(close(new));
	check(unlink(at_key(KEY)));
	assert_int_equal(segments_count(), 0);
	check(close(fd));
	if (view) {
		assert_int_equal(view[2 * PAGE - 1], 'o');
		check(munmap(view, 2 * PAGE));
	}
	assert_true(wait_for(segments_pages() == 0));
}

static void resident(void **state)
{
	int id = segment_make(KEY, 16 * PAGE, 0600);
	char *memory;

	(void)state;
	assert_string_equal(attribute(at_key(KEY), "resident"), "0");
	memory = attach(id, 0);
	memory[0] = memory[5 * PAGE] = 1;
	assert_string_equal(attribute(at_key(KEY), "resident"), path_of("%d", 2 * PAGE));
	check(shmdt(memory));
	assert_string_equal(attribute(at_key(KEY), "resident"), path_of("%d", 2 * PAGE));
}

static void orphans(void **state)
{
	int id = segment_make(KEY, PAGE, 0600);
	char *memory;
	char *view;
	int fd;

	(void)state;
	assert_true(has_orphan("yes"));
	assert_string_not_equal(attribute(at_key(KEY), "idle-since"), "ENODATA");
	memory = attach(id, SHM_RDONLY);
	assert_true(has_orphan("no"));
	assert_string_equal(attribute(at_key(KEY), "idle-since"), "ENODATA");
	check(shmdt(memory));
	assert_true(has_orphan("yes"));
	/* only a handle */
	fd = open_key(O_RDONLY);
	assert_true(has_orphan("no"));
	mount_kill_worker(&mount);
	assert_true(has_orphan("no"));
	view = map(fd, PAGE, PROT_READ);
	check(close(fd));
	/* only a view */
	assert_true(has_orphan("no"));
	mount_kill_worker(&mount);
	assert_true(has_orphan("no"));
	check(munmap(view, PAGE));
	assert_true(wait_for(has_orphan("yes")));
	check(unlink(at_key(KEY)));
	/* its creator uses it */
	fd = open_key(O_RDWR | O_CREAT);
	check(ftruncate(fd, PAGE));
	assert_true(has_orphan("no"));
	check(close(fd));
	assert_true(wait_for(has_orphan("yes")));
}

/* In flight, where no process has it. */
static void orphan_in_flight(void **state)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control = {.header = {.cmsg_level = SOL_SOCKET,
				.cmsg_type = SCM_RIGHTS,
				.cmsg_len = CMSG_LEN(sizeof(int))}};
	struct iovec part = {.iov_base = (char[]){'x'}, .iov_len = 1};
	struct msghdr message = {.msg_iov = &part,
				 .msg_iovlen = 1,
				 .msg_control = &control,
				 .msg_controllen = sizeof(control)};
	int ends[2];
	int fd;

	(void)state;
	segment_make(KEY, PAGE, 0600);
	fd = open_key(O_RDONLY);
	check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends));
	memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
	check(sendmsg(ends[0], &message, 0));
	check(close(fd));
	assert_true(has_orphan("no"));
	close(ends[0]);
	close(ends[1]);
	assert_true(wait_for(has_orphan("yes")));
}

static void idle_since_is_the_last_detach(void **state)
{
	int id = segment_make(KEY, PAGE, 0600);
	char text[32];
	struct tm parts;
	time_t when;

	(void)state;
	segment_fill(id, PAGE, 'i');
	when = segment_stat(id).shm_dtime;
	gmtime_r(&when, &parts);
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &parts);
	/* attachments by segfs do not count */
	for (int i = 0; i < 2; i++) {
		assert_string_equal(attribute(at_key(KEY), "idle-since"), text);
		check(close(open_key(O_RDONLY)));
	}
}

/* --- locks --- */

static int try_lock(void *path)
{
	struct flock lock = {.l_type = F_WRLCK, .l_start = 10, .l_len = 10};
	_cleanup_close_ int fd = open(path, O_RDWR | O_CLOEXEC);

	return fd < 0 || fcntl(fd, F_SETLK, &lock) < 0 ? -errno : 0;
}

static void locks_work(void **state)
{
	struct flock lock = {.l_type = F_WRLCK, .l_start = 0, .l_len = 20};
	char path[PATH_MAX];
	int fd;

	(void)state;
	snprintf(path, sizeof(path), "%s", at_key(KEY));
	segment_make(KEY, PAGE, 0600);
	fd = open_key(O_RDWR);
	assert_int_equal(as_user(0, 0, try_lock, path), 0);
	check(fcntl(fd, F_SETLK, &lock));
	assert_int_equal(as_user(0, 0, try_lock, path), -EAGAIN);
	mount_kill_worker(&mount);
	assert_int_equal(as_user(0, 0, try_lock, path), -EAGAIN);
	lock.l_type = F_UNLCK;
	check(fcntl(fd, F_SETLK, &lock));
	assert_int_equal(as_user(0, 0, try_lock, path), 0);
	check(close(fd));
}

int main(void)
{
	static const struct CMUnitTest cases[] = {
		CASE(pages_are_the_same),
		CASE(reads_and_writes_go_both_ways),
		CASE(modes_of_opening),
		CASE(all_sizes),
		CASE(more_than_four_gigabytes),
		CASE(removed_while_open),
		CASE(resident),
		CASE(orphans),
		CASE(orphan_in_flight),
		CASE(idle_since_is_the_last_detach),
		CASE(locks_work),
	};
	const size_t n = sizeof(cases) / sizeof(cases[0]);

	if (geteuid() != 0)
		skip_program("root");
	segments_isolate();
	return run_in_each_mode(cases, n, start, stop);
}
