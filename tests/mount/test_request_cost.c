// SPDX-License-Identifier: MIT
/*
 * What the daemon's own code spends on requests: at most one lock each, and no allocation for names,
 * attributes and opens. tests/preload/cost.c counts both. Nothing is closed under a lock: that of a large
 * file frees its memory, which takes long.
 */
#include "lib/base/cleanup.h"
#include "tests/lib/preload.h"
#include "tests/lib/process.h"
#include "tests/mount/harness.h"
#include "tests/preload/cost.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#define FUSECTL "/sys/fs/fuse/connections"

static struct mount mount;
static struct request_cost *cost;
static int kept = -1; /* what a case holds open until it ends */

static const char *at(const char *name)
{
	return path_of("%s/work/%s", mount.path, name);
}

/* A file that the kernel knows and that was never open. */
static void make_cold(const char *name)
{
	check(mknod(at(name), S_IFREG | 0644, 0));
}

/* A file whose passthrough id is kept for the next open. */
static void make_hot(const char *name)
{
	check(close((int)check(open(at(name), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644))));
}

static void make_open(const char *name)
{
	kept = (int)check(open(at(name), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
}

/* --- before and after --- */

static void cold(void)
{
	make_cold("a");
}

static void hot(void)
{
	make_hot("a");
}

static void opened(void)
{
	make_open("a");
}

static void removed_while_open(void)
{
	make_open("a");
	check(unlink(at("a")));
}

/* An open that appends has a descriptor of its own. */
static void removed_while_appended_to(void)
{
	kept = (int)check(open(at("a"), O_RDWR | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0644));
	check(unlink(at("a")));
}

/* It was never open, so that its node holds a descriptor. */
static void removed(void)
{
	make_cold("a");
	kept = (int)check(open(at("a"), O_PATH | O_CLOEXEC));
	check(unlink(at("a")));
}

/* It had no name at first. */
static void named_later(void)
{
	kept = (int)check(open(at("."), O_RDWR | O_TMPFILE | O_CLOEXEC, 0644));
	check(linkat(AT_FDCWD, path_of("/proc/self/fd/%d", kept), AT_FDCWD, at("a"), AT_SYMLINK_FOLLOW));
}

static void linked(void)
{
	make_hot("a");
	check(link(at("a"), at("b")));
}

static void directory(void)
{
	check(mkdir(at("a"), 0755));
}

static void full_directory(void)
{
	directory();
	make_hot("a/file");
}

static void cold_over_cold(void)
{
	make_cold("a");
	make_cold("b");
}

static void hot_over_hot(void)
{
	make_hot("a");
	make_hot("b");
}

static void cold_over_opened(void)
{
	make_cold("a");
	make_open("b");
}

static void cold_over_linked(void)
{
	make_cold("a");
	make_cold("b");
	check(link(at("b"), at("c")));
}

static void directory_over_directory(void)
{
	directory();
	check(mkdir(at("b"), 0755));
}

static void directory_over_full_one(void)
{
	directory_over_directory();
	make_hot("b/file");
}

/* Removes what is there of either. */
static void clear(void)
{
	static const char *const names[] = {"a/file", "b/file", "a", "b", "c"};

	cleanup_close(&kept);
	kept = -1;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (unlink(at(names[i])) < 0 && errno == EISDIR)
			check(rmdir(at(names[i])));
}

/* --- what is measured --- */

static void create(void)
{
	make_open("a");
}

static void create_for_reading(void)
{
	kept = (int)check(open(at("a"), O_RDONLY | O_CREAT | O_CLOEXEC, 0644));
}

static void create_without_a_name(void)
{
	kept = (int)check(open(at("."), O_RDWR | O_TMPFILE | O_CLOEXEC, 0644));
}

static void make_link(void)
{
	check(link(at("a"), at("b")));
}

static void make_symlink(void)
{
	check(symlink("target", at("a")));
}

static void remove_name(void)
{
	check(unlink(at("a")));
}

static void remove_directory(void)
{
	check(rmdir(at("a")));
}

static void remove_full_directory(void)
{
	check_error(ENOTEMPTY, rmdir(at("a")));
}

static void change_name(void)
{
	check(rename(at("a"), at("b")));
}

static void change_name_in_vain(void)
{
	check_error(ENOTEMPTY, rename(at("a"), at("b")));
}

static void change_to_free_name(void)
{
	check(renameat2(AT_FDCWD, at("a"), AT_FDCWD, at("b"), RENAME_NOREPLACE));
}

static void exchange_names(void)
{
	check(renameat2(AT_FDCWD, at("a"), AT_FDCWD, at("b"), RENAME_EXCHANGE));
}

static void look_up(void)
{
	struct stat found;

	check(stat(at("a"), &found));
}

static void look_up_nothing(void)
{
	check_error(ENOENT, access(at("b"), F_OK));
}

static void get_attributes(void)
{
	struct stat found;

	check(fstat(kept, &found));
}

static void get_attribute(void)
{
	char value[64];

	check_error(ENODATA, getxattr(at("a"), "user.none", value, sizeof(value)));
}

static void open_again(void)
{
	kept = (int)check(open(at("a"), O_RDWR | O_CLOEXEC));
}

/* Also the last use of a removed file, which the kernel then forgets. */
static void close_again(void)
{
	check(close(kept));
	kept = -1;
}

struct measured {
	const char *name;
	uint32_t opcode;
	void (*prepare)(void); /* NULL = nothing to do */
	void (*run)(void);
};

static const struct measured making[] = {
	{"CREATE", FUSE_CREATE, NULL, create},
	{"CREATE for reading", FUSE_CREATE, NULL, create_for_reading},
	{"TMPFILE", FUSE_TMPFILE, NULL, create_without_a_name},
	{"MKNOD", FUSE_MKNOD, NULL, cold},
	{"MKDIR", FUSE_MKDIR, NULL, directory},
	{"SYMLINK", FUSE_SYMLINK, NULL, make_symlink},
	{"LINK", FUSE_LINK, hot, make_link},
};

static const struct measured removing[] = {
	{"UNLINK of a hot file", FUSE_UNLINK, hot, remove_name},
	{"UNLINK of a cold file", FUSE_UNLINK, cold, remove_name},
	{"UNLINK of an open file", FUSE_UNLINK, opened, remove_name},
	{"UNLINK of one of two names", FUSE_UNLINK, linked, remove_name},
	{"UNLINK of a symbolic link", FUSE_UNLINK, make_symlink, remove_name},
	{"RMDIR", FUSE_RMDIR, directory, remove_directory},
	{"RMDIR of a full directory", FUSE_RMDIR, full_directory, remove_full_directory},
};

static const struct measured renaming[] = {
	{"RENAME", FUSE_RENAME, hot, change_name},
	{"RENAME over a cold file", FUSE_RENAME, cold_over_cold, change_name},
	{"RENAME over a hot file", FUSE_RENAME, hot_over_hot, change_name},
	{"RENAME over an open file", FUSE_RENAME, cold_over_opened, change_name},
	{"RENAME over one of two names", FUSE_RENAME, cold_over_linked, change_name},
	{"RENAME over a directory", FUSE_RENAME, directory_over_directory, change_name},
	{"RENAME over a full directory", FUSE_RENAME, directory_over_full_one, change_name_in_vain},
	{"RENAME to a free name", FUSE_RENAME2, hot, change_to_free_name},
	{"RENAME in exchange", FUSE_RENAME2, hot_over_hot, exchange_names},
};

static const struct measured using[] = {
	{"LOOKUP", FUSE_LOOKUP, hot, look_up},
	{"LOOKUP of no file", FUSE_LOOKUP, NULL, look_up_nothing},
	{"GETATTR", FUSE_GETATTR, opened, get_attributes},
	{"GETATTR of a removed file", FUSE_GETATTR, removed, get_attributes},
	{"GETXATTR", FUSE_GETXATTR, hot, get_attribute},
	{"OPEN of a hot file", FUSE_OPEN, hot, open_again},
	{"OPEN of a cold file", FUSE_OPEN, cold, open_again},
	{"RELEASE", FUSE_RELEASE, opened, close_again},
	{"GETATTR of a file that got its name later", FUSE_GETATTR, named_later, get_attributes},
	{"RELEASE of a file that got its name later", FUSE_RELEASE, named_later, close_again},
};

static char piece[128 * 1024];

static void opened_with_bytes(void)
{
	opened();
	assert_int_equal(write(kept, piece, sizeof(piece)), sizeof(piece));
}

static void read_much(void)
{
	assert_int_equal(pread(kept, piece, sizeof(piece), 0), sizeof(piece));
}

static void write_much(void)
{
	assert_int_equal(pwrite(kept, piece, sizeof(piece), 0), sizeof(piece));
}

/* Relayed. They would take more locks if another thread were woken to read requests meanwhile. */
static const struct measured relaying[] = {
	{"READ of 128 KiB", FUSE_READ, opened_with_bytes, read_much},
	{"WRITE of 128 KiB", FUSE_WRITE, opened_with_bytes, write_much},
};

/* The ends of files; these may take more locks. */
static const struct measured ending[] = {
	{"RELEASE of a removed file", FUSE_RELEASE, removed_while_open, close_again},
	{"RELEASE of a removed file that was appended to", FUSE_RELEASE, removed_while_appended_to,
	 close_again},
	{"FORGET of a removed file", FUSE_FORGET, removed, close_again},
	{"FORGET of a removed file that was open", FUSE_FORGET, removed_while_open, close_again},
	{"FORGET of a hot file", FUSE_FORGET, hot, remove_name},
	{"UNLINK of a hot file", FUSE_UNLINK, hot, remove_name},
};

#define N(array) (sizeof(array) / sizeof((array)[0]))

/* Until its answer, requests without a waiter are done: RELEASE. */
static void settle(void)
{
	struct statfs found;

	check(statfs(mount.path, &found));
}

/* Carries one out, and counts what its request takes. */
static void carry_out(const struct measured *measured, unsigned int *locks, unsigned int *allocations)
{
	struct cost_of *of = &cost->of[measured->opcode];
	unsigned int before;

	if (measured->prepare)
		measured->prepare();
	settle();
	before = atomic_load(&of->requests);
	atomic_store(&of->most_locks, 0);
	atomic_store(&of->most_allocations, 0);
	atomic_store(&of->closed_locked, 0);
	measured->run();
	assert_true(wait_for(atomic_load(&of->requests) > before));
	if (atomic_load(&of->closed_locked) > 0)
		fail_msg("%s: %u closed under a lock", measured->name, atomic_load(&of->closed_locked));
	*locks = atomic_load(&of->most_locks);
	*allocations = atomic_load(&of->most_allocations);
	clear();
}

static void measure_each(const struct measured *measured, size_t n)
{
	unsigned int too_dear = 0;
	unsigned int locks, allocations;

	for (size_t i = 0; i < n; i++) {
		/* twice: the first time a thread may take what it keeps */
		carry_out(&measured[i], &locks, &allocations);
		carry_out(&measured[i], &locks, &allocations);
		if (locks <= 1 && allocations == 0)
			continue;
		fprintf(stderr, "%s: %u locks, %u allocations\n", measured[i].name, locks, allocations);
		too_dear++;
	}
	assert_int_equal(too_dear, 0);
}

static void making_names(void **unused)
{
	(void)unused;
	measure_each(making, N(making));
}

static void removing_names(void **unused)
{
	(void)unused;
	measure_each(removing, N(removing));
}

static void changing_names(void **unused)
{
	(void)unused;
	measure_each(renaming, N(renaming));
}

static void using_files(void **unused)
{
	(void)unused;
	measure_each(using, N(using));
}

static void ending_files(void **unused)
{
	unsigned int locks, allocations;

	(void)unused;
	for (size_t i = 0; i < N(ending); i++)
		carry_out(&ending[i], &locks, &allocations);
}

/* They have shares of what the daemon holds. */
static void for_ordinary_users(void **unused)
{
	check(seteuid(TEST_UID));
	making_names(unused);
	removing_names(unused);
	changing_names(unused);
	using_files(unused);
	ending_files(unused);
}

static int as_root_again(void **unused)
{
	(void)unused;
	return seteuid(0);
}

static void unknown_directory(void)
{
	check(mkdir(path_of("%s/work/a", mount.store), 0755));
	assert_int_equal(write_text(path_of("%s/work/a/file", mount.store), "text"), 0);
}

/* The directory is looked up before; its descriptor is needed for the first time. */
static void look_into_directory(void)
{
	struct stat found;

	check(stat(at("a/file"), &found));
}

static void using_directories(void **unused)
{
	static const struct measured measured[] = {
		{"LOOKUP in a new directory", FUSE_LOOKUP, unknown_directory, look_into_directory},
	};

	(void)unused;
	measure_each(measured, N(measured));
}

static void reading_and_writing(void **unused)
{
	unsigned int locks, allocations;

	(void)unused;
	for (size_t i = 0; i < N(relaying); i++) {
		carry_out(&relaying[i], &locks, &allocations);
		/* each thread allocates a buffer once, whichever reads this one */
		if (locks > 1)
			fail_msg("%s: %u locks", relaying[i].name, locks);
	}
}

/* Otherwise the kernel writes pages back while a program still stores into them. */
static void few_pages_are_written_back_at_once(void **unused)
{
	struct stat root;
	unsigned int threshold = 0;
	FILE *said;

	(void)unused;
	check(stat(mount.path, &root));
	said = popen(path_of("unshare -m sh -c 'mount -t fusectl none %s && cat %s/%u/congestion_threshold'",
			     FUSECTL, FUSECTL, minor(root.st_dev)),
		     "re");
	assert_non_null(said);
	assert_int_equal(fscanf(said, "%u", &threshold), 1);
	assert_int_equal(pclose(said), 0);
	assert_int_equal(threshold, 9);
}

static int start(const char *options)
{
	const struct mount_spec spec = {.preload = preload_path("cost"), .options = options};

	if (mount_start(&mount, &spec) < 0 || mkdir(path_of("%s/work", mount.path), 0755) < 0)
		return -1;
	return chmod(path_of("%s/work", mount.path), 0777);
}

static int start_uncached(void **unused)
{
	(void)unused;
	return start("entry_timeout=0,attr_timeout=0,negative_timeout=0");
}

static int start_cached(void **unused)
{
	(void)unused;
	return start("entry_timeout=600,attr_timeout=600,negative_timeout=0");
}

static int start_relayed(void **unused)
{
	(void)unused;
	return start("io_mode=relayed");
}

static int stop(void **unused)
{
	(void)unused;
	return mount_stop(&mount);
}

int main(void)
{
	static const struct CMUnitTest uncached[] = {
		cmocka_unit_test(making_names),
		cmocka_unit_test(removing_names),
		cmocka_unit_test(changing_names),
		cmocka_unit_test(using_files),
		cmocka_unit_test(ending_files),
		cmocka_unit_test_teardown(for_ordinary_users, as_root_again),
	};
	/* requests come without those that use their descriptors before */
	static const struct CMUnitTest cached[] = {
		cmocka_unit_test(making_names),   cmocka_unit_test(removing_names),
		cmocka_unit_test(changing_names), cmocka_unit_test(using_directories),
		cmocka_unit_test(ending_files),
	};
	static const struct CMUnitTest relayed[] = {
		cmocka_unit_test(reading_and_writing),
		cmocka_unit_test(few_pages_are_written_back_at_once),
	};
	int failed;

	if (SANITIZED)
		skip_program("the C library's own malloc and locks");
	if (geteuid() != 0)
		skip_program("root");
	cost = preload_plan("cost", "REQUEST_COST", sizeof(*cost));
	if (!cost)
		return 1;
	failed = cmocka_run_group_tests_name("uncached", uncached, start_uncached, stop);
	failed += cmocka_run_group_tests_name("cached", cached, start_cached, stop);
	return failed + cmocka_run_group_tests_name("relayed", relayed, start_relayed, stop);
}
