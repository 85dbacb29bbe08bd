/* SPDX-License-Identifier: MIT */
/*
 * Shared by the programs that test policies: a mount in one of the I/O modes, with a small directory `small`
 * and, if there is a disk, a directory `disk` on it; segments; policies as attributes. Each program includes
 * it in one file.
 */
#ifndef SEGFS_MOUNT_POLICY_H
#define SEGFS_MOUNT_POLICY_H

#include "tests/lib/leaks.h"
#include "tests/mount/harness.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#define OWN         "user.segfs."
#define PAGE        4096
#define MEGA        1048576
#define SMALL_STORE (4 * MEGA) /* bytes that fit into the directory "small" */

static struct mount mount;
static struct mount_spec spec;
static char config[2 * PATH_MAX];
static char options[64];
static const char *mode; /* of the mount, see modes.h */

static inline const char *at_mount(const char *name)
{
	return path_of("%s/%s", mount.path, name);
}

static inline const char *at_store(const char *name)
{
	return path_of("%s/%s", mount.store, name);
}

static inline int make(const char *name, off_t size)
{
	int fd = (int)check(open(at_mount(name), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644));

	if (size > 0)
		check(ftruncate(fd, size));
	return fd;
}

/* A RELEASE follows its close(2) by itself; the next step may depend on it. */
static inline void close_all_but(unsigned int handles)
{
	assert_true(wait_for(mount_handles(&mount) <= (int)handles));
}

static inline void make_closed(const char *name, off_t size)
{
	int handles = mount_handles(&mount);

	check(close(make(name, size)));
	close_all_but((unsigned int)handles);
}

/* The attribute's name; valid for ever, unlike what path_of() returns. */
static inline const char *own(const char *field)
{
	static char names[16][64];
	size_t i = 0;

	while (*names[i] && strcmp(names[i] + strlen(OWN), field) != 0)
		i++;
	snprintf(names[i], sizeof(names[i]), OWN "%s", field);
	return names[i];
}

static inline int set(const char *path, const char *field, const char *value)
{
	return setxattr(path, own(field), value, strlen(value), 0);
}

static inline int fset(int fd, const char *field, const char *value)
{
	return fsetxattr(fd, own(field), value, strlen(value), 0);
}

static inline void expect_field(const char *path, const char *field, const char *expected)
{
	char value[128] = "";

	check(getxattr(path, own(field), value, sizeof(value) - 1));
	assert_string_equal(value, expected);
}

/*
 * All that a policy is, its list of attributes included; compared before and after what must change nothing.
 */
struct snapshot {
	char text[2048];
};

#define IDLE_SINCE "user.segfs.idle-since,"

static inline struct snapshot snapshot_of(const char *path)
{
	char *idle;
	static const char *const fields[] = {"lock", "writers", "commit", "size-policy", "lifetime"};
	struct snapshot snapshot = {""};
	size_t used = 0;
	ssize_t length;

	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		used += (size_t)check(getxattr(path, own(fields[i]), snapshot.text + used, 64));
		snapshot.text[used++] = ' ';
	}
	length = check(listxattr(path, snapshot.text + used, sizeof(snapshot.text) - used));
	for (ssize_t i = 0; i < length; i++)
		if (!snapshot.text[used + (size_t)i])
			snapshot.text[used + (size_t)i] = ',';
	snapshot.text[used + (size_t)length] = 0;
	/* since when nobody has had it is no part of a policy, and known at times only */
	idle = strstr(snapshot.text, IDLE_SINCE);
	if (idle)
		memmove(idle, idle + strlen(IDLE_SINCE), strlen(idle + strlen(IDLE_SINCE)) + 1);
	return snapshot;
}

#define expect_unchanged(path, before) assert_string_equal(snapshot_of(path).text, (before)->text)

static inline off_t size_of(const char *name)
{
	struct stat stat_;

	check(stat(at_store(name), &stat_));
	return stat_.st_size;
}

static inline long long allocated(const char *name)
{
	struct stat stat_;

	check(stat(at_store(name), &stat_));
	return stat_.st_blocks * 512LL;
}

/* After a case nothing is left of what it opened, nor, where it has failed, of what it made. */
static inline int verify(void **unused)
{
	static const char *const names[] = {"file",     "source",     "ends",
					    "dir/file", "small/file", "small/other"};

	(void)unused;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		unlink(at_mount(names[i]));
	rmdir(at_mount("dir"));
	return verify_nothing_lost(&mount);
}

static const struct {
	const char *field;
	const char *by_default;
	const char *other; /* a value that a file in each mode can get */
	const char *as_written;
} fields[] = {
	{"lock", "advisory", "mandatory", "mandatory"},
	{"writers", "0", "007", "7"},
	{"commit", "no", "yes", "yes"},
	{"size-policy", "variable", "fixed", "fixed"},
	{"lifetime", "persistent", "ttl:3600s", "ttl:1h"},
};

#define N_FIELDS (sizeof(fields) / sizeof(fields[0]))

static inline bool lists(const char *path, const char *name)
{
	char list[4096];
	ssize_t length = check(listxattr(path, list, sizeof(list)));

	for (const char *at = list; at < list + length; at += strlen(at) + 1)
		if (strcmp(at, name) == 0)
			return true;
	return false;
}

/* --- modes --- */

static inline int start(const char *the_mode)
{
	const char *disk = disk_directory();
	const char *medium = path_of("%s/policy.medium", disk ? disk : test_directory());

	mode = the_mode;
	mkdir(medium, 0755);
	snprintf(options, sizeof(options), "%s", mode_options(mode));
	snprintf(config, sizeof(config), "[directory small]\nmedium = memory\nsize = 4M\nmode = 1777\n%s%s%s",
		 disk ? "[directory disk]\nmedium = " : "", disk ? medium : "", disk ? "\n" : "");
	spec = (struct mount_spec){.tag = mode, .options = options, .config = config};
	return mount_start(&mount, &spec);
}

static inline int stop(void **unused)
{
	(void)unused;
	return mount_stop(&mount);
}

#define CASE(function) cmocka_unit_test_teardown(function, verify)

#endif
