// SPDX-License-Identifier: MIT
/*
 * fcntl(2) and flock(2) locks, for all users of the mount. A waiting request is a slot in the arena; it uses
 * no heap memory.
 */
#include "fs/fuse/deferral.h"
#include "fs/fuse/interrupt.h"
#include "fs/fuse/reader.h"
#include "fs/fuse/reply.h"
#include "fs/ops/internal.h"
#include "fs/segment/parked.h"
#include "fs/segment/policy.h"
#include "fs/state/message.h"
#include "lib/base/procfs.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>

/* Requests whose threads are being inspected, and which an INTERRUPT does not find in the queue yet. */
struct inspection {
	struct inspection *next;
	uint64_t unique;  /* of the request */
	bool interrupted; /* an INTERRUPT came for it */
};

static struct {
	pthread_mutex_t lock; /* guards the list and its elements; a leaf */
	struct inspection *first;
} inspections = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void inspection_begin(struct inspection *inspection)
{
	pthread_mutex_lock(&inspections.lock);
	inspection->next = inspections.first;
	inspections.first = inspection;
	pthread_mutex_unlock(&inspections.lock);
}

static void inspection_end(const struct inspection *inspection)
{
	struct inspection **at = &inspections.first;

	pthread_mutex_lock(&inspections.lock);
	while (*at != inspection)
		at = &(*at)->next;
	*at = inspection->next;
	pthread_mutex_unlock(&inspections.lock);
}

static bool inspection_interrupt(uint64_t unique)
{
	struct inspection *inspection;

	pthread_mutex_lock(&inspections.lock);
	for (inspection = inspections.first; inspection && inspection->unique != unique;
	     inspection = inspection->next)
		;
	if (inspection)
		inspection->interrupted = true;
	pthread_mutex_unlock(&inspections.lock);
	return inspection != NULL;
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
 * Finds out whether the lock's owner is a process or an open file description: the kernel identifies both by
 * the same kind of number. The requester is blocked in fcntl(2), whose command can be inspected, while
 * another thread reads. Only done where locks are mandatory: elsewhere it makes no difference. For a replay
 * the reader does not hand over, so that all replays come before new requests.
 * Returns 0; EINTR if it was interrupted meanwhile.
 */
static int find_holder(struct request *request, enum lock_holder *holder)
{
	struct state *state = &request->fs->state;
	const struct node_slot *node = request_node(request);
	struct inspection inspection = {.unique = request->unique};

	*holder = LOCK_OF_UNKNOWN;
	if (!node || !(policy_word(state, node) & NODE_POLICY_MANDATORY))
		return 0;
	inspection_begin(&inspection);
	if (!request->is_replay)
		reader_hand_over();
	*holder = holder_of_command(procfs_fcntl_command(request_pid(request)));
	reader_take_back();
	inspection_end(&inspection);
	return inspection.interrupted ? -EINTR : 0;
}

/*
 * Fills a lock request from the message. Returns 0; ENOSYS if the kernel keeps the locks; EBADF unless the
 * handle is a file's, of this node; EINVAL; EINTR.
 */
static int read_request(struct request *request, struct lock_request *lock)
{
	const struct fuse_lk_in *in = request->body;
	const struct handle_slot *handle;
	enum lock_holder holder = LOCK_OF_UNKNOWN;
	int result = 0;

	/* no kernel sends it then, and nothing would drop the lock */
	if (!fs_keeps_locks(request->fs))
		return -ENOSYS;
	if (in->lk.type > F_UNLCK || in->lk.start > in->lk.end)
		return -EINVAL;
	if (!(in->lk_flags & FUSE_LK_FLOCK) && in->lk.type != F_UNLCK)
		result = find_holder(request, &holder);
	if (result < 0)
		return result;
	/* the handle keeps the node as long as it has locks, and its release drops them */
	handle = handle_get(&request->fs->state, in->fh);
	if (!handle || handle->node != request->node || handle->kind == HANDLE_DIRECTORY)
		return -EBADF;
	*lock = (struct lock_request){
		.node = request->node,
		.owner = in->owner,
		.handle = in->fh,
		.unique = request->unique,
		.start = in->lk.start,
		.end = in->lk.end >= INT64_MAX ? LOCK_END : in->lk.end,
		.pid = (int32_t)in->lk.pid,
		.holder = holder,
		.kind = in->lk_flags & FUSE_LK_FLOCK ? LOCK_FLOCK : LOCK_RANGE,
		.type = in->lk.type == F_RDLCK   ? LOCK_SHARED
			: in->lk.type == F_WRLCK ? LOCK_EXCLUSIVE
						 : LOCK_NONE,
	};
	return 0;
}

int op_getlk(struct request *request)
{
	struct fuse_lk_out out = {.lk.type = F_UNLCK};
	struct lock_request lock;
	struct lock_entry conflict;
	int result = read_request(request, &lock);

	if (result == 0 && lock.type == LOCK_NONE)
		result = -EINVAL;
	if (result < 0)
		return result;
	if (lock_test(&request->fs->state, &lock, &conflict)) {
		out.lk.start = conflict.start;
		out.lk.end = conflict.end == LOCK_END ? INT64_MAX : conflict.end;
		out.lk.type = conflict.type == LOCK_SHARED ? F_RDLCK : F_WRLCK;
		out.lk.pid = (uint32_t)conflict.pid;
	}
	reply_data(request, &out, sizeof(out));
	return 0;
}

int op_setlk(struct request *request)
{
	struct lock_request lock;
	int result = read_request(request, &lock);

	return result < 0 ? result : lock_set(&request->fs->state, &lock);
}

/* Stores the request for the next worker. Returns false without memory; the request no longer waits then. */
static bool wait_for_lock(struct request *request)
{
	struct state *state = &request->fs->state;
	struct lock_outcome outcome;

	/* a request that cannot be cancelled was decided, and gets its reply by lock_next_outcome() */
	if (message_save(state, request->unique, request->header, request->length) < 0 &&
	    lock_cancel(state, request->unique, &outcome))
		return false;
	reply_later(request);
	return true;
}

int op_setlkw(struct request *request)
{
	struct lock_request lock;
	int result = read_request(request, &lock);

	if (result < 0)
		return result;
	if (lock.type == LOCK_NONE)
		return lock_set(&request->fs->state, &lock);
	result = lock_wait(&request->fs->state, &lock, request->unique);
	if (result == -EINPROGRESS && wait_for_lock(request))
		result = 0;
	return result == -EINPROGRESS ? -ENOLCK : result;
}

/* Ends a deferred request that has not been begun. Returns false if there is none. */
static bool interrupt_deferred(struct fs *fs, uint64_t unique)
{
	struct deferred *deferred = deferral_cancel(unique);

	if (!deferred)
		return false;
	reply_to(fs, ((const struct fuse_in_header *)deferred->message)->unique, -EINTR);
	deferral_free(&fs->state, deferred);
	return true;
}

int op_interrupt(struct request *request)
{
	const struct fuse_interrupt_in *in = request->body;
	const uint64_t unique = in->unique;
	struct lock_outcome outcome;

	/* otherwise the request has ended; an INTERRUPT needs no reply */
	if (lock_cancel(&request->fs->state, unique, &outcome))
		parked_reply(request->fs, &outcome);
	else if (!inspection_interrupt(unique) && !interrupt_deferred(request->fs, unique))
		interrupt_request(unique);
	return 0;
}
