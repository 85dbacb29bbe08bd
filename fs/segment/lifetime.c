// SPDX-License-Identifier: MIT
#include "fs/segment/lifetime.h"
#include "fs/fuse/interrupt.h"
#include "fs/segment/entry.h"
#include "fs/segment/lifetime_use.h"
#include "fs/segment/lifetime_watch.h"
#include "fs/segment/policy.h"
#include "fs/source/backing.h"
#include "fs/source/paths.h"
#include "fs/source/source.h"
#include "lib/base/cleanup.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/procfs.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>

#define END_TRIES 16 /* attempts to remove a segment that is renamed meanwhile */

static struct {
	pthread_mutex_t lock; /* guards `changed`; a leaf */
	uint64_t *changed;    /* nodes whose lifetime was set */
	size_t n_changed;
	bool lost; /* no memory to record a node: check all nodes */

	struct watches watches; /* used by the thread only */

	pthread_t thread;
	bool started;
	atomic_bool stopping; /* set by lifetime_stop() */
} life = {
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.watches = WATCHES_NONE,
};

/* The thread unblocks the signal only while it sleeps; an earlier signal ends the next sleep. */
static void wake(void)
{
	if (life.started)
		pthread_kill(life.thread, INTERRUPT_SIGNAL);
}

void lifetime_opened(struct fs *fs, uint64_t id, uint32_t policy)
{
	const struct node_slot *node = node_get(&fs->state, id);

	if (node && policy & NODE_POLICY_LAST_CLOSE)
		use_note_open(fs, node);
}

void lifetime_closed(uint32_t policy)
{
	if (policy & (NODE_POLICY_LAST_CLOSE | NODE_POLICY_TTL))
		wake();
}

void lifetime_changed(uint64_t id)
{
	uint64_t *changed;

	pthread_mutex_lock(&life.lock);
	changed = reallocarray(life.changed, life.n_changed + 1, sizeof(*changed));
	if (changed) {
		changed[life.n_changed++] = id;
		life.changed = changed;
	} else {
		life.lost = true;
	}
	pthread_mutex_unlock(&life.lock);
	wake();
}

/* --- removal --- */

/*
 * The kernel may have cached the name. The notification blocks on others that change the directory; other
 * threads serve their requests.
 */
static void notify_kernel(struct fs *fs, const struct source_name *gone)
{
	uint64_t dir = node_find(&fs->state, &gone->dir);

	if (dir)
		fuse_lowlevel_notify_inval_entry(fs->session, dir, gone->name, strlen(gone->name));
}

/* Whether a file still has a name; it may have got another one while the first was searched for. */
static bool has_name(struct fs *fs, uint64_t id, const struct node_slot *node)
{
	struct stat stat;

	return node_get(&fs->state, id) == node &&
	       source_of(&fs->state, node)->stat(&fs->state, node, &stat) == 0 && stat.st_nlink > 0;
}

/*
 * Removes all names of a segment. Returns 0; -EBUSY if it is not to end after all; -EAGAIN if it is renamed
 * over and over; another negative errno if it cannot be removed.
 */
static int end_segment(struct fs *fs, const struct watch *watch, const struct node_slot *node)
{
	const struct source *source = source_of(&fs->state, node);
	struct source_name gone;
	int result = -EPERM;
	int tries = 0;

	while (source->end) {
		/* false if it was just opened, or given another lifetime */
		bool is_due = policy_freeze(node, watch->word) &&
			      (watch->is_owned || !watches_is_open(fs, &life.watches, watch->id));

		result = is_due ? source->end(&fs->state, node, &gone) : 0;
		policy_thaw();
		if (!is_due)
			return -EBUSY;
		if (result == 0) {
			notify_kernel(fs, &gone);
			/* the slot may have been reused */
			if (node_get(&fs->state, watch->id) != node)
				return 0;
			continue;
		}
		if (result != -ENOENT && result != -ESTALE)
			break;
		if (!has_name(fs, watch->id, node))
			return 0;
		if (++tries == END_TRIES)
			return -EAGAIN;
	}
	return result;
}

/* Removes a segment if it is due. Returns when it will be due; 0 if it was removed. */
static uint64_t end_if_due(struct fs *fs, struct watch *watch, struct node_slot *node)
{
	/* an unlinked file can get a name again as long as anyone refers to it */
	uint64_t end = atomic_load(&node->flags) & NODE_UNLINKED
			       ? WATCH_NEVER
			       : watches_time_of_end(fs, &life.watches, watch, node);
	int result;

	if (end == 0) {
		result = end_segment(fs, watch, node);
		if (result == 0)
			return 0;
		if (result != -EBUSY)
			log_warning("a segment whose lifetime has ended cannot be removed: %s",
				    strerror(-result));
		return boottime_nanoseconds() + WATCH_RETRY;
	}
	if (end != WATCH_NEVER && life.watches.all_closed && watch->ttl && watch->wd < 0)
		use_note_closed(fs, node);
	return end;
}

/* Removes the segments that are due. Returns when the next one is due. */
static uint64_t end_due(struct fs *fs)
{
	uint64_t next = WATCH_NEVER;

	for (size_t i = 0; i < life.watches.n;) {
		struct watch *watch = &life.watches.watch[i];
		uint64_t end = 0;

		if (node_pin_slot(&fs->state, watch->id)) {
			end = end_if_due(fs, watch, node_get(&fs->state, watch->id));
			entry_unpin(fs, watch->id);
		}
		if (end == 0) {
			watches_drop(&life.watches, watch);
			continue;
		}
		watch->due = end == WATCH_NEVER ? 0 : end;
		if (end < next)
			next = end;
		i++;
	}
	watches_close_unused(&life.watches);
	return next;
}

/* --- finding segments --- */

/* Repeats the scan at the next change, or when a segment is due. */
static void try_all_again(void)
{
	pthread_mutex_lock(&life.lock);
	life.lost = true;
	pthread_mutex_unlock(&life.lock);
}

static void update_all(struct fs *fs)
{
	uint32_t high = atomic_load(&fs->state.arena->header->nodes_high);
	bool lost = false;

	for (uint32_t i = NODE_ROOT; i < high; i++) {
		const struct node_slot *node = &fs->state.arena->nodes[i];
		uint64_t id = 0;

		/* few nodes have a limited lifetime */
		if (!(atomic_load(&node->policy) & NODE_POLICY_LIFETIMES))
			continue;
		pthread_mutex_lock(&fs->state.lock);
		if (atomic_load(&node->state) == SLOT_LIVE && node->type == S_IFREG >> 12 &&
		    atomic_load(&node->policy) & NODE_POLICY_LIFETIMES)
			id = node_id(&fs->state, i);
		pthread_mutex_unlock(&fs->state.lock);
		if (id && watches_update(fs, &life.watches, id) < 0)
			lost = true;
	}
	if (lost)
		try_all_again();
}

static void update_changed(struct fs *fs)
{
	uint64_t *changed;
	size_t n;
	bool lost;

	pthread_mutex_lock(&life.lock);
	changed = life.changed;
	n = life.n_changed;
	lost = life.lost;
	life.changed = NULL;
	life.n_changed = 0;
	life.lost = false;
	pthread_mutex_unlock(&life.lock);
	for (size_t i = 0; i < n; i++)
		lost |= watches_update(fs, &life.watches, changed[i]) < 0;
	free(changed);
	if (lost)
		update_all(fs);
}

/* Examines a file that existed before segfs was started. */
static void look_at_file(int dir_fd, const char *name, const char *below, void *context)
{
	struct fs *fs = context;
	struct source_file file = {.fd = -1};
	char path[PROCFS_FD_MAX + NAME_MAX + 1];
	struct node_slot *node;
	struct policy policy;
	char text[POLICY_TEXT_MAX];
	ssize_t length;
	uint64_t ago;
	uint64_t id;

	(void)below;
	snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", dir_fd, name);
	length = lgetxattr(path, source_policy_attribute(&fs->state), text, sizeof(text));
	if (length < 0)
		return;
	/* unknown parts are ignored, as in policy_read() */
	policy_load(&policy, text, (size_t)length);
	if (policy.lifetime == LIFETIME_PERSISTENT)
		return;
	if (backing_identify(&fs->state, 0, dir_fd, name, &file) < 0)
		return;
	if (node_reference(&fs->state, &file.key, file.stat.st_mode, file.flags, &file.fd, &id) == 0) {
		node = node_get(&fs->state, id);
		policy_word(&fs->state, node);
		if (!watches_is_open(fs, &life.watches, id) && atomic_load(&node->closed_at) == 0 &&
		    use_read(fs, node, &ago)) {
			uint64_t now = boottime_nanoseconds();

			atomic_store(&node->closed_at, now > ago ? now - ago : 1);
		}
		lifetime_changed(id);
		entry_forget(fs, id, 1);
	}
	cleanup_close(&file.fd);
}

static void search_stores(struct fs *fs)
{
	struct arena_header *header = fs->state.arena->header;
	int result;

	if (atomic_load(&header->searched))
		return;
	result = paths_walk(&fs->state, look_at_file, fs);
	if (result < 0)
		log_warning("the stores cannot be searched for segments whose lifetime has ended: %s",
			    strerror(-result));
	atomic_store(&header->searched, 1);
}

/* --- the thread --- */

/* Tries again to watch processes for which there was a shortage. */
static void retry_processes(void)
{
	uint64_t now = boottime_nanoseconds();

	for (size_t i = 0; i < life.watches.n; i++) {
		const struct watch *watch = &life.watches.watch[i];

		if (watch->is_owned && !watch->ended && watch->process_fd < 0 && watch->due <= now)
			lifetime_changed(watch->id);
	}
}

/* The end of the mount is the last close of all open segments. */
static void close_all(struct fs *fs)
{
	for (size_t i = 0; i < life.watches.n; i++) {
		uint64_t id = life.watches.watch[i].id;
		struct node_slot *node = node_get(&fs->state, id);

		if (node && watches_is_open(fs, &life.watches, id))
			atomic_store(&node->closed_at, boottime_nanoseconds());
	}
	life.watches.all_closed = true;
}

/* Before INIT, libfuse sends no notifications: removed names would stay in the kernel's cache. */
static void wait_for_session(const struct fs *fs)
{
	const struct arena_header *header = fs->state.arena->header;
	const struct timespec pause = {.tv_nsec = 1000000};

	while (atomic_load(&header->workers_serving) != atomic_load(&header->workers_started) &&
	       !atomic_load(&life.stopping))
		nanosleep(&pause, NULL);
}

static void *watch_lifetimes(void *argument)
{
	struct fs *fs = argument;
	sigset_t signal;

	sigemptyset(&signal);
	sigaddset(&signal, INTERRUPT_SIGNAL);
	pthread_sigmask(SIG_BLOCK, &signal, NULL);
	wait_for_session(fs);
	update_all(fs);
	search_stores(fs);
	while (!atomic_load(&life.stopping)) {
		update_changed(fs);
		watches_sleep(&life.watches, end_due(fs));
		retry_processes();
	}
	update_changed(fs);
	close_all(fs);
	end_due(fs);
	return NULL;
}

int lifetime_start(struct fs *fs)
{
	int result = watches_reserve(&life.watches);

	if (result < 0)
		return result;
	result = -pthread_create(&life.thread, NULL, watch_lifetimes, fs);
	life.started = result == 0;
	return result;
}

void lifetime_stop(void)
{
	if (!life.started)
		return;
	atomic_store(&life.stopping, true);
	wake();
	pthread_join(life.thread, NULL);
	watches_close(&life.watches);
	life.started = false;
}
