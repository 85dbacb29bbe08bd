// SPDX-License-Identifier: MIT
/*
 * Names: creating, linking, removing and renaming them, and reading symbolic links.
 */
#include "fs/fuse/reply.h"
#include "fs/ops/internal.h"
#include "fs/segment/entry.h"
#include "fs/segment/lifetime.h"
#include "fs/segment/policy.h"
#include "fs/state/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#define WHITEOUT 0 /* device number of the character device that marks a removed name in overlayfs */

/* The directory of a name to be changed. */
struct place {
	const struct node_slot *dir;
	const struct source *source;
};

/* ESTALE for an unknown node; EPERM for the name of a builtin directory. */
static int find_place(struct fs *fs, uint64_t parent, const char *name, struct place *place)
{
	place->dir = node_get(&fs->state, parent);
	if (!place->dir)
		return -ESTALE;
	if (source_find_builtin(&fs->state, parent, name))
		return -EPERM;
	place->source = source_of(&fs->state, place->dir);
	return 0;
}

/* What to create. */
struct new_file {
	mode_t mode;
	mode_t umask;
	dev_t device;
	const char *target; /* target of a symbolic link */
	struct policy policy;
};

static int make(struct request *request, struct new_file *new_file, struct source_file *file)
{
	const bool has_policy = S_ISREG(new_file->mode) || S_ISDIR(new_file->mode);
	struct state *state = &request->fs->state;
	char text[POLICY_TEXT_MAX] = "";
	struct place place;
	int result = find_place(request->fs, request->node, request->name, &place);

	if (result < 0)
		return result;
	if (!place.source->make)
		return -EPERM;
	if (has_policy)
		result = policy_inherit(state, place.dir, S_ISREG(new_file->mode), request_pid(request),
					&new_file->policy, text);
	if (result == 0)
		result = request_identity(request, new_file->umask);
	if (result < 0)
		return result;
	return place.source->make(state, &request->journal, place.dir, request->name, new_file->mode,
				  new_file->device, new_file->target, text, file);
}

/* Gets the entry of a name that was created. Removes the name if there is no node for it. */
static int entry_of_created(struct request *request, struct source_file *file, struct fuse_entry_param *entry)
{
	struct fs *fs = request->fs;
	const int flags = S_ISDIR(file->stat.st_mode) ? AT_REMOVEDIR : 0;
	int result = entry_from_file(fs, file, entry);
	struct place place;

	if (result == 0)
		return 0;
	journal_begin_undo(&request->journal);
	if (find_place(fs, request->node, request->name, &place) == 0 && place.source->remove)
		place.source->remove(&fs->state, &request->journal, place.dir, request->name, flags);
	return result;
}

static int make_and_reply(struct request *request, struct new_file *new_file)
{
	const bool has_policy = S_ISREG(new_file->mode) || S_ISDIR(new_file->mode);
	struct source_file file = {.fd = -1};
	struct fuse_entry_param entry;
	int result = make(request, new_file, &file);

	if (result == 0)
		result = entry_of_created(request, &file, &entry);
	if (result != 0)
		return result;
	if (has_policy && policy_made(&request->fs->state, entry.ino, &new_file->policy, request_pid(request),
				      request->creator))
		lifetime_changed(entry.ino);
	reply_entry(request, &entry);
	return 0;
}

int op_mknod(struct request *request)
{
	const struct fuse_mknod_in *in = request->body;
	const bool is_whiteout = S_ISCHR(in->mode) && in->rdev == WHITEOUT;

	/* the kernel uses SYMLINK and MKDIR for these */
	if (S_ISLNK(in->mode) || S_ISDIR(in->mode))
		return -EINVAL;
	/* a whiteout is not a device, and needs no capability */
	if ((S_ISCHR(in->mode) || S_ISBLK(in->mode)) && !is_whiteout && !request->fs->options.devices)
		return -EPERM;
	return make_and_reply(request,
			      &(struct new_file){.mode = in->mode, .umask = in->umask, .device = in->rdev});
}

int op_mkdir(struct request *request)
{
	const struct fuse_mkdir_in *in = request->body;

	return make_and_reply(request,
			      &(struct new_file){.mode = S_IFDIR | (in->mode & 07777), .umask = in->umask});
}

int op_symlink(struct request *request)
{
	return make_and_reply(request, &(struct new_file){.mode = S_IFLNK | 0777, .target = request->text});
}

static int link_node(struct request *request, struct source_file *file)
{
	const struct fuse_link_in *in = request->body;
	struct fs *fs = request->fs;
	const struct node_slot *node = node_get(&fs->state, in->oldnodeid);
	struct place place;
	int result = find_place(fs, request->node, request->name, &place);

	if (result < 0)
		return result;
	if (!node)
		return -ESTALE;
	if (source_of(&fs->state, node) != place.source)
		return -EXDEV;
	if (!place.source->link)
		return -EPERM;
	return place.source->link(&fs->state, &request->journal, node, place.dir, request->name, file);
}

int op_link(struct request *request)
{
	struct source_file file = {.fd = -1};
	struct fuse_entry_param entry;
	int result = link_node(request, &file);

	if (result == 0)
		result = entry_of_created(request, &file, &entry);
	if (result == 0)
		reply_entry(request, &entry);
	return result;
}

static int remove_name(struct request *request, int flags)
{
	struct place place;
	int result = find_place(request->fs, request->node, request->name, &place);

	if (result < 0)
		return result;
	if (!place.source->remove)
		return -EPERM;
	return place.source->remove(&request->fs->state, &request->journal, place.dir, request->name, flags);
}

int op_unlink(struct request *request)
{
	return remove_name(request, 0);
}

int op_rmdir(struct request *request)
{
	return remove_name(request, AT_REMOVEDIR);
}

static int rename_name(struct request *request, uint64_t new_parent, unsigned int flags)
{
	struct fs *fs = request->fs;
	struct place from;
	struct place to;
	int result = find_place(fs, request->node, request->name, &from);

	if (result == 0)
		result = find_place(fs, new_parent, request->text, &to);
	if (result < 0)
		return result;
	if (from.source != to.source)
		return -EXDEV;
	if (!from.source->rename)
		return -EPERM;
	return from.source->rename(&fs->state, &request->journal, from.dir, request->name, to.dir,
				   request->text, flags);
}

int op_rename(struct request *request)
{
	const struct fuse_rename_in *in = request->body;

	return rename_name(request, in->newdir, 0);
}

int op_rename2(struct request *request)
{
	const struct fuse_rename2_in *in = request->body;
	/* a whiteout belongs to the requester; without one, the request need not carry an identity */
	int result = in->flags & RENAME_WHITEOUT ? request_identity(request, 0) : 0;

	return result < 0 ? result : rename_name(request, in->newdir, in->flags);
}

static int read_link(struct fs *fs, uint64_t id, char *target, size_t size)
{
	const struct node_slot *node = node_get(&fs->state, id);

	if (!node)
		return -ESTALE;
	if (node->type != S_IFLNK >> 12 || !source_of(&fs->state, node)->readlink)
		return -EINVAL;
	return source_of(&fs->state, node)->readlink(&fs->state, node, target, size);
}

int op_readlink(struct request *request)
{
	char target[PATH_MAX + 1];
	int length = read_link(request->fs, request->node, target, sizeof(target));

	if (length < 0)
		return length;
	reply_data(request, target, (size_t)length);
	return 0;
}
