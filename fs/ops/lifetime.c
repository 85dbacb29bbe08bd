// SPDX-License-Identifier: MIT
#include "fs/ops/lifetime.h"
#include "fs/ops/interrupt.h"
#include "fs/ops/passthrough.h"
#include "fs/ops/policy.h"
#include "fs/ops/reply.h"
#include "fs/source/backing.h"
#include "fs/source/paths.h"
#include "fs/source/source.h"
#include "fs/source/views.h"
#include "lib/base/cleanup.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/procfs.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/xattr.h>

#define USE_MAX 48        /* bytes of what the attribute says */
#define RETRY_SECONDS 1  /* after something failed for want of descriptors or memory */
#define END_TRIES 16     /* at a name that has become another one when it is to be removed */
#define NEVER UINT64_MAX
#define NANOSECONDS UINT64_C(1000000000)
#define SLEEP_SECONDS 60  /* at most, where there is something to come */

/* A segment whose life is limited. */
struct watch {
	uint64_t id;    /* node id */
	uint64_t ttl;   /* nanoseconds; 0 = it has no such limit */
	uint32_t word;  /* the kind of lifetime: one of NODE_POLICY_LIFETIMES */
	uint64_t due;   /* CLOCK_BOOTTIME, nanoseconds: when it is to be looked at again */
	int process_fd; /* pidfd, -1 = none */
	size_t polled;  /* its place in life.polled, if it has a process_fd */
	struct views_probe probe; /* of one that is closed, and may still be mapped */
	int wd;         /* inotify watch of its backing file, -1 = none */
	uint64_t unmapped; /* the node's closed_at when nobody had it mapped either, 0 = not known */
	bool is_owned;  /* ends with a process */
	bool over;      /* its process has ended */
};

static struct {
	pthread_mutex_t lock;  /* guards `changed`; a leaf */
	uint64_t *changed;     /* nodes whose lifetime was set */
	size_t n_changed;
	bool lost;             /* there was no memory to note one: all are to be looked at */

	/* the thread's own */
	struct watch *watches;
	size_t n_watches;
	struct pollfd *polled; /* one for each watch that has a process_fd, and one for inotify_fd */
	int inotify_fd;        /* tells that a view is gone, -1 = not needed yet */
	bool all_closed;       /* the mount is gone, and whatever was open in it is closed */

	pthread_t thread;
	bool started;
	atomic_bool stopping;  /* set by lifetime_stop() */
} life = {
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.inotify_fd = -1,
};

/* The thread takes the signal only while it sleeps; one that comes earlier ends the next sleep. */
static void wake(void)
{
	if (life.started)
		pthread_kill(life.thread, INTERRUPT_SIGNAL);
}

/* --- what is noted with the segment, for a start after the end of all --- */

static void note_use(struct fs *fs, const struct node_slot *node, const char *use)
{
	const struct source *source = source_of(&fs->state, node);
	int result = source->setxattr ? source->setxattr(&fs->state, node, source_use_attribute(&fs->state), use,
							 strlen(use), 0)
				      : -EOPNOTSUPP;

	if (result < 0)
		log_warning("that a segment is %.6s can't be noted: %s", use, strerror(-result));
}

/* How long ago, in nanoseconds, a segment was closed; false where it is not known to have been open at all. */
static bool read_use(struct fs *fs, const struct node_slot *node, uint64_t *ago)
{
	const struct source *source = source_of(&fs->state, node);
	uint64_t now = realtime_nanoseconds();
	char text[USE_MAX + 1];
	uint64_t at;
	ssize_t length = source->getxattr ? source->getxattr(&fs->state, node, source_use_attribute(&fs->state), text,
							     USE_MAX)
					  : -ENODATA;

	if (length < 0)
		return false;
	text[length] = 0;
	/* one that was open has been closed by the end of the mount */
	*ago = sscanf(text, "closed %" SCNu64, &at) == 1 && at < now ? now - at : 0;
	return true;
}

void lifetime_opened(struct fs *fs, uint64_t id, uint32_t policy)
{
	const struct node_slot *node = node_get(&fs->state, id);

	if (node && policy & (NODE_POLICY_LAST_CLOSE | NODE_POLICY_TTL))
		note_use(fs, node, "open");
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

static bool is_open(struct fs *fs, uint64_t id)
{
	uint32_t writers;

	return !life.all_closed && handle_count(&fs->state, id, &writers) > 0;
}

/* --- watches --- */

static struct watch *find_watch(uint64_t id)
{
	for (size_t i = 0; i < life.n_watches; i++)
		if (life.watches[i].id == id)
			return &life.watches[i];
	return NULL;
}

static void stop_probing(struct watch *watch)
{
	if (watch->wd >= 0)
		inotify_rm_watch(life.inotify_fd, watch->wd);
	watch->wd = -1;
	views_probe_close(&watch->probe);
}

static void drop_watch(struct watch *watch)
{
	stop_probing(watch);
	cleanup_close(&watch->process_fd);
	*watch = life.watches[--life.n_watches];
}

/* Room for one more, and for what it is polled by. */
static int reserve_watch(void)
{
	struct watch *watches = reallocarray(life.watches, life.n_watches + 1, sizeof(*watches));
	struct pollfd *polled;

	if (!watches)
		return -ENOMEM;
	life.watches = watches;
	polled = reallocarray(life.polled, life.n_watches + 2, sizeof(*polled));
	if (!polled)
		return -ENOMEM;
	life.polled = polled;
	return 0;
}

static void watch_process(struct watch *watch, const struct policy_owner *owner)
{
	int fd = procfs_owner_open(owner);

	watch->is_owned = true;
	watch->over = fd == -ESRCH;
	watch->process_fd = fd >= 0 ? fd : -1;
	if (fd < 0 && fd != -ESRCH)
		log_warning("process %d can't be watched yet: %s", (int)owner->pid, strerror(-fd));
	watch->due = fd < 0 && fd != -ESRCH ? boottime_nanoseconds() + RETRY_SECONDS * NANOSECONDS : 0;
}

/* Takes up what a node's policy says by now. Returns 0; -ENOMEM, or the errno of reading it. */
static int update_watch(struct fs *fs, uint64_t id)
{
	struct node_slot *node = node_get(&fs->state, id);
	struct watch *watch = find_watch(id);
	struct policy policy = {0};
	int result = node ? policy_read(&fs->state, node, &policy) : 0;

	if (result < 0)
		return result;
	if (watch)
		drop_watch(watch);
	if (!node || policy.lifetime == LIFETIME_PERSISTENT)
		return 0;
	result = reserve_watch();
	if (result < 0)
		return result;
	watch = &life.watches[life.n_watches++];
	*watch = (struct watch){
		.id = id,
		.word = policy_pack(&policy) & NODE_POLICY_LIFETIMES,
		.process_fd = -1,
		.probe = VIEWS_PROBE_NONE,
		.wd = -1,
	};
	if (policy.lifetime == LIFETIME_OWNER)
		watch_process(watch, &policy.owner);
	if (policy.lifetime != LIFETIME_OWNER && is_open(fs, id))
		note_use(fs, node, "open");
	if (policy.lifetime == LIFETIME_TTL) {
		watch->ttl = policy.ttl * 1000000;
		/* one that nobody has opened yet has its time from now on */
		if (atomic_load(&node->closed_at) == 0)
			atomic_store(&node->closed_at, boottime_nanoseconds());
	}
	return 0;
}

/* --- the end --- */

/* Has inotify(7) tell when a view goes. Without it the segment is looked at every now and then. */
static void await_close(struct watch *watch)
{
	char path[PROCFS_FD_MAX];

	if (life.inotify_fd < 0)
		life.inotify_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	procfs_fd_path(path, watch->probe.fd);
	if (life.inotify_fd >= 0)
		watch->wd = inotify_add_watch(life.inotify_fd, path, IN_CLOSE);
}

/*
 * Whether nobody has a view of a segment either that has no handle. The end of the last view is the last close.
 */
static bool is_unmapped(struct fs *fs, struct watch *watch, struct node_slot *node)
{
	bool is_first = watch->probe.fd < 0;

	if (watch->unmapped == atomic_load(&node->closed_at) || !fs->passthrough || life.all_closed)
		return true;
	if (is_first && views_probe_open(&fs->state, node, &watch->probe) < 0)
		return false;
	/* first, so that nothing is missed */
	if (is_first)
		await_close(watch);
	if (views_probe(&watch->probe, false) == 1)
		return false;
	if (!is_first)
		atomic_store(&node->closed_at, boottime_nanoseconds());
	stop_probing(watch);
	watch->unmapped = atomic_load(&node->closed_at);
	return true;
}

/* When a segment is to end, or to be looked at again: 0 = now. */
static uint64_t time_of_end(struct fs *fs, struct watch *watch, struct node_slot *node)
{
	uint64_t closed_at;
	uint64_t end;

	if (watch->is_owned)
		return watch->over ? 0 : watch->due ? watch->due : NEVER;
	if (is_open(fs, watch->id)) {
		stop_probing(watch);
		return NEVER;
	}
	if (atomic_load(&node->closed_at) == 0)
		return NEVER;
	if (!is_unmapped(fs, watch, node))
		return watch->wd >= 0 ? NEVER : boottime_nanoseconds() + RETRY_SECONDS * NANOSECONDS;
	/* it is 0 again where the lifetime is being set */
	closed_at = atomic_load(&node->closed_at);
	if (closed_at == 0)
		return NEVER;
	end = closed_at + watch->ttl;
	return end <= boottime_nanoseconds() ? 0 : end;
}

/* The kernel may have the name in its cache. This waits for whoever changes the directory; others answer their requests. */
static void tell_kernel(struct fs *fs, const struct source_name *gone)
{
	uint64_t dir = node_find(&fs->state, &gone->dir);

	if (dir)
		fuse_lowlevel_notify_inval_entry(fs->session, dir, gone->name, strlen(gone->name));
}

/* Whether a file has a name still; it may have got another one while the first was looked for. */
static bool has_name(struct fs *fs, uint64_t id, const struct node_slot *node)
{
	struct stat stat;

	return node_get(&fs->state, id) == node && source_of(&fs->state, node)->stat(&fs->state, node, &stat) == 0 &&
	       stat.st_nlink > 0;
}

/*
 * Removes all names of a segment. Returns 0, or what stood in the way; -EBUSY where it is not to end after all, -EAGAIN where it is
 * renamed over and over.
 */
static int end_segment(struct fs *fs, const struct watch *watch, const struct node_slot *node)
{
	const struct source *source = source_of(&fs->state, node);
	struct source_name gone;
	int result = -EPERM;
	int tries = 0;

	while (source->end) {
		/* opened just now, or given another lifetime */
		bool is_meant = policy_hold(node, watch->word) && (watch->is_owned || !is_open(fs, watch->id));

		result = is_meant ? source->end(&fs->state, node, &gone) : 0;
		policy_let_go();
		if (!is_meant)
			return -EBUSY;
		if (result == 0) {
			tell_kernel(fs, &gone);
			/* the slot may be another file's now */
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

static void note_closed(struct fs *fs, const struct node_slot *node)
{
	char use[USE_MAX];
	uint64_t ago = boottime_nanoseconds() - atomic_load(&node->closed_at);

	snprintf(use, sizeof(use), "closed %" PRIu64, realtime_nanoseconds() - ago);
	note_use(fs, node, use);
}

/* The descriptor is there only as long as a view is awaited. */
static void close_unused(void)
{
	for (size_t i = 0; i < life.n_watches; i++)
		if (life.watches[i].wd >= 0)
			return;
	cleanup_close(&life.inotify_fd);
	life.inotify_fd = -1;
}

/* Ends what is due. Returns when the next one is. */
static uint64_t end_due(struct fs *fs)
{
	uint64_t next = NEVER;

	for (size_t i = 0; i < life.n_watches;) {
		struct watch *watch = &life.watches[i];
		struct node_slot *node = node_get(&fs->state, watch->id);
		uint64_t end;
		int result;

		if (!node) {
			drop_watch(watch);
			continue;
		}
		/* it may get a name yet, as long as there is anything that it can get it by */
		end = atomic_load(&node->flags) & NODE_UNLINKED ? NEVER : time_of_end(fs, watch, node);
		/* the reference keeps the slot from becoming another file's meanwhile */
		if (end == 0 && !node_keep(&fs->state, watch->id)) {
			drop_watch(watch);
			continue;
		}
		if (end == 0) {
			result = end_segment(fs, watch, node);
			entry_forget(fs, watch->id, 1);
			if (result == 0) {
				drop_watch(watch);
				continue;
			}
			if (result != -EBUSY)
				log_warning("a segment at the end of its life can't be removed: %s", strerror(-result));
			end = boottime_nanoseconds() + RETRY_SECONDS * NANOSECONDS;
		} else if (end != NEVER && watch->due != end && watch->ttl && watch->wd < 0) {
			note_closed(fs, node);
		}
		watch->due = end == NEVER ? 0 : end;
		if (end < next)
			next = end;
		i++;
	}
	close_unused();
	return next;
}

/* --- finding them --- */

static void take_up_all(struct fs *fs)
{
	uint32_t high = atomic_load(&fs->state.arena->header->nodes_high);

	for (uint32_t i = NODE_ROOT; i < high; i++) {
		const struct node_slot *node = &fs->state.arena->nodes[i];
		uint64_t id = 0;

		/* nearly none has */
		if (!(atomic_load(&node->policy) & NODE_POLICY_LIFETIMES))
			continue;
		pthread_mutex_lock(&fs->state.lock);
		if (atomic_load(&node->state) == SLOT_LIVE && node->type == S_IFREG >> 12 &&
		    atomic_load(&node->policy) & NODE_POLICY_LIFETIMES)
			id = node_id(&fs->state, i);
		pthread_mutex_unlock(&fs->state.lock);
		if (id && update_watch(fs, id) < 0)
			life.lost = true;
	}
}

static void take_up_changed(struct fs *fs)
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
		lost |= update_watch(fs, changed[i]) < 0;
	free(changed);
	if (lost)
		take_up_all(fs);
}

/* A file that was there before this segfs was started. */
static void look_at_file(int dir_fd, const char *name, void *context)
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

	snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", dir_fd, name);
	length = lgetxattr(path, source_policy_attribute(&fs->state), text, sizeof(text));
	if (length < 0)
		return;
	/* as far as it is understood, as policy_read() has it */
	policy_load(&policy, text, (size_t)length);
	if (policy.lifetime == LIFETIME_PERSISTENT)
		return;
	if (backing_identify(&fs->state, 0, dir_fd, name, &file) < 0)
		return;
	if (node_reference(&fs->state, &file.key, file.stat.st_mode, file.flags, &file.fd, &id) == 0) {
		node = node_get(&fs->state, id);
		policy_word(&fs->state, node);
		if (!is_open(fs, id) && atomic_load(&node->closed_at) == 0 && read_use(fs, node, &ago)) {
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
		log_warning("the stores can't be searched for segments at the end of their life: %s", strerror(-result));
	atomic_store(&header->searched, 1);
}

/* --- the thread --- */

static void sleep_until(uint64_t next)
{
	uint64_t now = boottime_nanoseconds();
	uint64_t left = next > now ? next - now : 0;
	struct timespec timeout = {.tv_sec = (time_t)(left / NANOSECONDS), .tv_nsec = (long)(left % NANOSECONDS)};
	_Alignas(struct inotify_event) char events[4096];
	sigset_t awake;
	size_t n = 0;

	pthread_sigmask(SIG_SETMASK, NULL, &awake);
	sigdelset(&awake, INTERRUPT_SIGNAL);
	/* the clock of a sleep stands still while the machine does, that of the lifetimes does not */
	if (left > SLEEP_SECONDS * NANOSECONDS)
		timeout = (struct timespec){.tv_sec = SLEEP_SECONDS};
	for (size_t i = 0; i < life.n_watches; i++) {
		struct watch *watch = &life.watches[i];

		watch->polled = n;
		/* one that has ended would end each sleep */
		if (watch->process_fd >= 0 && !watch->over)
			life.polled[n++] = (struct pollfd){.fd = watch->process_fd, .events = POLLIN};
	}
	if (life.inotify_fd >= 0)
		life.polled[n++] = (struct pollfd){.fd = life.inotify_fd, .events = POLLIN};
	if (ppoll(life.polled, n, next == NEVER ? NULL : &timeout, &awake) <= 0)
		return;
	/* all are looked at anyway */
	while (life.inotify_fd >= 0 && read(life.inotify_fd, events, sizeof(events)) > 0)
		;
	for (size_t i = 0; i < life.n_watches; i++) {
		struct watch *watch = &life.watches[i];

		watch->over |= watch->process_fd >= 0 && !watch->over && life.polled[watch->polled].revents;
	}
}

/* A process that could not be watched for want of something is tried again. */
static void retry_processes(void)
{
	uint64_t now = boottime_nanoseconds();

	for (size_t i = 0; i < life.n_watches; i++) {
		const struct watch *watch = &life.watches[i];

		if (watch->is_owned && !watch->over && watch->process_fd < 0 && watch->due <= now)
			lifetime_changed(watch->id);
	}
}

/* The end of the mount is the last close of what is open. */
static void close_all(struct fs *fs)
{
	for (size_t i = 0; i < life.n_watches; i++) {
		struct node_slot *node = node_get(&fs->state, life.watches[i].id);

		if (node && is_open(fs, life.watches[i].id))
			atomic_store(&node->closed_at, boottime_nanoseconds());
	}
	life.all_closed = true;
}

/* Before it has seen INIT, libfuse tells the kernel nothing: names that are gone by then would stay in its cache. */
static void wait_for_session(const struct fs *fs)
{
	const struct arena_header *header = fs->state.arena->header;
	const struct timespec pause = {.tv_nsec = 1000000};

	while (atomic_load(&header->workers_serving) != atomic_load(&header->workers_started) &&
	       !atomic_load(&life.stopping))
		nanosleep(&pause, NULL);
}

static void *watch_over(void *argument)
{
	struct fs *fs = argument;
	sigset_t signal;

	sigemptyset(&signal);
	sigaddset(&signal, INTERRUPT_SIGNAL);
	pthread_sigmask(SIG_BLOCK, &signal, NULL);
	wait_for_session(fs);
	take_up_all(fs);
	search_stores(fs);
	while (!atomic_load(&life.stopping)) {
		take_up_changed(fs);
		sleep_until(end_due(fs));
		retry_processes();
	}
	take_up_changed(fs);
	close_all(fs);
	end_due(fs);
	return NULL;
}

int lifetime_start(struct fs *fs)
{
	int result = reserve_watch();

	if (result < 0)
		return result;
	result = -pthread_create(&life.thread, NULL, watch_over, fs);
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
	while (life.n_watches > 0)
		drop_watch(&life.watches[0]);
	free(life.watches);
	free(life.polled);
	cleanup_close(&life.inotify_fd);
	life.started = false;
}
