// SPDX-License-Identifier: MIT
/*
 * Bounds of what clients make the daemon hold: at a bound a client gets the documented errno, freed resources
 * are available again, and other users go on, since each has a share only.
 */
#include "lib/base/cleanup.h"
#include "tests/lib/job.h"
#include "tests/lib/leaks.h"
#include "tests/lib/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>

#define HANDLES 64 /* as the configuration below has them */
#define LOCKS   64
#define NODES   256
#define FILES   200

#define ONE   12345 /* users */
#define OTHER 12346

static struct mount mount;
static int fds[4 * HANDLES];

static const char *at(const char *name)
{
	return path_of("%s/%s", mount.path, name);
}

/* From here on requests of this thread are a user's; capabilities stay. */
static void act_as(uid_t uid)
{
	setfsuid(uid);
	assert_int_equal(setfsuid((uid_t)-1), uid);
}

/* Opens as often as possible, from fds[first] on. Returns the number. */
static int open_all(int first, int expected_error)
{
	int n = first;

	for (;;) {
		fds[n] = open(at("file"), O_RDWR | O_CLOEXEC);
		if (fds[n] < 0)
			break;
		n++;
		assert_true(n < 4 * HANDLES);
	}
	assert_int_equal(errno, expected_error);
	return n - first;
}

static void close_all(int n)
{
	for (int i = 0; i < n; i++)
		check(close(fds[i]));
	assert_true(wait_for(mount_handles(&mount) == 0));
}

static void handles(void **unused)
{
	int n;

	(void)unused;
	act_as(ONE);
	n = open_all(0, ENFILE);
	assert_int_equal(n, HANDLES / 2);
	/* opens of directories fail too, and nothing is created */
	check_error(ENFILE, open(mount.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	check_error(ENFILE, open(at("new"), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
	check_error(ENOENT, access(at("new"), F_OK));
	/* operations without a handle go on */
	check(mkdir(at("dir"), 0700));
	check(rmdir(at("dir")));
	/* other users have the rest, and root all of it */
	act_as(OTHER);
	check(close((int)check(open(at("file"), O_RDWR | O_CLOEXEC))));
	act_as(0);
	n += open_all(n, ENFILE);
	assert_int_equal(n, HANDLES);
	/* the next worker counts the same */
	worker_replace(&mount);
	check_error(ENFILE, open(at("file"), O_RDWR | O_CLOEXEC));
	check(close(fds[--n]));
	assert_true(wait_for((fds[n] = open(at("file"), O_RDWR | O_CLOEXEC)) >= 0));
	n++;
	close_all(n);
	act_as(ONE);
	n = open_all(0, ENFILE);
	act_as(0);
	assert_int_equal(n, HANDLES / 2);
	close_all(n);
}

static int lock_byte(int fd, int type, off_t byte)
{
	struct flock lock = {.l_type = (short)type, .l_start = byte, .l_len = 1};

	return fcntl(fd, F_OFD_SETLK, &lock);
}

/* Locks every other byte, so that none merge. Returns the number. */
static int lock_all(int fd, off_t first)
{
	int n = 0;

	while (n <= LOCKS && lock_byte(fd, F_WRLCK, first + 2 * n) == 0)
		n++;
	assert_int_equal(errno, ENOLCK);
	return n;
}

static void locks(void **unused)
{
	_cleanup_close_ int root = (int)check(open(at("file"), O_RDWR | O_CLOEXEC));
	_cleanup_close_ int one = -1;
	_cleanup_close_ int other = -1;
	struct flock all = {.l_type = F_UNLCK};

	(void)unused;
	act_as(ONE);
	one = (int)check(open(at("file"), O_RDWR | O_CLOEXEC));
	act_as(OTHER);
	other = (int)check(open(at("file"), O_RDWR | O_CLOEXEC));
	act_as(0);
	/* they are accounted to the user who opened the file */
	assert_int_equal(lock_all(one, 0), LOCKS / 2);
	check(lock_byte(other, F_WRLCK, 100000));
	assert_int_equal(lock_all(root, 200000), LOCKS / 2 - 1);
	check_error(ENOLCK, lock_byte(other, F_WRLCK, 100002));
	/* unlocking never needs a further slot */
	check(lock_byte(one, F_UNLCK, 0));
	check(lock_byte(other, F_WRLCK, 100002));
	worker_replace(&mount);
	check_error(ENOLCK, lock_byte(other, F_WRLCK, 100004));
	check(fcntl(one, F_OFD_SETLK, &all));
	assert_int_equal(lock_all(other, 100004), LOCKS / 2 - 2);
	check(fcntl(other, F_OFD_SETLK, &all));
	check(fcntl(root, F_OFD_SETLK, &all));
	assert_int_equal(lock_all(one, 0), LOCKS / 2);
}

static void write_large(struct job *job, void *context)
{
	static char bytes[48 * 1024];

	setfsuid(*(const uid_t *)context);
	/* opened in the parent, whose descriptors this process inherits */
	atomic_fetch_add(&job->steps, 1);
	job_must(job, pwrite(fds[0], bytes, sizeof(bytes), 0) == sizeof(bytes));
}

/*
 * Writes that wait for a mandatory lock are stored with their data: max-waiting is 128K, and a user's share
 * is half.
 */
static void waiting(void **unused)
{
	static const uid_t one = ONE;
	static const uid_t other = OTHER;
	static char bytes[48 * 1024];
	_cleanup_close_ int holder = -1;
	struct job *jobs[2];

	(void)unused;
	if (!mount_has_feature(&mount, "close-unlocked"))
		skip_missing("close-unlocked");
	check(write_text(at("mandatory"), "m"));
	check(chmod(at("mandatory"), 0666));
	/* a write that extends the file would block all other writes */
	check(truncate(at("mandatory"), sizeof(bytes)));
	check(setxattr(at("mandatory"), "user.segfs.lock", "mandatory", 9, 0));
	holder = (int)check(open(at("mandatory"), O_RDWR | O_CLOEXEC));
	fds[0] = (int)check(open(at("mandatory"), O_RDWR | O_CLOEXEC));
	check(lock_byte(holder, F_WRLCK, 0));
	jobs[0] = job_start(write_large, (void *)(uintptr_t)&one);
	assert_non_null(jobs[0]);
	assert_true(wait_for(job_is_in_call(jobs[0], SYS_pwrite64)));
	/* no space for a second write of the same user */
	act_as(ONE);
	assert_true(wait_for(pwrite(fds[0], bytes, sizeof(bytes), 0) < 0 && errno == EAGAIN));
	act_as(0);
	jobs[1] = job_start(write_large, (void *)(uintptr_t)&other);
	assert_non_null(jobs[1]);
	assert_true(wait_for(job_is_in_call(jobs[1], SYS_pwrite64)));
	check(lock_byte(holder, F_UNLCK, 0));
	for (int i = 0; i < 2; i++)
		assert_int_equal(job_end(&jobs[i]), 0);
	check(close(fds[0]));
	check(unlink(at("mandatory")));
}

/* Names and attributes take no bytes of segments; the store itself bounds them. */
static void names(void **unused)
{
	char value[4096] = "";
	int n = 0;

	(void)unused;
	check(mkdir(at("many"), 0700));
	while (n < 2 * FILES && mknod(at(path_of("many/%d", n)), S_IFREG | 0600, 0) == 0)
		n++;
	assert_int_equal(errno, ENOSPC);
	assert_true(n > FILES / 2 && n <= FILES);
	check_error(ENOSPC, mkdir(at("many/dir"), 0700));
	check_error(ENOSPC, symlink("target", at("many/link")));
	if (mount_has_feature(&mount, "tmpfs-user-xattr"))
		check_error(ENOSPC, setxattr(at("file"), "user.large", value, sizeof(value), 0));
	/* data are accounted separately */
	check(truncate(at("many/0"), 1 << 20));
	for (int i = 0; i < n; i++)
		check(unlink(at(path_of("many/%d", i))));
	check(rmdir(at("many")));
}

static void attributes(void **unused)
{
	char value[4096] = "";
	int i;

	(void)unused;
	if (!mount_has_feature(&mount, "tmpfs-user-xattr"))
		skip_missing("tmpfs-user-xattr");
	for (i = 0; i < 2 * FILES; i++)
		if (setxattr(at("file"), path_of("user.%d", i), value, sizeof(value), 0) < 0)
			break;
	assert_true(i < 2 * FILES);
	assert_int_equal(errno, ENOSPC);
	for (int j = 0; j < i; j++)
		check(removexattr(at("file"), path_of("user.%d", j)));
}

static void make_many(const char *directory, int n)
{
	check(mkdir(path_of("%s/%s", mount.store, directory), 0777));
	for (int i = 0; i < n; i++)
		check(mknod(path_of("%s/%s/%d", mount.store, directory, i), S_IFREG | 0644, 0));
}

static bool can_prune(void)
{
	return mount_has_feature(&mount, "prune");
}

static void nodes(void **unused)
{
	struct stat found;
	int failed = 0;

	(void)unused;
	/* the store's own bound is lower */
	make_many("seen", 150);
	for (int round = 0; round < 20; round++)
		for (int i = 0; i < 150; i++)
			failed += stat(at(path_of("seen/%d", i)), &found) < 0;
	assert_int_equal(failed, 0);
	/* other names that take inodes: hard links share a node, so directories of them */
	for (int i = 0; i < 150; i++)
		check(unlink(path_of("%s/seen/%d", mount.store, i)));
	check(rmdir(at("seen")));
}

/*
 * Far more names than the limit of nodes, visited one after the other, in a store without a bound of its own.
 */
static void more_files_than_nodes(void **unused)
{
	struct stat found;
	int failed = 0;

	(void)unused;
	make_many("free/seen", 20 * NODES);
	for (int i = 0; i < 20 * NODES; i++) {
		int result = stat(at(path_of("free/seen/%d", i)), &found);

		assert_true(result == 0 || errno == ENFILE);
		failed += result < 0;
	}
	if (!can_prune())
		skip_missing("a kernel that forgets files when it is asked to");
	assert_int_equal(failed, 0);
	assert_true(mount_status(&mount, "nodes") <= NODES);
	/* the next worker finds as many */
	worker_replace(&mount);
	for (int i = 0; i < 4 * NODES; i++)
		check(stat(at(path_of("free/seen/%d", i)), &found));
	assert_int_equal(mount_verify(&mount, 0), 0);
}

/* Every file is in use, so that the kernel forgets no node. */
static void nothing_is_made_without_a_node(void **unused)
{
	struct stat found;
	int n = 0;

	(void)unused;
	make_many("free/held", NODES);
	while (n < NODES && (fds[n] = open(at(path_of("free/held/%d", n)), O_PATH | O_CLOEXEC)) >= 0)
		n++;
	assert_in_range(n, 1, NODES - 1);
	check_error(ENFILE, mkdir(at("free/new"), 0700));
	check_error(ENFILE, mknod(at("free/new"), S_IFREG | 0600, 0));
	check_error(ENFILE, symlink("target", at("free/new")));
	check_error(ENFILE, open(at("free/new"), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
	check_error(ENOENT, lstat(path_of("%s/free/new", mount.store), &found));
	for (int i = 0; i < n; i++)
		check(close(fds[i]));
}

static void a_mount_does_not_grow(void **unused)
{
	(void)unused;
	check(write_text(mount.config, "[mount]\nmax-handles = 2M\n"));
	check(kill(mount.supervisor, SIGHUP));
	assert_true(wait_for(log_has(
		&mount,
		"max-handles: this mount has room for 1048576; lower it, or unmount and start again")));
	check(write_text(mount.config, "[mount]\nmax-waiting = 2T\n"));
	check(kill(mount.supervisor, SIGHUP));
	assert_true(wait_for(log_has(&mount, "max-waiting: this mount has no room for so much; lower it")));
	check(write_text(mount.config, "[mount]\nmax-handles = 128\n"));
	check(kill(mount.supervisor, SIGHUP));
	assert_true(wait_for(log_has(&mount, "is in force")));
	assert_int_equal(open_all(0, ENFILE), 128);
	close_all(128);
}

static int start(void **unused)
{
	const struct mount_spec spec = {
		.config = path_of("[mount]\nmax-handles = %d\nmax-locks = %d\nmax-nodes = %d\nmax-waiting = "
				  "128K\nfiles = %d\n"
				  "[directory free]\nmedium = memory\nmode = 0755\n",
				  HANDLES, LOCKS, NODES, FILES),
		.options = "mand",
	};

	(void)unused;
	if (mount_start(&mount, &spec) < 0 || write_text(at("file"), "file") < 0)
		return -1;
	return chmod(at("file"), 0666);
}

static int stop(void **unused)
{
	(void)unused;
	setfsuid(0);
	return mount_stop(&mount);
}

#define CASE(function) cmocka_unit_test_setup_teardown(function, start, stop)

int main(void)
{
	static const struct CMUnitTest cases[] = {
		CASE(handles),
		CASE(locks),
		CASE(waiting),
		CASE(names),
		CASE(attributes),
		CASE(nodes),
		CASE(more_files_than_nodes),
		CASE(nothing_is_made_without_a_node),
		CASE(a_mount_does_not_grow),
	};

	if (geteuid() != 0)
		skip_program("root");
	return cmocka_run_group_tests(cases, NULL, NULL);
}
