// SPDX-License-Identifier: MIT
/* tests/run: waits: for sleepers whom the dead have not woken */
/*
 * libsegfs: semaphores, events, doorbells, and waiting for several. On a mount of segfs, with and without
 * passthrough, and in a directory of another file system.
 */
#include "tests/lib/process.h"
#include "tests/lib/worker.h"
#include "tests/mount/objects.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SIZE 4096

/* --- files --- */

static void created_and_opened(void **unused)
{
	struct segfs_object_creation creation = {.mode = 0640, .initial = 3, .maximum = 5};
	struct segfs_object *first, *second = NULL;
	struct stat found;
	char text[128];
	mode_t before = umask(0777);

	(void)unused;
	assert_int_equal(segfs_object_create("semaphore", SEGFS_SEMAPHORE, &creation, &first), 0);
	umask(before);
	check(stat(at("semaphore"), &found));
	assert_int_equal(found.st_mode, S_IFREG | 0640);
	assert_int_equal(found.st_size, SIZE);
	assert_int_equal(segfs_object_value(first), 3);
	assert_int_equal(segfs_object_create("semaphore", SEGFS_SEMAPHORE, &creation, &second), -EEXIST);
	creation.flags = SEGFS_OPEN_EXISTING;
	creation.initial = 1;
	assert_int_equal(segfs_object_create("semaphore", SEGFS_EVENT,
					     &(struct segfs_object_creation){.flags = 1}, &second),
			 -EPROTOTYPE);
	assert_null(second);
	assert_int_equal(segfs_object_create("semaphore", SEGFS_SEMAPHORE, &creation, &second), 1);
	assert_int_equal(segfs_object_value(second), 3);
	segfs_object_close(second);
	assert_int_equal(segfs_object_open("semaphore", 0, &second), 0);
	assert_int_equal(segfs_object_kind(second), SEGFS_SEMAPHORE);
	segfs_object_close(second);
	assert_int_equal(segfs_object_open("semaphore", SEGFS_DOORBELL, &second), -EPROTOTYPE);
	assert_string_equal(segfs_explain("semaphore", -EPROTOTYPE, text, sizeof(text)),
			    "semaphore: an object of another kind: a semaphore");
	assert_int_equal(segfs_object_open("semaphore", SEGFS_SEGMENT, &second), -EINVAL);
	assert_int_equal(segfs_object_open("none", 0, &second), -ENOENT);
	if (is_on_segfs())
		check_error(EPERM, truncate(at("semaphore"), 0));
	end(first, "semaphore");
	segfs_object_close(NULL);
}

static void refused(void **unused)
{
	static const struct {
		enum segfs_kind kind;
		struct segfs_object_creation creation;
	} wrong[] = {
		{SEGFS_SEGMENT, {.mode = 0600}},
		{SEGFS_BARRIER + 1, {.mode = 0600, .maximum = 1}},
		{SEGFS_SEMAPHORE, {.initial = 2, .maximum = 1}},
		{SEGFS_SEMAPHORE, {.maximum = 1u << 31}},
		{SEGFS_SEMAPHORE, {.initial = 1u << 31}},
		{SEGFS_SEMAPHORE, {.flags = 2}},
		{SEGFS_SEMAPHORE, {.mode = 010000}},
		{SEGFS_SEMAPHORE, {.reserved = {0, 0, 0, 1}}},
		{SEGFS_EVENT, {.initial = 2}},
		{SEGFS_EVENT, {.maximum = 1}},
		{SEGFS_DOORBELL, {.initial = 1}},
		{SEGFS_MUTEX, {.initial = 1}},
		{SEGFS_RWLOCK, {.maximum = 1}},
		{SEGFS_CONDITION, {.maximum = 1}},
		{SEGFS_BARRIER, {.maximum = 0}},
		{SEGFS_BARRIER, {.maximum = SEGFS_BARRIER_MAX + 1}},
		{SEGFS_BARRIER, {.initial = 1, .maximum = 2}},
	};
	struct segfs_object *object = NULL;

	(void)unused;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(segfs_object_create("wrong", wrong[i].kind, &wrong[i].creation, &object),
				 -EINVAL);
	assert_null(object);
	check_error(ENOENT, unlink(at("wrong")));
}

static void put(const char *name, size_t offset, const void *bytes, size_t size)
{
	int fd = (int)check(open(at(name), O_RDWR | O_CREAT | O_CLOEXEC, 0600));

	assert_int_equal(pwrite(fd, bytes, size, (off_t)offset), size);
	close(fd);
}

static void what_is_no_object(void **unused)
{
	const uint32_t two = 2, many = 99, zero = 0, all = UINT32_MAX;
	struct segfs_object *object = NULL;

	(void)unused;
	put("file", SIZE - 1, "", 1);
	assert_int_equal(segfs_object_open("file", 0, &object), -EBADMSG);
	check(truncate(at("file"), 100));
	assert_int_equal(segfs_object_open("file", 0, &object), -EBADMSG);
	check(unlink(at("file")));
	segfs_object_close(make("object", SEGFS_SEMAPHORE, 1, 1));
	put("object", 8, &two, 4); /* the version */
	assert_int_equal(segfs_object_open("object", 0, &object), -EPROTONOSUPPORT);
	segfs_object_close(make("object", SEGFS_SEMAPHORE, 1, 1));
	put("object", 12, &many, 4); /* the kind */
	assert_int_equal(segfs_object_open("object", 0, &object), -EBADMSG);
	segfs_object_close(make("object", SEGFS_SEMAPHORE, 1, 1));
	put("object", 16, &zero, 4); /* the limit */
	assert_int_equal(segfs_object_open("object", 0, &object), -EBADMSG);
	put("object", 16, &all, 4);
	assert_int_equal(segfs_object_open("object", 0, &object), -EBADMSG);
	assert_int_equal(segfs_object_create("object", SEGFS_SEMAPHORE,
					     &(struct segfs_object_creation){.flags = SEGFS_OPEN_EXISTING},
					     &object),
			 -EBADMSG);
	assert_null(object);
	/* what others have made stays */
	assert_int_equal(segfs_remove("object"), 0);
}

/* A file whose size is another one is no object, and who has opened it before goes on. */
static void grown_and_shrunk(void **unused)
{
	(void)unused;
	for (int kind = SEGFS_SEMAPHORE; kind <= SEGFS_BARRIER; kind++) {
		struct segfs_object *object = make("object", (enum segfs_kind)kind, 0, kind == SEGFS_BARRIER);
		struct segfs_object *second = NULL;
		struct stat found;

		check(stat(at("object"), &found));
		if (is_on_segfs()) {
			check_error(EPERM, truncate(at("object"), 2 * found.st_size));
			check_error(EPERM, truncate(at("object"), found.st_size / 2));
			end(object, "object");
			continue;
		}
		check(truncate(at("object"), 2 * found.st_size));
		assert_int_equal(segfs_object_open("object", 0, &second), -EBADMSG);
		assert_int_equal(segfs_object_value(object), 0);
		if (kind == SEGFS_SEMAPHORE)
			assert_int_equal(segfs_post(object, 1), 0);
		else if (kind == SEGFS_MUTEX || kind == SEGFS_RWLOCK)
			assert_int_equal(segfs_lock(object, NULL, 0), 0);
		check(truncate(at("object"), found.st_size));
		assert_int_equal(segfs_object_open("object", 0, &second), 0);
		segfs_object_close(second);
		if (kind == SEGFS_MUTEX || kind == SEGFS_RWLOCK)
			assert_int_equal(segfs_unlock(object), 0);
		/* whose pages would be missing is not used any more */
		segfs_object_close(object);
		check(truncate(at("object"), found.st_size - 1));
		assert_int_equal(segfs_object_open("object", 0, &second), -EBADMSG);
		check(truncate(at("object"), 0));
		assert_int_equal(segfs_object_open("object", 0, &second), -EBADMSG);
		assert_int_equal(segfs_remove("object"), 0);
	}
}

/* The kernel lets nobody see that in time: on segfs the size is fixed, elsewhere it is as in any view. */
static void truncated_under_a_waiter(void **unused)
{
	struct segfs_object *object;
	pid_t child;
	int status;

	(void)unused;
	if (is_on_segfs())
		return;
	if (SANITIZED)
		skip_missing("a SIGBUS without a report");
	object = make("object", SEGFS_SEMAPHORE, 0, 0);
	child = (pid_t)check(fork());
	if (child == 0) {
		signal(SIGBUS, SIG_DFL); /* which cmocka handles */
		_exit(segfs_wait(object, NULL, 0) == -EFAULT ? EXIT_SUCCESS : EXIT_FAILURE);
	}
	check(truncate(at("object"), 0));
	check(waitpid(child, &status, 0));
	assert_true(WIFSIGNALED(status) ? WTERMSIG(status) == SIGBUS
					: WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS);
	segfs_object_close(object);
	assert_int_equal(segfs_remove("object"), 0);
}

/* --- each kind --- */

static void semaphores_count(void **unused)
{
	struct segfs_object *object = make("semaphore", SEGFS_SEMAPHORE, 2, 4);
	long long begin = milliseconds();

	(void)unused;
	assert_int_equal(segfs_wait(object, NULL, 0), 0);
	assert_int_equal(segfs_wait(object, NULL, SEGFS_TRY), 0);
	assert_int_equal(segfs_wait(object, NULL, SEGFS_TRY), -EAGAIN);
	assert_int_equal(wait_for_a_while(object, 50 * MILLISECOND), -ETIMEDOUT);
	assert_true(milliseconds() - begin >= 50);
	assert_int_equal(segfs_post(object, 0), 0);
	assert_int_equal(segfs_post(object, 5), -EOVERFLOW);
	assert_int_equal(segfs_post(object, 3), 0);
	assert_int_equal(segfs_post(object, 2), -EOVERFLOW);
	assert_int_equal(segfs_object_value(object), 3);
	assert_int_equal(wait_for_a_while(object, 0), 0);
	assert_int_equal(segfs_set_event(object), -EPROTOTYPE);
	assert_int_equal(segfs_reset_event(object), -EPROTOTYPE);
	assert_int_equal(segfs_ring(object), -EPROTOTYPE);
	assert_int_equal(segfs_wait(object, NULL, 4), -EINVAL);
	assert_int_equal(segfs_wait(object, &(struct timespec){0, 1000000000}, 0), -EINVAL);
	end(object, "semaphore");
	object = make("semaphore", SEGFS_SEMAPHORE, 0, 0);
	assert_int_equal(segfs_post(object, INT32_MAX), 0);
	assert_int_equal(segfs_post(object, 1), -EOVERFLOW);
	assert_int_equal(segfs_object_value(object), INT32_MAX);
	end(object, "semaphore");
}

static void events_are_set(void **unused)
{
	struct segfs_object *object = make("event", SEGFS_EVENT, 1, 0);

	(void)unused;
	for (int i = 0; i < 3; i++)
		assert_int_equal(segfs_wait(object, NULL, 0), 0);
	assert_int_equal(segfs_reset_event(object), 0);
	assert_int_equal(segfs_object_value(object), 0);
	assert_int_equal(segfs_wait(object, NULL, SEGFS_TRY), -EAGAIN);
	assert_int_equal(segfs_set_event(object), 0);
	assert_int_equal(segfs_set_event(object), 0);
	assert_int_equal(segfs_object_value(object), 1);
	assert_int_equal(segfs_post(object, 1), -EPROTOTYPE);
	end(object, "event");
	object = make("event", SEGFS_AUTO_EVENT, 0, 0);
	assert_int_equal(segfs_set_event(object), 0);
	assert_int_equal(segfs_set_event(object), 0);
	assert_int_equal(segfs_wait(object, NULL, 0), 0);
	assert_int_equal(segfs_wait(object, NULL, SEGFS_TRY), -EAGAIN);
	end(object, "event");
}

static void doorbells_ring(void **unused)
{
	struct segfs_object *object = make("doorbell", SEGFS_DOORBELL, 0, 0);
	struct segfs_object *other;

	(void)unused;
	assert_int_equal(segfs_wait(object, NULL, SEGFS_TRY), -EAGAIN);
	assert_int_equal(segfs_ring(object), 0);
	assert_int_equal(segfs_ring(object), 0);
	assert_int_equal(segfs_object_open("doorbell", SEGFS_DOORBELL, &other), 0);
	/* heard once, however often it was rung; what was before is not heard */
	assert_int_equal(segfs_wait(object, NULL, 0), 0);
	assert_int_equal(segfs_wait(object, NULL, SEGFS_TRY), -EAGAIN);
	assert_int_equal(segfs_wait(other, NULL, SEGFS_TRY), -EAGAIN);
	assert_int_equal(segfs_ring(other), 0);
	assert_int_equal(segfs_wait(object, NULL, 0) + segfs_wait(other, NULL, 0), 0);
	assert_int_equal(segfs_object_value(object), 3);
	segfs_object_close(other);
	end(object, "doorbell");
}

/* --- who waits is woken --- */

struct waiter {
	const char *names[4];
	int n;
	uid_t uid;
};

static void wait_in_job(struct job *job, void *context)
{
	const struct waiter *waiter = context;
	struct segfs_object *objects[4];

	job_must(job, waiter->uid == 0 || setresuid(waiter->uid, waiter->uid, waiter->uid) == 0);
	for (int i = 0; i < waiter->n; i++)
		job_must(job, segfs_object_open(waiter->names[i], 0, &objects[i]) == 0);
	atomic_fetch_add(&job->steps, 1);
	job_must(job, segfs_wait_any(objects, (size_t)waiter->n, NULL, 0) == waiter->n - 1);
}

static struct job *start_waiter(const struct waiter *waiter)
{
	struct job *job = job_start(wait_in_job, (void *)(uintptr_t)waiter);

	assert_non_null(job);
	assert_true(wait_for(job_is_in_call(job, waiter->n == 1 ? SYS_futex : 449)));
	return job;
}

static void woken_by_each_kind(void **unused)
{
	static const enum segfs_kind kinds[] = {SEGFS_SEMAPHORE, SEGFS_EVENT, SEGFS_AUTO_EVENT,
						SEGFS_DOORBELL};
	static const struct waiter waiters[] = {{{"object"}, 1, 0}, {{"object"}, 1, TEST_UID}};

	(void)unused;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		for (size_t j = 0; j < 2; j++) {
			struct segfs_object *object = make("object", kinds[i], 0, 0);
			struct job *job = start_waiter(&waiters[j]);
			long long begin = milliseconds();

			if (is_on_segfs() && j == 0)
				worker_replace(&mounted);
			begin = milliseconds();
			assert_int_equal(kinds[i] == SEGFS_SEMAPHORE  ? segfs_post(object, 1)
					 : kinds[i] == SEGFS_DOORBELL ? segfs_ring(object)
								      : segfs_set_event(object),
					 0);
			assert_int_equal(job_end(&job), 0);
			/* not by looking again after a second */
			assert_true(milliseconds() - begin < 900);
			end(object, "object");
		}
	}
}

static void woken_by_one_of_several(void **unused)
{
	static const struct waiter both = {{"first", "second", "bell"}, 3, 0};
	struct segfs_object *first = make("first", SEGFS_SEMAPHORE, 0, 0);
	struct segfs_object *second = make("second", SEGFS_EVENT, 0, 0);
	struct segfs_object *bell = make("bell", SEGFS_DOORBELL, 0, 0);
	struct segfs_object *const all[] = {bell, second, first};
	struct timespec deadline;
	struct job *job = start_waiter(&both);

	(void)unused;
	assert_int_equal(segfs_ring(bell), 0);
	assert_int_equal(job_end(&job), 0);
	assert_int_equal(segfs_wait_any(all, 3, NULL, 0), 0);
	assert_int_equal(segfs_wait_any(all, 3, NULL, SEGFS_TRY), -EAGAIN);
	assert_int_equal(segfs_wait_any(all, 3, segfs_deadline(&deadline, 30 * MILLISECOND), 0), -ETIMEDOUT);
	assert_int_equal(segfs_post(first, 1), 0);
	assert_int_equal(segfs_set_event(second), 0);
	/* only one of them gives something */
	assert_int_equal(segfs_wait_any(all, 3, NULL, 0), 1);
	assert_int_equal(segfs_object_value(first), 1);
	assert_int_equal(segfs_reset_event(second), 0);
	assert_int_equal(segfs_wait_any(all, 3, NULL, 0), 2);
	assert_int_equal(segfs_wait_any(all, 0, NULL, 0), -EINVAL);
	assert_int_equal(segfs_wait_any(all, SEGFS_OBJECTS_MAX + 1, NULL, 0), -EINVAL);
	end(first, "first");
	end(second, "second");
	end(bell, "bell");
}

static void interrupted_as_wanted(void **unused)
{
	struct segfs_object *object = make("object", SEGFS_SEMAPHORE, 0, 0);
	struct sigaction before;
	struct timespec deadline;

	(void)unused;
	interrupt_often(&before);
	assert_int_equal(segfs_wait(object, segfs_deadline(&deadline, 20 * SECOND), SEGFS_INTERRUPTIBLE),
			 -EINTR);
	assert_int_equal(wait_for_a_while(object, 200 * MILLISECOND), -ETIMEDOUT);
	interrupt_no_more(&before);
	end(object, "object");
}

/* --- many --- */

#define PROCESSES 6
#define TOKENS    3
#define ROUNDS    (int)rounds_of(3000)

static void pass_tokens(struct job *job, void *unused)
{
	struct segfs_object *objects[2];

	(void)unused;
	job_must(job, segfs_object_open("one", 0, &objects[0]) == 0);
	job_must(job, segfs_object_open("other", 0, &objects[1]) == 0);
	for (int i = 0; i < ROUNDS; i++) {
		struct timespec deadline;
		int from = segfs_wait_any(objects, 2, segfs_deadline(&deadline, 60 * SECOND), 0);

		job_must(job, from >= 0);
		job_must(job, segfs_post(objects[(from + i) % 2], 1) == 0);
	}
}

static void no_token_is_lost(void **unused)
{
	struct segfs_object *one = make("one", SEGFS_SEMAPHORE, TOKENS, 0);
	struct segfs_object *other = make("other", SEGFS_SEMAPHORE, 0, 0);
	struct job *jobs[PROCESSES];

	(void)unused;
	for (int i = 0; i < PROCESSES; i++)
		assert_non_null(jobs[i] = job_start(pass_tokens, NULL));
	for (int i = 0; i < PROCESSES; i++)
		assert_int_equal(job_end(&jobs[i]), 0);
	assert_int_equal(segfs_object_value(one) + segfs_object_value(other), TOKENS);
	end(one, "one");
	end(other, "other");
}

/* --- deaths --- */

static struct segfs_object *victim;

static void do_post(void)
{
	segfs_post(victim, 1);
}

static void do_take(void)
{
	segfs_wait(victim, NULL, 0);
}

static void do_set(void)
{
	segfs_set_event(victim);
}

static void do_take_event(void)
{
	segfs_wait(victim, NULL, 0);
}

/* Dies at each instruction, with the word as it is without and with waiters. */
static void dies_everywhere(enum segfs_kind kind, uint32_t initial, void (*function)(void), bool adds)
{
	static const struct waiter waiter = {{"object"}, 1, 0};
	unsigned int deaths = 0;
	uint32_t before = initial;

	/* all of them once: the instructions are the same everywhere */
	for (unsigned int n = 1;; n += is_on_segfs() || SANITIZED ? 1 + n / 8 : 1) {
		const bool waits = adds && n % 2 == 0;
		struct job *job = NULL;
		bool killed;
		uint32_t value;

		victim = make("object", kind, initial, 0);
		if (waits)
			job = start_waiter(&waiter);
		killed = dies_after(function, n);
		value = segfs_object_value(victim);
		/* done or not; the waiter may have taken it */
		assert_true(value == before || value == before + (adds ? 1u : (uint32_t)-1));
		if (job) {
			/* one more for it if none came; what came is enough, even if nobody was woken */
			if (value == before && !job_is_in_call(job, SYS_futex))
				assert_int_equal(job_end(&job), 0);
			else if (value == before)
				assert_int_equal(kind == SEGFS_SEMAPHORE ? segfs_post(victim, 1)
									 : segfs_set_event(victim),
						 0);
			if (job)
				assert_int_equal(job_end(&job), 0);
		}
		end(victim, "object");
		deaths += killed;
		if (!killed)
			break;
	}
	print_message("%u deaths\n", deaths);
	assert_true(deaths > 10);
}

static void a_death_at_each_instruction(void **unused)
{
	(void)unused;
	dies_everywhere(SEGFS_SEMAPHORE, 0, do_post, true);
	dies_everywhere(SEGFS_SEMAPHORE, 1, do_take, false);
	dies_everywhere(SEGFS_AUTO_EVENT, 0, do_set, true);
	dies_everywhere(SEGFS_AUTO_EVENT, 1, do_take_event, false);
}

static void wait_and_die(struct job *job, void *unused)
{
	struct segfs_object *object;

	(void)unused;
	job_must(job, segfs_object_open("object", 0, &object) == 0);
	segfs_wait(object, NULL, 0);
	pause();
}

static void dead_waiters_take_nothing(void **unused)
{
	static const struct waiter waiter = {{"object"}, 1, 0};
	struct segfs_object *object = make("object", SEGFS_SEMAPHORE, 0, 0);
	struct job *alive, *dead;

	(void)unused;
	for (int i = 0; i < 20; i++) {
		dead = job_start(wait_and_die, NULL);
		assert_non_null(dead);
		assert_true(wait_for(job_is_in_call(dead, SYS_futex)));
		alive = start_waiter(&waiter);
		assert_int_equal(job_kill(&dead), 0);
		assert_int_equal(segfs_post(object, 1), 0);
		assert_int_equal(job_end(&alive), 0);
		assert_int_equal(segfs_object_value(object), 0);
	}
	end(object, "object");
}

/* --- peers that write nonsense --- */

static void scribble(struct job *job, void *unused)
{
	int fd = open(at("object"), O_RDWR | O_CLOEXEC);
	uint32_t *words = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	unsigned int random = 1;

	(void)unused;
	job_must(job, fd >= 0 && words != MAP_FAILED);
	for (;;) {
		random = random * 1103515245u + 12345u;
		/* the header, and the words at the end */
		((volatile uint32_t *)words)[((random >> 8) % 16 + SIZE / 4 - 8) % (SIZE / 4)] = random;
		atomic_fetch_add(&job->steps, 1);
	}
}

static void nonsense_harms_nobody(void **unused)
{
	static const enum segfs_kind kinds[] = {SEGFS_SEMAPHORE, SEGFS_EVENT, SEGFS_AUTO_EVENT,
						SEGFS_DOORBELL};

	(void)unused;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		struct segfs_object *object = make("object", kinds[i], 0, 0);
		struct segfs_object *again;
		struct job *job = job_start(scribble, NULL);
		long long begin;

		assert_non_null(job);
		assert_true(wait_for(atomic_load(&job->steps) > 0));
		for (int j = 0; j < 300; j++) {
			struct timespec deadline;
			int result;

			begin = milliseconds();
			result = segfs_wait(object, segfs_deadline(&deadline, MILLISECOND), 0);
			assert_true(result == 0 || result == -ETIMEDOUT);
			assert_true(milliseconds() - begin < 5000);
			segfs_post(object, 1);
			segfs_set_event(object);
			segfs_reset_event(object);
			segfs_ring(object);
			if (segfs_object_open("object", 0, &again) == 0)
				segfs_object_close(again);
		}
		assert_int_equal(job_kill(&job), 0);
		end(object, "object");
	}
}

int main(void)
{
#define CASE(function) cmocka_unit_test(function)
	static const struct CMUnitTest cases[] = {
		CASE(created_and_opened),
		CASE(refused),
		CASE(what_is_no_object),
		CASE(grown_and_shrunk),
		CASE(truncated_under_a_waiter),
		CASE(semaphores_count),
		CASE(events_are_set),
		CASE(doorbells_ring),
		CASE(woken_by_each_kind),
		CASE(woken_by_one_of_several),
		CASE(interrupted_as_wanted),
		CASE(no_token_is_lost),
		CASE(a_death_at_each_instruction),
		CASE(dead_waiters_take_nothing),
		CASE(nonsense_harms_nobody),
	};

	return library_run(cases, sizeof(cases) / sizeof(cases[0]));
}
