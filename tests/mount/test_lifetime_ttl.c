// SPDX-License-Identifier: MIT
/* tests/run: waits: for times to pass */
/*
 * Lifetime ttl: segments live until they have not been open for some time; and the effect of an outage of all
 * of segfs on limited lifetimes. In direct, mediated and relayed mode, in memory and on disk, across worker
 * deaths and a restart of segfs.
 */
#include "tests/lib/modes.h"
#include "tests/lib/worker.h"
#include "tests/mount/lifetime.h"
#include "tests/mount/lifetime_owner.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

/* Like an outage, except that the machine runs on. */
static void kill_both(void)
{
	pid_t worker = worker_pid(&mounted);

	check(kill(mounted.supervisor, SIGSTOP));
	worker_kill(&mounted, worker);
	check(kill(mounted.supervisor, SIGKILL));
	check(waitpid(mounted.supervisor, NULL, 0));
	check(umount2(mounted.path, MNT_DETACH));
}

static void start_after_outage(void)
{
	assert_int_equal(mount_start(&mounted, &spec), 0);
}

/* --- some time after it was last open --- */

static void some_time_unopened(void **unused)
{
	(void)unused;
	for (int killed = 0; killed < 2; killed++) {
		long long begin;
		int fd;

		make_closed("file");
		begin = milliseconds();
		check(set("file", ttl(TTL)));
		perhaps_replace_worker(killed);
		assert_gone("file");
		assert_true(milliseconds() - begin >= TTL);
		/* inherited, and closed */
		check(mkdir(at_mount("dir"), 0755));
		check(set("dir", ttl(TTL)));
		fd = make("dir/file");
		begin = milliseconds();
		close_to(fd, 0);
		perhaps_replace_worker(killed);
		assert_gone("dir/file");
		assert_true(milliseconds() - begin >= TTL);
		check(mknod(at_mount("dir/file"), S_IFREG | 0600, 0));
		perhaps_replace_worker(killed);
		assert_gone("dir/file");
		check(rmdir(at_mount("dir")));
	}
}

static void opened_again_in_time(void **unused)
{
	(void)unused;
	for (int killed = 0; killed < 2; killed++) {
		long long closed;

		make_closed("file");
		check(set("file", ttl(TTL)));
		for (int i = 0; i < 5; i++) {
			long long until = milliseconds() + TTL * 6 / 10;
			int fd;

			assert_true(wait_for(milliseconds() >= until));
			fd = open_file("file");
			closed = milliseconds();
			close_to(fd, 0);
			perhaps_replace_worker(killed && i == 2);
		}
		assert_gone("file");
		assert_true(milliseconds() - closed >= TTL);
	}
}

static void open_for_longer(void **unused)
{
	(void)unused;
	for (int killed = 0; killed < 2; killed++) {
		long long closed;
		int fd = make("file");

		check(set("file", ttl(TTL)));
		perhaps_replace_worker(killed);
		assert_true(stays_for("file", 2 * TTL));
		closed = milliseconds();
		close(fd);
		assert_gone("file");
		assert_true(milliseconds() - closed >= TTL);
	}
}

static void a_view_counts_as_open(void **unused)
{
	int fd = make("file");
	void *view = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	long long unmapped;

	(void)unused;
	assert_ptr_not_equal(view, MAP_FAILED);
	check(set("file", ttl(TTL)));
	close(fd);
	assert_true(stays_for("file", 2 * TTL));
	worker_replace(&mounted);
	assert_stays("file");
	unmapped = milliseconds();
	munmap(view, PAGE);
	assert_gone("file");
	assert_true(milliseconds() - unmapped >= TTL);
}

static void several_in_any_order(void **unused)
{
	static const unsigned int orders[][4] = {{1, 2, 3, 4}, {4, 3, 2, 1}, {2, 4, 1, 3}, {3, 1, 4, 2}};

	(void)unused;
	for (size_t i = 0; i < sizeof(orders) / sizeof(orders[0]); i++) {
		long long begin;

		for (unsigned int j = 0; j < 4; j++)
			make_closed(path_of("file-%u", j));
		begin = milliseconds();
		for (unsigned int j = 0; j < 4; j++)
			check(set(path_of("file-%u", j), ttl(TTL / 2 * orders[i][j])));
		perhaps_replace_worker(i % 2);
		for (unsigned int turn = 1; turn <= 4; turn++) {
			for (unsigned int j = 0; j < 4; j++) {
				if (orders[i][j] != turn)
					continue;
				assert_gone(path_of("file-%u", j));
			}
			/* none too early */
			for (unsigned int j = 0; j < 4; j++)
				assert_true(!is_gone(path_of("file-%u", j)) ||
					    milliseconds() >= begin + TTL / 2 * orders[i][j]);
		}
	}
}

static void a_time_that_is_changed(void **unused)
{
	(void)unused;
	make_closed("longer");
	make_closed("shorter");
	make_closed("never");
	make_closed("last-close");
	check(set("longer", ttl(TTL)));
	check(set("shorter", "ttl:1h"));
	check(set("never", ttl(TTL)));
	check(set("last-close", ttl(TTL)));
	check(set("longer", "ttl:1h"));
	check(set("shorter", ttl(TTL / 2)));
	check(removexattr(at_mount("never"), LIFETIME));
	check(set("last-close", "last-close"));
	assert_gone("shorter");
	assert_true(stays_for("longer", 2 * TTL));
	assert_true(stays_for("never", 1));
	assert_true(stays_for("last-close", 1));
	check(set("longer", ttl(10)));
	assert_gone("longer");
	check(unlink(at_mount("never")));
	check(unlink(at_mount("last-close")));
}

static void times_over_a_restart(void **unused)
{
	const unsigned int later = 15 * TTL / 2;
	long long closed;
	long long again;

	(void)unused;
	make_closed("later");
	make_closed("meanwhile");
	make_closed("long");
	check(set("later", ttl(later)));
	check(set("meanwhile", ttl(TTL)));
	check(set("long", "ttl:1h"));
	close_to(open_file("later"), 0);
	close_to(open_file("meanwhile"), 0);
	close_to(open_file("long"), 0);
	closed = milliseconds();
	assert_int_equal(mount_stop_keep(&mounted), 0);
	assert_true(wait_for(milliseconds() >= closed + 2 * TTL));
	assert_int_equal(access(at_store("meanwhile"), F_OK), 0);
	assert_int_equal(mount_start(&mounted, &spec), 0);
	again = milliseconds();
	assert_gone("meanwhile");
	assert_true(milliseconds() < again + 5 * TTL / 2);
	if (milliseconds() < closed + later - TTL)
		assert_false(is_gone("later"));
	assert_gone("later");
	/* its time did not begin again with the restart */
	assert_true(milliseconds() < again + later - TTL / 2);
	assert_stays("long");
	expect_lifetime("long", "ttl:1h");
	check(unlink(at_mount("long")));
}

/* --- after the end of all --- */

static void an_outage(void **unused)
{
	int fds[3];
	struct owner owner;

	(void)unused;
	make_closed("never-opened");
	owner = owner_start("owned", BY_MKNOD);
	fds[0] = make("last-close");
	fds[1] = make("ttl");
	fds[2] = make("persistent");
	check(set("last-close", "last-close"));
	check(set("ttl", ttl(TTL)));
	check(set("never-opened", "last-close"));
	check(set("owned", "owner"));
	/* the lifetime thread records it */
	assert_true(wait_for(getxattr(at_store("ttl"), "trusted.segfs.use", NULL, 0) > 0 &&
			     getxattr(at_store("last-close"), "trusted.segfs.use", NULL, 0) > 0));
	kill_both();
	for (size_t i = 0; i < 3; i++)
		close(fds[i]);
	assert_int_equal(access(at_store("last-close"), F_OK), 0);
	start_after_outage();
	assert_gone("last-close");
	assert_gone("ttl");
	assert_stays("persistent");
	assert_stays("never-opened");
	assert_stays("owned");
	owner_end(&owner, SIGKILL);
	assert_gone("owned");
	check(unlink(at_mount("persistent")));
	check(unlink(at_mount("never-opened")));
}

/* --- modes --- */

int main(void)
{
	static const struct CMUnitTest direct[] = {CASE(some_time_unopened),
						   CASE(opened_again_in_time),
						   CASE(open_for_longer),
						   CASE(several_in_any_order),
						   CASE(a_time_that_is_changed),
						   CASE(times_over_a_restart),
						   CASE(an_outage),
						   CASE(a_view_counts_as_open)};
	static const struct CMUnitTest mediated[] = {CASE(some_time_unopened), CASE(a_view_counts_as_open)};
	static const struct CMUnitTest relayed[] = {CASE(some_time_unopened), CASE(a_view_counts_as_open)};
	static const struct CMUnitTest disk[] = {CASE(times_over_a_restart), CASE(an_outage),
						 CASE(a_view_counts_as_open)};
	int failed = 0;

	if (geteuid() != 0)
		skip_program("root");
	failed += run_in_mode("usual", direct, sizeof(direct) / sizeof(direct[0]), start, stop);
	failed += run_in_mode("mediated", mediated, sizeof(mediated) / sizeof(mediated[0]), start, stop);
	failed += run_in_mode("relayed", relayed, sizeof(relayed) / sizeof(relayed[0]), start, stop);
	if (disk_directory())
		failed += run_in_mode("disk-usual", disk, sizeof(disk) / sizeof(disk[0]), start, stop);
	return failed;
}
