// SPDX-License-Identifier: MIT
#include "fs/source/sysv_node.h"
#include "fs/state/handle.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

/* anyone may create segments; IPC_RMID itself lets only owner and creator remove one */
#define ROOT_MODE 0777
/* inode numbers of reservations: this plus the key; those of segments are smaller */
#define RESERVED_INODE (UINT64_C(1) << 40)
#define ROOT_INODE     (UINT64_C(1) << 41)

static pthread_mutex_t notes = PTHREAD_MUTEX_INITIALIZER; /* guards every sysv_note; a leaf lock */

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
		.segment = {.size = segment->size,
			    .creator_uid = segment->creator_uid,
			    .creator = segment->creator},
	};
}

bool sysv_is_root(const struct node_slot *node)
{
	return node->type == S_IFDIR >> 12;
}

static void stat_common(struct stat *stat, uint16_t store, uint64_t inode)
{
	*stat = (struct stat){
		.st_ino = source_unique_inode(inode, store),
		.st_blksize = (blksize_t)sysconf(_SC_PAGESIZE),
		.st_nlink = 1,
	};
}

static void stat_of_segment(const struct sysv_segment *segment, uint16_t store, struct stat *stat)
{
	const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);

	stat_common(stat, store, (uint64_t)segment->id);
	stat->st_mode = S_IFREG | segment->mode;
	stat->st_uid = segment->uid;
	stat->st_gid = segment->gid;
	stat->st_size = (off_t)segment->size;
	/* all of it, in whole pages, is accounted at creation */
	stat->st_blocks = (blkcnt_t)((segment->size + page - 1) / page * (page / 512));
	stat->st_atim.tv_sec = segment->atime;
	stat->st_mtim.tv_sec = segment->dtime;
	stat->st_ctim.tv_sec = segment->ctime;
}

static void stat_of_reservation(const struct sysv_key *key, uint16_t store, struct stat *stat)
{
	stat_common(stat, store, RESERVED_INODE | key->reserved.key);
	stat->st_mode = S_IFREG | (key->reserved.mode & 0777);
	stat->st_uid = key->reserved.uid;
	stat->st_gid = key->reserved.gid;
	stat->st_ctim.tv_sec = stat->st_mtim.tv_sec = stat->st_atim.tv_sec =
		(time_t)(key->reserved.made_at / 1000000000);
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

void sysv_file_of_reservation(const struct sysv_key *key, uint16_t store, struct source_file *file)
{
	*file = (struct source_file){.flags = NODE_EXTERNAL | NODE_NEEDS_FD, .fd = -1};
	stat_of_reservation(key, store, &file->stat);
	put_key(&file->key, store, RESERVED_INODE | key->reserved.key, key);
}

/* --- segments of nodes --- */

/* Hides the changes made by the worker's own attach, until somebody else attaches or detaches. */
static void hide_own_attach(const struct state *state, const struct sysv_note *note,
			    struct sysv_segment *segment)
{
	/* a segment created here that nobody else has attached */
	if (!note->maker && segment->last == segment->creator &&
	    segment->last == atomic_load(&state->arena->header->worker_pid)) {
		segment->last = 0;
		segment->atime = segment->dtime = 0;
		return;
	}
	if (!note->maker || segment->last != note->maker)
		return;
	segment->last = note->last;
	segment->atime = note->before.atime;
	segment->dtime = note->before.dtime;
}

void sysv_file_of_segment(struct state *state, uint16_t store, const struct sysv_segment *segment,
			  struct source_file *file)
{
	struct sysv_segment shown = *segment;
	const struct node_slot *node;
	struct sysv_note note = {0};
	struct sysv_key key;
	uint64_t id;

	key_of_segment(segment, &key);
	*file = (struct source_file){.flags = NODE_EXTERNAL, .fd = -1};
	put_key(&file->key, store, (uint64_t)segment->id, &key);
	id = node_find(state, &file->key);
	node = id ? node_get(state, id) : NULL;
	pthread_mutex_lock(&notes);
	if (node)
		note = *note_of(node);
	pthread_mutex_unlock(&notes);
	hide_own_attach(state, &note, &shown);
	stat_of_segment(&shown, store, &file->stat);
}

int sysv_segment_id(const struct node_slot *node)
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

bool sysv_is_unsized(struct state *state, const struct node_slot *node)
{
	(void)state;
	return sysv_key_of(node)->kind == SYSV_RESERVED && sysv_segment_id(node) < 0;
}

int sysv_segment_of(struct state *state, const struct node_slot *node, struct sysv_segment *segment)
{
	int id = sysv_segment_id(node);
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
	/* the id was reused, which takes 2^31 segments */
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

/* The last known attributes of a removed segment that is still open. */
static void stat_of_gone(const struct node_slot *node, struct stat *stat)
{
	const struct sysv_key *key = sysv_key_of(node);
	struct sysv_segment segment = {.id = sysv_segment_id(node)};

	pthread_mutex_lock(&notes);
	segment.size = key->kind == SYSV_SEGMENT ? key->segment.size : note_of(node)->made_size;
	segment.uid = note_of(node)->uid;
	segment.gid = note_of(node)->gid;
	segment.mode = note_of(node)->mode;
	pthread_mutex_unlock(&notes);
	stat_of_segment(&segment, node->store, stat);
	stat->st_nlink = 0;
}

int sysv_stat_node(struct state *state, const struct node_slot *node, struct stat *stat)
{
	struct sysv_segment segment;
	int result;

	if (sysv_is_root(node)) {
		stat_of_root(state, node->store, stat);
		return 0;
	}
	result = sysv_segment_of(state, node, &segment);
	if (result == 0)
		stat_of_segment(&segment, node->store, stat);
	else if (sysv_is_unsized(state, node))
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
	return sysv_key_of(node)->kind == SYSV_RESERVED && sysv_is_unsized(NULL, node);
}

const struct node_slot *sysv_find_reservation(struct state *state, uint16_t store, uint32_t key)
{
	uint64_t id = node_find_open(state, store, RESERVED_INODE | key, is_reservation, NULL);

	return id ? node_get(state, id) : NULL;
}

static bool has_made(const struct node_slot *node, void *id)
{
	return sysv_key_of(node)->kind == SYSV_RESERVED && sysv_segment_id(node) == *(int *)id;
}

bool sysv_is_open(struct state *state, const struct node_slot *node, const struct sysv_segment *segment)
{
	int id = segment->id;
	uint32_t writers;

	return handle_count(state, node_id_of(state, node), &writers) > 0 ||
	       node_find_open(state, node->store, RESERVED_INODE | segment->key, has_made, &id);
}

/* --- notes --- */

pid_t sysv_maker_of(const struct node_slot *node)
{
	int32_t maker;

	pthread_mutex_lock(&notes);
	maker = note_of(node)->maker;
	pthread_mutex_unlock(&notes);
	return maker;
}

void sysv_note_maker(const struct node_slot *node)
{
	pthread_mutex_lock(&notes);
	note_of(node)->maker = getpid();
	pthread_mutex_unlock(&notes);
}

void sysv_note_made(const struct node_slot *node, int id, uint64_t size)
{
	const struct sysv_key *key = sysv_key_of(node);
	struct sysv_note *note = note_of(node);

	pthread_mutex_lock(&notes);
	note->uid = key->reserved.uid;
	note->gid = key->reserved.gid;
	note->mode = key->reserved.mode;
	note->made_size = size;
	note->made = id + 1;
	pthread_mutex_unlock(&notes);
}

void sysv_note_attach(const struct node_slot *node, const struct sysv_segment *segment)
{
	struct sysv_note *note = note_of(node);

	pthread_mutex_lock(&notes);
	note->maker = getpid();
	note->last = segment->last;
	note->before.atime = (uint32_t)segment->atime;
	note->before.dtime = (uint32_t)segment->dtime;
	pthread_mutex_unlock(&notes);
}
