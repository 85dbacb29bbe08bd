// SPDX-License-Identifier: MIT
#include "fs/fuse/dispatch.h"
#include "fs/fuse/passthrough.h"
#include "fs/fuse/reader.h"
#include "fs/fuse/reply.h"
#include "fs/source/fd_cache.h"
#include "fs/source/requester.h"
#include "fs/source/source.h"
#include "fs/state/journal.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

/* nanoseconds between two makes_room(): a user who keeps a store full must not slow down everybody's opens */
#define ROOM_PAUSE 100000000

static bool is_excluded(const struct request *request)
{
	const uid_t user = request_uid(request);

	return request->fs->options.allow_root && user != 0 && user != geteuid() &&
	       !(request->operation->flags & OPERATION_ANY_USER);
}

/*
 * A store is full. Passthrough ids and cached descriptors of closed segments pin files that were removed
 * behind the mount, with their memory: closes these. Returns whether the request is to be carried out again.
 */
static bool makes_room(struct request *request, int result)
{
	static _Atomic uint64_t next; /* CLOCK_MONOTONIC, nanoseconds */
	struct state *state = &request->fs->state;
	uint64_t now;

	if ((result != -ENOSPC && result != -EDQUOT) || request->has_reply ||
	    request->fs->operations->is_mandatory(request))
		return false;
	now = monotonic_nanoseconds();
	if (now < atomic_load(&next))
		return false;
	atomic_store(&next, now + ROOM_PAUSE);
	reader_hand_over();
	if (passthrough_trim(state, 0) + fd_cache_clear(state) == 0)
		return false;
	journal_begin_undo(&request->journal);
	return true;
}

static void run(struct request *request)
{
	const struct operation *operation = request->operation;
	int result = is_excluded(request) ? -EACCES : operation->run(request);

	if (result < 0 && makes_room(request, result))
		result = operation->run(request);
	if (request->fs->options.debug)
		log_write(LOG_ERR, "%s of node %#llx, request %llu of process %u: %d", operation->name,
			  (unsigned long long)request->node, (unsigned long long)request->unique,
			  request->header->pid, result);
	if (!request->has_reply && !(operation->flags & OPERATION_NO_REPLY))
		reply_status(request, result);
}

/*
 * A worker that died has carried the request out and saved the reply. If the kernel does not take it, nobody
 * has the handle.
 */
static void send_saved_reply(struct request *request)
{
	if (!reply_from_journal(request) && request->operation->flags & OPERATION_OPENS)
		request->fs->operations->undo_open(request->fs, request->unique);
}

/* The path of a node below the mount, if it is known. */
static const char *path_of_node(const struct fs *fs, uint64_t id, char path[PATH_MAX])
{
	const struct node_slot *node = node_get(&fs->state, id);

	path[0] = '/';
	path[1] = 0;
	if (node && node_index_of(id) != NODE_ROOT &&
	    (!source_of(&fs->state, node)->path ||
	     source_of(&fs->state, node)->path(&fs->state, node, path + 1, PATH_MAX - 1) < 0))
		snprintf(path, PATH_MAX, "a file without a name");
	return path;
}

static void refuse_poison(struct request *request)
{
	char path[PATH_MAX];

	log_error("%s of node %#llx (%s), requested by process %u of user %u: %u workers have died over it; "
		  "replying EIO",
		  request->operation->name, (unsigned long long)request->node,
		  path_of_node(request->fs, request->node, path), request->header->pid, request->header->uid,
		  journal_deaths(&request->journal));
	reply_status(request, -EIO);
}

static void run_once(struct request *request, bool unbounded)
{
	const struct journal_request entry = {
		.unique = request->unique,
		.node = request->node,
		.opcode = request->header->opcode,
		.pid = request_pid(request),
		.uid = request_uid(request),
		.unbounded = unbounded,
	};

	switch (journal_begin(&request->journal, &entry)) {
	case JOURNAL_NEW:
	case JOURNAL_REPLAY:
		run(request);
		break;
	case JOURNAL_REPLIED:
		send_saved_reply(request);
		break;
	case JOURNAL_POISON:
		refuse_poison(request);
		break;
	}
	journal_end(&request->journal);
}

void dispatch(struct request *request, bool unbounded)
{
	const uint32_t opcode = request->header->opcode;

	if (opcode < ARENA_OPERATIONS)
		atomic_fetch_add(&request->fs->state.arena->header->operations[opcode], 1);
	requester_set(request_pid(request), request_uid(request), request_gid(request));
	/* a request without a reply is never replayed, and needs no journal entry */
	if (request->operation->flags & OPERATION_NO_REPLY)
		run(request);
	else
		run_once(request, unbounded);
	requester_clear();
}
