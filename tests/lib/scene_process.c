// SPDX-License-Identifier: MIT
/*
 * The scene of a process: `file` is a memfd, `a` anonymous memory, `b` a removed object; `sealed` and
 * `read-only` are memfds that can't be written.
 */
#include "tests/lib/scene_process.h"
#include "lib/base/cleanup.h"
#include "tests/lib/scene.h"

#include <fcntl.h>
#include <string.h>
#include <sys/uio.h>

static const char *const names[] = {"file", "a", "b"};

static struct target target;

const struct target *scene_target(void)
{
	return &target;
}

static const char *path(const char *name)
{
	if (strcmp(name, "file") == 0)
		return target_memfd(scene_mount(), &target, target.memfd, "plain");
	if (strcmp(name, "sealed") == 0)
		return target_memfd(scene_mount(), &target, target.sealed, "sealed");
	if (strcmp(name, "read-only") == 0)
		return target_memfd(scene_mount(), &target, target.read_only, "read-only");
	if (strcmp(name, "a") == 0)
		return target_anonymous(scene_mount(), &target);
	if (strcmp(name, "b") == 0)
		return target_deleted(scene_mount(), &target);
	return target_path(scene_mount(), &target, name);
}

/* Address in the process; NULL for its memfd, which is not mapped. */
static char *address_of(const char *name)
{
	return strcmp(name, "a") == 0 ? target.anonymous : strcmp(name, "b") == 0 ? target.deleted : NULL;
}

static const char *memfd_path(void)
{
	return path_of("/proc/%d/fd/%d", (int)target.pid, target.memfd);
}

static void put(const char *name, char byte)
{
	char bytes[SCENE_SIZE];
	const struct iovec from = {.iov_base = bytes, .iov_len = sizeof(bytes)};
	const struct iovec to = {.iov_base = address_of(name), .iov_len = sizeof(bytes)};
	_cleanup_close_ int fd = -1;

	memset(bytes, byte, sizeof(bytes));
	if (to.iov_base) {
		assert_int_equal(check(process_vm_writev(target.pid, &from, 1, &to, 1, 0)), sizeof(bytes));
		return;
	}
	fd = (int)check(open(memfd_path(), O_WRONLY | O_CLOEXEC));
	assert_int_equal(check(pwrite(fd, bytes, sizeof(bytes), 0)), sizeof(bytes));
}

static void get(const char *name, char bytes[SCENE_SIZE])
{
	const struct iovec to = {.iov_base = bytes, .iov_len = SCENE_SIZE};
	const struct iovec from = {.iov_base = address_of(name), .iov_len = SCENE_SIZE};
	_cleanup_close_ int fd = -1;

	if (from.iov_base) {
		assert_int_equal(check(process_vm_readv(target.pid, &to, 1, &from, 1, 0)), SCENE_SIZE);
		return;
	}
	fd = (int)check(open(memfd_path(), O_RDONLY | O_CLOEXEC));
	assert_int_equal(check(pread(fd, bytes, SCENE_SIZE, 0)), SCENE_SIZE);
}

static char byte(const char *name)
{
	char bytes[SCENE_SIZE];

	get(name, bytes);
	return bytes[0];
}

static bool memory_is_there(const char *name)
{
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return false;
}

static int begin(void)
{
	target_start(&target, TEST_UID, 0);
	return 0;
}

/* Nothing can be created or removed in a process. */
static void clean(void)
{
}

static void lay(void)
{
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		put(names[i], names[i][0]);
}

static void print(FILE *out)
{
	char bytes[SCENE_SIZE];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		uint32_t sum = 0;

		get(names[i], bytes);
		for (size_t at = 0; at < sizeof(bytes); at++)
			sum = sum * 31 + (unsigned char)bytes[at];
		fprintf(out, "%s bytes %08x\n", names[i], sum);
	}
}

static void end(void)
{
	target_end(&target);
}

const struct scene scene_of_process = {
	.bit = IN_PROCESS,
	.below = "process",
	.path = path,
	.put = put,
	.byte = byte,
	.is_there = memory_is_there,
	.begin = begin,
	.clean = clean,
	.lay = lay,
	.print = print,
	.end = end,
};
