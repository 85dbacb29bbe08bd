// SPDX-License-Identifier: MIT
/*
 * Policies of segments as attributes: setting, getting, listing and removing them; refusals and permissions.
 * In direct, mediated and relayed mode.
 */
#include "lib/base/cleanup.h"
#include "tests/lib/modes.h"
#include "tests/lib/process.h"
#include "tests/lib/worker.h"
#include "tests/mount/policy.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

/* --- attributes --- */

static void set_get_list_remove_of(const char *path)
{
	for (size_t i = 0; i < N_FIELDS; i++) {
		const char *name = own(fields[i].field);

		expect_field(path, fields[i].field, fields[i].by_default);
		assert_false(lists(path, name));
		check(set(path, fields[i].field, fields[i].other));
		expect_field(path, fields[i].field, fields[i].as_written);
		assert_true(lists(path, name));
		/* only this field changed */
		for (size_t j = 0; j < N_FIELDS; j++)
			if (j != i)
				expect_field(path, fields[j].field, fields[j].by_default);
		check(removexattr(path, name));
		expect_field(path, fields[i].field, fields[i].by_default);
		assert_false(lists(path, name));
		check(removexattr(path, name));
		check(set(path, fields[i].field, fields[i].by_default));
		check(setxattr(path, name, fields[i].other, strlen(fields[i].other), XATTR_REPLACE));
		check_error(EEXIST, setxattr(path, name, fields[i].by_default, strlen(fields[i].by_default),
					     XATTR_CREATE));
		expect_field(path, fields[i].field, fields[i].as_written);
		check(removexattr(path, name));
	}
	/* all at once */
	for (size_t i = 0; i < N_FIELDS; i++)
		check(set(path, fields[i].field, fields[i].other));
	for (size_t i = 0; i < N_FIELDS; i++)
		expect_field(path, fields[i].field, fields[i].as_written);
	worker_replace(&mount);
	for (size_t i = 0; i < N_FIELDS; i++)
		expect_field(path, fields[i].field, fields[i].as_written);
	for (size_t i = 0; i < N_FIELDS; i++)
		check(removexattr(path, own(fields[i].field)));
	for (size_t i = 0; i < N_FIELDS; i++)
		expect_field(path, fields[i].field, fields[i].by_default);
}

static void set_get_list_remove(void **unused)
{
	(void)unused;
	make_closed("file", PAGE);
	check(mkdir(at_mount("dir"), 0755));
	set_get_list_remove_of(at_mount("file"));
	set_get_list_remove_of(at_mount("dir"));
	/* nothing is stored for the default */
	check_error(ENODATA, getxattr(at_store("file"), "trusted.segfs.policy", NULL, 0));
	check_error(ENODATA, getxattr(at_store("dir"), "trusted.segfs.policy", NULL, 0));
	check(unlink(at_mount("file")));
	check(rmdir(at_mount("dir")));
}

/* By a descriptor too, also of a file without a name. */
static void by_descriptor(void **unused)
{
	_cleanup_close_ int fd = make("file", PAGE);
	char value[64] = "";

	(void)unused;
	check(fset(fd, "writers", "3"));
	expect_field(at_mount("file"), "writers", "3");
	check(unlink(at_mount("file")));
	check(fgetxattr(fd, OWN "writers", value, sizeof(value)));
	assert_string_equal(value, "3");
	check(fset(fd, "writers", "4"));
	check(fset(fd, "lifetime", "last-close"));
	memset(value, 0, sizeof(value));
	check(fgetxattr(fd, OWN "writers", value, sizeof(value)));
	assert_string_equal(value, "4");
}

static void bad_values_of(const char *path)
{
	static const struct {
		const char *field;
		const char *value;
	} bad[] = {
		{"lock", ""},           {"lock", "yes"},
		{"lock", "Mandatory"},  {"writers", ""},
		{"writers", "-1"},      {"writers", "65536"},
		{"writers", "1 "},      {"commit", ""},
		{"commit", "true"},     {"commit", "1"},
		{"size-policy", ""},    {"size-policy", "4096"},
		{"lifetime", ""},       {"lifetime", "ttl:0"},
		{"lifetime", "ttl:"},   {"lifetime", "ttl:3651d"},
		{"lifetime", "ttl"},    {"lifetime", "ttl:1w"},
		{"lifetime", "owner "},
	};
	char large[65536];
	struct snapshot before = snapshot_of(path);

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		check_error(EINVAL, set(path, bad[i].field, bad[i].value));
		expect_unchanged(path, &before);
	}
	memset(large, '1', sizeof(large));
	for (size_t i = 0; i < N_FIELDS; i++) {
		const char *name = own(fields[i].field);

		check_error(EINVAL, setxattr(path, name, fields[i].other, strlen(fields[i].other) + 1, 0));
		check_error(EINVAL, setxattr(path, name, large, sizeof(large), 0));
		check_error(EINVAL, setxattr(path, name, NULL, 0, 0));
		expect_unchanged(path, &before);
	}
}

static void unknown_and_read_only_of(const char *path, bool is_file)
{
	static const char *const unknown[] = {OWN "colour", OWN "Lock",   OWN "locks", OWN "loc",
					      OWN "lock ",  OWN "policy", OWN "use",   OWN};
	static const char *const read_only[] = {OWN "source", OWN "io-mode", OWN "attached"};
	struct snapshot before = snapshot_of(path);

	for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
		check_error(EOPNOTSUPP, setxattr(path, unknown[i], "1", 1, 0));
		check_error(EOPNOTSUPP, setxattr(path, unknown[i], "1", 1, XATTR_CREATE));
		check_error(ENODATA, getxattr(path, unknown[i], NULL, 0));
		check_error(ENODATA, removexattr(path, unknown[i]));
	}
	for (size_t i = 0; i < sizeof(read_only) / sizeof(read_only[0]); i++) {
		bool has = is_file || i == 0;

		check_error(has ? EPERM : EOPNOTSUPP, setxattr(path, read_only[i], "direct", 6, 0));
		check_error(has ? EPERM : ENODATA, removexattr(path, read_only[i]));
		assert_false(lists(path, read_only[i]));
		if (has)
			check(getxattr(path, read_only[i], NULL, 0));
		else
			check_error(ENODATA, getxattr(path, read_only[i], NULL, 0));
	}
	expect_unchanged(path, &before);
}

static void what_is_refused(void **unused)
{
	(void)unused;
	make_closed("file", PAGE);
	check(mkdir(at_mount("dir"), 0755));
	bad_values_of(at_mount("file"));
	bad_values_of(at_mount("dir"));
	unknown_and_read_only_of(at_mount("file"), true);
	unknown_and_read_only_of(at_mount("dir"), false);
	check(set(at_mount("file"), "writers", "2"));
	bad_values_of(at_mount("file"));
	unknown_and_read_only_of(at_mount("file"), true);
	/* .segfs has no policies */
	check_error(ENODATA, getxattr(at_mount(".segfs/status"), OWN "lock", NULL, 0));
	assert_true(set(at_mount(".segfs/status"), "lock", "mandatory") < 0);
	assert_false(lists(at_mount(".segfs/status"), OWN "lock"));
	assert_false(lists(at_mount(".segfs"), OWN "lifetime"));
	/* nor do links: user attributes are for files and directories */
	check(symlink("file", at_mount("link")));
	assert_true(lsetxattr(at_mount("link"), OWN "writers", "1", 1, 0) < 0);
	check(setxattr(at_mount("link"), OWN "writers", "5", 1, 0));
	expect_field(at_mount("file"), "writers", "5");
	check(unlink(at_mount("link")));
	check(mkfifo(at_mount("fifo"), 0644));
	assert_true(set(at_mount("fifo"), "writers", "1") < 0);
	check(unlink(at_mount("fifo")));
	check(unlink(at_mount("file")));
	check(rmdir(at_mount("dir")));
}

/* --- who may --- */

static int try_to_set(void *context)
{
	const char *path = context;

	for (size_t i = 0; i < N_FIELDS; i++) {
		if (set(path, fields[i].field, fields[i].other) == 0)
			return 1;
		if (errno != EPERM)
			return -errno;
		if (removexattr(path, own(fields[i].field)) == 0)
			return 2;
		if (errno != EPERM)
			return -errno;
	}
	return 0;
}

static int set_and_remove(void *context)
{
	const char *path = context;

	for (size_t i = 0; i < N_FIELDS; i++) {
		if (set(path, fields[i].field, fields[i].other) < 0)
			return -errno;
		if (removexattr(path, own(fields[i].field)) < 0)
			return -errno;
	}
	return 0;
}

/* A descriptor opened by the owner does not permit setting policies. */
static int set_by_descriptor(void *context)
{
	const int *fd = context;

	return fset(*fd, "lifetime", "last-close") == 0 ? 1 : errno == EPERM ? 0 : -errno;
}

static void owners_only(void **unused)
{
	static const char *const names[] = {"file", "dir"};
	int fd;

	(void)unused;
	make_closed("file", PAGE);
	check(mkdir(at_mount("dir"), 0755));
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const char *path = at_mount(names[i]);
		struct snapshot before;

		/* may write, but is not the owner */
		check(chmod(path, 0777));
		before = snapshot_of(path);
		assert_int_equal(as_user(TEST_UID, TEST_GID, try_to_set, (void *)(uintptr_t)path), 0);
		expect_unchanged(path, &before);
		check(chown(path, TEST_UID, 0));
		assert_int_equal(as_user(TEST_UID, TEST_GID, set_and_remove, (void *)(uintptr_t)path), 0);
		assert_int_equal(as_user(TEST_UID + 1, TEST_GID, try_to_set, (void *)(uintptr_t)path), 0);
		/* root may set them everywhere */
		assert_int_equal(set_and_remove((void *)(uintptr_t)path), 0);
		expect_unchanged(path, &before);
	}
	fd = (int)check(open(at_mount("file"), O_RDWR | O_CLOEXEC));
	assert_int_equal(as_user(TEST_UID + 1, TEST_GID, set_by_descriptor, &fd), 0);
	close(fd);
	expect_field(at_mount("file"), "lifetime", "persistent");
	check(unlink(at_mount("file")));
	check(rmdir(at_mount("dir")));
}

static void small_buffers(void **unused)
{
	static const char *const names[] = {"lock",     "writers",  "commit",  "size-policy",
					    "lifetime", "attached", "io-mode", "source"};
	char value[64];
	char list[4096];
	ssize_t length;

	(void)unused;
	make_closed("file", 0);
	check(set(at_mount("file"), "writers", "65535"));
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const char *name = own(names[i]);

		length = check(getxattr(at_mount("file"), name, NULL, 0));
		assert_true(length > 0);
		memset(value, '?', sizeof(value));
		assert_int_equal(check(getxattr(at_mount("file"), name, value, (size_t)length)), length);
		assert_int_equal(value[length], '?');
		if (length > 1)
			check_error(ERANGE, getxattr(at_mount("file"), name, value, (size_t)length - 1));
	}
	length = check(listxattr(at_mount("file"), NULL, 0));
	assert_int_equal(check(listxattr(at_mount("file"), list, (size_t)length)), length);
	check_error(ERANGE, listxattr(at_mount("file"), list, (size_t)length - 1));
	check_error(ERANGE, listxattr(at_mount("file"), list, 1));
	check(unlink(at_mount("file")));
}

static void what_is_stored_is_private(void **unused)
{
	static const char *const names[] = {"trusted.segfs.policy", "trusted.segfs.use",
					    "trusted.segfs.other"};
	char list[4096];
	ssize_t length;

	(void)unused;
	make_closed("file", 0);
	check(set(at_mount("file"), "writers", "1"));
	check(set(at_mount("file"), "lifetime", "ttl:1d"));
	check(close((int)check(open(at_mount("file"), O_RDWR | O_CLOEXEC))));
	check(setxattr(at_mount("file"), "trusted.mine", "1", 1, 0));
	assert_true(check(getxattr(at_store("file"), "trusted.segfs.policy", NULL, 0)) > 0);
	assert_true(wait_for(getxattr(at_store("file"), "trusted.segfs.use", NULL, 0) > 0));
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		check_error(ENODATA, getxattr(at_mount("file"), names[i], list, sizeof(list)));
		check_error(EPERM, setxattr(at_mount("file"), names[i], "writers=2", 9, 0));
		check_error(EPERM, removexattr(at_mount("file"), names[i]));
		assert_false(lists(at_mount("file"), names[i]));
	}
	length = check(listxattr(at_mount("file"), list, sizeof(list)));
	assert_null(memmem(list, (size_t)length, "trusted.segfs", 13));
	assert_true(lists(at_mount("file"), "trusted.mine"));
	expect_field(at_mount("file"), "writers", "1");
	check(unlink(at_mount("file")));
}

/* --- modes --- */

int main(void)
{
	static const struct CMUnitTest cases[] = {CASE(set_get_list_remove), CASE(by_descriptor),
						  CASE(what_is_refused),     CASE(owners_only),
						  CASE(small_buffers),       CASE(what_is_stored_is_private)};

	if (geteuid() != 0)
		skip_program("root");
	return run_in_each_mode_with_mand(cases, sizeof(cases) / sizeof(cases[0]), start, stop);
}
