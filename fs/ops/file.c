// SPDX-License-Identifier: MIT
/*
 * Opening and closing regular files: where the way that reads, writes and views take is chosen.
 */
#include "fs/ops/loop.h"
#include "fs/ops/ops.h"
#include "fs/ops/passthrough.h"
#include "fs/ops/reply.h"
#include "fs/ops/request.h"
#include "lib/base/cleanup.h"

#include <errno.h>
#include <fcntl.h>

/* Flags of open(2) that a backing file is opened with. O_APPEND and O_DIRECT are seen to per write. */
#define BACKING_FLAGS (O_ACCMODE | O_SYNC | O_DSYNC | O_NOATIME)

/* An open under way. */
struct opening {
	struct fs *fs;
	const struct source *source;
	struct node_slot *node;
	uint64_t id;       /* of the node */
	int flags;         /* of open(2), as the kernel sent them */
	int pid;
	int fd;            /* the backing file, or -1: not opened yet */
	bool is_new;       /* made by this open: with the mode that `made_mode` tells */
	mode_t made_mode;
	enum io_mode mode;
	bool is_control;   /* a file under .segfs */
	uint64_t number;   /* results: of the handle */
	int backing_id;    /* and its passthrough id */
};

static void cleanup_opening(struct opening *opening)
{
	cleanup_close(&opening->fd);
}

#define _cleanup_opening_ __attribute__((cleanup(cleanup_opening)))

static bool wants_to_write(const struct opening *opening)
{
	return (opening->flags & O_ACCMODE) != O_RDONLY || opening->flags & O_TRUNC;
}

static int open_backing(struct opening *opening)
{
	int flags = opening->flags & BACKING_FLAGS;

	if (opening->fd >= 0)
		return 0;
	if (opening->flags & O_TRUNC && (flags & O_ACCMODE) == O_RDONLY)
		flags = (flags & ~O_ACCMODE) | O_RDWR;
	opening->fd = opening->source->open(&opening->fs->state, opening->node, flags);
	/* an append-only file (chattr +a) wants to be told */
	if (opening->fd == -EPERM && opening->flags & O_APPEND)
		opening->fd = opening->source->open(&opening->fs->state, opening->node, flags | O_APPEND);
	return opening->fd < 0 ? opening->fd : 0;
}

/*
 * A file with set-id bits must lose them when somebody else writes to it, and only a WRITE request tells: with
 * FUSE_HANDLE_KILLPRIV_V2, without which every write would ask for an attribute, the kernel leaves that to us.
 */
static bool has_set_id_bits(const struct opening *opening)
{
	struct stat stat = {.st_mode = opening->made_mode};

	if (!opening->is_new && fstat(opening->fd, &stat) < 0)
		return false;
	return stat.st_mode & S_ISUID || (stat.st_mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP);
}

static enum io_mode choose_mode(const struct opening *opening)
{
	const struct fs *fs = opening->fs;

	if (!fs->passthrough || fs->options.io_mode == IO_RELAYED || atomic_load(&opening->node->flags) & NODE_REFUSED)
		return IO_RELAYED;
	/* its text is made at the open, and the descriptor is all that holds it */
	if (opening->node->store == NODE_STORE_CONTROL)
		return IO_RELAYED;
	if (fs->options.io_mode == IO_MEDIATED)
		return IO_MEDIATED;
	/* the kernel opens the backing file with O_APPEND once and for all, but fcntl(2) may take it away */
	if (wants_to_write(opening) && (opening->flags & O_APPEND || has_set_id_bits(opening)))
		return IO_MEDIATED;
	return IO_DIRECT;
}

/* What the kernel says when this kind of file can't be a backing file, ever; all else is a passing lack. */
static bool is_refusal(int result)
{
	return result == -ELOOP || result == -EINVAL || result == -EOPNOTSUPP || result == -EPERM ||
	       result == -ENODEV || result == -EISDIR;
}

static int register_backing(void *context)
{
	const struct opening *opening = context;

	return opening->fd < 0 ? -EAGAIN : passthrough_open(opening->fs, opening->fd);
}

static int add_handle(struct opening *opening)
{
	struct handle_open open = {
		.node = opening->id,
		.unique = request_unique(),
		.flags = (uint32_t)opening->flags,
		.pid = opening->pid,
		.mode = opening->mode,
		.kind = opening->is_control ? HANDLE_CONTROL : HANDLE_FILE,
		.backing_open = register_backing,
		.context = opening,
	};
	int none = -1;

	/* in direct mode nothing comes to the daemon that would need the descriptor */
	return handle_add(&opening->fs->state, &open, opening->mode == IO_DIRECT ? &none : &opening->fd,
			  &opening->number, &opening->backing_id);
}

/*
 * Gives the open its handle. A reader of a node whose passthrough id is known needs no system call at all; the id
 * may be closed by another thread's RELEASE meanwhile, which register_backing() tells by EAGAIN.
 */
static int establish(struct opening *opening)
{
	bool id_known = atomic_load(&opening->node->backing_id) > 0;
	int result = 0;

	for (;;) {
		if (!id_known || wants_to_write(opening) || opening->fs->options.io_mode != IO_DIRECT)
			result = open_backing(opening);
		if (result < 0)
			return result;
		opening->mode = choose_mode(opening);
		if (opening->mode != IO_DIRECT)
			result = open_backing(opening);
		if (result < 0)
			return result;
		result = add_handle(opening);
		if (result == -EAGAIN && id_known) {
			id_known = false;
			result = 0;
		} else if (is_refusal(result) && opening->mode != IO_RELAYED) {
			atomic_fetch_or(&opening->node->flags, NODE_REFUSED);
			result = 0;
		} else {
			return result;
		}
	}
}

/* The file as it was is gone only once nothing else can fail. */
static int truncate_opened(struct opening *opening, int fd)
{
	const struct wire_open_in *in = request_body(sizeof(*in));
	struct source_change change = {.drop_privileges = true};
	struct stat before;
	struct stat ignored;
	int backing_id;
	int result = 0;

	if (fstat(fd, &before) == 0 && before.st_blocks >= SOURCE_SLOW_BLOCKS)
		loop_hand_over(opening->fs);
	if (ftruncate(fd, 0) < 0)
		result = -errno;
	else if (in && in->open_flags & WIRE_OPEN_KILL_SUIDGID && opening->source->change)
		result = opening->source->change(&opening->fs->state, opening->node, &change, &ignored);
	if (result < 0 && handle_remove(&opening->fs->state, opening->number, &backing_id) == 0)
		passthrough_close(opening->fs, backing_id);
	return result;
}

static int open_node(struct opening *opening)
{
	int result;

	opening->node = node_get(&opening->fs->state, opening->id);
	if (!opening->node)
		return -ESTALE;
	opening->is_control = opening->node->store == NODE_STORE_CONTROL;
	opening->source = source_of(&opening->fs->state, opening->node);
	if (!opening->source->change && wants_to_write(opening))
		return -EPERM;
	result = establish(opening);
	if (result == 0 && opening->flags & O_TRUNC) {
		const struct handle_slot *handle = handle_get(&opening->fs->state, opening->number);

		result = truncate_opened(opening, opening->fd >= 0 ? opening->fd : handle->fd);
	}
	return result;
}

/* An open that a worker carried out before it died is undone, since its number is not known to the kernel. */
static void drop_earlier_attempt(struct fs *fs)
{
	uint64_t number;
	int backing_id;

	if (!request_is_resent())
		return;
	number = handle_find_by_request(&fs->state, request_unique());
	if (number && handle_remove(&fs->state, number, &backing_id) == 0)
		passthrough_close(fs, backing_id);
}

static void set_file_info(const struct opening *opening, struct fuse_file_info *file_info)
{
	file_info->fh = opening->number;
	file_info->backing_id = opening->mode == IO_RELAYED ? 0 : opening->backing_id;
	file_info->direct_io = opening->mode == IO_MEDIATED || opening->is_control;
	file_info->keep_cache = opening->mode == IO_RELAYED && !file_info->direct_io;
	file_info->noflush = 1; /* closing a descriptor changes nothing here: a round trip less */
}

static void release(struct fs *fs, uint64_t number)
{
	int backing_id;

	if (handle_remove(&fs->state, number, &backing_id) == 0)
		passthrough_close(fs, backing_id);
}

void op_open(fuse_req_t req, fuse_ino_t id, struct fuse_file_info *file_info)
{
	struct fs *fs = fs_of(req);
	_cleanup_opening_ struct opening opening = {
		.fs = fs,
		.id = id,
		.flags = file_info->flags,
		.pid = fuse_req_ctx(req)->pid,
		.fd = -1,
	};
	int result;

	drop_earlier_attempt(fs);
	result = open_node(&opening);
	if (result < 0) {
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
	int result;

	if (!dir)
		return -ESTALE;
	opening->source = source_of(&fs->state, dir);
	if (!opening->source->create || (name && source_find_builtin(parent, name)))
		return -EPERM;
	request_identity(req);
	opening->fd = opening->source->create(&fs->state, dir, name, mode,
					      (opening->flags & BACKING_FLAGS) | (name ? 0 : opening->flags & O_EXCL),
					      &file);
	if (opening->fd < 0)
		return opening->fd;
	opening->flags &= ~O_TRUNC; /* it is empty */
	opening->is_new = true;
	opening->made_mode = file.stat.st_mode;
	result = entry_from_file(fs, &file, entry);
	if (result == 0) {
		opening->id = entry->ino;
		opening->node = node_get(&fs->state, entry->ino);
		result = opening->node ? establish(opening) : -ESTALE;
		if (result < 0)
			node_forget(&fs->state, entry->ino, 1);
	}
	if (result < 0 && name)
		opening->source->remove(&fs->state, dir, name, 0);
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
		.fd = -1,
	};
	struct fuse_entry_param entry;
	int result;

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
		node_forget(&fs->state, entry.ino, 1);
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

/* Only a kernel that does not know FOPEN_NOFLUSH asks. */
void op_flush(fuse_req_t req, fuse_ino_t id, struct fuse_file_info *file_info)
{
	(void)id;
	(void)file_info;
	reply_status(req, 0);
}

void op_release(fuse_req_t req, fuse_ino_t id, struct fuse_file_info *file_info)
{
	(void)id;
	release(fs_of(req), file_info->fh);
	reply_status(req, 0);
}
