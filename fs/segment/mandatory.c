// SPDX-License-Identifier: MIT
/*
 * Mandatory locks: what reads, writes and resizes a segment waits for whoever has locked the bytes, or is told EAGAIN.
 * All is decided by the reader, before it reads another request, so that nothing is locked between the look and the deed.
 *
 * While a write that makes the file longer, or a change of its size, waits, the kernel lets nobody else change the file: it has
 * locked the inode. If the one who has the lock is about to do so, each waits for the other, where the kernel can't be told; that is
 * looked for, and ends with EDEADLK for the one who waits for the lock.
 *
 * The rules are those that Linux had: a lock of fcntl(2) is no hindrance to its process, nor, if it is of an open file description,
 * to who uses that; those of flock(2) stay advisory. Views are not seen.
 */
#include "fs/segment/mandatory.h"
#include "fs/fuse/reader.h"
#include "fs/fuse/request.h"
#include "fs/segment/parked.h"
#include "fs/segment/policy.h"
#include "fs/segment/resume.h"
#include "fs/source/source.h"
#include "lib/base/procfs.h"
#include "lib/base/procfs_change.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LOOK_INTERVAL 10000000 /* nanoseconds between two steps of a look for waits without end, of which it has two */
#define QUESTIONS_MAX 64       /* of one look: further waits are looked at later */
#define STUCK_LOOKS 3          /* a wait that looked so this many times in a row is one */
#define IDLE_LOOKS 50          /* the thread ends that many looks after the last wait */

static atomic_bool ticking; /* the thread that looks is there */

/* Whether somebody waits to change a file, which the thread finds out: it may have to wait for that process. */
struct question {
	uint64_t unique; /* of the parked request that it is about */
	uint64_t inode;  /* of the file, as the mount tells it */
	pid_t process;   /* that has the lock */
	bool waits;      /* the answer */
};

/* A look for waits without end: whose turn it is, with all that follows. */
static struct {
	_Atomic enum {
		LOOK_OVER,  /* the thread's, which begins the next one when it is time */
		LOOK_ASKS,  /* the reader's, which asks */
		LOOK_LOOKS, /* the thread's, which answers */
		LOOK_ENDS,  /* the reader's, which ends waits */
	} state;
	struct question questions[QUESTIONS_MAX];
	size_t n;
	size_t passed; /* parked requests that earlier looks were about: the next ones come first */
} look;

bool mandatory_is_on(const struct fs *fs, uint64_t id)
{
	const struct node_slot *node = node_get(&fs->state, id);

	return node && atomic_load(&node->policy) & NODE_POLICY_MANDATORY;
}

/* What a request wants of the bytes of one segment. */
struct want {
	struct lock_request request;
	bool nonblock;
};

static void set_range(struct want *want, uint64_t start, uint64_t length)
{
	want->request.start = start;
	want->request.end = length == 0 || length - 1 > LOCK_END - start ? LOCK_END : start + length - 1;
}

/*
 * The flags that a handle was opened with. Some runtimes set O_NONBLOCK for each file that epoll takes, which are all of a FUSE mount,
 * and do not expect EAGAIN of pread(2) or pwrite(2).
 */
static bool opened_nonblock(const struct fs *fs, uint64_t handle)
{
	const struct handle_slot *slot = handle_get(&fs->state, handle);

	return slot && slot->open_flags & O_NONBLOCK;
}

/* flags: those of the moment, as READ and WRITE tell them; fcntl(2) may have taken the flag away. */
static bool is_nonblock(const struct fs *fs, uint64_t handle, uint32_t flags)
{
	return flags & O_NONBLOCK && opened_nonblock(fs, handle);
}

/* Pages that the kernel reads for a view of a segment without a passthrough id are nobody's I/O. */
static bool is_for_view(const struct fs *fs, const struct wire_read_in *in)
{
	const struct node_slot *node = node_get(&fs->state, request_node());

	return !(in->read_flags & WIRE_READ_LOCKOWNER) && node && atomic_load(&node->backing_id) <= 0;
}

static bool read_wants(const struct fs *fs, struct want *want)
{
	const struct wire_read_in *in = request_body(sizeof(*in));

	if (!in || in->size == 0 || is_for_view(fs, in))
		return false;
	want->request.owner = in->read_flags & WIRE_READ_LOCKOWNER ? in->lock_owner : 0;
	want->request.handle = in->handle;
	want->request.type = LOCK_SHARED;
	/* sendfile(2), splice(2): the kernel has pages of its own locked meanwhile, for which a write of the owner would wait */
	want->nonblock = is_nonblock(fs, in->handle, in->flags) || !(in->read_flags & WIRE_READ_LOCKOWNER);
	set_range(want, in->offset, in->size);
	return true;
}

static bool write_wants(const struct fs *fs, struct want *want)
{
	const struct wire_write_in *in = request_body(sizeof(*in));

	if (!in || in->size == 0 || in->write_flags & WIRE_WRITE_CACHE)
		return false;
	want->request.owner = in->write_flags & WIRE_WRITE_LOCKOWNER ? in->lock_owner : 0;
	want->request.handle = in->handle;
	want->nonblock = is_nonblock(fs, in->handle, in->flags);
	set_range(want, in->offset, in->size);
	return true;
}

/* What is cut off, or comes into being: from the lower size on. */
static bool setattr_wants(struct fs *fs, struct want *want)
{
	const struct wire_setattr_in *in = request_body(sizeof(*in));
	const struct node_slot *node = node_get(&fs->state, request_node());
	uint64_t from = 0;
	struct stat attr;
	bool is_known;

	if (!in || !(in->valid & WIRE_SETATTR_SIZE))
		return false;
	want->request.owner = in->valid & WIRE_SETATTR_LOCKOWNER ? in->lock_owner : 0;
	want->request.handle = in->valid & WIRE_SETATTR_FH ? in->handle : 0;
	want->nonblock = opened_nonblock(fs, want->request.handle);
	/* where the present size can't be found out, it is all of it: nobody's lock is passed over */
	is_known = source_of(&fs->state, node)->stat(&fs->state, node, &attr) == 0;
	if (is_known)
		from = in->size < (uint64_t)attr.st_size ? in->size : (uint64_t)attr.st_size;
	set_range(want, from, 0);
	return !is_known || in->size != (uint64_t)attr.st_size;
}

static bool open_wants(struct want *want)
{
	const struct wire_open_in *in = request_body(sizeof(*in));

	if (!in || !(in->flags & O_TRUNC))
		return false;
	want->nonblock = in->flags & O_NONBLOCK;
	set_range(want, 0, 0);
	return true;
}

static bool fallocate_wants(const struct fs *fs, struct want *want)
{
	const struct wire_fallocate_in *in = request_body(sizeof(*in));

	if (!in)
		return false;
	want->request.handle = in->handle;
	want->nonblock = opened_nonblock(fs, in->handle);
	/* what follows moves as well */
	set_range(want, in->offset, in->mode & (FALLOC_FL_COLLAPSE_RANGE | FALLOC_FL_INSERT_RANGE) ? 0 : in->length);
	return in->length > 0;
}

/* part: 0 for what is read, 1 for what is written. */
static bool copy_wants(const struct fs *fs, int part, struct want *want)
{
	const struct wire_copy_file_range_in *in = request_body(sizeof(*in));

	if (!in || in->length == 0)
		return false;
	want->request.node = part ? in->node_out : request_node();
	want->request.handle = part ? in->handle_out : in->handle_in;
	want->request.type = part ? LOCK_EXCLUSIVE : LOCK_SHARED;
	want->nonblock = opened_nonblock(fs, want->request.handle);
	set_range(want, part ? in->offset_out : in->offset_in, in->length);
	return true;
}

static bool wants(struct fs *fs, uint32_t opcode, int part, struct want *want)
{
	switch (opcode) {
	case WIRE_OP_READ:
		return part == 0 && read_wants(fs, want);
	case WIRE_OP_WRITE:
		return part == 0 && write_wants(fs, want);
	case WIRE_OP_SETATTR:
		return part == 0 && setattr_wants(fs, want);
	case WIRE_OP_OPEN:
		return part == 0 && open_wants(want);
	case WIRE_OP_FALLOCATE:
		return part == 0 && fallocate_wants(fs, want);
	case WIRE_OP_COPY_FILE_RANGE:
		return copy_wants(fs, part, want);
	default:
		return false;
	}
}

/* Requests during which the kernel keeps others from changing the file. */
static bool holds_inode(uint32_t opcode)
{
	return opcode == WIRE_OP_WRITE || opcode == WIRE_OP_SETATTR || opcode == WIRE_OP_FALLOCATE ||
	       opcode == WIRE_OP_COPY_FILE_RANGE;
}

/* The thread's part of a look. A reader that was woken too early is woken again. */
static void step_look(void)
{
	if (atomic_load(&look.state) == LOOK_LOOKS) {
		for (size_t i = 0; i < look.n; i++)
			look.questions[i].waits = procfs_waits_to_change(look.questions[i].process, look.questions[i].inode);
		atomic_store(&look.state, LOOK_ENDS);
	} else if (atomic_load(&look.state) == LOOK_OVER) {
		atomic_store(&look.state, LOOK_ASKS);
	}
	reader_wake();
}

/* Looks now and then, for as long as somebody waits. */
static void *tick(void *argument)
{
	const struct timespec interval = {.tv_nsec = LOOK_INTERVAL};
	struct fs *fs = argument;

	do {
		for (int idle = 0; idle < IDLE_LOOKS && !atomic_load(&fs->leaving); idle++) {
			nanosleep(&interval, NULL);
			if (parked_count() == 0)
				continue;
			idle = 0;
			step_look();
		}
		atomic_store(&ticking, false);
		/* who came right before that took this thread for one that goes on */
	} while (parked_count() > 0 && !atomic_load(&fs->leaving) && !atomic_exchange(&ticking, true));
	return NULL;
}

/* Without memory for the thread, who waits without end has to be interrupted. */
static void start_ticking(struct fs *fs)
{
	pthread_attr_t attributes;
	pthread_t thread;

	if (atomic_exchange(&ticking, true))
		return;
	pthread_attr_init(&attributes);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attributes, 64 * 1024);
	if (pthread_create(&thread, &attributes, tick, fs) != 0)
		atomic_store(&ticking, false);
	pthread_attr_destroy(&attributes);
}

/* Whether a request names no handle, or one of the node that it is about: what waits must not outlive that. */
static bool has_handle_of_node(const struct fs *fs, const struct lock_request *request)
{
	const struct handle_slot *handle = handle_get(&fs->state, request->handle);

	return request->handle == 0 || (handle && handle->node == request->node);
}

/* Returns 0: nothing is in the way; -EINPROGRESS: it waits; another negative errno to be told. */
static int ask(struct fs *fs, struct want *want)
{
	struct parked *parked = NULL;
	int result = lock_access(&fs->state, &want->request, 0);

	if (result == 0)
		return 0;
	if (!has_handle_of_node(fs, &want->request))
		return -EBADF;
	/* who asks for himself by thread may have the lock as a process */
	if (want->request.owner == 0) {
		pid_t process = procfs_process_of(want->request.pid);

		if (process < 0 && process != -ESRCH)
			return process;
		want->request.pid = process;
		result = lock_access(&fs->state, &want->request, 0);
		if (result == 0)
			return 0;
	}
	if (want->nonblock)
		return result;
	result = parked_new(&fs->state, request_message(), request_length(), &parked);
	if (result == 0)
		result = lock_access(&fs->state, &want->request, parked_tag(parked));
	if (result != -EINPROGRESS)
		parked_free(&fs->state, parked);
	else if (holds_inode(request_opcode()))
		start_ticking(fs);
	return result;
}

bool mandatory_concerns(const struct fs *fs)
{
	const struct wire_copy_file_range_in *in;

	switch (request_opcode()) {
	case WIRE_OP_READ:
	case WIRE_OP_WRITE:
	case WIRE_OP_SETATTR:
	case WIRE_OP_OPEN:
	case WIRE_OP_FALLOCATE:
		return mandatory_is_on(fs, request_node());
	case WIRE_OP_COPY_FILE_RANGE:
		in = request_body(sizeof(*in));
		return mandatory_is_on(fs, request_node()) || (in && mandatory_is_on(fs, in->node_out));
	default:
		return false;
	}
}

/* What the calling thread's request may want, before wants() has looked at it. */
static struct want want_of_request(void)
{
	return (struct want){
		.request = {
			.node = request_node(),
			.unique = request_unique(),
			.pid = request_pid(),
			.type = LOCK_EXCLUSIVE,
		},
	};
}

bool mandatory_admits(struct fs *fs)
{
	int result = 0;

	if (!mandatory_concerns(fs))
		return true;
	for (int part = 0; part < 2 && result == 0; part++) {
		struct want want = want_of_request();

		if (wants(fs, request_opcode(), part, &want) && mandatory_is_on(fs, want.request.node))
			result = ask(fs, &want);
	}
	if (result < 0 && result != -EINPROGRESS)
		request_answer_raw(fs, result, NULL, 0);
	return result == 0;
}

bool mandatory_still_admits(struct fs *fs)
{
	struct want want = want_of_request();

	return !wants(fs, request_opcode(), 0, &want) || !mandatory_is_on(fs, request_node()) ||
	       lock_access(&fs->state, &want.request, 0) == 0;
}

/* What is to be known of the calling thread's request, which is parked: false where it waits for no lock of a process. */
static bool find_question(struct fs *fs, struct question *question)
{
	struct want want = {
		.request = {
			.node = request_node(),
			.pid = request_pid(),
			.kind = LOCK_RANGE,
			.type = LOCK_EXCLUSIVE,
			.access = true,
		},
	};
	const uint32_t opcode = request_opcode();
	const struct node_slot *node;
	struct lock_entry lock;

	/* of a copy, what is written to */
	if (!holds_inode(opcode) || !wants(fs, opcode, opcode == WIRE_OP_COPY_FILE_RANGE, &want) ||
	    !lock_access_test(&fs->state, &want.request, &lock))
		return false;
	node = node_get(&fs->state, want.request.node);
	if (!node || lock.pid <= 0)
		return false;
	*question = (struct question){
		.unique = request_unique(),
		.inode = source_unique_inode(node->inode, node->store),
		.process = lock.pid,
	};
	return true;
}

static void ask_questions(struct fs *fs)
{
	struct parked *parked = parked_first();
	size_t at = 0;

	look.n = 0;
	for (; parked && at < look.passed; at++)
		parked = parked->next;
	for (; parked && look.n < QUESTIONS_MAX; at++, parked = parked->next) {
		request_begin(parked->message, parked->length);
		if (find_question(fs, &look.questions[look.n]))
			look.n++;
		else
			parked->seen_stuck = 0;
	}
	look.passed = parked ? at : 0;
	request_end();
}

/* Ends the wait of a request that has been without end for some looks. */
static void judge(struct fs *fs, const struct question *question)
{
	struct parked *parked = parked_first();
	struct lock_outcome outcome;

	while (parked && (parked_unique(parked) & ~WIRE_UNIQUE_RESEND) != question->unique)
		parked = parked->next;
	if (!parked)
		return;
	parked->seen_stuck = question->waits ? parked->seen_stuck + 1 : 0;
	if (parked->seen_stuck < STUCK_LOOKS || !lock_cancel(&fs->state, question->unique, &outcome))
		return;
	outcome.result = -EDEADLK;
	resume_reply(fs, &outcome);
}

bool mandatory_end_stuck(struct fs *fs)
{
	switch (atomic_load_explicit(&look.state, memory_order_acquire)) {
	case LOOK_ASKS:
		ask_questions(fs);
		atomic_store(&look.state, look.n > 0 ? LOOK_LOOKS : LOOK_OVER);
		return false;
	case LOOK_ENDS:
		for (size_t i = 0; i < look.n; i++)
			judge(fs, &look.questions[i]);
		atomic_store(&look.state, LOOK_OVER);
		return true;
	default:
		return false;
	}
}
