// SPDX-License-Identifier: MIT
/* Listing directories while they change, and locks; compared with a tmpfs. */
#include "lib/base/cleanup.h"
#include "tests/lib/twin.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define MANY 2000 /* maximum of entries: several buffers of readdir(3) */

static unsigned char seen[2 * MANY];

/* Creating a file may take a millisecond on disk, and ten on a slow machine. */
static int many(void)
{
	return twin.on_disk || rounds_of(MANY) < MANY ? 400 : MANY;
}

static void make_entry(const char *dir, int number)
{
	char name[64];
	int fd;

	snprintf(name, sizeof(name), "%s/entry-%04d", dir, number);
	fd = open(name, O_WRONLY | O_CREAT | O_EXCL, 0644);
	must(fd >= 0);
	close(fd);
}

static void remove_entry(const char *dir, int number)
{
	char name[64];

	snprintf(name, sizeof(name), "%s/entry-%04d", dir, number);
	must(unlink(name) == 0);
}

static DIR *make_many(int n)
{
	DIR *dir;

	works(mkdir("dir", 0755));
	for (int i = 0; i < n; i++)
		make_entry("dir", i);
	dir = opendir("dir");
	must(dir != NULL);
	memset(seen, 0, sizeof(seen));
	return dir;
}

/* Reads at most `limit` entries and counts them in `seen`. Returns the number read. */
static int read_some(DIR *dir, int limit)
{
	const struct dirent *entry;
	int n = 0;
	int number;

	while (n < limit && (entry = readdir(dir))) {
		if (sscanf(entry->d_name, "entry-%d", &number) == 1) {
			must(number >= 0 && number < 2 * MANY);
			seen[number]++;
		}
		n++;
	}
	return n;
}

static bool all_seen_once(int from, int to, int step)
{
	for (int i = from; i < to; i += step)
		if (seen[i] != 1)
			return false;
	return true;
}

static void a_large_directory(void)
{
	DIR *dir = make_many(many());

	holds(read_some(dir, 2 * many()) == many() + 2);
	holds(all_seen_once(0, many(), 1));
	holds(readdir(dir) == NULL);
	rewinddir(dir);
	memset(seen, 0, sizeof(seen));
	holds(read_some(dir, 2 * many()) == many() + 2);
	holds(all_seen_once(0, many(), 1));
	works(closedir(dir));
}

/* Entries that stay are listed exactly once, whatever is created or removed meanwhile. */
static void entries_come_and_go(void)
{
	DIR *dir = make_many(many());
	int new_number = many();

	while (read_some(dir, 100) > 0 && new_number < 2 * many()) {
		/* some odd ones are removed; new ones are created */
		for (int i = 0; i < 50; i++) {
			int number = 2 * ((new_number - many()) / 2) + 1;

			if (number < many())
				remove_entry("dir", number);
			make_entry("dir", new_number++);
			make_entry("dir", new_number++);
		}
	}
	read_some(dir, 1 << 20);
	holds(all_seen_once(0, many(), 2));
	for (int i = 0; i < 2 * many(); i++)
		must(seen[i] <= 1);
	works(closedir(dir));
}

static void everything_read_is_removed(void)
{
	DIR *dir = make_many(many());
	const struct dirent *entry;
	int removed = 0;

	while ((entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		must(unlinkat(dirfd(dir), entry->d_name, 0) == 0);
		removed++;
	}
	holds(removed == many());
	works(closedir(dir));
	works(rmdir("dir"));
}

static void positions(void)
{
	DIR *dir = make_many(300);
	char names[303][32];
	long places[303] = {0};
	int n = 0;
	const struct dirent *entry;

	for (;;) {
		places[n] = telldir(dir);
		entry = readdir(dir);
		if (!entry)
			break;
		snprintf(names[n++], sizeof(names[0]), "%.31s", entry->d_name);
	}
	holds(n == 302);
	for (int i = n - 1; i >= 0; i -= 7) {
		seekdir(dir, places[i]);
		entry = readdir(dir);
		must(entry && strcmp(entry->d_name, names[i]) == 0);
	}
	seekdir(dir, places[n]);
	holds(readdir(dir) == NULL);
	/* a position stays valid when entries at it and around it are removed */
	seekdir(dir, places[150]);
	must(readdir(dir) != NULL);
	for (int i = 100; i < 150; i++)
		if (names[i][0] == 'e')
			must(unlinkat(dirfd(dir), names[i], 0) == 0);
	seekdir(dir, places[200]);
	entry = readdir(dir);
	needs(twin.on_mount || (entry && strcmp(entry->d_name, names[200]) == 0),
	      "positions of a tmpfs that stay valid (Linux 6.6)");
	holds(entry && strcmp(entry->d_name, names[200]) == 0);
	seekdir(dir, places[50]);
	entry = readdir(dir);
	holds(entry && strcmp(entry->d_name, names[50]) == 0);
	works(closedir(dir));
}

/* A position is valid in another open of the directory, too. */
static void positions_of_another_open(void)
{
	DIR *dir = make_many(500);
	DIR *other = opendir("dir");
	const struct dirent *entry;
	char name[32];
	long place;

	must(other != NULL);
	read_some(dir, 250);
	place = telldir(dir);
	entry = readdir(dir);
	must(entry != NULL);
	snprintf(name, sizeof(name), "%.31s", entry->d_name);
	seekdir(other, place);
	entry = readdir(other);
	holds(entry && strcmp(entry->d_name, name) == 0);
	works(closedir(dir));
	works(closedir(other));
}

static void listings_are_independent(void)
{
	DIR *first = make_many(200);
	DIR *second = opendir("dir");
	int duplicate = dup(dirfd(first));
	char records[512];

	must(second && duplicate >= 0);
	holds(read_some(first, 50) == 50);
	holds(read_some(second, 1000) == 202);
	holds(read_some(first, 1000) == 152);
	holds(syscall(SYS_getdents64, duplicate, records, sizeof(records)) == 0);
	works(lseek(duplicate, 0, SEEK_SET));
	holds(syscall(SYS_getdents64, duplicate, records, sizeof(records)) > 0);
	fails(EINVAL, syscall(SYS_getdents64, duplicate, records, 8));
	works(closedir(first));
	works(closedir(second));
	works(close(duplicate));
}

static void types_and_numbers(void)
{
	_cleanup_closedir_ DIR *dir = NULL;
	const struct dirent *entry;
	struct stat stat;

	make_file("regular", "r");
	works(mkdir("directory", 0755));
	works(symlink("x", "link"));
	works(mkfifo("fifo", 0644));
	works(mknod("socket", S_IFSOCK | 0644, 0));
	note_list(".");
	dir = opendir(".");
	must(dir != NULL);
	while ((entry = readdir(dir))) {
		if (strcmp(entry->d_name, "..") == 0)
			continue;
		must(lstat(entry->d_name, &stat) == 0);
		must(stat.st_ino == entry->d_ino);
		must(entry->d_type == IFTODT(stat.st_mode));
	}
}

static void what_was_made_is_listed(void)
{
	_cleanup_closedir_ DIR *dir = opendir(".");

	must(dir != NULL);
	for (int i = 0; i < 100; i++) {
		make_entry(".", i);
		rewinddir(dir);
		memset(seen, 0, sizeof(seen));
		must(read_some(dir, 1000) == i + 3);
		must(all_seen_once(0, i + 1, 1));
	}
	for (int i = 0; i < 100; i++) {
		remove_entry(".", i);
		rewinddir(dir);
		must(read_some(dir, 1000) == 101 - i);
	}
	note_list(".");
}

static void listing_needs_permission(void)
{
	works(mkdir("closed", 0700));
	works(mkdir("search", 0711));
	make_file("search/known", "k");
	become(TEST_UID, TEST_GID);
	fails(EACCES, open("closed", O_RDONLY | O_DIRECTORY));
	fails(EACCES, open("search", O_RDONLY | O_DIRECTORY));
	works(close(works(open("search/known", O_RDONLY))));
	works(close(works(open("search", O_PATH | O_DIRECTORY))));
	become(0, 0);
}

static void listing_of_a_removed_directory(void)
{
	DIR *dir = make_many(10);

	read_some(dir, 5);
	for (int i = 0; i < 10; i++)
		remove_entry("dir", i);
	works(rmdir("dir"));
	rewinddir(dir);
	same(readdir(dir) ? 1 : 0);
	works(closedir(dir));
}

/* --- locks --- */

/* In another process: whether a lock is available now. */
static int try_lock(const char *path, short type, off_t start, off_t length)
{
	struct flock lock = {.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = length};
	int status;
	pid_t child;

	fflush(NULL);
	child = fork();
	if (child == 0) {
		int fd = open(path, O_RDWR);

		_exit(fcntl(fd, F_SETLK, &lock) == 0 ? 0 : errno);
	}
	if (child < 0 || waitpid(child, &status, 0) != child || !WIFEXITED(status))
		return -1;
	return WEXITSTATUS(status);
}

static void record_locks(void)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 10, .l_len = 10};
	int fd;

	make_file("file", "0123456789");
	fd = works(open("file", O_RDWR));
	works(fcntl(fd, F_SETLK, &lock));
	holds(try_lock("file", F_RDLCK, 0, 10) == 0);
	holds(try_lock("file", F_RDLCK, 15, 1) == EAGAIN);
	lock.l_type = F_RDLCK;
	works(fcntl(fd, F_SETLK, &lock));
	holds(try_lock("file", F_RDLCK, 15, 1) == 0);
	holds(try_lock("file", F_WRLCK, 15, 1) == EAGAIN);
	lock.l_type = F_UNLCK;
	lock.l_start = 12;
	lock.l_len = 2;
	works(fcntl(fd, F_SETLK, &lock));
	holds(try_lock("file", F_WRLCK, 12, 2) == 0);
	holds(try_lock("file", F_WRLCK, 11, 2) == EAGAIN);
	/* any close of the file drops them */
	works(close(works(open("file", O_RDONLY))));
	holds(try_lock("file", F_WRLCK, 0, 0) == 0);
	works(close(fd));
}

static void locks_by_open(void)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 5};
	int fd;
	int other;

	make_file("file", "0123456789");
	fd = works(open("file", O_RDWR));
	other = works(open("file", O_RDWR));
	works(fcntl(fd, F_OFD_SETLK, &lock));
	fails(EAGAIN, fcntl(other, F_OFD_SETLK, &lock));
	holds(try_lock("file", F_WRLCK, 0, 1) == EAGAIN);
	works(close(fd));
	works(fcntl(other, F_OFD_SETLK, &lock));
	works(close(other));
}

static void whole_file_locks(void)
{
	int fd;
	int other;

	make_file("file", "x");
	fd = works(open("file", O_RDWR));
	other = works(open("file", O_RDONLY));
	works(flock(fd, LOCK_EX));
	fails(EAGAIN, flock(other, LOCK_SH | LOCK_NB));
	works(flock(fd, LOCK_SH));
	works(flock(other, LOCK_SH | LOCK_NB));
	fails(EAGAIN, flock(fd, LOCK_EX | LOCK_NB));
	works(flock(other, LOCK_UN));
	works(flock(fd, LOCK_EX | LOCK_NB));
	works(close(fd));
	works(flock(other, LOCK_EX | LOCK_NB));
	works(close(other));
}

static void a_lock_is_waited_for(void)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	int ends[2];
	char byte = 0;
	int status;
	pid_t child;
	int fd;

	make_file("file", "x");
	fd = works(open("file", O_RDWR));
	works(fcntl(fd, F_SETLK, &lock));
	must(pipe(ends) == 0);
	fflush(NULL);
	child = fork();
	if (child == 0) {
		int own = open("file", O_RDWR);

		must(write(ends[1], "w", 1) == 1);
		must(fcntl(own, F_SETLKW, &lock) == 0);
		must(pread(own, &byte, 1, 0) == 1);
		_exit(byte);
	}
	must(read(ends[0], &byte, 1) == 1);
	works(pwrite(fd, "u", 1, 0));
	lock.l_type = F_UNLCK;
	works(fcntl(fd, F_SETLK, &lock));
	must(waitpid(child, &status, 0) == child);
	holds(WIFEXITED(status) && WEXITSTATUS(status) == 'u');
	works(close(fd));
}

int main(void)
{
	static const struct twin_case cases[] = {
		TWIN_CASE(a_large_directory),
		TWIN_CASE(entries_come_and_go),
		TWIN_CASE(everything_read_is_removed),
		TWIN_CASE(positions),
		TWIN_CASE(positions_of_another_open),
		TWIN_CASE(listings_are_independent),
		TWIN_CASE(types_and_numbers),
		TWIN_CASE(what_was_made_is_listed),
		TWIN_CASE(listing_needs_permission),
		TWIN_CASE(listing_of_a_removed_directory),
		TWIN_CASE(record_locks),
		TWIN_CASE(locks_by_open),
		TWIN_CASE(whole_file_locks),
		TWIN_CASE(a_lock_is_waited_for),
	};

	return twin_main(cases, sizeof(cases) / sizeof(cases[0]));
}
