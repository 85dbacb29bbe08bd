// SPDX-License-Identifier: MIT
/*
 * Several users create files, directories, links and the like at once. A watcher inspects every name at the
 * first instant of its existence, through the mount and in the store, and knows from the name which owner,
 * group, mode and ACL it must have: they are right from the start.
 */
#include "lib/base/cleanup.h"
#include "tests/lib/acl.h"
#include "tests/mount/harness.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#define CREATORS 4
#define ROUNDS   (int)rounds_of(250) /* per creator, with all types of files */

/* Identities of creators, which determine the attributes of their files. */
static const struct creator {
	uid_t uid;
	gid_t gid;
	mode_t umask;
} creators[CREATORS] = {
	{0, 0, 022},
	{TEST_UID, TEST_GID, 077},
	{TEST_UID + 1, TEST_GID + 1, 0},
	{TEST_UID + 2, TEST_GID, 027},
};

/* In shared memory. */
static struct report {
	_Atomic bool enough;
	_Atomic unsigned long seen; /* inspections of existing names */
	_Atomic unsigned int wrong;
	char what[512]; /* the first error */
} * report;

static struct mount mount;

/* Kinds of directories in which files are created. */
enum place { PLAIN, SET_GROUP_ID, DEFAULT_ACL, PLACES };
static const char *const place_names[PLACES] = {"plain", "set-group-id", "default-acl"};
#define PLACE_GROUP 777 /* of the set-group-id directory */

static const struct user_acl default_acl = USER_ACL(7, 4321, 6, 5, 7, 1);

/* --- making things --- */

/* A name contains its creator (c0), requested mode (m0640) and type: "c0-m0640-f-17". */
static void name_of(char name[64], int creator, mode_t mode, char kind, int number)
{
	snprintf(name, 64, "c%d-m%04o-%c-%d", creator, mode, kind, number);
}

static int make_tmpfile(const char *name, mode_t mode)
{
	_cleanup_close_ int fd = open(".", O_RDWR | O_TMPFILE | O_CLOEXEC, mode);
	char path[64];

	if (fd < 0)
		return -1;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return linkat(AT_FDCWD, path, AT_FDCWD, name, AT_SYMLINK_FOLLOW);
}

static int make(const char *name, mode_t mode, char kind)
{
	int fd;

	switch (kind) {
	case 'f':
		fd = open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, mode);
		return fd < 0 ? -1 : close(fd);
	case 'd':
		return mkdir(name, mode);
	case 'n':
		return mknod(name, S_IFREG | mode, 0);
	case 'p':
		return mkfifo(name, mode);
	case 'l':
		return symlink("target", name);
	default:
		return make_tmpfile(name, mode);
	}
}

/* Does not return; the exit status is 0 if everything was created. */
static void create(int number)
{
	static const char kinds[] = "fdnplt";
	static const mode_t modes[] = {0600, 0666, 0640, 0777, 0444};
	const struct creator *self = &creators[number];
	char name[64];

	umask(self->umask);
	if (setgroups(0, NULL) < 0 || setresgid(self->gid, self->gid, self->gid) < 0 ||
	    setresuid(self->uid, self->uid, self->uid) < 0)
		_exit(1);
	for (int round = 0; round < ROUNDS; round++) {
		if (chdir(path_of("%s/%s", mount.path, place_names[round % PLACES])) < 0)
			_exit(2);
		for (size_t kind = 0; kind < sizeof(kinds) - 1; kind++) {
			mode_t mode = modes[(size_t)round % (sizeof(modes) / sizeof(modes[0]))];

			name_of(name, number, mode, kinds[kind], round);
			if (make(name, mode, kinds[kind]) < 0)
				_exit(3);
			/* files exist for a while, then they are removed */
			if (round >= 20) {
				mode = modes[(size_t)(round - 6 * PLACES) %
					     (sizeof(modes) / sizeof(modes[0]))];
				name_of(name, number, mode, kinds[kind], round - 6 * PLACES);
				if ((kinds[kind] == 'd' ? rmdir(name) : unlink(name)) < 0)
					_exit(4);
			}
		}
	}
	_exit(0);
}

/* --- watching --- */

__attribute__((format(printf, 1, 2))) static void complain(const char *format, ...)
{
	va_list arguments;

	if (atomic_fetch_add(&report->wrong, 1) > 0)
		return;
	va_start(arguments, format);
	vsnprintf(report->what, sizeof(report->what), format, arguments);
	va_end(arguments);
}

/* By acl(5): the mask replaces the group's bits, and the ACL replaces the umask. */
static mode_t expected_mode(enum place place, const struct creator *creator, mode_t asked, char kind)
{
	mode_t mode = asked;

	if (kind == 'l')
		return 0777;
	if (place == DEFAULT_ACL)
		return mode & 0771;
	mode &= ~creator->umask;
	if (place == SET_GROUP_ID && kind == 'd')
		mode |= S_ISGID;
	return mode;
}

static void check_acl(const char *path, const char *name, char kind)
{
	char value[256];
	ssize_t length = lgetxattr(path, "system.posix_acl_access", value, sizeof(value));

	if (length < 0 && errno == ENOENT)
		return; /* removed meanwhile */
	if (length != (ssize_t)sizeof(default_acl))
		complain("%s: ACL of %zd bytes: %s", name, length, strerror(errno));
	if (kind != 'd')
		return;
	length = lgetxattr(path, "system.posix_acl_default", value, sizeof(value));
	if (length < 0 && errno == ENOENT)
		return;
	if (length != (ssize_t)sizeof(default_acl) || memcmp(value, &default_acl, sizeof(default_acl)) != 0)
		complain("%s: default ACL of %zd bytes: %s", name, length, strerror(errno));
}

static void check_name(const char *directory, const char *name, enum place place)
{
	const struct creator *creator;
	char path[PATH_MAX];
	struct stat stat;
	unsigned int asked;
	mode_t mode;
	gid_t group;
	int number;
	char kind;

	if (sscanf(name, "c%d-m%o-%c-", &number, &asked, &kind) != 3 || number < 0 || number >= CREATORS)
		return;
	creator = &creators[number];
	if ((size_t)snprintf(path, sizeof(path), "%s/%s", directory, name) >= sizeof(path))
		return;
	if (lstat(path, &stat) < 0) {
		if (errno != ENOENT)
			complain("%s: %s", path, strerror(errno));
		return;
	}
	atomic_fetch_add(&report->seen, 1);
	mode = expected_mode(place, creator, asked, kind);
	group = place == SET_GROUP_ID ? PLACE_GROUP : creator->gid;
	if ((stat.st_mode & 07777) != mode || stat.st_uid != creator->uid || stat.st_gid != group)
		complain("%s: mode %o owner %u:%u, expected %o %u:%u", path, stat.st_mode & 07777,
			 stat.st_uid, stat.st_gid, mode, creator->uid, group);
	if (place == DEFAULT_ACL && kind != 'l')
		check_acl(path, path, kind);
}

/* Lists the directory over and over. */
static void watch_listing(const char *directory, enum place place)
{
	while (!atomic_load(&report->enough)) {
		_cleanup_closedir_ DIR *dir = opendir(directory);
		const struct dirent *entry;

		while (dir && (entry = readdir(dir)))
			check_name(directory, entry->d_name, place);
	}
}

/* Inspects a name as soon as inotify reports it. */
static void watch_events(const char *directory, enum place place)
{
	char events[8192] __attribute__((aligned(8)));
	int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);

	if (fd < 0 || inotify_add_watch(fd, directory, IN_CREATE | IN_MOVED_TO) < 0) {
		complain("inotify on %s: %s", directory, strerror(errno));
		return;
	}
	while (!atomic_load(&report->enough)) {
		struct pollfd waiting = {.fd = fd, .events = POLLIN};
		ssize_t length = poll(&waiting, 1, 50) > 0 ? read(fd, events, sizeof(events)) : 0;

		for (ssize_t at = 0; at < length;) {
			const struct inotify_event *event = (void *)(events + at);

			if (event->len > 0)
				check_name(directory, event->name, place);
			at += (ssize_t)(sizeof(*event) + event->len);
		}
	}
	close(fd);
}

static pid_t start_watcher(const char *root, enum place place, void (*watch)(const char *, enum place))
{
	pid_t child;

	fflush(NULL);
	child = fork();
	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		watch(path_of("%s/%s", root, place_names[place]), place);
		_exit(0);
	}
	assert_true(child > 0);
	return child;
}

static void nobody_sees_them_otherwise(void **state)
{
	pid_t watchers[PLACES * 2 + 1];
	pid_t makers[CREATORS];
	int n_watchers = 0;
	int status;

	(void)state;
	for (int place = 0; place < PLACES; place++) {
		watchers[n_watchers++] = start_watcher(mount.path, (enum place)place, watch_events);
		/* in the store it would be seen even earlier */
		watchers[n_watchers++] = start_watcher(mount.store, (enum place)place, watch_listing);
	}
	watchers[n_watchers++] = start_watcher(mount.path, DEFAULT_ACL, watch_listing);
	for (int i = 0; i < CREATORS; i++) {
		fflush(NULL);
		makers[i] = fork();
		if (makers[i] == 0)
			create(i);
	}
	for (int i = 0; i < CREATORS; i++) {
		check(waitpid(makers[i], &status, 0));
		assert_int_equal(status, 0);
	}
	atomic_store(&report->enough, true);
	for (int i = 0; i < n_watchers; i++) {
		check(waitpid(watchers[i], &status, 0));
		assert_int_equal(status, 0);
	}
	if (report->wrong > 0)
		print_error("%u of %lu looks: %s\n", report->wrong, report->seen, report->what);
	assert_int_equal(report->wrong, 0);
	assert_true(report->seen > 1000);
	print_message("# %lu looks at %d files\n", report->seen, CREATORS * ROUNDS * 6);
}

/* --- who may do what --- */

static int try_all_on_private(void *context)
{
	const char *path = context;

	if (open(path, O_RDONLY) >= 0 || errno != EACCES)
		return 1;
	if (open(path, O_WRONLY) >= 0 || errno != EACCES)
		return 2;
	if (truncate(path, 0) == 0 || errno != EACCES)
		return 3;
	if (chmod(path, 0777) == 0 || errno != EPERM)
		return 4;
	if (chown(path, TEST_UID, TEST_GID) == 0 || errno != EPERM)
		return 5;
	if (getxattr(path, "user.note", NULL, 0) >= 0 || errno != EACCES)
		return 6;
	if (setxattr(path, "user.note", "x", 1, 0) == 0 || errno != EACCES)
		return 7;
	if (unlink(path) == 0 || errno != EPERM) /* the root of the mount is sticky */
		return 8;
	if (rename(path, path_of("%s.moved", path)) == 0 || errno != EPERM)
		return 9;
	return 0;
}

static void others_are_kept_out(void **state)
{
	const char *path = path_of("%s/private", mount.path);
	int fd = (int)check(open(path, O_RDWR | O_CREAT | O_EXCL, 0600));

	(void)state;
	close(fd);
	if (mount_has_feature(&mount, "tmpfs-user-xattr"))
		check(setxattr(path, "user.note", "n", 1, 0));
	assert_int_equal(as_user(TEST_UID, TEST_GID, try_all_on_private, (void *)(uintptr_t)path), 0);
}

static int try_store(void *context)
{
	if (open(context, O_RDONLY) >= 0 || errno != EACCES)
		return 1;
	if (access(path_of("%s/plain", mount.store), F_OK) == 0 || errno != EACCES)
		return 2;
	return 0;
}

static void the_store_is_for_root(void **state)
{
	(void)state;
	assert_int_equal(as_user(TEST_UID, TEST_GID, try_store, mount.store), 0);
}

static int map_for_writing(void *context)
{
	int fd = open(context, O_RDONLY);
	char *view;

	if (fd < 0)
		return 1;
	if (mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) != MAP_FAILED || errno != EACCES)
		return 2;
	view = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
	if (view == MAP_FAILED)
		return 3;
	if (mprotect(view, 4096, PROT_READ | PROT_WRITE) == 0 || errno != EACCES)
		return 4;
	return view[0] == 'v' ? 0 : 5;
}

static void a_reader_can_not_write_by_a_view(void **state)
{
	const char *path = path_of("%s/readable", mount.path);
	int fd = (int)check(open(path, O_RDWR | O_CREAT | O_EXCL, 0644));

	(void)state;
	check(ftruncate(fd, 4096));
	check(pwrite(fd, "v", 1, 0));
	assert_int_equal(as_user(TEST_UID, TEST_GID, map_for_writing, (void *)(uintptr_t)path), 0);
	close(fd);
}

static int set_up(void **state)
{
	struct mount_spec spec = {0};
	const char *path;

	(void)state;
	if (mount_start(&mount, &spec) < 0)
		return -1;
	report = mmap(NULL, sizeof(*report), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (report == MAP_FAILED)
		return -1;
	for (int place = 0; place < PLACES; place++) {
		path = path_of("%s/%s", mount.path, place_names[place]);
		if (mkdir(path, 0777) < 0 || chmod(path, 0777) < 0)
			return -1;
	}
	path = path_of("%s/%s", mount.path, place_names[SET_GROUP_ID]);
	if (chown(path, 0, PLACE_GROUP) < 0 || chmod(path, 02777) < 0)
		return -1;
	path = path_of("%s/%s", mount.path, place_names[DEFAULT_ACL]);
	return setxattr(path, "system.posix_acl_default", &default_acl, sizeof(default_acl), 0);
}

static int tear_down(void **state)
{
	(void)state;
	return mount_stop(&mount);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nobody_sees_them_otherwise),
		cmocka_unit_test(others_are_kept_out),
		cmocka_unit_test(the_store_is_for_root),
		cmocka_unit_test(a_reader_can_not_write_by_a_view),
	};

	if (geteuid() != 0)
		skip_program("root");
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
