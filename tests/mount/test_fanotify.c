// SPDX-License-Identifier: MIT
/*
 * What the kernel does not support on any FUSE file system, and the alternatives: statfs(2) has no f_fsid, so
 * that fanotify(7) reports file handles for inode marks only; statx(2) has no attribute bits, ioctl(2) has
 * them.
 */
#include "tests/mount/harness.h"

#include "lib/base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <poll.h>
#include <sys/fanotify.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

static struct mount mounted;

static int prepare(void **unused)
{
	(void)unused;
	return mount_start(&mounted, &(struct mount_spec){0});
}

static int finish(void **unused)
{
	(void)unused;
	return mount_stop(&mounted);
}

static int group(unsigned int flags)
{
	int fd = fanotify_init(FAN_CLASS_NOTIF | FAN_CLOEXEC | FAN_NONBLOCK | flags, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		skip_missing("fanotify");
	return fd;
}

static void make_file(const char *name)
{
	check(close((int)check(
		open(path_of("%s/%s", mounted.path, name), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600))));
}

static bool tells(int fd, uint64_t event)
{
	_Alignas(struct fanotify_event_metadata) char buffer[4096];
	struct fanotify_event_metadata *metadata = (void *)buffer;
	ssize_t length = read(fd, buffer, sizeof(buffer));
	bool found = false;

	for (; length > 0 && FAN_EVENT_OK(metadata, length); metadata = FAN_EVENT_NEXT(metadata, length)) {
		found |= (metadata->mask & event) != 0;
		if (metadata->fd >= 0)
			close(metadata->fd);
	}
	return found;
}

static void handles_by_inode(void **unused)
{
	_cleanup_close_ int fd = group(FAN_REPORT_FID);
	struct statfs found;
	int result;

	(void)unused;
	check(statfs(mounted.path, &found));
	result = fanotify_mark(fd, FAN_MARK_ADD | FAN_MARK_FILESYSTEM, FAN_CREATE | FAN_ONDIR, AT_FDCWD,
			       mounted.path);
	if (found.f_fsid.__val[0] || found.f_fsid.__val[1])
		assert_int_equal(result, 0);
	else
		assert_true(result < 0 && errno == ENODEV);
	if (fanotify_mark(fd, FAN_MARK_ADD, FAN_CREATE | FAN_ONDIR, AT_FDCWD, mounted.path) < 0)
		skip_missing("fanotify with file handles of a file system without f_fsid (Linux 6.8)");
	make_file("by-inode");
	assert_true(wait_for(tells(fd, FAN_CREATE)));
	check(unlink(path_of("%s/by-inode", mounted.path)));
}

static void descriptors_of_all(void **unused)
{
	_cleanup_close_ int fd = group(0);

	(void)unused;
	check(fanotify_mark(fd, FAN_MARK_ADD | FAN_MARK_FILESYSTEM, FAN_CLOSE_WRITE, AT_FDCWD, mounted.path));
	make_file("any");
	assert_true(wait_for(tells(fd, FAN_CLOSE_WRITE)));
	check(unlink(path_of("%s/any", mounted.path)));
}

static void attribute_bits(void **unused)
{
	int flags = FS_APPEND_FL | FS_NODUMP_FL;
	int found = 0;
	int fd;

	(void)unused;
	make_file("flags");
	fd = (int)check(open(path_of("%s/flags", mounted.path), O_RDONLY | O_CLOEXEC));
	check(ioctl(fd, FS_IOC_SETFLAGS, &flags));
	check(ioctl(fd, FS_IOC_GETFLAGS, &found));
	assert_int_equal(found & flags, flags);
	flags = 0;
	check(ioctl(fd, FS_IOC_SETFLAGS, &flags));
	check(close(fd));
	check(unlink(path_of("%s/flags", mounted.path)));
}

int main(void)
{
	static const struct CMUnitTest cases[] = {
		cmocka_unit_test(handles_by_inode),
		cmocka_unit_test(descriptors_of_all),
		cmocka_unit_test(attribute_bits),
	};

	if (geteuid() != 0)
		skip_program("root");
	return cmocka_run_group_tests_name("fanotify", cases, prepare, finish);
}
