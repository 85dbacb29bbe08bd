// SPDX-License-Identifier: MIT
/*
 * Locks of fcntl(2) and flock(2), for all users of the mount. All past libfuse: a request that waits is a slot in the arena and
 * no memory of libfuse's, and closing a descriptor has to give up locks also when there is no memory at all.
 */
#include "fs/fuse/aside.h"
#include "fs/fuse/reader.h"
#include "fs/fuse/request.h"
#include "fs/ops/ops.h"
#include "fs/segment/policy.h"
#include "fs/segment/resume.h"
#include "fs/source/source.h"
#include "fs/state/lock.h"
#include "fs/state/node.h"
#include "lib/base/procfs.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>

/*
 * Requests whose threads are being looked at, which no INTERRUPT finds among those that wait for locks yet.
 */
struct look {
	struct look *next;
	uint64_t unique;  /* of the request */
	bool interrupted; /* an INTERRUPT came for it */
};

static struct {
	pthread_mutex_t lock; /* guards the list, and what is in it; a leaf */
	struct look *first;
} looks = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void look_begin(struct look *look)
{
	pthread_mutex_lock(&looks.lock);
	look->next = looks.first;
	looks.first = look;
	pthread_mutex_unlock(&looks.lock);
}

static void look_end(const struct look *look)
{
	struct look **at = &looks.first;

	pthread_mutex_lock(&looks.lock);
	while (*at != look)
		at = &(*at)->next;
	*at = look->next;
	pthread_mutex_unlock(&looks.lock);
}

static bool look_interrupt(uint64_t unique)
{
	struct look *look;

	pthread_mutex_lock(&looks.lock);
	for (look = looks.first; look && look->unique != unique; look = look->next)
		;
	if (look)
		look->interrupted = true;
	pthread_mutex_unlock(&looks.lock);
	return look != NULL;
}

static enum lock_holder holder_of_command(int command)
{
	switch (command) {
	case F_OFD_GETLK:
	case F_OFD_SETLK:
	case F_OFD_SETLKW:
		return LOCK_OF_OPEN;
	case F_GETLK:
	case F_SETLK:
	case F_SETLKW:
		return LOCK_OF_PROCESS;
	default:
		return LOCK_OF_UNKNOWN;
	}
}

/*
 * Whose lock is asked for: the kernel tells processes and open file descriptions by one kind of number. The requester waits in
 * fcntl(2), where it can be seen what it has called; worth a look, during which another thread reads, only where I/O depends on it.
 * A request that is sent again has its place among others that are, and keeps it.
 * Returns 0; EINTR where it was interrupted meanwhile.
 */
static int find_holder(struct fs *fs, enum lock_holder *holder)
{
	const struct node_slot *node = node_get(&fs->state, request_node());
	struct look look = {.unique = request_unique()};

	*holder = LOCK_OF_UNKNOWN;
	if (!node || !(policy_word(&fs->state, node) & NODE_POLICY_MANDATORY))
		return 0;
	look_begin(&look);
	if (!request_is_resent())
		reader_hand_over();
	*holder = holder_of_command(procfs_fcntl_command(request_pid()));
	reader_take_back();
	look_end(&look);
	return look.interrupted ? -EINTR : 0;
}

/* Fills a request from the message. Returns 0; EBADF for a handle that is no open of the node; EINVAL; EINTR. */
static int read_request(struct fs *fs, struct lock_request *request)
{
	const struct wire_lk_in *in = request_body(sizeof(*in));
	const struct handle_slot *handle;
	enum lock_holder holder = LOCK_OF_UNKNOWN;
	int result = 0;

	if (!in || in->lock.type > F_UNLCK || in->lock.start > in->lock.end)
		return -EINVAL;
	if (!(in->lk_flags & WIRE_LK_FLOCK) && in->lock.type != F_UNLCK)
		result = find_holder(fs, &holder);
	if (result < 0)
		return result;
	/* which keeps the node for as long as there are locks, and takes them away when it goes */
	handle = handle_get(&fs->state, in->handle);
	if (!handle || handle->node != request_node() || handle->kind == HANDLE_DIRECTORY)
		return -EBADF;
	*request = (struct lock_request){
		.node = request_node(),
		.owner = in->owner,
		.handle = in->handle,
		.unique = request_unique(),
		.start = in->lock.start,
		.end = in->lock.end >= INT64_MAX ? LOCK_END : in->lock.end,
		.pid = (int32_t)in->lock.pid,
		.holder = holder,
		.kind = in->lk_flags & WIRE_LK_FLOCK ? LOCK_FLOCK : LOCK_RANGE,
		.type = in->lock.type == F_RDLCK ? LOCK_SHARED : in->lock.type == F_WRLCK ? LOCK_EXCLUSIVE : LOCK_NONE,
	};
	return 0;
}

void op_getlk_raw(struct fs *fs)
{
	struct wire_lock out = {.type = F_UNLCK};
	struct lock_request request;
	struct lock_entry conflict;
	int result = read_request(fs, &request);

	if (result == 0 && request.type == LOCK_NONE)
		result = -EINVAL;
	if (result == 0 && lock_test(&fs->state, &request, &conflict)) {
		out.start = conflict.start;
		out.end = conflict.end == LOCK_END ? INT64_MAX : conflict.end;
		out.type = conflict.type == LOCK_SHARED ? F_RDLCK : F_WRLCK;
		out.pid = (uint32_t)conflict.pid;
	}
	request_answer_raw(fs, result, &out, sizeof(out));
}

void op_setlk_raw(struct fs *fs, bool wait)
{
	struct lock_request request;
	int result = read_request(fs, &request);

	if (result == 0 && wait && request.type != LOCK_NONE)
		result = lock_wait(&fs->state, &request, request_tag());
	else if (result == 0)
		result = lock_set(&fs->state, &request);
	if (result != -EINPROGRESS)
		request_answer_raw(fs, result, NULL, 0);
}

/* What close(2) is to return: EINVAL for a file that was made and never given the size without which it comes to nothing. */
static int close_status(struct fs *fs)
{
	const struct node_slot *node = node_get(&fs->state, request_node());

	return node && source_is_unsized(&fs->state, node) ? -EINVAL : 0;
}

/* close(2), of any descriptor of the file: a process loses what locks of fcntl(2) it has on it. */
void op_flush_raw(struct fs *fs)
{
	const struct wire_flush_in *in = request_body(sizeof(*in));

	if (in && node_get(&fs->state, request_node()))
		lock_drop_owner(&fs->state, request_node(), in->lock_owner, LOCK_RANGE);
	request_answer_raw(fs, in ? close_status(fs) : -EINVAL, NULL, 0);
}

void locks_release(struct fs *fs)
{
	const struct wire_release_in *in = request_body(sizeof(*in));
	const struct handle_slot *handle = in ? handle_get(&fs->state, in->handle) : NULL;

	if (handle)
		lock_drop_handle(&fs->state, handle->node, in->handle);
}

/* A request that waits for its turn to look into processes. */
static bool end_aside(struct fs *fs, uint64_t unique)
{
	struct aside *aside = aside_cancel(unique);

	if (!aside)
		return false;
	request_answer_tag(fs, ((const struct wire_in_header *)aside->message)->unique, -EINTR);
	aside_free(&fs->state, aside);
	return true;
}

bool op_interrupt_raw(struct fs *fs)
{
	const struct wire_interrupt_in *in = request_body(sizeof(*in));
	uint64_t unique = in ? in->unique & ~WIRE_UNIQUE_RESEND : 0;
	struct lock_outcome outcome;

	if (!in)
		return false;
	if (lock_cancel(&fs->state, unique, &outcome)) {
		resume_reply(fs, &outcome);
		return true;
	}
	return look_interrupt(unique) || end_aside(fs, unique);
}
