// SPDX-License-Identifier: MIT
/* Operations on data. */
#include "lib/base/cleanup.h"
#include "tests/lib/operations.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

static int op_open(void)
{
	_cleanup_close_ int fd = open(in_mount("file"), O_RDONLY | O_CLOEXEC);
	char byte = 0;

	if (fd < 0)
		return -errno;
	if (pread(fd, &byte, 1, SCENE_SIZE - 1) < 0)
		return -errno;
	return byte == 'f' ? 0 : -EBADMSG;
}

static int op_open_twice(void)
{
	_cleanup_close_ int first = open(in_mount("file"), O_RDWR | O_CLOEXEC);
	_cleanup_close_ int second = open(in_mount("file"), O_RDONLY | O_CLOEXEC);
	char byte = 0;

	if (first < 0 || second < 0)
		return -errno;
	if (pwrite(first, "f", 1, 0) != 1 || pread(second, &byte, 1, 0) != 1)
		return -errno;
	return byte == 'f' ? 0 : -EBADMSG;
}

static int op_write(void)
{
	_cleanup_close_ int fd = open(in_mount("file"), O_RDWR | O_CLOEXEC);
	char bytes[SCENE_SIZE];

	if (fd < 0)
		return -errno;
	memset(bytes, 'f', sizeof(bytes));
	if (pwrite(fd, bytes, sizeof(bytes), 0) != sizeof(bytes) ||
	    pread(fd, bytes, sizeof(bytes), 0) != sizeof(bytes))
		return -errno;
	return byte_of("file") == 'f' ? 0 : -EBADMSG;
}

static int op_view(void)
{
	_cleanup_close_ int fd = open(in_mount("file"), O_RDWR | O_CLOEXEC);
	char *view;
	int result;

	if (fd < 0)
		return -errno;
	view = mmap(NULL, SCENE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (view == MAP_FAILED)
		return errno == ENODEV && scene_now()->bit != IN_STORE && !kernel_maps_uncached() ? 0
												  : -errno;
	result = view[0] == 'f' && view[SCENE_SIZE - 1] == 'f' ? 0 : -EBADMSG;
	memset(view, 'f', SCENE_SIZE);
	if (msync(view, SCENE_SIZE, MS_SYNC) < 0)
		result = -errno;
	munmap(view, SCENE_SIZE);
	return result;
}

static int op_open_truncating(void)
{
	_cleanup_close_ int fd = open(in_mount("a"), O_RDWR | O_TRUNC | O_CLOEXEC);
	struct stat stat;

	if (fd < 0 || fstat(fd, &stat) < 0)
		return -errno;
	return stat.st_size == 0 ? 0 : -EBADMSG;
}

static int op_allocate(void)
{
	_cleanup_close_ int fd = open(in_mount("file"), O_RDWR | O_CLOEXEC);

	if (fd < 0 || fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, SCENE_SIZE) < 0)
		return -errno;
	return result_of_bytes(lseek(fd, 0, SEEK_HOLE), SCENE_SIZE);
}

static int op_copy(void)
{
	_cleanup_close_ int in = open(in_mount("file"), O_RDONLY | O_CLOEXEC);
	_cleanup_close_ int out = open(in_mount("a"), O_RDWR | O_CLOEXEC);
	off_t from = 0;
	off_t to = 0;
	int result;

	if (in < 0 || out < 0)
		return -errno;
	result = result_of_bytes(copy_file_range(in, &from, out, &to, SCENE_SIZE, 0), SCENE_SIZE);
	if (result < 0)
		return result;
	return byte_of("a") == 'f' ? 0 : -EBADMSG;
}

/* The replay must not append again. */
static int op_append(void)
{
	_cleanup_close_ int fd = open(in_mount("a"), O_RDWR | O_APPEND | O_CLOEXEC);
	char bytes[8] = "";
	struct stat found;

	if (fd < 0)
		return -errno;
	if (write(fd, "first", 5) != 5 || write(fd, "two", 3) != 3)
		return -errno;
	if (stat(in_store("a"), &found) < 0 || found.st_size != SCENE_SIZE + 8)
		return -EBADMSG;
	if (pread(fd, bytes, 8, SCENE_SIZE) != 8)
		return -errno;
	return memcmp(bytes, "firsttwo", 8) == 0 ? 0 : -EBADMSG;
}

static int op_sync(void)
{
	_cleanup_close_ int fd = open(in_mount("file"), O_RDWR | O_CLOEXEC);
	_cleanup_close_ int dir = open(in_mount("."), O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || dir < 0 || pwrite(fd, "f", 1, 0) != 1 || fsync(fd) < 0 || fdatasync(fd) < 0 ||
	    fsync(dir) < 0)
		return -errno;
	return 0;
}

/* The mount does not know the policy yet, but must enforce it from the first open. */
static void prepare_fixed_size(void)
{
	put_policy("b", "user.segfs.size-policy", "fixed");
}

static int op_fixed_size(void)
{
	_cleanup_close_ int fd = open(in_mount("b"), O_RDWR | O_CLOEXEC);
	int result;

	if (fd < 0 || pwrite(fd, "b", 1, SCENE_SIZE - 1) != 1)
		return -errno;
	result = result_of_failure(EFBIG, pwrite(fd, "b", 1, SCENE_SIZE));
	return result < 0 ? result : result_of_failure(EPERM, ftruncate(fd, 1));
}

/* Writing to another user's set-id program clears its set-id bits. */
static void prepare_program(void)
{
	check(chmod(in_store("a"), 04777));
}

static int write_as_user(void *unused)
{
	_cleanup_close_ int fd = open(in_mount("a"), O_WRONLY | O_CLOEXEC);

	(void)unused;
	return fd < 0 ? -errno : result_of_bytes(pwrite(fd, "A", 1, 0), 1);
}

static int op_write_program(void)
{
	return as_user(TEST_UID, TEST_GID, write_as_user, NULL);
}

static bool written_program(void)
{
	struct stat found;

	return byte_of("a") == 'A' && stat(in_store("a"), &found) == 0 && (found.st_mode & 07777) == 0777;
}

const struct operation operations_on_bytes[] = {
	{.name = "open", .in = IN_ALL, .run = op_open},
	{.name = "open twice", .in = IN_ALL, .run = op_open_twice},
	{.name = "write", .in = IN_ALL, .run = op_write},
	{.name = "view", .in = IN_ALL, .run = op_view},
	{.name = "open truncating", .in = IN_FILES, .run = op_open_truncating},
	{.name = "allocate", .in = IN_FILES, .run = op_allocate},
	{.name = "copy", .in = IN_ALL, .run = op_copy},
	{.name = "append", .in = IN_FILES, .run = op_append, .in_steps = true},
	{.name = "fixed size", .run = op_fixed_size, .prepare = prepare_fixed_size},
	{.name = "write program",
	 .in = IN_FILES,
	 .run = op_write_program,
	 .done = written_program,
	 .prepare = prepare_program,
	 .in_steps = true},
	{.name = "sync", .in = IN_ALL, .run = op_sync},
	{0},
};
