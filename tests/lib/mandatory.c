// SPDX-License-Identifier: MIT
#include "tests/lib/mandatory.h"
#include "lib/base/cleanup.h"
#include "tests/lib/intruder.h"
#include "tests/lib/leaks.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

struct mount mandatory_mount;
char segment[PATH_MAX];
int owner = -1;

int mandatory_start(const char *mode)
{
	const struct mount_spec spec = {
		.tag = mode,
		.options = path_of("io_mode=%s,mand", mode),
	};

	if (mount_start(&mandatory_mount, &spec) < 0 ||
	    mkdir(path_of("%s/m", mandatory_mount.path), 0755) < 0 ||
	    setxattr(path_of("%s/m", mandatory_mount.path), "user.segfs.lock", "mandatory", 9, 0) < 0)
		return -1;
	snprintf(segment, sizeof(segment), "%s", path_of("%s/m/segment", mandatory_mount.path));
	return 0;
}

int mandatory_stop(void **unused)
{
	(void)unused;
	return mount_stop(&mandatory_mount);
}

void mandatory_make(size_t size)
{
	_cleanup_free_ char *bytes = malloc(size);

	assert_non_null(bytes);
	memset(bytes, 'o', size);
	owner = (int)check(open(segment, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
	assert_int_equal(check(pwrite(owner, bytes, size, 0)), (long long)size);
}

int mandatory_tear_down(void **unused)
{
	(void)unused;
	intruders_end();
	if (owner >= 0)
		close(owner);
	owner = -1;
	check(unlink(segment));
	if (!wait_for(n_waiting() == 0)) {
		fputs("somebody still waits\n", stderr);
		return -1;
	}
	return verify_nothing_lost(&mandatory_mount);
}

void expect_stored(off_t at, off_t size, char byte)
{
	_cleanup_close_ int fd =
		(int)check(open(path_of("%s/m/segment", mandatory_mount.store), O_RDONLY | O_CLOEXEC));
	_cleanup_free_ char *bytes = malloc((size_t)size);

	assert_non_null(bytes);
	assert_int_equal(check(pread(fd, bytes, (size_t)size, at)), size);
	for (off_t i = 0; i < size; i++)
		if (bytes[i] != byte)
			fail_msg("byte %ld is %d, not %d", (long)(at + i), bytes[i], byte);
}

off_t stored_size(void)
{
	struct stat stat;

	check(lstat(path_of("%s/m/segment", mandatory_mount.store), &stat));
	return stat.st_size;
}
