// SPDX-License-Identifier: MIT
/*
 * Mandatory locks: reads, writes and resizes of bytes that another owner has locked wait, for exactly these
 * bytes, and proceed afterwards. Owners and order are in test_mandatory_owner.c; O_NONBLOCK in
 * test_mandatory_nonblock.c.
 */
#include "lib/base/cleanup.h"
#include "tests/lib/intruder.h"
#include "tests/lib/mandatory.h"
#include "tests/lib/modes.h"
#include "tests/lib/process.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#define SIZE  65536
#define FIRST 20000 /* start of the locked range */
#define LAST  20099
#define PART  50 /* bytes per call */

static bool is_relayed(void)
{
	return strcmp(mandatory_mount.path + strlen(mandatory_mount.path) - 7, "relayed") == 0;
}

static void fill(int fd, off_t at, size_t size, char byte)
{
	_cleanup_free_ char *bytes = malloc(size);

	assert_non_null(bytes);
	memset(bytes, byte, size);
	assert_int_equal(check(pwrite(fd, bytes, size, at)), (long long)size);
}

static int set_up(void **unused)
{
	(void)unused;
	mandatory_make(SIZE);
	return 0;
}

static void lock(int type, off_t first, off_t last)
{
	assert_int_equal(lock_bytes(owner, F_SETLK, type, first, last == LONG_MAX ? 0 : last - first + 1), 0);
}

static void unlock(void)
{
	lock(F_UNLCK, 0, LONG_MAX);
}

/* --- at the byte --- */

static const struct kind {
	const char *name;
	long (*call)(const struct access *access);
	bool writes;
	bool alone;   /* excludes other calls in the kernel while it waits */
	bool no_data; /* writes zeros or nothing, and returns 0 */
} kinds[] = {
	{"pread", call_read, false, false, false},
	{"preadv2", call_readv, false, false, false},
	{"pread O_DIRECT", call_read_direct, false, false, false},
	{"copy_file_range from", call_copy_from, false, false, false},
	{"pwrite", call_write, true, false, false},
	{"pwritev2", call_writev, true, false, false},
	{"pwrite O_DIRECT", call_write_direct, true, false, false},
	{"splice to", call_splice_to, true, false, false},
	{"copy_file_range to", call_copy_to, true, true, false},
	{"allocate", call_allocate, true, true, true},
	{"punch", call_punch, true, true, true},
};

/* Whether the kernel locks an inode for it: copy_file_range(2) locks that of the file it writes. */
static bool locks_inode(const struct kind *kind)
{
	return kind->writes || kind->call == call_copy_from;
}

static struct access access_of(const struct kind *kind, off_t at)
{
	return (struct access){
		.call = kind->call,
		.path = segment,
		.at = at,
		.size = PART,
		.byte = kind->writes ? 'w' : 'o',
	};
}

/* The bytes in the range after a call. */
static char byte_after(const struct kind *kind)
{
	return kind->call == call_allocate || !kind->writes ? 'o' : kind->no_data ? 0 : 'w';
}

static void expect_done(const struct kind *kind, long result, off_t at)
{
	if (result != (kind->no_data ? 0 : PART))
		fail_msg("%s at %ld: %ld", kind->name, (long)at, result);
	expect_stored(at, PART, byte_after(kind));
}

static void try_kind(const struct kind *kind, int lock_type)
{
	static const off_t outside[] = {FIRST - PART, LAST + 1};
	static const off_t inside[] = {FIRST - PART + 1, LAST, FIRST, FIRST + 10};
	int intruders[4];

	print_message("# %s\n", kind->name);
	fill(owner, 0, SIZE, 'o');
	lock(lock_type, FIRST, LAST);
	for (int i = 0; i < 2; i++) {
		const struct access access = access_of(kind, outside[i]);

		expect_done(kind, intrude_now(&access), outside[i]);
	}
	fill(owner, 0, SIZE, 'o');
	for (int i = 0; i < 4; i++) {
		const struct access access = access_of(kind, inside[i]);

		intruders[i] = intrude(&access);
		expect_waiting(kind->alone ? 1 : i + 1);
		assert_false(has_returned(intruders[i]));
		expect_stored(0, SIZE, 'o');
		if (kind->alone) {
			unlock();
			expect_done(kind, result_of(intruders[i]), inside[i]);
			fill(owner, 0, SIZE, 'o');
			lock(lock_type, FIRST, LAST);
		}
	}
	unlock();
	for (int i = 0; i < 4 && !kind->alone; i++)
		expect_done(kind, result_of(intruders[i]), inside[i]);
}

static void held_back_at_the_byte(void **unused)
{
	const bool writes_wait = mount_has_feature(&mandatory_mount, "close-unlocked");

	(void)unused;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (locks_inode(&kinds[i]) && !writes_wait)
			continue;
		try_kind(&kinds[i], F_WRLCK);
		if (kinds[i].writes)
			try_kind(&kinds[i], F_RDLCK);
	}
}

static long open_and_close(const struct access *access)
{
	return close(open(access->path, O_RDONLY | O_CLOEXEC));
}

/*
 * Where close(2) would wait for a write that waits, the write is refused. While open(2) waits the kernel does
 * not hold the inode's lock, so others can close the file.
 */
static void refused_where_close_would_wait(void **unused)
{
	static long (*const resizing[])(const struct access *access) = {call_truncate, call_ftruncate,
									call_append};
	const struct access truncating = {.call = call_open_truncating, .path = segment};
	const struct access closing = {.call = open_and_close, .path = segment};
	int intruder;

	(void)unused;
	if (mount_has_feature(&mandatory_mount, "close-unlocked"))
		skip_missing("a kernel without close-unlocked");
	lock(F_WRLCK, 0, LONG_MAX);
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		const struct access access = access_of(&kinds[i], FIRST);

		if (locks_inode(&kinds[i]))
			assert_int_equal(intrude_now(&access), -EAGAIN);
	}
	for (size_t i = 0; i < sizeof(resizing) / sizeof(resizing[0]); i++) {
		const struct access access = {.call = resizing[i], .path = segment, .at = 5, .size = 5};

		assert_int_equal(intrude_now(&access), -EAGAIN);
	}
	expect_stored(0, SIZE, 'o');
	intruder = intrude(&truncating);
	expect_waiting(1);
	assert_int_equal(intrude_now(&closing), 0);
	assert_false(has_returned(intruder));
	unlock();
	assert_int_equal(result_of(intruder), 0);
	assert_int_equal(stored_size(), 0);
}

static void shared_locks_let_readers_through(void **unused)
{
	(void)unused;
	lock(F_RDLCK, FIRST, LAST);
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		const struct access access = access_of(&kinds[i], FIRST);

		if (!kinds[i].writes)
			expect_done(&kinds[i], intrude_now(&access), FIRST);
	}
}

/*
 * The kernel reads these through its page cache, whose page locks the owner's writes would wait for: they are
 * refused. Without a passthrough id they can't be distinguished from views. Before Linux 6.5 they are reads
 * like any other, and wait.
 */
static void spliced_reads(void **unused)
{
	static long (*const calls[])(const struct access *access) = {call_sendfile, call_splice_from};
	int waiting = -1;

	(void)unused;
	for (int i = 0; i < 4; i++) {
		const char byte = (char)('a' + i);
		const struct access access = {
			.call = calls[i % 2],
			.path = segment,
			.at = FIRST + 5,
			.size = PART,
			.byte = byte,
		};
		int intruder;

		lock(F_WRLCK, FIRST, LAST);
		fill(owner, 0, SIZE, byte);
		intruder = intrude(&access);
		assert_true(wait_for(has_returned(intruder) || n_waiting() == 1));
		if (has_returned(intruder))
			assert_int_equal(result_of(intruder), is_relayed() ? PART : -EAGAIN);
		else
			waiting = intruder;
		fill(owner, 0, SIZE, byte);
		unlock();
		if (waiting >= 0)
			assert_int_equal(result_of(waiting), PART);
		waiting = -1;
		assert_int_equal(intrude_now(&access), PART);
	}
}

/* Reads and writes that cross the end of the locked range wait as well. */
static void beyond_the_end(void **unused)
{
	const struct access read = {.call = call_read, .path = segment, .at = SIZE, .size = 10};
	const struct access append = {.call = call_append, .path = segment, .size = 10, .byte = 'a'};
	int intruder;

	(void)unused;
	need_waiting_writes();
	lock(F_WRLCK, SIZE + 10, LONG_MAX);
	assert_int_equal(intrude_now(&append), 10);
	assert_int_equal(intrude_now(&read), 10);
	intruder = intrude(&append);
	expect_waiting(1);
	assert_int_equal(stored_size(), SIZE + 10);
	unlock();
	assert_int_equal(result_of(intruder), 10);
	assert_int_equal(stored_size(), SIZE + 20);
	expect_stored(SIZE, 20, 'a');
}

/* --- resizing --- */

static void expect_resize_waits(long (*call)(const struct access *access), off_t from, off_t to, bool waits)
{
	const struct access access = {.call = call, .path = segment, .at = to};
	int intruder;

	unlock();
	check(ftruncate(owner, from));
	lock(F_RDLCK, FIRST, LAST);
	intruder = intrude(&access);
	if (waits) {
		expect_waiting(1);
		assert_false(has_returned(intruder));
		assert_int_equal(stored_size(), from);
		unlock();
	}
	assert_int_equal(result_of(intruder), 0);
	assert_int_equal(stored_size(), to);
}

static void resizes(void **unused)
{
	static long (*const calls[])(const struct access *access) = {call_truncate, call_ftruncate};

	(void)unused;
	need_waiting_writes();
	for (int i = 0; i < 2; i++) {
		expect_resize_waits(calls[i], SIZE, LAST + 1, false);
		expect_resize_waits(calls[i], SIZE, LAST, true);
		expect_resize_waits(calls[i], SIZE, 0, true);
		expect_resize_waits(calls[i], LAST + 1, SIZE, false);
		expect_resize_waits(calls[i], FIRST, FIRST, false);
		expect_resize_waits(calls[i], LAST, LAST + 5, true);
		expect_resize_waits(calls[i], 100, LAST + 5, true);
		expect_resize_waits(calls[i], 100, FIRST, true);
	}
	expect_resize_waits(call_open_truncating, SIZE, 0, true);
}

/* --- programs --- */

static long call_shell(const struct access *access)
{
	const char *const argv[] = {"sh", "-c", access->path, NULL};

	return run_program(argv);
}

static int start_shell(const char *command)
{
	const struct access access = {.call = call_shell, .path = command};

	return intrude(&access);
}

static void programs(void **unused)
{
	static const struct {
		const char *command;
		off_t size_after;
		off_t at;
		off_t size;
		char byte;
		bool refused; /* opened with O_NONBLOCK */
	} all[] = {
		{"head -c 100 /dev/zero | tr '\\0' d | dd of=%s bs=100 seek=200 conv=notrunc status=none",
		 SIZE, FIRST, 100, 'd', false},
		{"head -c 300 /dev/zero | tr '\\0' c >%s/c; cp %s/c %s", 300, 0, 300, 'c', false},
		{"printf rrrr >%s", 4, 0, 4, 'r', false},
		{"truncate -s 20050 %s 2>/dev/null", SIZE, 0, SIZE, 'o', true},
		{"fallocate -o 20010 -l 5 %s", SIZE, 0, SIZE, 'o', false},
		{"fallocate -p -o 20010 -l 5 %s", SIZE, 20010, 5, 0, false},
	};

	(void)unused;
	need_waiting_writes();
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		const char *command = all[i].command;
		char text[4 * PATH_MAX];
		int intruder;

		if (strstr(command, "cp "))
			snprintf(text, sizeof(text), "head -c 300 /dev/zero | tr '\\0' c >%s/c && cp %s/c %s",
				 test_directory(), test_directory(), segment);
		else
			snprintf(text, sizeof(text), "%.*s%s%s", (int)(strstr(command, "%s") - command),
				 command, segment, strstr(command, "%s") + 2);
		print_message("# %s\n", text);
		check(ftruncate(owner, SIZE));
		fill(owner, 0, SIZE, 'o');
		lock(F_WRLCK, FIRST, LAST);
		intruder = start_shell(text);
		if (!all[i].refused) {
			expect_waiting(1);
			assert_false(has_returned(intruder));
			assert_int_equal(stored_size(), SIZE);
			expect_stored(0, SIZE, 'o');
			unlock();
		}
		assert_int_equal(result_of(intruder), all[i].refused);
		assert_int_equal(stored_size(), all[i].size_after);
		expect_stored(all[i].at, all[i].size, all[i].byte);
	}
	check(ftruncate(owner, SIZE));
	lock(F_WRLCK, SIZE, LONG_MAX);
	{
		int intruder = start_shell(path_of("printf aaaa >>%s", segment));

		expect_waiting(1);
		assert_int_equal(stored_size(), SIZE);
		unlock();
		assert_int_equal(result_of(intruder), 0);
	}
	expect_stored(SIZE, 4, 'a');
}

/* --- many, and much --- */

static void many_wait(void **unused)
{
	enum { MANY = 200 };
	int intruders[MANY];

	(void)unused;
	need_waiting_writes();
	lock(F_WRLCK, 0, LONG_MAX);
	for (int i = 0; i < MANY; i++) {
		const struct access access = {.call = i % 2 ? call_read : call_write,
					      .path = segment,
					      .at = i / 2 * 100 + (i % 2) * 50,
					      .size = 50,
					      .byte = i % 2 ? 'o' : (char)(1 + i / 2)};

		intruders[i] = intrude(&access);
	}
	expect_waiting(MANY);
	expect_stored(0, SIZE, 'o');
	unlock();
	for (int i = 0; i < MANY; i++)
		assert_int_equal(result_of(intruders[i]), 50);
	for (int i = 0; i < MANY; i += 2) {
		expect_stored(i / 2 * 100, 50, (char)(1 + i / 2));
		expect_stored(i / 2 * 100 + 50, 50, 'o');
	}
}

static void large_writes(void **unused)
{
	enum { LARGE = 1 << 20, N = 8 };
	int intruders[2 * N];

	(void)unused;
	need_waiting_writes();
	check(ftruncate(owner, (off_t)LARGE * N));
	fill(owner, 0, (size_t)LARGE * N, 'o');
	lock(F_WRLCK, 0, LONG_MAX);
	for (int i = 0; i < N; i++) {
		struct access access = {.call = call_write,
					.path = segment,
					.at = (off_t)i * LARGE,
					.size = LARGE,
					.byte = (char)('A' + i)};

		intruders[i] = intrude(&access);
		expect_waiting(i + 1);
	}
	/* later reads see earlier writes */
	for (int i = 0; i < N; i++) {
		struct access access = {.call = call_read,
					.path = segment,
					.at = (off_t)i * LARGE,
					.size = LARGE,
					.byte = (char)('A' + i)};

		intruders[N + i] = intrude(&access);
		expect_waiting(N + i + 1);
	}
	expect_stored(0, (off_t)LARGE * N, 'o');
	unlock();
	for (int i = 0; i < 2 * N; i++)
		assert_int_equal(result_of(intruders[i]), LARGE);
	for (int i = 0; i < N; i++)
		expect_stored((off_t)i * LARGE, LARGE, (char)('A' + i));
}

/* --- switching --- */

static void expect_lock_policy(const char *path, const char *expected)
{
	char value[32] = "";

	check(getxattr(path, "user.segfs.lock", value, sizeof(value) - 1));
	assert_string_equal(value, expected);
}

static void switching(void **unused)
{
	char path[PATH_MAX + 8];
	_cleanup_close_ int fd = -1;
	struct access access = {.call = call_write, .path = path, .size = 1, .byte = 'w'};
	int intruder;

	(void)unused;
	snprintf(path, sizeof(path), "%s/other", mandatory_mount.path);
	fd = (int)check(open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
	assert_int_equal(lock_bytes(fd, F_SETLK, F_WRLCK, 0, 0), 0);
	check_error(EBUSY, setxattr(path, "user.segfs.lock", "mandatory", 9, 0));
	expect_lock_policy(path, "advisory");
	assert_int_equal(intrude_now(&access), 1);
	check(close(take_fd(&fd)));
	assert_true(wait_for(mount_handles(&mandatory_mount) == 1));
	check(setxattr(path, "user.segfs.lock", "mandatory", 9, 0));
	expect_lock_policy(path, "mandatory");
	fd = (int)check(open(path, O_RDWR | O_CLOEXEC));
	assert_int_equal(lock_bytes(fd, F_SETLK, F_WRLCK, 0, 0), 0);
	assert_int_equal(check(pwrite(fd, "w", 1, 0)), 1);
	/* not a write: the kernel would keep setxattr(2) waiting for it */
	access.call = call_read;
	intruder = intrude(&access);
	expect_waiting(1);
	/* waiters proceed as soon as the lock is not mandatory any more */
	check(setxattr(path, "user.segfs.lock", "advisory", 8, 0));
	assert_int_equal(result_of(intruder), 1);
	access.call = call_write;
	assert_int_equal(intrude_now(&access), 1);
	access.call = call_open_truncating;
	assert_int_equal(intrude_now(&access), 0);
	check(unlink(path));
}

int main(void)
{
	static const struct CMUnitTest cases[] = {
		cmocka_unit_test_setup_teardown(held_back_at_the_byte, set_up, mandatory_tear_down),
		cmocka_unit_test_setup_teardown(refused_where_close_would_wait, set_up, mandatory_tear_down),
		cmocka_unit_test_setup_teardown(shared_locks_let_readers_through, set_up,
						mandatory_tear_down),
		cmocka_unit_test_setup_teardown(spliced_reads, set_up, mandatory_tear_down),
		cmocka_unit_test_setup_teardown(beyond_the_end, set_up, mandatory_tear_down),
		cmocka_unit_test_setup_teardown(resizes, set_up, mandatory_tear_down),
		cmocka_unit_test_setup_teardown(programs, set_up, mandatory_tear_down),
		cmocka_unit_test_setup_teardown(many_wait, set_up, mandatory_tear_down),
		cmocka_unit_test_setup_teardown(large_writes, set_up, mandatory_tear_down),
		cmocka_unit_test_setup_teardown(switching, set_up, mandatory_tear_down),
	};
	int failed;

	if (geteuid() != 0)
		skip_program("root");
	intruders_setup(&mandatory_mount);
	failed = run_in_mode("direct", cases, sizeof(cases) / sizeof(cases[0]), mandatory_start,
			     mandatory_stop);
	failed += run_in_mode("relayed", cases, sizeof(cases) / sizeof(cases[0]), mandatory_start,
			      mandatory_stop);
	return failed;
}
