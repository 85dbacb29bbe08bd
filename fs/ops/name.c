// SPDX-License-Identifier: MIT
/*
 * Names: making, linking, removing and renaming them, and reading symbolic links.
 */
#include "fs/fuse/reply.h"
#include "fs/fuse/request.h"
#include "fs/ops/ops.h"
#include "fs/segment/entry.h"
#include "fs/segment/lifetime.h"
#include "fs/segment/policy.h"
#include "fs/state/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#define WHITEOUT 0 /* number of a character device that stands for "no such name" in overlays */

/* A directory in which a name is to change. */
struct place {
	const struct node_slot *dir;
	const struct source *source;
};

/* ESTALE for an unknown node; EPERM for a name that is segfs's own. */
static int find_place(struct fs *fs, fuse_ino_t parent, const char *name, struct place *place)
{
	place->dir = node_get(&fs->state, parent);
	if (!place->dir)
		return -ESTALE;
	if (source_find_builtin(&fs->state, parent, name))
		return -EPERM;
	place->source = source_of(&fs->state, place->dir);
	return 0;
}

static int make(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t device, const char *target,
		struct policy *policy, struct source_file *file)
{
	struct fs *fs = fs_of(req);
	char text[POLICY_TEXT_MAX] = "";
	struct place place;
	int result = find_place(fs, parent, name, &place);

	if (result < 0)
		return result;
	if (!place.source->make)
		return -EPERM;
	if (S_ISREG(mode) || S_ISDIR(mode))
		result = policy_inherit(&fs->state, place.dir, S_ISREG(mode), policy, text);
	if (result == 0)
		result = request_identity(req);
	if (result < 0)
		return result;
	return place.source->make(&fs->state, place.dir, name, mode, device, target, text, file);
}

/* The entry of a name that was made; where there is no node for it, it has not been made. */
static int entry_of_made(struct fs *fs, fuse_ino_t parent, const char *name, struct source_file *file,
			 struct fuse_entry_param *entry)
{
	const int flags = S_ISDIR(file->stat.st_mode) ? AT_REMOVEDIR : 0;
	int result = entry_from_file(fs, file, entry);
	struct place place;

	if (result == 0)
		return 0;
	journal_begin_anew();
	if (find_place(fs, parent, name, &place) == 0 && place.source->remove)
		place.source->remove(&fs->state, place.dir, name, flags);
	return result;
}

static void make_and_reply(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t device, const char *target)
{
	struct source_file file = {.fd = -1};
	struct fuse_entry_param entry;
	struct policy policy = {0};
	int result = make(req, parent, name, mode, device, target, &policy, &file);

	if (result == 0)
		result = entry_of_made(fs_of(req), parent, name, &file, &entry);
	if (result != 0) {
		reply_status(req, result);
		return;
	}
	if (S_ISREG(mode) || S_ISDIR(mode))
		if (policy_made(&fs_of(req)->state, entry.ino, S_ISREG(mode), &policy))
			lifetime_changed(entry.ino);
	reply_entry(req, &entry);
}

void op_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t device)
{
	const bool is_whiteout = S_ISCHR(mode) && device == WHITEOUT;

	/* which have requests of their own, with what they need */
	if (S_ISLNK(mode) || S_ISDIR(mode))
		reply_status(req, -EINVAL);
	/* a whiteout is no device, and asks for no capability */
	else if ((S_ISCHR(mode) || S_ISBLK(mode)) && !is_whiteout && !fs_of(req)->options.devices)
		reply_status(req, -EPERM);
	else
		make_and_reply(req, parent, name, mode, device, NULL);
}

void op_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode)
{
	make_and_reply(req, parent, name, S_IFDIR | (mode & 07777), 0, NULL);
}

void op_symlink(fuse_req_t req, const char *target, fuse_ino_t parent, const char *name)
{
	make_and_reply(req, parent, name, S_IFLNK | 0777, 0, target);
}

static int link_node(struct fs *fs, fuse_ino_t id, fuse_ino_t new_parent, const char *new_name,
		     struct source_file *file)
{
	const struct node_slot *node = node_get(&fs->state, id);
	struct place place;
	int result = find_place(fs, new_parent, new_name, &place);

	if (result < 0)
		return result;
	if (!node)
		return -ESTALE;
	if (source_of(&fs->state, node) != place.source)
		return -EXDEV;
	if (!place.source->link)
		return -EPERM;
	return place.source->link(&fs->state, node, place.dir, new_name, file);
}

void op_link(fuse_req_t req, fuse_ino_t id, fuse_ino_t new_parent, const char *new_name)
{
	struct source_file file = {.fd = -1};
	struct fuse_entry_param entry;
	int result = link_node(fs_of(req), id, new_parent, new_name, &file);

	if (result == 0)
		result = entry_of_made(fs_of(req), new_parent, new_name, &file, &entry);
	if (result < 0)
		reply_status(req, result);
	else
		reply_entry(req, &entry);
}

static int remove_name(struct fs *fs, fuse_ino_t parent, const char *name, int flags)
{
	struct place place;
	int result = find_place(fs, parent, name, &place);

	if (result < 0)
		return result;
	if (!place.source->remove)
		return -EPERM;
	return place.source->remove(&fs->state, place.dir, name, flags);
}

void op_unlink(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	reply_status(req, remove_name(fs_of(req), parent, name, 0));
}

void op_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	reply_status(req, remove_name(fs_of(req), parent, name, AT_REMOVEDIR));
}

static int rename_name(struct fs *fs, fuse_ino_t parent, const char *name, fuse_ino_t new_parent,
		       const char *new_name, unsigned int flags)
{
	struct place from;
	struct place to;
	int result = find_place(fs, parent, name, &from);

	if (result == 0)
		result = find_place(fs, new_parent, new_name, &to);
	if (result < 0)
		return result;
	if (from.source != to.source)
		return -EXDEV;
	if (!from.source->rename)
		return -EPERM;
	return from.source->rename(&fs->state, from.dir, name, to.dir, new_name, flags);
}

void op_rename(fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t new_parent, const char *new_name,
	       unsigned int flags)
{
	/* a whiteout belongs to who leaves it; without, the request need not tell who that is */
	int result = flags & RENAME_WHITEOUT ? request_identity(req) : 0;

	reply_status(req, result < 0 ? result : rename_name(fs_of(req), parent, name, new_parent, new_name, flags));
}

static int read_link(struct fs *fs, fuse_ino_t id, char *target, size_t size)
{
	const struct node_slot *node = node_get(&fs->state, id);

	if (!node)
		return -ESTALE;
	if (node->type != S_IFLNK >> 12 || !source_of(&fs->state, node)->readlink)
		return -EINVAL;
	return source_of(&fs->state, node)->readlink(&fs->state, node, target, size);
}

void op_readlink(fuse_req_t req, fuse_ino_t id)
{
	char target[PATH_MAX + 1];
	int result = read_link(fs_of(req), id, target, sizeof(target));

	if (result < 0)
		reply_status(req, result);
	else
		fuse_reply_readlink(req, target);
}
