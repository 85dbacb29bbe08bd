// SPDX-License-Identifier: MIT
/* Writing through a mapping, on ordinary memory and, if available, on huge pages. */
#include "tests/unit/features.h"
#include "tests/unit/slots.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "fs/source/huge.h"

static bool can_be_mapped(int fd, size_t size)
{
	void *view = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	return view != MAP_FAILED ? munmap(view, size) == 0 : errno == ENOMEM;
}

static int new_file(unsigned int flags, off_t size)
{
	int fd = memfd_create("test", MFD_CLOEXEC | flags);

	if (fd >= 0)
		assert_int_equal(ftruncate(fd, size), 0);
	return fd;
}

/* All positions of a write relative to pages and to the end, compared with pwrite(2). */
static void writes_as_write_does(void **state)
{
	const off_t page = sysconf(_SC_PAGESIZE), end = 3 * page;
	const off_t offsets[] = {0, 1, page - 1, page, page + 1, 2 * page - 192, end - 1};
	const size_t whole = (size_t)page;
	const size_t sizes[] = {0, 1, 2, whole - 1, whole, whole + 1, 2 * whole + 808, 3 * whole};
	const size_t room = 4 * whole;
	char *data = malloc(room), *mine = malloc(room), *other = malloc(room);

	(void)state;
	need_pages_of_kernel();
	assert_true(data && mine && other);
	for (size_t i = 0; i < room; i++)
		data[i] = (char)(i * 7 + 1);
	for (size_t o = 0; o < sizeof(offsets) / sizeof(offsets[0]); o++) {
		for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
			size_t fits =
				(size_t)(end - offsets[o]) < sizes[s] ? (size_t)(end - offsets[o]) : sizes[s];
			int first = new_file(0, end), second = new_file(0, end);

			assert_int_equal(huge_write(first, data, sizes[s], offsets[o]), fits);
			assert_int_equal(pwrite(second, data, fits, offsets[o]), fits);
			assert_int_equal(pread(first, mine, room, 0), end);
			assert_int_equal(pread(second, other, room, 0), end);
			assert_memory_equal(mine, other, (size_t)end);
			close(first);
			close(second);
		}
	}
	free(data);
	free(mine);
	free(other);
}

/* Another thread truncates and extends a file, as its owner may at any time. */
struct shrinker {
	int fd;
	off_t size;
	atomic_bool stop;
};

static void *shrink(void *context)
{
	struct shrinker *shrinker = context;

	while (!atomic_load(&shrinker->stop)) {
		if (ftruncate(shrinker->fd, 0) < 0 || ftruncate(shrinker->fd, shrinker->size) < 0)
			break;
	}
	return NULL;
}

/* A store past the end would kill the process. */
static void a_file_that_shrinks_is_an_error(void **state)
{
	const off_t size = 8 * sysconf(_SC_PAGESIZE);
	struct shrinker shrinker = {.fd = new_file(0, size), .size = size};
	char *data = calloc(1, (size_t)size);
	pthread_t thread;

	(void)state;
	need_pages_of_kernel();
	assert_non_null(data);
	assert_int_equal(pthread_create(&thread, NULL, shrink, &shrinker), 0);
	for (int i = 0; i < 2000; i++) {
		ssize_t written = huge_write(shrinker.fd, data, (size_t)size, 0);

		assert_true(written > 0 || written == -EFBIG);
	}
	atomic_store(&shrinker.stop, true);
	pthread_join(thread, NULL);
	close(shrinker.fd);
	free(data);
}

static void does_not_grow_files(void **state)
{
	int fd = new_file(0, 4096);
	struct stat stat;

	(void)state;
	assert_int_equal(huge_write(fd, "x", 1, 4096), -EFBIG);
	assert_int_equal(huge_write(fd, "x", 1, 1 << 20), -EFBIG);
	assert_int_equal(huge_write(fd, "x", 0, 1 << 20), 0);
	assert_int_equal(huge_write(fd, "xy", 2, 4095), 1);
	assert_int_equal(fstat(fd, &stat), 0);
	assert_int_equal(stat.st_size, 4096);
	close(fd);
	fd = new_file(0, 0);
	assert_int_equal(huge_write(fd, "x", 1, 0), -EFBIG);
	close(fd);
}

static void says_why_it_writes_nothing(void **state)
{
	int ends[2];

	(void)state;
	assert_int_equal(huge_write(-1, "x", 1, 0), -ENOENT);
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	assert_true(huge_write(ends[1], "x", 1, 0) < 0);
	close(ends[0]);
	close(ends[1]);
}

static void tells_huge_pages_from_others(void **state)
{
	int fd = new_file(0, 0);

	(void)state;
	assert_int_equal(huge_is_on_hugetlbfs(fd), 0);
	assert_int_equal(huge_is_on_hugetlbfs(-1), -EBADF);
	close(fd);
	fd = new_file(MFD_HUGETLB, 0);
	if (fd < 0)
		skip_missing("MFD_HUGETLB");
	assert_int_equal(huge_is_on_hugetlbfs(fd), 1);
	close(fd);
}

/* Free pages decide whether it is written or refused; it never causes a signal. */
static void writes_to_huge_pages(void **state)
{
	int fd = new_file(MFD_HUGETLB, 0);
	struct stat stat;
	char found[4] = "";
	ssize_t written;

	(void)state;
	if (fd < 0)
		skip_missing("MFD_HUGETLB");
	assert_int_equal(fstat(fd, &stat), 0);
	assert_int_equal(ftruncate(fd, stat.st_blksize), 0);
	if (!can_be_mapped(fd, (size_t)stat.st_blksize)) {
		close(fd);
		skip_missing("mappings of huge pages");
	}
	written = huge_write(fd, "text", 4, stat.st_blksize - 2);
	if (written == -ENOMEM) {
		close(fd);
		skip_missing("free huge pages");
	}
	assert_int_equal(written, 2);
	assert_int_equal(pread(fd, found, 4, stat.st_blksize - 2), 2);
	assert_string_equal(found, "te");
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_file_that_shrinks_is_an_error),
		cmocka_unit_test(writes_as_write_does),
		cmocka_unit_test(does_not_grow_files),
		cmocka_unit_test(says_why_it_writes_nothing),
		cmocka_unit_test(tells_huge_pages_from_others),
		cmocka_unit_test(writes_to_huge_pages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
