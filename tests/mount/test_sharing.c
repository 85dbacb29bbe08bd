// SPDX-License-Identifier: MIT
/*
 * Views: writes of one process are visible to others at once, through the mount and on the backing file; fact
 * K2. In direct, mediated and relayed mode, with a store in memory and one on disk.
 */
#include "lib/base/cleanup.h"
#include "tests/mount/harness.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#define PAGE  4096
#define PAGES 16
#define TURNS 2000

static const struct environment {
	const char *name;
	const char *options;
	bool on_disk;
	bool shares_pages; /* with the backing file */
} environments[] = {
	{"direct", NULL, false, true},
	{"direct on disk", NULL, true, true},
	{"mediated", "io_mode=mediated", false, true},
	{"mediated on disk", "io_mode=mediated", true, true},
	{"relayed", "io_mode=relayed", false, false},
	{"relayed on disk", "io_mode=relayed", true, false},
};

static const struct environment *environment;
static struct mount mount;
static char front[PATH_MAX]; /* the segment, through the mount */
static char back[PATH_MAX];  /* its backing file */

static int open_both(int *front_fd, int *back_fd)
{
	unlink(front);
	*front_fd = (int)check(open(front, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
	check(ftruncate(*front_fd, (off_t)PAGES * PAGE));
	*back_fd = (int)check(open(back, O_RDWR | O_CLOEXEC));
	return 0;
}

static char *map(int fd, int protection)
{
	char *view = mmap(NULL, (size_t)PAGES * PAGE, protection, MAP_SHARED, fd, 0);

	assert_ptr_not_equal(view, MAP_FAILED);
	return view;
}

static void unmap(char *view)
{
	check(munmap(view, (size_t)PAGES * PAGE));
}

static void the_mode_is_told(void **state)
{
	const char *expected = environment->options ? environment->options + strlen("io_mode=") : "direct";
	char value[64] = "";
	int front_fd;
	int back_fd;

	(void)state;
	open_both(&front_fd, &back_fd);
	check(fgetxattr(front_fd, "user.segfs.io-mode", value, sizeof(value) - 1));
	assert_string_equal(value, expected);
	close(front_fd);
	close(back_fd);
	memset(value, 0, sizeof(value));
	check(getxattr(front, "user.segfs.io-mode", value, sizeof(value) - 1));
	assert_string_equal(value, expected);
	assert_int_equal(getxattr(front, "user.segfs.source", value, sizeof(value)), 5);
	assert_memory_equal(value, "store", 5);
}

static void the_backing_file_mirrors(void **state)
{
	struct stat by_mount;
	struct stat by_store;
	int front_fd;
	int back_fd;

	(void)state;
	open_both(&front_fd, &back_fd);
	check(fchmod(front_fd, 0640));
	check(fchown(front_fd, 5, 6));
	check(fstat(front_fd, &by_mount));
	check(fstat(back_fd, &by_store));
	assert_int_equal(by_store.st_mode, S_IFREG | 0640);
	assert_int_equal(by_store.st_uid, 5);
	assert_int_equal(by_store.st_gid, 6);
	assert_int_equal(by_store.st_size, by_mount.st_size);
	assert_int_equal(by_store.st_nlink, 1);
	close(front_fd);
	close(back_fd);
}

static void pages_are_the_same(void **state)
{
	int front_fd;
	int back_fd;
	char *front_view;
	char *back_view;

	(void)state;
	open_both(&front_fd, &back_fd);
	front_view = map(front_fd, PROT_READ | PROT_WRITE);
	back_view = map(back_fd, PROT_READ | PROT_WRITE);
	for (int i = 0; i < PAGES; i++) {
		/* touched first on one side and then on the other */
		(i % 2 ? front_view : back_view)[i * PAGE] = (char)(i + 1);
		if (environment->shares_pages)
			assert_int_equal((i % 2 ? back_view : front_view)[i * PAGE], i + 1);
		else
			(i % 2 ? back_view : front_view)[i * PAGE] = (char)(i + 1);
	}
	if (physical_page(front_view) == 0)
		skip_missing("page frame numbers in /proc/self/pagemap");
	for (int i = 0; i < PAGES; i++) {
		if (environment->shares_pages)
			assert_int_equal(physical_page(front_view + i * PAGE),
					 physical_page(back_view + i * PAGE));
		else
			assert_int_not_equal(physical_page(front_view + i * PAGE),
					     physical_page(back_view + i * PAGE));
	}
	unmap(front_view);
	unmap(back_view);
	close(front_fd);
	close(back_fd);
}

/* --- two processes --- */

/* At the start of the segment. */
struct table {
	_Atomic uint32_t turn;
	_Atomic uint32_t ready;
	pthread_mutex_t mutex;
	uint64_t counter;
	char text[64];
};

static long futex(_Atomic uint32_t *word, int operation, uint32_t value)
{
	const struct timespec timeout = {.tv_sec = WAIT_SECONDS};

	return syscall(SYS_futex, word, operation, value, operation == FUTEX_WAIT ? &timeout : NULL, NULL, 0);
}

/* Waits until the word is `value`; false on timeout. */
static bool futex_until(_Atomic uint32_t *word, uint32_t value)
{
	const struct deadline deadline = deadline_in(WAIT_SECONDS);
	uint32_t present;

	while ((present = atomic_load(word)) != value) {
		if (futex(word, FUTEX_WAIT, present) < 0 && errno == ETIMEDOUT)
			return false;
		if (milliseconds_until(&deadline) == 0)
			return false;
	}
	return true;
}

static void pass_on(_Atomic uint32_t *word, uint32_t value)
{
	atomic_store(word, value);
	futex(word, FUTEX_WAKE, INT32_MAX);
}

/* The other process: replies to each text with its own, in a view of `path`. */
static int answer(const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);
	struct table *table = mmap(NULL, (size_t)PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	char expected[64];

	if (fd < 0 || table == MAP_FAILED)
		return 1;
	close(fd);
	for (uint32_t i = 0; i < TURNS; i += 2) {
		if (!futex_until(&table->turn, i + 1))
			return 2;
		snprintf(expected, sizeof(expected), "question %u", i);
		if (strcmp(table->text, expected) != 0)
			return 3;
		snprintf(table->text, sizeof(table->text), "answer %u", i);
		pass_on(&table->turn, i + 2);
	}
	for (int i = 0; i < TURNS; i++) {
		pthread_mutex_lock(&table->mutex);
		table->counter++;
		pthread_mutex_unlock(&table->mutex);
	}
	return 0;
}

static void talk(struct table *table)
{
	char expected[64];

	for (uint32_t i = 0; i < TURNS; i += 2) {
		snprintf(table->text, sizeof(table->text), "question %u", i);
		pass_on(&table->turn, i + 1);
		assert_true(futex_until(&table->turn, i + 2));
		snprintf(expected, sizeof(expected), "answer %u", i);
		assert_string_equal(table->text, expected);
	}
	for (int i = 0; i < TURNS; i++) {
		pthread_mutex_lock(&table->mutex);
		table->counter++;
		pthread_mutex_unlock(&table->mutex);
	}
}

static void share_with(const char *mine, const char *theirs)
{
	pthread_mutexattr_t attributes;
	struct table *table;
	int front_fd;
	int back_fd;
	int status;
	int fd;
	pid_t child;

	open_both(&front_fd, &back_fd);
	close(front_fd);
	close(back_fd);
	fd = (int)check(open(mine, O_RDWR | O_CLOEXEC));
	table = (void *)map(fd, PROT_READ | PROT_WRITE);
	close(fd);
	pthread_mutexattr_init(&attributes);
	pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
	pthread_mutex_init(&table->mutex, &attributes);
	fflush(NULL);
	child = fork();
	if (child == 0)
		_exit(answer(theirs));
	assert_true(child > 0);
	talk(table);
	check(waitpid(child, &status, 0));
	assert_int_equal(status, 0);
	assert_int_equal(table->counter, 2 * TURNS);
	unmap((void *)table);
}

static void two_processes_on_the_mount(void **state)
{
	(void)state;
	share_with(front, front);
}

static void one_on_the_mount_one_on_the_backing_file(void **state)
{
	(void)state;
	if (!environment->shares_pages)
		return; /* relayed mode promises coherence among users of the mount only */
	share_with(front, back);
	share_with(back, front);
}

/* --- reads, writes and views --- */

static bool reads(int fd, off_t offset, const char *expected)
{
	char text[64];
	ssize_t length = (ssize_t)strlen(expected);

	return pread(fd, text, (size_t)length, offset) == length &&
	       memcmp(text, expected, (size_t)length) == 0;
}

static void writes(int fd, off_t offset, const char *text)
{
	assert_int_equal(pwrite(fd, text, strlen(text), offset), strlen(text));
}

static void calls_and_views_agree(void **state)
{
	int front_fd;
	int back_fd;
	int second;
	char *view;
	char *second_view;

	(void)state;
	open_both(&front_fd, &back_fd);
	second = (int)check(open(front, O_RDWR | O_CLOEXEC));
	view = map(front_fd, PROT_READ | PROT_WRITE);
	second_view = map(second, PROT_READ | PROT_WRITE);
	for (int i = 0; i < PAGES; i++) {
		off_t at = (off_t)i * PAGE + 7 * i;

		writes(front_fd, at, "written");
		assert_true(reads(second, at, "written"));
		assert_memory_equal(view + at, "written", 7);
		assert_memory_equal(second_view + at, "written", 7);
		memcpy(second_view + at + 100, "by view", 7);
		assert_memory_equal(view + at + 100, "by view", 7);
		assert_true(reads(front_fd, at + 100, "by view"));
		assert_true(reads(second, at + 100, "by view"));
		writes(second, at + 98, "over the view");
		assert_memory_equal(view + at + 98, "over the view", 13);
	}
	check(msync(second_view, (size_t)PAGES * PAGE, MS_SYNC));
	check(fsync(front_fd));
	/* from then on the backing file has it in every mode */
	for (int i = 0; i < PAGES; i++)
		assert_true(reads(back_fd, (off_t)i * PAGE + 7 * i + 98, "over the view"));
	unmap(view);
	unmap(second_view);
	close(second);
	close(front_fd);
	close(back_fd);
}

static void the_backing_file_agrees(void **state)
{
	int front_fd;
	int back_fd;
	char *front_view;
	char *back_view;

	(void)state;
	open_both(&front_fd, &back_fd);
	if (!environment->shares_pages) {
		/* writes through the mount are visible at once; only views are the mount's own */
		writes(front_fd, 10, "written");
		assert_true(reads(back_fd, 10, "written"));
		close(front_fd);
		close(back_fd);
		return;
	}
	front_view = map(front_fd, PROT_READ | PROT_WRITE);
	back_view = map(back_fd, PROT_READ | PROT_WRITE);
	for (int i = 0; i < PAGES; i++) {
		off_t at = (off_t)i * PAGE + 11 * i;

		writes(front_fd, at, "one");
		assert_memory_equal(back_view + at, "one", 3);
		writes(back_fd, at + 3, "two");
		assert_memory_equal(front_view + at, "onetwo", 6);
		assert_true(reads(front_fd, at, "onetwo"));
		memcpy(back_view + at + 6, "three", 5);
		assert_true(reads(front_fd, at, "onetwothree"));
		memcpy(front_view + at + 11, "four", 4);
		assert_true(reads(back_fd, at, "onetwothreefour"));
	}
	unmap(front_view);
	unmap(back_view);
	close(front_fd);
	close(back_fd);
}

static void sizes_agree(void **state)
{
	struct stat stat;
	char byte;
	int front_fd;
	int back_fd;

	(void)state;
	open_both(&front_fd, &back_fd);
	check(ftruncate(front_fd, 100));
	check(fstat(back_fd, &stat));
	assert_int_equal(stat.st_size, 100);
	writes(front_fd, 200, "end");
	check(fstat(back_fd, &stat));
	assert_int_equal(stat.st_size, 203);
	check(fstat(front_fd, &stat));
	assert_int_equal(stat.st_size, 203);
	/* a resize past the mount is visible when cached attributes expire; reads see it at once */
	check(ftruncate(back_fd, 50));
	if (environment->shares_pages)
		assert_int_equal(pread(front_fd, &byte, 1, 100), 0);
	close(front_fd);
	close(back_fd);
}

/* A view outlives all descriptors, the name, and the worker. */
static void views_outlive_the_worker(void **state)
{
	int front_fd;
	int back_fd;
	char *view;

	(void)state;
	open_both(&front_fd, &back_fd);
	view = map(front_fd, PROT_READ | PROT_WRITE);
	memcpy(view, "before", sizeof("before"));
	close(front_fd);
	check(unlink(front));
	mount_kill_worker(&mount);
	assert_string_equal(view, "before");
	memcpy(view + PAGE, "after", sizeof("after"));
	if (environment->shares_pages)
		assert_true(reads(back_fd, PAGE, "after"));
	unmap(view);
	close(back_fd);
}

/*
 * A word of one of the writers. A copy of eight bytes may be torn, natively too, and is read again; a
 * persistent mismatch is an error.
 */
#define TORN_TRIES 1000

static bool is_whole(uint64_t word)
{
	return word % 0x0101010101010101u == 0;
}

static bool reads_whole(int fd, off_t offset, const _Atomic uint64_t *shared)
{
	uint64_t word = 1;
	bool whole = false;

	for (int i = 0; i < TORN_TRIES && !whole; i++)
		whole = pread(fd, &word, sizeof(word), offset) == sizeof(word) && is_whole(word) &&
			is_whole(atomic_load(shared));
	return whole;
}

/*
 * Many processes read and write one word through calls and views at once; each value seen must be one that
 * was written.
 */
static int hammer(const char *path, int number)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);
	char *view = mmap(NULL, (size_t)PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (fd < 0 || view == MAP_FAILED)
		return 1;
	for (uint64_t i = 0; i < 500; i++) {
		_Atomic uint64_t *shared = (void *)(view + (i % PAGES) * PAGE);
		uint64_t mine = (uint64_t)(number + 1) * 0x0101010101010101u;

		if (number % 2)
			atomic_store(shared, mine);
		else if (pwrite(fd, &mine, sizeof(mine), (off_t)((i % PAGES) * PAGE)) != sizeof(mine))
			return 2;
		if (!reads_whole(fd, (off_t)((i % PAGES) * PAGE), shared))
			return 3;
	}
	return 0;
}

static void many_users(void **state)
{
	int front_fd;
	int back_fd;
	int status;
	pid_t children[4];

	(void)state;
	open_both(&front_fd, &back_fd);
	for (int i = 0; i < 4; i++) {
		fflush(NULL);
		children[i] = fork();
		if (children[i] == 0)
			_exit(hammer(i == 3 && environment->shares_pages ? back : front, i));
	}
	for (int i = 0; i < 4; i++) {
		check(waitpid(children[i], &status, 0));
		assert_int_equal(status, 0);
	}
	close(front_fd);
	close(back_fd);
}

static int set_up(void **state)
{
	struct mount_spec spec = {.options = environment->options};
	char config[PATH_MAX + 64];

	(void)state;
	if (environment->on_disk) {
		const char *disk = path_of("%s/disk", disk_directory() ? disk_directory() : test_directory());

		mkdir(disk, 0755);
		snprintf(config, sizeof(config), "[directory disk]\nmedium = %s\n", disk);
		spec.config = config;
	}
	if (mount_start(&mount, &spec) < 0)
		return -1;
	snprintf(front, sizeof(front), "%s",
		 path_of("%s%s/segment", mount.path, environment->on_disk ? "/disk" : ""));
	snprintf(back, sizeof(back), "%s",
		 path_of("%s%s/segment", mount.store, environment->on_disk ? "/disk" : ""));
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	unlink(front);
	return mount_stop(&mount);
}

static void skip_environment(void **unused)
{
	(void)unused;
	skip_missing("passthrough");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_mode_is_told),
		cmocka_unit_test(the_backing_file_mirrors),
		cmocka_unit_test(pages_are_the_same),
		cmocka_unit_test(two_processes_on_the_mount),
		cmocka_unit_test(one_on_the_mount_one_on_the_backing_file),
		cmocka_unit_test(calls_and_views_agree),
		cmocka_unit_test(the_backing_file_agrees),
		cmocka_unit_test(sizes_agree),
		cmocka_unit_test(many_users),
		cmocka_unit_test(views_outlive_the_worker),
	};
	static const struct CMUnitTest lacking[] = {cmocka_unit_test(skip_environment)};
	int failed = 0;

	if (geteuid() != 0)
		skip_program("root");
	for (size_t i = 0; i < sizeof(environments) / sizeof(environments[0]); i++) {
		environment = &environments[i];
		if (environment->shares_pages && !kernel_has("passthrough")) {
			failed += cmocka_run_group_tests_name(environment->name, lacking, NULL, NULL);
			continue;
		}
		failed += cmocka_run_group_tests_name(environment->name, tests, set_up, tear_down);
	}
	return failed;
}
