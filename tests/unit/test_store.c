// SPDX-License-Identifier: MIT
/*
 * Names of the store: finding, creating, linking, renaming and removing files, and nodes that lose their last
 * name.
 */
#include "tests/unit/store.h"

#include <sys/resource.h>

#define ALL (&store.slots.state)

static void finds_files(void **state)
{
	struct source_file file, again;
	struct store store;
	char path[PATH_MAX + 16];
	uint64_t dir, id;
	struct stat stat;

	(void)state;
	store_begin(&store);
	dir = make_directory(&store, root_of(&store), "dir");
	id = make_file(&store, slot_of(&store, dir), "file", "text");
	again = file = (struct source_file){.fd = -1};
	assert_int_equal(store_source.find(ALL, slot_of(&store, dir), "file", &file), 0);
	assert_int_equal(store_source.find(ALL, slot_of(&store, dir), "file", &again), 0);
	assert_int_equal((file.fd >= 0), store_without_handles);
	assert_int_equal(file.flags, store_without_handles ? NODE_NEEDS_FD : 0);
	assert_int_equal(file.key.store, 0);
	assert_int_equal(file.key.inode, file.stat.st_ino);
	snprintf(path, sizeof(path), "%s/dir/file", store.path);
	assert_int_equal(lstat(path, &stat), 0);
	assert_int_equal(file.stat.st_ino, stat.st_ino);
	assert_int_equal(file.stat.st_size, 4);
	assert_int_equal(file.stat.st_mode, S_IFREG | 0640);
	assert_int_equal(node_of(&store, &file), id);
	assert_int_equal(node_of(&store, &again), id);
	assert_int_equal(slot_of(&store, id)->lookups, 3);
	/* the parent of a directory reached by a file handle */
	assert_int_equal(look_up(&store, slot_of(&store, dir), ".."), NODE_ROOT);
	store_end(&store);
}

static void says_why_it_finds_nothing(void **state)
{
	struct source_file file = {.fd = -9, .flags = 77};
	struct store store;
	char name[258];
	uint64_t id;

	(void)state;
	store_begin(&store);
	id = make_file(&store, root_of(&store), "file", "");
	memset(name, 'a', 257);
	name[256] = '\0';
	assert_int_equal(store_source.find(ALL, root_of(&store), "none", &file), -ENOENT);
	assert_int_equal(store_source.find(ALL, slot_of(&store, id), "file", &file), -ENOTDIR);
	assert_int_equal(store_source.find(ALL, root_of(&store), name, &file), -ENAMETOOLONG);
	name[255] = '\0';
	assert_int_equal(store_source.find(ALL, root_of(&store), name, &file), -ENOENT);
	assert_int_equal(file.fd, -9);
	assert_int_equal(file.flags, 77);
	make_file(&store, root_of(&store), name, "");
	look_up(&store, root_of(&store), name);
	store_end(&store);
}

/* A file system mounted in a store belongs to another store, or to none. */
static void tells_stores_apart(void **state)
{
	struct store store;
	char path[PATH_MAX + 16];
	struct source_file file = {.fd = -1};
	struct stat stat;
	uint64_t id;

	(void)state;
	if (!store_may_mount())
		skip_missing("mount(2)");
	store_begin(&store);
	snprintf(path, sizeof(path), "%s/other", store.path);
	make_directory(&store, root_of(&store), "other");
	assert_int_equal(store_mount(path), 0);
	assert_int_equal(try_to_find(&store, root_of(&store), "other"), -EXDEV);
	store_register(&store.slots, 5, path);
	assert_int_equal(store_source.find(ALL, root_of(&store), "other", &file), 0);
	assert_int_equal(file.key.store, 5);
	assert_int_equal(lstat(path, &stat), 0);
	assert_int_equal(file.key.inode, stat.st_ino);
	assert_int_equal(file.stat.st_ino, stat.st_ino ^ (ino_t)5 << 48);
	id = node_of(&store, &file);
	assert_int_equal(stat_of(&store, id).st_ino, stat.st_ino ^ (ino_t)5 << 48);
	id = make_file(&store, slot_of(&store, id), "file", "there");
	expect_text(&store, id, "there");
	assert_int_equal(store_source.link(ALL, NULL, slot_of(&store, id), root_of(&store), "file", &file),
			 -EXDEV);
	assert_int_equal(store_source.remove(ALL, NULL, root_of(&store), "other", AT_REMOVEDIR), -EBUSY);
	store_end(&store);
}

static void creates_files(void **state)
{
	struct source_file file = {.fd = -1};
	struct store store;
	mode_t before;
	int fd;

	(void)state;
	store_begin(&store);
	before = umask(0027);
	fd = store_source.create(ALL, NULL, root_of(&store), "file", S_IFREG | 0666, O_WRONLY, "", &file);
	umask(before);
	assert_true(fd >= 0);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	assert_int_equal(file.stat.st_mode, S_IFREG | 0640);
	assert_int_equal(write(fd, "text", 4), 4);
	close(fd);
	expect_text(&store, node_of(&store, &file), "text");
	/* an existing name is an error here, O_EXCL or not */
	assert_int_equal(
		store_source.create(ALL, NULL, root_of(&store), "file", 0600, O_RDWR | O_TRUNC, "", &file),
		-EEXIST);
	assert_int_equal(symlinkat("nowhere", store.slots.arena.header->stores[0].root_fd, "link"), 0);
	assert_int_equal(store_source.create(ALL, NULL, root_of(&store), "link", 0600, O_RDWR, "", &file),
			 -EEXIST);
	assert_int_equal(try_to_find(&store, root_of(&store), "nowhere"), -ENOENT);
	assert_int_equal(file.fd, -1);
	assert_int_equal(store_source.create(ALL, NULL,
					     slot_of(&store, look_up(&store, root_of(&store), "file")), "x",
					     0600, O_RDWR, "", &file),
			 -ENOTDIR);
	store_end(&store);
}

static void creates_files_without_a_name(void **state)
{
	struct source_file file = {.fd = -1}, linked = {.fd = -1};
	struct store store;
	uint64_t id;
	int fd;

	(void)state;
	store_begin(&store);
	fd = store_source.create(ALL, NULL, root_of(&store), NULL, 0600, O_RDWR, "", &file);
	if (fd == -EOPNOTSUPP) {
		store_end(&store);
		skip_missing("O_TMPFILE");
	}
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "text", 4), 4);
	close(fd);
	assert_int_equal(file.flags & ~(uint32_t)NODE_NEEDS_FD, NODE_UNLINKED | NODE_SLOW_END);
	assert_true(file.fd >= 0);
	id = node_of(&store, &file);
	assert_int_equal(stat_of(&store, id).st_nlink, 0);
	expect_text(&store, id, "text");
	assert_int_equal(store_source.link(ALL, NULL, slot_of(&store, id), root_of(&store), "name", &linked),
			 0);
	assert_int_equal(node_of(&store, &linked), id);
	assert_int_equal(slot_of(&store, id)->flags & NODE_UNLINKED, 0);
	assert_int_equal(stat_of(&store, id).st_nlink, 1);
	forget_node(&store, id);
	expect_text(&store, look_up(&store, root_of(&store), "name"), "text");
	/* O_EXCL: it can't be linked */
	fd = store_source.create(ALL, NULL, root_of(&store), NULL, 0600, O_RDWR | O_EXCL, "", &file);
	assert_true(fd >= 0);
	close(fd);
	id = node_of(&store, &file);
	assert_int_equal(store_source.link(ALL, NULL, slot_of(&store, id), root_of(&store), "other", &linked),
			 -ENOENT);
	store_end(&store);
}

static void makes_every_type(void **state)
{
	static const struct {
		mode_t mode;
		const char *target;
	} types[] = {{S_IFDIR | 0750, NULL},  {S_IFLNK | 0777, "a/target"},
		     {S_IFREG | 0640, NULL},  {S_IFIFO | 0600, NULL},
		     {S_IFSOCK | 0600, NULL}, {S_IFCHR | 0600, NULL}}; /* 0:0, which needs no capability */
	static const mode_t refused[] = {0600, S_IFMT};
	struct source_file file = {.fd = -1};
	struct store store;
	char name[2] = "a";

	(void)state;
	store_begin(&store);
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++, name[0]++) {
		uint64_t id;

		assert_int_equal(store_source.make(ALL, NULL, root_of(&store), name, types[i].mode, 0,
						   types[i].target, "", &file),
				 0);
		assert_int_equal(file.stat.st_mode, types[i].mode);
		id = node_of(&store, &file);
		assert_int_equal(slot_of(&store, id)->type, (types[i].mode & S_IFMT) >> 12);
		assert_int_equal(look_up(&store, root_of(&store), name), id);
		assert_int_equal(stat_of(&store, id).st_mode, types[i].mode);
		assert_int_equal(store_source.make(ALL, NULL, root_of(&store), name, types[i].mode, 0,
						   types[i].target, "", &file),
				 -EEXIST);
	}
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
		assert_int_equal(store_source.make(ALL, NULL, root_of(&store), "device", refused[i], 0, NULL,
						   "", &file),
				 -EPERM);
	assert_int_equal(try_to_find(&store, root_of(&store), "device"), -ENOENT);
	store_end(&store);
}

static void links_files(void **state)
{
	struct source_file file = {.fd = -1};
	struct store store;
	uint64_t id, dir, link;

	(void)state;
	store_begin(&store);
	id = make_file(&store, root_of(&store), "file", "text");
	dir = make_directory(&store, root_of(&store), "dir");
	assert_int_equal(
		store_source.link(ALL, NULL, slot_of(&store, id), slot_of(&store, dir), "second", &file), 0);
	assert_int_equal(file.stat.st_nlink, 2);
	assert_int_equal(node_of(&store, &file), id);
	assert_int_equal(look_up(&store, slot_of(&store, dir), "second"), id);
	assert_int_equal(
		store_source.link(ALL, NULL, slot_of(&store, id), slot_of(&store, dir), "second", &file),
		-EEXIST);
	assert_int_equal(store_source.link(ALL, NULL, slot_of(&store, id), slot_of(&store, id), "x", &file),
			 -ENOTDIR);
	assert_int_equal(store_source.link(ALL, NULL, slot_of(&store, dir), root_of(&store), "x", &file),
			 -EPERM);
	/* a symbolic link itself, not its target */
	assert_int_equal(
		store_source.make(ALL, NULL, root_of(&store), "link", S_IFLNK | 0777, 0, "file", "", &file),
		0);
	link = node_of(&store, &file);
	assert_int_equal(store_source.link(ALL, NULL, slot_of(&store, link), root_of(&store), "link2", &file),
			 0);
	assert_int_equal(node_of(&store, &file), link);
	store_end(&store);
}

/* A removed file lives as long as it has references, and no longer. */
static void goes_on_with_removed_files(void **state)
{
	struct store store;
	uint64_t id;
	int fd;

	(void)state;
	store_begin(&store);
	id = make_file(&store, root_of(&store), "file", "text");
	assert_int_equal(store_source.remove(ALL, NULL, root_of(&store), "file", 0), 0);
	assert_int_equal(try_to_find(&store, root_of(&store), "file"), -ENOENT);
	assert_int_equal(slot_of(&store, id)->flags & (NODE_UNLINKED | NODE_SLOW_END), NODE_UNLINKED);
	fd = slot_of(&store, id)->fd;
	assert_true(fd >= 0);
	expect_text(&store, id, "text");
	assert_int_equal(stat_of(&store, id).st_nlink, 0);
	forget_node(&store, id);
	assert_null(slot_of(&store, id));
	assert_false(is_open(fd));
	/* one of two names is not the last one */
	id = make_file(&store, root_of(&store), "file", "text");
	assert_int_equal(store_source.link(ALL, NULL, slot_of(&store, id), root_of(&store), "second",
					   &(struct source_file){.fd = -1}),
			 0);
	assert_int_equal(store_source.remove(ALL, NULL, root_of(&store), "file", 0), 0);
	assert_int_equal(slot_of(&store, id)->flags & NODE_UNLINKED, 0);
	assert_int_equal(store_source.remove(ALL, NULL, root_of(&store), "second", 0), 0);
	assert_int_equal(slot_of(&store, id)->flags & NODE_UNLINKED, NODE_UNLINKED);
	/* a directory */
	id = make_directory(&store, root_of(&store), "dir");
	assert_int_equal(store_source.remove(ALL, NULL, root_of(&store), "dir", AT_REMOVEDIR), 0);
	assert_int_equal(slot_of(&store, id)->flags & NODE_UNLINKED, NODE_UNLINKED);
	assert_true(S_ISDIR(stat_of(&store, id).st_mode));
	assert_int_equal(try_to_find(&store, slot_of(&store, id), "file"), -ENOENT);
	store_end(&store);
}

static void forgets_removed_files_that_nobody_refers_to(void **state)
{
	struct store store;
	uint64_t id;

	(void)state;
	store_begin(&store);
	id = make_file(&store, root_of(&store), "file", "text");
	forget_node(&store, id);
	assert_int_equal(slot_of(&store, id) != NULL, !store_without_handles);
	assert_int_equal(store_source.remove(ALL, NULL, root_of(&store), "file", 0), 0);
	assert_null(slot_of(&store, id));
	/* and one that never was a node */
	make_file(&store, root_of(&store), "file", "text");
	slots_again(&store.slots);
	assert_int_equal(mknodat(store.slots.arena.header->stores[0].root_fd, "unknown", S_IFREG | 0600, 0),
			 0);
	assert_int_equal(store_source.remove(ALL, NULL, root_of(&store), "unknown", 0), 0);
	store_end(&store);
}

/* The kernel pins it by its passthrough id: no descriptor is needed. */
static void leaves_files_with_an_id_to_the_kernel(void **state)
{
	struct store store;
	uint64_t id;
	int fd;

	(void)state;
	store_begin(&store);
	id = make_file(&store, root_of(&store), "file", "text");
	fd = store_source.open(ALL, slot_of(&store, id), O_RDONLY); /* the kernel's */
	slot_of(&store, id)->backing_id = 5;
	assert_int_equal(store_source.remove(ALL, NULL, root_of(&store), "none", 0), -ENOENT);
	assert_int_equal(store_source.remove(ALL, NULL, root_of(&store), "file", AT_REMOVEDIR), -ENOTDIR);
	assert_int_equal(slot_of(&store, id)->flags & (NODE_UNLINKED | NODE_HELD), 0);
	assert_int_equal(store_source.remove(ALL, NULL, root_of(&store), "file", 0), 0);
	assert_int_equal(slot_of(&store, id)->flags & (NODE_UNLINKED | NODE_HELD), NODE_UNLINKED | NODE_HELD);
	assert_int_equal(slot_of(&store, id)->fd >= 0, store_without_handles);
	expect_text(&store, id, "text");
	forget_node(&store, id);
	close(fd);
	store_end(&store);
}

static void notes_removed_files_with_much_memory(void **state)
{
	struct store store;
	uint64_t id;
	int fd;

	(void)state;
	store_begin(&store);
	for (int less = 1; less >= 0; less--) {
		id = make_file(&store, root_of(&store), "file", "");
		fd = store_source.open(ALL, slot_of(&store, id), O_RDWR);
		assert_true(fd >= 0);
		assert_int_equal(fallocate(fd, 0, 0, SOURCE_SLOW_BLOCKS * 512L - less * 65536), 0);
		close(fd);
		assert_int_equal(store_source.remove(ALL, NULL, root_of(&store), "file", 0), 0);
		assert_int_equal(slot_of(&store, id)->flags & NODE_SLOW_END, less ? 0 : NODE_SLOW_END);
		forget_node(&store, id);
	}
	store_end(&store);
}

static void renames_files(void **state)
{
	struct store store;
	uint64_t first, second, dir, sub;

	(void)state;
	store_begin(&store);
	first = make_file(&store, root_of(&store), "first", "first");
	second = make_file(&store, root_of(&store), "second", "second");
	dir = make_directory(&store, root_of(&store), "dir");
	sub = make_directory(&store, slot_of(&store, dir), "sub");
	make_file(&store, slot_of(&store, make_directory(&store, root_of(&store), "full")), "file", "");
	assert_int_equal(
		store_source.rename(ALL, NULL, root_of(&store), "first", slot_of(&store, dir), "new", 0), 0);
	assert_int_equal(look_up(&store, slot_of(&store, dir), "new"), first);
	assert_int_equal(try_to_find(&store, root_of(&store), "first"), -ENOENT);
	assert_int_equal(store_source.rename(ALL, NULL, root_of(&store), "second", slot_of(&store, dir),
					     "new", RENAME_NOREPLACE),
			 -EEXIST);
	assert_int_equal(store_source.rename(ALL, NULL, root_of(&store), "second", slot_of(&store, dir),
					     "new", RENAME_EXCHANGE),
			 0);
	assert_int_equal(look_up(&store, slot_of(&store, dir), "new"), second);
	assert_int_equal(look_up(&store, root_of(&store), "second"), first);
	assert_int_equal(slot_of(&store, first)->flags & NODE_UNLINKED, 0);
	assert_int_equal(slot_of(&store, second)->flags & NODE_UNLINKED, 0);
	/* the replaced file lives on for its references */
	assert_int_equal(
		store_source.rename(ALL, NULL, root_of(&store), "second", slot_of(&store, dir), "new", 0), 0);
	assert_int_equal(look_up(&store, slot_of(&store, dir), "new"), first);
	assert_int_equal(slot_of(&store, second)->flags & NODE_UNLINKED, NODE_UNLINKED);
	expect_text(&store, second, "second");
	/* fails: nothing is unlinked */
	assert_int_equal(
		store_source.rename(ALL, NULL, root_of(&store), "none", slot_of(&store, dir), "new", 0),
		-ENOENT);
	assert_int_equal(
		store_source.rename(ALL, NULL, slot_of(&store, dir), "new", root_of(&store), "full", 0),
		-EISDIR);
	assert_int_equal(
		store_source.rename(ALL, NULL, slot_of(&store, dir), "sub", root_of(&store), "full", 0),
		-ENOTEMPTY);
	assert_int_equal(store_source.rename(ALL, NULL, root_of(&store), "dir", slot_of(&store, sub), "x", 0),
			 -EINVAL);
	assert_int_equal(
		store_source.rename(ALL, NULL, root_of(&store), "dir", root_of(&store), "x", 8 /* none is */),
		-EINVAL);
	assert_int_equal(store_source.rename(ALL, NULL, root_of(&store), "x", slot_of(&store, first), "x", 0),
			 -ENOTDIR);
	for (uint32_t i = 1; i < store.slots.arena.header->nodes_high; i++)
		if (i != node_index_of(second))
			assert_int_equal(store.slots.arena.nodes[i].flags & (NODE_UNLINKED | NODE_HELD), 0);
	store_end(&store);
}

static void says_why_it_does_not_remove(void **state)
{
	struct store store;
	uint64_t dir, file;

	(void)state;
	store_begin(&store);
	dir = make_directory(&store, root_of(&store), "dir");
	file = make_file(&store, slot_of(&store, dir), "file", "");
	assert_int_equal(store_source.remove(ALL, NULL, root_of(&store), "dir", AT_REMOVEDIR), -ENOTEMPTY);
	assert_int_equal(store_source.remove(ALL, NULL, root_of(&store), "dir", 0), -EISDIR);
	assert_int_equal(store_source.remove(ALL, NULL, root_of(&store), "none", 0), -ENOENT);
	assert_int_equal(store_source.remove(ALL, NULL, slot_of(&store, file), "x", 0), -ENOTDIR);
	assert_int_equal(slot_of(&store, dir)->flags & NODE_UNLINKED, 0);
	store_end(&store);
}

/* A file that is identified by a descriptor of its own, while no further one can be had. */
static void identifies_nothing_without_descriptors(void **state)
{
	struct source_file file = {.fd = -9, .flags = 77};
	struct store store;
	struct rlimit before;
	struct rlimit few;
	uint64_t id;
	int fd;

	(void)state;
	store_begin(&store);
	id = make_file(&store, root_of(&store), "file", "");
	fd = backing_open(ALL, slot_of(&store, id), O_RDONLY);
	assert_true(fd >= 0);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	few = (struct rlimit){.rlim_cur = 3, .rlim_max = before.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	if (store_without_handles) {
		assert_int_equal(backing_identify(ALL, 0, fd, "", &file), -EMFILE);
		assert_int_equal(backing_open(ALL, slot_of(&store, id), O_PATH), -EMFILE);
	}
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_int_equal(file.fd, -9);
	assert_int_equal(file.flags, 77);
	close(fd);
	store_end(&store);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_files),
		cmocka_unit_test(says_why_it_finds_nothing),
		cmocka_unit_test(tells_stores_apart),
		cmocka_unit_test(creates_files),
		cmocka_unit_test(creates_files_without_a_name),
		cmocka_unit_test(makes_every_type),
		cmocka_unit_test(links_files),
		cmocka_unit_test(goes_on_with_removed_files),
		cmocka_unit_test(forgets_removed_files_that_nobody_refers_to),
		cmocka_unit_test(leaves_files_with_an_id_to_the_kernel),
		cmocka_unit_test(notes_removed_files_with_much_memory),
		cmocka_unit_test(renames_files),
		cmocka_unit_test(says_why_it_does_not_remove),
		cmocka_unit_test(identifies_nothing_without_descriptors),
	};

	return run_on_both_stores(tests);
}
