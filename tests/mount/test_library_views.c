// SPDX-License-Identifier: MIT
/*
 * libsegfs: views. On a mount of segfs, with and without passthrough, and in a directory of another file
 * system, where all is the same.
 */
#include "lib/segfs.h"
#include "tests/lib/process.h"
#include "tests/lib/worker.h"
#include "tests/mount/library.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGES 8

static struct segfs_segment *segment; /* of PAGES pages, each filled with a letter */
static size_t page;

static void fill(void)
{
	static char bytes[65536];

	assert_true(page <= sizeof(bytes));
	for (int i = 0; i < PAGES; i++) {
		memset(bytes, 'a' + i, page);
		assert_int_equal(pwrite(segfs_fd(segment), bytes, page, (off_t)((size_t)i * page)), page);
	}
}

static int set_up(void **unused)
{
	const struct segfs_creation creation = {.size = PAGES * page, .mode = 0666};

	(void)unused;
	if (segfs_create("segment", &creation, &segment) != 0)
		return -1;
	fill();
	return 0;
}

static int tear_down(void **unused)
{
	(void)unused;
	segfs_close(segment);
	segment = NULL;
	return segfs_remove("segment");
}

static char byte_at(size_t offset)
{
	char byte;

	assert_int_equal(pread(segfs_fd(segment), &byte, 1, (off_t)offset), 1);
	return byte;
}

/* The signal that ends a child which calls this; 0 = none. */
static int signal_of(void (*call)(void *context), void *context)
{
	int status;
	pid_t child;

	fflush(NULL);
	child = (pid_t)check(fork());
	if (child == 0) {
		const struct rlimit none = {0, 0};

		setrlimit(RLIMIT_CORE, &none);
		signal(SIGSEGV, SIG_DFL);
		signal(SIGBUS, SIG_DFL);
		call(context);
		_exit(0);
	}
	check(waitpid(child, &status, 0));
	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void store_byte(void *at)
{
	*(volatile char *)at = 'z';
}

static void load_byte(void *at)
{
	(void)*(volatile char *)at;
}

static void any_offset_and_length(void **unused)
{
	const size_t offsets[] = {0, 1, page - 1, page, page + 1, 3 * page + 77, PAGES * page - 1};
	struct segfs_view *view;

	(void)unused;
	for (size_t i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++) {
		const char *data;

		assert_int_equal(segfs_map(segment, offsets[i], 0, 0, NULL, &view), 0);
		assert_int_equal(segfs_view_length(view), PAGES * page - offsets[i]);
		data = segfs_view_data(view);
		assert_int_equal((uintptr_t)data % page, offsets[i] % page);
		for (size_t at = 0; at < segfs_view_length(view); at++)
			assert_int_equal(data[at], 'a' + (int)((offsets[i] + at) / page));
		segfs_unmap(view);
	}
	assert_int_equal(segfs_map(segment, page / 2, 3, SEGFS_MAP_WRITE, NULL, &view), 0);
	assert_int_equal(segfs_view_length(view), 3);
	memcpy(segfs_view_data(view), "xyz", 3);
	assert_int_equal(byte_at(page / 2), 'x');
	assert_int_equal(byte_at(page / 2 + 3), 'a');
	segfs_unmap(view);
	segfs_unmap(NULL);
}

static void refused(void **unused)
{
	struct segfs_segment *readable;
	struct segfs_view *view = NULL;

	(void)unused;
	assert_int_equal(segfs_open("segment", 0, 0, &readable), 0);
	assert_int_equal(segfs_map(readable, 0, 0, SEGFS_MAP_WRITE, NULL, &view), -EACCES);
	assert_int_equal(segfs_map(readable, 0, 0, 64, NULL, &view), -EINVAL);
	assert_int_equal(segfs_map(segment, 0, 0, SEGFS_MAP_WRITE | SEGFS_MAP_COPY, NULL, &view), -EINVAL);
	assert_int_equal(segfs_map(segment, PAGES * page, 0, 0, NULL, &view), -EINVAL);
	assert_int_equal(segfs_map(segment, UINT64_C(1) << 63, 1, 0, NULL, &view), -EOVERFLOW);
	assert_int_equal(segfs_map(segment, 1, SIZE_MAX, 0, NULL, &view), -EOVERFLOW);
	assert_int_equal(segfs_map(segment, INT64_MAX, 2, 0, NULL, &view), -EOVERFLOW);
	assert_int_equal(segfs_map(segment, 0, (size_t)1 << 60, 0, NULL, &view), -ENOMEM);
	assert_null(view);
	segfs_close(readable);
}

static void as_allowed(void **unused)
{
	struct segfs_segment *readable;
	struct segfs_view *view;

	(void)unused;
	assert_int_equal(segfs_map(segment, 0, 0, 0, NULL, &view), 0);
	assert_int_equal(signal_of(store_byte, segfs_view_data(view)), SIGSEGV);
	segfs_unmap(view);
	/* a copy needs no right to write */
	assert_int_equal(segfs_open("segment", 0, 0, &readable), 0);
	assert_int_equal(segfs_map(readable, 0, 0, SEGFS_MAP_COPY, NULL, &view), 0);
	*(char *)segfs_view_data(view) = 'z';
	assert_int_equal(byte_at(0), 'a');
	segfs_unmap(view);
	segfs_close(readable);
}

static void code(void **unused)
{
#if defined(__x86_64__)
	static const unsigned char answer[] = {0xb8, 42, 0, 0, 0, 0xc3}; /* mov eax, 42; ret */
#elif defined(__aarch64__)
	static const unsigned char answer[] = {0x40, 0x05, 0x80, 0x52, 0xc0, 0x03, 0x5f, 0xd6};
#else
	static const unsigned char answer[] = {0};
#endif
	struct segfs_view *view;
	int (*function)(void);
	void *data;

	(void)unused;
	if (sizeof(answer) == 1)
		skip_missing("machine code of this processor in this test");
	assert_int_equal(pwrite(segfs_fd(segment), answer, sizeof(answer), 0), sizeof(answer));
	assert_int_equal(segfs_map(segment, 0, 0, SEGFS_MAP_EXECUTE, NULL, &view), 0);
	data = segfs_view_data(view);
	memcpy(&function, &data, sizeof(function));
	assert_int_equal(function(), 42);
	segfs_unmap(view);
	fill();
}

static void where_it_is_wanted(void **unused)
{
	struct segfs_view *first, *second;
	void *address;

	(void)unused;
	assert_int_equal(segfs_map(segment, 0, 0, 0, NULL, &first), 0);
	address = segfs_view_data(first);
	/* only a hint: that place is taken */
	assert_int_equal(segfs_map(segment, 0, 0, 0, address, &second), 0);
	assert_ptr_not_equal(segfs_view_data(second), address);
	assert_int_equal(*(char *)segfs_view_data(second), 'a');
	segfs_unmap(first);
	segfs_unmap(second);
	assert_int_equal(segfs_map(segment, 0, 0, 0, address, &first), 0);
	assert_ptr_equal(segfs_view_data(first), address);
	segfs_unmap(first);
}

static void present_from_the_start(void **unused)
{
	static const unsigned int flags[] = {SEGFS_MAP_POPULATE, SEGFS_MAP_LOCK,
					     SEGFS_MAP_POPULATE | SEGFS_MAP_LOCK | SEGFS_MAP_HUGE |
						     SEGFS_MAP_WRITE};

	(void)unused;
	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		unsigned char present[PAGES] = {0};
		struct segfs_view *view;

		assert_int_equal(segfs_map(segment, 0, 0, flags[i], NULL, &view), 0);
		check(mincore(segfs_view_data(view), PAGES * page, present));
		for (int j = 0; j < PAGES; j++)
			assert_true(present[j] & 1);
		segfs_unmap(view);
	}
}

static int lock_too_much(void *unused)
{
	const struct rlimit little = {page, page};
	struct segfs_segment *own;
	struct segfs_view *view = NULL;
	int result;

	(void)unused;
	setrlimit(RLIMIT_MEMLOCK, &little);
	if (segfs_open("segment", 0, 0, &own) < 0)
		return 1;
	result = -segfs_map(own, 0, 0, SEGFS_MAP_LOCK, NULL, &view);
	/* nothing of it stays */
	return result == EAGAIN && segfs_map(own, 0, page, SEGFS_MAP_LOCK, NULL, &view) == 0 ? 0 : 2;
}

static void locked_within_the_limit(void **unused)
{
	(void)unused;
	if (SANITIZED)
		skip_missing("mlock(2), which sanitizers leave out");
	assert_int_equal(as_user(TEST_UID, TEST_GID, lock_too_much, NULL), 0);
}

static void outlives_all(void **unused)
{
	const struct segfs_creation creation = {.size = page, .mode = 0600};
	struct segfs_segment *other;
	struct segfs_view *view;

	(void)unused;
	assert_int_equal(segfs_create("other", &creation, &other), 0);
	assert_int_equal(segfs_map(other, 0, 0, SEGFS_MAP_WRITE, NULL, &view), 0);
	segfs_close(other);
	assert_int_equal(segfs_remove("other"), 0);
	snprintf(segfs_view_data(view), page, "still here");
	if (is_on_segfs())
		worker_replace(&mounted);
	assert_string_equal(segfs_view_data(view), "still here");
	segfs_unmap(view);
}

static void follows_a_growing_segment(void **unused)
{
	struct segfs_view *view;
	char *data;

	(void)unused;
	assert_int_equal(segfs_map(segment, page + 1, 0, SEGFS_MAP_WRITE | SEGFS_MAP_POPULATE, NULL, &view),
			 0);
	assert_int_equal(segfs_resize(segment, 100 * page), 0);
	assert_int_equal(segfs_view_length(view), 7 * page - 1);
	assert_int_equal(segfs_remap(view, segment, 0), 0);
	assert_int_equal(segfs_view_length(view), 99 * page - 1);
	data = segfs_view_data(view);
	assert_int_equal(data[0], 'b');
	assert_int_equal(data[99 * page - 2], 0);
	data[99 * page - 2] = 'e';
	assert_int_equal(byte_at(100 * page - 1), 'e');
	/* and shrinks, before the segment does */
	assert_int_equal(segfs_remap(view, segment, page), 0);
	assert_int_equal(segfs_view_length(view), page);
	assert_int_equal(*(char *)segfs_view_data(view), 'b');
	assert_int_equal(segfs_resize(segment, page), 0);
	assert_int_equal(segfs_remap(view, segment, 0), -EINVAL);
	assert_int_equal(segfs_remap(view, segment, (size_t)1 << 60), -ENOMEM);
	assert_int_equal(segfs_view_length(view), page);
	segfs_unmap(view);
}

static int grow_and_write(void *unused)
{
	struct segfs_segment *own;
	int result = segfs_open("segment", SEGFS_WRITE, 0, &own);

	(void)unused;
	if (result == 0)
		result = segfs_resize(own, 50 * page);
	if (result == 0 && pwrite(segfs_fd(own), "end", 3, (off_t)(50 * page - 3)) != 3)
		result = -EIO;
	return result;
}

static void follows_another_process(void **unused)
{
	struct segfs_view *view;

	(void)unused;
	assert_int_equal(segfs_map(segment, 0, 0, SEGFS_MAP_WRITE, NULL, &view), 0);
	assert_int_equal(as_user(0, 0, grow_and_write, NULL), 0);
	assert_int_equal(segfs_remap(view, segment, 0), 0);
	assert_int_equal(segfs_view_length(view), 50 * page);
	assert_memory_equal((char *)segfs_view_data(view) + 50 * page - 3, "end", 3);
	((char *)segfs_view_data(view))[50 * page - 1] = 't';
	assert_int_equal(byte_at(50 * page - 1), 't');
	segfs_unmap(view);
}

/* The generation, 0 outside of segfs. */
static unsigned long long generation(void)
{
	char value[32];
	ssize_t length = segfs_get(segment, "generation", value, sizeof(value));

	assert_int_equal(length < 0 ? length : 0, is_on_segfs() ? 0 : -EOPNOTSUPP);
	return length < 0 ? 0 : strtoull(value, NULL, 10);
}

static void each_change_of_size_is_seen(void **unused)
{
	const off_t size = (off_t)(PAGES * page);
	unsigned long long last = generation();
	int fd;

	(void)unused;
	if (!is_on_segfs())
		return;
	assert_true(last > 0);
	/* of what changes no size it says nothing */
	assert_int_equal(pwrite(segfs_fd(segment), "x", 1, 0), 1);
	assert_int_equal(segfs_resize(segment, (uint64_t)size), 0);
	assert_true(generation() == last);
	for (int i = 0; i < 5; i++) {
		switch (i) {
		case 0: /* without a request, in direct mode */
			assert_int_equal(pwrite(segfs_fd(segment), "x", 1, size), 1);
			break;
		case 1:
			check(truncate(at("segment"), 10 * size));
			break;
		case 2: /* there and back */
			assert_int_equal(segfs_resize(segment, (uint64_t)size), 0);
			assert_int_equal(segfs_resize(segment, (uint64_t)(10 * size)), 0);
			break;
		case 3:
			fd = (int)check(open(at("segment"), O_RDWR | O_TRUNC | O_CLOEXEC));
			check(ftruncate(fd, 10 * size));
			close(fd);
			break;
		default:
			check(truncate(at("segment"), 1));
			check(truncate(at("segment"), 10 * size));
		}
		assert_true(generation() > last);
		last = generation();
	}
	worker_replace(&mounted);
	assert_true(generation() == last);
}

static void beyond_the_end(void **unused)
{
	struct segfs_view *view;
	char *data;

	(void)unused;
	/* mapped before it grows */
	assert_int_equal(segfs_map(segment, 0, 2 * PAGES * page, SEGFS_MAP_WRITE, NULL, &view), 0);
	data = segfs_view_data(view);
	assert_int_equal(signal_of(load_byte, data + PAGES * page), SIGBUS);
	assert_int_equal(segfs_resize(segment, 2 * PAGES * page), 0);
	assert_int_equal(data[PAGES * page], 0);
	assert_int_equal(segfs_resize(segment, page), 0);
	assert_int_equal(signal_of(store_byte, data + page), SIGBUS);
	assert_int_equal(data[page - 1], 'a');
	segfs_unmap(view);
}

static void flushed(void **unused)
{
	struct segfs_view *view;

	(void)unused;
	assert_int_equal(segfs_map(segment, 10, 0, SEGFS_MAP_WRITE, NULL, &view), 0);
	*(char *)segfs_view_data(view) = 'f';
	assert_int_equal(segfs_flush(view, 0, 1), 0);
	assert_int_equal(segfs_flush(view, page, 2 * page), 0);
	assert_int_equal(segfs_flush(view, 5, 0), 0);
	assert_int_equal(segfs_flush(view, segfs_view_length(view), 0), 0);
	assert_int_equal(segfs_flush(view, segfs_view_length(view) + 1, 0), -EINVAL);
	assert_int_equal(segfs_flush(view, 1, segfs_view_length(view)), -EINVAL);
	assert_int_equal(byte_at(10), 'f');
	segfs_unmap(view);
}

/* A child has what its parent has, and releases it for itself. */
static void over_a_fork(void **unused)
{
	struct segfs_view *view;
	int status;

	(void)unused;
	assert_int_equal(segfs_map(segment, 0, 0, SEGFS_MAP_WRITE, NULL, &view), 0);
	fflush(NULL);
	if (check(fork()) == 0) {
		*(char *)segfs_view_data(view) = 'k';
		segfs_unmap(view);
		segfs_close(segment);
		_exit(0);
	}
	check(wait(&status));
	assert_int_equal(status, 0);
	assert_int_equal(*(char *)segfs_view_data(view), 'k');
	assert_int_equal(byte_at(0), 'k');
	segfs_unmap(view);
}

int main(void)
{
#define CASE(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
	static const struct CMUnitTest cases[] = {
		CASE(any_offset_and_length),
		CASE(refused),
		CASE(as_allowed),
		CASE(code),
		CASE(where_it_is_wanted),
		CASE(present_from_the_start),
		CASE(locked_within_the_limit),
		CASE(outlives_all),
		CASE(follows_a_growing_segment),
		CASE(follows_another_process),
		CASE(each_change_of_size_is_seen),
		CASE(beyond_the_end),
		CASE(flushed),
		CASE(over_a_fork),
	};

	page = (size_t)sysconf(_SC_PAGESIZE);
	return library_run(cases, sizeof(cases) / sizeof(cases[0]));
}
