// SPDX-License-Identifier: MIT
/*
 * Each system call of the worker fails in turn while it rereads the configuration: each section is in force
 * as a whole, or has no effect, also on the directory of another file system that it names.
 */
#include "lib/base/cleanup.h"
#include "tests/lib/failpoint.h"
#include "tests/lib/failwalk.h"
#include "tests/lib/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#define POINTS_MAX 1500 /* more than any reload makes */
#define MOUNT_MAX  10   /* reloads of a mount: the number of stores is limited */

static struct mount mount;
static char disk[PATH_MAX]; /* a directory on disk */

static int start(void **unused)
{
	const struct mount_spec spec = {.config = "[mount]\nsources = none\nfsync = always\n"};

	(void)unused;
	return mount_start(&mount, &spec);
}

static int stop(void **unused)
{
	(void)unused;
	return mount.running ? mount_stop(&mount) : 0;
}

static unsigned int readings(void)
{
	return log_count(&mount, "is in force") + log_count(&mount, "was not changed") +
	       log_count(&mount, "nothing was changed");
}

/* A line of the log that cannot be written is missing: the configuration is then read once more. */
static void reload(const char *config, unsigned int n, struct failed_call *failed)
{
	const unsigned int before = readings();
	struct failpoint point;

	check(write_text(mount.config, config));
	assert_int_equal(failpoint_set(&point, &mount, n, FAIL_LIKELY), 0);
	check(kill(mount.supervisor, SIGHUP));
	assert_true(wait_for(readings() > before || failpoint_failed(&point)));
	failpoint_end(&point, failed);
	if (failed->name && strncmp(failed->name, "write", strlen("write")) == 0)
		check(kill(mount.supervisor, SIGHUP));
	assert_true(wait_for(readings() > before));
}

static bool is_whole(const struct stat *found, mode_t mode)
{
	return found->st_mode == mode && found->st_uid == 11 && found->st_gid == 12;
}

/* Complaints, each with the call that has failed. */
static void check_sections(unsigned int n, const struct failed_call *failed)
{
	const char *native = path_of("%s/%u", disk, n);
	const char *memory = path_of("%s/d%u/memory", mount.path, n);
	const char *file = path_of("%s/d%u/plain/file", mount.path, n);
	const char *shown = path_of("%s/d%u/disk", mount.path, n);
	struct stat found;
	struct stat at;
	char list[256];

	check(stat(native, &found));
	if (lstat(shown, &at) == 0) {
		if (!is_whole(&at, S_IFDIR | 0710) || listxattr(native, list, sizeof(list)) <= 0)
			failwalk_complain("point %u (%s): the disk is shown as %o %u", n, failed->name,
					  at.st_mode, at.st_uid);
	} else if (found.st_mode != (S_IFDIR | 0755) || found.st_uid != 0 ||
		   listxattr(native, list, sizeof(list)) != 0) {
		failwalk_complain("point %u (%s): the disk is not shown, but changed: %o %u", n, failed->name,
				  found.st_mode, found.st_uid);
	}
	if (lstat(memory, &at) == 0 && !is_whole(&at, S_IFDIR | 0710))
		failwalk_complain("point %u (%s): memory is shown as %o %u", n, failed->name, at.st_mode,
				  at.st_uid);
	if (lstat(file, &at) == 0 && (!is_whole(&at, S_IFREG | 0640) || at.st_size != 4096))
		failwalk_complain("point %u (%s): the segment is %o %u %lld", n, failed->name, at.st_mode,
				  at.st_uid, (long long)at.st_size);
}

/* Directories of sources are never ordinary ones, in which anything can be made. */
static void check_sources(unsigned int n, const struct failed_call *failed)
{
	const char *segments = path_of("%s/d%u/shm", mount.path, n);
	const char *objects = path_of("%s/d%u/objects", mount.path, n);
	struct stat at;

	if (lstat(segments, &at) == 0 &&
	    (open(path_of("%s/name", segments), O_RDWR | O_CREAT | O_CLOEXEC, 0600) >= 0 || errno != EINVAL))
		failwalk_complain("point %u (%s): no segments are shown", n, failed->name);
	if (lstat(objects, &at) == 0 && at.st_mode != (S_IFDIR | 01777))
		failwalk_complain("point %u (%s): objects are shown as %o", n, failed->name, at.st_mode);
}

/* After point n. Mounts anew when there are many directories. */
static bool walk_goes_on(unsigned int n, const struct failed_call *failed)
{
	if (n % MOUNT_MAX == 0) {
		assert_int_equal(mount_stop(&mount), 0);
		assert_int_equal(start(NULL), 0);
	}
	if (failed->name && n < POINTS_MAX)
		return true;
	print_message("%u points\n", n - 1);
	assert_in_range(n, 50, POINTS_MAX - 1);
	assert_int_equal(failwalk_complaints(), 0);
	assert_false(log_has(&mount, "internal error"));
	return false;
}

static void each_section_is_whole(void **unused)
{
	struct failed_call failed = {0};
	unsigned int n = 0;

	(void)unused;
	failwalk_complaints();
	do {
		char config[PATH_MAX + 512];

		n++;
		check(mkdir(path_of("%s/%u", disk, n), 0755));
		snprintf(config, sizeof(config),
			 "[mount]\nsources = none\nfsync = always\n"
			 "[directory d%u/disk]\nmedium = %s/%u\nmode = 0710\nowner = 11:12\nwriters = 3\n"
			 "[directory d%u/memory]\nmedium = memory\nsize = 64K\nmode = 0710\nowner = 11:12\n"
			 "[directory d%u/shm]\nsource = sysv\n[directory d%u/objects]\nsource = posix\n"
			 "[segment d%u/plain/file]\nsize = 4K\nmode = 0640\nowner = 11:12\n",
			 n, disk, n, n, n, n, n);
		reload(config, n, &failed);
		check_sections(n, &failed);
		check_sources(n, &failed);
	} while (walk_goes_on(n, &failed));
}

/* --- changes of what exists --- */

/* Values of the keys of three sections. */
struct keys {
	int mode; /* of others, of the mode 075x or 064x */
	unsigned int owner;
	int writers;
	unsigned int room; /* KiB, of the medium */
	unsigned int size; /* KiB, of the segment */
};

static const struct keys old_keys = {0, 11, 3, 64, 4};
static const struct keys new_keys = {4, 21, 5, 128, 8};

static void write_config(char config[1024], unsigned int n, const struct keys *keys)
{
	snprintf(config, 1024,
		 "[mount]\nsources = none\nfsync = always\n"
		 "[directory c%u]\nmedium = memory\nsize = %uK\nmode = 075%d\nowner = %u:12\nwriters = %d\n"
		 "[directory p%u]\nmode = 075%d\nowner = %u:12\nwriters = %d\n"
		 "[segment c%u/file]\nsize = %uK\nmode = 064%d\nowner = %u:12\nwriters = %d\n",
		 n, keys->room, keys->mode, keys->owner, keys->writers, n, keys->mode, keys->owner,
		 keys->writers, n, keys->size, keys->mode, keys->owner, keys->writers);
}

/* The same of a file or directory; room and size of the other one where there is none. */
static void find_keys(const char *path, const struct keys *others, struct keys *keys)
{
	struct statvfs store;
	struct stat found;
	char value[8] = "";

	check(stat(path, &found));
	check(statvfs(path, &store));
	check(getxattr(path, "user.segfs.writers", value, sizeof(value) - 1));
	*keys = (struct keys){
		.mode = (int)(found.st_mode & 07),
		.owner = found.st_uid,
		.writers = atoi(value),
		.room = others->room,
		.size = others->size,
	};
	if (S_ISREG(found.st_mode))
		keys->size = (unsigned int)(found.st_size / 1024);
	else if (strrchr(path, '/')[1] == 'c')
		keys->room = (unsigned int)(store.f_blocks * store.f_frsize / 1024);
}

static void check_change(unsigned int n, const struct failed_call *failed, const char *path)
{
	struct keys found;

	find_keys(path, &old_keys, &found);
	if (memcmp(&found, &old_keys, sizeof(found)) == 0)
		return;
	find_keys(path, &new_keys, &found);
	if (memcmp(&found, &new_keys, sizeof(found)) != 0)
		failwalk_complain("point %u (%s): %s has mode %d, owner %u, writers %d, room %u, size %u", n,
				  failed->name, path, found.mode, found.owner, found.writers, found.room,
				  found.size);
}

static void each_change_is_whole(void **unused)
{
	struct failed_call failed = {0};
	unsigned int n = 0;

	(void)unused;
	failwalk_complaints();
	do {
		char config[1024];

		n++;
		write_config(config, n, &old_keys);
		reload(config, POINTS_MAX, &failed);
		write_config(config, n, &new_keys);
		reload(config, n, &failed);
		check_change(n, &failed, path_of("%s/c%u", mount.path, n));
		check_change(n, &failed, path_of("%s/p%u", mount.path, n));
		check_change(n, &failed, path_of("%s/c%u/file", mount.path, n));
	} while (walk_goes_on(n, &failed));
}

int main(void)
{
	static const struct CMUnitTest all[] = {
		cmocka_unit_test(each_section_is_whole),
		cmocka_unit_test(each_change_is_whole),
	};

	failwalk_require();
	if (!disk_directory())
		skip_program("a file system on disk");
	snprintf(disk, sizeof(disk), "%s/media", disk_directory());
	if (mkdir(disk, 0755) < 0)
		return 1;
	return cmocka_run_group_tests_name("reload", all, start, stop);
}
