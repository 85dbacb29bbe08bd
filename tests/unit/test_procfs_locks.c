// SPDX-License-Identifier: MIT
/* Lines of /proc/locks, and the locks of this process in it; see lib/base/procfs_locks.h. */
#include "lib/base/cleanup.h"
#include "lib/base/procfs_locks.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

static void known_lines(void **unused)
{
	static const struct {
		const char *line;
		struct procfs_lock lock;
	} known[] = {
		{"1: POSIX  ADVISORY  WRITE 1234 00:2f:567 0 EOF\n",
		 {.inode = 567, .end = UINT64_MAX, .process = 1234, .exclusive = true}},
		{"12: OFDLCK ADVISORY  READ  -1 00:2f:18446744073709551615 4096 9223372036854775806\n",
		 {.inode = UINT64_MAX,
		  .start = 4096,
		  .end = INT64_MAX - 1,
		  .process = -1,
		  .kind = PROCFS_LOCK_OFD}},
		{"3: FLOCK  ADVISORY  WRITE 7 00:2f:1 0 EOF\n",
		 {.inode = 1, .end = UINT64_MAX, .process = 7, .kind = PROCFS_LOCK_FLOCK, .exclusive = true}},
		{"3: -> FLOCK  ADVISORY  READ 8 00:2f:1 0 EOF\n",
		 {.inode = 1, .end = UINT64_MAX, .process = 8, .kind = PROCFS_LOCK_FLOCK, .waits = true}},
		/* waits for one that waits */
		{"3:   -> POSIX  ADVISORY  READ 9 00:2f:1 5 6\n",
		 {.inode = 1, .start = 5, .end = 6, .process = 9, .waits = true}},
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		struct procfs_lock lock;

		assert_true(procfs_parse_lock(known[i].line, &lock));
		assert_int_equal(lock.device, makedev(0, 0x2f));
		assert_int_equal(lock.inode, known[i].lock.inode);
		assert_int_equal(lock.start, known[i].lock.start);
		assert_int_equal(lock.end, known[i].lock.end);
		assert_int_equal(lock.process, known[i].lock.process);
		assert_int_equal(lock.kind, known[i].lock.kind);
		assert_int_equal(lock.exclusive, known[i].lock.exclusive);
		assert_int_equal(lock.waits, known[i].lock.waits);
	}
}

static void other_lines(void **unused)
{
	static const char *const lines[] = {
		"",
		"\n",
		"1:",
		"1: -> ",
		"1: LEASE  ACTIVE    READ  12 00:2f:1 0 EOF\n",
		"1: POSIX  ADVISORY  WRITE 12 <none>:0 0 EOF\n",
		"1: POSIX  *NOINODE* WRITE 12 <none>:0 0 EOF\n",
		"1: POSIX  ADVISORY  UNLCK 12 00:2f:1 0 EOF\n",
		"1: POSIX  ADVISORY  WRITE 12 00:2f:1 0\n",
		"1: POSIX  ADVISORY  WRITE 12 00:2f:1 0 x\n",
		"1: POSIX  ADVISORY  WRITE x 00:2f:1 0 EOF\n",
		"1: A-WORD-THAT-IS-LONGER-THAN-ANY ADVISORY  WRITE 12 00:2f:1 0 EOF\n",
	};
	struct procfs_lock lock;

	(void)unused;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		if (procfs_parse_lock(lines[i], &lock))
			fail_msg("%s", lines[i]);
}

static void own_locks(void **unused)
{
	_cleanup_close_ int fd = memfd_create("locks", MFD_CLOEXEC);
	_cleanup_free_ struct procfs_lock *locks = NULL;
	struct flock range = {.l_type = F_WRLCK, .l_start = 10, .l_len = 5};
	struct stat stat = {0};
	int found = 0;
	ssize_t n;

	(void)unused;
	assert_true(fd >= 0 && fstat(fd, &stat) == 0);
	assert_int_equal(fcntl(fd, F_SETLK, &range), 0);
	assert_int_equal(flock(fd, LOCK_SH), 0);
	n = procfs_find_locks(stat.st_dev, &locks);
	assert_true(n >= 2);
	for (ssize_t i = 0; i < n; i++) {
		assert_int_equal(locks[i].device, stat.st_dev);
		if (locks[i].inode != stat.st_ino)
			continue;
		found++;
		assert_int_equal(locks[i].process, getpid());
		assert_false(locks[i].waits);
		assert_int_equal(locks[i].exclusive, locks[i].kind == PROCFS_LOCK_POSIX);
		assert_int_equal(locks[i].start, locks[i].kind == PROCFS_LOCK_POSIX ? 10 : 0);
		assert_true(locks[i].end == (locks[i].kind == PROCFS_LOCK_POSIX ? 14 : UINT64_MAX));
	}
	assert_int_equal(found, 2);
}

int main(void)
{
	static const struct CMUnitTest cases[] = {
		cmocka_unit_test(known_lines),
		cmocka_unit_test(other_lines),
		cmocka_unit_test(own_locks),
	};

	return cmocka_run_group_tests(cases, NULL, NULL);
}
