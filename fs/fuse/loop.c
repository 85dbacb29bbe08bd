// SPDX-License-Identifier: MIT
#include "fs/fuse/loop.h"
#include "fs/fuse/cost.h"
#include "fs/fuse/deferral.h"
#include "fs/fuse/dispatch.h"
#include "fs/fuse/interrupt.h"
#include "fs/fuse/prune.h"
#include "fs/fuse/reader.h"
#include "fs/fuse/reply.h"
#include "fs/fuse/session.h"
#include "fs/state/fault.h"
#include "fs/state/journal.h"
#include "fs/state/lock.h"
#include "fs/state/message.h"
#include "lib/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define MAX_THREADS   ARENA_THREADS
#define LEAVE_SECONDS 4 /* for requests in flight when the worker leaves: one may hang on another process */
#define REPLAY_UNIQUE UINT64_C(0x7ffffffffffffffe) /* the kernel counts upwards and never reaches it */

static struct {
	/* used by the reader only */
	bool begun;                   /* begin() was called */
	bool replaying;               /* requests that an earlier worker has read come first */
	bool tidied;                  /* operations->tidy() was called */
	bool initialized;             /* the session has processed INIT */
	void (*ready)(struct fs *fs); /* NULL after its call */

	pthread_mutex_t lock; /* guards the fields below; a leaf */
	pthread_cond_t ended;
	int failure; /* negative errno: why the worker cannot go on; 0 = none */
	unsigned int n_threads;
	pthread_t threads[MAX_THREADS]; /* n_threads of them, unordered */
	bool is_leaving;                /* loop_stop() was called */
} loop = {
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.ended = PTHREAD_COND_INITIALIZER,
};

static void *serve(void *argument);

/*
 * Starts a thread. fs: the struct fs. Returns 0; -EAGAIN where there are MAX_THREADS, or as
 * pthread_create(3).
 */
static int add_thread(void *fs)
{
	pthread_attr_t attributes;
	int result = EAGAIN;

	pthread_attr_init(&attributes);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attributes, 256 * 1024);
	pthread_mutex_lock(&loop.lock);
	if (loop.n_threads < MAX_THREADS) {
		result = pthread_create(&loop.threads[loop.n_threads], &attributes, serve, fs);
		if (result == 0)
			loop.n_threads++;
	}
	pthread_mutex_unlock(&loop.lock);
	pthread_attr_destroy(&attributes);
	return -result;
}

static void report_ready(struct fs *fs)
{
	if (loop.ready) {
		loop.ready(fs);
		loop.ready = NULL;
	}
}

static void fail(struct fs *fs, int result)
{
	pthread_mutex_lock(&loop.lock);
	loop.failure = result;
	pthread_mutex_unlock(&loop.lock);
	loop_stop(fs);
}

/* Without memory for INIT there is no session. The kernel has no reply yet, so another worker tries again. */
static void init_done(struct fs *fs)
{
	if (!fs->initialized) {
		fail(fs, -ENOMEM);
		return;
	}
	atomic_store(&fs->state.arena->header->init_state, INIT_REPLIED);
	loop.initialized = true;
	report_ready(fs);
}

/* Brings the session to the state that it had in the first worker after the reply to INIT. */
static void replay_init(struct fs *fs)
{
	struct arena_header *header = fs->state.arena->header;
	_Alignas(8) unsigned char message[ARENA_INIT_MAX];
	struct fuse_in_header *in = (void *)message;

	memcpy(message, header->init_request, sizeof(message));
	in->unique = REPLAY_UNIQUE;
	session_init(fs, message, header->init_length);
	init_done(fs);
}

static void first_init(struct fs *fs, const void *message, size_t length)
{
	struct arena_header *header = fs->state.arena->header;

	if (length <= sizeof(header->init_request)) {
		memcpy(header->init_request, message, length);
		header->init_length = (uint32_t)length;
		atomic_store(&header->init_state, INIT_SAVED);
	}
	if (!session_init(fs, message, length)) {
		log_error("the kernel and libfuse do not agree on the mount options");
		loop_stop(fs);
		return;
	}
	init_done(fs);
}

/* Handles INIT. Returns true if the request needs nothing else. For the reader. */
static bool handle_init(const struct request *request)
{
	if (request->header->opcode == FUSE_INIT && !loop.initialized)
		first_init(request->fs, request->header, request->length);
	else if (loop.initialized)
		return false;
	return true;
}

static void end_replays(struct thread *thread)
{
	struct fs *fs = thread->fs;

	loop.replaying = false;
	/* a worker replied to INIT and died before it could record that */
	if (!loop.initialized && atomic_load(&fs->state.arena->header->init_state) == INIT_SAVED)
		replay_init(fs);
	journal_drop_unclaimed();
	lock_recovered(&fs->state);
	fs->operations->resume(thread);
}

/* The request in the buffer has its reply, or is stored. An INIT that failed is left to the next worker. */
static void done(struct thread *thread)
{
	if (loop.initialized)
		message_clear_buffer(thread->message);
}

/*
 * Carries out the next request that an earlier worker has read and not replied to; those in buffers come
 * first. in_buffer: the thread's buffer contains one. The caller is the reader before and after.
 */
static void replay(struct thread *thread, bool in_buffer)
{
	struct state *state = &thread->fs->state;
	const struct fuse_in_header *header = thread->message;

	if (!in_buffer && message_take(state, thread->message) == 0) {
		end_replays(thread);
		return;
	}
	/* one that is stored as well was to wait, and comes later */
	if (header->len >= sizeof(*header) && header->len <= MESSAGE_MAX &&
	    !(in_buffer && message_is_saved(state, header->unique)) &&
	    reply_is_awaited(thread->fs, header->unique))
		loop_process(thread, header, header->len, true);
	done(thread);
}

/*
 * Runs when no request waits, since it visits each node, and after all replays. The caller is the reader
 * before and after.
 */
static void tidy(struct fs *fs)
{
	loop.tidied = true;
	fs->operations->tidy(fs);
	if (!reader_is_self())
		reader_become();
}

static void dispatch_interruptible(struct request *request, bool unbounded)
{
	interrupt_register(request);
	dispatch(request, unbounded);
	interrupt_unregister(request);
}

/*
 * Carries out a request that looks into processes, and then those that were queued behind it. The caller is
 * the reader before and after.
 */
static void carry_out_deferred(struct request *request, enum deferral_kind kind)
{
	struct state *state = &request->fs->state;
	uint32_t uid = request_uid(request);
	struct deferred *next;
	int begun = deferral_begin(state, kind, request->header, request->length);

	if (begun < 0)
		reply_status(request, begun);
	if (begun <= 0)
		return;
	interrupt_register(request);
	reader_hand_over();
	dispatch(request, true);
	interrupt_unregister(request);
	while ((next = deferral_next(kind, uid))) {
		struct request waited;

		uid = next->uid;
		if (request_begin(&waited, request->thread, next->message, next->length) == 0)
			dispatch_interruptible(&waited, true);
		deferral_free(state, next);
	}
	reader_become();
}

/*
 * Carries out a change of policy, and then the requests that waited for locks which are not mandatory any
 * more. The caller is the reader before and after.
 */
static void carry_out_policy(struct request *request)
{
	struct state *state = &request->fs->state;
	const struct node_slot *node;

	reader_hand_over();
	dispatch(request, true);
	reader_take_back();
	/* as the reader: no request starts to wait between this check and the grants */
	node = request_node(request);
	if (node && !(atomic_load(&node->policy) & NODE_POLICY_MANDATORY))
		lock_grant_all_access(state, request->node);
	request->fs->operations->resume(request->thread);
}

/* Refuses a request that no kernel sends. Only its id and opcode are used. */
static void refuse(struct request *request, int result)
{
	if (result != -ENOSYS)
		log_error("the kernel sent %zu bytes that are no valid request, with opcode %u",
			  request->length, request->header->opcode);
	/* a reply with id 0 would be a notification */
	if (!(request->operation->flags & OPERATION_NO_REPLY) && request->unique != 0)
		reply_status(request, result);
}

/* Reads one request and carries it out. */
static void read_one(struct thread *thread)
{
	struct fs *fs = thread->fs;
	ssize_t length;

	fs->operations->between(thread);
	if (!loop.tidied && loop.initialized && !reply_may_read(fs))
		tidy(fs);
	reader_waits(true);
	length = reply_read(fs->fuse_fd, thread->message, MESSAGE_MAX);
	reader_waits(false);
	if (length < 0) {
		/* ENOENT: the requester was killed during the read */
		if (errno == EINTR || errno == EAGAIN || errno == ENOENT)
			return;
		if (errno != ENODEV)
			log_error("reading from the kernel: %s", strerror(errno));
		loop_stop(fs);
		return;
	}
	if ((size_t)length < sizeof(struct fuse_in_header)) {
		log_error("the kernel sent %zd bytes, too few for a request", length);
		return;
	}
	atomic_fetch_add(&fs->state.arena->header->requests, 1);
	loop_process(thread, thread->message, (size_t)length, false);
	done(thread);
}

/*
 * Carries out one request. Returns 0, or -ENOMEM without a buffer. The caller is the reader before and after.
 */
static int serve_one(struct thread *thread)
{
	int result = 0;

	if (loop.replaying || !thread->message)
		result = message_get_buffer(&thread->fs->state, &thread->message);
	if (result < 0)
		return result;
	if (loop.replaying)
		replay(thread, result > 0);
	else
		read_one(thread);
	return 0;
}

/*
 * The invalidation waits for reads of these pages in flight, so another thread must read requests meanwhile.
 */
static void drop_stale_pages(const struct request *request)
{
	reader_hand_over();
	session_invalidate(request->fs, request->stale.node, request->stale.offset, request->stale.length);
}

/* Carries out a request that waits for no other process. is_mandatory: it is subject to mandatory locks. */
static void carry_out(struct request *request, bool is_mandatory)
{
	const struct operations *operations = request->fs->operations;

	/* no hand-over: nobody may get a lock between the check and the I/O */
	if (is_mandatory) {
		if (!operations->admit(request))
			return;
	} else if (cost_may_be_high(request)) {
		reader_hand_over();
	}
	dispatch(request, !reader_is_self());
	if (reader_is_self())
		operations->resume(request->thread);
	if (request->stale.node)
		drop_stale_pages(request);
	if (reader_is_self() && prune_is_due(request->fs))
		prune(request->fs);
	if (!reader_is_self())
		reader_become();
}

static void process(struct request *request)
{
	const struct operation *operation = request->operation;
	enum deferral_kind kind;
	bool is_mandatory;

	if (handle_init(request))
		return;
	if (!operation->run) {
		refuse(request, -EIO);
		return;
	}
	if (request->is_replay && journal_claim(request->unique)) {
		dispatch(request, false);
		return;
	}
	if (operation->prepare)
		operation->prepare(request);
	if (cost_changes_policy(request)) {
		carry_out_policy(request);
		return;
	}
	is_mandatory = request->fs->operations->is_mandatory(request);
	kind = is_mandatory ? DEFERRAL_NONE : cost_deferral(request);
	if (kind != DEFERRAL_NONE) {
		carry_out_deferred(request, kind);
		return;
	}
	if (operation->flags & OPERATION_INTERRUPTIBLE)
		interrupt_register(request);
	carry_out(request, is_mandatory);
	if (operation->flags & OPERATION_INTERRUPTIBLE)
		interrupt_unregister(request);
}

void loop_process(struct thread *thread, const void *message, size_t length, bool is_replay)
{
	struct request request;
	int result;

	if (!reader_is_self())
		reader_become();
	result = request_begin(&request, thread, message, length);
	request.is_replay = is_replay;
	if (result < 0)
		refuse(&request, result);
	else
		process(&request);
}

/* Once per worker, for the reader. */
static void begin(struct fs *fs)
{
	loop.begun = true;
	if (atomic_load(&fs->state.arena->header->init_state) == INIT_REPLIED)
		replay_init(fs);
	journal_send_replies(reply_saved, fs);
	loop.replaying = true;
}

/* Returns 0 when the worker leaves; -ENOMEM. */
static int serve_all(struct thread *thread)
{
	struct fs *fs = thread->fs;
	int result = 0;

	reader_become();
	if (!loop.begun)
		begin(fs);
	while (!atomic_load(&fs->leaving) && result == 0) {
		result = serve_one(thread);
		reader_give_way();
	}
	reader_resign();
	return result;
}

static void *serve(void *argument)
{
	struct fs *fs = argument;
	void *stack = fault_thread_init();
	struct thread thread;
	int result = thread_init(&thread, fs);

	if (result < 0)
		log_error("a thread cannot act as other users: %s", strerror(-result));
	else
		result = serve_all(&thread);
	fault_thread_done(stack);
	thread_done(&thread);
	reader_thread_done();
	pthread_mutex_lock(&loop.lock);
	/* only the last thread is essential */
	if (loop.n_threads == 1 && !atomic_load(&fs->leaving))
		loop.failure = result;
	for (unsigned int i = 0; i < loop.n_threads; i++)
		if (pthread_equal(loop.threads[i], pthread_self()))
			loop.threads[i] = loop.threads[loop.n_threads - 1];
	loop.n_threads--;
	pthread_cond_signal(&loop.ended);
	pthread_mutex_unlock(&loop.lock);
	return NULL;
}

int loop_start(struct fs *fs, void (*ready)(struct fs *fs))
{
	loop.ready = ready;
	reader_setup(add_thread, fs);
	return add_thread(fs);
}

int loop_wait(void)
{
	struct timespec end;
	int result = 0;

	pthread_mutex_lock(&loop.lock);
	while (loop.n_threads > 0 && !loop.is_leaving)
		pthread_cond_wait(&loop.ended, &loop.lock);
	clock_gettime(CLOCK_REALTIME, &end);
	end.tv_sec += LEAVE_SECONDS;
	while (loop.n_threads > 0 && result == 0)
		result = pthread_cond_timedwait(&loop.ended, &loop.lock, &end);
	result = loop.failure < 0 ? loop.failure : loop.n_threads > 0;
	pthread_mutex_unlock(&loop.lock);
	return result;
}

void loop_stop(struct fs *fs)
{
	atomic_store(&fs->leaving, true);
	pthread_mutex_lock(&loop.lock);
	loop.is_leaving = true;
	pthread_cond_signal(&loop.ended);
	for (unsigned int i = 0; i < loop.n_threads; i++)
		pthread_kill(loop.threads[i], INTERRUPT_SIGNAL);
	pthread_mutex_unlock(&loop.lock);
}
