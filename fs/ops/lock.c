// SPDX-License-Identifier: MIT
/*
 * Locks of fcntl(2) and flock(2), for all users of the mount. A request that waits is a slot in the arena, and no memory.
 */
#include "fs/fuse/aside.h"
#include "fs/fuse/interrupt.h"
#include "fs/fuse/reader.h"
#include "fs/fuse/reply.h"
#include "fs/ops/internal.h"
#include "fs/segment/parked.h"
#include "fs/segment/policy.h"
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
static int find_holder(struct request *request, enum lock_holder *holder)
{
	struct state *state = &request->fs->state;
	const struct node_slot *node = request_node(request);
	struct look look = {.unique = request->unique};

	*holder = LOCK_OF_UNKNOWN;
	if (!node || !(policy_word(state, node) & NODE_POLICY_MANDATORY))
		return 0;
	look_begin(&look);
	if (!request->is_again)
		reader_hand_over();
	*holder = holder_of_command(procfs_fcntl_command(request_pid(request)));
	reader_take_back();
	look_end(&look);
	return look.interrupted ? -EINTR : 0;
}

/* Fills a request from the message. Returns 0; EBADF for a handle that is no open of the node; EINVAL; EINTR. */
static int read_request(struct request *request, struct lock_request *lock)
{
	const struct fuse_lk_in *in = request->body;
	const struct handle_slot *handle;
	enum lock_holder holder = LOCK_OF_UNKNOWN;
	int result = 0;

	if (in->lk.type > F_UNLCK || in->lk.start > in->lk.end)
		return -EINVAL;
	if (!(in->lk_flags & FUSE_LK_FLOCK) && in->lk.type != F_UNLCK)
		result = find_holder(request, &holder);
	if (result < 0)
		return result;
	/* which keeps the node for as long as there are locks, and takes them away when it goes */
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
		.type = in->lk.type == F_RDLCK ? LOCK_SHARED : in->lk.type == F_WRLCK ? LOCK_EXCLUSIVE : LOCK_NONE,
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

int op_setlkw(struct request *request)
{
	struct lock_request lock;
	int result = read_request(request, &lock);

	if (result < 0)
		return result;
	if (lock.type == LOCK_NONE)
		return lock_set(&request->fs->state, &lock);
	result = lock_wait(&request->fs->state, &lock, request->header->unique);
	if (result != -EINPROGRESS)
		return result;
	reply_later(request);
	return 0;
}

/* A request that waits for its turn to look into processes. */
static bool end_aside(struct fs *fs, uint64_t unique)
{
	struct aside *aside = aside_cancel(unique);

	if (!aside)
		return false;
	reply_to(fs, ((const struct fuse_in_header *)aside->message)->unique, -EINTR);
	aside_free(&fs->state, aside);
	return true;
}

int op_interrupt(struct request *request)
{
	const struct fuse_interrupt_in *in = request->body;
	const uint64_t unique = in->unique & ~FUSE_UNIQUE_RESEND;
	struct lock_outcome outcome;

	/* else it is over: its INTERRUPT needs no reply */
	if (lock_cancel(&request->fs->state, unique, &outcome))
		parked_reply(request->fs, &outcome);
	else if (!look_interrupt(unique) && !end_aside(request->fs, unique))
		interrupt_request(unique);
	return 0;
}
