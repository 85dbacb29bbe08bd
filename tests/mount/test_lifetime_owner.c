// SPDX-License-Identifier: MIT
/* tests/run: waits: for what must not happen */
/*
 * Lifetime owner: segments live until their owner ends. In memory and on disk, across worker deaths and a
 * restart of segfs.
 */
#include "tests/lib/modes.h"
#include "tests/lib/worker.h"
#include "tests/mount/lifetime.h"
#include "tests/mount/lifetime_owner.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* --- until its owner ends --- */

static void until_its_owner_ends(void **unused)
{
	(void)unused;
	check(mkdir(at_mount("dir"), 0755));
	check(set("dir", "owner"));
	for (int making = BY_OPEN; making <= BY_THREAD; making++) {
		for (int way = 0; way < 4; way++) {
			struct owner owner = owner_start("dir/file", (enum making)making);

			expect_lifetime("dir/file", "owner");
			assert_stays("dir/file");
			perhaps_replace_worker(way >= 2);
			assert_stays("dir/file");
			/* opens and closes by others */
			close(open_file("dir/file"));
			assert_stays("dir/file");
			owner_end(&owner, way % 2 ? SIGKILL : 0);
			assert_gone("dir/file");
		}
	}
	check(rmdir(at_mount("dir")));
}

static void bound_to_its_owner_later(void **unused)
{
	(void)unused;
	for (int way = 0; way < 4; way++) {
		struct owner owner = owner_start("file", way % 2 ? BY_MKNOD : BY_OPEN);

		perhaps_replace_worker(way >= 2);
		/* by another process, which is not the owner */
		check(set("file", "owner"));
		assert_stays("file");
		perhaps_replace_worker(way >= 2);
		owner_end(&owner, SIGKILL);
		assert_gone("file");
	}
}

static void an_owner_becomes_another_program(void **unused)
{
	struct owner owner;

	(void)unused;
	check(mkdir(at_mount("dir"), 0755));
	check(set("dir", "owner"));
	owner = owner_start("dir/file", BY_OPEN);
	assert_int_equal(write(owner.control, "e", 1), 1);
	/* cat(1) echoes its input */
	assert_int_equal(write(owner.control, "?", 1), 1);
	{
		char program[64] = "";

		assert_true(wait_for(
			read_text(path_of("/proc/%d/comm", owner.pid), program, sizeof(program)) > 0 &&
			strcmp(program, "cat\n") == 0));
	}
	assert_stays("dir/file");
	worker_replace(&mounted);
	assert_stays("dir/file");
	check(kill(owner.pid, SIGKILL));
	check(waitpid(owner.pid, NULL, 0));
	close(owner.control);
	assert_gone("dir/file");
	check(rmdir(at_mount("dir")));
}

static void who_has_it_open_goes_on(void **unused)
{
	struct owner owner;
	char answer = 0;

	(void)unused;
	check(mkdir(at_mount("dir"), 0755));
	check(set("dir", "owner"));
	owner = owner_start("dir/file", BY_OPEN);
	assert_int_equal(write(owner.control, "f", 1), 1);
	check(waitpid(owner.pid, NULL, 0));
	assert_gone("dir/file");
	worker_replace(&mounted);
	assert_int_equal(write(owner.control, "c", 1), 1);
	assert_int_equal(read(owner.control, &answer, 1), 1);
	assert_int_equal(answer, 'y');
	assert_int_equal(write(owner.control, "x", 1), 1);
	close(owner.control);
	check(rmdir(at_mount("dir")));
}

static void an_owner_that_has_ended(void **unused)
{
	struct owner owner = owner_start("file", BY_OPEN);

	(void)unused;
	owner_end(&owner, 0);
	check_error(ESRCH, set("file", "owner"));
	expect_lifetime("file", "persistent");
	check(set("file", "ttl:1h"));
	check_error(ESRCH, set("file", "owner"));
	expect_lifetime("file", "ttl:1h");
	worker_replace(&mounted);
	check_error(ESRCH, set("file", "owner"));
	check(set("file", "persistent"));
	assert_stays("file");
	check(unlink(at_mount("file")));
}

static void an_owner_that_ends_without_worker(void **unused)
{
	struct owner owner;
	pid_t worker;

	(void)unused;
	check(mkdir(at_mount("dir"), 0755));
	check(set("dir", "owner"));
	owner = owner_start("dir/file", BY_MKNOD);
	worker = worker_stop(&mounted);
	owner_end(&owner, SIGKILL);
	worker_kill(&mounted, worker);
	worker_wait_next(&mounted, worker);
	assert_gone("dir/file");
	check(rmdir(at_mount("dir")));
}

static void an_owner_no_longer(void **unused)
{
	struct owner owner;

	(void)unused;
	check(mkdir(at_mount("dir"), 0755));
	check(set("dir", "owner"));
	for (int killed = 0; killed < 2; killed++) {
		owner = owner_start("dir/file", BY_MKNOD);
		check(set("dir/file", "persistent"));
		perhaps_replace_worker(killed);
		owner_end(&owner, 0);
		assert_stays("dir/file");
		check(unlink(at_mount("dir/file")));
	}
	check(rmdir(at_mount("dir")));
}

static void owners_over_a_restart(void **unused)
{
	struct owner stays;
	struct owner ends;

	(void)unused;
	check(mkdir(at_mount("dir"), 0755));
	check(set("dir", "owner"));
	stays = owner_start("dir/stays", BY_MKNOD);
	ends = owner_start("dir/ends", BY_MKNOD);
	assert_int_equal(mount_stop_keep(&mounted), 0);
	owner_end(&ends, 0);
	assert_int_equal(mount_start(&mounted, &spec), 0);
	assert_gone("dir/ends");
	assert_stays("dir/stays");
	worker_replace(&mounted);
	assert_stays("dir/stays");
	expect_lifetime("dir/stays", "owner");
	owner_end(&stays, SIGKILL);
	assert_gone("dir/stays");
	check(rmdir(at_mount("dir")));
}

/* --- modes --- */

int main(void)
{
	static const struct CMUnitTest direct[] = {CASE(until_its_owner_ends),
						   CASE(bound_to_its_owner_later),
						   CASE(an_owner_becomes_another_program),
						   CASE(who_has_it_open_goes_on),
						   CASE(an_owner_that_has_ended),
						   CASE(an_owner_that_ends_without_worker),
						   CASE(an_owner_no_longer),
						   CASE(owners_over_a_restart)};
	static const struct CMUnitTest disk[] = {CASE(until_its_owner_ends), CASE(owners_over_a_restart)};
	int failed = 0;

	if (geteuid() != 0)
		skip_program("root");
	failed += run_in_mode("usual", direct, sizeof(direct) / sizeof(direct[0]), start, stop);
	if (disk_directory())
		failed += run_in_mode("disk-usual", disk, sizeof(disk) / sizeof(disk[0]), start, stop);
	return failed;
}
