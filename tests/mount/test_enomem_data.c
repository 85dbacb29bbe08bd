// SPDX-License-Identifier: MIT
/*
 * Operations on open files, in each I/O mode, with each allocation of the worker failing in turn, and with
 * all failing.
 */
#include "lib/base/cleanup.h"
#include "tests/lib/leaks.h"
#include "tests/lib/modes.h"
#include "tests/lib/preload.h"
#include "tests/lib/shortage.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#define SIZE            (256u * 1024u) /* bytes of the files: worth another thread */
#define SMALL           8192u          /* not worth it */
#define LONG_ALLOCATION (40l << 20)    /* bytes: a helper process allocates them */

static struct mount mount;
static char bytes[SIZE];

static const char *at(const char *name)
{
	return path_of("%s/%s", mount.path, name);
}

static const char *stored(const char *name)
{
	return path_of("%s/%s", mount.store, name);
}

static int result_of(long long result)
{
	return result < 0 ? -errno : 0;
}

static void put(const char *name, char byte)
{
	_cleanup_close_ int fd = (int)check(open(stored(name), O_WRONLY | O_CREAT | O_CLOEXEC, 0644));

	memset(bytes, byte, SIZE);
	assert_int_equal(check(write(fd, bytes, SIZE)), SIZE);
}

/* New files, of which the kernel has no cached pages. */
static void prepare(void)
{
	unlink(stored("a"));
	unlink(stored("b"));
	put("a", 'a');
	put("b", 'b');
}

static bool consists_of(const char *name, char byte)
{
	static char found[SIZE + 1];
	_cleanup_close_ int fd = open(stored(name), O_RDONLY | O_CLOEXEC);

	memset(bytes, byte, SIZE);
	return fd >= 0 && pread(fd, found, SIZE + 1, 0) == SIZE && memcmp(found, bytes, SIZE) == 0;
}

/* An error may truncate a transfer; the next one reports it. */
static int transfer(ssize_t (*call)(int fd, char *data, size_t size, off_t offset), int fd, size_t size)
{
	for (size_t at_byte = 0; at_byte < size;) {
		ssize_t length = call(fd, bytes + at_byte, size - at_byte, (off_t)at_byte);

		if (length < 0)
			return -errno;
		if (length == 0)
			return -EBADMSG;
		at_byte += (size_t)length;
	}
	return 0;
}

static ssize_t read_part(int fd, char *data, size_t size, off_t offset)
{
	return pread(fd, data, size, offset);
}

static ssize_t write_part(int fd, char *data, size_t size, off_t offset)
{
	return pwrite(fd, data, size, offset);
}

static int op_open(void)
{
	_cleanup_close_ int fd = open(at("a"), O_RDONLY | O_CLOEXEC);

	return fd < 0 ? -errno : 0;
}

static int op_open_twice(void)
{
	_cleanup_close_ int first = open(at("a"), O_RDWR | O_CLOEXEC);
	_cleanup_close_ int second = first < 0 ? -1 : open(at("a"), O_RDONLY | O_CLOEXEC);

	return second < 0 ? -errno : 0;
}

static int op_open_truncating(void)
{
	_cleanup_close_ int fd = open(at("a"), O_RDWR | O_TRUNC | O_CLOEXEC);

	return fd < 0 ? -errno : 0;
}

static bool is_empty(void)
{
	struct stat found;

	return stat(stored("a"), &found) == 0 && found.st_size == 0;
}

static int read_bytes(size_t size)
{
	_cleanup_close_ int fd = open(at("a"), O_RDONLY | O_CLOEXEC);
	int result;

	if (fd < 0)
		return -errno;
	memset(bytes, 0, SIZE);
	result = transfer(read_part, fd, size);
	return result == 0 && (bytes[0] != 'a' || bytes[size - 1] != 'a') ? -EBADMSG : result;
}

static int op_read(void)
{
	return read_bytes(SIZE);
}

static int op_read_little(void)
{
	return read_bytes(SMALL);
}

static int op_write(void)
{
	_cleanup_close_ int fd = open(at("a"), O_WRONLY | O_CLOEXEC);

	memset(bytes, 'w', SIZE);
	return fd < 0 ? -errno : transfer(write_part, fd, SIZE);
}

static bool written(void)
{
	return consists_of("a", 'w');
}

static int op_write_little(void)
{
	_cleanup_close_ int fd = open(at("a"), O_WRONLY | O_APPEND | O_CLOEXEC);

	return fd < 0 ? -errno : result_of(write(fd, "w", 1));
}

static bool written_little(void)
{
	struct stat found;

	return stat(stored("a"), &found) == 0 && found.st_size == SIZE + 1;
}

static int op_view(void)
{
	_cleanup_close_ int fd = open(at("a"), O_RDWR | O_CLOEXEC);
	char *view;
	int result = 0;

	if (fd < 0)
		return -errno;
	view = mmap(NULL, SMALL, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (view == MAP_FAILED)
		return -errno;
	/* a page that can't be allocated is SIGBUS on access, and EFAULT here */
	if (madvise(view, SMALL, MADV_POPULATE_WRITE) < 0)
		result = errno == EFAULT ? -ENOMEM : -errno;
	else if ((view[0] != 'a' && view[0] != 'v') || view[SMALL - 1] != view[0])
		result = -EBADMSG;
	if (result == 0) {
		memset(view, 'v', SMALL);
		if (msync(view, SMALL, MS_SYNC) < 0)
			result = -errno;
	}
	munmap(view, SMALL);
	return result;
}

static int op_fstat(void)
{
	_cleanup_close_ int fd = open(at("a"), O_RDWR | O_CLOEXEC);
	struct stat found;

	return fd < 0 ? -errno : result_of(fstat(fd, &found));
}

static int op_ftruncate(void)
{
	_cleanup_close_ int fd = open(at("a"), O_RDWR | O_CLOEXEC);

	return fd < 0 ? -errno : result_of(ftruncate(fd, 0));
}

static int op_seek(void)
{
	_cleanup_close_ int fd = open(at("a"), O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	return lseek(fd, 0, SEEK_HOLE) == SIZE ? 0 : -errno;
}

static int allocate(off_t length)
{
	_cleanup_close_ int fd = open(at("a"), O_RDWR | O_CLOEXEC);

	return fd < 0 ? -errno : result_of(fallocate(fd, 0, SIZE, length));
}

static int op_allocate(void)
{
	return allocate(SIZE);
}

static bool allocated(void)
{
	struct stat found;

	return stat(stored("a"), &found) == 0 && found.st_size == SIZE + SIZE &&
	       found.st_blocks == (SIZE + SIZE) / 512;
}

static int op_allocate_long(void)
{
	return allocate(LONG_ALLOCATION);
}

static bool allocated_long(void)
{
	struct stat found;

	return stat(stored("a"), &found) == 0 && found.st_size == SIZE + LONG_ALLOCATION &&
	       found.st_blocks == (SIZE + LONG_ALLOCATION) / 512;
}

static int op_copy(void)
{
	_cleanup_close_ int in = open(at("a"), O_RDONLY | O_CLOEXEC);
	_cleanup_close_ int out = in < 0 ? -1 : open(at("b"), O_RDWR | O_CLOEXEC);
	off_t from = 0;
	off_t to = 0;

	if (out < 0)
		return -errno;
	while (from < SIZE) {
		ssize_t length = copy_file_range(in, &from, out, &to, (size_t)(SIZE - from), 0);

		if (length <= 0)
			return length < 0 ? -errno : -EBADMSG;
	}
	return 0;
}

static bool copied(void)
{
	return consists_of("b", 'a');
}

static void bytes_and_opens(void **unused)
{
	static const struct shortage_operation operations[] = {
		{"open", prepare, op_open, NULL, 0, NULL},
		{"open twice", prepare, op_open_twice, NULL, 0, NULL},
		{"open truncating", prepare, op_open_truncating, is_empty, 0, NULL},
		{"read", prepare, op_read, NULL, 0, NULL},
		{"read little", prepare, op_read_little, NULL, 0, NULL},
		{"write", prepare, op_write, written, 0, NULL},
		{"write little", prepare, op_write_little, written_little, 0, NULL},
		{"view", prepare, op_view, NULL, 0, NULL},
		{"fstat", prepare, op_fstat, NULL, 0, NULL},
		{"ftruncate", prepare, op_ftruncate, is_empty, 0, NULL},
		{"seek", prepare, op_seek, NULL, 0, NULL},
		{"allocate", prepare, op_allocate, allocated, 0, NULL},
		{"allocate long", prepare, op_allocate_long, allocated_long, 0, NULL},
		{"copy", prepare, op_copy, copied, 0, NULL},
	};

	(void)unused;
	shortage_walk(&mount, operations, sizeof(operations) / sizeof(operations[0]));
}

static unsigned long used_blocks(void)
{
	struct statvfs found;

	check(statvfs(mount.store, &found));
	return found.f_blocks - found.f_bfree;
}

/* Nobody repeats a close or a forget. */
static void closing_needs_no_memory(void **unused)
{
	_cleanup_closedir_ DIR *dir = NULL;
	unsigned long before;
	int fds[2];

	(void)unused;
	prepare();
	before = used_blocks();
	for (int i = 0; i < 2; i++) {
		fds[i] = (int)check(open(at("new"), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
		check(fallocate(fds[i], 0, 0, 1 << 20));
		check(unlink(at("new")));
	}
	dir = opendir(mount.path);
	assert_non_null(dir);
	assert_non_null(readdir(dir));
	assert_int_equal(mount_handles(&mount), 3);
	assert_true(used_blocks() >= before + (2u << 20) / 4096);

	shortage_begin(FAIL_IN_WORKER, 1, SHORTAGE_ALL, 0);
	check(close(fds[0]));
	check(close(fds[1]));
	check(closedir(dir));
	dir = NULL;
	assert_int_equal(mount_verify(&mount, 0), 0);
	/* the kernel forgets an unused file without a name at once, and its memory is free */
	assert_true(wait_for(used_blocks() == before));
	shortage_end();
	assert_true(no_lost_descriptors(&mount) && no_lost_backing_ids(&mount));
}

/* Once a page is written back, the kernel may drop it. */
static void views_are_written_back(void **unused)
{
	_cleanup_close_ int fd = -1;
	char *view;

	(void)unused;
	prepare();
	fd = (int)check(open(at("a"), O_RDWR | O_CLOEXEC));
	view = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(view, MAP_FAILED);
	memset(view, 'w', SIZE);
	shortage_begin(FAIL_IN_WORKER, 1, SHORTAGE_ALL, 0);
	check(sync_file_range(fd, 0, SIZE,
			      SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE |
				      SYNC_FILE_RANGE_WAIT_AFTER));
	munmap(view, SIZE);
	check(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED));
	shortage_end();
	assert_true(written());
}

static int start(const char *mode)
{
	const struct mount_spec spec = {
		.tag = mode,
		.preload = preload_path("failmalloc"),
		.options = path_of("io_mode=%s,entry_timeout=0,attr_timeout=0", mode),
	};

	return mount_start(&mount, &spec);
}

static int stop(void **unused)
{
	(void)unused;
	shortage_end();
	return mount_stop(&mount);
}

int main(void)
{
	static const struct CMUnitTest cases[] = {
		cmocka_unit_test(closing_needs_no_memory),
		cmocka_unit_test(views_are_written_back),
		cmocka_unit_test(bytes_and_opens),
	};

	shortage_setup();
	return run_in_each_mode(cases, sizeof(cases) / sizeof(cases[0]), start, stop);
}
