// SPDX-License-Identifier: MIT
#include "fs/state/message.h"
#include "lib/base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define BLOCKS_LEAST  16u
#define MESSAGE_LEAST 40u             /* bytes: a message has a header; none needs more blocks per byte */
#define BUCKETS       65536u          /* a power of two */
#define RESERVED_IDLE (1024u * 1024u) /* bytes of blocks that stay reserved when no message is stored */
#define PAYLOAD       sizeof(((struct message_block *)0)->bytes)
#define UNSEEN        UINT32_MAX /* while indexing: no message has the block */

/* Heap part of a block. */
struct block_index {
	uint32_t next; /* next in the bucket, if the first of a message; else in the free list; 0 = end */
	uint32_t users : 31; /* message_save() without message_drop() */
	uint32_t left : 1;   /* stored by an earlier worker */
};

enum buffer_state {
	BUFFER_FREE = 0,
	BUFFER_LEFT, /* with a message of an earlier worker */
	BUFFER_USED, /* by a thread */
};

struct messages {
	int fd;
	size_t size; /* bytes mapped */
	struct arena_header *header;
	char *buffers;                           /* ARENA_THREADS of MESSAGE_MAX bytes */
	enum buffer_state states[ARENA_THREADS]; /* of the buffers; used by the reader only */
	struct message_block *blocks;            /* [0] is unused */

	pthread_mutex_t lock; /* guards the rest */
	struct block_index *index;
	uint32_t buckets[BUCKETS]; /* first blocks by id; 0 = none */
	uint32_t free_block;       /* head of the free list */
	uint32_t next_left;        /* where message_take() continues */
	uint32_t n;                /* stored messages */
};

static size_t blocks_offset(void)
{
	return (size_t)ARENA_THREADS * MESSAGE_MAX;
}

static size_t size_for(uint32_t max_blocks)
{
	return blocks_offset() + arena_size_for(max_blocks, sizeof(struct message_block));
}

uint32_t message_blocks(uint64_t bytes, uint64_t n)
{
	const uint64_t blocks = bytes / MESSAGE_LEAST + n + BLOCKS_LEAST;

	return blocks < UNSEEN ? (uint32_t)blocks : UNSEEN - 1;
}

int message_create(struct arena_header *header, uint32_t max_blocks)
{
	_cleanup_close_ int fd = -1;
	int result = 0;

	if (max_blocks < BLOCKS_LEAST)
		return -EINVAL;
	fd = memfd_create("segfs-messages", MFD_CLOEXEC);
	if (fd < 0 || ftruncate(fd, (off_t)size_for(max_blocks)) < 0)
		return -errno;
	/* the first word of each buffer, at which every worker looks */
	for (unsigned int i = 0; i < ARENA_THREADS && result == 0; i++)
		result = arena_reserve(fd, (size_t)i * MESSAGE_MAX, sizeof(uint32_t));
	if (result < 0)
		return result;
	header->max_blocks = max_blocks;
	header->blocks_high = 1;
	header->messages_fd = take_fd(&fd);
	return 0;
}

/* --- buffers --- */

static char *buffer_at(const struct messages *messages, unsigned int i)
{
	return messages->buffers + (size_t)i * MESSAGE_MAX;
}

/* What a buffer, or a message, begins with. */
static _Atomic uint32_t *first_word(void *buffer)
{
	return buffer;
}

/*
 * Makes all pages present. If one is missing while the kernel copies a request and the reader is being
 * killed, the copy fails and the requester gets EIO.
 */
static int populate(const struct messages *messages, char *buffer)
{
	const size_t offset = (size_t)(buffer - messages->buffers);
	const size_t before = offset % (size_t)sysconf(_SC_PAGESIZE);
	int result = arena_reserve(messages->fd, offset, MESSAGE_MAX);

	if (result < 0)
		return -ENOMEM;
	/* from the start of a page: a buffer may begin inside a large one. EINVAL: a kernel before 5.14 */
	if (madvise(buffer - before, before + MESSAGE_MAX, MADV_POPULATE_WRITE) < 0)
		for (size_t at = 0; at < MESSAGE_MAX; at += 4096)
			atomic_fetch_or((_Atomic uint8_t *)(buffer + at), 0);
	return 0;
}

int message_get_buffer(struct state *state, void **buffer)
{
	struct messages *messages = state->messages;
	unsigned int found = 0;
	int result;

	while (found < ARENA_THREADS && messages->states[found] != BUFFER_LEFT)
		found++;
	if (found == ARENA_THREADS && *buffer)
		return 0;
	for (unsigned int i = 0; i < ARENA_THREADS && found == ARENA_THREADS; i++)
		if (messages->states[i] == BUFFER_FREE)
			found = i;
	if (found == ARENA_THREADS)
		return -ENOMEM;
	result = populate(messages, buffer_at(messages, found));
	if (result < 0)
		return result;
	result = messages->states[found] == BUFFER_LEFT;
	if (*buffer)
		messages->states[((size_t)((char *)*buffer - messages->buffers)) / MESSAGE_MAX] = BUFFER_FREE;
	messages->states[found] = BUFFER_USED;
	*buffer = buffer_at(messages, found);
	return result;
}

void message_clear_buffer(void *buffer)
{
	atomic_store(first_word(buffer), 0);
}

/* --- stored messages --- */

/* Ids count upwards in steps. */
static uint32_t *bucket_of(struct messages *messages, uint64_t unique)
{
	return &messages->buckets[(unique * UINT64_C(0x9e3779b97f4a7c15)) >> 48 & (BUCKETS - 1)];
}

static uint32_t find(struct messages *messages, uint64_t unique)
{
	uint32_t block = *bucket_of(messages, unique);

	while (block && messages->blocks[block].unique != unique)
		block = messages->index[block].next;
	return block;
}

static void push_free(struct messages *messages, uint32_t block)
{
	messages->index[block] = (struct block_index){.next = messages->free_block};
	messages->free_block = block;
}

/* Takes a block from the free list, or an unused one. Returns 0 without any, or without memory. */
static uint32_t take_block(struct messages *messages)
{
	struct arena_header *header = messages->header;
	uint32_t block = messages->free_block;

	if (block) {
		messages->free_block = messages->index[block].next;
		return block;
	}
	block = atomic_load(&header->blocks_high);
	if (arena_commit(messages->fd, blocks_offset(), sizeof(struct message_block), block,
			 header->max_blocks, &header->blocks_committed) < 0)
		return 0;
	atomic_store(&header->blocks_high, block + 1);
	return block;
}

static void free_chain(struct messages *messages, uint32_t first)
{
	for (uint32_t block = first; block;) {
		const uint32_t next = messages->blocks[block].next;

		push_free(messages, block);
		block = next;
	}
}

/* Copies a message to a chain of blocks. Returns its first one, whose state is set by the caller; 0. */
static uint32_t fill_chain(struct messages *messages, const char *message, size_t length)
{
	uint32_t first = 0;
	uint32_t last = 0;

	for (size_t at = 0; at < length; at += PAYLOAD) {
		const uint32_t block = take_block(messages);
		struct message_block *slot = &messages->blocks[block];

		if (!block) {
			free_chain(messages, first);
			return 0;
		}
		slot->next = 0;
		memcpy(slot->bytes, message + at, length - at < PAYLOAD ? length - at : PAYLOAD);
		if (last)
			messages->blocks[last].next = block;
		else
			first = block;
		last = block;
	}
	return first;
}

static void link_message(struct messages *messages, uint32_t first)
{
	uint32_t *bucket = bucket_of(messages, messages->blocks[first].unique);

	messages->index[first] = (struct block_index){.next = *bucket, .users = 1};
	*bucket = first;
	messages->n++;
}

/* Returns memory to the system. No message is stored, so no block is in use. */
static void shrink(struct messages *messages)
{
	struct arena_header *header = messages->header;
	uint64_t committed = atomic_load(&header->blocks_committed);

	if (committed <= RESERVED_IDLE)
		return;
	messages->free_block = 0;
	atomic_store(&header->blocks_high, 1);
	atomic_store(&header->blocks_committed, RESERVED_IDLE);
	/* only memory is lost if it fails, until it is needed again */
	if (fallocate(messages->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		      (off_t)(blocks_offset() + RESERVED_IDLE), (off_t)(committed - RESERVED_IDLE)) < 0)
		return;
}

/* The state is cleared first. */
static void remove_message(struct messages *messages, uint32_t first)
{
	uint32_t *link = bucket_of(messages, messages->blocks[first].unique);

	while (*link != first)
		link = &messages->index[*link].next;
	*link = messages->index[first].next;
	atomic_store(&messages->blocks[first].state, SLOT_FREE);
	free_chain(messages, first);
	messages->n--;
	if (messages->n == 0)
		shrink(messages);
}

int message_save(struct state *state, uint64_t unique, const void *message, size_t length)
{
	struct messages *messages = state->messages;
	uint32_t first;

	pthread_mutex_lock(&messages->lock);
	first = find(messages, unique);
	if (first) {
		messages->index[first].users++;
	} else {
		first = fill_chain(messages, message, length);
		if (first) {
			messages->blocks[first].unique = unique;
			messages->blocks[first].length = (uint32_t)length;
			atomic_store(&messages->blocks[first].state, SLOT_LIVE);
			link_message(messages, first);
		}
	}
	pthread_mutex_unlock(&messages->lock);
	return first ? 0 : -ENOMEM;
}

void message_drop(struct state *state, uint64_t unique)
{
	struct messages *messages = state->messages;
	uint32_t first;

	pthread_mutex_lock(&messages->lock);
	first = find(messages, unique);
	if (first && --messages->index[first].users == 0)
		remove_message(messages, first);
	pthread_mutex_unlock(&messages->lock);
}

bool message_is_saved(struct state *state, uint64_t unique)
{
	struct messages *messages = state->messages;
	bool found;

	pthread_mutex_lock(&messages->lock);
	found = find(messages, unique) != 0;
	pthread_mutex_unlock(&messages->lock);
	return found;
}

/* The first word is copied last: until then the buffer is empty. */
static size_t copy_message(const struct messages *messages, uint32_t first, char *buffer)
{
	const size_t length = messages->blocks[first].length;
	size_t at = 0;
	uint32_t word;

	memcpy(&word, messages->blocks[first].bytes, sizeof(word));
	for (uint32_t block = first; block; block = messages->blocks[block].next) {
		const size_t rest = length - at < PAYLOAD ? length - at : PAYLOAD;
		const size_t skip = at == 0 ? sizeof(word) : 0;

		memcpy(buffer + at + skip, messages->blocks[block].bytes + skip, rest - skip);
		at += rest;
	}
	atomic_store(first_word(buffer), word);
	return length;
}

size_t message_take(struct state *state, void *buffer)
{
	struct messages *messages = state->messages;
	uint32_t high = atomic_load(&messages->header->blocks_high);
	size_t length = 0;

	pthread_mutex_lock(&messages->lock);
	for (; messages->next_left < high && length == 0; messages->next_left++) {
		if (!messages->index[messages->next_left].left)
			continue;
		length = copy_message(messages, messages->next_left, buffer);
		remove_message(messages, messages->next_left);
	}
	pthread_mutex_unlock(&messages->lock);
	return length;
}

/* --- a new worker --- */

/*
 * Marks the blocks of a message, which no other one may have. Returns whether it is whole; otherwise none of
 * them stays marked.
 */
static bool claim_chain(struct messages *messages, uint32_t first)
{
	const uint32_t high = atomic_load(&messages->header->blocks_high);
	const uint32_t length = messages->blocks[first].length;
	const size_t wanted = (length + PAYLOAD - 1) / PAYLOAD;
	uint32_t block = first;
	size_t n = 0;

	if (length < sizeof(uint32_t) || length > MESSAGE_MAX)
		return false;
	for (; n < wanted && block && block < high && messages->index[block].next == UNSEEN; n++) {
		messages->index[block].next = 0;
		block = messages->blocks[block].next;
	}
	if (n == wanted && block == 0)
		return true;
	for (block = first; n > 0; n--) {
		messages->index[block].next = UNSEEN;
		block = messages->blocks[block].next;
	}
	return false;
}

/* Finds the stored messages. Those that are not whole, which no death leaves, are dropped. */
static void index_blocks(struct messages *messages)
{
	const uint32_t high = atomic_load(&messages->header->blocks_high);

	for (uint32_t i = 1; i < high; i++)
		messages->index[i].next = UNSEEN;
	for (uint32_t i = 1; i < high; i++) {
		if (atomic_load(&messages->blocks[i].state) == SLOT_FREE)
			continue;
		if (claim_chain(messages, i)) {
			link_message(messages, i);
			messages->index[i].left = 1;
		} else {
			atomic_store(&messages->blocks[i].state, SLOT_FREE);
		}
	}
	for (uint32_t i = high - 1; i >= 1; i--)
		if (messages->index[i].next == UNSEEN)
			push_free(messages, i);
}

int message_open(struct state *state)
{
	struct arena_header *header = state->arena->header;
	struct messages *messages = calloc(1, sizeof(*messages));
	struct stat stat;
	void *memory;
	int result;

	if (!messages)
		return -ENOMEM;
	messages->fd = header->messages_fd;
	messages->header = header;
	messages->size = size_for(header->max_blocks);
	messages->next_left = 1;
	pthread_mutex_init(&messages->lock, NULL);
	result = fstat(messages->fd, &stat) < 0 ? -errno : 0;
	if (result == 0 &&
	    (stat.st_size != (off_t)messages->size || atomic_load(&header->blocks_high) > header->max_blocks))
		result = -EUCLEAN;
	memory = result < 0 ? MAP_FAILED
			    : mmap(NULL, messages->size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE,
				   messages->fd, 0);
	if (result == 0 && memory == MAP_FAILED)
		result = -errno;
	messages->index = index_map(header->max_blocks, sizeof(*messages->index));
	if (result == 0 && !messages->index)
		result = -ENOMEM;
	state->messages = messages;
	if (memory != MAP_FAILED) {
		messages->buffers = memory;
		messages->blocks = (struct message_block *)(void *)(messages->buffers + blocks_offset());
	}
	if (result < 0) {
		message_close(state);
		return result;
	}
	for (unsigned int i = 0; i < ARENA_THREADS; i++)
		if (atomic_load(first_word(buffer_at(messages, i))) != 0)
			messages->states[i] = BUFFER_LEFT;
	index_blocks(messages);
	return 0;
}

void message_close(struct state *state)
{
	struct messages *messages = state->messages;

	if (!messages)
		return;
	if (messages->buffers)
		munmap(messages->buffers, messages->size);
	index_unmap(messages->index, state->arena->header->max_blocks, sizeof(*messages->index));
	pthread_mutex_destroy(&messages->lock);
	free(messages);
	state->messages = NULL;
}

int message_check(struct state *state, char *why, size_t size)
{
	struct messages *messages = state->messages;
	const uint32_t high = atomic_load(&messages->header->blocks_high);
	uint32_t heads = 0;
	uint32_t linked = 0;

	pthread_mutex_lock(&messages->lock);
	for (uint32_t i = 1; i < high; i++)
		heads += atomic_load(&messages->blocks[i].state) == SLOT_LIVE;
	for (uint32_t i = 0; i < BUCKETS; i++)
		for (uint32_t block = messages->buckets[i]; block; block = messages->index[block].next)
			linked++;
	if (heads != messages->n || linked != messages->n)
		snprintf(why, size, "%u messages are stored, %u linked; counted %u", heads, linked,
			 messages->n);
	else
		why = NULL;
	pthread_mutex_unlock(&messages->lock);
	return why ? -EUCLEAN : 0;
}
