// SPDX-License-Identifier: MIT
/*
 * Opening, making and closing regular files.
 */
#include "fs/fuse/passthrough.h"
#include "fs/fuse/reader.h"
#include "fs/fuse/reply.h"
#include "fs/fuse/request.h"
#include "fs/ops/ops.h"
#include "fs/segment/entry.h"
#include "fs/segment/lifetime.h"
#include "fs/segment/mandatory.h"
#include "fs/segment/opening.h"
#include "fs/segment/policy.h"
#include "fs/segment/set_id.h"
#include "fs/state/journal.h"
#include "lib/base/cleanup.h"

#include <errno.h>
#include <fcntl.h>

/* The file as it was is gone only once nothing else can fail. */
static int truncate_opened(struct opening *opening, int fd)
{
	const struct wire_open_in *in = request_body(sizeof(*in));
	struct stat before;
	int result = 0;

	if (!mandatory_is_on(opening->fs, opening->id) && fstat(fd, &before) == 0 && before.st_blocks >= SOURCE_SLOW_BLOCKS)
		reader_hand_over();
	if (opening->handed_over && !mandatory_still_admits(opening->fs))
		result = -EAGAIN;
	if (result == 0)
		result = policy_before_resize(opening->policy, fd, 0);
	if (result == 0 && ftruncate(fd, 0) < 0)
		result = -errno;
	else if (result == 0 && in && in->open_flags & WIRE_OPEN_KILL_SUIDGID)
		result = set_id_drop(opening->fs, opening->node);
	return result;
}

static bool is_control(const struct fs *fs, uint64_t id)
{
	const struct node_slot *node = node_get(&fs->state, id);

	return node && node->store == NODE_STORE_CONTROL;
}

static bool is_for_requester(const struct fs *fs, uint64_t id)
{
	const struct node_slot *node = node_get(&fs->state, id);

	return node && source_of(&fs->state, node)->as_requester;
}

static void drop_opened(const struct opening *opening)
{
	int backing_id;

	if (handle_remove(&opening->fs->state, opening->number, &backing_id) < 0)
		return;
	passthrough_close(opening->fs, backing_id);
	lifetime_closed(opening->policy);
}

static int open_node(struct opening *opening)
{
	int result;

	opening->node = node_get(&opening->fs->state, opening->id);
	if (!opening->node)
		return -ESTALE;
	/* the kernel opens nothing else here; a fifo would keep us waiting */
	if (opening->node->type != S_IFREG >> 12)
		return opening->node->type == S_IFDIR >> 12 ? -EISDIR : -ENXIO;
	opening->is_control = is_control(opening->fs, opening->id);
	opening->source = source_of(&opening->fs->state, opening->node);
	if (!opening->source->change && opening_writes(opening))
		return -EPERM;
	result = opening->source->admit ? opening->source->admit(&opening->fs->state, opening->node, opening->flags) : 0;
	if (result == 0)
		result = opening_establish(opening);
	if (result < 0)
		return result;
	result = set_id_admit(opening->fs, opening->node, opening->flags, opening_writes(opening));
	if (result == 0 && opening->flags & O_TRUNC) {
		const struct handle_slot *handle = handle_get(&opening->fs->state, opening->number);

		result = truncate_opened(opening, opening->fd >= 0 ? opening->fd : handle->fd);
	}
	if (result < 0)
		drop_opened(opening);
	return result;
}

void drop_earlier_attempt(struct fs *fs)
{
	const uint64_t number = handle_find_by_request(&fs->state, request_unique());
	int backing_id;

	if (!number || directory_close(fs, number) == 0)
		return;
	lock_drop_handle(&fs->state, handle_get(&fs->state, number)->node, number);
	handle_remove(&fs->state, number, &backing_id);
	passthrough_close(fs, backing_id);
}

static void release(struct fs *fs, uint64_t number)
{
	const struct handle_slot *handle = handle_get(&fs->state, number);
	const struct node_slot *node = handle ? node_get(&fs->state, handle->node) : NULL;
	uint32_t policy = node ? atomic_load(&node->policy) : 0;
	int backing_id;

	if (node && handle_writes(handle))
		policy_size_settled(&fs->state, node);
	if (handle_remove(&fs->state, number, &backing_id) == 0) {
		passthrough_close(fs, backing_id);
		lifetime_closed(policy);
	}
}

void op_withdrawn(struct fs *fs, uint64_t unique)
{
	uint64_t number = handle_find_by_request(&fs->state, unique);

	if (number)
		release(fs, number);
}

static void set_file_info(const struct opening *opening, struct fuse_file_info *file_info)
{
	file_info->fh = opening->number;
	file_info->backing_id = opening->backing_id;
	/* who waits for a lock in a write must not keep others from writing elsewhere */
	file_info->parallel_direct_writes = opening->mode == IO_MEDIATED;
	/* no page of the mount's stays right where others write past it */
	file_info->direct_io = opening->mode == IO_MEDIATED || opening->is_control ||
			       (opening->mode == IO_RELAYED && node_is_foreign(opening->node));
	file_info->keep_cache = opening->mode == IO_RELAYED && !file_info->direct_io;
	/* closing a descriptor gives up locks, so that the kernel has to say so; nobody locks what is under .segfs */
	file_info->noflush = opening->is_control || opening->fs->options.local_posix;
}

/* An open that was carried out before a worker died, and is refused now: it was the last one, perhaps. */
static void earlier_attempt_is_over(const struct fs *fs, uint64_t id)
{
	const struct node_slot *node = node_get(&fs->state, id);

	if (journal_is_again() && node)
		lifetime_closed(atomic_load(&node->policy));
}

void op_open(fuse_req_t req, fuse_ino_t id, struct fuse_file_info *file_info)
{
	struct fs *fs = fs_of(req);
	_cleanup_opening_ struct opening opening = {
		.fs = fs,
		.id = id,
		.flags = file_info->flags,
		.pid = fuse_req_ctx(req)->pid,
		.uid = fuse_req_ctx(req)->uid,
		.fd = -1,
		.path_fd = -1,
	};
	int result = 0;

	if (journal_is_again())
		drop_earlier_attempt(fs);
	if (is_for_requester(fs, id))
		result = request_identity(req);
	if (result == 0)
		result = open_node(&opening);
	if (result < 0) {
		earlier_attempt_is_over(fs, id);
		reply_status(req, result);
		return;
	}
	set_file_info(&opening, file_info);
	if (fuse_reply_open(req, file_info) < 0)
		release(fs, opening.number);
}

/* Makes the file, its node and its handle, or nothing. */
static int create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, struct opening *opening,
		  struct fuse_entry_param *entry)
{
	struct fs *fs = opening->fs;
	const struct node_slot *dir = node_get(&fs->state, parent);
	struct source_file file = {.fd = -1};
	char text[POLICY_TEXT_MAX];
	struct policy policy;
	int result;

	if (!dir)
		return -ESTALE;
	opening->source = source_of(&fs->state, dir);
	if (!opening->source->create || (name && source_find_builtin(&fs->state, parent, name)))
		return -EPERM;
	result = policy_inherit(&fs->state, dir, true, &policy, text);
	if (result == 0)
		result = request_identity(req);
	if (result < 0)
		return result;
	opening->fd = opening->source->create(&fs->state, dir, name, mode,
					      (opening->flags & OPENING_FLAGS) | (name ? 0 : opening->flags & O_EXCL),
					      text, &file);
	if (opening->fd < 0)
		return opening->fd;
	opening->flags &= ~O_TRUNC; /* it is empty */
	opening->is_new = true;
	opening->mode_bits = file.stat.st_mode;
	result = entry_from_file(fs, &file, entry);
	if (result == 0) {
		opening->id = entry->ino;
		opening->node = node_get(&fs->state, entry->ino);
		if (policy_made(&fs->state, entry->ino, true, &policy))
			lifetime_changed(entry->ino);
		result = opening->node ? opening_establish(opening) : -ESTALE;
		if (result < 0)
			entry_forget(fs, entry->ino, 1);
	}
	if (result < 0 && name) {
		journal_begin_anew();
		opening->source->remove(&fs->state, dir, name, 0);
	}
	return result;
}

static void create_and_reply(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
			     struct fuse_file_info *file_info)
{
	struct fs *fs = fs_of(req);
	_cleanup_opening_ struct opening opening = {
		.fs = fs,
		.flags = file_info->flags,
		.pid = fuse_req_ctx(req)->pid,
		.uid = fuse_req_ctx(req)->uid,
		.fd = -1,
		.path_fd = -1,
	};
	struct fuse_entry_param entry;
	int result;

	if (journal_is_again())
		drop_earlier_attempt(fs);
	result = create(req, parent, name, mode, &opening, &entry);
	/*
	 * The name came into being after the kernel's lookup. With ESTALE the kernel starts over, finds the name, and
	 * checks whether the caller may open what it leads to.
	 */
	if (result == -EEXIST && !(file_info->flags & O_EXCL))
		result = -ESTALE;
	if (result < 0) {
		reply_status(req, result);
		return;
	}
	set_file_info(&opening, file_info);
	if (fuse_reply_create(req, &entry, file_info) < 0) {
		release(fs, opening.number);
		entry_forget(fs, entry.ino, 1);
	}
}

void op_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, struct fuse_file_info *file_info)
{
	create_and_reply(req, parent, name, mode, file_info);
}

void op_tmpfile(fuse_req_t req, fuse_ino_t parent, mode_t mode, struct fuse_file_info *file_info)
{
	create_and_reply(req, parent, NULL, mode, file_info);
}

void op_release_raw(struct fs *fs)
{
	const struct wire_release_in *in = request_body(sizeof(*in));
	const struct handle_slot *handle = in ? handle_get(&fs->state, in->handle) : NULL;
	bool is_other = handle && handle->kind == HANDLE_DIRECTORY;

	if (handle && !is_other)
		release(fs, in->handle);
	request_answer_raw(fs, !in ? -EINVAL : is_other ? -EBADF : 0, NULL, 0);
}
