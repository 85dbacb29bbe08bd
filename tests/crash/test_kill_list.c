// SPDX-License-Identifier: MIT
/* Listings in progress when the worker is killed continue: every entry appears exactly once. */
#include "lib/base/cleanup.h"
#include "tests/lib/leaks.h"
#include "tests/lib/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define ENTRIES          5000
#define COMING_AND_GOING 200

static struct mount mount;

/* A listing by getdents64(2): the read-ahead of readdir(3) would hide kills. */
struct listing {
	int fd;
	int calls;
	ssize_t length;
	ssize_t taken;
	off_t position; /* of the next entry */
	char buffer[4096] __attribute__((aligned(8)));
};

static void start_listing(struct listing *listing, const char *path)
{
	*listing = (struct listing){.fd = (int)check(open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC))};
}

static void end_listing(struct listing *listing)
{
	check(close(listing->fd));
	listing->fd = -1;
}

/* NULL at the end. */
static const struct dirent64 *next_entry(struct listing *listing)
{
	const struct dirent64 *entry;

	if (listing->taken == listing->length) {
		listing->length = check(getdents64(listing->fd, listing->buffer, sizeof(listing->buffer)));
		listing->taken = 0;
		listing->calls++;
		if (listing->length == 0)
			return NULL;
	}
	entry = (const void *)(listing->buffer + listing->taken);
	listing->taken += entry->d_reclen;
	listing->position = entry->d_off;
	return entry;
}

static void seek_listing(struct listing *listing, off_t position)
{
	assert_int_equal(check(lseek(listing->fd, position, SEEK_SET)), position);
	listing->taken = listing->length = 0;
}

/* Number of an entry named entry-N, or -1. */
static int number_of(const struct dirent64 *entry)
{
	int number = -1;

	return sscanf(entry->d_name, "entry-%d", &number) == 1 && number >= 0 && number < ENTRIES ? number
												  : -1;
}

static void note(const struct dirent64 *entry, unsigned char seen[ENTRIES])
{
	int number = number_of(entry);

	if (number >= 0 && ++seen[number] > 1)
		fail_msg("%s was listed twice", entry->d_name);
}

static void expect_all(const unsigned char seen[ENTRIES])
{
	for (int i = 0; i < ENTRIES; i++)
		if (!seen[i])
			fail_msg("entry-%d was not listed", i);
}

static const char *directory(void)
{
	return path_of("%s/many", mount.path);
}

static const char *entry_path(const char *root, const char *kind, int number)
{
	return path_of("%s/many/%s-%d", root, kind, number);
}

/* --- cases --- */

static void kills_between_calls(void **unused)
{
	static unsigned char seen[ENTRIES];
	const struct dirent64 *entry;
	struct listing listing;
	int others = 0;
	int calls = 0;
	int kills = 0;

	(void)unused;
	memset(seen, 0, sizeof(seen));
	start_listing(&listing, directory());
	while ((entry = next_entry(&listing))) {
		note(entry, seen);
		others += number_of(entry) < 0;
		if (listing.calls >= calls + 2) {
			calls = listing.calls;
			worker_replace(&mount);
			kills++;
		}
	}
	expect_all(seen);
	assert_int_equal(others, 2); /* "." and ".." */
	assert_true(kills >= 10);
	end_listing(&listing);
}

/* The call itself waits for the next worker. */
static void kills_during_calls(void **unused)
{
	static unsigned char seen[ENTRIES];
	const struct dirent64 *entry;
	struct listing listing;
	int calls = 0;

	(void)unused;
	memset(seen, 0, sizeof(seen));
	start_listing(&listing, directory());
	while ((entry = next_entry(&listing))) {
		note(entry, seen);
		if (listing.calls >= calls + 2) {
			calls = listing.calls;
			worker_kill(&mount, worker_pid(&mount));
		}
	}
	expect_all(seen);
	end_listing(&listing);
}

static void come_and_go(int round)
{
	for (int i = round % 2; i < COMING_AND_GOING; i += 2) {
		if (round % 4 < 2)
			check(close((int)check(
				open(entry_path(mount.path, "passing", i), O_WRONLY | O_CREAT, 0600))));
		else if (unlink(entry_path(mount.path, "passing", i)) < 0)
			assert_int_equal(errno, ENOENT);
	}
}

/*
 * Whether a position in a directory of the store stays where it is when other entries go; otherwise a worker
 * that takes over a listing finds itself elsewhere.
 */
static bool positions_survive_changes(void)
{
	const struct dirent64 *entry;
	struct listing listing;
	char next[NAME_MAX + 1];
	off_t position = 0;
	bool stays;

	check(mkdir(path_of("%s/probe", mount.store), 0700));
	for (int i = 0; i < 100; i++)
		check(mknod(path_of("%s/probe/%d", mount.store, i), S_IFREG | 0600, 0));
	start_listing(&listing, path_of("%s/probe", mount.store));
	for (int i = 0; (entry = next_entry(&listing)) && i < 60; i++)
		position = listing.position;
	snprintf(next, sizeof(next), "%s", entry->d_name);
	seek_listing(&listing, 0);
	for (int i = 0; (entry = next_entry(&listing)) && i < 40; i++)
		if (entry->d_name[0] != '.')
			check(unlink(path_of("%s/probe/%s", mount.store, entry->d_name)));
	seek_listing(&listing, position);
	entry = next_entry(&listing);
	stays = entry && strcmp(entry->d_name, next) == 0;
	end_listing(&listing);
	assert_int_equal(system(path_of("rm -r %s/probe", mount.store)), 0);
	return stays;
}

static void entries_come_and_go(void **unused)
{
	static unsigned char seen[ENTRIES];
	const struct dirent64 *entry;
	struct listing listing;
	int calls = 0;
	int round = 0;

	(void)unused;
	if (!positions_survive_changes())
		skip_missing("positions of a tmpfs that stay valid (Linux 6.6)");
	memset(seen, 0, sizeof(seen));
	start_listing(&listing, directory());
	while ((entry = next_entry(&listing))) {
		note(entry, seen);
		if (listing.calls >= calls + 4) {
			calls = listing.calls;
			come_and_go(round);
			worker_replace(&mount);
			come_and_go(round + 1);
			round += 2;
		}
	}
	expect_all(seen);
	end_listing(&listing);
	for (int i = 0; i < COMING_AND_GOING; i++)
		if (unlink(entry_path(mount.path, "passing", i)) < 0)
			assert_int_equal(errno, ENOENT);
}

/* Positions from telldir(3) stay valid for the next workers. */
static void positions_stay(void **unused)
{
	enum { KEPT = 16 };
	struct {
		off_t position;
		int next; /* number of the entry there */
	} kept[KEPT] = {{0}};
	const struct dirent64 *entry;
	struct listing listing;
	int n = 0;

	(void)unused;
	start_listing(&listing, directory());
	for (int i = 0; (entry = next_entry(&listing)); i++) {
		if (n > 0 && kept[n - 1].next == -2)
			kept[n - 1].next = number_of(entry);
		if (i % (ENTRIES / KEPT) == 7 && n < KEPT) {
			kept[n].position = listing.position;
			kept[n++].next = -2;
		}
	}
	assert_int_equal(n, KEPT);
	for (int i = 0; i < KEPT; i++) {
		int chosen = i * 7 % KEPT;

		worker_replace(&mount);
		seek_listing(&listing, kept[chosen].position);
		entry = next_entry(&listing);
		assert_non_null(entry);
		assert_int_equal(number_of(entry), kept[chosen].next);
	}
	worker_replace(&mount);
	seek_listing(&listing, 0);
	for (n = 0; next_entry(&listing); n++)
		;
	assert_int_equal(n, ENTRIES + 2);
	end_listing(&listing);
}

static void several_listings(void **unused)
{
	enum { LISTINGS = 4 };
	static unsigned char seen[LISTINGS][ENTRIES];
	static struct listing listings[LISTINGS];
	int at_end = 0;

	(void)unused;
	memset(seen, 0, sizeof(seen));
	for (int i = 0; i < LISTINGS; i++)
		start_listing(&listings[i], directory());
	for (int round = 0; at_end < LISTINGS; round++) {
		at_end = 0;
		for (int i = 0; i < LISTINGS; i++) {
			/* one grows, another shrinks */
			for (int step = 0; step < 50 * (i + 1); step++) {
				const struct dirent64 *entry = next_entry(&listings[i]);

				if (!entry) {
					at_end++;
					break;
				}
				note(entry, seen[i]);
			}
		}
		if (round % 5 == 0)
			worker_replace(&mount);
	}
	for (int i = 0; i < LISTINGS; i++) {
		expect_all(seen[i]);
		end_listing(&listings[i]);
	}
}

/* Attributes are requested during the listing. */
static void with_attributes(void **unused)
{
	static unsigned char seen[ENTRIES];
	const struct dirent64 *entry;
	struct listing listing;
	int n = 0;

	(void)unused;
	memset(seen, 0, sizeof(seen));
	start_listing(&listing, directory());
	while ((entry = next_entry(&listing))) {
		struct stat stat;

		note(entry, seen);
		check(fstatat(listing.fd, entry->d_name, &stat, AT_SYMLINK_NOFOLLOW));
		if (number_of(entry) >= 0)
			assert_true(S_ISREG(stat.st_mode) && stat.st_ino == entry->d_ino);
		if (++n % 500 == 0)
			worker_replace(&mount);
	}
	expect_all(seen);
	end_listing(&listing);
}

/* The root begins with segfs's own directories; .segfs is in memory. */
static void built_in_directories(void **unused)
{
	static const struct {
		const char *path;
		const char *names[8];
	} directories[] = {
		{"", {".", "..", ".segfs", "posix", "sysv", "process", "many"}},
		{"/.segfs", {".", "..", "version", "status", "config", "locks", "attached", "policies"}},
	};

	(void)unused;
	for (size_t i = 0; i < 2; i++) {
		_cleanup_close_ int fd =
			(int)check(open(path_of("%s%s", mount.path, directories[i].path), O_RDONLY));
		unsigned int seen = 0;
		off_t position = 0;
		int expected = 0;
		int n = 0;

		while (expected < 8 && directories[i].names[expected])
			expected++;
		for (;;) {
			char buffer[4096] __attribute__((aligned(8)));
			const struct dirent64 *entry = (const void *)buffer;

			check(lseek(fd, position, SEEK_SET));
			if (check(getdents64(fd, buffer, sizeof(buffer))) == 0)
				break;
			for (int name = 0; name < 8 && directories[i].names[name]; name++)
				if (strcmp(entry->d_name, directories[i].names[name]) == 0)
					seen |= 1u << name;
			position = entry->d_off;
			n++;
			worker_replace(&mount);
		}
		assert_int_equal(n, expected);
		assert_int_equal(seen, (1u << n) - 1);
	}
}

/* --- the mount --- */

static int verify(void **unused)
{
	(void)unused;
	return verify_nothing_lost(&mount);
}

static int start(const struct mount_spec *spec)
{
	if (mount_start(&mount, spec) < 0 ||
	    (mkdir(path_of("%s/many", mount.path), 0755) < 0 && errno != EEXIST))
		return -1;
	for (int i = 0; i < ENTRIES; i++) {
		int fd = open(entry_path(mount.store, "entry", i), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
			      0600);

		if (fd < 0)
			return -1;
		close(fd);
	}
	return 0;
}

static int start_in_memory(void **unused)
{
	const struct mount_spec spec = {0};

	(void)unused;
	return start(&spec);
}

static int start_uncached(void **unused)
{
	const struct mount_spec spec = {.tag = "uncached", .options = "entry_timeout=0,attr_timeout=0"};

	(void)unused;
	return start(&spec);
}

static int start_on_disk(void **unused)
{
	const char *disk = path_of("%s/disk.medium", test_directory());
	const struct mount_spec spec = {
		.tag = "disk",
		.config = path_of("[directory many]\nmedium = %s\n", disk),
	};

	(void)unused;
	if (mkdir(disk, 0755) < 0)
		return -1;
	return start(&spec);
}

static int stop(void **unused)
{
	(void)unused;
	return mount_stop(&mount);
}

#define CASE(function) cmocka_unit_test_teardown(function, verify)

int main(void)
{
	static const struct CMUnitTest cases[] = {
		CASE(kills_between_calls),  CASE(kills_during_calls), CASE(entries_come_and_go),
		CASE(positions_stay),       CASE(several_listings),   CASE(with_attributes),
		CASE(built_in_directories),
	};
	int failed;

	if (geteuid() != 0)
		skip_program("root");
	failed = cmocka_run_group_tests_name("cached", cases, start_in_memory, stop);
	failed += cmocka_run_group_tests_name("uncached", cases, start_uncached, stop);
	failed += cmocka_run_group_tests_name("on disk", cases, start_on_disk, stop);
	return failed;
}
