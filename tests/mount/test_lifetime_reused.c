// SPDX-License-Identifier: MIT
/* tests/run: alone: makes the kernel reuse process numbers */
/* A segment whose owner has ended, after the owner's process number was reused. */
#include "tests/lib/modes.h"
#include "tests/mount/lifetime.h"
#include "tests/mount/lifetime_owner.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

static void *stay(void *argument)
{
	char byte;

	return read(*(int *)argument, &byte, 1) == 0 ? argument : NULL;
}

static bool take_number(pid_t number, pthread_t *thread, int *lifeline)
{
	char text[16];

	/* the next process gets the following number */
	snprintf(text, sizeof(text), "%d", number - 1);
	if (write_text("/proc/sys/kernel/ns_last_pid", text) < 0 ||
	    pthread_create(thread, NULL, stay, lifeline) != 0)
		return false;
	return true;
}

/* The creator's number now belongs to a thread of a process that is older than the file. */
static void an_owner_whose_number_is_used_again(void **unused)
{
	struct owner owner = owner_start("file", BY_MKNOD);
	long long later = milliseconds() + 250; /* start times are recorded in tenths of a second */
	int lifeline[2];
	bool taken = false;

	(void)unused;
	assert_true(wait_for(milliseconds() >= later));
	owner_end(&owner, 0);
	for (int i = 0; i < 20 && !taken; i++) {
		pthread_t thread;

		check(pipe2(lifeline, O_CLOEXEC));
		if (take_number(owner.pid, &thread, &lifeline[0])) {
			taken = access(path_of("/proc/self/task/%d", owner.pid), F_OK) == 0;
			if (taken)
				check_error(ESRCH, set("file", "owner"));
			close(lifeline[1]);
			pthread_join(thread, NULL);
		} else {
			close(lifeline[1]);
		}
		close(lifeline[0]);
	}
	expect_lifetime("file", "persistent");
	check(unlink(at_mount("file")));
	if (!taken)
		skip_missing("/proc/sys/kernel/ns_last_pid");
}

int main(void)
{
	static const struct CMUnitTest direct[] = {CASE(an_owner_whose_number_is_used_again)};

	if (geteuid() != 0)
		skip_program("root");
	return run_in_mode("usual", direct, sizeof(direct) / sizeof(direct[0]), start, stop);
}
