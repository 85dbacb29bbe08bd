// SPDX-License-Identifier: MIT
/*
 * System V shared memory: each segment of an IPC namespace is a file, named by its key.
 *
 * The size of a System V segment is fixed when it is created. A new file has no size: it reserves its key,
 * and the first size that it is given creates the segment. Until then its opens hold a sealed, empty memfd as
 * placeholder.
 */
#include "fs/source/backing.h"
#include "fs/source/internal.h"
#include "fs/source/records.h"
#include "fs/source/sysv_calls.h"
#include "fs/source/sysv_names.h"
#include "fs/source/sysv_node.h"
#include "fs/state/handle.h"
#include "fs/state/journal.h"
#include "lib/base/cleanup.h"
#include "lib/base/clock.h"
#include "lib/base/procfs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/mman.h>
#include <unistd.h>

/* --- reservations --- */

static int placeholder(void)
{
	_cleanup_close_ int fd = memfd_create("segfs-reserved", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	/* sealed against writing, so that no view of it passes for one of the segment */
	if (fd < 0 || fcntl(fd, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_WRITE | F_SEAL_SEAL) < 0)
		return -errno;
	return take_fd(&fd);
}

static int create(struct state *state, struct journal_entry *entry, const struct node_slot *dir,
		  const char *name, mode_t mode, int flags, const char *policy, struct source_file *file)
{
	struct sysv_key key = {.kind = SYSV_RESERVED};
	_cleanup_close_ int fd = -1;
	mode_t mask;

	(void)entry;
	(void)policy;
	if (!name)
		return -EOPNOTSUPP;
	/* only keys can be created; and a file opened read-only could never get a size */
	if (!sysv_parse_key(name, &key.reserved.key) || (flags & O_ACCMODE) == O_RDONLY)
		return -EINVAL;
	if (sysv_find_reservation(state, dir->store, key.reserved.key) ||
	    sysv_find(state, dir->store, key.reserved.key) >= 0)
		return -EEXIST;
	mask = umask(0);
	umask(mask);
	key.reserved.mode = mode & 0777 & ~mask;
	key.reserved.uid = (uid_t)setfsuid((uid_t)-1);
	key.reserved.gid = (gid_t)setfsgid((gid_t)-1);
	key.reserved.made_at = realtime_nanoseconds();
	fd = placeholder();
	if (fd < 0)
		return fd;
	sysv_file_of_reservation(&key, dir->store, file);
	file->fd = procfs_fd_open(fd, O_PATH);
	return file->fd < 0 ? file->fd : take_fd(&fd);
}

/*
 * Whether an existing segment with this key was created by the previous execution of this request, whose
 * worker died or lost the reply.
 */
static bool is_own_segment(struct state *state, const struct node_slot *node, pid_t maker, uint64_t size,
			   int *id)
{
	struct sysv_segment segment;

	if (maker == 0)
		return false;
	*id = sysv_find(state, node->store, sysv_key_of(node)->reserved.key);
	return *id >= 0 && sysv_stat(state, node->store, *id, &segment) == 0 && segment.creator == maker &&
	       segment.size == size;
}

/* Creates the segment and switches the open handles to it. */
static int set_first_size(struct state *state, const struct node_slot *node, uint64_t size)
{
	const struct sysv_key *key = sysv_key_of(node);
	_cleanup_close_ int fd = -1;
	int result;
	int id;

	if (size == 0)
		return -EINVAL;
	if (!is_own_segment(state, node, sysv_maker_of(node), size, &id)) {
		/*
		 * before creating it: a death in between would leave a segment that nobody recognizes as ours
		 */
		sysv_note_maker(node);
		id = sysv_make(state, node->store, key->reserved.key, size, key->reserved.mode,
			       key->reserved.uid, key->reserved.gid);
		/* another thread may have created it */
		if (id == -EEXIST && !is_own_segment(state, node, getpid(), size, &id))
			return -EEXIST;
	}
	if (id < 0)
		return id;
	fd = sysv_open_memory(state, node->store, id, O_RDWR);
	result = fd < 0 ? fd : handle_replace_fds(state, node_id_of(state, node), fd);
	if (result < 0) {
		sysv_undo(state, node->store, id);
		return result == -ENOENT ? -EIDRM : result;
	}
	sysv_note_made(node, id, size);
	return 0;
}

/* --- the source --- */

static int find(struct state *state, const struct node_slot *dir, const char *name, struct source_file *file)
{
	const struct node_slot *reservation;
	struct sysv_segment segment;
	uint32_t key = 0;
	int result;
	int id;

	if (!sysv_is_root(dir))
		return -ENOTDIR;
	if (sysv_parse_key(name, &key)) {
		id = sysv_find(state, dir->store, key);
		if (id == -ENOENT) {
			reservation = sysv_find_reservation(state, dir->store, key);
			if (!reservation)
				return -ENOENT;
			sysv_file_of_reservation(sysv_key_of(reservation), dir->store, file);
			return 0;
		}
		if (id < 0)
			return id;
	} else if (!sysv_parse_id(name, &id)) {
		return -ENOENT;
	}
	result = sysv_stat(state, dir->store, id, &segment);
	if (result < 0 || segment.key != key)
		return result < 0 ? result : -ENOENT;
	sysv_file_of_segment(state, dir->store, &segment, file);
	return 0;
}

/*
 * What opens hold of a reservation. The kernel gets the namespace file as backing file: it cannot be mapped.
 * A mapping of the placeholder would stay after the segment is created.
 */
static int open_reservation(struct state *state, const struct node_slot *node, int flags)
{
	int fd;

	if (!(flags & O_PATH))
		return sysv_is_unsized(state, node)
			       ? backing_open(state, node, flags)
			       : sysv_open_memory(state, node->store, sysv_segment_id(node), flags);
	fd = open("/proc/self/ns/ipc", O_PATH | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int open_node(struct state *state, const struct node_slot *node, int flags)
{
	struct sysv_segment segment;
	int result;

	if (sysv_is_root(node))
		return -EISDIR;
	if (sysv_key_of(node)->kind == SYSV_RESERVED)
		return open_reservation(state, node, flags);
	/* the node's own descriptor, if any, is of the segment */
	result = backing_open(state, node, flags);
	if (result != -ESTALE)
		return result;
	result = sysv_segment_of(state, node, &segment);
	if (result < 0)
		return result;
	sysv_note_attach(node, &segment);
	result = sysv_open_memory(state, node->store, segment.id, flags);
	return result == -ENOENT ? -ESTALE : result;
}

/* The kernel has checked cached owner and mode; those of the segment may have changed. */
static int admit(struct state *state, const struct node_slot *node, int flags)
{
	struct sysv_segment segment;
	int result = sysv_segment_of(state, node, &segment);

	/*
	 * there is no segment yet, or it was removed: those who hold its memory were admitted when they
	 * opened it
	 */
	if (result == -ESTALE && (sysv_is_unsized(state, node) || atomic_load(&node->fd) >= 0))
		return 0;
	if (result < 0)
		return result;
	if ((flags & O_ACCMODE) == O_RDONLY && !(flags & O_TRUNC))
		return sysv_may_read(state, node->store, segment.id);
	if (sysv_key_of(node)->kind == SYSV_SEGMENT)
		sysv_note_attach(node, &segment);
	result = sysv_may_write(state, node->store, segment.id);
	return result == -ENOENT ? -ESTALE : result;
}

struct listed {
	struct records *records;
	uint16_t store;
};

static int list_segment(const struct sysv_segment *segment, void *context)
{
	const struct listed *listed = context;
	char name[SYSV_NAME_BYTES];

	sysv_write_name(segment->key, segment->id, name);
	records_add(listed->records, name, source_unique_inode((uint64_t)segment->id, listed->store), DT_REG);
	return 0;
}

static int list(struct state *state, const struct node_slot *dir)
{
	struct records records;
	struct listed listed = {&records, dir->store};
	_cleanup_close_ int fd = -1;
	int result;

	if (!sysv_is_root(dir))
		return -ENOTDIR;
	records_begin(&records);
	records_add(&records, ".", source_inode_of(dir), DT_DIR);
	records_add(&records, "..", state->arena->nodes[NODE_ROOT].inode, DT_DIR);
	result = sysv_visit(state, dir->store, list_segment, &listed);
	fd = records_finish(&records);
	return result < 0 ? result : take_fd(&fd);
}

static int remove_name(struct state *state, struct journal_entry *entry, const struct node_slot *dir,
		       const char *name, int flags)
{
	struct source_file file;
	int result = find(state, dir, name, &file);
	const struct sysv_key *key = (const void *)file.key.handle;
	struct journal_note note;

	/* ids are reused only after a long time */
	if (journal_get_note(entry, &note) &&
	    (result == -ENOENT || (result == 0 && (uint64_t)key->id != note.inode[0])))
		return 0;
	if (result < 0)
		return result;
	if (flags & AT_REMOVEDIR)
		return -ENOTDIR;
	/* a reservation has no segment yet, and ends by itself */
	if (key->kind == SYSV_RESERVED)
		return -EBUSY;
	note = (struct journal_note){.inode = {(uint64_t)key->id}, .fd = -1};
	journal_note(entry, &note);
	return sysv_remove(state, dir->store, key->id);
}

static int change(struct state *state, const struct node_slot *node, const struct source_change *change,
		  struct stat *stat)
{
	const unsigned int settable = SOURCE_SET_MODE | SOURCE_SET_UID | SOURCE_SET_GID;
	struct sysv_segment segment = {0};
	int result = 0;

	if (sysv_is_root(node) || change->what & (SOURCE_SET_ATIME | SOURCE_SET_MTIME))
		return -EPERM;
	if (change->what & SOURCE_SET_SIZE && sysv_is_unsized(state, node))
		result = change->size > 0 ? set_first_size(state, node, (uint64_t)change->size) : -EINVAL;
	if (result == 0 && (change->what & (settable | SOURCE_SET_SIZE)))
		result = sysv_segment_of(state, node, &segment);
	if (result < 0)
		return result == -ESTALE && (sysv_is_unsized(state, node) || change->what & SOURCE_SET_SIZE)
			       ? -EPERM
			       : result;
	if (change->what & SOURCE_SET_SIZE && (uint64_t)change->size != segment.size)
		return -EPERM;
	if (change->what & settable) {
		if (change->what & SOURCE_SET_MODE)
			segment.mode = change->mode & 0777;
		if (change->what & SOURCE_SET_UID)
			segment.uid = change->uid;
		if (change->what & SOURCE_SET_GID)
			segment.gid = change->gid;
		result = sysv_set(state, node->store, &segment);
		if (result < 0)
			return result == -ENOENT ? -ESTALE : result;
	}
	return sysv_stat_node(state, node, stat);
}

/* Nodes have no attributes but those that segfs provides. */
static int no_setxattr(struct state *state, const struct node_slot *node, const char *name, const void *value,
		       size_t size, int flags)
{
	(void)state;
	(void)node;
	(void)name;
	(void)value;
	(void)size;
	(void)flags;
	return -EOPNOTSUPP;
}

static int path_of(const struct state *state, const struct node_slot *node, char *path, size_t size)
{
	struct sysv_segment segment;
	char name[SYSV_NAME_BYTES];
	int length;

	if (sysv_is_root(node))
		return -ENOENT;
	length = sysv_segment_of((struct state *)(uintptr_t)state, node, &segment);
	if (length < 0)
		return length == -ESTALE ? -ENOENT : length;
	sysv_write_name(segment.key, segment.id, name);
	length = snprintf(path, size, "%s/%s", state->arena->header->stores[node->store].path, name);
	return (size_t)length < size ? length : -ENAMETOOLONG;
}

const struct source sysv_source = {
	.name = "sysv",
	.facts = sysv_facts,
	.fixed_size = true,
	.as_requester = true,
	.admit = admit,
	.find = find,
	.stat = sysv_stat_node,
	.open = open_node,
	.unsized = sysv_is_unsized,
	.list = list,
	.listed_in_memory = true,
	.create = create,
	.remove = remove_name,
	.path = path_of,
	.change = change,
	.setxattr = no_setxattr,
};
