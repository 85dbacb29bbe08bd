// SPDX-License-Identifier: MIT
#include "fs/segment/lifetime_watch.h"
#include "fs/fuse/interrupt.h"
#include "fs/segment/entry.h"
#include "fs/segment/lifetime_use.h"
#include "fs/segment/policy.h"
#include "lib/base/cleanup.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/procfs.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>

#define NANOSECONDS   UINT64_C(1000000000)
#define SLEEP_SECONDS 60 /* at most, if a segment is due later */

bool watches_is_open(struct fs *fs, const struct watches *watches, uint64_t id)
{
	uint32_t writers;

	return !watches->all_closed && handle_count(&fs->state, id, &writers) > 0;
}

static struct watch *find(const struct watches *watches, uint64_t id)
{
	for (size_t i = 0; i < watches->n; i++)
		if (watches->watch[i].id == id)
			return &watches->watch[i];
	return NULL;
}

static void stop_probing(const struct watches *watches, struct watch *watch)
{
	if (watch->wd >= 0)
		inotify_rm_watch(watches->inotify_fd, watch->wd);
	watch->wd = -1;
	views_probe_close(&watch->probe);
}

void watches_drop(struct watches *watches, struct watch *watch)
{
	stop_probing(watches, watch);
	cleanup_close(&watch->process_fd);
	*watch = watches->watch[--watches->n];
}

int watches_reserve(struct watches *watches)
{
	struct watch *watch = reallocarray(watches->watch, watches->n + 1, sizeof(*watch));
	struct pollfd *polled;

	if (!watch)
		return -ENOMEM;
	watches->watch = watch;
	polled = reallocarray(watches->polled, watches->n + 2, sizeof(*polled));
	if (!polled)
		return -ENOMEM;
	watches->polled = polled;
	return 0;
}

static void watch_process(struct watch *watch, const struct policy_owner *owner)
{
	int fd = procfs_owner_open(owner);

	watch->is_owned = true;
	watch->ended = fd == -ESRCH;
	watch->process_fd = fd >= 0 ? fd : -1;
	if (fd < 0 && fd != -ESRCH)
		log_warning("process %d cannot be watched yet: %s", (int)owner->pid, strerror(-fd));
	watch->due = fd < 0 && fd != -ESRCH ? boottime_nanoseconds() + WATCH_RETRY : 0;
}

static int take_up(struct fs *fs, struct watches *watches, uint64_t id, struct node_slot *node)
{
	struct watch *watch = find(watches, id);
	struct policy policy;
	int result = policy_read(&fs->state, node, &policy);

	if (result < 0)
		return result;
	if (watch)
		watches_drop(watches, watch);
	if (policy.lifetime == LIFETIME_PERSISTENT)
		return 0;
	result = watches_reserve(watches);
	if (result < 0)
		return result;
	watch = &watches->watch[watches->n++];
	*watch = (struct watch){
		.id = id,
		.word = policy_pack(&policy) & NODE_POLICY_LIFETIMES,
		.process_fd = -1,
		.probe = VIEWS_PROBE_NONE,
		.wd = -1,
	};
	if (policy.lifetime == LIFETIME_OWNER)
		watch_process(watch, &policy.owner);
	if (policy.lifetime == LIFETIME_TTL ||
	    (policy.lifetime == LIFETIME_LAST_CLOSE && watches_is_open(fs, watches, id)))
		use_note_open(fs, node);
	if (policy.lifetime == LIFETIME_TTL) {
		watch->ttl = policy.ttl * 1000000;
		/* the time of a segment that was never opened starts now */
		if (atomic_load(&node->closed_at) == 0)
			atomic_store(&node->closed_at, boottime_nanoseconds());
	}
	return 0;
}

int watches_update(struct fs *fs, struct watches *watches, uint64_t id)
{
	struct watch *watch;
	int result;

	if (node_pin_slot(&fs->state, id)) {
		result = take_up(fs, watches, id, node_get(&fs->state, id));
		entry_unpin(fs, id);
		return result;
	}
	watch = find(watches, id);
	if (watch)
		watches_drop(watches, watch);
	return 0;
}

/* Lets inotify(7) report the end of a view. Without it the segment is checked at intervals. */
static void await_close(struct watches *watches, struct watch *watch)
{
	char path[PROCFS_FD_MAX];

	if (watches->inotify_fd < 0)
		watches->inotify_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	procfs_fd_path(path, watch->probe.fd);
	if (watches->inotify_fd >= 0)
		watch->wd = inotify_add_watch(watches->inotify_fd, path, IN_CLOSE);
}

/* Whether a segment without handles has no views. The end of the last view counts as the last close. */
static bool is_unmapped(struct fs *fs, struct watches *watches, struct watch *watch, struct node_slot *node)
{
	bool is_first = watch->probe.fd < 0;

	if (watch->unmapped == atomic_load(&node->closed_at) || !fs->passthrough || watches->all_closed)
		return true;
	if (is_first && views_probe_open(&fs->state, node, &watch->probe) < 0)
		return false;
	/* before the probe, so that no event is missed */
	if (is_first)
		await_close(watches, watch);
	if (views_probe(&watch->probe, false) == 1)
		return false;
	if (!is_first)
		atomic_store(&node->closed_at, boottime_nanoseconds());
	stop_probing(watches, watch);
	watch->unmapped = atomic_load(&node->closed_at);
	return true;
}

uint64_t watches_time_of_end(struct fs *fs, struct watches *watches, struct watch *watch,
			     struct node_slot *node)
{
	uint64_t closed_at;
	uint64_t end;

	if (watch->is_owned)
		return watch->ended ? 0 : watch->due ? watch->due : WATCH_NEVER;
	if (watches_is_open(fs, watches, watch->id)) {
		stop_probing(watches, watch);
		return WATCH_NEVER;
	}
	if (atomic_load(&node->closed_at) == 0)
		return WATCH_NEVER;
	if (!is_unmapped(fs, watches, watch, node))
		return watch->wd >= 0 ? WATCH_NEVER : boottime_nanoseconds() + WATCH_RETRY;
	/* 0 again if the lifetime is being set */
	closed_at = atomic_load(&node->closed_at);
	if (closed_at == 0)
		return WATCH_NEVER;
	end = closed_at + watch->ttl;
	return end <= boottime_nanoseconds() ? 0 : end;
}

void watches_close_unused(struct watches *watches)
{
	for (size_t i = 0; i < watches->n; i++)
		if (watches->watch[i].wd >= 0)
			return;
	cleanup_close(&watches->inotify_fd);
	watches->inotify_fd = -1;
}

void watches_sleep(struct watches *watches, uint64_t next)
{
	uint64_t now = boottime_nanoseconds();
	uint64_t left = next > now ? next - now : 0;
	struct timespec timeout = {.tv_sec = (time_t)(left / NANOSECONDS),
				   .tv_nsec = (long)(left % NANOSECONDS)};
	_Alignas(struct inotify_event) char events[4096];
	sigset_t awake;
	size_t n = 0;

	pthread_sigmask(SIG_SETMASK, NULL, &awake);
	sigdelset(&awake, INTERRUPT_SIGNAL);
	/* ppoll(2) does not count the time that the machine is suspended; lifetimes do */
	if (left > SLEEP_SECONDS * NANOSECONDS)
		timeout = (struct timespec){.tv_sec = SLEEP_SECONDS};
	for (size_t i = 0; i < watches->n; i++) {
		struct watch *watch = &watches->watch[i];

		watch->polled = n;
		/* the pidfd of a process that has ended would end each sleep */
		if (watch->process_fd >= 0 && !watch->ended)
			watches->polled[n++] = (struct pollfd){.fd = watch->process_fd, .events = POLLIN};
	}
	if (watches->inotify_fd >= 0)
		watches->polled[n++] = (struct pollfd){.fd = watches->inotify_fd, .events = POLLIN};
	if (ppoll(watches->polled, n, next == WATCH_NEVER ? NULL : &timeout, &awake) <= 0)
		return;
	/* the events do not matter: all watches are checked */
	while (watches->inotify_fd >= 0 && read(watches->inotify_fd, events, sizeof(events)) > 0)
		;
	for (size_t i = 0; i < watches->n; i++) {
		struct watch *watch = &watches->watch[i];

		watch->ended |=
			watch->process_fd >= 0 && !watch->ended && watches->polled[watch->polled].revents;
	}
}

void watches_close(struct watches *watches)
{
	while (watches->n > 0)
		watches_drop(watches, &watches->watch[0]);
	free(watches->watch);
	free(watches->polled);
	cleanup_close(&watches->inotify_fd);
	*watches = (struct watches)WATCHES_NONE;
}
