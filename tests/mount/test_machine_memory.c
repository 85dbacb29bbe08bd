// SPDX-License-Identifier: MIT
/* tests/run: alone: measures the shared memory of the machine, and changes its number of huge pages */
/*
 * Memory accounted to the whole machine: it is freed after segfs has opened and closed files. Segments of
 * huge pages.
 */
#include "lib/base/cleanup.h"
#include "tests/lib/modes.h"
#include "tests/mount/sysv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

/* In kB; other programs may change it a little. */
static long shared_memory(void)
{
	char text[4096];
	const char *found;

	assert_true(read_text("/proc/meminfo", text, sizeof(text)) > 0);
	found = strstr(text, "\nShmem:");
	return found ? atol(found + 7) : 0;
}

static void memory_is_given_back(void **state)
{
	const size_t size = 128 << 20;
	long before = shared_memory();
	int id = segment_make(KEY, size, 0600);
	char *memory = attach(id, 0);
	char byte;
	int fd;

	(void)state;
	for (size_t i = 0; i < size; i += PAGE)
		memory[i] = 1;
	check(shmdt(memory));
	fd = open_key(O_RDWR);
	assert_int_equal(pread(fd, &byte, 1, 0), 1);
	check(close(fd));
	assert_true(shared_memory() - before > (100 << 10));
	/* after the close segfs keeps nothing */
	assert_true(wait_for(mount_handles(&mount) == 0));
	check(shmctl(id, IPC_RMID, NULL));
	assert_true(wait_for(shared_memory() - before < (50 << 10)));
	assert_int_equal(segments_pages(), 0);
	/* still open: freed after the close */
	id = segment_make(KEY, size, 0600);
	memory = attach(id, 0);
	for (size_t i = 0; i < size; i += PAGE)
		memory[i] = 1;
	check(shmdt(memory));
	fd = open_key(O_RDWR);
	check(unlink(at_key(KEY)));
	assert_true(shared_memory() - before > (100 << 10));
	mount_kill_worker(&mount);
	assert_int_equal(pread(fd, &byte, 1, (off_t)size - PAGE), 1);
	assert_int_equal(byte, 1);
	check(close(fd));
	assert_true(wait_for(shared_memory() - before < (50 << 10)));
}

/* segfs does not pin memory that it has opened and closed. */
static void memory_goes_with_its_process(void **state)
{
	const size_t size = 64u << 20;
	long before = shared_memory();
	int fd = (int)check(memfd_create("large", MFD_CLOEXEC));
	const char *path = path_of("%s/process/%d/memfd-%d-large", mount.path, getpid(), fd);
	char value[16];
	int front;

	(void)state;
	check(fallocate(fd, 0, 0, (off_t)size));
	assert_true(shared_memory() >= before + (32 << 10));
	front = (int)check(open(path, O_RDWR));
	check(fgetxattr(front, "user.segfs.seals", value, sizeof(value)));
	close(front);
	assert_true(wait_for(mount_handles(&mount) == 0));
	close(fd);
	assert_true(wait_for(shared_memory() < before + (32 << 10)));
}

/* --- huge pages --- */

static long huge_pages(long wanted)
{
	char text[32];

	if (wanted >= 0)
		write_text("/proc/sys/vm/nr_hugepages", path_of("%ld\n", wanted));
	return read_text("/proc/sys/vm/nr_hugepages", text, sizeof(text)) > 0 ? atol(text) : -1;
}

static void expect_huge_bytes(int id, size_t size, size_t page)
{
	char *memory = attach(id, 0);
	struct stat found;
	char bytes[16] = "";
	char *view;
	int fd = open_key(O_RDWR);

	memset(memory, 'h', size);
	check(fstat(fd, &found));
	assert_int_equal(found.st_size, size);
	assert_string_equal(attribute(at_key(KEY), "io-mode"), "relayed");
	assert_int_equal(pread(fd, bytes, 4, (off_t)page - 2), 4);
	assert_memory_equal(bytes, "hhhh", 4);
	assert_int_equal(pwrite(fd, "across", 6, (off_t)page - 3), 6);
	assert_memory_equal(memory + page - 3, "across", 6);
	assert_int_equal(pread(fd, bytes, 16, (off_t)size - 2), 2);
	assert_int_equal(pread(fd, bytes, 16, (off_t)size), 0);
	check_error(EFBIG, pwrite(fd, "x", 1, (off_t)size));
	assert_int_equal(pwrite(fd, "xyz", 3, (off_t)size - 1), 1);
	assert_int_equal(memory[size - 1], 'x');
	/* better no view than one of other pages */
	view = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (view != MAP_FAILED) {
		assert_int_equal(view[0], 'h');
		view[1] = 'v';
		check(msync(view, page, MS_SYNC));
		check(munmap(view, page));
		assert_int_equal(memory[1], 'v');
	}
	check(close(fd));
	check(shmdt(memory));
}

static long huge_before = -1; /* huge pages of the machine before; -1 = unchanged */

static int put_huge_pages_back(void **state)
{
	segments_clean(state);
	if (huge_before >= 0)
		huge_pages(huge_before);
	huge_before = -1;
	return 0;
}

static void huge_pages_are_relayed(void **state)
{
	const size_t page = 2 << 20;
	int id = -1;

	(void)state;
	huge_before = huge_pages(-1);
	if (huge_before >= 0 && huge_pages(huge_before + 3) > huge_before + 2)
		id = shmget((key_t)KEY, page + 100, IPC_CREAT | IPC_EXCL | SHM_HUGETLB | 0600);
	if (id < 0)
		skip_missing("free huge pages");
	expect_huge_bytes(id, page + 100, page);
	check(unlink(at_key(KEY)));
	assert_false(segment_exists(id));
}

int main(void)
{
	static const struct CMUnitTest cases[] = {
		cmocka_unit_test(memory_goes_with_its_process),
		cmocka_unit_test_teardown(huge_pages_are_relayed, put_huge_pages_back),
		CASE(memory_is_given_back),
	};

	if (geteuid() != 0)
		skip_program("root");
	segments_isolate();
	return run_in_each_mode(cases, sizeof(cases) / sizeof(cases[0]), start, stop);
}
