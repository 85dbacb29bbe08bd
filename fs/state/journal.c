// SPDX-License-Identifier: MIT
#include "fs/state/journal.h"
#include "lib/base/clock.h"

#include <pthread.h>
#include <string.h>
#include <unistd.h>

static struct {
	pthread_mutex_t lock;      /* a leaf lock */
	bool taken[ARENA_JOURNAL]; /* by a thread, or left by a dead worker */
	bool old[ARENA_JOURNAL];   /* left by a dead worker and not completed yet */
	bool left[ARENA_JOURNAL];  /* left by a dead worker and not replayed yet */
	atomic_uint n_old;         /* number of such slots */
	struct journal_slot *slots;
	uint32_t worker; /* number of the current worker */
} journal = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* Of the calling thread: its own slot, and that of the request that it carries out, for signal handlers. */
static _Thread_local struct journal_slot *home;
static _Thread_local struct journal_slot *in_progress;

static struct journal_slot *find_old(uint64_t unique)
{
	struct journal_slot *found = NULL;

	/* relaxed: it is set before the threads start, and only falls; the slots are looked at under the lock
	 */
	if (atomic_load_explicit(&journal.n_old, memory_order_relaxed) == 0)
		return NULL;
	pthread_mutex_lock(&journal.lock);
	for (unsigned int i = 0; i < ARENA_JOURNAL && !found; i++)
		if (journal.old[i] && journal.slots[i].unique == unique)
			found = &journal.slots[i];
	pthread_mutex_unlock(&journal.lock);
	return found;
}

/* For the life of the thread, which is that of the worker. */
static struct journal_slot *claim_home(void)
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
	if (slot == home)
		return;
	pthread_mutex_lock(&journal.lock);
	journal.taken[slot - journal.slots] = false;
	if (journal.old[slot - journal.slots])
		atomic_fetch_sub(&journal.n_old, 1);
	journal.old[slot - journal.slots] = false;
	pthread_mutex_unlock(&journal.lock);
}

static enum journal_found begin_replay(struct journal_entry *entry, struct journal_slot *slot,
				       const struct journal_request *request)
{
	bool is_done = atomic_load(&slot->state) == JOURNAL_DONE;

	entry->slot = in_progress = slot;
	atomic_store(&slot->unbounded, request->unbounded);
	atomic_store(&slot->begun_at, monotonic_nanoseconds());
	atomic_store(&slot->worker, journal.worker);
	if (is_done)
		return JOURNAL_REPLIED;
	entry->is_replay = true;
	return slot->crashes >= JOURNAL_CRASHES || slot->kills >= JOURNAL_KILLS ? JOURNAL_POISON
										: JOURNAL_REPLAY;
}

enum journal_found journal_begin(struct journal_entry *entry, const struct journal_request *request)
{
	struct journal_slot *slot;

	*entry = (struct journal_entry){0};
	slot = find_old(request->unique);
	if (slot)
		return begin_replay(entry, slot, request);
	if (!home)
		home = claim_home();
	slot = home;
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
	atomic_store(&slot->unbounded, request->unbounded);
	atomic_store(&slot->begun_at, monotonic_nanoseconds());
	atomic_store(&slot->worker, journal.worker);
	atomic_store(&slot->state, JOURNAL_BEGUN);
	entry->slot = in_progress = slot;
	return JOURNAL_NEW;
}

void journal_end(struct journal_entry *entry)
{
	if (!entry)
		return;
	if (entry->slot)
		free_slot(entry->slot);
	*entry = (struct journal_entry){0};
	in_progress = NULL;
}

void journal_set_unbounded(void)
{
	if (in_progress)
		atomic_store(&in_progress->unbounded, true);
}

bool journal_is_replay(const struct journal_entry *entry)
{
	return entry && entry->is_replay;
}

static struct journal_slot *slot_of(const struct journal_entry *entry)
{
	return entry ? entry->slot : NULL;
}

void journal_begin_undo(struct journal_entry *entry)
{
	if (!entry)
		return;
	entry->is_replay = false;
	if (entry->slot)
		atomic_store(&entry->slot->noted, false);
}

uint64_t journal_since(const struct journal_entry *entry)
{
	return slot_of(entry) ? entry->slot->since : 0;
}

uint32_t journal_uid(const struct journal_entry *entry)
{
	return slot_of(entry) ? entry->slot->uid : 0;
}

void journal_note(struct journal_entry *entry, const struct journal_note *note)
{
	struct journal_slot *slot = slot_of(entry);

	if (!slot)
		return;
	atomic_store(&slot->noted, false);
	memcpy(slot->inode, note->inode, sizeof(slot->inode));
	slot->node_of_name = note->node;
	slot->flags = note->flags;
	atomic_store(&slot->fd, note->fd);
	atomic_store(&slot->noted, true);
}

void journal_disown_fd(struct journal_entry *entry)
{
	if (slot_of(entry))
		atomic_store(&entry->slot->fd, -1);
}

bool journal_get_note(const struct journal_entry *entry, struct journal_note *note)
{
	const struct journal_slot *slot = slot_of(entry);

	if (!slot || !entry->is_replay || !atomic_load(&slot->noted))
		return false;
	*note = (struct journal_note){
		.inode = {slot->inode[0], slot->inode[1]},
		.node = slot->node_of_name,
		.flags = slot->flags,
		.fd = atomic_load(&slot->fd),
	};
	return true;
}

void journal_save_reply(struct journal_entry *entry, const struct iovec *parts, int n_parts)
{
	struct journal_slot *slot = slot_of(entry);
	size_t length = 0;

	if (!slot || atomic_load(&slot->state) == JOURNAL_DONE)
		return;
	for (int i = 0; i < n_parts; i++) {
		if (parts[i].iov_len > sizeof(slot->reply) - length)
			return;
		if (parts[i].iov_len > 0)
			memcpy(slot->reply + length, parts[i].iov_base, parts[i].iov_len);
		length += parts[i].iov_len;
	}
	slot->reply_length = (uint32_t)length;
	atomic_store(&slot->state, JOURNAL_DONE);
}

const void *journal_saved_reply(const struct journal_entry *entry, size_t *size)
{
	*size = entry->slot->reply_length;
	return entry->slot->reply;
}

unsigned int journal_deaths(const struct journal_entry *entry)
{
	return slot_of(entry) ? entry->slot->crashes + entry->slot->kills : 0;
}

void journal_blame(void)
{
	if (in_progress)
		atomic_store(&in_progress->blamed, true);
}

/* --- after a death --- */

/*
 * A death counts only for requests that were in flight, and if a fault names one of them, only for that one.
 */
static void count_death(struct journal_slot *slot, const struct arena_header *header, uint32_t dead,
			bool somebody_is_blamed)
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
	atomic_store(&journal.n_old, 0);
	for (unsigned int i = 0; i < ARENA_JOURNAL; i++)
		somebody_is_blamed |= atomic_load(&journal.slots[i].state) == JOURNAL_BEGUN &&
				      atomic_load(&journal.slots[i].blamed);
	for (unsigned int i = 0; i < ARENA_JOURNAL; i++) {
		struct journal_slot *slot = &journal.slots[i];
		uint32_t found = atomic_load(&slot->state);

		/* corrupt slots are freed */
		if (found != JOURNAL_BEGUN &&
		    (found != JOURNAL_DONE || slot->reply_length > sizeof(slot->reply)))
			atomic_store(&slot->state, JOURNAL_FREE);
		count_death(slot, header, present - 1, somebody_is_blamed);
		journal.taken[i] = journal.old[i] = journal.left[i] =
			atomic_load(&slot->state) != JOURNAL_FREE;
		journal.n_old += journal.old[i];
	}
}

bool journal_claim(uint64_t unique)
{
	const struct journal_slot *slot = find_old(unique);

	if (!slot)
		return false;
	journal.left[slot - journal.slots] = false;
	return atomic_load(&slot->state) == JOURNAL_DONE;
}

static void release_slot(unsigned int i)
{
	int fd = atomic_exchange(&journal.slots[i].fd, -1);

	journal.left[i] = false;
	if (fd >= 0)
		close(fd);
	free_slot(&journal.slots[i]);
}

void journal_send_replies(bool (*send)(void *context, const void *reply, size_t size), void *context)
{
	for (unsigned int i = 0; i < ARENA_JOURNAL; i++) {
		struct journal_slot *slot = &journal.slots[i];

		if (journal.left[i] && atomic_load(&slot->state) == JOURNAL_DONE &&
		    send(context, slot->reply, slot->reply_length))
			release_slot(i);
	}
}

void journal_drop_unclaimed(void)
{
	for (unsigned int i = 0; i < ARENA_JOURNAL; i++)
		if (journal.left[i])
			release_slot(i);
}
