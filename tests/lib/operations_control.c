// SPDX-License-Identifier: MIT
/* Operations on the files under .segfs. */
#include "lib/base/cleanup.h"
#include "tests/lib/operations_facts.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>

#define TEXT_MAX 8192

static const char *control(const char *name)
{
	return path_of("%s/.segfs/%s", scene_mount()->path, name);
}

static int op_list(void)
{
	return has_noted_names(control("."));
}

static void prepare_list(void)
{
	note_names(control("."));
}

/* Returns 0 if a file under .segfs contains all texts in this order; NULL terminates them. */
static int tells(const char *name, const char *const texts[])
{
	char text[TEXT_MAX];
	ssize_t length = read_text(control(name), text, sizeof(text));
	const char *at = text;

	if (length < 0)
		return (int)length;
	for (; at && *texts; texts++)
		at = strstr(at, *texts);
	return at ? 0 : -EBADMSG;
}

static int op_version(void)
{
	static const char *const texts[] = {"segfs ", "\n", NULL};

	return tells("version", texts);
}

static int op_status(void)
{
	static const char *const texts[] = {
		"{\n", "\"operations\": {", "\"stores\": [", "\"bytes_used\": ", "\n}\n", NULL};

	return tells("status", texts);
}

static int op_config(void)
{
	static const char *const texts[] = {"[mount]", "sources = posix, sysv, process\n", NULL};

	return tells("config", texts);
}

static int op_locks(void)
{
	static const char *const texts[] = {" ADVISORY ", " READ ", " a\n", NULL};
	struct flock lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET};
	_cleanup_close_ int fd = open(in_mount("a"), O_RDWR | O_CLOEXEC);

	if (fd < 0 || fcntl(fd, F_OFD_SETLK, &lock) < 0)
		return -errno;
	return tells("locks", texts);
}

/* An open file, and a view of another file whose descriptor is closed. Without passthrough it is still open.
 */
static int op_attached(void)
{
	const char *const texts[] = {path_of("%d ", getpid()), " rw ", " a\n", NULL};
	const bool is_open = !kernel_has("passthrough");
	const char *const views[] = {path_of("%d ", getpid()), is_open ? " rw relayed " : " rw view - ",
				     "file\n", NULL};
	_cleanup_close_ int fd = open(in_mount("a"), O_RDWR | O_CLOEXEC);
	_cleanup_close_ int other = open(in_mount("file"), O_RDWR | O_CLOEXEC);
	void *view;
	int result;

	if (fd < 0 || other < 0)
		return -errno;
	view = mmap(NULL, SCENE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, other, 0);
	if (view == MAP_FAILED)
		return -errno;
	close(take_fd(&other));
	/* RELEASE follows close(2) asynchronously */
	result = mount_verify(scene_mount(), is_open ? 2 : 1) < 0 ? -ETIMEDOUT : tells("attached", texts);
	result = and_also(result, tells("attached", views));
	munmap(view, SCENE_SIZE);
	return result;
}

static int op_policies(void)
{
	static const char *const texts[] = {"commit=yes a\n", NULL};
	int result = result_of(setxattr(in_mount("a"), "user.segfs.commit", "yes", 3, 0));

	return and_also(result, tells("policies", texts));
}

static int op_look(void)
{
	int flags = 0;
	char byte;
	struct statx found;
	struct stat stat_buffer;
	struct statvfs usage;
	_cleanup_close_ int dir = open(control("."), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_close_ int fd = open(control("version"), O_RDONLY | O_CLOEXEC);

	if (dir < 0 || fd < 0 || fsync(fd) < 0 || fsync(dir) < 0 || fstat(fd, &stat_buffer) < 0 ||
	    pread(fd, &byte, 1, 2) < 0 ||
	    statx(AT_FDCWD, control("version"), AT_STATX_FORCE_SYNC, STATX_ALL, &found) < 0 ||
	    statvfs(control("."), &usage) < 0)
		return -errno;
	if (ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0 || errno != ENOTTY)
		return -errno;
	return byte == 'g' && has_value(control("version"), "source", "control") == 0
		       ? result_of(lseek(fd, 0, SEEK_HOLE))
		       : -EBADMSG;
}

/* The facts include the number of opens. */
static void prepare_facts(void)
{
	assert_int_equal(mount_verify(scene_mount(), 0), 0);
	note_attributes(control("version"));
}

static int op_facts(void)
{
	return has_noted_attributes(control("version"));
}

/* Useless, but any file that can be opened can be locked. */
static int op_lock(void)
{
	struct flock lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET};
	struct flock found = {.l_type = F_RDLCK, .l_whence = SEEK_SET};
	_cleanup_close_ int fd = open(control("version"), O_RDONLY | O_CLOEXEC);

	if (fd < 0 || fcntl(fd, F_OFD_SETLK, &lock) < 0 || fcntl(fd, F_GETLK, &found) < 0 ||
	    fcntl(fd, F_OFD_SETLKW, &lock) < 0 || flock(fd, LOCK_SH | LOCK_NB) < 0)
		return -errno;
	return 0;
}

static int op_what_can_not_be_done(void)
{
	const char *version = control("version");
	const char *new_name = control("new");
	int result = result_of_failure(EPERM, open(version, O_RDWR | O_CLOEXEC));

	result = and_also(result,
			  result_of_failure(EPERM, open(new_name, O_RDWR | O_CREAT | O_CLOEXEC, 0600)));
	result = and_also(result,
			  result_of_failure(EPERM, open(control("."), O_RDWR | O_TMPFILE | O_CLOEXEC, 0600)));
	result = and_also(result, result_of_failure(EPERM, truncate(version, 0)));
	result = and_also(result, result_of_failure(EPERM, chmod(version, 0600)));
	result = and_also(result, result_of_failure(EPERM, unlink(version)));
	result = and_also(result, result_of_failure(EPERM, rename(version, new_name)));
	result = and_also(result, result_of_failure(EPERM, renameat2(AT_FDCWD, version, AT_FDCWD,
								     control("status"), RENAME_EXCHANGE)));
	result = and_also(result, result_of_failure(EPERM, link(version, new_name)));
	result = and_also(result, result_of_failure(EPERM, symlink("a", new_name)));
	result = and_also(result, result_of_failure(EPERM, mkdir(new_name, 0700)));
	result = and_also(result, result_of_failure(EPERM, mknod(new_name, S_IFREG | 0600, 0)));
	result = and_also(result, result_of_failure(EPERM, setxattr(version, "user.of", "us", 2, 0)));
	return and_also(result, result_of_failure(EPERM, removexattr(version, "user.of")));
}

const struct operation operations_on_control[] = {
	{.name = "list control", .in = IN_STORE | IN_CONTROL, .run = op_list, .prepare = prepare_list},
	{.name = "version", .in = IN_STORE | IN_CONTROL, .run = op_version},
	{.name = "status", .in = IN_STORE | IN_CONTROL, .run = op_status},
	{.name = "config", .in = IN_STORE | IN_CONTROL, .run = op_config},
	{.name = "locks", .in = IN_STORE | IN_CONTROL, .run = op_locks},
	{.name = "attached", .in = IN_CONTROL, .run = op_attached, .looks_at_all = true, .alike = true},
	{.name = "policies", .in = IN_CONTROL, .run = op_policies},
	{.name = "look", .in = IN_CONTROL, .run = op_look},
	{.name = "facts", .in = IN_CONTROL, .run = op_facts, .prepare = prepare_facts},
	{.name = "lock control", .in = IN_CONTROL, .run = op_lock},
	{.name = "what can't be done", .in = IN_CONTROL, .run = op_what_can_not_be_done, .alike = true},
	{0},
};
