// SPDX-License-Identifier: MIT
/* tests/run: alone: drops the caches of the machine */
/*
 * Open files, views, files without a name and directories survive a kill of the worker, in each of the three
 * I/O modes.
 */
#include "lib/base/cleanup.h"
#include "tests/lib/job.h"
#include "tests/lib/leaks.h"
#include "tests/lib/modes.h"
#include "tests/lib/process.h"
#include "tests/lib/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>

#define SIZE 262144 /* bytes of a test file */
#define PAGE 4096

static struct mount mount;

static const char *at_mount(const char *name)
{
	return path_of("%s/%s", mount.path, name);
}

static int make(const char *name, char byte)
{
	static char bytes[SIZE];
	int fd = (int)check(open(at_mount(name), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0640));

	memset(bytes, byte, sizeof(bytes));
	assert_int_equal(check(pwrite(fd, bytes, sizeof(bytes), 0)), sizeof(bytes));
	return fd;
}

static char *map(int fd)
{
	void *view = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	assert_ptr_not_equal(view, MAP_FAILED);
	return view;
}

static void expect_byte(int fd, off_t at, char byte)
{
	char found = 0;

	assert_int_equal(check(pread(fd, &found, 1, at)), 1);
	assert_int_equal(found, byte);
}

static void put_byte(int fd, off_t at, char byte)
{
	assert_int_equal(check(pwrite(fd, &byte, 1, at)), 1);
}

static void expect_stored(const char *name, off_t at, char byte)
{
	_cleanup_close_ int fd = (int)check(open(path_of("%s/%s", mount.store, name), O_RDONLY | O_CLOEXEC));

	expect_byte(fd, at, byte);
}

static bool is_in_mode(const char *mode)
{
	return strcmp(mount.path + strlen(mount.path) - strlen(mode), mode) == 0;
}

/* A case leaves nothing open. */
static int verify(void **unused)
{
	(void)unused;
	return verify_nothing_lost(&mount);
}

/* --- no stall --- */

struct spinner {
	int fd;
	char *view;
	bool with_calls;
};

/* Reads, writes, loads and stores until stopped, also on untouched pages of the view. */
static void spin(struct job *job, void *context)
{
	const struct spinner *spinner = context;
	char *fresh = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, spinner->fd, 0);

	job_must(job, fresh != MAP_FAILED);
	for (unsigned long i = 0; !atomic_load(&job->stop); i++) {
		off_t at = (off_t)(i * 8 % SIZE);
		unsigned long found = 0;

		if (spinner->with_calls) {
			job_must(job, pwrite(spinner->fd, &i, sizeof(i), at) == sizeof(i));
			job_must(job, pread(spinner->fd, &found, sizeof(found), at) == sizeof(found));
			job_must(job, found == i);
		} else {
			memcpy(spinner->view + at, &i, sizeof(i));
		}
		memcpy(&found, fresh + at, sizeof(found));
		job_must(job, found == i);
		atomic_fetch_add(&job->steps, 1);
	}
	munmap(fresh, SIZE);
}

/* A stopped worker sends no replies, nor does anybody between its kill and the next worker's first reply. */
static void without_worker(const struct spinner *spinner)
{
	const unsigned long around = SIZE / 8; /* the whole file */
	struct job *job = job_start(spin, (void *)(uintptr_t)spinner);
	pid_t worker;

	assert_non_null(job);
	for (int i = 0; i < 5; i++) {
		bool went_on = job_goes_on(job, 100);

		worker = worker_stop(&mount);
		went_on = went_on && job_goes_on(job, around + 100);
		worker_kill(&mount, worker);
		went_on = went_on && job_goes_on(job, around + 100);
		worker_wait_next(&mount, worker);
		if (!went_on || !job_goes_on(job, 100))
			break;
	}
	assert_int_equal(job_end(&job), 0);
}

static void views_never_wait(void **unused)
{
	_cleanup_close_ int fd = make("view", 0);
	struct spinner spinner = {.fd = fd, .view = map(fd)};

	(void)unused;
	/* requests fill the page cache of the mount */
	if (is_in_mode("relayed"))
		memset(spinner.view, 1, SIZE);
	without_worker(&spinner);
	munmap(spinner.view, SIZE);
	check(unlink(at_mount("view")));
}

static void reads_and_writes_never_wait(void **unused)
{
	_cleanup_close_ int fd = make("io", 0);
	const struct spinner spinner = {.fd = fd, .with_calls = true};

	(void)unused;
	without_worker(&spinner);
	check(unlink(at_mount("io")));
}

/* --- open files --- */

static void open_files_go_on(void **unused)
{
	_cleanup_close_ int fd = make("file", 'a');
	_cleanup_close_ int reader = (int)check(open(at_mount("file"), O_RDONLY | O_CLOEXEC));
	_cleanup_close_ int appender = (int)check(open(at_mount("file"), O_WRONLY | O_APPEND | O_CLOEXEC));
	char *view = map(fd);

	(void)unused;
	for (char round = 0; round < 5; round++) {
		struct stat stat;

		worker_replace(&mount);
		put_byte(fd, PAGE + round, 'b');
		expect_byte(reader, PAGE + round, 'b');
		assert_int_equal(view[PAGE + round], 'b');
		view[2 * PAGE + round] = 'c';
		expect_byte(reader, 2 * PAGE + round, 'c');
		assert_int_equal(check(write(appender, "d", 1)), 1);
		expect_byte(reader, SIZE + round, 'd');
		check(fstat(reader, &stat));
		assert_int_equal(stat.st_size, SIZE + round + 1);
		assert_int_equal(stat.st_mode, S_IFREG | 0640);
	}
	check(ftruncate(fd, SIZE));
	check(msync(view, SIZE, MS_SYNC));
	expect_stored("file", PAGE, 'b');
	expect_stored("file", 2 * PAGE, 'c');
	munmap(view, SIZE);
	check(unlink(at_mount("file")));
}

/* Dirty pages of views in relayed mode are written back by the next worker. */
static void dirty_pages_are_written(void **unused)
{
	_cleanup_close_ int fd = make("dirty", 'a');
	char *view = map(fd);
	pid_t worker;

	(void)unused;
	memset(view, 'b', SIZE);
	worker = worker_stop(&mount);
	memset(view, 'c', SIZE);
	worker_kill(&mount, worker);
	check(msync(view, SIZE, MS_SYNC));
	expect_stored("dirty", 0, 'c');
	expect_stored("dirty", SIZE - 1, 'c');
	munmap(view, SIZE);
	check(unlink(at_mount("dirty")));
}

/*
 * A node has one passthrough id for as long as it has a handle (fact K3): opens of several workers must agree
 * on it.
 */
static void opens_of_several_workers(void **unused)
{
	int fds[8];
	char *views[8];

	(void)unused;
	fds[0] = make("shared", 'a');
	views[0] = map(fds[0]);
	for (int i = 1; i < 8; i++) {
		worker_replace(&mount);
		fds[i] = (int)check(open(at_mount("shared"), i % 2 ? O_RDWR : O_RDONLY, O_CLOEXEC));
		views[i] = mmap(NULL, SIZE, PROT_READ, MAP_SHARED, fds[i], 0);
		assert_ptr_not_equal(views[i], MAP_FAILED);
		expect_byte(fds[i], SIZE - 1, 'a');
		views[0][PAGE] = (char)i;
		assert_int_equal(views[i][PAGE], i);
		assert_int_equal(views[i][0], 'a');
		assert_int_equal(views[0][0], 'a');
		assert_int_equal(physical_page(views[i]), physical_page(views[0]));
	}
	/* the first holders of the id close, the last one keeps it across another death */
	for (int i = 0; i < 7; i++) {
		check(munmap(views[i], SIZE));
		check(close(fds[i]));
	}
	worker_replace(&mount);
	expect_byte(fds[7], SIZE - 1, 'a');
	fds[0] = (int)check(open(at_mount("shared"), O_RDWR | O_CLOEXEC));
	put_byte(fds[0], 0, 'z');
	assert_int_equal(views[7][0], 'z');
	check(munmap(views[7], SIZE));
	check(close(fds[7]));
	check(close(fds[0]));
	/* after the last close the next open gets a new id */
	worker_replace(&mount);
	fds[0] = (int)check(open(at_mount("shared"), O_RDWR | O_CLOEXEC));
	expect_byte(fds[0], 0, 'z');
	check(close(fds[0]));
	check(unlink(at_mount("shared")));
}

static long long handles_in_status(void)
{
	static const char *const modes[] = {"direct", "mediated", "relayed"};
	long long sum = 0;

	for (int i = 0; i < 3; i++)
		sum += mount_status(&mount, modes[i]);
	return sum;
}

/* The next worker knows all opens, and which of them were closed. */
static void many_open_files(void **unused)
{
	enum { MANY = 500 };
	static int fds[MANY];
	struct rlimit limit;

	(void)unused;
	check(getrlimit(RLIMIT_NOFILE, &limit));
	limit.rlim_cur = limit.rlim_max;
	check(setrlimit(RLIMIT_NOFILE, &limit));
	for (int i = 0; i < MANY; i++) {
		fds[i] = (int)check(open(at_mount(path_of("many-%d", i)), O_RDWR | O_CREAT | O_EXCL, 0600));
		put_byte(fds[i], 0, (char)i);
	}
	for (int round = 0; round < 3; round++) {
		worker_replace(&mount);
		assert_int_equal(handles_in_status(), MANY);
		for (int i = 0; i < MANY; i++)
			expect_byte(fds[i], 0, (char)i);
	}
	/* half of them are closed while there is no worker */
	for (int i = 0; i < MANY; i += 2)
		check(close(fds[i]));
	worker_replace(&mount);
	assert_true(wait_for(handles_in_status() == MANY / 2));
	for (int i = 1; i < MANY; i += 2)
		check(close(fds[i]));
	assert_true(wait_for(handles_in_status() == 0));
	for (int i = 0; i < MANY; i++)
		check(unlink(at_mount(path_of("many-%d", i))));
}

/* Limits the descriptors of the daemon and of later workers. Returns the old limit. */
static rlim_t limit_descriptors(rlim_t n)
{
	struct rlimit before, after;

	check(prlimit(mount.supervisor, RLIMIT_NOFILE, NULL, &before));
	after = (struct rlimit){.rlim_cur = n, .rlim_max = before.rlim_max};
	check(prlimit(mount.supervisor, RLIMIT_NOFILE, &after, NULL));
	worker_replace(&mount);
	return before.rlim_cur;
}

/* A worker without free descriptors continues; it may die, and be inspected and cleaned up. */
static void as_many_open_files_as_can_be(void **unused)
{
	enum { LIMIT = 160 };
	static int fds[LIMIT];
	struct stat stat;
	rlim_t before;
	int n = 0;

	(void)unused;
	/* there open files take no descriptor */
	if (is_in_mode("direct"))
		return;
	before = limit_descriptors(LIMIT);
	while (n < LIMIT && (fds[n] = open(at_mount(path_of("most-%d", n)),
					   O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600)) >= 0) {
		put_byte(fds[n], 0, (char)n);
		n++;
	}
	assert_int_equal(errno, ENFILE);
	assert_true(n > 10 && n < LIMIT);
	for (int round = 0; round < 3; round++) {
		worker_replace(&mount);
		for (int i = 0; i < n; i++)
			expect_byte(fds[i], 0, (char)i);
		assert_int_equal(open(at_mount("most"), O_RDWR | O_CREAT | O_CLOEXEC, 0600), -1);
		assert_int_equal(errno, ENFILE);
		check(lstat(at_mount("most-0"), &stat));
		assert_int_equal(stat.st_size, 1);
		assert_int_equal(handles_in_status(), n);
	}
	check(unlink(at_mount("most-0")));
	expect_byte(fds[0], 0, 0);
	for (int i = 0; i < n; i++) {
		check(close(fds[i]));
		if (i > 0)
			check(unlink(at_mount(path_of("most-%d", i))));
	}
	check(close((int)check(open(at_mount("most"), O_RDWR | O_CREAT | O_CLOEXEC, 0600))));
	check(unlink(at_mount("most")));
	limit_descriptors(before);
}

/* Opens a file, and closes it when the test says so. */
static void open_and_close(struct job *job, void *context)
{
	int fd = open(context, O_RDWR | O_CLOEXEC);

	job_must(job, fd >= 0);
	atomic_fetch_add(&job->steps, 1);
	while (!atomic_load(&job->stop))
		usleep(1000);
	job_must(job, close(fd) == 0);
}

/*
 * close(2) while the worker is stopped waits for the next one if it drops locks that segfs keeps. Otherwise
 * it does not, and the next one learns of it.
 */
static void closed_without_worker(void **unused)
{
	const bool keeps_locks = mount_keeps_locks(&mount);
	struct job *job;
	pid_t worker;
	bool waits;

	(void)unused;
	check(close(make("closed", 'a')));
	job = job_start(open_and_close, (void *)(uintptr_t)at_mount("closed"));
	assert_non_null(job);
	assert_true(job_goes_on(job, 0) && wait_for(atomic_load(&job->steps) == 1));
	worker = worker_stop(&mount);
	atomic_store(&job->stop, true);
	if (keeps_locks)
		waits = wait_for(job_is_in_call(job, SYS_close));
	else
		waits = job_end(&job) == 0;
	worker_kill(&mount, worker);
	assert_true(waits);
	if (job)
		assert_int_equal(job_end(&job), 0);
	assert_int_equal(mount_verify(&mount, 0), 0);
	check(unlink(at_mount("closed")));
}

/* --- files without a name --- */

static void expect_nameless(int fd, off_t size)
{
	struct stat stat;

	check(fstat(fd, &stat));
	assert_int_equal(stat.st_nlink, 0);
	assert_int_equal(stat.st_size, size);
}

static void use_nameless(int fd, char *view, char byte)
{
	_cleanup_close_ int again = -1;
	char *further;

	worker_replace(&mount);
	expect_nameless(fd, SIZE);
	expect_byte(fd, 0, 'a');
	put_byte(fd, PAGE, byte);
	assert_int_equal(view[PAGE], byte);
	view[2 * PAGE] = byte;
	expect_byte(fd, 2 * PAGE, byte);
	check(ftruncate(fd, 2 * SIZE));
	expect_byte(fd, 2 * SIZE - 1, 0);
	expect_nameless(fd, 2 * SIZE);
	check(ftruncate(fd, SIZE));
	check(fchmod(fd, 0600));
	if (kernel_has("tmpfs-user-xattr"))
		check(fsetxattr(fd, "user.of", "nobody", 6, 0));
	further = map(fd);
	assert_int_equal(further[PAGE], byte);
	check(munmap(further, SIZE));
	/* another open of a file without a name */
	again = (int)check(open(path_of("/proc/self/fd/%d", fd), O_RDWR | O_CLOEXEC));
	expect_byte(again, PAGE, byte);
}

static void unlinked_files(void **unused)
{
	_cleanup_close_ int fd = make("unlinked", 'a');
	char *view = map(fd);

	(void)unused;
	check(unlink(at_mount("unlinked")));
	use_nameless(fd, view, 'b');
	use_nameless(fd, view, 'c');
	check_error(ENOENT, open(at_mount("unlinked"), O_RDWR));
	check(munmap(view, SIZE));
}

static void replaced_files(void **unused)
{
	_cleanup_close_ int fd = make("replaced", 'a');
	_cleanup_close_ int other = make("other", 'o');
	char *view = map(fd);

	(void)unused;
	check(rename(at_mount("other"), at_mount("replaced")));
	use_nameless(fd, view, 'b');
	use_nameless(fd, view, 'c');
	expect_byte(other, 0, 'o');
	check(munmap(view, SIZE));
	check(unlink(at_mount("replaced")));
	expect_nameless(other, SIZE);
}

/* The view alone keeps the file. */
static void views_of_unlinked_files(void **unused)
{
	int fd = make("viewed", 'a');
	char *view = map(fd);

	(void)unused;
	check(unlink(at_mount("viewed")));
	check(close(fd));
	for (int i = 0; i < 3; i++) {
		worker_replace(&mount);
		assert_int_equal(view[i * PAGE], 'a');
		view[i * PAGE] = 'b';
		check(msync(view, SIZE, MS_SYNC));
		assert_int_equal(view[i * PAGE], 'b');
	}
	check(munmap(view, SIZE));
}

static void files_made_without_name(void **unused)
{
	_cleanup_close_ int fd = (int)check(open(mount.path, O_TMPFILE | O_RDWR | O_CLOEXEC, 0644));
	char *view;

	(void)unused;
	check(ftruncate(fd, SIZE));
	put_byte(fd, 0, 'a');
	view = map(fd);
	use_nameless(fd, view, 'b');
	check(munmap(view, SIZE));
	check(linkat(AT_FDCWD, path_of("/proc/self/fd/%d", fd), AT_FDCWD, at_mount("named"),
		     AT_SYMLINK_FOLLOW));
	worker_replace(&mount);
	expect_stored("named", PAGE, 'b');
	expect_byte(fd, PAGE, 'b');
	check(unlink(at_mount("named")));
	worker_replace(&mount);
	expect_nameless(fd, SIZE);
	expect_byte(fd, PAGE, 'b');
}

/* --- everything else that can be held --- */

static void held_paths(void **unused)
{
	_cleanup_close_ int file = -1;
	_cleanup_close_ int link = -1;
	_cleanup_close_ int dir = -1;
	char target[16];
	struct stat stat;

	(void)unused;
	check(close(make("held", 'a')));
	check(symlink("held", at_mount("link")));
	check(mkdir(at_mount("dir"), 0750));
	file = (int)check(open(at_mount("held"), O_PATH | O_CLOEXEC));
	link = (int)check(open(at_mount("link"), O_PATH | O_NOFOLLOW | O_CLOEXEC));
	dir = (int)check(open(at_mount("dir"), O_PATH | O_DIRECTORY | O_CLOEXEC));
	worker_replace(&mount);
	check(fstat(file, &stat));
	assert_int_equal(stat.st_size, SIZE);
	assert_int_equal(check(readlinkat(link, "", target, sizeof(target))), 4);
	check(close((int)check(openat(dir, "new", O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600))));
	check(unlinkat(dir, "new", 0));

	check(unlink(at_mount("held")));
	check(unlink(at_mount("link")));
	check(rmdir(at_mount("dir")));
	worker_replace(&mount);
	expect_nameless(file, SIZE);
	assert_int_equal(check(readlinkat(link, "", target, sizeof(target))), 4);
	assert_memory_equal(target, "held", 4);
	check(fstat(dir, &stat));
	assert_int_equal(stat.st_mode, S_IFDIR | 0750);
	check_error(ENOENT, openat(dir, "new", O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	cleanup_close(&link);
	link = (int)check(open(path_of("/proc/self/fd/%d", file), O_RDONLY | O_CLOEXEC));
	expect_byte(link, 0, 'a');
}

static void removed_working_directory(void **unused)
{
	_cleanup_close_ int before = (int)check(open(".", O_PATH | O_DIRECTORY | O_CLOEXEC));
	char path[PATH_MAX];
	struct stat stat;
	DIR *dir;

	(void)unused;
	check(mkdir(at_mount("cwd"), 0700));
	check(chdir(at_mount("cwd")));
	worker_replace(&mount);
	check(mkdir("below", 0700));
	check(rmdir("below"));
	check(rmdir(at_mount("cwd")));
	for (int i = 0; i < 2; i++) {
		worker_replace(&mount);
		assert_null(getcwd(path, sizeof(path)));
		assert_int_equal(errno, ENOENT);
		check(lstat(".", &stat));
		assert_true(S_ISDIR(stat.st_mode));
		check_error(ENOENT, lstat("below", &stat));
		check_error(ENOENT, mkdir("below", 0700));
		dir = opendir(".");
		assert_non_null(dir);
		errno = 0;
		assert_null(readdir(dir));
		assert_int_equal(errno, 0);
		closedir(dir);
	}
	check(fchdir(before));
}

static void control_files(void **unused)
{
	_cleanup_close_ int fd = (int)check(open(at_mount(".segfs/status"), O_RDONLY | O_CLOEXEC));
	pid_t worker = worker_pid(&mount);
	char text[8192];
	ssize_t length;

	(void)unused;
	length = check(read(fd, text, 20));
	assert_int_equal(length, 20);
	worker_replace(&mount);
	length += check(read(fd, text + length, 30));
	assert_int_equal(length, 50);
	worker_replace(&mount);
	length += check(read(fd, text + length, sizeof(text) - 1 - (size_t)length));
	text[length] = '\0';
	assert_int_equal(check(read(fd, text + length, 1)), 0);
	assert_ptr_equal(strstr(text, "{\n  \"version\""), text);
	assert_string_equal(text + length - 3, "\n}\n");
	/* it is the state at the time of the open */
	assert_non_null(strstr(text, path_of("\"worker_pid\": %d,", worker)));
}

static void try_lock(struct job *job, void *context)
{
	int fd = open(context, O_RDWR | O_CLOEXEC);
	struct flock lock = {.l_type = F_WRLCK, .l_start = PAGE, .l_len = 1};

	job_must(job, fd >= 0);
	job_must(job, flock(fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK);
	job_must(job, fcntl(fd, F_SETLK, &lock) < 0 && (errno == EAGAIN || errno == EACCES));
}

static void locks_stay(void **unused)
{
	_cleanup_close_ int fd = make("locked", 'a');
	struct flock lock = {.l_type = F_WRLCK, .l_start = 0, .l_len = SIZE};
	struct job *job;

	(void)unused;
	check(flock(fd, LOCK_EX));
	check(fcntl(fd, F_SETLK, &lock));
	worker_replace(&mount);
	job = job_start(try_lock, (void *)(uintptr_t)at_mount("locked"));
	assert_non_null(job);
	assert_int_equal(job_end(&job), 0);
	check(unlink(at_mount("locked")));
}

/* A file handle of the mount stays valid for any worker, also if the kernel has forgotten the node. */
static void file_handles(void **unused)
{
	union {
		struct file_handle handle;
		char space[sizeof(struct file_handle) + MAX_HANDLE_SZ];
	} buffer = {.handle.handle_bytes = MAX_HANDLE_SZ};
	_cleanup_close_ int root = (int)check(open(mount.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	_cleanup_close_ int fd = -1;
	int mount_id;

	(void)unused;
	check(close(make("by-handle", 'h')));
	check(name_to_handle_at(root, "by-handle", &buffer.handle, &mount_id, 0));
	worker_replace(&mount);
	fd = (int)check(open_by_handle_at(root, &buffer.handle, O_RDWR | O_CLOEXEC));
	expect_byte(fd, 0, 'h');
	cleanup_close(&fd);
	/* "2" frees dentries and inodes, so the kernel forgets the node */
	if (write_text("/proc/sys/vm/drop_caches", "2") == 0)
		worker_replace(&mount);
	fd = (int)check(open_by_handle_at(root, &buffer.handle, O_RDWR | O_CLOEXEC));
	expect_byte(fd, 0, 'h');
	check(unlink(at_mount("by-handle")));
}

/* --- modes --- */

static int start(const char *mode)
{
	const struct mount_spec spec = {.tag = mode, .options = mode_options(mode)};

	return mount_start(&mount, &spec);
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
		/* in the other modes the worker does them, so they wait for one; see open_files_go_on() */
		CASE(reads_and_writes_never_wait),
		CASE(views_never_wait),
		CASE(open_files_go_on),
		CASE(dirty_pages_are_written),
		CASE(opens_of_several_workers),
		CASE(many_open_files),
		CASE(as_many_open_files_as_can_be),
		CASE(closed_without_worker),
		CASE(unlinked_files),
		CASE(replaced_files),
		CASE(views_of_unlinked_files),
		CASE(files_made_without_name),
		CASE(held_paths),
		CASE(removed_working_directory),
		CASE(control_files),
		CASE(locks_stay),
		CASE(file_handles),
	};
	static const struct CMUnitTest closes[] = {CASE(closed_without_worker), CASE(locks_stay)};
	const size_t n_cases = sizeof(cases) / sizeof(cases[0]);
	int failed;

	if (geteuid() != 0)
		skip_program("root");
	failed = run_in_mode("direct", cases, n_cases, start, stop);
	failed += run_in_mode("usual-mand", closes, sizeof(closes) / sizeof(closes[0]), start, stop);
	failed += run_in_mode("mediated", cases + 1, n_cases - 1, start, stop);
	failed += run_in_mode("relayed", cases + 1, n_cases - 1, start, stop);
	return failed;
}
