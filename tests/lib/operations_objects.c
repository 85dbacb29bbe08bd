// SPDX-License-Identifier: MIT
/*
 * Operations that only POSIX objects support, or that they do not; otherwise they behave as files of the
 * store.
 */
#include "lib/base/cleanup.h"
#include "tests/lib/operations_facts.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/xattr.h>

static void prepare_facts(void)
{
	note_attributes(in_mount("a"));
}

static int op_facts(void)
{
	return has_noted_attributes(in_mount("a"));
}

/* A mapping held by the test. */
static void *view;

static void prepare_mapped(void)
{
	int fd = (int)check(open(in_store("a"), O_RDWR | O_CLOEXEC));

	if (view)
		check(munmap(view, SCENE_SIZE));
	view = mmap(NULL, SCENE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(view, MAP_FAILED);
	/* not inherited by processes that the test starts */
	check(madvise(view, SCENE_SIZE, MADV_DONTFORK));
	check(close(fd));
}

static int op_mapped(void)
{
	int result = has_value(in_mount("a"), "mapped", "1");

	result = and_also(result, has_value(in_mount("a"), "mapped-pids", path_of("%d", getpid())));
	result = and_also(result, has_value(in_mount("a"), "orphan", "no"));
	if (result < 0)
		return result;
	check(munmap(view, SCENE_SIZE));
	view = NULL;
	result = has_value(in_mount("a"), "mapped", "0");
	return and_also(result, has_value(in_mount("a"), "orphan", "yes"));
}

static int op_kind(void)
{
	return has_value(in_mount("a"), "kind", "memory");
}

static int op_policy(void)
{
	const char *path = in_mount("a");
	int result = result_of_failure(EOPNOTSUPP, setxattr(path, "user.segfs.lock", "mandatory", 9, 0));

	result = and_also(result, result_of_failure(EPERM, setxattr(path, "user.segfs.mapped", "1", 1, 0)));
	return and_also(result, result_of_failure(EPERM, removexattr(path, "user.segfs.mapped")));
}

const struct operation operations_on_objects[] = {
	{.name = "facts",
	 .in = IN_OBJECTS,
	 .run = op_facts,
	 .prepare = prepare_facts,
	 .looks_at_all = true,
	 .alike = true},
	{.name = "mapped",
	 .in = IN_OBJECTS,
	 .run = op_mapped,
	 .prepare = prepare_mapped,
	 .in_steps = true,
	 .looks_at_all = true,
	 .alike = true},
	{.name = "kind", .in = IN_OBJECTS, .run = op_kind},
	{.name = "policy of object", .in = IN_OBJECTS, .run = op_policy, .alike = true},
	{0},
};
