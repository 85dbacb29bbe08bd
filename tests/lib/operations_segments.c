// SPDX-License-Identifier: MIT
/* Operations that only System V segments support, or that they do not. */
#include "lib/base/cleanup.h"
#include "tests/lib/operations_facts.h"
#include "tests/lib/segments.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#define NEW_KEY  0x10
#define ODD_SIZE (SCENE_SIZE + 1) /* not a multiple of the page size */

static struct shmid_ds stat_of_new(void)
{
	static const struct shmid_ds none;
	int id = shmget(NEW_KEY, 0, 0);

	return id < 0 ? none : segment_stat(id);
}

/* The segment has the expected size and creator, and no attachments. */
static bool made(void)
{
	const struct shmid_ds found = stat_of_new();

	return found.shm_segsz == ODD_SIZE && found.shm_nattch == 0 && (found.shm_perm.mode & 0777) == 0640 &&
	       found.shm_perm.uid == 0;
}

static int make_with(int (*give)(int fd))
{
	_cleanup_close_ int fd = open(in_mount("new"), O_RDWR | O_CREAT | O_CLOEXEC, 0640);

	return fd < 0 ? -errno : give(fd);
}

static int by_ftruncate(int fd)
{
	return result_of(ftruncate(fd, ODD_SIZE));
}

static int by_fallocate(int fd)
{
	return result_of(fallocate(fd, 0, 0, ODD_SIZE));
}

static int op_make(void)
{
	return make_with(by_ftruncate);
}

static int op_make_by_fallocate(void)
{
	return make_with(by_fallocate);
}

static int use_made(int fd)
{
	struct stat found;
	char byte = 0;

	if (ftruncate(fd, ODD_SIZE) < 0 || fstat(fd, &found) < 0)
		return -errno;
	if (!made() || found.st_size != ODD_SIZE)
		return -EBADMSG;
	if (pwrite(fd, "m", 1, ODD_SIZE - 1) != 1 || pread(fd, &byte, 1, ODD_SIZE - 1) != 1)
		return -errno;
	return byte == 'm' ? 0 : -EBADMSG;
}

static int op_make_and_use(void)
{
	return make_with(use_made);
}

static int make_as_user(void *unused)
{
	(void)unused;
	return op_make();
}

static int op_make_as_user(void)
{
	return as_user(TEST_UID, TEST_GID, make_as_user, NULL);
}

static bool made_by_user(void)
{
	const struct shmid_ds found = stat_of_new();

	return found.shm_segsz == ODD_SIZE && found.shm_perm.uid == TEST_UID &&
	       found.shm_perm.gid == TEST_GID && found.shm_perm.cuid == TEST_UID;
}

/* A reserved key is a file, and close(2) must report that no segment was created. */
static int op_reserve(void)
{
	int fd = open(in_mount("new"), O_RDWR | O_CREAT | O_CLOEXEC, 0640);
	struct stat found;
	int result;

	if (fd < 0)
		return -errno;
	result = result_of(stat(in_mount("new"), &found));
	if (result == 0 && (found.st_size != 0 || is_there("new")))
		result = -EBADMSG;
	return and_also(result, result_of_failure(EINVAL, close(fd)));
}

static int private_id;

static const char *private_path(void)
{
	return in_mount(path_of("id-%d", private_id));
}

static void prepare_private(void)
{
	private_id = segment_make(IPC_PRIVATE, SCENE_SIZE, 0644);
	segment_fill(private_id, SCENE_SIZE, 'p');
}

static int op_private(void)
{
	_cleanup_close_ int fd = open(private_path(), O_RDWR | O_CLOEXEC);
	char byte = 0;

	if (fd < 0 || pread(fd, &byte, 1, SCENE_SIZE - 1) != 1)
		return -errno;
	return byte == 'p' ? 0 : -EBADMSG;
}

static int op_unlink_private(void)
{
	return result_of(unlink(private_path()));
}

static bool unlinked_private(void)
{
	return !segment_exists(private_id);
}

/* Attached: it is listed under another name until it is detached. */
static void *attached;

static void prepare_attached(void)
{
	if (attached)
		check(shmdt(attached));
	attached = shmat(shmget(0xa, 0, 0), NULL, 0);
	assert_ptr_not_equal(attached, (void *)-1);
	/* not inherited by processes that the test starts */
	check(madvise(attached, SCENE_SIZE, MADV_DONTFORK));
}

static int op_unlink_attached(void)
{
	int id = shmget(0xa, 0, 0);
	struct stat found;
	int result;

	if (id >= 0 && unlink(in_mount("a")) < 0)
		return -errno;
	private_id = id >= 0 ? id : private_id;
	result = result_of(stat(private_path(), &found));
	result = and_also(result, has_value(private_path(), "removed", "yes"));
	result = and_also(result, has_value(private_path(), "nattch", "1"));
	if (result < 0)
		return result;
	check(shmdt(attached));
	attached = NULL;
	return and_also(result, result_of_failure(ENOENT, stat(private_path(), &found)));
}

static int op_attributes(void)
{
	struct stat found;

	if (chmod(in_mount("a"), 0604) < 0 || chown(in_mount("a"), 5, 6) < 0 ||
	    stat(in_mount("a"), &found) < 0)
		return -errno;
	if (found.st_mode != (S_IFREG | 0604) || found.st_uid != 5 || found.st_gid != 6)
		return -EBADMSG;
	/* attaching by the daemon itself is not reported */
	return has_value(in_mount("a"), "last-pid", path_of("%d", getpid()));
}

static bool has_attributes(void)
{
	const struct shmid_ds found = segment_stat(shmget(0xa, 0, 0));

	return (found.shm_perm.mode & 0777) == 0604 && found.shm_perm.uid == 5 && found.shm_perm.gid == 6;
}

/* The size is fixed for life. */
static int op_resize(void)
{
	_cleanup_close_ int fd = open(in_mount("a"), O_RDWR | O_CLOEXEC);
	int result;

	if (fd < 0)
		return -errno;
	result = result_of_failure(EPERM, ftruncate(fd, ODD_SIZE));
	result = and_also(result, result_of_failure(EPERM, truncate(in_mount("a"), 0)));
	result =
		and_also(result, result_of_failure(EPERM, open(in_mount("a"), O_RDWR | O_TRUNC | O_CLOEXEC)));
	result = and_also(result, result_of_failure(EPERM, fallocate(fd, 0, 0, ODD_SIZE)));
	result = and_also(result, result_of_failure(EFBIG, pwrite(fd, "a", 1, SCENE_SIZE)));
	return and_also(result, result_of(ftruncate(fd, SCENE_SIZE)));
}

static void prepare_list(void)
{
	prepare_private();
	note_names(in_mount("."));
}

static int op_list(void)
{
	return has_noted_names(in_mount("."));
}

static void prepare_facts(void)
{
	note_attributes(in_mount("a"));
}

static int op_facts(void)
{
	return has_noted_attributes(in_mount("a"));
}

/* The set of facts depends on the processes that use it. */
static int op_facts_of_use(void)
{
	_cleanup_close_ int fd = open(in_mount("a"), O_RDONLY | O_CLOEXEC);
	int result;

	if (fd < 0)
		return -errno;
	result = has_value(in_mount("a"), "orphan", "no");
	result = and_also(result, has_value(in_mount("a"), "attached", "1"));
	return and_also(result, has_value(in_mount("b"), "orphan", "yes"));
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

static void prepare_forget(void)
{
	put_file("new", 'n');
	put_file("link", 'l');
}

/* Several at once, so that they are sent in one request. */
static int op_forget(void)
{
	static const char *const forgotten[] = {"a", "new", "link"};
	int fds[3];
	int result = 0;

	for (int i = 0; i < 3; i++) {
		fds[i] = open(in_mount(forgotten[i]), O_PATH | O_CLOEXEC);
		if (fds[i] < 0)
			result = -errno;
	}
	for (int i = 0; i < 3 && result == 0; i++)
		result = result_of(unlink(in_mount(forgotten[i])));
	for (int i = 0; i < 3; i++)
		if (fds[i] >= 0)
			close(fds[i]);
	return result;
}

static bool all_forgotten(void)
{
	return !is_there("a") && !is_there("new") && !is_there("link");
}

static int op_create_what_is_none(void)
{
	int result = result_of_failure(EINVAL, open(in_mount("no-key"), O_RDWR | O_CREAT | O_CLOEXEC, 0600));

	result = and_also(result, result_of_failure(EINVAL, open(in_mount("new"),
								 O_RDONLY | O_CREAT | O_CLOEXEC, 0600)));
	result = and_also(
		result,
		result_of_failure(EEXIST, open(in_mount("a"), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600)));
	return and_also(result, result_of_failure(EOPNOTSUPP,
						  open(in_mount("."), O_RDWR | O_TMPFILE | O_CLOEXEC, 0600)));
}

static int op_what_names_can_not_do(void)
{
	int result = result_of_failure(EPERM, rename(in_mount("a"), in_mount("new")));

	result = and_also(result, result_of_failure(EPERM, renameat2(AT_FDCWD, in_mount("a"), AT_FDCWD,
								     in_mount("b"), RENAME_EXCHANGE)));
	result = and_also(result, result_of_failure(EPERM, link(in_mount("a"), in_mount("new"))));
	result = and_also(result, result_of_failure(EPERM, symlink("a", in_mount("new"))));
	result = and_also(result, result_of_failure(EPERM, mkdir(in_mount("new"), 0700)));
	result = and_also(result, result_of_failure(EPERM, mknod(in_mount("new"), S_IFREG | 0600, 0)));
	return and_also(result, result_of_failure(ENOTDIR, rmdir(in_mount("a"))));
}

static int op_attributes_that_stay(void)
{
	const char *path = in_mount("a");
	int result = result_of_failure(EPERM, setxattr(path, "user.segfs.nattch", "1", 1, 0));

	result = and_also(
		result, result_of_failure(EOPNOTSUPP, setxattr(path, "user.segfs.lock", "mandatory", 9, 0)));
	result = and_also(result, result_of_failure(EOPNOTSUPP, setxattr(path, "user.of", "us", 2, 0)));
	result = and_also(result, result_of_failure(EPERM, removexattr(path, "user.segfs.nattch")));
	result = and_also(result, result_of_failure(EPERM, removexattr(path, "user.of")));
	result = and_also(result, result_of_failure(ENODATA, getxattr(path, "user.of", NULL, 0)));
	return and_also(result, result_of_failure(EPERM, utimensat(AT_FDCWD, path, NULL, 0)));
}

const struct operation operations_on_segments[] = {
	{.name = "make", .in = IN_SEGMENTS, .run = op_make, .done = made},
	{.name = "make by fallocate", .in = IN_SEGMENTS, .run = op_make_by_fallocate, .done = made},
	{.name = "make and use", .in = IN_SEGMENTS, .run = op_make_and_use, .done = made, .in_steps = true},
	{.name = "make as user", .in = IN_SEGMENTS, .run = op_make_as_user, .done = made_by_user},
	{.name = "reserve", .in = IN_SEGMENTS, .run = op_reserve},
	{.name = "private", .in = IN_SEGMENTS, .run = op_private, .prepare = prepare_private},
	{.name = "unlink private",
	 .in = IN_SEGMENTS,
	 .run = op_unlink_private,
	 .done = unlinked_private,
	 .prepare = prepare_private},
	{.name = "unlink attached",
	 .in = IN_SEGMENTS,
	 .run = op_unlink_attached,
	 .prepare = prepare_attached,
	 .in_steps = true},
	{.name = "attributes of segment",
	 .in = IN_SEGMENTS,
	 .run = op_attributes,
	 .done = has_attributes,
	 .in_steps = true},
	{.name = "resize", .in = IN_SEGMENTS, .run = op_resize, .alike = true},
	{.name = "list segments", .in = IN_SEGMENTS, .run = op_list, .prepare = prepare_list},
	{.name = "facts",
	 .in = IN_SEGMENTS,
	 .run = op_facts,
	 .prepare = prepare_facts,
	 .looks_at_all = true,
	 .alike = true},
	{.name = "facts of use",
	 .in = IN_SEGMENTS,
	 .run = op_facts_of_use,
	 .looks_at_all = true,
	 .alike = true},
	{.name = "seek and flags", .in = IN_SEGMENTS, .run = op_seek_and_flags},
	{.name = "forget segments",
	 .in = IN_SEGMENTS,
	 .run = op_forget,
	 .done = all_forgotten,
	 .prepare = prepare_forget,
	 .in_steps = true},
	{.name = "create what is none", .in = IN_SEGMENTS, .run = op_create_what_is_none, .alike = true},
	{.name = "what names can't do", .in = IN_SEGMENTS, .run = op_what_names_can_not_do, .alike = true},
	{.name = "attributes that stay", .in = IN_SEGMENTS, .run = op_attributes_that_stay, .alike = true},
	{0},
};
