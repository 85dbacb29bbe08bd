// SPDX-License-Identifier: MIT
/* tests/run: waits: for sleepers whom the dead have not woken */
/*
 * Synchronization objects of libsegfs over an upgrade, and after the deaths of worker and supervisor: who has
 * opened them goes on, is woken, and is told of deaths.
 */
#include "lib/segfs.h"
#include "tests/lib/job.h"
#include "tests/lib/worker.h"
#include "tests/mount/harness.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define SECOND UINT64_C(1000000000)

static struct mount mounted;
static struct segfs_object *mutex, *semaphore, *rwlock;
static _Atomic int *stage; /* that jobs wait for */

static struct segfs_object *create(const char *name, enum segfs_kind kind)
{
	const struct segfs_object_creation creation = {.mode = 0600};
	struct segfs_object *object = NULL;

	assert_int_equal(segfs_object_create(name, kind, &creation, &object), 0);
	return object;
}

static void open_all(const char *mode)
{
	const struct mount_spec spec = {.tag = path_of("%s", mode), .options = path_of("io_mode=%s", mode)};

	assert_int_equal(mount_start(&mounted, &spec), 0);
	check(setenv("SEGFS_MOUNT", mounted.path, 1));
	mutex = create("mutex", SEGFS_MUTEX);
	semaphore = create("semaphore", SEGFS_SEMAPHORE);
	rwlock = create("rwlock", SEGFS_RWLOCK);
	/* the page of a reader is mapped while there is a mount */
	assert_int_equal(segfs_lock_shared(rwlock, NULL, 0), 0);
	assert_int_equal(segfs_unlock(rwlock), 0);
	stage = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(stage, MAP_FAILED);
}

static void close_all(void)
{
	segfs_object_close(mutex);
	segfs_object_close(semaphore);
	segfs_object_close(rwlock);
	munmap(stage, 4096);
}

/* Has the locks when it is killed. */
static void hold(struct job *job, void *unused)
{
	(void)unused;
	job_must(job, segfs_lock(mutex, NULL, 0) == 0);
	job_must(job, segfs_lock(rwlock, NULL, 0) == 0);
	atomic_fetch_add(&job->steps, 1);
	for (;;)
		pause();
}

static void wait_for_all(struct job *job, void *told)
{
	const int wanted = *(int *)told;

	job_must(job, segfs_wait(semaphore, NULL, 0) == 0);
	atomic_fetch_add(&job->steps, 1);
	job_must(job, segfs_lock(mutex, NULL, 0) == wanted);
	job_must(job, segfs_clear_abandoned(mutex) == 0);
	job_must(job, segfs_unlock(mutex) == 0);
	job_must(job, segfs_lock(rwlock, NULL, 0) == wanted);
	job_must(job, segfs_clear_abandoned(rwlock) == 0);
	job_must(job, segfs_unlock(rwlock) == 0);
}

static void upgrade(void)
{
	const pid_t worker = worker_pid(&mounted);

	check(kill(mounted.supervisor, SIGUSR2));
	worker_wait_next(&mounted, worker);
}

static void kill_worker(void)
{
	worker_replace(&mounted);
}

static void kill_supervisor(void)
{
	int status;

	check(kill(mounted.supervisor, SIGKILL));
	assert_int_equal(check(waitpid(mounted.supervisor, &status, 0)), mounted.supervisor);
	mounted.supervisor = 0;
}

/* What happens while one holds the locks and another waits, first for the semaphore, then for the locks. */
static void goes_on_over(const char *mode, void (*event)(void))
{
	static int told = SEGFS_ABANDONED;
	struct job *holder, *waiter;

	open_all(mode);
	assert_non_null(holder = job_start(hold, NULL));
	assert_true(wait_for(atomic_load(&holder->steps) > 0));
	assert_non_null(waiter = job_start(wait_for_all, &told));
	assert_true(wait_for(job_is_in_call(waiter, SYS_futex)));
	event();
	assert_int_equal(segfs_post(semaphore, 1), 0);
	assert_true(wait_for(atomic_load(&waiter->steps) > 0));
	assert_true(wait_for(job_is_in_call(waiter, SYS_futex)));
	if (mounted.supervisor)
		event();
	assert_int_equal(job_kill(&holder), 0);
	assert_int_equal(job_end(&waiter), 0);
	/* and this process as well */
	assert_int_equal(segfs_lock(mutex, NULL, 0) + segfs_unlock(mutex), 0);
	assert_int_equal(segfs_lock_shared(rwlock, NULL, 0) + segfs_unlock(rwlock), 0);
	close_all();
}

static void over_an_upgrade(void **mode)
{
	goes_on_over(*mode, upgrade);
	assert_int_equal(mount_stop(&mounted), 0);
}

static void over_a_death_of_the_worker(void **mode)
{
	goes_on_over(*mode, kill_worker);
	assert_int_equal(mount_stop(&mounted), 0);
}

static void after_the_death_of_the_supervisor(void **mode)
{
	goes_on_over(*mode, kill_supervisor);
	/* the next start has the objects, as they were */
	check(umount2(mounted.path, MNT_DETACH));
	assert_int_equal(
		mount_start(&mounted, &(struct mount_spec){.tag = path_of("%s", (char *)*mode),
							   .options = path_of("io_mode=%s", (char *)*mode)}),
		0);
	assert_int_equal(segfs_object_open("mutex", SEGFS_MUTEX, &mutex), 0);
	assert_int_equal(segfs_lock(mutex, NULL, SEGFS_TRY), 0);
	assert_int_equal(segfs_unlock(mutex), 0);
	segfs_object_close(mutex);
	assert_int_equal(mount_stop(&mounted), 0);
}

int main(void)
{
#define CASES(mode)                                                                                          \
	cmocka_unit_test_prestate(over_an_upgrade, mode),                                                    \
		cmocka_unit_test_prestate(over_a_death_of_the_worker, mode),                                 \
		cmocka_unit_test_prestate(after_the_death_of_the_supervisor, mode)
	static char relayed[] = "relayed", direct[] = "direct";
	const struct CMUnitTest cases[] = {CASES(relayed), CASES(direct)};

	if (geteuid() != 0)
		skip_program("root");
	return cmocka_run_group_tests(cases, NULL, NULL);
}
