// SPDX-License-Identifier: MIT
#include "tests/lib/worker.h"
#include "lib/base/cleanup.h"
#include "tests/lib/process.h"

#include <ctype.h>
#include <signal.h>
#include <string.h>

pid_t worker_pid(const struct mount *mount)
{
	pid_t worker = (pid_t)mount_status(mount, "worker_pid");

	assert_true(is_child_of(worker, mount->supervisor));
	return worker;
}

static void send(const struct mount *mount, pid_t worker, int number)
{
	assert_true(is_child_of(worker, mount->supervisor));
	assert_int_equal(kill(worker, number), 0);
}

/* Numeric names only. */
static bool is_number(const struct dirent *entry)
{
	return isdigit((unsigned char)entry->d_name[0]);
}

static bool all_stopped(pid_t worker)
{
	_cleanup_closedir_ DIR *dir = opendir(path_of("/proc/%d/task", worker));
	const struct dirent *entry;
	char text[1024];
	const char *at;

	while (dir && (entry = readdir(dir))) {
		if (!is_number(entry))
			continue;
		if (read_text(path_of("/proc/%d/task/%s/stat", worker, entry->d_name), text, sizeof(text)) <=
		    0)
			return false;
		at = strrchr(text, ')');
		if (!at || at[1] != ' ' || at[2] != 'T')
			return false;
	}
	return dir != NULL;
}

pid_t worker_stop(const struct mount *mount)
{
	pid_t worker = worker_pid(mount);

	send(mount, worker, SIGSTOP);
	assert_true(wait_for(all_stopped(worker)));
	return worker;
}

void worker_continue(const struct mount *mount, pid_t worker)
{
	send(mount, worker, SIGCONT);
}

void worker_kill(const struct mount *mount, pid_t worker)
{
	send(mount, worker, SIGKILL);
}

pid_t worker_wait_next(const struct mount *mount, pid_t before)
{
	pid_t worker = 0;

	assert_true(wait_for((worker = (pid_t)mount_status(mount, "worker_pid")) > 0 && worker != before));
	return worker;
}

void worker_replace(const struct mount *mount)
{
	pid_t worker = worker_pid(mount);

	worker_kill(mount, worker);
	worker_wait_next(mount, worker);
}

unsigned int log_count(const struct mount *mount, const char *text)
{
	_cleanup_fclose_ FILE *file = fopen(mount->log, "re");
	_cleanup_free_ char *line = NULL;
	unsigned int n = 0;
	size_t size = 0;

	while (file && getline(&line, &size, file) > 0)
		for (const char *found = line; (found = strstr(found, text)); found++)
			n++;
	return n;
}

bool log_has(const struct mount *mount, const char *text)
{
	return log_count(mount, text) > 0;
}
