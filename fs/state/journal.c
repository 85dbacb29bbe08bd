// SPDX-License-Identifier: MIT
#include "fs/state/journal.h"
#include "lib/base/clock.h"

#include <pthread.h>
#include <string.h>
#include <unistd.h>

static struct {
	pthread_mutex_t lock; /* a leaf lock */
	bool taken[ARENA_JOURNAL]; /* by a thread, or left by a dead worker */
	bool old[ARENA_JOURNAL];   /* left by a dead worker and not completed yet */
	bool left[ARENA_JOURNAL];  /* left by a dead worker and not replayed yet */
	bool has_old;              /* there were such slots */
	struct journal_slot *slots;
	uint32_t worker;            /* number of the current worker */
} journal = {.lock = PTHREAD_MUTEX_INITIALIZER};

static _Thread_local struct {
	struct journal_slot *home; /* the slot of this thread */
	struct journal_slot *slot; /* the slot of the current request, NULL = none */
	bool again;
} mine;

static struct journal_slot *find_old(uint64_t unique)
{
	struct journal_slot *found = NULL;

	if (!journal.has_old)
		return NULL;
	pthread_mutex_lock(&journal.lock);
	for (unsigned int i = 0; i < ARENA_JOURNAL && !found; i++)
		if (journal.old[i] && journal.slots[i].unique == unique)
			found = &journal.slots[i];
	pthread_mutex_unlock(&journal.lock);
	return found;
}

/* For the life of the thread, which is that of the worker. */
static struct journal_slot *take_home(void)
{
	struct journal_slot *slot = NULL;

	pthread_mutex_lock(&journal.lock);
	for (unsigned int i = 0; i < ARENA_JOURNAL && !slot; i++) {
		if (journal.taken[i])
			continue;
		journal.taken[i] = true;
		slot = &journal.slots[i];
	}
	pthread_mutex_unlock(&journal.lock);
	return slot;
}

static void free_slot(struct journal_slot *slot)
{
	atomic_store(&slot->state, JOURNAL_FREE);
	if (slot == mine.home)
		return;
	pthread_mutex_lock(&journal.lock);
	journal.taken[slot - journal.slots] = false;
	journal.old[slot - journal.slots] = false;
	pthread_mutex_unlock(&journal.lock);
}

static enum journal_found begin_again(struct journal_slot *slot, const struct journal_request *request)
{
	bool is_done = atomic_load(&slot->state) == JOURNAL_DONE;

	mine.slot = slot;
	atomic_store(&slot->lasting, request->lasting);
	atomic_store(&slot->begun_at, monotonic_nanoseconds());
	atomic_store(&slot->worker, journal.worker);
	if (is_done)
		return JOURNAL_ANSWERED;
	mine.again = true;
	return slot->crashes >= JOURNAL_CRASHES || slot->kills >= JOURNAL_KILLS ? JOURNAL_POISON : JOURNAL_AGAIN;
}

enum journal_found journal_begin(const struct journal_request *request)
{
	struct journal_slot *slot;

	mine.slot = NULL;
	mine.again = false;
	slot = request->repeated ? find_old(request->unique) : NULL;
	if (slot)
		return begin_again(slot, request);
	if (!mine.home)
		mine.home = take_home();
	slot = mine.home;
	if (!slot)
		return JOURNAL_NEW;
	slot->unique = request->unique;
	slot->node = request->node;
	slot->opcode = request->opcode;
	slot->pid = request->pid;
	slot->uid = request->uid;
	slot->crashes = 0;
	slot->kills = 0;
	slot->since = file_time_nanoseconds();
	atomic_store(&slot->fd, -1);
	atomic_store(&slot->noted, false);
	atomic_store(&slot->blamed, false);
	atomic_store(&slot->lasting, request->lasting);
	atomic_store(&slot->begun_at, monotonic_nanoseconds());
	atomic_store(&slot->worker, journal.worker);
	atomic_store(&slot->state, JOURNAL_BEGUN);
	mine.slot = slot;
	return JOURNAL_NEW;
}

void journal_end(void)
{
	if (mine.slot)
		free_slot(mine.slot);
	mine.slot = NULL;
	mine.again = false;
}

void journal_may_last(void)
{
	if (mine.slot)
		atomic_store(&mine.slot->lasting, true);
}

bool journal_is_again(void)
{
	return mine.again;
}

void journal_begin_anew(void)
{
	mine.again = false;
	if (mine.slot)
		atomic_store(&mine.slot->noted, false);
}

uint64_t journal_since(void)
{
	return mine.slot ? mine.slot->since : 0;
}

uint32_t journal_uid(void)
{
	return mine.slot ? mine.slot->uid : 0;
}

void journal_note(const struct journal_note *note)
{
	struct journal_slot *slot = mine.slot;

	if (!slot)
		return;
	atomic_store(&slot->noted, false);
	memcpy(slot->inode, note->inode, sizeof(slot->inode));
	slot->node_of_name = note->node;
	slot->flags = note->flags;
	atomic_store(&slot->fd, note->fd);
	atomic_store(&slot->noted, true);
}

void journal_let_go(void)
{
	if (mine.slot)
		atomic_store(&mine.slot->fd, -1);
}

bool journal_noted(struct journal_note *note)
{
	const struct journal_slot *slot = mine.slot;

	if (!mine.again || !slot || !atomic_load(&slot->noted))
		return false;
	*note = (struct journal_note){
		.inode = {slot->inode[0], slot->inode[1]},
		.node = slot->node_of_name,
		.flags = slot->flags,
		.fd = atomic_load(&slot->fd),
	};
	return true;
}

void journal_keep_answer(const struct iovec *parts, int n_parts)
{
	struct journal_slot *slot = mine.slot;
	size_t length = 0;

	if (!slot || atomic_load(&slot->state) == JOURNAL_DONE)
		return;
	for (int i = 0; i < n_parts; i++) {
		if (parts[i].iov_len > sizeof(slot->answer) - length)
			return;
		if (parts[i].iov_len > 0)
			memcpy(slot->answer + length, parts[i].iov_base, parts[i].iov_len);
		length += parts[i].iov_len;
	}
	slot->answer_length = (uint32_t)length;
	atomic_store(&slot->state, JOURNAL_DONE);
}

void *journal_answer_of(size_t *size)
{
	*size = mine.slot->answer_length;
	return mine.slot->answer;
}

unsigned int journal_deaths(void)
{
	return mine.slot ? mine.slot->crashes + mine.slot->kills : 0;
}

void journal_blame(void)
{
	if (mine.slot)
		atomic_store(&mine.slot->blamed, true);
}

/* --- after a death --- */

/*
 * A death counts only for requests that were in flight, and if a fault names one of them, only for that one.
 */
static void count_death(struct journal_slot *slot, const struct arena_header *header, uint32_t dead, bool somebody_is_blamed)
{
	bool is_blamed = atomic_exchange(&slot->blamed, false);

	if (atomic_load(&slot->state) != JOURNAL_BEGUN || atomic_load(&slot->worker) != dead)
		return;
	switch (atomic_load(&header->death)) {
	case ARENA_DEATH_OUTSIDE:
		slot->kills++;
		break;
	case ARENA_DEATH_FAULT:
		if (!somebody_is_blamed || is_blamed)
			slot->crashes++;
		break;
	default:
		break;
	}
}

void journal_recover(struct state *state)
{
	struct arena_header *header = state->arena->header;
	uint32_t present = atomic_load(&header->workers_started);
	bool somebody_is_blamed = false;

	journal.slots = header->journal;
	journal.worker = present;
	journal.has_old = false;
	for (unsigned int i = 0; i < ARENA_JOURNAL; i++)
		somebody_is_blamed |= atomic_load(&journal.slots[i].state) == JOURNAL_BEGUN && atomic_load(&journal.slots[i].blamed);
	for (unsigned int i = 0; i < ARENA_JOURNAL; i++) {
		struct journal_slot *slot = &journal.slots[i];
		uint32_t found = atomic_load(&slot->state);

		/* corrupt slots are freed */
		if (found != JOURNAL_BEGUN && (found != JOURNAL_DONE || slot->answer_length > sizeof(slot->answer)))
			atomic_store(&slot->state, JOURNAL_FREE);
		count_death(slot, header, present - 1, somebody_is_blamed);
		journal.taken[i] = journal.old[i] = journal.left[i] = atomic_load(&slot->state) != JOURNAL_FREE;
		journal.has_old |= journal.old[i];
	}
}

bool journal_expect(uint64_t unique)
{
	const struct journal_slot *slot = find_old(unique);

	if (!slot)
		return false;
	journal.left[slot - journal.slots] = false;
	return atomic_load(&slot->state) == JOURNAL_DONE;
}

static void give_back(unsigned int i)
{
	int fd = atomic_exchange(&journal.slots[i].fd, -1);

	journal.left[i] = false;
	if (fd >= 0)
		close(fd);
	free_slot(&journal.slots[i]);
}

void journal_send_answers(bool (*send)(void *context, void *answer, size_t size), void *context)
{
	for (unsigned int i = 0; i < ARENA_JOURNAL; i++) {
		struct journal_slot *slot = &journal.slots[i];

		if (journal.left[i] && atomic_load(&slot->state) == JOURNAL_DONE &&
		    send(context, slot->answer, slot->answer_length))
			give_back(i);
	}
}

void journal_drop_rest(void (*dropped)(void *context, const struct journal_slot *slot), void *context)
{
	for (unsigned int i = 0; i < ARENA_JOURNAL; i++) {
		if (!journal.left[i])
			continue;
		if (dropped)
			dropped(context, &journal.slots[i]);
		give_back(i);
	}
}
