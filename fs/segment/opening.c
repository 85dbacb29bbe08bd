// SPDX-License-Identifier: MIT
#include "fs/segment/opening.h"
#include "fs/fuse/passthrough.h"
#include "fs/fuse/prune.h"
#include "fs/fuse/reader.h"
#include "fs/fuse/request.h"
#include "fs/segment/attached.h"
#include "fs/segment/lifetime.h"
#include "fs/segment/mandatory.h"
#include "fs/segment/policy.h"
#include "fs/segment/set_id.h"

#include <errno.h>

bool opening_writes(const struct opening *opening)
{
	return (opening->flags & O_ACCMODE) != O_RDONLY || opening->flags & O_TRUNC;
}

/* The requester need not be able to read an executable, so the daemon opens it with its own permissions. */
static int open_as(const struct opening *opening, int flags)
{
	bool by_requester = opening->source->open_as_requester && !(opening->flags & SOURCE_OPEN_TO_EXECUTE);

	return (by_requester ? opening->source->open_as_requester
			     : opening->source->open)(&opening->fs->state, opening->node, flags);
}

/* Opens the backing file for all that the open permits, unless it is open already. */
static int open_fully(struct opening *opening)
{
	int flags = opening->flags & OPENING_FLAGS;

	if (opening->fd >= 0)
		return 0;
	if (opening->flags & O_TRUNC && (flags & O_ACCMODE) == O_RDONLY)
		flags = (flags & ~O_ACCMODE) | O_RDWR;
	opening->fd = open_as(opening, flags);
	/* an append-only file (chattr +a) must be opened with O_APPEND */
	if (opening->fd == -EPERM && opening->flags & O_APPEND)
		opening->fd = open_as(opening, flags | O_APPEND);
	return opening->fd < 0 ? opening->fd : 0;
}

/*
 * The kernel opens the backing file itself, by the path of this descriptor, which it holds as long as the
 * passthrough id exists. The descriptor is O_PATH, so that the id does not count as an open.
 */
static int open_to_register(struct opening *opening)
{
	if (opening->path_fd < 0)
		opening->path_fd = opening->source->open(&opening->fs->state, opening->node, O_PATH);
	return opening->path_fd < 0 ? opening->path_fd : 0;
}

/* Whether the daemon must see reads and writes. */
static bool policy_wants_mediation(const struct opening *opening)
{
	const uint32_t of_writers = NODE_POLICY_FIXED | NODE_POLICY_COMMIT;

	return opening->policy & NODE_POLICY_MANDATORY ||
	       (opening->policy & of_writers && opening_writes(opening));
}

/*
 * Chooses the mode. It is direct, unless
 * - the kernel supports no passthrough, or has refused this file: relayed, but mediated if locks are
 *   mandatory, so that reads bypass the page cache;
 * - it is a file under .segfs: its text is generated at the open, and only the handle's descriptor holds it;
 * - a policy requires mediation;
 * - it appends: the kernel opens the backing file with O_APPEND for good, but fcntl(2) may clear the flag;
 * - the file has set-id bits, which a write by another user must drop: with FUSE_HANDLE_KILLPRIV_V2, only a
 *   WRITE request says so; without it, each write would first read an attribute.
 */
static int choose_mode(struct opening *opening)
{
	const struct fs *fs = opening->fs;
	int result;

	opening->registered = fs->passthrough && fs->options.io_mode != IO_RELAYED &&
			      !opening_is_control(opening) &&
			      !(atomic_load(&opening->node->flags) & NODE_REFUSED);
	opening->mode =
		opening->registered || opening->policy & NODE_POLICY_MANDATORY ? IO_MEDIATED : IO_RELAYED;
	if (!opening->registered || fs->options.io_mode == IO_MEDIATED || policy_wants_mediation(opening) ||
	    (opening_writes(opening) && opening->flags & O_APPEND))
		return 0;
	if (opening_writes(opening)) {
		if (!opening->is_new) {
			result = opening->source->writable(&opening->fs->state, opening->node,
							   &opening->mode_bits);
			if (result < 0)
				return result;
		}
		if (set_id_has(opening->mode_bits))
			return 0;
	}
	opening->mode = IO_DIRECT;
	return 0;
}

/* Whether the kernel never takes this kind of file as a backing file. Other errors are temporary. */
static bool is_refusal(int result)
{
	return result == -ELOOP || result == -EINVAL || result == -EOPNOTSUPP || result == -EPERM ||
	       result == -ENODEV || result == -EISDIR;
}

static int register_backing(void *context)
{
	const struct opening *opening = context;

	return opening->path_fd < 0 ? -EAGAIN : passthrough_open(opening->fs, opening->path_fd);
}

/* file: the file that was made by this open, without a node; NULL = there is a node. */
static int add_handle(struct opening *opening, const struct node_new *file)
{
	struct state *state = &opening->fs->state;
	struct handle_open open = {
		.node = opening->id,
		.unique = opening->request->unique,
		.flags = (uint32_t)opening->flags,
		.pid = request_pid(opening->request),
		.uid = request_uid(opening->request),
		.mode = opening->mode,
		.kind = opening_is_control(opening) ? HANDLE_CONTROL : HANDLE_FILE,
		.policy = opening->policy,
		.views = opening->views,
		.closes = opening->closes,
		.is_new = opening->is_new,
		.register_backing = opening->registered ? register_backing : NULL,
		.context = opening,
	};
	int none = -1;
	/* in direct mode no request needs the descriptor */
	int *fd = opening->mode == IO_DIRECT ? &none : &opening->fd;
	int result;

	if (!file)
		return handle_add(state, &open, fd, &opening->number, &opening->backing_id);
	result = handle_add_new(state, file, &open, fd, &opening->number, &opening->backing_id);
	opening->id = open.node;
	return result;
}

/* An external file may vanish, so an open node holds an O_PATH descriptor of it, which is no open. */
static bool needs_pin(const struct opening *opening)
{
	return node_is_external(opening->node) && atomic_load(&opening->node->fd) < 0;
}

/*
 * Opens what the mode needs. A direct open of a node with a known passthrough id needs nothing. What pins the
 * file is opened before the handle exists: afterwards the file may be gone, and the open would not show it.
 */
static int open_for_mode(struct opening *opening, bool id_known)
{
	int result = (opening->registered && !id_known) || needs_pin(opening) ? open_to_register(opening) : 0;

	if (result == 0 && (opening->mode != IO_DIRECT || opening->flags & O_TRUNC))
		result = open_fully(opening);
	/* a refused open must not count as an open: it would end the segment's lifetime, or extend it */
	if (result == 0 && opening->flags & O_TRUNC)
		result = policy_before_resize(opening->policy, opening->fd, 0);
	return result;
}

/* Counts the writers with only a view, if writers are limited. Another thread is the reader meanwhile. */
static int count_views(struct opening *opening)
{
	const uint32_t limit = node_policy_writers(opening->policy);
	int result;

	opening->views = 0;
	if (limit == 0 || (opening->flags & O_ACCMODE) == O_RDONLY || opening->is_new)
		return 0;
	opening->closes = handle_closes(&opening->fs->state, opening->id);
	result = attached_writers(opening->fs, opening->id, opening->node, limit, &opening->views);
	/* the reader must do the truncation, after it has checked the locks again */
	if (opening->policy & NODE_POLICY_MANDATORY && opening->flags & O_TRUNC && !reader_is_self()) {
		reader_take_back();
		opening->handed_over = true;
	}
	return result;
}

/*
 * Gives the node what pins it, now that the handle keeps that open. Returns false, without the handle, if
 * another open pinned it before and has been closed since.
 */
static bool pin(struct opening *opening)
{
	int backing_id;

	if (!needs_pin(opening))
		return true;
	if (opening->path_fd >= 0) {
		node_add_fd(&opening->fs->state, opening->id, &opening->path_fd);
		return true;
	}
	if (handle_remove(&opening->fs->state, opening->number, &backing_id) == 0)
		passthrough_close(opening->fs, backing_id);
	return false;
}

int opening_establish(struct opening *opening)
{
	bool id_known = atomic_load(&opening->node->backing_id) > 0;

	for (;;) {
		int result = policy_find(&opening->fs->state, opening->node, &opening->policy);

		if (result < 0)
			return result;
		if (opening->policy & NODE_POLICY_MANDATORY)
			result = mandatory_available(opening->fs);
		if (result == 0)
			result = count_views(opening);
		if (result == 0)
			result = choose_mode(opening);
		if (result == 0)
			result = open_for_mode(opening, id_known);
		if (result < 0)
			return result;
		result = add_handle(opening, NULL);
		if (result == 0 && !pin(opening))
			result = -EAGAIN;
		if (result == -EAGAIN) {
			/*
			 * Another thread has closed the id or what pinned the file, or changed the policy,
			 * since they were read.
			 */
			id_known = atomic_load(&opening->node->backing_id) > 0;
		} else if (is_refusal(result) && opening->registered) {
			atomic_fetch_or(&opening->node->flags, NODE_REFUSED);
		} else {
			if (result == 0)
				lifetime_opened(opening->fs, opening->id, opening->policy);
			return result;
		}
	}
}

/* node_fd: the descriptor that the node of a new file is to hold, or -1: the file is registered by a copy. */
static int open_new_for_mode(struct opening *opening, int node_fd)
{
	if (opening->registered && node_fd >= 0) {
		opening->path_fd = fcntl(node_fd, F_DUPFD_CLOEXEC, 0);
		if (opening->path_fd < 0)
			return -errno;
	}
	return open_for_mode(opening, false);
}

int opening_establish_new(struct opening *opening, const struct node_new *file)
{
	struct state *state = &opening->fs->state;
	struct node_slot draft = {0};
	int result;

	node_draft(file, &draft);
	opening->node = &draft;
	opening->policy = file->policy;
	result = opening->policy & NODE_POLICY_MANDATORY ? mandatory_available(opening->fs) : 0;
	if (result == 0)
		result = choose_mode(opening);
	if (result == 0)
		result = open_new_for_mode(opening, *file->fd);
	if (result == 0)
		result = add_handle(opening, file);
	if (result == -ENFILE && !opening->id && prune_for_room(opening->fs))
		result = add_handle(opening, file);
	opening->node = node_get(state, opening->id);
	if (!opening->node)
		return result < 0 ? result : -ESTALE;
	if (is_refusal(result) && opening->registered) {
		atomic_fetch_or(&opening->node->flags, NODE_REFUSED);
		return opening_establish(opening);
	}
	if (result == 0)
		lifetime_opened(opening->fs, opening->id, opening->policy);
	return result;
}
