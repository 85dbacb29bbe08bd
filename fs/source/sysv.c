// SPDX-License-Identifier: MIT
/*
 * System V shared memory: each segment of an IPC namespace as a file, named by its key.
 *
 * A segment has one size for all of its life, so a file that is made has none at first: it reserves its key, and the first size that it
 * is given makes the segment. Until then, what opens it holds is a sealed, empty memfd in its place.
 */
#include "fs/source/sysv.h"
#include "fs/source/sysv_names.h"
#include "fs/source/backing.h"
#include "fs/source/records.h"
#include "fs/state/handle.h"
#include "fs/state/journal.h"
#include "lib/base/cleanup.h"
#include "lib/base/clock.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/mman.h>
#include <unistd.h>

#define ROOT_MODE 01777                          /* anybody may make segments; who owns one may remove it, as IPC_RMID has it */
#define RESERVED_INODE (UINT64_C(1) << 40)       /* inode numbers of reservations are this and the key; those of segments are below */
#define ROOT_INODE (UINT64_C(1) << 41)

static pthread_mutex_t notes = PTHREAD_MUTEX_INITIALIZER; /* guards every sysv_note; a leaf */

static struct sysv_note *note_of(const struct node_slot *node)
{
	return (void *)(uintptr_t)(node->handle + sizeof(struct sysv_key));
}

/* --- keys and attributes --- */

static void put_key(struct node_key *out, uint16_t store, uint64_t inode, const struct sysv_key *key)
{
	*out = (struct node_key){
		.inode = inode,
		.store = store,
		.handle_type = NODE_HANDLE_SOURCE,
		.handle_bytes = sizeof(*key),
	};
	memcpy(out->handle, key, sizeof(*key));
}

static void key_of_segment(const struct sysv_segment *segment, struct sysv_key *key)
{
	*key = (struct sysv_key){
		.kind = SYSV_SEGMENT,
		.id = segment->id,
		.size = segment->size,
		.owner = segment->creator_uid,
		.mode = (uint32_t)segment->creator,
	};
}

static bool is_root(const struct node_slot *node)
{
	return node->type == S_IFDIR >> 12;
}

static void stat_common(struct stat *stat, uint16_t store, uint64_t inode)
{
	*stat = (struct stat){
		.st_ino = source_unique_inode(inode, store),
		.st_blksize = sysconf(_SC_PAGESIZE),
		.st_nlink = 1,
	};
}

static void stat_of_segment(const struct sysv_segment *segment, uint16_t store, struct stat *stat)
{
	stat_common(stat, store, (uint64_t)segment->id);
	stat->st_mode = S_IFREG | segment->mode;
	stat->st_uid = segment->uid;
	stat->st_gid = segment->gid;
	stat->st_size = (off_t)segment->size;
	/* all of it is accounted for from the beginning */
	stat->st_blocks = (blkcnt_t)((segment->size + 4095) / 4096 * 8);
	stat->st_atim.tv_sec = segment->atime;
	stat->st_mtim.tv_sec = segment->dtime;
	stat->st_ctim.tv_sec = segment->ctime;
}

static void stat_of_reservation(const struct sysv_key *key, uint16_t store, struct stat *stat)
{
	stat_common(stat, store, RESERVED_INODE | key->key);
	stat->st_mode = S_IFREG | (key->mode & 0777);
	stat->st_uid = key->owner;
	stat->st_gid = key->group;
	stat->st_ctim.tv_sec = stat->st_mtim.tv_sec = stat->st_atim.tv_sec = (time_t)(key->size / 1000000000);
}

static void stat_of_root(const struct state *state, uint16_t store, struct stat *stat)
{
	stat_common(stat, store, ROOT_INODE);
	stat->st_mode = S_IFDIR | ROOT_MODE;
	stat->st_nlink = 2;
	stat->st_ctim.tv_sec = (time_t)(state->arena->header->started_at / 1000000000);
	stat->st_mtim = stat->st_atim = stat->st_ctim;
}

void sysv_root_key(uint16_t store, struct node_key *key)
{
	put_key(key, store, ROOT_INODE, &(struct sysv_key){.kind = SYSV_ROOT});
}

static void file_of_segment(const struct sysv_segment *segment, uint16_t store, struct source_file *file)
{
	struct sysv_key key;

	key_of_segment(segment, &key);
	*file = (struct source_file){.flags = NODE_FOREIGN, .fd = -1};
	stat_of_segment(segment, store, &file->stat);
	put_key(&file->key, store, (uint64_t)segment->id, &key);
}

/* --- segments of nodes --- */

/* What the worker's own attaching has changed is not told, until somebody else changes it. */
static void hide_own_attach(const struct state *state, const struct sysv_note *note, struct sysv_segment *segment)
{
	/* one that was made here, and that nobody has attached since */
	if (!note->maker && segment->last == segment->creator && segment->last == atomic_load(&state->arena->header->worker_pid)) {
		segment->last = 0;
		segment->atime = segment->dtime = 0;
		return;
	}
	if (!note->maker || segment->last != note->maker)
		return;
	segment->last = note->last;
	segment->atime = note->atime;
	segment->dtime = note->dtime;
}

/* ... of a segment that was found by name. */
static void show_noted(struct state *state, struct sysv_segment *segment, struct source_file *file)
{
	const uint64_t id = node_find(state, &file->key);
	const struct node_slot *node = id ? node_get(state, id) : NULL;
	struct sysv_note note = {0};

	pthread_mutex_lock(&notes);
	if (node)
		note = *note_of(node);
	pthread_mutex_unlock(&notes);
	hide_own_attach(state, &note, segment);
	stat_of_segment(segment, file->key.store, &file->stat);
}

/* Which segment a node is about, or -1. */
static int segment_id(const struct node_slot *node)
{
	const struct sysv_key *key = sysv_key_of(node);
	int id = -1;

	if (key->kind == SYSV_SEGMENT)
		return key->id;
	pthread_mutex_lock(&notes);
	if (key->kind == SYSV_RESERVED)
		id = note_of(node)->made - 1;
	pthread_mutex_unlock(&notes);
	return id;
}

static bool is_unsized(struct state *state, const struct node_slot *node)
{
	(void)state;
	return sysv_key_of(node)->kind == SYSV_RESERVED && segment_id(node) < 0;
}

int sysv_segment_of(struct state *state, const struct node_slot *node, struct sysv_segment *segment)
{
	int id = segment_id(node);
	struct sysv_segment found;
	struct sysv_note *note;
	struct sysv_key key;
	int result;

	if (id < 0)
		return -ESTALE;
	result = sysv_stat(state, node->store, id, &found);
	if (result < 0)
		return result == -ENOENT ? -ESTALE : result;
	key_of_segment(&found, &key);
	/* the number was given again: once in 2^31 segments */
	if (sysv_key_of(node)->kind == SYSV_SEGMENT && memcmp(&key, node->handle, sizeof(key)) != 0)
		return -ESTALE;
	note = note_of(node);
	pthread_mutex_lock(&notes);
	note->uid = found.uid;
	note->gid = found.gid;
	note->mode = found.mode;
	if (sysv_key_of(node)->kind == SYSV_SEGMENT)
		hide_own_attach(state, note, &found);
	pthread_mutex_unlock(&notes);
	*segment = found;
	return 0;
}

static uint64_t made_size(const struct sysv_note *note)
{
	return (uint64_t)note->dtime << 32 | note->atime;
}

/* A segment that is gone, but open: what was last known of it. */
static void stat_of_gone(const struct node_slot *node, struct stat *stat)
{
	const struct sysv_key *key = sysv_key_of(node);
	struct sysv_segment segment = {.id = segment_id(node)};

	pthread_mutex_lock(&notes);
	segment.size = key->kind == SYSV_SEGMENT ? key->size : made_size(note_of(node));
	segment.uid = note_of(node)->uid;
	segment.gid = note_of(node)->gid;
	segment.mode = note_of(node)->mode;
	pthread_mutex_unlock(&notes);
	stat_of_segment(&segment, node->store, stat);
	stat->st_nlink = 0;
}

static int stat_node(struct state *state, const struct node_slot *node, struct stat *stat)
{
	struct sysv_segment segment;
	int result;

	if (is_root(node)) {
		stat_of_root(state, node->store, stat);
		return 0;
	}
	result = sysv_segment_of(state, node, &segment);
	if (result == 0)
		stat_of_segment(&segment, node->store, stat);
	else if (is_unsized(state, node))
		stat_of_reservation(sysv_key_of(node), node->store, stat);
	else if (atomic_load(&node->fd) >= 0)
		stat_of_gone(node, stat);
	else
		return result;
	return 0;
}

/* --- reservations --- */

static bool is_reservation(const struct node_slot *node, void *unused)
{
	(void)unused;
	return sysv_key_of(node)->kind == SYSV_RESERVED && is_unsized(NULL, node);
}

/* The open file, if there is one, that reserves a key. */
static const struct node_slot *find_reservation(struct state *state, uint16_t store, uint32_t key)
{
	uint64_t id = node_find_open(state, store, RESERVED_INODE | key, is_reservation, NULL);

	return id ? node_get(state, id) : NULL;
}

static bool has_made(const struct node_slot *node, void *id)
{
	return sysv_key_of(node)->kind == SYSV_RESERVED && segment_id(node) == *(int *)id;
}

bool sysv_is_open(struct state *state, const struct node_slot *node, const struct sysv_segment *segment)
{
	int id = segment->id;
	uint32_t writers;

	return handle_count(state, node_id_of(state, node), &writers) > 0 ||
	       node_find_open(state, node->store, RESERVED_INODE | segment->key, has_made, &id);
}

static int placeholder(void)
{
	_cleanup_close_ int fd = memfd_create("segfs-reserved", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	/* no view of it can be taken for one of the segment: it may not be written to */
	if (fd < 0 || fcntl(fd, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_WRITE | F_SEAL_SEAL) < 0)
		return -errno;
	return take_fd(&fd);
}

static int create(struct state *state, const struct node_slot *dir, const char *name, mode_t mode, int flags,
		  const char *policy, struct source_file *file)
{
	struct sysv_key key = {.kind = SYSV_RESERVED};
	_cleanup_close_ int fd = -1;
	char path[PROC_FD_MAX];
	mode_t mask;

	(void)policy;
	if (!name)
		return -EOPNOTSUPP;
	/* a key or nothing; and who can't give it a size can't make a segment */
	if (!sysv_parse_key(name, &key.key) || (flags & O_ACCMODE) == O_RDONLY)
		return -EINVAL;
	if (find_reservation(state, dir->store, key.key) || sysv_find(state, dir->store, key.key) >= 0)
		return -EEXIST;
	mask = umask(0);
	umask(mask);
	key.mode = mode & 0777 & ~mask;
	key.owner = (uid_t)setfsuid((uid_t)-1);
	key.group = (gid_t)setfsgid((gid_t)-1);
	key.size = realtime_nanoseconds();
	fd = placeholder();
	if (fd < 0)
		return fd;
	*file = (struct source_file){.flags = NODE_FOREIGN | NODE_KEEP_FD, .fd = -1};
	proc_fd_path(path, fd);
	file->fd = open(path, O_PATH | O_CLOEXEC);
	if (file->fd < 0)
		return -errno;
	stat_of_reservation(&key, dir->store, &file->stat);
	put_key(&file->key, dir->store, RESERVED_INODE | key.key, &key);
	return take_fd(&fd);
}

/* Which worker was about to make the segment, or 0. */
static pid_t maker_of(const struct node_slot *node)
{
	int32_t maker;

	pthread_mutex_lock(&notes);
	maker = note_of(node)->maker;
	pthread_mutex_unlock(&notes);
	return maker;
}

static void note_maker(const struct node_slot *node)
{
	pthread_mutex_lock(&notes);
	note_of(node)->maker = getpid();
	pthread_mutex_unlock(&notes);
}

/* Whether the segment in the way is one that this file's maker made, before it died or lost the answer. */
static bool is_own_work(struct state *state, const struct node_slot *node, pid_t maker, uint64_t size, int *id)
{
	struct sysv_segment segment;

	if (maker == 0)
		return false;
	*id = sysv_find(state, node->store, sysv_key_of(node)->key);
	return *id >= 0 && sysv_stat(state, node->store, *id, &segment) == 0 && segment.creator == maker &&
	       segment.size == size;
}

/* Makes the segment. What is open goes over to it. */
static int give_size(struct state *state, const struct node_slot *node, uint64_t size)
{
	const struct sysv_key *key = sysv_key_of(node);
	_cleanup_close_ int fd = -1;
	int result;
	int id;

	if (size == 0)
		return -EINVAL;
	if (!is_own_work(state, node, maker_of(node), size, &id)) {
		/* before it is made: a death between the two would leave a segment that nobody knows to be ours */
		note_maker(node);
		id = sysv_make(state, node->store, key->key, size, key->mode, key->owner, key->group);
		/* another thread may have */
		if (id == -EEXIST && !is_own_work(state, node, getpid(), size, &id))
			return -EEXIST;
	}
	if (id < 0)
		return id;
	fd = sysv_open_memory(state, node->store, id, O_RDWR);
	result = fd < 0 ? fd : handle_replace_fds(state, node_id_of(state, node), fd);
	if (result < 0) {
		sysv_remove(state, node->store, id);
		return result == -ENOENT ? -EIDRM : result;
	}
	pthread_mutex_lock(&notes);
	note_of(node)->uid = key->owner;
	note_of(node)->gid = key->group;
	note_of(node)->mode = key->mode;
	note_of(node)->atime = (uint32_t)size;
	note_of(node)->dtime = (uint32_t)(size >> 32);
	note_of(node)->made = id + 1;
	pthread_mutex_unlock(&notes);
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

	if (!is_root(dir))
		return -ENOTDIR;
	if (sysv_parse_key(name, &key)) {
		id = sysv_find(state, dir->store, key);
		if (id == -ENOENT) {
			reservation = find_reservation(state, dir->store, key);
			if (!reservation)
				return -ENOENT;
			*file = (struct source_file){.flags = NODE_FOREIGN | NODE_KEEP_FD, .fd = -1};
			stat_of_reservation(sysv_key_of(reservation), dir->store, &file->stat);
			put_key(&file->key, dir->store, reservation->inode, sysv_key_of(reservation));
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
	file_of_segment(&segment, dir->store, file);
	show_noted(state, &segment, file);
	return 0;
}

/* Notes what attaching changes, so that it can be hidden. */
static void note_before_attach(const struct node_slot *node, const struct sysv_segment *segment)
{
	struct sysv_note *note = note_of(node);

	pthread_mutex_lock(&notes);
	note->maker = getpid();
	note->last = segment->last;
	note->atime = (uint32_t)segment->atime;
	note->dtime = (uint32_t)segment->dtime;
	pthread_mutex_unlock(&notes);
}

/*
 * What opens hold of a node that reserves its key. The kernel gets a file that can't be mapped (of the namespace), since it would go on
 * mapping the same one when there is a segment.
 */
static int open_reservation(struct state *state, const struct node_slot *node, int flags)
{
	int fd;

	if (!(flags & O_PATH))
		return is_unsized(state, node) ? backing_open(state, node, flags)
					       : sysv_open_memory(state, node->store, segment_id(node), flags);
	fd = open("/proc/self/ns/ipc", O_PATH | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int open_node(struct state *state, const struct node_slot *node, int flags)
{
	struct sysv_segment segment;
	int result;

	if (is_root(node))
		return -EISDIR;
	if (sysv_key_of(node)->kind == SYSV_RESERVED)
		return open_reservation(state, node, flags);
	/* the descriptor that it keeps is the segment's */
	if (atomic_load(&node->fd) >= 0)
		return backing_open(state, node, flags);
	result = sysv_segment_of(state, node, &segment);
	if (result < 0)
		return result;
	note_before_attach(node, &segment);
	result = sysv_open_memory(state, node->store, segment.id, flags);
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

	if (!is_root(dir))
		return -ENOTDIR;
	records_begin(&records);
	records_add(&records, ".", source_inode_of(dir), DT_DIR);
	records_add(&records, "..", state->arena->nodes[NODE_ROOT].inode, DT_DIR);
	result = sysv_visit(state, dir->store, list_segment, &listed);
	fd = records_finish(&records);
	return result < 0 ? result : take_fd(&fd);
}

static int remove_name(struct state *state, const struct node_slot *dir, const char *name, int flags)
{
	struct source_file file;
	int result = find(state, dir, name, &file);
	const struct sysv_key *key = (const void *)file.key.handle;
	struct journal_note note;

	/* ids are not used again for a long time */
	if (journal_noted(&note) && (result == -ENOENT || (result == 0 && (uint64_t)key->id != note.inode[0])))
		return 0;
	if (result < 0)
		return result;
	if (flags & AT_REMOVEDIR)
		return -ENOTDIR;
	/* it has no segment yet, and goes by itself */
	if (key->kind == SYSV_RESERVED)
		return -EBUSY;
	note = (struct journal_note){.inode = {(uint64_t)key->id}, .fd = -1};
	journal_note(&note);
	return sysv_remove(state, dir->store, key->id);
}

static int change(struct state *state, const struct node_slot *node, const struct source_change *change, struct stat *stat)
{
	const unsigned int settable = SOURCE_SET_MODE | SOURCE_SET_UID | SOURCE_SET_GID;
	struct sysv_segment segment = {0};
	int result = 0;

	if (is_root(node) || change->what & (SOURCE_SET_ATIME | SOURCE_SET_MTIME))
		return -EPERM;
	if (change->what & SOURCE_SET_SIZE && is_unsized(state, node))
		result = change->size > 0 ? give_size(state, node, (uint64_t)change->size) : -EINVAL;
	if (result == 0 && (change->what & (settable | SOURCE_SET_SIZE)))
		result = sysv_segment_of(state, node, &segment);
	if (result < 0)
		return result == -ESTALE && (is_unsized(state, node) || change->what & SOURCE_SET_SIZE) ? -EPERM : result;
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
	return stat_node(state, node, stat);
}

/* There are none but those that segfs tells itself. */
static int no_setxattr(struct state *state, const struct node_slot *node, const char *name, const void *value, size_t size,
		       int flags)
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

	if (is_root(node))
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
	.find = find,
	.stat = stat_node,
	.open = open_node,
	.unsized = is_unsized,
	.list = list,
	.listed_in_memory = true,
	.create = create,
	.remove = remove_name,
	.path = path_of,
	.change = change,
	.setxattr = no_setxattr,
};
