// SPDX-License-Identifier: MIT
/*
 * Opening and creating regular files.
 */
#include "fs/fuse/passthrough.h"
#include "fs/fuse/reader.h"
#include "fs/fuse/reply.h"
#include "fs/ops/close.h"
#include "fs/ops/internal.h"
#include "fs/segment/entry.h"
#include "fs/segment/lifetime.h"
#include "fs/segment/mandatory.h"
#include "fs/segment/opening.h"
#include "fs/segment/policy.h"
#include "fs/segment/set_id.h"
#include "fs/state/journal.h"
#include "lib/base/cleanup.h"
#include "lib/base/procfs.h"

#include <errno.h>
#include <fcntl.h>

/* Truncates last, when nothing else can fail. */
static int truncate_opened(struct opening *opening, int fd)
{
	const struct fuse_open_in *in = opening->request->body;
	struct stat before;
	int result = 0;

	if (!mandatory_is_on(opening->fs, opening->id) && fstat(fd, &before) == 0 &&
	    before.st_blocks >= SOURCE_SLOW_BLOCKS)
		reader_hand_over();
	if (opening->handed_over && !mandatory_still_admits(opening->request))
		result = -EAGAIN;
	if (result == 0)
		result = policy_before_resize(opening->policy, fd, 0);
	if (result == 0)
		result = source_before_resize(&opening->fs->state, opening->node, 0);
	if (result == 0 && ftruncate(fd, 0) < 0)
		result = -errno;
	else if (result == 0 && in->open_flags & FUSE_OPEN_KILL_SUIDGID)
		result = set_id_drop(opening->request, opening->node);
	return result;
}

static bool is_for_requester(const struct request *request)
{
	const struct node_slot *node = request_node(request);

	return node && source_of(&request->fs->state, node)->as_requester;
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
	/* the kernel opens no other type here; a fifo would block */
	if (opening->node->type != S_IFREG >> 12)
		return opening->node->type == S_IFDIR >> 12 ? -EISDIR : -ENXIO;
	opening->source = source_of(&opening->fs->state, opening->node);
	if (!opening->source->change && opening_writes(opening))
		return -EPERM;
	result = opening->source->admit
			 ? opening->source->admit(&opening->fs->state, opening->node, opening->flags)
			 : 0;
	if (result == 0)
		result = opening_establish(opening);
	if (result < 0)
		return result;
	result = set_id_admit(opening->request, opening->node, opening->flags, opening_writes(opening));
	if (result == 0 && opening->flags & O_TRUNC) {
		const struct handle_slot *handle = handle_get(&opening->fs->state, opening->number);

		result = truncate_opened(opening, opening->fd >= 0 ? opening->fd : handle->fd);
	}
	if (result < 0)
		drop_opened(opening);
	return result;
}

static struct fuse_open_out open_out(const struct opening *opening)
{
	struct fuse_open_out out = {.fh = opening->number};

	if (opening->backing_id > 0) {
		out.open_flags |= FOPEN_PASSTHROUGH;
		protocol_set_backing_id(&out, opening->backing_id);
	}
	/* a write that waits for a lock must not block writes to other ranges */
	if (opening->mode == IO_MEDIATED)
		out.open_flags |= FOPEN_PARALLEL_DIRECT_WRITES;
	/* the page cache of the mount becomes stale where others write to the backing file directly */
	if (opening->mode == IO_MEDIATED || opening_is_control(opening) ||
	    (opening->mode == IO_RELAYED && node_is_external(opening->node)))
		out.open_flags |= FOPEN_DIRECT_IO;
	else if (opening->mode == IO_RELAYED)
		out.open_flags |= FOPEN_KEEP_CACHE;
	/* a close drops locks that segfs keeps by a FLUSH; files under .segfs are never locked */
	if (opening_is_control(opening) || !fs_keeps_locks(opening->fs))
		out.open_flags |= FOPEN_NOFLUSH;
	return out;
}

/* A replayed open fails. The handle of the first attempt, closed by now, may have been the last one. */
static void end_earlier_attempt(const struct request *request)
{
	const struct node_slot *node = request_node(request);

	if (journal_is_replay(&request->journal) && node)
		lifetime_closed(atomic_load(&node->policy));
}

int op_open(struct request *request)
{
	const struct fuse_open_in *in = request->body;
	struct fs *fs = request->fs;
	_cleanup_opening_ struct opening opening = {
		.fs = fs,
		.request = request,
		.id = request->node,
		.flags = (int)in->flags,
		.fd = -1,
		.path_fd = -1,
	};
	struct fuse_open_out out;
	int result = 0;

	if (journal_is_replay(&request->journal))
		close_earlier_attempt(fs, request->unique);
	if (is_for_requester(request))
		result = request_identity(request, 0);
	if (result == 0)
		result = open_node(&opening);
	if (result != 0) {
		end_earlier_attempt(request);
		return result;
	}
	out = open_out(&opening);
	if (reply_data(request, &out, sizeof(out)) < 0)
		close_handle(fs, opening.number);
	return 0;
}

/* Adds the node and the handle of a file that others can change. It has no policy. */
static int open_external(struct opening *opening, struct source_file *file, struct fuse_entry_param *entry)
{
	struct fs *fs = opening->fs;
	int result = entry_from_file(fs, file, entry);

	if (result < 0)
		return result;
	opening->id = entry->ino;
	opening->node = node_get(&fs->state, entry->ino);
	result = opening->node ? opening_establish(opening) : -ESTALE;
	if (result < 0)
		entry_forget(fs, entry->ino, 1);
	return result;
}

/* Adds the node and the handle of a file that was created, or neither. */
static int open_created(struct opening *opening, struct source_file *file, const struct policy *policy,
			struct fuse_entry_param *entry)
{
	const struct request *request = opening->request;
	struct node_new node = {
		.key = file->key,
		.mode = file->stat.st_mode,
		.flags = entry_node_flags(file),
		.fd = &file->fd,
	};
	const bool is_limited = policy_of_new(policy, request_pid(request), request->creator, &node);
	int result = opening_establish_new(opening, &node);

	if (result < 0) {
		if (opening->id)
			entry_forget(opening->fs, opening->id, 1);
		return result;
	}
	entry_of_node(opening->fs, opening->id, file, entry);
	if (is_limited)
		lifetime_changed(opening->id);
	return 0;
}

/* Creates the file, its node and its handle, or nothing. */
static int create(struct opening *opening, mode_t mode, mode_t umask, struct fuse_entry_param *entry)
{
	struct request *request = opening->request;
	struct fs *fs = opening->fs;
	const struct node_slot *dir = request_node(request);
	const char *name = request->name;
	struct source_file file = {.fd = -1};
	char text[POLICY_TEXT_MAX];
	struct policy policy;
	int result;

	if (!dir)
		return -ESTALE;
	opening->source = source_of(&fs->state, dir);
	if (!opening->source->create || (name && source_find_builtin(&fs->state, request->node, name)))
		return -EPERM;
	result = policy_inherit(&fs->state, dir, true, request_pid(request), &policy, text);
	if (result == 0)
		result = request_identity(request, umask);
	if (result < 0)
		return result;
	opening->fd = opening->source->create(
		&fs->state, &request->journal, dir, name, mode,
		(opening->flags & OPENING_FLAGS) | (name ? 0 : opening->flags & O_EXCL), text, &file);
	if (opening->fd < 0)
		return opening->fd;
	opening->flags &= ~O_TRUNC; /* it is empty */
	opening->is_new = true;
	opening->mode_bits = file.stat.st_mode;
	result = file.flags & NODE_EXTERNAL ? open_external(opening, &file, entry)
					    : open_created(opening, &file, &policy, entry);
	cleanup_close(&file.fd);
	if (result != 0 && name) {
		journal_begin_undo(&request->journal);
		opening->source->remove(&fs->state, &request->journal, dir, name, 0);
	}
	return result;
}

int op_create(struct request *request)
{
	const struct fuse_create_in *in = request->body;
	struct fs *fs = request->fs;
	_cleanup_opening_ struct opening opening = {
		.fs = fs,
		.request = request,
		.flags = (int)in->flags,
		.fd = -1,
		.path_fd = -1,
	};
	struct fuse_entry_param entry;
	struct fuse_open_out out;
	int result;

	if (journal_is_replay(&request->journal))
		close_earlier_attempt(fs, request->unique);
	result = create(&opening, in->mode, in->umask, &entry);
	/*
	 * The name was created after the kernel's lookup. On ESTALE the kernel starts over, finds the name,
	 * and checks whether the caller may open it.
	 */
	if (result == -EEXIST && !(in->flags & O_EXCL))
		result = -ESTALE;
	if (result != 0)
		return result;
	out = open_out(&opening);
	if (reply_create(request, &entry, &out) < 0) {
		close_handle(fs, opening.number);
		entry_forget(fs, entry.ino, 1);
	}
	return 0;
}

/* --- called by the loop --- */

bool open_is_slow(const struct request *request)
{
	const struct node_slot *node = request_node(request);

	/* a file under .segfs is generated when it is opened, and counting writers may require a lease */
	return node &&
	       (node->store == NODE_STORE_CONTROL || node_policy_writers(atomic_load(&node->policy)) > 0);
}

enum deferral_kind open_queue(const struct request *request)
{
	const struct fuse_open_in *in = request->body;
	uint32_t limit = node_policy_writers(atomic_load(&request_node(request)->policy));
	uint32_t writers;

	/* with a limit of one, a lease shows if there is a writer; at the limit, views do not matter */
	if (limit < 2 || (in->flags & O_ACCMODE) == O_RDONLY)
		return DEFERRAL_NONE;
	handle_count(&request->fs->state, request->node, &writers);
	return writers < limit ? DEFERRAL_OPENS : DEFERRAL_NONE;
}

bool create_is_slow(const struct request *request)
{
	const struct node_slot *dir = request_node(request);

	/* identifying the process that a file's lifetime depends on may block */
	return dir && atomic_load(&dir->policy) & NODE_POLICY_OWNER && procfs_identity_waits();
}
