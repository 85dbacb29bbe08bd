// SPDX-License-Identifier: MIT
/* tests/run: waits: for sleepers whom the dead have not woken */
/*
 * libsegfs: the words that threads keep of reader-writer locks (lib/client/kept.h), over deaths, truncated
 * files, and PID namespaces in which ids are the same.
 */
#include "tests/lib/process.h"
#include "tests/mount/objects.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

static void read_once(struct segfs_object *lock)
{
	assert_int_equal(segfs_lock_shared(lock, NULL, 0), 0);
	assert_int_equal(segfs_unlock(lock), 0);
}

/* --- deaths --- */

static struct segfs_object *victim;
static _Atomic int *progress; /* 1 while the victim surely reads */

/* The second time by the word that it keeps. */
static void read_twice(void)
{
	segfs_lock_shared(victim, NULL, 0);
	segfs_unlock(victim);
	segfs_lock_shared(victim, NULL, 0);
	atomic_store(progress, 1);
	atomic_store(progress, 2);
	segfs_unlock(victim);
}

static void a_death_at_each_instruction(void **unused)
{
	unsigned int deaths = 0, held = 0;
	bool killed = true;

	(void)unused;
	progress = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(progress, MAP_FAILED);
	for (unsigned int n = 1; killed; n += is_on_segfs() || SANITIZED ? 1 + n / 32 : 1) {
		int result;

		victim = make("lock", SEGFS_RWLOCK, 0, 0);
		atomic_store(progress, 0);
		killed = dies_after(read_twice, n);
		result = lock_for_a_while(victim, 20 * SECOND);
		assert_true(result == 0 || result == SEGFS_READER_DIED);
		if (killed && atomic_load(progress) == 1)
			assert_int_equal(result, SEGFS_READER_DIED);
		if (!killed)
			assert_int_equal(result, 0);
		held += result == SEGFS_READER_DIED;
		assert_int_equal(segfs_clear_abandoned(victim), 0);
		assert_int_equal(segfs_unlock(victim), 0);
		end(victim, "lock");
		deaths += killed;
	}
	print_message("%u deaths, %u while it read\n", deaths, held);
	assert_true(deaths > 20 && held > 0 && held < deaths);
	munmap(progress, 4096);
}

static void hold_one_keep_the_other(struct job *job, void *unused)
{
	struct segfs_object *mutex = open_in_job(job, "mutex"), *lock = open_in_job(job, "lock");

	(void)unused;
	job_must(job, segfs_lock(mutex, NULL, 0) == 0);
	job_must(job, segfs_lock_shared(lock, NULL, 0) == 0);
	job_must(job, segfs_unlock(lock) == 0);
	atomic_fetch_add(&job->steps, 1);
	for (;;)
		pause();
}

/* What a peer does to the file of a lock that nobody reads does not matter to other locks. */
static void a_truncated_file(void **unused)
{
	struct segfs_object *mutex, *lock;
	struct job *job;

	(void)unused;
	if (is_on_segfs()) /* where it keeps its size */
		return;
	mutex = make("mutex", SEGFS_MUTEX, 0, 0);
	lock = make("lock", SEGFS_RWLOCK, 0, 0);
	assert_non_null(job = job_start(hold_one_keep_the_other, NULL));
	assert_true(wait_for(atomic_load(&job->steps) > 0));
	assert_int_equal(truncate(at("lock"), 0), 0);
	assert_int_equal(job_kill(&job), 0);
	assert_int_equal(lock_for_a_while(mutex, 20 * SECOND), SEGFS_ABANDONED);
	assert_int_equal(segfs_unlock(mutex), 0);
	end(mutex, "mutex");
	segfs_object_close(lock);
	unlink(at("lock"));
}

/* --- namespaces --- */

/* fork(2) in a PID namespace with few processes, with this id. Returns -1 where the kernel cannot. */
static pid_t fork_as(pid_t pid)
{
	int fd = open("/proc/sys/kernel/ns_last_pid", O_WRONLY | O_CLOEXEC);
	const bool is_set = fd >= 0 && dprintf(fd, "%d", (int)pid - 1) > 0;

	if (fd >= 0)
		close(fd);
	return is_set ? fork() : -1;
}

struct twin {
	_Atomic pid_t pid;       /* that both have, each in its namespace */
	_Atomic int reads, ends; /* steps of the one in the other namespace */
	_Atomic int result;
};

static struct twin *twin;

static void keep_and_stay(struct job *job, void *name)
{
	struct segfs_object *lock = open_in_job(job, name);

	for (int i = 0; i < 2; i++) {
		job_must(job, segfs_lock_shared(lock, NULL, 0) == 0);
		job_must(job, segfs_unlock(lock) == 0);
	}
	atomic_store(&twin->pid, getpid());
	atomic_fetch_add(&job->steps, 1);
	for (;;)
		pause();
}

/* In a namespace of its own, with the id of the other. */
static int read_as_twin(const char *name)
{
	struct segfs_object *lock;

	if (getpid() != atomic_load(&twin->pid) || segfs_object_open(name, 0, &lock) < 0 ||
	    segfs_lock_shared(lock, NULL, 0) != 0)
		return 1;
	atomic_store(&twin->reads, 1);
	while (!atomic_load(&twin->ends))
		usleep(1000);
	return segfs_unlock(lock) == 0 ? 0 : 2;
}

static void make_twin(struct job *job, void *name)
{
	int status = -1;
	pid_t first, second;

	job_must(job, unshare(CLONE_NEWPID) == 0);
	first = fork(); /* pid 1 there */
	job_must(job, first >= 0);
	if (first == 0) {
		second = fork_as(atomic_load(&twin->pid));
		if (second == 0)
			_exit(read_as_twin(name));
		_exit(second > 0 && waitpid(second, &status, 0) == second && WIFEXITED(status)
			      ? WEXITSTATUS(status)
			      : 3);
	}
	job_must(job, waitpid(first, &status, 0) == first);
	atomic_store(&twin->result, status);
}

static void the_same_id_in_another_namespace(void **unused)
{
	struct segfs_object *lock = make("lock", SEGFS_RWLOCK, 0, 0);
	struct job *keeper, *other;

	(void)unused;
	if (access("/proc/sys/kernel/ns_last_pid", W_OK) < 0) {
		print_message("missing: CONFIG_CHECKPOINT_RESTORE\n");
		skip();
	}
	twin = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(twin, MAP_FAILED);
	assert_non_null(keeper = job_start(keep_and_stay, (void *)(uintptr_t) "lock"));
	assert_true(wait_for(atomic_load(&keeper->steps) > 0));
	assert_non_null(other = job_start(make_twin, (void *)(uintptr_t) "lock"));
	assert_true(wait_for(atomic_load(&twin->reads)));
	assert_int_equal(segfs_lock(lock, NULL, SEGFS_TRY), -EAGAIN);
	/* the death of the one that does not read does not end the reading of the other */
	assert_int_equal(job_kill(&keeper), 0);
	assert_int_equal(segfs_lock(lock, NULL, SEGFS_TRY), -EAGAIN);
	atomic_store(&twin->ends, 1);
	assert_int_equal(job_end(&other), 0);
	assert_int_equal(atomic_load(&twin->result), 0);
	assert_int_equal(segfs_lock(lock, NULL, SEGFS_TRY), 0);
	assert_int_equal(segfs_unlock(lock), 0);
	munmap(twin, 4096);
	end(lock, "lock");
}

static void read_twice_or_exit(struct segfs_object *lock)
{
	for (int i = 0; i < 2; i++)
		if (segfs_lock_shared(lock, NULL, 0) < 0 || segfs_unlock(lock) != 0)
			_exit(1);
}

/*
 * A process that is 1 in its namespace, and its child, which is 1 in another: their ids do not tell them
 * apart. The death of the child is told while its parent lives.
 */
static void read_as_first(struct segfs_object *lock)
{
	int status;
	pid_t child;

	read_twice_or_exit(lock);
	if (unshare(CLONE_NEWPID) < 0 || (child = fork()) < 0)
		_exit(2);
	if (child == 0) {
		read_twice_or_exit(lock);
		_exit(segfs_lock_shared(lock, NULL, 0) == 0 ? 0 : 3);
	}
	if (waitpid(child, &status, 0) != child || status != 0)
		_exit(4);
	_exit(segfs_lock(lock, NULL, SEGFS_TRY) == SEGFS_READER_DIED && segfs_unlock(lock) == 0 ? 0 : 5);
}

static void start_first(struct job *job, void *name)
{
	int status;
	pid_t child;

	job_must(job, unshare(CLONE_NEWPID) == 0);
	child = fork();
	job_must(job, child >= 0);
	if (child == 0)
		read_as_first(open_in_job(job, name));
	job_must(job, waitpid(child, &status, 0) == child && status == 0);
}

static void children_with_the_id_of_their_parent(void **unused)
{
	struct segfs_object *lock = make("lock", SEGFS_RWLOCK, 0, 0);

	(void)unused;
	assert_int_equal(job_run(start_first, (void *)(uintptr_t) "lock"), 0);
	assert_int_equal(lock_for_a_while(lock, 20 * SECOND), SEGFS_READER_DIED);
	assert_int_equal(segfs_clear_abandoned(lock), 0);
	assert_int_equal(segfs_unlock(lock), 0);
	end(lock, "lock");
}

static void *write_once(void *lock)
{
	return lock_for_a_while(lock, 20 * SECOND) != 0 || segfs_unlock(lock) != 0 ? lock : NULL;
}

/* Whether a thread writes or waits for readers. fd: of the file of the lock. */
static bool has_writer(int fd)
{
	uint32_t word = 0;

	return pread(fd, &word, sizeof(word), sysconf(_SC_PAGESIZE) - 8) == sizeof(word) && word << 2;
}

static void read_without_proc(struct job *job, void *directory)
{
	struct segfs_object *lock = open_in_job(job, "lock"), *other = open_in_job(job, "other");
	const int fd = open(at("lock"), O_RDONLY | O_CLOEXEC);
	pthread_t writer;
	void *result;

	job_must(job, segfs_lock_shared(lock, NULL, 0) == 0);
	job_must(job, chroot(directory) == 0);
	/* a lock that is new to the process: the namespace is asked for once more */
	read_once(other);
	job_must(job, pthread_create(&writer, NULL, write_once, lock) == 0);
	job_must(job, wait_for(has_writer(fd)));
	job_must(job, read_for_a_while(lock, 10 * SECOND) == 0);
	job_must(job, segfs_unlock(lock) == 0);
	job_must(job, segfs_unlock(lock) == 0);
	job_must(job, pthread_join(writer, &result) == 0 && !result);
}

/* A thread that reads already may do so once more, also when it can keep nothing any more. */
static void reading_on_without_proc(void **unused)
{
	struct segfs_object *lock = make("lock", SEGFS_RWLOCK, 0, 0);
	struct segfs_object *other = make("other", SEGFS_RWLOCK, 0, 0);
	char directory[PATH_MAX];

	(void)unused;
	snprintf(directory, sizeof(directory), "%s/empty", test_directory());
	assert_true(mkdir(directory, 0700) == 0 || errno == EEXIST);
	assert_int_equal(job_run(read_without_proc, directory), 0);
	end(lock, "lock");
	end(other, "other");
}

int main(void)
{
#define CASE(function) cmocka_unit_test(function)
	static const struct CMUnitTest cases[] = {
		CASE(a_death_at_each_instruction),
		CASE(the_same_id_in_another_namespace),
		CASE(children_with_the_id_of_their_parent),
		CASE(reading_on_without_proc),
		CASE(a_truncated_file),
	};

	return library_run(cases, sizeof(cases) / sizeof(cases[0]));
}
