// SPDX-License-Identifier: MIT
#include "tests/bench/operations.h"
#include "tests/bench/bench.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#define EXPIRED_MS 1100 /* then cached names and attributes have expired */

static char old_names[OPERATIONS][8]; /* permanent files */
static char new_names[OPERATIONS][8]; /* created by operations and removed by their `finish` */
static int behind = -1;               /* working directory past the mount */
static int file = -1;
static int files[OPERATIONS];
static char page[4096];

static void make_file(unsigned int i)
{
	close((int)must(open(new_names[i], O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644)));
}

static void make_files(void)
{
	for (unsigned int i = 0; i < OPERATIONS; i++)
		make_file(i);
}

static void make_files_behind(void)
{
	for (unsigned int i = 0; i < OPERATIONS; i++)
		close((int)must(openat(behind, new_names[i], O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644)));
}

static void remove_file(unsigned int i)
{
	must(unlink(new_names[i]));
}

static void remove_files(void)
{
	for (unsigned int i = 0; i < OPERATIONS; i++)
		remove_file(i);
}

static void make_directory(unsigned int i)
{
	must(mkdir(new_names[i], 0755));
}

static void make_directories(void)
{
	for (unsigned int i = 0; i < OPERATIONS; i++)
		make_directory(i);
}

static void remove_directory(unsigned int i)
{
	must(rmdir(new_names[i]));
}

static void remove_directories(void)
{
	for (unsigned int i = 0; i < OPERATIONS; i++)
		remove_directory(i);
}

static void stat_file(unsigned int i)
{
	struct stat found;

	must(stat(old_names[i], &found));
}

void stat_files(void)
{
	for (unsigned int i = 0; i < OPERATIONS; i++)
		stat_file(i);
}

static void stat_files_and_wait(void)
{
	stat_files();
	sleep_milliseconds(EXPIRED_MS);
}

static void stat_file_anew(unsigned int i)
{
	struct statx found;

	must(statx(AT_FDCWD, old_names[i], AT_STATX_FORCE_SYNC, STATX_BASIC_STATS, &found));
}

static void stat_new(unsigned int i)
{
	struct stat found;

	must(stat(new_names[i], &found));
}

static void stat_missing(unsigned int i)
{
	struct stat found;

	if (stat(new_names[i], &found) == 0)
		die("%s exists", new_names[i]);
}

static void open_to_read(unsigned int i)
{
	close((int)must(open(old_names[i], O_RDONLY | O_CLOEXEC)));
}

static void open_to_write(unsigned int i)
{
	close((int)must(open(old_names[i], O_RDWR | O_CLOEXEC)));
}

static void open_to_truncate(unsigned int i)
{
	close((int)must(open(old_names[i], O_WRONLY | O_TRUNC | O_CLOEXEC)));
}

static void hold_files(void)
{
	for (unsigned int i = 0; i < OPERATIONS; i++)
		files[i] = (int)must(open(old_names[i], O_RDONLY | O_CLOEXEC));
}

static void let_go(void)
{
	for (unsigned int i = 0; i < OPERATIONS; i++)
		close(files[i]);
}

static void make_tmpfile(unsigned int i)
{
	(void)i;
	close((int)must(open(".", O_RDWR | O_TMPFILE | O_CLOEXEC, 0644)));
}

static void rename_file(unsigned int i)
{
	must(rename(old_names[i], new_names[i]));
}

static void rename_back(void)
{
	for (unsigned int i = 0; i < OPERATIONS; i++)
		must(rename(new_names[i], old_names[i]));
}

/* The new file replaces the old one, as editors and package managers do. */
static void rename_over(unsigned int i)
{
	must(rename(new_names[i], old_names[i]));
}

static void make_symlink(unsigned int i)
{
	must(symlink("target", new_names[i]));
}

static void make_symlinks(void)
{
	for (unsigned int i = 0; i < OPERATIONS; i++)
		make_symlink(i);
}

static void read_symlink(unsigned int i)
{
	char target[16];

	must(readlink(new_names[i], target, sizeof(target)));
}

static void link_file(unsigned int i)
{
	must(link(old_names[i], new_names[i]));
}

static void list(bool with_stat)
{
	DIR *directory = opendir(".");
	const struct dirent *entry;

	if (!directory)
		die("opendir failed");
	while ((entry = readdir(directory))) {
		struct stat found;

		if (with_stat)
			must(lstat(entry->d_name, &found));
	}
	closedir(directory);
}

static void list_names(unsigned int i)
{
	(void)i;
	list(false);
}

static void list_attributes(unsigned int i)
{
	(void)i;
	list(true);
}

static void set_attribute(unsigned int i)
{
	must(setxattr(old_names[i], "user.bench", "value", 5, 0));
}

static void set_attributes(void)
{
	for (unsigned int i = 0; i < OPERATIONS; i++)
		set_attribute(i);
}

static void get_attribute(unsigned int i)
{
	char value[16];

	must(getxattr(old_names[i], "user.bench", value, sizeof(value)));
}

static void truncate_file(unsigned int i)
{
	must(truncate(old_names[i], 4096));
}

static void change_mode(unsigned int i)
{
	must(chmod(old_names[i], 0640));
}

static void set_times(unsigned int i)
{
	must(utimensat(AT_FDCWD, old_names[i], NULL, 0));
}

/* The first file has OPERATIONS pages. */
static void open_file(void)
{
	file = (int)must(open(old_names[0], O_RDWR | O_CLOEXEC));
	must(ftruncate(file, OPERATIONS * 4096));
	for (unsigned int i = 0; i < OPERATIONS; i++)
		must(pwrite(file, page, 4096, (off_t)i * 4096));
	posix_fadvise(file, 0, 0, POSIX_FADV_RANDOM);
}

static void open_file_uncached(void)
{
	open_file();
	must(fsync(file));
	posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED);
}

static void close_file(void)
{
	close(file);
}

static void resize_open(unsigned int i)
{
	must(ftruncate(file, (off_t)(OPERATIONS - i) * 4096));
}

static void allocate(unsigned int i)
{
	must(fallocate(file, 0, (off_t)i * 4096, 4096));
}

static void find_data(unsigned int i)
{
	must(lseek(file, (off_t)i * 4096, SEEK_DATA));
}

static void sync_file(unsigned int i)
{
	(void)i;
	must(fsync(file));
}

static void read_page(unsigned int i)
{
	must(pread(file, page, 4096, (off_t)i * 4096));
}

static void write_page(unsigned int i)
{
	must(pwrite(file, page, 4096, (off_t)i * 4096));
}

static void map_and_touch(unsigned int i)
{
	volatile char *view = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, (off_t)i * 4096);

	if (view == MAP_FAILED)
		die("mmap failed");
	view[i] = 1;
	munmap((void *)(uintptr_t)view, 4096);
}

const struct operation operations[] = {
	{"segfs", "stat, cached", stat_files, stat_file, NULL},
	{"segfs", "stat, after the timeout", stat_files_and_wait, stat_file, NULL},
	{"segfs", "stat, asking anew", stat_files, stat_file_anew, NULL},
	{"segfs", "stat, name not known yet", make_files_behind, stat_new, remove_files},
	{"segfs", "stat, no such name", NULL, stat_missing, NULL},
	{"segfs", "open+close, to read", NULL, open_to_read, NULL},
	{"segfs", "open+close, to write", NULL, open_to_write, NULL},
	{"segfs", "same, open elsewhere, read", hold_files, open_to_read, let_go},
	{"segfs", "same, open elsewhere, write", hold_files, open_to_write, let_go},
	{"segfs", "open+close, O_TRUNC", NULL, open_to_truncate, NULL},
	{"segfs", "create+close", NULL, make_file, remove_files},
	{"segfs", "O_TMPFILE+close", NULL, make_tmpfile, NULL},
	{"segfs", "unlink", make_files, remove_file, NULL},
	{"segfs", "mkdir", NULL, make_directory, remove_directories},
	{"segfs", "rmdir", make_directories, remove_directory, NULL},
	{"segfs", "rename", NULL, rename_file, rename_back},
	{"segfs", "rename over a file", make_files, rename_over, NULL},
	{"segfs", "symlink", NULL, make_symlink, remove_files},
	{"segfs", "readlink", make_symlinks, read_symlink, remove_files},
	{"segfs", "link", NULL, link_file, remove_files},
	{"segfs", "list 100 entries", NULL, list_names, NULL},
	{"segfs", "list and stat 100 entries", NULL, list_attributes, NULL},
	{"segfs", "setxattr", NULL, set_attribute, NULL},
	{"segfs", "getxattr", set_attributes, get_attribute, NULL},
	{"segfs", "truncate", NULL, truncate_file, NULL},
	{"segfs", "chmod", NULL, change_mode, NULL},
	{"segfs", "utimensat", NULL, set_times, NULL},
	{"segfs", "ftruncate", open_file, resize_open, close_file},
	{"segfs", "fallocate", open_file, allocate, close_file},
	{"segfs", "lseek SEEK_DATA", open_file, find_data, close_file},
	{"segfs", "fsync", open_file, sync_file, close_file},
	{"segfs", "pread 4 KiB, direct", open_file, read_page, close_file},
	{"segfs", "pwrite 4 KiB, direct", open_file, write_page, close_file},
	{"segfs", "mmap+touch+munmap, direct", open_file, map_and_touch, close_file},
	{"mediated", "open+close, mediated", NULL, open_to_write, NULL},
	{"mediated", "pread 4 KiB, mediated", open_file, read_page, close_file},
	{"mediated", "pwrite 4 KiB, mediated", open_file, write_page, close_file},
	{"mediated", "mmap+touch+munmap, mediated", open_file, map_and_touch, close_file},
	{"relayed", "open+close, relayed", NULL, open_to_write, NULL},
	{"relayed", "pread 4 KiB, relayed, cached", open_file, read_page, close_file},
	{"relayed", "pread 4 KiB, relayed", open_file_uncached, read_page, close_file},
	{"relayed", "pwrite 4 KiB, relayed", open_file, write_page, close_file},
	{.name = NULL},
};

void set_up_operations(int directory_behind)
{
	behind = directory_behind;
	for (unsigned int i = 0; i < OPERATIONS; i++) {
		snprintf(old_names[i], sizeof(old_names[i]), "old%03u", i);
		snprintf(new_names[i], sizeof(new_names[i]), "new%03u", i);
		close((int)must(open(old_names[i], O_RDWR | O_CREAT | O_CLOEXEC, 0644)));
	}
}
