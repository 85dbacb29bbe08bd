// SPDX-License-Identifier: MIT
/*
 * A daemon with pages of 64 KiB. libfuse derives the largest requests from the page size, and the kernel
 * refuses each read of a request into a buffer that is smaller than the largest one.
 */
#include "lib/base/cleanup.h"
#include "tests/lib/modes.h"
#include "tests/lib/preload.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SIZE ((size_t)5 << 20) /* bytes: more than the largest request */

static struct mount mount;

static int start(const char *mode)
{
	preload_with_sanitizers("");
	return mount_start(&mount, &(struct mount_spec){
					   .options = mode_options(mode),
					   .preload = preload_path("pagesize"),
				   });
}

static int stop(void **unused)
{
	(void)unused;
	return mount_stop(&mount);
}

static size_t transfer(ssize_t (*call)(int fd, void *data, size_t size), int fd, char *data)
{
	size_t done = 0;

	while (done < SIZE) {
		ssize_t length = call(fd, data + done, SIZE - done);

		if (length <= 0)
			break;
		done += (size_t)length;
	}
	return done;
}

static ssize_t put(int fd, void *data, size_t size)
{
	return write(fd, data, size);
}

/* By flags of open(2): through the page cache, or in requests that are as large as possible. */
static void bytes_are_kept(int flags)
{
	_cleanup_close_ int fd = (int)check(
		open(path_of("%s/file", mount.path), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | flags, 0644));
	char *data = aligned_alloc(65536, SIZE), *found = aligned_alloc(65536, SIZE);

	assert_true(data && found);
	for (size_t i = 0; i < SIZE; i++)
		data[i] = (char)(i / 4096 + i);
	memset(found, 0, SIZE);
	assert_int_equal(transfer(put, fd, data), SIZE);
	assert_int_equal(check(lseek(fd, 0, SEEK_SET)), 0);
	assert_int_equal(transfer(read, fd, found), SIZE);
	assert_memory_equal(found, data, SIZE);
	free(data);
	free(found);
}

static void large_requests(void **unused)
{
	(void)unused;
	bytes_are_kept(0);
}

static void large_direct_requests(void **unused)
{
	(void)unused;
	bytes_are_kept(O_DIRECT);
}

int main(void)
{
	static const struct CMUnitTest cases[] = {
		cmocka_unit_test(large_requests),
		cmocka_unit_test(large_direct_requests),
	};

	return run_in_each_mode(cases, sizeof(cases) / sizeof(cases[0]), start, stop);
}
