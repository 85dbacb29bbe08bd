// SPDX-License-Identifier: MIT
/*
 * execve(2) with open files of the mount. The kernel closes close-on-exec descriptors in the middle of
 * execve(2), while nobody can inspect the process: a daemon that tried to would wait for a process that waits
 * for its reply.
 */
#include "tests/lib/job.h"
#include "tests/mount/harness.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#define FILES_MAX 300 /* consecutive opens, each of which is one more request of the same process */

static struct mount mount_here;

static int start(void **unused)
{
	const struct mount_spec spec = {0};

	(void)unused;
	return mount_start(&mount_here, &spec);
}

static int stop(void **unused)
{
	(void)unused;
	return mount_stop(&mount_here);
}

static void open_and_exec(int files)
{
	for (int i = 0; i < files; i++)
		if (open(path_of("%s/file", mount_here.path), O_RDWR | O_CREAT | O_CLOEXEC, 0644) < 0)
			_exit(1);
	execl("/bin/true", "true", NULL);
	_exit(1);
}

static void exec_with_files(struct job *job, void *unused)
{
	(void)unused;
	for (int files = 1; files <= FILES_MAX; files += files < 80 ? 1 : 17) {
		pid_t pid = fork();
		int status;

		if (pid == 0)
			open_and_exec(files);
		job_must(job, pid > 0);
		job_must(job, waitpid(pid, &status, 0) == pid);
		job_must(job, status == 0);
		job->steps++;
	}
}

static void exec_closes_files(void **unused)
{
	(void)unused;
	assert_int_equal(job_run(exec_with_files, NULL), 0);
	assert_true(wait_for(mount_handles(&mount_here) == 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(exec_closes_files),
	};

	return cmocka_run_group_tests_name("exec", tests, start, stop);
}
