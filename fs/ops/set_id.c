// SPDX-License-Identifier: MIT
#include "fs/ops/set_id.h"
#include "fs/ops/idmapped.h"
#include "fs/ops/ops.h"
#include "fs/ops/request.h"
#include "lib/base/credentials.h"
#include "lib/base/procfs.h"

#include <errno.h>
#include <linux/capability.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>

#define RELEASE_WAIT 20 /* milliseconds for an earlier RELEASE to be carried out */
#define OPEN_FOR_EXEC 0x20 /* the kernel's __FMODE_EXEC, which open(2) does not let through */

bool set_id_has(mode_t mode)
{
	return S_ISREG(mode) && mode & (S_ISUID | S_ISGID);
}

/* The bits of a mode, as a node's flags have them. */
static uint32_t flags_of(mode_t mode)
{
	if (!set_id_has(mode))
		return 0;
	return (mode & S_ISUID ? NODE_TOLD_SUID : 0u) | (mode & S_ISGID ? NODE_TOLD_SGID : 0u);
}

static uint32_t n_writers(struct fs *fs, const struct node_slot *node)
{
	uint32_t writers;

	handle_count(&fs->state, node_id_of(&fs->state, node), &writers);
	return writers;
}

bool set_id_told(struct fs *fs, const struct node_slot *node, mode_t mode)
{
	const uint32_t bits = flags_of(mode);
	struct node_slot *slot;
	uint32_t none;

	if (!node)
		return bits != 0;
	slot = &fs->state.arena->nodes[node - fs->state.arena->nodes];
	none = ~bits & (NODE_TOLD_SUID | NODE_TOLD_SGID);
	if (bits)
		atomic_fetch_or(&slot->flags, bits);
	/* while somebody writes, the kernel may drop this reply, since it has changed attributes of its own meanwhile */
	if (atomic_load(&slot->flags) & none && n_writers(fs, node) == 0)
		atomic_fetch_and(&slot->flags, ~none);
	return bits != 0;
}

/*
 * Whether somebody has the file open for writing. On disk a RELEASE may still be carried out that came before this request, which
 * is then no reader's, unless locks are mandatory.
 */
static bool is_written(struct fs *fs, const struct node_slot *node)
{
	const struct timespec moment = {.tv_nsec = 1000000};
	const bool may_wait = fs->state.arena->header->stores[node->store].on_disk &&
			      !mandatory_is_on(fs, node_id_of(&fs->state, node));

	for (int waited = 0; n_writers(fs, node) > 0; waited++) {
		if (!may_wait || waited == RELEASE_WAIT)
			return true;
		nanosleep(&moment, NULL);
	}
	return false;
}

int set_id_before_open(struct fs *fs, const struct node_slot *node, int flags)
{
	const uint32_t told = atomic_load(&node->flags) & (NODE_TOLD_SUID | NODE_TOLD_SGID);
	struct stat attr;
	int result;

	if (!(flags & OPEN_FOR_EXEC) || !told)
		return 0;
	if (is_written(fs, node))
		return -ETXTBSY;
	result = source_of(&fs->state, node)->stat(&fs->state, node, &attr);
	if (result < 0)
		return result;
	return told & ~flags_of(attr.st_mode) ? -ESTALE : 0;
}

static bool has_capability(const struct credentials *credentials, unsigned int capability)
{
	return credentials->capabilities >> capability & 1;
}

static bool is_in_group(const struct credentials *credentials, gid_t gid)
{
	bool found = credentials->gid == gid;

	for (size_t i = 0; i < credentials->n_groups && !found; i++)
		found = credentials->groups[i] == gid;
	return found;
}

/* Where the group may not execute the file, the bit stays for members, as in setattr_should_drop_sgid() of the kernel. */
static bool keeps_set_group_id(const struct credentials *credentials, const struct stat *attr)
{
	return !(attr->st_mode & S_IXGRP) &&
	       (is_in_group(credentials, attr->st_gid) || has_capability(credentials, CAP_FSETID));
}

int set_id_drop(struct fs *fs, const struct node_slot *node)
{
	_cleanup_credentials_ struct credentials credentials = CREDENTIALS_NONE;
	const struct source *source = source_of(&fs->state, node);
	struct source_change change = {.drop_privileges = true, .by_daemon = true};
	struct stat attr;
	int result;

	/* segments of a fixed size have none */
	if (source->fixed_size || !source->change)
		return 0;
	result = source->stat(&fs->state, node, &attr);
	if (result < 0 || !set_id_has(attr.st_mode))
		return result;
	result = credentials_read(request_pid(), request_uid(), request_gid(), &credentials);
	if (result < 0)
		return result;
	change.keep_set_group_id = keeps_set_group_id(&credentials, &attr);
	return source->change(&fs->state, node, &change, &attr);
}

static bool is_chown(long call)
{
	static const long calls[] = {
#ifdef SYS_chown
		SYS_chown, SYS_lchown,
#endif
		SYS_fchown, SYS_fchownat,
	};

	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
		if (calls[i] == call)
			return true;
	return false;
}

/* Whether the requester owns a file, or acts as if he did. */
static bool is_owner(const struct fs *fs, const struct credentials *credentials, const struct stat *attr)
{
	return credentials->uid == attr->st_uid || has_capability(credentials, CAP_FOWNER) ||
	       idmapped_owns(fs, request_pid(), credentials->uid, attr->st_uid);
}

int set_id_complete(struct fs *fs, const struct node_slot *node, struct source_change *change)
{
	_cleanup_credentials_ struct credentials credentials = CREDENTIALS_NONE;
	const struct source *source = source_of(&fs->state, node);
	struct stat attr;
	int result;

	if (!change->drop_privileges || source->fixed_size)
		return 0;
	result = source->stat(&fs->state, node, &attr);
	if (result < 0)
		return result;
	/* chown(2) takes them from all but directories */
	change->drop_privileges = !S_ISDIR(attr.st_mode) && attr.st_mode & (S_ISUID | S_ISGID);
	if (!change->drop_privileges)
		return 0;
	result = credentials_read(request_pid(), request_uid(), request_gid(), &credentials);
	if (result < 0)
		return result;
	change->keep_set_group_id = keeps_set_group_id(&credentials, &attr);
	change->drop_privileges = attr.st_mode & S_ISUID || !change->keep_set_group_id;
	if (!change->drop_privileges || change->what != 0 || is_owner(fs, &credentials, &attr))
		return 0;
	/* a chown(2) that names nobody is for the owner; the kernel asks for the same before somebody writes who may write */
	if (is_chown(procfs_call(request_pid())))
		return -EPERM;
	change->by_daemon = true;
	return 0;
}
