// SPDX-License-Identifier: MIT
/* Device nodes: as on a tmpfs if the mount has -o dev; otherwise refused. */
#include "tests/mount/harness.h"

#include "lib/base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

static struct mount with; /* -o dev */
static struct mount without;
static char native[PATH_MAX];

static int prepare(void **unused)
{
	(void)unused;
	chmod(test_directory(), 0755);
	snprintf(native, sizeof(native), "%s/native", test_directory());
	if (mount_start(&with, &(struct mount_spec){.tag = "with", .options = "dev"}) < 0 ||
	    mount_start(&without, &(struct mount_spec){.tag = "without"}) < 0 || mkdir(native, 0755) < 0)
		return -1;
	return mount("none", native, "tmpfs", 0, "mode=1777");
}

static int finish(void **unused)
{
	int result;

	(void)unused;
	umount2(native, MNT_DETACH);
	result = mount_stop(&with);
	return mount_stop(&without) < 0 ? -1 : result;
}

static void need_mknod(void)
{
	const char *path = path_of("%s/may", native);

	if (mknod(path, S_IFCHR | 0600, makedev(1, 3)) < 0)
		skip_missing("mknod(2) of devices");
	check(unlink(path));
}

static void expect_same(const char *one, const char *other)
{
	struct stat a;
	struct stat b;
	struct statx x;

	check(lstat(one, &a));
	check(lstat(other, &b));
	assert_int_equal(a.st_mode, b.st_mode);
	assert_int_equal(a.st_rdev, b.st_rdev);
	assert_int_equal(a.st_uid, b.st_uid);
	assert_int_equal(a.st_size, b.st_size);
	check(statx(AT_FDCWD, one, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS | STATX_BTIME, &x));
	assert_int_equal(makedev(x.stx_rdev_major, x.stx_rdev_minor), b.st_rdev);
}

static void use(const char *path)
{
	char bytes[4] = "abc";
	int fd = (int)check(open(path, O_RDWR | O_CLOEXEC));

	assert_int_equal(check(write(fd, bytes, 3)), 3);
	assert_int_equal(check(read(fd, bytes, 3)), 3);
	assert_memory_equal(bytes, "\0\0\0", 3);
	check(close(fd));
}

static void made_and_opened(void **unused)
{
	const struct {
		mode_t mode;
		dev_t device;
	} devices[] = {
		{S_IFCHR | 0640, makedev(1, 3)},
		{S_IFBLK | 0600, makedev(7, 0)},
		{S_IFCHR | 0666, makedev(4095, 1048575)},
		{S_IFBLK | 0666, makedev(259, 70000)},
		{S_IFCHR | 0600, 0},
	};

	(void)unused;
	need_mknod();
	for (int round = 0; round < 2; round++) {
		for (size_t i = 0; i < sizeof(devices) / sizeof(devices[0]); i++) {
			char path[PATH_MAX + 8];
			char other[PATH_MAX + 8];

			snprintf(path, sizeof(path), "%s/device", with.path);
			snprintf(other, sizeof(other), "%s/device", native);
			check(mknod(path, devices[i].mode, devices[i].device));
			check_error(EEXIST, mknod(path, devices[i].mode, devices[i].device));
			check(mknod(other, devices[i].mode, devices[i].device));
			expect_same(path, other);
			check(chown(path, TEST_UID, TEST_GID));
			check(chmod(path, 0604));
			check(rename(path, path_of("%s/renamed", with.path)));
			assert_int_equal(access(path, F_OK), -1);
			check(unlink(path_of("%s/renamed", with.path)));
			check(unlink(other));
		}
		/* the kernel opens the device, not the daemon */
		check(mknod(path_of("%s/zero", with.path), S_IFCHR | 0666, makedev(1, 5)));
		use(path_of("%s/zero", with.path));
		mount_kill_worker(&with);
		use(path_of("%s/zero", with.path));
		check(unlink(path_of("%s/zero", with.path)));
	}
}

static int make_device(void *path)
{
	return mknod(path, S_IFCHR | 0600, makedev(1, 3)) < 0 ? -errno : 0;
}

static int make_whiteout(void *path)
{
	return mknod(path, S_IFCHR | 0600, 0) < 0 ? -errno : 0;
}

static void who_may(void **unused)
{
	const struct mount *mounts[] = {&with, &without};

	(void)unused;
	for (size_t i = 0; i < 2; i++) {
		char path[PATH_MAX + 8];

		check(chmod(mounts[i]->path, 01777));
		snprintf(path, sizeof(path), "%s/of-user", mounts[i]->path);
		assert_int_equal(as_user(TEST_UID, TEST_GID, make_device, path), -EPERM);
		assert_int_equal(access(path, F_OK), -1);
		assert_int_equal(as_user(TEST_UID, TEST_GID, make_whiteout, path), 0);
		check(unlink(path));
	}
}

static void not_without(void **unused)
{
	const char *path = path_of("%s/device", without.path);
	const char *in_store = path_of("%s/device", without.store);
	struct statvfs found;

	(void)unused;
	need_mknod();
	check_error(EPERM, mknod(path, S_IFCHR | 0600, makedev(1, 3)));
	check_error(EPERM, mknod(path, S_IFBLK | 0600, makedev(7, 0)));
	assert_int_equal(access(path, F_OK), -1);
	/* a device node created past the mount is visible, but can't be opened */
	check(mknod(in_store, S_IFCHR | 0666, makedev(1, 3)));
	assert_true(wait_for(access(path, F_OK) == 0));
	expect_same(path, in_store);
	check_error(EACCES, open(path, O_RDONLY | O_CLOEXEC));
	check(unlink(path));
	check(statvfs(without.path, &found));
	assert_true(found.f_flag & ST_NODEV);
	check(statvfs(with.path, &found));
	assert_false(found.f_flag & ST_NODEV);
}

static bool worker_may(const struct mount *mount)
{
	char text[8192];
	const char *line;

	assert_true(read_text(path_of("/proc/%lld/status", mount_status(mount, "worker_pid")), text,
			      sizeof(text)) > 0);
	line = strstr(text, "\nCapEff:\t");
	assert_non_null(line);
	return strtoull(line + 9, NULL, 16) >> CAP_MKNOD & 1;
}

static void the_capability(void **unused)
{
	(void)unused;
	need_mknod();
	assert_true(worker_may(&with));
	assert_false(worker_may(&without));
}

int main(void)
{
	static const struct CMUnitTest cases[] = {
		cmocka_unit_test(made_and_opened),
		cmocka_unit_test(who_may),
		cmocka_unit_test(not_without),
		cmocka_unit_test(the_capability),
	};

	if (geteuid() != 0)
		skip_program("root");
	return cmocka_run_group_tests_name("devices", cases, prepare, finish);
}
