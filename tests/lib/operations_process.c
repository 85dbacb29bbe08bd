// SPDX-License-Identifier: MIT
/* Operations that only the memory of a process supports, or that it does not. */
#include "lib/base/cleanup.h"
#include "tests/lib/operations_facts.h"
#include "tests/lib/scene_process.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#define OTHER_UID 12346

static const char *processes(void)
{
	return path_of("%s/process", scene_mount()->path);
}

/* All but supervisor, worker and the worker's delegates, and zombies. */
static bool is_shown(pid_t pid)
{
	const pid_t supervisor = scene_mount()->supervisor;
	const pid_t parent = parent_of(pid);
	char text[1024];
	const char *at;

	if (pid == supervisor || parent == supervisor || is_child_of(parent, supervisor) ||
	    read_text(path_of("/proc/%d/stat", pid), text, sizeof(text)) <= 0)
		return false;
	at = strrchr(text, ')');
	return at && at[1] == ' ' && at[2] != 'Z';
}

static int count_processes(const char *directory, bool all, int *count)
{
	_cleanup_closedir_ DIR *dir = opendir(directory);
	const struct dirent *entry;

	*count = 0;
	if (!dir)
		return -errno;
	errno = 0;
	while ((entry = readdir(dir))) {
		pid_t pid = (pid_t)atoi(entry->d_name);

		*count += pid > 0 && (all || is_shown(pid));
		errno = 0;
	}
	return -errno;
}

/*
 * In a PID namespace of the test's own, where processes do not come and go, except the tracer of the worker.
 */
static int op_list_processes(void)
{
	int result;
	int before;
	int found;
	int after;

	assert_int_equal(count_processes("/proc", false, &before), 0);
	result = count_processes(processes(), true, &found);
	assert_int_equal(count_processes("/proc", false, &after), 0);
	return result < 0 ? result : found <= before && found >= after && after >= 2 ? 0 : -EBADMSG;
}

static void prepare_list(void)
{
	note_names(in_mount("."));
}

static int op_list(void)
{
	return has_noted_names(in_mount("."));
}

static int op_name(void)
{
	char name[64];
	ssize_t length = readlink(in_mount("comm"), name, sizeof(name));

	if (length < 0)
		return -errno;
	return length == 12 && memcmp(name, "segfs target", 12) == 0 ? 0 : -EBADMSG;
}

/* Names that do not exist. */
static int op_missing(void)
{
	struct stat found;
	int result = result_of_failure(ENOENT, stat(in_mount("memfd-0-none"), &found));

	result = and_also(result, result_of_failure(ENOENT, stat(in_mount("anon-1000-2000"), &found)));
	result = and_also(result, result_of_failure(ENOENT, stat(in_mount("deleted-1000-none"), &found)));
	result = and_also(result, result_of_failure(ENOENT, stat(in_mount("none"), &found)));
	return and_also(result, result_of_failure(
					ENOENT, stat(path_of("%s/%d", processes(), scene_mount()->supervisor),
						     &found)));
}

/* One of each kind. */
static int op_stat_all(void)
{
	static const char *const names[] = {"file", "a", "b", ".", "comm"};
	struct stat found;
	int result = 0;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]) && result == 0; i++)
		result = result_of(lstat(in_mount(names[i]), &found));
	return result;
}

/* A process of the same user may, another user may not. */
static int read_as_user(void *context)
{
	_cleanup_close_ int fd = open(context, O_RDWR | O_CLOEXEC);
	char byte = 0;

	if (fd < 0 || pread(fd, &byte, 1, 0) != 1)
		return -errno;
	return byte == 'f' ? 0 : -EBADMSG;
}

static int op_open_as_user(void)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s", in_mount("file"));
	return as_user(TEST_UID, TEST_GID, read_as_user, path);
}

static int op_open_as_other(void)
{
	char path[PATH_MAX];
	int result;

	snprintf(path, sizeof(path), "%s", in_mount("file"));
	result = as_user(OTHER_UID, OTHER_UID, read_as_user, path);
	return result == -ENOENT ? 0 : result == 0 ? -EBADMSG : result;
}

static void prepare_facts(void)
{
	note_attributes(in_mount("sealed"));
}

static int op_facts(void)
{
	return and_also(has_noted_attributes(in_mount("sealed")),
			has_value(in_mount("sealed"), "seals", "seal,shrink,grow,write"));
}

static int other_user = -1; /* this process's descriptor of the memfd */

static void prepare_users(void)
{
	if (other_user < 0)
		other_user =
			(int)check(open(path_of("/proc/%d/fd/%d", scene_target()->pid, scene_target()->memfd),
					O_RDWR | O_CLOEXEC));
}

static int op_users(void)
{
	int result = has_value(in_mount("file"), "users", path_of("%d", getpid()));

	if (result < 0)
		return result;
	check(close(other_user));
	other_user = -1;
	return has_value(in_mount("file"), "users", "");
}

/* Files that can't be written. */
static int op_open_to_write(void)
{
	int result = result_of_failure(EPERM, open(in_mount("sealed"), O_RDWR | O_CLOEXEC));

	result =
		and_also(result, result_of_failure(EPERM, open(in_mount("read-only"), O_WRONLY | O_CLOEXEC)));
	result =
		and_also(result, result_of_failure(EPERM, open(in_mount("a"), O_RDWR | O_TRUNC | O_CLOEXEC)));
	return result;
}

static int op_fixed_size(void)
{
	_cleanup_close_ int fd = open(in_mount("a"), O_RDWR | O_CLOEXEC);
	int result;

	if (fd < 0)
		return -errno;
	result = result_of_failure(EPERM, ftruncate(fd, 1));
	result = and_also(result, result_of_failure(EPERM, truncate(in_mount("a"), 2 * SCENE_SIZE)));
	result = and_also(result, result_of_failure(EPERM, fallocate(fd, 0, 0, 2 * SCENE_SIZE)));
	return and_also(result, result_of_failure(EFBIG, pwrite(fd, "a", 1, SCENE_SIZE)));
}

static int op_seek_and_flags(void)
{
	_cleanup_close_ int fd = open(in_mount("a"), O_RDONLY | O_CLOEXEC);
	int flags;

	if (fd < 0)
		return -errno;
	return and_also(result_of_failure(ENOTTY, ioctl(fd, FS_IOC_GETFLAGS, &flags)),
			result_of_bytes(lseek(fd, 0, SEEK_HOLE), SCENE_SIZE));
}

static struct target passing; /* a process that ends */

static void prepare_outlive(void)
{
	target_end(&passing);
	target_start(&passing, TEST_UID, 0);
}

/*
 * Open files stay, the others are gone and forgotten: several at once, so that they are sent in one request.
 */
static int op_outlive(void)
{
	const char *memfd = target_memfd(scene_mount(), &passing, passing.memfd, "plain");
	const char *directory = target_path(scene_mount(), &passing, "");
	_cleanup_close_ int fd = open(memfd, O_RDONLY | O_CLOEXEC);
	char text[sizeof(TARGET_TEXT_MEMFD)];
	struct stat found;
	int result;

	if (fd < 0 || stat(target_anonymous(scene_mount(), &passing), &found) < 0 ||
	    stat(target_deleted(scene_mount(), &passing), &found) < 0)
		return -errno;
	target_end(&passing);
	result = result_of(fstat(fd, &found));
	result = and_also(result, result_of_bytes(pread(fd, text, sizeof(text), 0), sizeof(text)));
	if (result == 0 && memcmp(text, TARGET_TEXT_MEMFD, sizeof(text)) != 0)
		result = -EBADMSG;
	/* the kernel drops nodes that are not open together with the directory */
	close(take_fd(&fd));
	return and_also(result, result_of_failure(ENOENT, stat(directory, &found)));
}

static int op_what_names_can_not_do(void)
{
	int result = result_of_failure(EPERM, open(in_mount("new"), O_RDWR | O_CREAT | O_CLOEXEC, 0600));

	result = and_also(
		result, result_of_failure(EPERM, open(in_mount("."), O_RDWR | O_TMPFILE | O_CLOEXEC, 0600)));
	result = and_also(result, result_of_failure(EPERM, unlink(in_mount("a"))));
	result = and_also(result,
			  result_of_failure(EPERM, rmdir(target_path(scene_mount(), scene_target(), ""))));
	result = and_also(result, result_of_failure(EPERM, rename(in_mount("a"), in_mount("new"))));
	result = and_also(result, result_of_failure(EPERM, renameat2(AT_FDCWD, in_mount("a"), AT_FDCWD,
								     in_mount("b"), RENAME_EXCHANGE)));
	result = and_also(result, result_of_failure(EPERM, link(in_mount("a"), in_mount("new"))));
	result = and_also(result, result_of_failure(EPERM, symlink("a", in_mount("new"))));
	result = and_also(result, result_of_failure(EPERM, mkdir(in_mount("new"), 0700)));
	return and_also(result, result_of_failure(EPERM, mknod(in_mount("new"), S_IFREG | 0600, 0)));
}

static int op_attributes_that_stay(void)
{
	const char *path = in_mount("a");
	int result = result_of_failure(EPERM, setxattr(path, "user.segfs.users", "1", 1, 0));

	result = and_also(
		result, result_of_failure(EOPNOTSUPP, setxattr(path, "user.segfs.lock", "mandatory", 9, 0)));
	result = and_also(result, result_of_failure(EPERM, setxattr(path, "user.of", "us", 2, 0)));
	result = and_also(result, result_of_failure(EPERM, removexattr(path, "user.segfs.users")));
	result = and_also(result, result_of_failure(EPERM, removexattr(path, "user.of")));
	result = and_also(result, result_of_failure(ENODATA, getxattr(path, "user.of", NULL, 0)));
	result = and_also(result, result_of_failure(EPERM, chmod(path, 0644)));
	result = and_also(result, result_of_failure(EPERM, chown(path, 1, 2)));
	return and_also(result, result_of_failure(EPERM, utimensat(AT_FDCWD, path, NULL, 0)));
}

const struct operation operations_on_process[] = {
	{.name = "list processes", .in = IN_PROCESS, .run = op_list_processes},
	{.name = "list memory", .in = IN_PROCESS, .run = op_list, .prepare = prepare_list},
	{.name = "name", .in = IN_PROCESS, .run = op_name},
	{.name = "missing", .in = IN_PROCESS, .run = op_missing},
	{.name = "stat all", .in = IN_PROCESS, .run = op_stat_all},
	{.name = "open as user", .in = IN_PROCESS, .run = op_open_as_user},
	{.name = "open as other", .in = IN_PROCESS, .run = op_open_as_other},
	{.name = "facts",
	 .in = IN_PROCESS,
	 .run = op_facts,
	 .prepare = prepare_facts,
	 .looks_at_all = true,
	 .alike = true},
	{.name = "users",
	 .in = IN_PROCESS,
	 .run = op_users,
	 .prepare = prepare_users,
	 .in_steps = true,
	 .looks_at_all = true,
	 .alike = true},
	{.name = "open to write", .in = IN_PROCESS, .run = op_open_to_write},
	{.name = "fixed size", .in = IN_PROCESS, .run = op_fixed_size},
	{.name = "seek and flags", .in = IN_PROCESS, .run = op_seek_and_flags},
	{.name = "outlive",
	 .in = IN_PROCESS,
	 .run = op_outlive,
	 .prepare = prepare_outlive,
	 .in_steps = true},
	{.name = "what names can't do", .in = IN_PROCESS, .run = op_what_names_can_not_do, .alike = true},
	{.name = "attributes that stay", .in = IN_PROCESS, .run = op_attributes_that_stay, .alike = true},
	{0},
};
