// SPDX-License-Identifier: MIT
/*
 * Mandatory locks: reads, writes and resizes wait while others have locked the bytes, or fail with EAGAIN.
 * The reader thread decides before it reads another request, so that no lock is set between the check and the
 * I/O.
 *
 * While a write that extends the file, or a resize, waits, the kernel holds the inode's lock, and blocks all
 * other changes of the file. If the holder of the mandatory lock is about to make one, each waits for the
 * other, and the kernel does not see it. A periodic check does, and ends the request that waits for the
 * mandatory lock with EDEADLK.
 *
 * The rules are those of Linux before 5.15: an fcntl(2) lock does not block its own process or, if it belongs
 * to an open file description, I/O through that; flock(2) locks stay advisory. Views are not checked.
 */
#include "fs/segment/mandatory.h"
#include "fs/fuse/reader.h"
#include "fs/fuse/reply.h"
#include "fs/segment/parked.h"
#include "fs/source/source.h"
#include "fs/state/features.h"
#include "lib/base/log.h"
#include "lib/base/procfs.h"
#include "lib/base/procfs_change.h"

#include <errno.h>
#include <pthread.h>
#include <time.h>

#define SEARCH_INTERVAL 10000000 /* nanoseconds between the two timed steps of a deadlock check */
#define QUESTIONS_MAX   64       /* of one check; later checks cover the rest */
#define STUCK_SEARCHES  3        /* consecutive checks that must find a deadlock */
#define IDLE_SEARCHES   50       /* intervals without a parked request, after which the thread ends */

static atomic_bool ticking; /* the checking thread exists */

/*
 * Whether the holder of a lock is blocked in a change of the file. Answered by the checking thread, since
 * that process may not respond.
 */
struct question {
	uint64_t unique; /* of the parked request */
	uint64_t inode;  /* of the file, as in the mount */
	pid_t process;   /* holder of the lock */
	bool waits;      /* the answer */
};

/* A deadlock check. `state` says which thread may use the other fields. */
static struct {
	_Atomic enum {
		SEARCH_IDLE, /* the checking thread, which begins the next check when it is due */
		SEARCH_ASKS, /* the reader, which fills in the questions */
		SEARCH_RUNS, /* the checking thread, which answers them */
		SEARCH_ENDS, /* the reader, which ends deadlocked requests */
	} state;
	struct question questions[QUESTIONS_MAX];
	size_t n;
	size_t passed; /* parked requests that earlier checks covered, which the next one skips */
} search;

bool mandatory_is_on(const struct fs *fs, uint64_t id)
{
	const struct node_slot *node = node_get(&fs->state, id);

	return node && atomic_load(&node->policy) & NODE_POLICY_MANDATORY;
}

int mandatory_available(const struct fs *fs)
{
	static atomic_flag is_logged = ATOMIC_FLAG_INIT;

	if (fs_keeps_locks(fs))
		return 0;
	if (!atomic_flag_test_and_set(&is_logged))
		log_warning(
			"a segment with user.segfs.lock=mandatory was refused, since this mount leaves locks "
			"to the kernel; mount with -o mand, or set the attribute to advisory");
	return -EOPNOTSUPP;
}

/* The checking thread's step. It wakes the reader again, in case an earlier wake-up came too early. */
static void step_search(void)
{
	if (atomic_load(&search.state) == SEARCH_RUNS) {
		for (size_t i = 0; i < search.n; i++)
			search.questions[i].waits = procfs_waits_to_change(search.questions[i].process,
									   search.questions[i].inode);
		atomic_store(&search.state, SEARCH_ENDS);
	} else if (atomic_load(&search.state) == SEARCH_IDLE) {
		atomic_store(&search.state, SEARCH_ASKS);
	}
	reader_wake();
}

/* Checks at intervals while requests are parked. */
static void *tick(void *argument)
{
	const struct timespec interval = {.tv_nsec = SEARCH_INTERVAL};
	struct fs *fs = argument;

	do {
		for (int idle = 0; idle < IDLE_SEARCHES && !atomic_load(&fs->leaving); idle++) {
			nanosleep(&interval, NULL);
			if (parked_count() == 0)
				continue;
			idle = 0;
			step_search();
		}
		atomic_store(&ticking, false);
		/* a request that was parked just before saw `ticking` set, and started no thread */
	} while (parked_count() > 0 && !atomic_load(&fs->leaving) && !atomic_exchange(&ticking, true));
	return NULL;
}

/* Without memory for the thread, a deadlocked request waits until it is interrupted. */
static void start_ticking(struct fs *fs)
{
	pthread_attr_t attributes;
	pthread_t thread;

	if (atomic_exchange(&ticking, true))
		return;
	pthread_attr_init(&attributes);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	/* the least that every architecture accepts: PTHREAD_STACK_MIN is 128 KiB on arm64 */
	pthread_attr_setstacksize(&attributes, 128 * 1024);
	if (pthread_create(&thread, &attributes, tick, fs) != 0)
		atomic_store(&ticking, false);
	pthread_attr_destroy(&attributes);
}

/* Whether a request names no handle, or one of its node: a parked request must not outlive its handle. */
static bool has_handle_of_node(const struct fs *fs, const struct lock_request *request)
{
	const struct handle_slot *handle = handle_get(&fs->state, request->handle);

	return request->handle == 0 || (handle && handle->node == request->node);
}

/*
 * Whether a request must fail instead of waiting. While it waits the kernel holds the inode's lock; if
 * close(2) takes that, too, every process that closes the file would hang.
 */
static bool must_not_wait(const struct request *request)
{
	static atomic_flag is_logged = ATOMIC_FLAG_INIT;

	if (!(request->operation->flags & OPERATION_INODE_LOCKED) ||
	    feature_has(request->fs->state.arena->header, FEATURE_CLOSE_UNLOCKED))
		return false;
	if (!atomic_flag_test_and_set(&is_logged))
		log_notice("with this kernel close(2) would wait for a write or truncate that waits for a "
			   "mandatory lock; these fail with EAGAIN instead");
	return true;
}

/* Returns 0: the request is admitted; -EINPROGRESS: it is parked; another negative errno for the reply. */
static int ask(const struct request *request, struct want *want)
{
	struct fs *fs = request->fs;
	struct parked *parked = NULL;
	int result = lock_access(&fs->state, &want->request, 0);

	if (result == 0)
		return 0;
	if (!has_handle_of_node(fs, &want->request))
		return -EBADF;
	/* without an owner the request is identified by its thread, but the lock may be its process's */
	if (want->request.owner == 0) {
		pid_t process = procfs_process_of(want->request.pid);

		if (process < 0 && process != -ESRCH)
			return process;
		want->request.pid = process;
		result = lock_access(&fs->state, &want->request, 0);
		if (result == 0)
			return 0;
	}
	if (want->nonblock || must_not_wait(request))
		return result;
	result = parked_new(&fs->state, request->header, request->length, &parked);
	if (result == 0)
		result = lock_access(&fs->state, &want->request, parked_tag(parked));
	if (result != -EINPROGRESS)
		parked_free(&fs->state, parked);
	else if (request->operation->flags & OPERATION_INODE_LOCKED)
		start_ticking(fs);
	return result;
}

/* The initial want of a request, for operation->wants() to complete. */
static struct want want_of_request(const struct request *request)
{
	return (struct want){
		.request =
			{
				.node = request->node,
				.unique = request->unique,
				.pid = request_pid(request),
				.type = LOCK_EXCLUSIVE,
			},
	};
}

bool mandatory_concerns(const struct request *request)
{
	struct want want;

	if (!request->operation->wants)
		return false;
	if (mandatory_is_on(request->fs, request->node))
		return true;
	want = want_of_request(request);
	return request->operation->wants(request, 1, &want) &&
	       mandatory_is_on(request->fs, want.request.node);
}

bool mandatory_admits(struct request *request)
{
	int result = 0;

	if (!mandatory_concerns(request))
		return true;
	for (int part = 0; part < 2 && result == 0; part++) {
		struct want want = want_of_request(request);

		if (request->operation->wants(request, part, &want) &&
		    mandatory_is_on(request->fs, want.request.node))
			result = ask(request, &want);
	}
	if (result < 0 && result != -EINPROGRESS)
		reply_status(request, result);
	return result == 0;
}

bool mandatory_still_admits(const struct request *request)
{
	struct want want = want_of_request(request);

	return !request->operation->wants(request, 0, &want) ||
	       !mandatory_is_on(request->fs, request->node) ||
	       lock_access(&request->fs->state, &want.request, 0) == 0;
}

/* Fills in the question about a parked request. Returns false if it waits for no process's lock. */
static bool find_question(const struct request *request, struct question *question)
{
	const struct operation *operation = request->operation;
	struct want want = want_of_request(request);
	struct state *state = &request->fs->state;
	const struct node_slot *node;
	struct lock_entry lock;

	want.request.unique = 0;
	want.request.kind = LOCK_RANGE;
	want.request.access = true;
	/* for a copy, the file that is written */
	if (!(operation->flags & OPERATION_INODE_LOCKED) ||
	    (!operation->wants(request, 1, &want) && !operation->wants(request, 0, &want)) ||
	    !lock_access_test(state, &want.request, &lock))
		return false;
	node = node_get(state, want.request.node);
	if (!node || lock.pid <= 0)
		return false;
	*question = (struct question){
		.unique = request->unique,
		.inode = source_unique_inode(node->inode, node->store),
		.process = lock.pid,
	};
	return true;
}

static void ask_questions(struct thread *thread)
{
	struct request request;
	struct parked *parked = parked_first();
	size_t at = 0;

	search.n = 0;
	for (; parked && at < search.passed; at++)
		parked = parked->next;
	for (; parked && search.n < QUESTIONS_MAX; at++, parked = parked->next) {
		if (request_begin(&request, thread, parked->message, parked->length) == 0 &&
		    find_question(&request, &search.questions[search.n]))
			search.n++;
		else
			parked->seen_stuck = 0;
	}
	search.passed = parked ? at : 0;
}

/* Ends a parked request that consecutive checks found deadlocked. */
static void judge(struct fs *fs, const struct question *question)
{
	struct parked *parked = parked_first();
	struct lock_outcome outcome;

	while (parked && (parked_unique(parked)) != question->unique)
		parked = parked->next;
	if (!parked)
		return;
	parked->seen_stuck = question->waits ? parked->seen_stuck + 1 : 0;
	if (parked->seen_stuck < STUCK_SEARCHES || !lock_cancel(&fs->state, question->unique, &outcome))
		return;
	outcome.result = -EDEADLK;
	parked_reply(fs, &outcome);
}

bool mandatory_end_stuck(struct thread *thread)
{
	/* acquire: the answers that the checking thread wrote before its store of SEARCH_ENDS are complete */
	switch (atomic_load_explicit(&search.state, memory_order_acquire)) {
	case SEARCH_ASKS:
		ask_questions(thread);
		atomic_store(&search.state, search.n > 0 ? SEARCH_RUNS : SEARCH_IDLE);
		return false;
	case SEARCH_ENDS:
		for (size_t i = 0; i < search.n; i++)
			judge(thread->fs, &search.questions[i]);
		atomic_store(&search.state, SEARCH_IDLE);
		return true;
	default:
		return false;
	}
}
