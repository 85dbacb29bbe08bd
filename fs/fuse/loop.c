// SPDX-License-Identifier: MIT
#include "fs/fuse/loop.h"
#include "fs/fuse/aside.h"
#include "fs/fuse/cost.h"
#include "fs/fuse/dispatch.h"
#include "fs/fuse/identity.h"
#include "fs/fuse/interrupt.h"
#include "fs/fuse/opcode.h"
#include "fs/fuse/placement.h"
#include "fs/fuse/prune.h"
#include "fs/fuse/reader.h"
#include "fs/fuse/request.h"
#include "fs/ops/ops.h"
#include "fs/segment/mandatory.h"
#include "fs/segment/resume.h"
#include "fs/state/fault.h"
#include "fs/state/journal.h"
#include "fs/state/lock.h"
#include "fs/state/node.h"
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

#define MAX_THREADS ARENA_THREADS
#define MESSAGE_MAX (1024u * 1024u + 4096u) /* bytes: the largest WRITE and its header */
#define LEAVE_SECONDS 4 /* for the threads to end what they do: one may wait for another process, which nobody awaits any more */
#define REPLAY_UNIQUE UINT64_C(0x7ffffffffffffffe) /* the kernel counts upwards and never gets there */

static struct {
	/* the reader's */
	bool begun;                   /* the first reader has */
	bool resending;               /* requests that an earlier worker has read may still come */
	bool tidied;                  /* what an earlier worker has left counted is dropped */
	bool initialized;             /* the session has seen INIT */
	void (*ready)(struct fs *fs); /* NULL once called */

	pthread_mutex_t lock;         /* guards what follows; a leaf */
	pthread_cond_t ended;
	int failure;                  /* negative errno: why the worker can't go on; 0 = it can */
	unsigned int n_threads;
	pthread_t threads[MAX_THREADS]; /* those that live; order has no meaning */
	bool is_leaving;              /* loop_stop() was called */
} loop = {
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.ended = PTHREAD_COND_INITIALIZER,
};

static void *serve(void *argument);

/* One thread more, if there may be and can be. */
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

static void tell_ready(struct fs *fs)
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

/* Without memory for the INIT the session is none. The kernel has got no answer, and another worker tries again. */
static void init_done(struct fs *fs)
{
	if (!fs->initialized) {
		fail(fs, -ENOMEM);
		return;
	}
	atomic_store(&fs->state.arena->header->init_state, INIT_ANSWERED);
	loop.initialized = true;
	tell_ready(fs);
}

/* Brings the session to where the first worker's was after it had answered INIT. */
static void replay_init(struct fs *fs)
{
	struct arena_header *header = fs->state.arena->header;
	_Alignas(8) unsigned char message[ARENA_INIT_MAX];
	struct wire_in_header *in = (void *)message;

	memcpy(message, header->init_request, sizeof(message));
	in->unique = REPLAY_UNIQUE;
	request_begin(message, header->init_length);
	dispatch_to_libfuse(fs, message, header->init_length);
	init_done(fs);
}

static void first_init(struct fs *fs, void *message, size_t length)
{
	struct arena_header *header = fs->state.arena->header;

	if (length <= sizeof(header->init_request)) {
		memcpy(header->init_request, message, length);
		header->init_length = (uint32_t)length;
		atomic_store(&header->init_state, INIT_SAVED);
	}
	dispatch_to_libfuse(fs, message, length);
	if (fuse_session_exited(fs->session)) {
		log_error("the kernel and libfuse do not agree on the mount options");
		loop_stop(fs);
		return;
	}
	init_done(fs);
}

/* What comes before any operation; true where that was all of it. Called by the reader. */
static bool handle_init(struct fs *fs, void *message, size_t length)
{
	const struct wire_in_header *header = message;

	if (header->opcode == WIRE_OP_INIT && !loop.initialized) {
		first_init(fs, message, length);
		return true;
	}
	/* INIT was answered by a worker that died before it could note so */
	if (!loop.initialized && atomic_load(&fs->state.arena->header->init_state) == INIT_SAVED) {
		replay_init(fs);
		request_begin(message, length);
	}
	/* what is not answered comes to the next worker */
	return !loop.initialized;
}

/* The request is this thread's, see request_begin(). */
static void carry_out(struct fs *fs, void *message, size_t length)
{
	dispatch(fs, message, length, !reader_is_self());
}

static bool has_request(const struct fs *fs)
{
	struct pollfd device = {.fd = fs->fuse_fd, .events = POLLIN};

	return poll(&device, 1, 0) != 0;
}

/* The kernel puts requests that it sends again before all others, but for those that nobody waits for. */
static bool is_sent_again_or_aside(const struct wire_in_header *header)
{
	return header->unique & WIRE_UNIQUE_RESEND || header->opcode == WIRE_OP_FORGET ||
	       header->opcode == WIRE_OP_BATCH_FORGET || header->opcode == WIRE_OP_INTERRUPT;
}

/* A request over which a worker died was withdrawn, its process being killed: what was opened for it is nobody's. */
static void not_asked_again(void *context, const struct journal_slot *slot)
{
	/* of one whose answer could not be sent again nobody knows */
	if (opcode_opens(slot->opcode) && atomic_load(&slot->state) == JOURNAL_BEGUN)
		op_withdrawn(context, slot->unique);
}

static void all_are_sent_again(struct fs *fs)
{
	loop.resending = false;
	journal_drop_rest(not_asked_again, fs);
	lock_recovered(&fs->state);
	resume_ready(fs);
}

/* Once nobody waits: it looks at each node, and what is sent again is to be read first. The caller is the reader, before and after. */
static void tidy(struct fs *fs)
{
	loop.tidied = true;
	forget_unknown(fs);
	if (!reader_is_self())
		reader_become();
}

/* The caller is the reader, before and after. */
static void carry_out_aside(struct fs *fs, enum aside_kind kind, void *message, size_t length)
{
	uint32_t uid = ((const struct wire_in_header *)message)->uid;
	struct aside *next;
	int begun = aside_begin(&fs->state, kind, message, length);

	if (begun < 0)
		request_answer_raw(fs, begun, NULL, 0);
	if (begun <= 0)
		return;
	reader_hand_over();
	carry_out(fs, message, length);
	while ((next = aside_next(kind, uid))) {
		uid = next->uid;
		request_begin(next->message, next->length);
		carry_out(fs, next->message, next->length);
		request_end();
		aside_free(&fs->state, next);
	}
	reader_become();
}

/* The caller is the reader, before and after. Who has waited for locks that are not mandatory any more goes on. */
static void carry_out_policy(struct fs *fs, void *message, size_t length)
{
	reader_hand_over();
	carry_out(fs, message, length);
	reader_take_back();
	/* nobody begins to wait between this look and what follows */
	if (node_get(&fs->state, request_node()) && !mandatory_is_on(fs, request_node()))
		lock_access_all(&fs->state, request_node());
	resume_ready(fs);
}

/* What a kernel never sends; true where that was all of it. Nothing of it is believed but its id and opcode. */
static bool refuse(const struct fs *fs, const struct wire_in_header *header, size_t length)
{
	const int result = wire_check(header, length, fs->short_setxattr);

	if (result == 0)
		return false;
	if (result != -ENOSYS)
		log_error("the kernel sent %zu bytes that are no valid request, with opcode %u", length, header->opcode);
	/* with no id the answer would be a notification */
	if (wire_is_answered(header->opcode) && request_unique() != 0)
		request_answer_raw(fs, result, NULL, 0);
	return true;
}

/* Reads one request and has it answered. The caller is the reader, before and after. */
static void serve_one(struct fs *fs, void *message)
{
	ssize_t length;

	if (loop.resending && !has_request(fs))
		all_are_sent_again(fs);
	if (mandatory_end_stuck(fs))
		resume_ready(fs);
	if (!loop.tidied && loop.initialized && !has_request(fs))
		tidy(fs);
	reader_waits(true);
	length = request_read(fs->fuse_fd, message, MESSAGE_MAX);
	reader_waits(false);
	if (length < 0) {
		/* ENOENT: the requester was killed while we read */
		if (errno == EINTR || errno == EAGAIN || errno == ENOENT)
			return;
		if (errno != ENODEV)
			log_error("reading from the kernel: %s", strerror(errno));
		loop_stop(fs);
		return;
	}
	if ((size_t)length < sizeof(struct wire_in_header)) {
		log_error("the kernel sent %zd bytes, too few for a request", length);
		return;
	}
	atomic_fetch_add(&fs->state.arena->header->requests, 1);
	loop_take(fs, message, (size_t)length);
}

void loop_take(struct fs *fs, void *message, size_t length)
{
	const struct wire_in_header *header = message;
	enum aside_kind kind;

	if (!reader_is_self())
		reader_become();
	identity_complete(fs, message);
	request_begin(message, length);
	if (refuse(fs, header, length) || handle_init(fs, message, length))
		return;
	/* a process that closes files in execve(2) does not tell where it runs until it has our answer */
	if (header->opcode != WIRE_OP_FLUSH)
		placement_follow((pid_t)header->pid);
	if (loop.resending && !is_sent_again_or_aside(header)) {
		all_are_sent_again(fs);
		request_begin(message, length);
	}
	if (header->unique & WIRE_UNIQUE_RESEND && journal_expect(request_unique())) {
		carry_out(fs, message, length);
		return;
	}
	/* before anybody reads what comes after it: nobody awaits this request, and who asks for the lock next is to get it */
	if (header->opcode == WIRE_OP_RELEASE) {
		locks_release(fs);
		resume_ready(fs);
		request_begin(message, length);
	}
	if (cost_changes_policy(fs, header)) {
		carry_out_policy(fs, message, length);
		return;
	}
	kind = cost_aside(fs, header);
	/* where locks are mandatory the reader stays it: nobody may get one between the look at it and the deed */
	if (mandatory_concerns(fs)) {
		if (!mandatory_admits(fs))
			return;
	} else if (kind != ASIDE_NONE) {
		carry_out_aside(fs, kind, message, length);
		return;
	} else if (cost_may_be_high(fs, header)) {
		reader_hand_over();
	}
	carry_out(fs, message, length);
	if (reader_is_self())
		resume_ready(fs);
	forget_cached_read(fs);
	if (reader_is_self() && prune_is_due(fs))
		prune(fs);
	if (!reader_is_self())
		reader_become();
}

/*
 * Memory for messages, all of its pages there. Where one is missing when the kernel copies a request to it and the reader
 * is being killed, there is no getting it any more, and the requester gets EIO.
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
 * What a worker does before it reads its first request. The reader does it with all else ready: a request that is sent again
 * can be withdrawn until it is read, if its process is being killed, and what was opened for it would stay open.
 */
static void begin(struct fs *fs)
{
	const struct wire_out_header resend = {.length = sizeof(resend), .error = WIRE_NOTIFY_RESEND};

	if (atomic_load(&fs->state.arena->header->init_state) == INIT_ANSWERED)
		replay_init(fs);
	/* first: as long as the kernel has not been asked, nobody can withdraw a request */
	journal_send_answers(request_send_kept, fs);
	/* EINVAL: a kernel before 6.9, where such requests wait until their callers give up */
	if (write(fs->fuse_fd, &resend, sizeof(resend)) < 0)
		log_warning("the kernel does not send unanswered requests again: %s", strerror(errno));
	loop.resending = true;
	/* an INIT without answer would be back now; if none is, nothing need ever come that starts the session */
	if (atomic_load(&fs->state.arena->header->init_state) == INIT_SAVED && !has_request(fs))
		replay_init(fs);
}

static void *serve(void *argument)
{
	struct fs *fs = argument;
	void *message = new_message();
	void *stack = fault_thread_init();
	int result = request_thread_init(fs);

	if (result < 0)
		log_error("a thread cannot act as other users: %s", strerror(-result));
	if (message && result == 0) {
		reader_become();
		if (!loop.begun) {
			loop.begun = true;
			begin(fs);
		}
		while (!atomic_load(&fs->leaving)) {
			serve_one(fs, message);
			reader_give_way();
		}
		reader_resign();
	}
	free(message);
	fault_thread_done(stack);
	interrupt_thread_done();
	request_thread_done();
	reader_thread_done();
	pthread_mutex_lock(&loop.lock);
	/* a thread more that can't be had is no matter, the only one is */
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
