// SPDX-License-Identifier: MIT
#include "fs/source/store_names.h"
#include "fs/source/backing.h"
#include "fs/source/fd_cache.h"
#include "fs/source/paths.h"
#include "fs/source/peek.h"
#include "fs/source/requester.h"
#include "fs/state/journal.h"
#include "fs/state/name_change.h"
#include "lib/base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

ino_t store_inode_of(int dir_fd, const char *name)
{
	struct stat stat;

	return peek(dir_fd, name, &stat, NULL) == 0 ? stat.st_ino : 0;
}

/* A file about to lose a name. */
struct victim {
	bool last_name;
	bool slow;      /* it has much memory to free */
	bool known;     /* a node was found by inode number: change.node is valid, else `key` */
	uint64_t inode; /* 0 = no such file */
	struct node_key key;
	struct name_change change;
	int fd;                      /* O_PATH; -1 if the node holds a descriptor, or none is needed */
	struct journal_entry *entry; /* of the request, NULL = none */
};

#define VICTIM_OF(request_entry) ((struct victim){.fd = -1, .entry = (request_entry)})

/* Flags in the journal note. */
enum {
	VICTIM_LAST_NAME = 1,
	VICTIM_SLOW = 2,
};

static void cleanup_victim(struct victim *victim)
{
	name_change_end(&victim->change);
	journal_disown_fd(victim->entry);
	cleanup_close(&victim->fd);
}

#define _cleanup_victim_ __attribute__((cleanup(cleanup_victim)))

/* Whether the name still refers to the inode found before. */
static bool has_inode(int fd, ino_t inode)
{
	struct stat stat;

	return peek(fd, "", &stat, NULL) == 0 && stat.st_ino == inode;
}

/* Identifies the victim by its file. If that fails, no node can refer to it. */
static void identify_victim(struct state *state, uint16_t store, struct victim *victim)
{
	struct source_file file = {.fd = -1};

	victim->known = false;
	victim->last_name = backing_identify(state, store, victim->fd, "", &file) == 0;
	cleanup_close(&file.fd);
	victim->key = file.key;
}

/* The name was not removed. Returns `result`. */
static int victim_stays(struct victim *victim, int result)
{
	name_change_failed(&victim->change);
	return result;
}

/*
 * Begins a change: finds the file of a name, and keeps it reachable for those who still use its node.
 * is_frozen: as for name_change_begin(). Without a file, returns -ENOENT, and nothing is begun.
 */
static int find_victim(struct state *state, uint16_t store, int dir_fd, const char *name, bool is_frozen,
		       struct victim *victim)
{
	struct stat stat;
	int result = peek_in_store(state, store, dir_fd, name, &stat);

	if (result < 0)
		return result;
	victim->inode = stat.st_ino;
	victim->last_name = S_ISDIR(stat.st_mode) || stat.st_nlink <= 1;
	victim->slow = victim->last_name && stat.st_blocks >= SOURCE_SLOW_BLOCKS;
	name_change_begin(state, store, victim->last_name ? victim->inode : 0, is_frozen, &victim->change);
	victim->known = victim->change.node != 0;
	if (!victim->last_name || victim->change.held)
		return 0;
	victim->fd = openat(dir_fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (victim->fd < 0)
		return victim_stays(victim, -errno);
	if (!victim->known || !has_inode(victim->fd, stat.st_ino))
		identify_victim(state, store, victim);
	return 0;
}

/* other: inode number of the file being renamed, 0 = none. */
static void note_victim(const struct victim *victim, uint64_t other)
{
	const struct journal_note note = {
		.inode = {victim->inode, other},
		.node = victim->known ? victim->change.node : 0,
		.flags = (victim->last_name ? VICTIM_LAST_NAME : 0u) | (victim->slow ? VICTIM_SLOW : 0u),
		.fd = victim->fd,
	};

	journal_note(victim->entry, &note);
}

/* Restores the note of a worker that died after it had carried out the removal. */
static void recall_victim(struct state *state, uint16_t store, const struct journal_note *note,
			  struct victim *victim)
{
	const struct node_slot *node;

	*victim = (struct victim){
		.last_name = note->flags & VICTIM_LAST_NAME,
		.slow = note->flags & VICTIM_SLOW,
		.known = note->node != 0,
		.inode = note->inode[0],
		.change = {.state = state, .node = note->node},
		.fd = note->fd,
		.entry = victim->entry,
	};
	if (!victim->known && victim->fd >= 0) {
		identify_victim(state, store, victim);
		/* the node may have closed this descriptor, and its number may have been reused */
		victim->last_name &= victim->key.inode == victim->inode;
		victim->change.node = victim->last_name ? node_find(state, &victim->key) : 0;
	}
	/* the node has taken over the descriptor */
	node = node_get(state, victim->change.node);
	if (node && atomic_load(&node->fd) == victim->fd)
		victim->fd = -1;
}

static void victim_is_gone(struct state *state, struct victim *victim)
{
	const uint32_t flags = victim->slow ? NODE_SLOW_END : 0;

	if (!victim->last_name)
		return;
	if (victim->known)
		name_change_unlinked(&victim->change, flags, &victim->fd);
	else
		name_change_unlinked_key(state, &victim->key, flags, &victim->fd);
}

/* Discards the note; the victim is looked up again. */
static void close_noted(struct journal_entry *entry, const struct journal_note *note)
{
	journal_disown_fd(entry);
	if (note->fd >= 0)
		close(note->fd);
}

/*
 * Whether a worker that died during this request had removed the name; only a change outside of the mount
 * looks the same. Completes the removal.
 */
static bool was_removed(struct state *state, struct journal_entry *entry, uint16_t store, int dir_fd,
			const char *name)
{
	_cleanup_victim_ struct victim victim = VICTIM_OF(entry);
	struct journal_note note;

	if (!journal_get_note(entry, &note))
		return false;
	if (store_inode_of(dir_fd, name) == note.inode[0]) {
		close_noted(entry, &note);
		return false;
	}
	recall_victim(state, store, &note, &victim);
	victim_is_gone(state, &victim);
	return true;
}

/* Parameters of a rename. */
struct change_of_names {
	uint16_t store; /* of the new directory */
	int from_fd;
	int to_fd;
	const char *name;
	const char *new_name;
	unsigned int flags; /* of renameat2(2) */
	struct journal_entry *entry;
};

/* unlinkat(2) and renameat2(2) with the requester's permissions. */
static int unlink_for_requester(const struct state *state, uint16_t store, int dir_fd, const char *name,
				int flags)
{
	_cleanup_credentials_self_ struct credentials_self self = CREDENTIALS_SELF;
	int result = requester_assume_in(state, store, &self);

	return result < 0 ? result : unlinkat(dir_fd, name, flags) < 0 ? -errno : 0;
}

static int rename_for_requester(const struct state *state, const struct change_of_names *change)
{
	_cleanup_credentials_self_ struct credentials_self self = CREDENTIALS_SELF;
	int result = requester_assume_in(state, change->store, &self);

	if (result < 0)
		return result;
	return renameat2(change->from_fd, change->name, change->to_fd, change->new_name, change->flags) < 0
		       ? -errno
		       : 0;
}

/* is_frozen: as for name_change_begin(). */
static int remove_name(struct state *state, struct journal_entry *entry, uint16_t store, int dir_fd,
		       const char *name, int flags, bool is_frozen)
{
	_cleanup_victim_ struct victim victim = VICTIM_OF(entry);
	int result = find_victim(state, store, dir_fd, name, is_frozen, &victim);

	if (result < 0)
		return result;
	note_victim(&victim, 0);
	result = unlink_for_requester(state, store, dir_fd, name, flags);
	if (result < 0)
		return victim_stays(&victim, result);
	victim_is_gone(state, &victim);
	return 0;
}

int store_remove(struct state *state, struct journal_entry *entry, const struct node_slot *dir,
		 const char *name, int flags)
{
	_cleanup_cached_fd_ struct cached_fd parent = CACHED_FD_NONE;
	int result = fd_cache_get_directory(state, dir, &parent);

	if (result < 0)
		return result;
	if (was_removed(state, entry, dir->store, parent.fd, name))
		return 0;
	return remove_name(state, entry, dir->store, parent.fd, name, flags, false);
}

int store_end(struct state *state, const struct node_slot *node, struct source_name *gone)
{
	_cleanup_close_ int dir_fd = -1;
	struct source_file dir = {.fd = -1};
	char path[PATH_MAX];
	char *slash;
	struct stat stat;
	int result = paths_find(state, node, path, sizeof(path));

	if (result < 0)
		return result;
	slash = strrchr(path, '/');
	snprintf(gone->name, sizeof(gone->name), "%.*s", NAME_MAX, slash ? slash + 1 : path);
	if (slash)
		*slash = 0;
	dir_fd = paths_open_directory(state, slash ? path : "");
	if (dir_fd < 0)
		return dir_fd;
	result = backing_identify(state, 0, dir_fd, "", &dir);
	cleanup_close(&dir.fd);
	if (result < 0)
		return result;
	gone->dir = dir.key;
	/* the name may refer to another file by now, but cannot change from here on */
	names_freeze(state);
	if (fstatat(dir_fd, gone->name, &stat, AT_SYMLINK_NOFOLLOW) < 0)
		result = -errno;
	else if (stat.st_ino != node->inode)
		result = -ESTALE;
	else
		result = remove_name(state, NULL, node->store, dir_fd, gone->name, 0, true);
	names_thaw(state);
	return result;
}

/*
 * Like was_removed() for a rename: the new name refers to the renamed file, and the old name no longer does.
 */
static bool was_renamed(struct state *state, const struct change_of_names *change)
{
	_cleanup_victim_ struct victim victim = VICTIM_OF(change->entry);
	struct journal_note note;

	if (!journal_get_note(change->entry, &note))
		return false;
	if (note.inode[1] == note.inode[0] ||
	    store_inode_of(change->to_fd, change->new_name) != note.inode[1] ||
	    store_inode_of(change->from_fd, change->name) == note.inode[1]) {
		close_noted(change->entry, &note);
		return false;
	}
	recall_victim(state, change->store, &note, &victim);
	if (!(change->flags & RENAME_EXCHANGE))
		victim_is_gone(state, &victim);
	return true;
}

static int rename_name(struct state *state, const struct change_of_names *change)
{
	_cleanup_victim_ struct victim victim = VICTIM_OF(change->entry);
	int result = 0;

	if (change->flags & RENAME_EXCHANGE)
		victim.inode = store_inode_of(change->to_fd, change->new_name);
	else if (!(change->flags & RENAME_NOREPLACE))
		result = find_victim(state, change->store, change->to_fd, change->new_name, false, &victim);
	if (result < 0 && result != -ENOENT)
		return result;
	/* nothing loses its last name */
	if (!victim.change.entry)
		name_change_begin(state, change->store, 0, false, &victim.change);
	note_victim(&victim, store_inode_of(change->from_fd, change->name));
	result = rename_for_requester(state, change);
	if (result < 0)
		return victim_stays(&victim, result);
	/* a rename of a file with one name onto itself is a no-op in the kernel and never comes here */
	victim_is_gone(state, &victim);
	return 0;
}

int store_rename(struct state *state, struct journal_entry *entry, const struct node_slot *dir,
		 const char *name, const struct node_slot *new_dir, const char *new_name, unsigned int flags)
{
	struct change_of_names change = {
		.store = new_dir->store, .name = name, .new_name = new_name, .flags = flags, .entry = entry};
	_cleanup_cached_fd_ struct cached_fd from = CACHED_FD_NONE;
	_cleanup_cached_fd_ struct cached_fd to = CACHED_FD_NONE;
	int result;

	if (flags & ~(unsigned int)(RENAME_NOREPLACE | RENAME_EXCHANGE | RENAME_WHITEOUT))
		return -EINVAL;
	result = fd_cache_get_directory(state, dir, &from);
	if (result == 0)
		result = fd_cache_get_directory(state, new_dir, &to);
	if (result < 0)
		return result;
	change.from_fd = from.fd;
	change.to_fd = to.fd;
	return was_renamed(state, &change) ? 0 : rename_name(state, &change);
}
