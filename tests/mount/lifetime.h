/* SPDX-License-Identifier: MIT */
/*
 * Shared by the programs that test lifetimes: a mount in one of the I/O modes, segments in memory or on disk,
 * and checks that they are gone or stay. Each program includes it in one file.
 *
 * The kernel caches names for an hour here, so a name disappears only if the daemon notifies the kernel.
 */
#ifndef SEGFS_MOUNT_LIFETIME_H
#define SEGFS_MOUNT_LIFETIME_H

#include "tests/lib/leaks.h"
#include "tests/lib/process.h"
#include "tests/lib/worker.h"
#include "tests/mount/harness.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#define LIFETIME "user.segfs.lifetime"
#define PAGE     4096
#define LOOKS    40                      /* milliseconds for which what is to stay is looked at */
#define TTL      (20 * wait_seconds(10)) /* milliseconds, of a short life: 200, or more on a slow machine */

static struct mount mounted;
static struct mount_spec spec;
static char config[2 * PATH_MAX];
static char options[128];
static const char *place; /* where a case makes its files: "" in memory, "disk/" on disk */

static inline const char *at_mount(const char *name)
{
	return path_of("%s/%s%s", mounted.path, place, name);
}

static inline const char *at_store(const char *name)
{
	return path_of("%s/%s%s", mounted.store, place, name);
}

static inline int set(const char *name, const char *value)
{
	return setxattr(at_mount(name), LIFETIME, value, strlen(value), 0);
}

static inline void expect_lifetime(const char *name, const char *expected)
{
	char value[64] = "";

	check(getxattr(at_mount(name), LIFETIME, value, sizeof(value) - 1));
	assert_string_equal(value, expected);
}

static inline int make(const char *name)
{
	int fd = (int)check(open(at_mount(name), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644));

	assert_int_equal(check(pwrite(fd, "content", 7, 0)), 7);
	return fd;
}

/* Its RELEASE has come. */
static inline void close_to(int fd, int handles)
{
	check(close(fd));
	assert_true(wait_for(mount_handles(&mounted) <= handles));
}

static inline void make_closed(const char *name)
{
	close_to(make(name), 0);
}

static inline int open_file(const char *name)
{
	return (int)check(open(at_mount(name), O_RDWR | O_CLOEXEC));
}

/* In the mount, as well as in the store. */
static inline bool is_gone(const char *name)
{
	struct stat stat_;

	return lstat(at_mount(name), &stat_) < 0 && errno == ENOENT && lstat(at_store(name), &stat_) < 0 &&
	       errno == ENOENT;
}

static inline bool stays_for(const char *name, unsigned int milliseconds)
{
	struct stat stat_;

	for (unsigned int i = 0; i < milliseconds; i++) {
		const struct deadline now = deadline_in(1);

		if (lstat(at_store(name), &stat_) < 0)
			return false;
		deadline_wait(&now);
	}
	return lstat(at_mount(name), &stat_) == 0;
}

#define assert_gone(name)  assert_true(wait_for(is_gone(name)))
#define assert_stays(name) assert_true(stays_for(name, LOOKS))

/* Nobody has anything open. */
static inline void start_again(void)
{
	assert_int_equal(mount_stop_keep(&mounted), 0);
	assert_int_equal(mount_start(&mounted, &spec), 0);
}

static inline void perhaps_replace_worker(bool really)
{
	if (really)
		worker_replace(&mounted);
}

/* After a case nothing is left of what it opened, nor, where it has failed, of what it made. */
static inline int verify(void **unused)
{
	/* what is the machine's own is not the test's to remove */
	const char *const argv[] = {
		"find", at_mount("."), "-mindepth", "1",     "-maxdepth", "1",     "!",  "-name", ".segfs",
		"!",    "-name",       "disk",      "!",     "-name",     "posix", "!",  "-name", "sysv",
		"!",    "-name",       "process",   "-exec", "rm",        "-rf",   "{}", "+",     NULL};

	(void)unused;
	run_program(argv);
	return verify_nothing_lost(&mounted);
}

static inline const char *ttl(unsigned int length)
{
	return path_of("ttl:%ums", length);
}

/* --- places and modes --- */

static inline int start(const char *mode)
{
	const char *disk = disk_directory();
	const char *medium = path_of("%s/lifetime.medium", disk ? disk : test_directory());
	bool on_disk = strncmp(mode, "disk", 4) == 0;

	mkdir(medium, 0755);
	place = on_disk ? "disk/" : "";
	snprintf(options, sizeof(options), "%s,entry_timeout=3600,attr_timeout=3600",
		 mode_options(on_disk ? mode + 5 : mode));
	snprintf(config, sizeof(config), "[directory disk]\nmedium = %s\n", medium);
	spec = (struct mount_spec){.tag = mode, .options = options, .config = config};
	return mount_start(&mounted, &spec);
}

static inline int stop(void **unused)
{
	(void)unused;
	return mount_stop(&mounted);
}

#define CASE(function) cmocka_unit_test_teardown(function, verify)

#endif
