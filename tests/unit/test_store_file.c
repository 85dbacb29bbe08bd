// SPDX-License-Identifier: MIT
/* Files of the store: attributes and their changes, opening and listing, extended attributes, stale files. */
#include "tests/unit/store.h"

#include <dirent.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/xattr.h>

#define ALL (&store.slots.state)

static int change(struct store *store, uint64_t id, const struct source_change *change, struct stat *stat)
{
	return store_source.change(&store->slots.state, slot_of(store, id), change, stat);
}

static void changes_attributes(void **state)
{
	struct source_change times = {
		.what = SOURCE_SET_ATIME | SOURCE_SET_MTIME, .atime = {11, 22}, .mtime = {33, 44}};
	struct store store;
	struct stat stat;
	uint64_t id;

	(void)state;
	store_begin(&store);
	id = make_file(&store, root_of(&store), "file", "text");
	assert_int_equal(
		change(&store, id, &(struct source_change){.what = SOURCE_SET_SIZE, .size = 2}, &stat), 0);
	assert_int_equal(stat.st_size, 2);
	expect_text(&store, id, "te");
	assert_int_equal(change(&store, id,
				&(struct source_change){.what = SOURCE_SET_MODE, .mode = S_IFREG | 04711},
				&stat),
			 0);
	assert_int_equal(stat.st_mode, S_IFREG | 04711);
	assert_int_equal(change(&store, id, &times, &stat), 0);
	assert_int_equal(stat.st_atim.tv_sec, 11);
	assert_int_equal(stat.st_atim.tv_nsec, 22);
	assert_int_equal(stat.st_mtim.tv_sec, 33);
	assert_int_equal(stat.st_mtim.tv_nsec, 44);
	/* one without the other; the current time */
	times = (struct source_change){.what = SOURCE_SET_ATIME, .atime = {.tv_nsec = UTIME_NOW}};
	assert_int_equal(change(&store, id, &times, &stat), 0);
	assert_true(stat.st_atim.tv_sec > 1700000000);
	assert_int_equal(stat.st_mtim.tv_sec, 33);
	/* no change: current attributes */
	assert_int_equal(change(&store, id, &(struct source_change){.what = 0}, &stat), 0);
	assert_int_equal(stat.st_ino, stat_of(&store, id).st_ino);
	store_end(&store);
}

/* A failed step: the remaining ones are not done, and no attributes are returned. */
static void says_why_it_changes_nothing(void **state)
{
	struct store store;
	struct stat stat = {.st_size = 77};
	uint64_t id;

	(void)state;
	store_begin(&store);
	id = make_directory(&store, root_of(&store), "dir");
	assert_int_equal(
		change(&store, id, &(struct source_change){.what = SOURCE_SET_SIZE | SOURCE_SET_MODE}, &stat),
		-EISDIR);
	assert_int_equal(stat.st_size, 77);
	assert_int_equal(stat_of(&store, id).st_mode, S_IFDIR | 0755);
	id = make_file(&store, root_of(&store), "file", "text");
	assert_int_equal(
		change(&store, id, &(struct source_change){.what = SOURCE_SET_SIZE, .size = -1}, &stat),
		-EINVAL);
	expect_text(&store, id, "text");
	store_end(&store);
}

/*
 * As the kernel does for a caller without CAP_FSETID; the set-group-id bit does not count if the group may
 * not execute.
 */
static void drops_privileges(void **state)
{
	static const struct {
		mode_t before, after;
		mode_t keep_sgid; /* if S_ISGID is to stay without S_IXGRP */
	} modes[] = {{06755, 0755, 0755},  {04711, 0711, 0711}, {02755, 0755, 0755},
		     {02745, 0745, 02745}, {0755, 0755, 0755},  {06745, 0745, 02745}};
	struct source_change dropping = {.what = SOURCE_SET_SIZE, .size = 1, .drop_privileges = true};
	struct store store;
	struct stat stat;
	uint64_t id;

	(void)state;
	store_begin(&store);
	id = make_file(&store, root_of(&store), "file", "text");
	for (size_t i = 0; i < 2 * sizeof(modes) / sizeof(modes[0]); i++) {
		struct source_change mode = {.what = SOURCE_SET_MODE, .mode = modes[i / 2].before};

		dropping.keep_set_group_id = i % 2;
		assert_int_equal(change(&store, id, &mode, &stat), 0);
		assert_int_equal(change(&store, id, &dropping, &stat), 0);
		assert_int_equal(stat.st_mode & 07777, i % 2 ? modes[i / 2].keep_sgid : modes[i / 2].after);
	}
	id = make_directory(&store, root_of(&store), "dir");
	assert_int_equal(
		change(&store, id, &(struct source_change){.what = SOURCE_SET_MODE, .mode = 02775}, &stat),
		0);
	dropping.what = SOURCE_SET_MTIME;
	assert_int_equal(change(&store, id, &dropping, &stat), 0);
	assert_int_equal(stat.st_mode, S_IFDIR | 02775);
	store_end(&store);
}

static void changes_owners(void **state)
{
	struct source_change owner = {.what = SOURCE_SET_UID | SOURCE_SET_GID | SOURCE_SET_MODE,
				      .uid = 12345,
				      .gid = 23456,
				      .mode = 04755};
	struct source_file file = {.fd = -1};
	struct store store;
	struct stat stat;
	uint64_t id;

	(void)state;
	if (geteuid() != 0)
		skip_missing("root");
	store_begin(&store);
	id = make_file(&store, root_of(&store), "file", "text");
	/* chown(2) clears set-id bits, so the mode is set afterwards */
	assert_int_equal(change(&store, id, &owner, &stat), 0);
	assert_int_equal(stat.st_uid, 12345);
	assert_int_equal(stat.st_gid, 23456);
	assert_int_equal(stat.st_mode, S_IFREG | 04755);
	owner = (struct source_change){.what = SOURCE_SET_GID, .uid = 1, .gid = 34567};
	assert_int_equal(change(&store, id, &owner, &stat), 0);
	assert_int_equal(stat.st_uid, 12345);
	assert_int_equal(stat.st_gid, 34567);
	/* of a symbolic link itself */
	assert_int_equal(
		store_source.make(ALL, NULL, root_of(&store), "link", S_IFLNK | 0777, 0, "file", "", &file),
		0);
	id = node_of(&store, &file);
	owner = (struct source_change){.what = SOURCE_SET_UID, .uid = 4};
	assert_int_equal(change(&store, id, &owner, &stat), 0);
	assert_int_equal(stat.st_uid, 4);
	assert_true(S_ISLNK(stat.st_mode));
	assert_int_equal(stat_of(&store, look_up(&store, root_of(&store), "file")).st_uid, 12345);
	store_end(&store);
}

static void reads_links(void **state)
{
	struct source_file file = {.fd = -1};
	char target[32];
	struct store store;
	uint64_t id;

	(void)state;
	store_begin(&store);
	assert_int_equal(store_source.make(ALL, NULL, root_of(&store), "link", S_IFLNK | 0777, 0, "a/target",
					   "", &file),
			 0);
	id = node_of(&store, &file);
	memset(target, 'x', sizeof(target));
	assert_int_equal(store_source.readlink(ALL, slot_of(&store, id), target, sizeof(target)), 8);
	assert_string_equal(target, "a/target");
	/* as much as fits, with a final 0 */
	memset(target, 'x', sizeof(target));
	assert_int_equal(store_source.readlink(ALL, slot_of(&store, id), target, 5), 4);
	assert_string_equal(target, "a/ta");
	assert_int_equal(target[5], 'x');
	assert_true(store_source.readlink(ALL, root_of(&store), target, sizeof(target)) < 0);
	store_end(&store);
}

static void opens_files(void **state)
{
	struct source_file file = {.fd = -1};
	struct store store;
	uint64_t id;
	char byte;
	int fd;

	(void)state;
	store_begin(&store);
	id = make_file(&store, root_of(&store), "file", "text");
	fd = store_source.open(ALL, slot_of(&store, id), O_RDONLY);
	assert_true(fd >= 0);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	assert_int_equal(write(fd, "x", 1), -1);
	close(fd);
	fd = store_source.open(ALL, slot_of(&store, id), O_WRONLY | O_TRUNC);
	assert_int_equal(read(fd, &byte, 1), -1);
	assert_int_equal(write(fd, "new", 3), 3);
	close(fd);
	expect_text(&store, id, "new");
	assert_int_equal(store_source.open(ALL, root_of(&store), O_RDWR), -EISDIR);
	assert_int_equal(store_source.open(ALL, slot_of(&store, id), O_RDONLY | O_DIRECTORY), -ENOTDIR);
	assert_int_equal(
		store_source.make(ALL, NULL, root_of(&store), "link", S_IFLNK | 0777, 0, "file", "", &file),
		0);
	assert_int_equal(store_source.open(ALL, slot_of(&store, node_of(&store, &file)), O_RDONLY), -ELOOP);
	store_end(&store);
}

static void lists_directories(void **state)
{
	struct store store;
	const struct dirent *entry;
	uint64_t id;
	int found = 0;
	DIR *dir;
	int fd;

	(void)state;
	store_begin(&store);
	id = make_file(&store, root_of(&store), "file", "");
	make_directory(&store, root_of(&store), "dir");
	assert_false(store_source.listed_in_memory);
	for (int again = 0; again < 2; again++) {
		/* from the start each time, even if the node has a descriptor of its own */
		fd = store_source.list(ALL, root_of(&store));
		assert_true(fd >= 0);
		dir = fdopendir(fd);
		assert_non_null(dir);
		for (found = 0; (entry = readdir(dir)); found += entry->d_name[0] != '.')
			;
		closedir(dir);
		assert_int_equal(found, 2);
	}
	assert_int_equal(store_source.list(ALL, slot_of(&store, id)), -ENOTDIR);
	store_end(&store);
}

/* `on_disk` by opening, otherwise by attributes, with equal results. */
static void knows_what_can_be_written(void **state)
{
	static const int flags[] = {FS_APPEND_FL, FS_IMMUTABLE_FL};
	struct store store;
	int none = 0;
	uint64_t id;
	mode_t mode;
	int fd;

	(void)state;
	store_begin(&store);
	id = make_file(&store, root_of(&store), "file", "text");
	for (uint32_t on_disk = 0; on_disk < 2; on_disk++) {
		store.slots.arena.header->stores[0].on_disk = on_disk;
		mode = 0;
		assert_int_equal(store_source.writable(ALL, slot_of(&store, id), &mode), 0);
		assert_int_equal(mode & 07777, 0640);
	}
	fd = store_source.open(ALL, slot_of(&store, id), O_RDONLY);
	for (size_t i = 0; i < 2; i++) {
		int results[2];

		if (ioctl(fd, FS_IOC_SETFLAGS, &flags[i]) < 0) {
			close(fd);
			store_end(&store);
			skip_missing("chattr(1)");
		}
		mode = 77;
		for (uint32_t on_disk = 0; on_disk < 2; on_disk++) {
			store.slots.arena.header->stores[0].on_disk = on_disk;
			results[on_disk] = store_source.writable(ALL, slot_of(&store, id), &mode);
		}
		ioctl(fd, FS_IOC_SETFLAGS, &none);
		assert_int_equal(results[0], -EPERM);
		assert_int_equal(results[1], -EPERM);
		assert_int_equal(mode, 77);
	}
	close(fd);
	store_end(&store);
}

static void keeps_extended_attributes(void **state)
{
	struct node_slot *node;
	struct store store;
	char text[64];

	(void)state;
	store_begin(&store);
	node = slot_of(&store, make_file(&store, root_of(&store), "file", ""));
	if (store_source.setxattr(ALL, node, "user.a", "1", 1, 0) == -EOPNOTSUPP) {
		store_end(&store);
		skip_missing("user attributes");
	}
	assert_int_equal(store_source.setxattr(ALL, node, "user.a", "22", 2, XATTR_CREATE), -EEXIST);
	assert_int_equal(store_source.setxattr(ALL, node, "user.b", "22", 2, XATTR_REPLACE), -ENODATA);
	assert_int_equal(store_source.setxattr(ALL, node, "user.a", "22", 2, XATTR_REPLACE), 0);
	assert_int_equal(store_source.getxattr(ALL, node, "user.a", NULL, 0), 2);
	assert_int_equal(store_source.getxattr(ALL, node, "user.a", text, 1), -ERANGE);
	assert_int_equal(store_source.getxattr(ALL, node, "user.a", text, sizeof(text)), 2);
	assert_memory_equal(text, "22", 2);
	assert_int_equal(store_source.getxattr(ALL, node, "user.b", text, sizeof(text)), -ENODATA);
	assert_int_equal(store_source.listxattr(ALL, node, NULL, 0), 7);
	assert_int_equal(store_source.listxattr(ALL, node, text, sizeof(text)), 7);
	assert_string_equal(text, "user.a");
	assert_int_equal(store_source.listxattr(ALL, node, text, 3), -ERANGE);
	assert_int_equal(store_source.removexattr(ALL, node, "user.a"), 0);
	assert_int_equal(store_source.removexattr(ALL, node, "user.a"), -ENODATA);
	assert_int_equal(store_source.listxattr(ALL, node, text, sizeof(text)), 0);
	store_end(&store);
}

static void tells_of_its_file_system(void **state)
{
	struct statvfs found, expected;
	struct store store;

	(void)state;
	store_begin(&store);
	assert_int_equal(store_source.statfs(ALL, root_of(&store), &found), 0);
	assert_int_equal(statvfs(store.path, &expected), 0);
	assert_int_equal(found.f_blocks, expected.f_blocks);
	assert_int_equal(found.f_bsize, expected.f_bsize);
	store_end(&store);
}

/* Removed past the mount, while not open. */
static void knows_that_a_file_is_gone(void **state)
{
	struct store store;
	struct source_file file = {.fd = -1};
	struct stat stat;
	uint64_t id;
	mode_t mode;
	char text[8];

	(void)state;
	store_begin(&store);
	id = make_file(&store, root_of(&store), "file", "text");
	assert_int_equal(unlinkat(store.slots.arena.header->stores[0].root_fd, "file", 0), 0);
	if (store_without_handles) {
		expect_text(&store, id, "text");
	} else {
		assert_int_equal(store_source.stat(ALL, slot_of(&store, id), &stat), -ESTALE);
		assert_int_equal(store_source.open(ALL, slot_of(&store, id), O_RDONLY), -ESTALE);
		assert_int_equal(store_source.writable(ALL, slot_of(&store, id), &mode), -ESTALE);
		assert_int_equal(
			store_source.link(ALL, NULL, slot_of(&store, id), root_of(&store), "x", &file),
			-ESTALE);
		assert_int_equal(store_source.readlink(ALL, slot_of(&store, id), text, sizeof(text)),
				 -ESTALE);
		assert_int_equal(
			store_source.getxattr(ALL, slot_of(&store, id), "user.a", text, sizeof(text)),
			-ESTALE);
		assert_int_equal(change(&store, id, &(struct source_change){.what = 0}, &stat), -ESTALE);
	}
	/* another file of the same name is another node */
	assert_int_not_equal(make_file(&store, root_of(&store), "file", ""), id);
	store_end(&store);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(changes_attributes),
		cmocka_unit_test(says_why_it_changes_nothing),
		cmocka_unit_test(drops_privileges),
		cmocka_unit_test(changes_owners),
		cmocka_unit_test(reads_links),
		cmocka_unit_test(opens_files),
		cmocka_unit_test(lists_directories),
		cmocka_unit_test(knows_what_can_be_written),
		cmocka_unit_test(keeps_extended_attributes),
		cmocka_unit_test(tells_of_its_file_system),
		cmocka_unit_test(knows_that_a_file_is_gone),
	};

	return run_on_both_stores(tests);
}
