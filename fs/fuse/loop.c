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
#include "lib/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define MAX_THREADS   ARENA_THREADS
#define MESSAGE_MAX   (1024u * 1024u + 4096u) /* bytes: the largest WRITE and its header */
#define LEAVE_SECONDS 4 /* for requests in flight when the worker leaves: one may hang on another process */
#define REPLAY_UNIQUE UINT64_C(0x7ffffffffffffffe) /* the kernel counts upwards and never reaches it */

static struct {
	/* used by the reader only */
	bool begun;                   /* begin() was called */
	bool resending;               /* replays of requests that an earlier worker has read may still come */
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

/*
 * Handles INIT, or replays it before the first operation. Returns true if the request needs nothing else. For
 * the reader.
 */
static bool handle_init(const struct request *request)
{
	struct fs *fs = request->fs;

	if (request->header->opcode == FUSE_INIT && !loop.initialized) {
		first_init(fs, request->header, request->length);
		return true;
	}
	/* a worker replied to INIT and died before it could record that */
	if (!loop.initialized && atomic_load(&fs->state.arena->header->init_state) == INIT_SAVED)
		replay_init(fs);
	/* a request without a reply is sent to the next worker */
	return !loop.initialized;
}

static bool has_request(const struct fs *fs)
{
	struct pollfd device = {.fd = fs->fuse_fd, .events = POLLIN};

	return poll(&device, 1, 0) != 0;
}

/* The kernel queues replays before all other requests except those without a waiter. */
static bool may_precede_replays(const struct request *request)
{
	return request->is_resent || request->operation->flags & OPERATION_NO_REPLY;
}

/*
 * The kernel withdrew a request over which a worker died, because its process was killed. Nobody has the
 * handle that it opened.
 */
static void was_withdrawn(void *context, const struct journal_slot *slot)
{
	const struct fs *fs = context;

	/* unless the reply was saved: then the kernel may have it */
	if (slot->opcode < fs->operations->n && fs->operations->rows[slot->opcode].flags & OPERATION_OPENS &&
	    atomic_load(&slot->state) == JOURNAL_BEGUN)
		fs->operations->withdrawn(context, slot->unique);
}

/* The kernel has no more replays. */
static void end_replays(struct thread *thread)
{
	struct fs *fs = thread->fs;

	loop.resending = false;
	journal_drop_unclaimed(was_withdrawn, fs);
	lock_recovered(&fs->state);
	fs->operations->resume(thread);
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

/* Reads one request and carries it out. The caller is the reader before and after. */
static void serve_one(struct thread *thread, void *message)
{
	struct fs *fs = thread->fs;
	ssize_t length;

	if (loop.resending && !has_request(fs))
		end_replays(thread);
	fs->operations->between(thread);
	if (!loop.tidied && loop.initialized && !has_request(fs))
		tidy(fs);
	reader_waits(true);
	length = reply_read(fs->fuse_fd, message, MESSAGE_MAX);
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
	loop_process(thread, message, (size_t)length);
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
	if (loop.resending && !may_precede_replays(request))
		end_replays(request->thread);
	if (request->is_resent && journal_claim(request->unique)) {
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

void loop_process(struct thread *thread, const void *message, size_t length)
{
	struct request request;
	int result;

	if (!reader_is_self())
		reader_become();
	result = request_begin(&request, thread, message, length);
	if (result < 0)
		refuse(&request, result);
	else
		process(&request);
}

/*
 * Memory for messages, all pages populated. If a page is missing while the kernel copies a request and the
 * reader is being killed, the copy fails and the requester gets EIO.
 */
static void *new_message(void)
{
	void *message = aligned_alloc(4096, MESSAGE_MAX);

	/* EINVAL: a kernel before 5.14 */
	if (message && madvise(message, MESSAGE_MAX, MADV_POPULATE_WRITE) < 0)
		memset(message, 0, MESSAGE_MAX);
	return message;
}

/*
 * Asks the kernel for replays, before the first read. The reader does so when all else is ready: until a
 * replay is read, the kernel withdraws it if its process is killed, and then the handle that it opened would
 * leak.
 */
static void begin(struct fs *fs)
{
	const struct fuse_out_header resend = {.len = sizeof(resend), .error = FUSE_NOTIFY_RESEND};

	if (atomic_load(&fs->state.arena->header->init_state) == INIT_REPLIED)
		replay_init(fs);
	/* first: the kernel cannot withdraw a request before it was asked for replays */
	journal_send_replies(reply_saved, fs);
	/* EINVAL: a kernel before 6.9, where such requests hang until the mount ends (fact K21) */
	if (write(fs->fuse_fd, &resend, sizeof(resend)) < 0)
		log_warning("the kernel does not send unanswered requests again: %s", strerror(errno));
	loop.resending = true;
	/*
	 * an INIT without a reply would be replayed by now; otherwise no request need ever come that starts
	 * the session
	 */
	if (atomic_load(&fs->state.arena->header->init_state) == INIT_SAVED && !has_request(fs))
		replay_init(fs);
}

static void *serve(void *argument)
{
	struct fs *fs = argument;
	void *message = new_message();
	void *stack = fault_thread_init();
	struct thread thread;
	int result = thread_init(&thread, fs);

	if (result < 0)
		log_error("a thread cannot act as other users: %s", strerror(-result));
	if (message && result == 0) {
		reader_become();
		if (!loop.begun) {
			loop.begun = true;
			begin(fs);
		}
		while (!atomic_load(&fs->leaving)) {
			serve_one(&thread, message);
			reader_give_way();
		}
		reader_resign();
	}
	free(message);
	fault_thread_done(stack);
	thread_done(&thread);
	reader_thread_done();
	pthread_mutex_lock(&loop.lock);
	/* only the last thread is essential */
	if (loop.n_threads == 1 && !atomic_load(&fs->leaving))
		loop.failure = result < 0 ? result : -ENOMEM;
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
