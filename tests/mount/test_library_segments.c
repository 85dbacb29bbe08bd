// SPDX-License-Identifier: MIT
/*
 * libsegfs: names, segments, attributes, lists. On a mount of segfs, with and without passthrough, and in a
 * directory of another file system, where all but attributes is the same.
 */
#include "lib/segfs.h"
#include "tests/lib/job.h"
#include "tests/lib/process.h"
#include "tests/lib/segments.h"
#include "tests/mount/library.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static int create(const char *name, uint64_t size, uint32_t flags, struct segfs_segment **segment)
{
	const struct segfs_creation creation = {.size = size, .mode = 0640, .flags = flags};

	return segfs_create(name, &creation, segment);
}

static void make(const char *name, uint64_t size)
{
	struct segfs_segment *segment;

	assert_int_equal(create(name, size, 0, &segment), 0);
	segfs_close(segment);
}

static uint64_t size_of(const char *name)
{
	struct stat found;

	check(stat(at(name), &found));
	return (uint64_t)found.st_size;
}

/* Names in the directory, hidden ones included. */
static int count_names(void)
{
	return system(
		path_of("test $(ls -A %s | grep -vc '^\\(posix\\|sysv\\|process\\|.segfs\\)$') = 0", place));
}

/* --- creating --- */

static void created_complete(void **unused)
{
	struct segfs_segment *segment = NULL;
	struct stat found;
	uint64_t size;
	mode_t before = umask(0777);

	(void)unused;
	assert_int_equal(create("new", 12345, 0, &segment), 0);
	umask(before);
	check(stat(at("new"), &found));
	assert_int_equal(found.st_mode, S_IFREG | 0640);
	assert_int_equal(found.st_size, 12345);
	assert_int_equal(found.st_nlink, 1);
	assert_int_equal(segfs_size(segment, &size), 0);
	assert_int_equal(size, 12345);
	assert_int_equal(pwrite(segfs_fd(segment), "x", 1, 0), 1);
	assert_int_equal(fcntl(segfs_fd(segment), F_GETFD), FD_CLOEXEC);
	assert_int_equal(fcntl(segfs_fd(segment), F_GETFL) & O_NONBLOCK, 0);
	segfs_close(segment);
	segfs_close(NULL);
	assert_int_equal(segfs_remove("new"), 0);
	assert_int_equal(segfs_remove("new"), -ENOENT);
	assert_int_equal(count_names(), 0);
}

static void an_existing_one_stays(void **unused)
{
	struct segfs_segment *segment = (void *)0x77;

	(void)unused;
	make("old", 100);
	check(chmod(at("old"), 0600));
	assert_int_equal(create("old", 5000, 0, &segment), -EEXIST);
	assert_ptr_equal(segment, (void *)0x77);
	assert_int_equal(create("old", 5000, SEGFS_OPEN_EXISTING, &segment), 1);
	assert_int_equal(size_of("old"), 100);
	assert_int_equal(pwrite(segfs_fd(segment), "x", 1, 0), 1);
	segfs_close(segment);
	assert_int_equal(create("other", 5000, SEGFS_OPEN_EXISTING, &segment), 0);
	segfs_close(segment);
	assert_int_equal(segfs_remove("old") + segfs_remove("other"), 0);
	/* a link that leads nowhere */
	check(symlink("nowhere", at("link")));
	assert_int_equal(create("link", 1, SEGFS_OPEN_EXISTING, &segment), -EEXIST);
	check(symlink("link-to", at("nowhere")));
	assert_int_equal(create("link", 1, SEGFS_OPEN_EXISTING, &segment), -EEXIST);
	check(unlink(at("nowhere")));
	check(unlink(at("link")));
}

static void refused(void **unused)
{
	struct segfs_creation creation = {.size = 10, .mode = 0600};
	struct segfs_segment *segment = NULL;

	(void)unused;
	creation.flags = 2;
	assert_int_equal(segfs_create("x", &creation, &segment), -EINVAL);
	creation = (struct segfs_creation){.mode = 010000};
	assert_int_equal(segfs_create("x", &creation, &segment), -EINVAL);
	creation = (struct segfs_creation){.reserved = {0, 0, 0, 0, 1}};
	assert_int_equal(segfs_create("x", &creation, &segment), -EINVAL);
	creation = (struct segfs_creation){.size = UINT64_C(1) << 63};
	assert_int_equal(segfs_create("x", &creation, &segment), -EFBIG);
	check(mkdir(at("dir"), 0700));
	check(mkfifo(at("fifo"), 0600));
	assert_int_equal(create("dir", 1, 0, &segment), -EEXIST);
	assert_int_equal(create("dir", 1, SEGFS_OPEN_EXISTING, &segment), -EISDIR);
	assert_int_equal(create("fifo", 1, SEGFS_OPEN_EXISTING, &segment), -ENXIO);
	assert_int_equal(create("dir/", 1, 0, &segment), -EISDIR);
	assert_int_equal(create("fifo/x", 1, 0, &segment), -ENOTDIR);
	assert_int_equal(create("none/x", 1, 0, &segment), -ENOENT);
	assert_int_equal(create("dir/../x", 1, 0, &segment), -EINVAL);
	assert_int_equal(create("..", 1, 0, &segment), -EINVAL);
	assert_int_equal(create("", 1, 0, &segment), -EINVAL);
	assert_int_equal(create(path_of("%0300d", 1), 1, 0, &segment), -ENAMETOOLONG);
	assert_null(segment);
	check(rmdir(at("dir")));
	check(unlink(at("fifo")));
	assert_int_equal(count_names(), 0);
}

static int create_denied(void *unused)
{
	struct segfs_segment *segment;

	(void)unused;
	return -create("closed/new", 1, 0, &segment);
}

static int open_denied(void *unused)
{
	struct segfs_segment *segment;

	(void)unused;
	return -segfs_open("private", SEGFS_WRITE, 0, &segment);
}

static void denied(void **unused)
{
	(void)unused;
	make("private", 1);
	check(mkdir(at("closed"), 0755));
	assert_int_equal(as_user(TEST_UID, TEST_GID, create_denied, NULL), EACCES);
	assert_int_equal(as_user(TEST_UID, TEST_GID, open_denied, NULL), EACCES);
	assert_int_equal(segfs_remove("private"), 0);
	check(rmdir(at("closed")));
}

#define RACERS 8
#define ROUNDS 50

static atomic_int *race; /* 0: ready; 1: created by this many */

static void race_to_create(struct job *job, void *unused)
{
	(void)unused;
	for (int round = 0; round < ROUNDS; round++) {
		struct segfs_segment *segment;
		uint64_t size = 0;
		int result = create(path_of("race-%d", round), 4242, SEGFS_OPEN_EXISTING, &segment);

		job_must(job, result >= 0);
		/* it is never seen without its size */
		job_must(job, segfs_size(segment, &size) == 0 && size == 4242);
		if (result == 0)
			atomic_fetch_add(&race[round], 1);
		segfs_close(segment);
	}
}

static void races_have_one_winner(void **unused)
{
	struct job *jobs[RACERS];

	(void)unused;
	race = mmap(NULL, sizeof(*race) * ROUNDS, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(race, MAP_FAILED);
	for (int i = 0; i < RACERS; i++)
		assert_non_null(jobs[i] = job_start(race_to_create, NULL));
	for (int i = 0; i < RACERS; i++)
		assert_int_equal(job_end(&jobs[i]), 0);
	for (int round = 0; round < ROUNDS; round++) {
		assert_int_equal(race[round], 1);
		assert_int_equal(segfs_remove(path_of("race-%d", round)), 0);
	}
	munmap(race, sizeof(*race) * ROUNDS);
	assert_int_equal(count_names(), 0);
}

/* --- opening --- */

static void sizes_on_demand(void **unused)
{
	struct segfs_segment *segment;

	(void)unused;
	make("sized", 1000);
	assert_int_equal(segfs_open("sized", SEGFS_SIZE_EXACT, 1000, &segment), 0);
	segfs_close(segment);
	assert_int_equal(segfs_open("sized", SEGFS_SIZE_EXACT, 999, &segment), -ERANGE);
	assert_int_equal(segfs_open("sized", SEGFS_SIZE_AT_LEAST, 1001, &segment), -ERANGE);
	assert_int_equal(segfs_open("sized", SEGFS_SIZE_AT_LEAST | SEGFS_WRITE, 999, &segment), 0);
	assert_int_equal(segfs_resize(segment, 2000), 0);
	segfs_close(segment);
	assert_int_equal(size_of("sized"), 2000);
	assert_int_equal(segfs_open("sized", 0, 0, &segment), 0);
	assert_int_equal(segfs_resize(segment, 1), -EBADF);
	check_error(EBADF, pwrite(segfs_fd(segment), "x", 1, 0));
	segfs_close(segment);
	assert_int_equal(segfs_open("sized", SEGFS_WRITE, 0, &segment), 0);
	assert_int_equal(segfs_resize(segment, UINT64_C(1) << 63), -EFBIG);
	segfs_close(segment);
	assert_int_equal(segfs_open("sized", 8, 0, &segment), -EINVAL);
	assert_int_equal(segfs_open("sized", SEGFS_SIZE_EXACT | SEGFS_SIZE_AT_LEAST, 0, &segment), -EINVAL);
	assert_int_equal(segfs_open("none", 0, 0, &segment), -ENOENT);
	assert_int_equal(segfs_open(NULL, 0, 0, &segment), -EINVAL);
	assert_int_equal(segfs_remove("sized"), 0);
}

static void without_descriptors(void **unused)
{
	struct segfs_segment *segment = NULL;
	int fds[32];
	int n = 0;

	(void)unused;
	make("file", 1);
	fflush(NULL);
	if (check(fork()) == 0) {
		const struct rlimit few = {20, 20};

		setrlimit(RLIMIT_NOFILE, &few);
		while (n < 32 && (fds[n] = open("/dev/null", O_RDONLY)) >= 0)
			n++;
		_exit(segfs_open("file", 0, 0, &segment) == -EMFILE &&
				      create("new", 1, 0, &segment) == -EMFILE
			      ? 0
			      : 1);
	}
	check(wait(&n));
	assert_int_equal(n, 0);
	assert_int_equal(segfs_remove("file"), 0);
	assert_int_equal(count_names(), 0);
}

/* --- attributes --- */

static void attributes(void **unused)
{
	static const struct segfs_attribute policies[] = {
		{"size-policy", "fixed"}, {"commit", "yes"}, {"lifetime", "ttl:1h"}};
	static const struct segfs_attribute wrong[] = {{"lifetime", "for ever"}};
	static const struct segfs_attribute fact[] = {{"attached", "1"}};
	static const struct segfs_attribute nameless[] = {{NULL, "1"}};
	struct segfs_creation creation = {
		.size = 9000, .mode = 0600, .attributes = policies, .n_attributes = 3};
	struct segfs_segment *segment = NULL;
	char value[64];

	(void)unused;
	if (!is_on_segfs()) {
		assert_int_equal(segfs_create("policies", &creation, &segment), -EOPNOTSUPP);
		assert_int_equal(count_names(), 0);
		assert_int_equal(create("policies", 1, 0, &segment), 0);
		assert_int_equal(segfs_get(segment, "lifetime", value, sizeof(value)), -EOPNOTSUPP);
		assert_int_equal(segfs_set(segment, "lifetime", "persistent"), -EOPNOTSUPP);
		segfs_close(segment);
		assert_int_equal(segfs_remove("policies"), 0);
		return;
	}
	assert_int_equal(segfs_create("policies", &creation, &segment), 0);
	assert_int_equal(segfs_get(segment, "size-policy", value, sizeof(value)), 5);
	assert_string_equal(value, "fixed");
	assert_int_equal(segfs_get(segment, "lifetime", value, 6), -ERANGE);
	assert_int_equal(segfs_get(segment, "lifetime", value, 0), -ERANGE);
	assert_true(segfs_get(segment, "lifetime", value, 7) == 6);
	assert_string_equal(value, "ttl:1h");
	assert_int_equal(segfs_get(segment, "none", value, sizeof(value)), -ENODATA);
	assert_int_equal(segfs_get(segment, "", value, sizeof(value)), -EINVAL);
	assert_int_equal(segfs_resize(segment, 1), -EPERM);
	assert_int_equal(segfs_set(segment, "size-policy", "variable"), 0);
	assert_int_equal(segfs_set(segment, "size-policy", "x"), -EINVAL);
	assert_int_equal(segfs_set(segment, "attached", "3"), -EPERM);
	assert_int_equal(segfs_resize(segment, 1), 0);
	segfs_close(segment);
	assert_int_equal(segfs_remove("policies"), 0);
	creation.n_attributes = 1;
	creation.attributes = wrong;
	assert_int_equal(segfs_create("policies", &creation, &segment), -EINVAL);
	creation.attributes = fact;
	assert_int_equal(segfs_create("policies", &creation, &segment), -EPERM);
	creation.attributes = nameless;
	assert_int_equal(segfs_create("policies", &creation, &segment), -EINVAL);
	assert_int_equal(count_names(), 0);
}

static void as_many_writers_as_allowed(void **unused)
{
	static const struct segfs_attribute one[] = {{"writers", "1"}};
	const struct segfs_creation creation = {
		.size = 1, .mode = 0600, .attributes = one, .n_attributes = 1};
	struct segfs_segment *segment, *second;

	(void)unused;
	if (!is_on_segfs())
		return;
	assert_int_equal(segfs_create("one", &creation, &segment), 0);
	assert_int_equal(segfs_open("one", SEGFS_WRITE, 0, &second), -EBUSY);
	assert_int_equal(segfs_open("one", 0, 0, &second), 0);
	segfs_close(second);
	segfs_close(segment);
	assert_int_equal(segfs_remove("one"), 0);
}

/* --- lists --- */

struct seen {
	int segments;
	int directories;
	uint64_t bytes;
	int64_t attached;
};

static int see(const struct segfs_entry *entry, void *context)
{
	struct seen *seen = context;

	seen->segments += entry->kind == SEGFS_SEGMENT;
	seen->directories += entry->kind == SEGFS_DIRECTORY;
	seen->bytes += entry->size;
	seen->attached += entry->attached;
	if (entry->kind == SEGFS_SEGMENT && (entry->mode != 0640 || entry->uid != 0 || entry->gid != 0))
		return -EUCLEAN;
	return seen->segments == 3 ? 42 : 0;
}

static void lists(void **unused)
{
	struct seen seen = {0};
	struct segfs_segment *segment;

	(void)unused;
	check(mkdir(at("list"), 0700));
	assert_int_equal(segfs_list("list", see, &seen), 0);
	assert_int_equal(seen.segments + seen.directories, 0);
	make("list/a", 100);
	make("list/.hidden", 100);
	check(mkfifo(at("list/fifo"), 0600));
	check(mkdir(at("list/dir"), 0700));
	assert_int_equal(create("list/b", 10, 0, &segment), 0);
	assert_int_equal(segfs_list("list", see, &seen), 0);
	assert_int_equal(seen.segments, 2);
	assert_int_equal(seen.directories, 1);
	assert_int_equal(seen.bytes, 110);
	/* the directory is unknown; one process has b open */
	assert_int_equal(seen.attached, is_on_segfs() ? 1 - 1 : -3);
	segfs_close(segment);
	make("list/c", 1);
	seen = (struct seen){0};
	assert_int_equal(segfs_list("list", see, &seen), 42);
	assert_int_equal(segfs_list("list/a", see, &seen), -ENOTDIR);
	assert_int_equal(segfs_list("none", see, &seen), -ENOENT);
	/* the mount itself */
	assert_int_equal(segfs_list("", see, &(struct seen){0}), 0);
	assert_int_equal(system(path_of("rm -r %s", at("list"))), 0);
}

/* --- names --- */

struct found {
	enum segfs_kind kinds[SEGFS_BARRIER + 1];
	int n;
};

static int note_kind(const struct segfs_entry *entry, void *context)
{
	struct found *found = context;

	/* each has the name of its number */
	assert_in_range(atoi(entry->name), SEGFS_SEGMENT, SEGFS_BARRIER);
	found->kinds[atoi(entry->name)] = entry->kind;
	found->n++;
	return 0;
}

static void lists_tell_kinds(void **unused)
{
	struct found found = {0};
	const char *value;

	(void)unused;
	check(mkdir(at("kinds"), 0700));
	make("kinds/1", 4096);
	check(mkdir(at("kinds/2"), 0700));
	for (enum segfs_kind kind = SEGFS_SEMAPHORE; kind <= SEGFS_BARRIER; kind++) {
		const struct segfs_object_creation creation = {.mode = 0600,
							       .maximum = kind == SEGFS_BARRIER ? 2 : 0};
		struct segfs_object *object;

		assert_int_equal(segfs_object_create(path_of("kinds/%d", kind), kind, &creation, &object), 0);
		segfs_object_close(object);
	}
	assert_int_equal(segfs_list("kinds", note_kind, &found), 0);
	assert_int_equal(found.n, SEGFS_BARRIER);
	for (int kind = SEGFS_SEGMENT; kind <= SEGFS_BARRIER; kind++)
		assert_int_equal(found.kinds[kind], kind);
	if (!is_on_segfs())
		return;
	value = attribute(at("kinds/8"), "object");
	assert_string_equal(value, "recursive-mutex");
	assert_string_equal(attribute(at("kinds/1"), "object"), "ENODATA");
}

static void paths(void **unused)
{
	char long_path[PATH_MAX + 1] = "";
	struct segfs_segment *segment;

	(void)unused;
	make(at("absolute"), 5);
	assert_int_equal(segfs_open("absolute", SEGFS_SIZE_EXACT, 5, &segment), 0);
	segfs_close(segment);
	assert_int_equal(segfs_open("./absolute", 0, 0, &segment), 0);
	segfs_close(segment);
	assert_int_equal(segfs_open("..absolute", 0, 0, &segment), -ENOENT);
	memset(long_path, 'x', sizeof(long_path) - 1);
	check(setenv("SEGFS_MOUNT", long_path, 1));
	assert_int_equal(segfs_open("absolute", 0, 0, &segment), -ENAMETOOLONG);
	check(setenv("SEGFS_MOUNT", place, 1));
	assert_int_equal(segfs_remove(at("absolute")), 0);
}

/* In a mount namespace of its own, with one mount of segfs, two, and none. */
static int find_mounts(void *unused)
{
	struct segfs_segment *segment;
	char text[512];

	(void)unused;
	unsetenv("SEGFS_MOUNT");
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return 1;
	/* other mounts of this machine */
	while (segfs_open("file", 0, 0, &segment) == -ENOTUNIQ) {
		char *other = strstr(segfs_explain("file", -ENOTUNIQ, text, sizeof(text)), "one of: ");
		char *end;

		if (!other)
			return 2;
		other += strlen("one of: ");
		if (strncmp(other, mounted.path, strlen(mounted.path)) == 0)
			other = strchr(other, ' ') + 1;
		end = strchr(other, ',');
		if (end)
			*end = 0;
		if (umount2(other, MNT_DETACH) < 0)
			return 3;
	}
	if (segfs_open("file", 0, 0, &segment) != 0)
		return 4;
	segfs_close(segment);
	/* the same file system in a second place is the same */
	if (mkdir(path_of("%s/second", mounted.path), 0700) < 0 ||
	    mount(mounted.path, path_of("%s/second", mounted.path), NULL, MS_BIND, NULL) < 0 ||
	    segfs_open("file", 0, 0, &segment) != 0)
		return 5;
	segfs_close(segment);
	if (umount2(path_of("%s/second", mounted.path), MNT_DETACH) < 0 ||
	    umount2(mounted.path, MNT_DETACH) < 0)
		return 6;
	if (segfs_open("file", 0, 0, &segment) != -ENODEV)
		return 7;
	segfs_explain(NULL, -ENODEV, text, sizeof(text));
	return strstr(text, "no segfs is mounted") ? 0 : 8;
}

static void mounts_are_found(void **unused)
{
	(void)unused;
	if (!is_on_segfs())
		return;
	make("file", 1);
	assert_int_equal(as_user(0, 0, find_mounts, NULL), 0);
	check(rmdir(at("second")));
	assert_int_equal(segfs_remove("file"), 0);
}

static void sentences(void **unused)
{
	char text[128];

	(void)unused;
	assert_string_equal(segfs_explain("frames", -EACCES, text, sizeof(text)),
			    "frames: Permission denied");
	assert_string_equal(segfs_explain(NULL, -ENOENT, text, sizeof(text)),
			    "segment: No such file or directory");
	assert_string_equal(segfs_explain("frames", -EACCES, text, 4), "fra");
	text[0] = 'x';
	assert_ptr_equal(segfs_explain("frames", -EACCES, text, 0), text);
	assert_int_equal(text[0], 'x');
}

int main(void)
{
#define CASE(function) cmocka_unit_test(function)
	static const struct CMUnitTest cases[] = {
		CASE(created_complete),
		CASE(an_existing_one_stays),
		CASE(refused),
		CASE(denied),
		CASE(races_have_one_winner),
		CASE(sizes_on_demand),
		CASE(without_descriptors),
		CASE(attributes),
		CASE(as_many_writers_as_allowed),
		CASE(lists),
		CASE(lists_tell_kinds),
		CASE(paths),
		CASE(mounts_are_found),
		CASE(sentences),
	};

	return library_run(cases, sizeof(cases) / sizeof(cases[0]));
}
