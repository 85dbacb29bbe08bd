// SPDX-License-Identifier: MIT
/*
 * Policies of directories, which new entries inherit, and persistence of policies across workers and
 * restarts, in memory and on disk. In direct, mediated and relayed mode.
 */
#include "lib/base/cleanup.h"
#include "tests/lib/acl.h"
#include "tests/lib/modes.h"
#include "tests/lib/process.h"
#include "tests/lib/worker.h"
#include "tests/mount/policy.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

/* --- defaults of directories --- */

static void expect_inherited(const char *path)
{
	expect_field(path, "lock", "mandatory");
	expect_field(path, "writers", "3");
	expect_field(path, "commit", "yes");
	expect_field(path, "size-policy", "fixed");
	expect_field(path, "lifetime", "ttl:1h");
}

static void inherited(void **unused)
{
	_cleanup_close_ int fd = -1;

	(void)unused;
	check(mkdir(at_mount("dir"), 0755));
	make_closed("dir/before", 0);
	check(set(at_mount("dir"), "lock", "mandatory"));
	check(set(at_mount("dir"), "writers", "3"));
	check(set(at_mount("dir"), "commit", "yes"));
	check(set(at_mount("dir"), "size-policy", "fixed"));
	check(set(at_mount("dir"), "lifetime", "ttl:1h"));
	for (int worker = 0; worker < 2; worker++) {
		/* existing entries are unchanged */
		expect_field(at_mount("dir/before"), "lock", "advisory");
		expect_field(at_mount("dir/before"), "lifetime", "persistent");
		make_closed("dir/open", 0);
		expect_inherited(at_mount("dir/open"));
		fd = (int)check(open(at_mount("dir/read-only"), O_RDONLY | O_CREAT | O_CLOEXEC, 0400));
		expect_inherited(at_mount("dir/read-only"));
		cleanup_close(&fd);
		fd = -1;
		check(mknod(at_mount("dir/mknod"), S_IFREG | 0600, 0));
		expect_inherited(at_mount("dir/mknod"));
		check(mkdir(at_mount("dir/sub"), 0755));
		expect_inherited(at_mount("dir/sub"));
		make_closed("dir/sub/open", 0);
		expect_inherited(at_mount("dir/sub/open"));
		fd = (int)check(open(at_mount("dir"), O_RDWR | O_TMPFILE | O_CLOEXEC, 0600));
		check(linkat(AT_FDCWD, path_of("/proc/self/fd/%d", fd), AT_FDCWD, at_mount("dir/tmpfile"),
			     AT_SYMLINK_FOLLOW));
		expect_inherited(at_mount("dir/tmpfile"));
		cleanup_close(&fd);
		fd = -1;
		/* linked and moved files keep their own */
		check(link(at_mount("dir/before"), at_mount("dir/linked")));
		expect_field(at_mount("dir/linked"), "lock", "advisory");
		make_closed("outside", 0);
		check(rename(at_mount("outside"), at_mount("dir/moved")));
		expect_field(at_mount("dir/moved"), "writers", "0");
		check(mkfifo(at_mount("dir/fifo"), 0600));
		check(symlink("open", at_mount("dir/symlink")));
		check_error(ENODATA, getxattr(at_store("dir/fifo"), "trusted.segfs.policy", NULL, 0));
		/* the directory's own policy is unchanged */
		expect_inherited(at_mount("dir"));
		for (const char *const *name =
			     (const char *const[]){"open", "read-only", "mknod", "sub/open", "tmpfile",
						   "linked", "moved", "fifo", "symlink", NULL};
		     *name; name++)
			check(unlink(path_of("%s/dir/%s", mount.path, *name)));
		check(rmdir(at_mount("dir/sub")));
		worker_replace(&mount);
	}
	for (size_t i = 0; i < N_FIELDS; i++)
		check(removexattr(at_mount("dir"), own(fields[i].field)));
	make_closed("dir/after", 0);
	expect_field(at_mount("dir/after"), "lock", "advisory");
	expect_field(at_mount("dir/after"), "lifetime", "persistent");
	check(unlink(at_mount("dir/after")));
	check(unlink(at_mount("dir/before")));
	check(rmdir(at_mount("dir")));
}

static const struct user_acl default_acl = USER_ACL(7, 4321, 6, 5, 7, 1);

struct making {
	const char *dir;
	mode_t umask;
	mode_t mode;
};

/* Alike in directories with and without a policy: 'o' open, 'n' mknod, 'd' mkdir, 't' O_TMPFILE and link. */
static int make_each(void *context)
{
	const struct making *making = context;
	int fd;

	umask(making->umask);
	if (chdir(making->dir) < 0)
		return -errno;
	fd = open("o", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, making->mode);
	if (fd < 0 || close(fd) < 0)
		return -errno;
	if (mknod("n", S_IFREG | making->mode, 0) < 0 || mkdir("d", making->mode) < 0)
		return -errno;
	fd = open(".", O_RDWR | O_TMPFILE | O_CLOEXEC, making->mode);
	if (fd < 0)
		return -errno;
	if (linkat(AT_FDCWD, path_of("/proc/self/fd/%d", fd), AT_FDCWD, "t", AT_SYMLINK_FOLLOW) < 0)
		return -errno;
	return close(fd) < 0 ? -errno : 0;
}

static void expect_same_rights(const char *left, const char *right)
{
	static const char *const acls[] = {"system.posix_acl_access", "system.posix_acl_default"};
	struct stat plain;
	struct stat governed;
	char plain_acl[256];
	char governed_acl[256];

	check(lstat(left, &plain));
	check(lstat(right, &governed));
	assert_int_equal(governed.st_mode, plain.st_mode);
	assert_int_equal(governed.st_uid, plain.st_uid);
	assert_int_equal(governed.st_gid, plain.st_gid);
	assert_int_equal(governed.st_nlink, plain.st_nlink);
	for (size_t i = 0; i < sizeof(acls) / sizeof(acls[0]); i++) {
		ssize_t length = getxattr(left, acls[i], plain_acl, sizeof(plain_acl));

		assert_int_equal(getxattr(right, acls[i], governed_acl, sizeof(governed_acl)), length);
		if (length > 0)
			assert_memory_equal(governed_acl, plain_acl, (size_t)length);
	}
}

static void prepare_place(const char *path, int kind)
{
	check(mkdir(path, 0777));
	check(chmod(path, 0777));
	if (kind == 1) {
		check(chown(path, 0, 777));
		check(chmod(path, 02777));
	}
	if (kind == 2)
		check(setxattr(path, "system.posix_acl_default", &default_acl, sizeof(default_acl), 0));
}

static void rights_of_what_is_made(void **unused)
{
	static const mode_t masks[] = {0, 022, 077, 0777};
	static const mode_t modes[] = {0666, 0640, 0444, 0000, 02755, 06777};
	static const char *const made[] = {"o", "n", "d", "t"};

	(void)unused;
	for (int kind = 0; kind < 3; kind++) {
		prepare_place(at_mount("plain"), kind);
		prepare_place(at_mount("governed"), kind);
		check(set(at_mount("governed"), "writers", "9"));
		for (size_t round = 0;
		     round < 2 * sizeof(modes) / sizeof(modes[0]) * sizeof(masks) / sizeof(masks[0]);
		     round++) {
			struct making making = {
				.dir = at_mount("plain"),
				.umask = masks[round / 2 % (sizeof(masks) / sizeof(masks[0]))],
				.mode = modes[round / 2 / (sizeof(masks) / sizeof(masks[0]))],
			};
			uid_t uid = round % 2 ? TEST_UID : 0;

			assert_int_equal(as_user(uid, uid ? TEST_GID : 0, make_each, &making), 0);
			making.dir = at_mount("governed");
			assert_int_equal(as_user(uid, uid ? TEST_GID : 0, make_each, &making), 0);
			for (size_t i = 0; i < sizeof(made) / sizeof(made[0]); i++) {
				const char *plain = path_of("%s/plain/%s", mount.path, made[i]);
				const char *governed = path_of("%s/governed/%s", mount.path, made[i]);

				expect_same_rights(plain, governed);
				expect_field(governed, "writers", "9");
				check(*made[i] == 'd' ? rmdir(plain) : unlink(plain));
				check(*made[i] == 'd' ? rmdir(governed) : unlink(governed));
			}
		}
		check(rmdir(at_mount("plain")));
		check(rmdir(at_mount("governed")));
	}
}

/* --- kept --- */

static void start_again(void)
{
	assert_int_equal(mount_stop_keep(&mount), 0);
	assert_int_equal(mount_start(&mount, &spec), 0);
}

static void kept_in(const char *dir)
{
	char file[PATH_MAX];
	char made[PATH_MAX];
	int fd;

	snprintf(file, sizeof(file), "%s", path_of("%s/%s/file", mount.path, dir));
	snprintf(made, sizeof(made), "%s", path_of("%s/%s/made", mount.path, dir));

	fd = (int)check(open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0644));
	check(ftruncate(fd, PAGE));
	close(fd);
	close_all_but(0);
	for (size_t i = 0; i < N_FIELDS; i++) {
		check(set(file, fields[i].field, fields[i].other));
		check(set(at_mount(dir), fields[i].field, fields[i].other));
	}
	for (int round = 0; round < 3; round++) {
		if (round == 1)
			worker_replace(&mount);
		if (round == 2)
			start_again();
		/* in force before the first lookup */
		check_error(EPERM, truncate(file, 1));
		for (size_t i = 0; i < N_FIELDS; i++) {
			expect_field(file, fields[i].field, fields[i].as_written);
			expect_field(at_mount(dir), fields[i].field, fields[i].as_written);
		}
		check(mknod(made, S_IFREG | 0600, 0));
		for (size_t i = 0; i < N_FIELDS; i++)
			expect_field(made, fields[i].field, fields[i].as_written);
		check(unlink(made));
	}
	for (size_t i = 0; i < N_FIELDS; i++)
		check(removexattr(at_mount(dir), own(fields[i].field)));
	check(unlink(file));
}

static void kept_over_restarts(void **unused)
{
	(void)unused;
	check(mkdir(at_mount("dir"), 0755));
	kept_in("dir");
	check(rmdir(at_mount("dir")));
	if (disk_directory())
		kept_in("disk");
}

/* --- modes --- */

int main(void)
{
	static const struct CMUnitTest cases[] = {CASE(inherited), CASE(rights_of_what_is_made),
						  CASE(kept_over_restarts)};

	if (geteuid() != 0)
		skip_program("root");
	return run_in_each_mode_with_mand(cases, sizeof(cases) / sizeof(cases[0]), start, stop);
}
