// SPDX-License-Identifier: MIT
/*
 * Processes that map files or have them open, and unresponsive ones; see lib/base/procfs_users.h and
 * procfs_scan.h.
 */
#include "lib/base/cleanup.h"
#include "lib/base/procfs_scan.h"
#include "lib/base/procfs_users.h"
#include "tests/unit/features.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define FILES 200 /* more than the initial capacity */
#define PAGE  4096

struct file {
	int fd;
	struct procfs_file name;
	void *view;
};

static struct file new_file(int protection, int flags)
{
	struct file file = {.fd = memfd_create("scan", MFD_CLOEXEC), .view = MAP_FAILED};
	struct stat stat;

	assert_true(file.fd >= 0);
	assert_int_equal(ftruncate(file.fd, PAGE), 0);
	assert_int_equal(fstat(file.fd, &stat), 0);
	file.name = (struct procfs_file){stat.st_dev, stat.st_ino};
	if (protection) {
		file.view = mmap(NULL, PAGE, protection, flags, file.fd, 0);
		assert_ptr_not_equal(file.view, MAP_FAILED);
	}
	return file;
}

static void end_file(struct file *file)
{
	if (file->view != MAP_FAILED)
		munmap(file->view, PAGE);
	close(file->fd);
}

/* On a busy machine a process may not respond; it is listed last. */
static ssize_t find_views(const struct procfs_file *file, struct procfs_view **views)
{
	ssize_t n = procfs_find_views(file->device, file->inode, views);

	while (n > 0 && (*views)[n - 1].is_unknown)
		n--;
	return n;
}

static ssize_t find_users(const struct procfs_file *files, size_t n_files, struct procfs_user **users)
{
	ssize_t n = procfs_find_users(files, n_files, users);

	while (n > 0 && (*users)[n - 1].is_unknown)
		n--;
	return n;
}

static void views_of_a_file(void **state)
{
	static const struct {
		int protection;
		int flags;
		bool writable;
	} kinds[] = {
		{PROT_READ, MAP_SHARED, false},
		{PROT_READ | PROT_WRITE, MAP_SHARED, true},
		{PROT_READ | PROT_WRITE, MAP_PRIVATE, false},
	};

	(void)state;
	need_shared_memory();
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		struct file file = new_file(kinds[i].protection, kinds[i].flags);
		_cleanup_free_ struct procfs_view *views = NULL;

		assert_int_equal(find_views(&file.name, &views), 1);
		assert_int_equal(views[0].process, getpid());
		assert_true(views[0].inode == file.name.inode);
		assert_int_equal(views[0].writable, kinds[i].writable);
		assert_false(views[0].is_unknown);
		end_file(&file);
	}
}

static void more_views_than_there_is_room_for(void **state)
{
	_cleanup_free_ struct procfs_view *views = NULL;
	struct file files[FILES];
	int found = 0;
	ssize_t n;

	(void)state;
	need_shared_memory();
	for (int i = 0; i < FILES; i++)
		files[i] = new_file(PROT_READ, MAP_SHARED);
	n = procfs_find_views(files[0].name.device, 0, &views);
	assert_true(n >= FILES);
	for (int i = 0; i < FILES; i++)
		for (ssize_t j = 0; j < n; j++)
			found += views[j].process == getpid() && views[j].inode == files[i].name.inode;
	assert_int_equal(found, FILES);
	for (int i = 0; i < FILES; i++)
		end_file(&files[i]);
}

static void users_of_a_file(void **state)
{
	struct file opened = new_file(0, 0);
	struct file mapped = new_file(PROT_READ, MAP_SHARED);
	const struct procfs_file names[] = {opened.name, mapped.name};
	_cleanup_free_ struct procfs_user *users = NULL;
	_cleanup_free_ struct procfs_user *both = NULL;
	_cleanup_free_ struct procfs_user *none = NULL;

	(void)state;
	need_shared_memory();
	assert_int_equal(find_users(&opened.name, 1, &users), 1);
	assert_int_equal(users[0].process, getpid());
	assert_true(users[0].opens);
	assert_false(users[0].maps);
	close(mapped.fd);
	assert_int_equal(find_users(names, 2, &both), 1);
	assert_true(both[0].opens);
	assert_true(both[0].maps);
	end_file(&opened);
	munmap(mapped.view, PAGE);
	assert_int_equal(find_users(names, 2, &none), 0);
}

/* It is not inspected, and reported as unknown, after the known ones. */
static void a_process_that_did_not_answer(void **state)
{
	struct file file = new_file(PROT_READ, MAP_SHARED);
	_cleanup_free_ struct procfs_view *views = NULL;
	const pid_t parent = getppid();
	int told = 0;
	ssize_t n;

	(void)state;
	need_shared_memory();
	assert_false(procfs_is_unresponsive(parent));
	procfs_mark_unresponsive(parent);
	assert_true(procfs_is_unresponsive(parent));
	assert_false(procfs_is_unresponsive(getpid()));
	n = procfs_find_views(file.name.device, file.name.inode, &views);
	assert_true(n >= 2);
	assert_int_equal(views[0].process, getpid());
	assert_false(views[0].is_unknown);
	for (ssize_t i = 1; i < n; i++) {
		assert_true(views[i].is_unknown);
		told += views[i].process == parent;
	}
	assert_int_equal(told, 1);
	assert_false(procfs_is_unresponsive(0));
	end_file(&file);
}

/* Nothing can be known of a process without memory. */
static void a_process_that_has_ended(void **state)
{
	struct file file = new_file(PROT_READ, MAP_SHARED);
	_cleanup_free_ struct procfs_view *views = NULL;
	pid_t child = fork();
	siginfo_t info;
	ssize_t n;

	(void)state;
	assert_true(child >= 0);
	if (child == 0)
		_exit(0);
	assert_int_equal(waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT), 0);
	procfs_mark_unresponsive(child);
	n = procfs_find_views(file.name.device, file.name.inode, &views);
	for (ssize_t i = 0; i < n; i++)
		assert_int_not_equal(views[i].process, child);
	assert_int_equal(waitpid(child, NULL, 0), child);
	end_file(&file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(views_of_a_file),
		cmocka_unit_test(more_views_than_there_is_room_for),
		cmocka_unit_test(users_of_a_file),
		cmocka_unit_test(a_process_that_did_not_answer),
		cmocka_unit_test(a_process_that_has_ended),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
