// SPDX-License-Identifier: MIT
/*
 * Content of .segfs/locks and .segfs/attached. Everybody may read them, and sees his own entries. The entries
 * of others, and the names of segments, which may be in unreadable directories, are shown only to root and
 * the owner of the segment.
 */
#include "fs/control/internal.h"
#include "fs/state/handle.h"
#include "fs/state/lock.h"
#include "lib/base/cleanup.h"
#include "lib/base/clock.h"
#include "lib/base/procfs.h"
#include "lib/base/procfs_scan.h"
#include "lib/base/procfs_users.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/sysmacros.h>

/* A listed segment; cached, since consecutive lines are often about the same one. */
struct segment {
	uint64_t id;    /* node id, 0 = none yet */
	uint64_t inode; /* as in the mount */
	bool mandatory;
	bool is_shown; /* in full: the reader is root or the owner */
	char path[PATH_MAX];
};

/* The user who reads the list: the thread has his file-system ids. */
static uid_t reader_of_list(void)
{
	return (uid_t)setfsuid((uid_t)-1);
}

static bool sees_all(const struct state *state)
{
	return !state->arena->header->privileged || reader_of_list() == 0;
}

static bool may_see(const struct state *state, const struct stat *attr)
{
	return sees_all(state) || reader_of_list() == attr->st_uid;
}

static void begin_segment(const struct state *state, uint64_t id, struct segment *segment)
{
	*segment = (struct segment){.id = id, .path = "-", .is_shown = sees_all(state)};
}

static int look_at(struct state *state, const struct node_slot *node, struct segment *segment)
{
	const struct source *source;
	struct stat attr;
	int result;

	source = source_of(state, node);
	segment->mandatory = atomic_load(&node->policy) & NODE_POLICY_MANDATORY;
	result = source->stat(state, node, &attr);
	if (result < 0)
		return result == -ESTALE ? 0 : result;
	segment->inode = attr.st_ino;
	segment->is_shown = may_see(state, &attr);
	if (attr.st_nlink == 0 || !source->path || !segment->is_shown)
		return 0;
	result = source->path(state, node, segment->path, sizeof(segment->path));
	if (result >= 0)
		return 0;
	snprintf(segment->path, sizeof(segment->path), "-");
	return result == -ENOENT || result == -ESTALE || result == -ENAMETOOLONG ? 0 : result;
}

/* Returns 0, also if the segment is gone or has no path; the errno of a resource shortage. */
static int find_segment(struct state *state, uint64_t id, struct segment *segment)
{
	const struct node_slot *node = node_get(state, id);
	int result;

	if (segment->id == id)
		return 0;
	begin_segment(state, id, segment);
	if (!node)
		return 0;
	result = look_at(state, node, segment);
	/* the slot may have been reused for another file meanwhile, whose name and owner these are */
	if (!node_get(state, id))
		begin_segment(state, id, segment);
	return result;
}

/* Escapes a name as in /proc/mounts. */
static void print_name(struct control_text *text, const char *name)
{
	size_t plain;

	for (; *name; name += plain) {
		plain = strcspn(name, " \t\n\\");
		control_print(text, "%.*s", (int)plain, name);
		if (name[plain])
			control_print(text, "\\%03o", (unsigned char)name[plain++]);
	}
	control_print(text, "\n");
}

/* ISO 8601, UTC. */
static void print_time(struct control_text *text, uint64_t nanoseconds)
{
	time_t seconds = (time_t)(nanoseconds / 1000000000u);
	struct tm parts;
	char date[32];

	gmtime_r(&seconds, &parts);
	strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &parts);
	control_print(text, " %s.%03uZ ", date, (unsigned int)(nanoseconds / 1000000u % 1000u));
}

/* --- locks --- */

/* Orders by segment; held before waiting; then by first byte or by arrival. */
static int compare_locks(const void *a, const void *b)
{
	const struct lock_entry *first = a;
	const struct lock_entry *second = b;

	if (first->node != second->node)
		return first->node < second->node ? -1 : 1;
	if (first->waits != second->waits)
		return first->waits ? 1 : -1;
	if (!first->waits && first->start != second->start)
		return first->start < second->start ? -1 : 1;
	return first->since < second->since ? -1 : first->since > second->since;
}

static const char *lock_kind_name(const struct lock_entry *lock)
{
	if (lock->access)
		return "ACCESS";
	if (lock->kind == LOCK_FLOCK)
		return "FLOCK";
	return lock->holder == LOCK_OF_OPEN ? "OFDLCK" : "POSIX";
}

static void print_lock(struct control_text *text, dev_t device, size_t number, const struct lock_entry *lock,
		       const struct segment *segment)
{
	const char *enforced = segment->mandatory && lock->kind == LOCK_RANGE ? "MANDATORY" : "ADVISORY";

	control_print(text, "%zu: %s%-6s %-9s %-5s %d %02x:%02x:%llu %llu ", number, lock->waits ? "-> " : "",
		      lock_kind_name(lock), enforced, lock->type == LOCK_EXCLUSIVE ? "WRITE" : "READ",
		      (int)lock->pid, major(device), minor(device), (unsigned long long)segment->inode,
		      (unsigned long long)lock->start);
	if (lock->end == LOCK_END)
		control_print(text, "EOF");
	else
		control_print(text, "%llu", (unsigned long long)lock->end);
	print_time(text, lock->since);
	print_name(text, segment->path);
}

/* Returns all locks in an array that the caller frees; NULL without memory. */
static struct lock_entry *collect_locks(struct state *state, size_t *n)
{
	struct lock_entry *locks = NULL;
	uint32_t cursor = 0;
	size_t size = 0;

	for (*n = 0;; ++*n) {
		if (*n == size) {
			struct lock_entry *larger = reallocarray(locks, size ? size * 2 : 64, sizeof(*locks));

			if (!larger) {
				free(locks);
				return NULL;
			}
			locks = larger;
			size = size ? size * 2 : 64;
		}
		if (!lock_next_entry(state, &cursor, &locks[*n]))
			return locks;
	}
}

static bool is_own_lock(const struct state *state, const struct lock_entry *lock)
{
	const struct handle_slot *handle = handle_get(state, lock->handle);

	return handle && handle->uid == reader_of_list();
}

void control_print_locks(struct control_text *text, struct state *state)
{
	struct segment segment = {0};
	size_t shown = 0;
	size_t n;
	_cleanup_free_ struct lock_entry *locks = collect_locks(state, &n);

	if (!locks) {
		control_fail(text, -ENOMEM);
		return;
	}
	qsort(locks, n, sizeof(*locks), compare_locks);
	for (size_t i = 0; i < n; i++) {
		control_fail(text, find_segment(state, locks[i].node, &segment));
		if (segment.is_shown || is_own_lock(state, &locks[i]))
			print_lock(text, (dev_t)state->arena->header->device, ++shown, &locks[i], &segment);
	}
}

/* --- attached --- */

/* Returns a copy of the open file handles, which the caller frees; NULL without memory. */
static struct handle_slot *collect_handles(struct state *state, size_t *n)
{
	const struct arena *arena = state->arena;
	uint32_t high = atomic_load(&arena->header->handles_high);
	struct handle_slot *handles = calloc(high, sizeof(*handles));

	*n = 0;
	pthread_mutex_lock(&state->lock);
	for (uint32_t i = 1; handles && i < high; i++)
		if (atomic_load(&arena->handles[i].state) == SLOT_LIVE &&
		    arena->handles[i].kind == HANDLE_FILE)
			memcpy(&handles[(*n)++], &arena->handles[i], sizeof(*handles));
	pthread_mutex_unlock(&state->lock);
	return handles;
}

static int compare_handles(const void *a, const void *b)
{
	const struct handle_slot *first = a;
	const struct handle_slot *second = b;

	if (first->node != second->node)
		return first->node < second->node ? -1 : 1;
	return first->opened_at < second->opened_at ? -1 : first->opened_at > second->opened_at;
}

#define OPENERS      64u /* a power of two */
#define OPENERS_TIME 500 /* milliseconds for reading start times of all openers */

/* Cached start times of openers, hashed by pid. */
struct openers {
	struct opener {
		pid_t process; /* 0 = none */
		int result;    /* of reading it */
		uint64_t start;
	} known[OPENERS];
	uint64_t end; /* deadline: CLOCK_MONOTONIC, nanoseconds */
};

/* Returns 0; -ESRCH if it has ended; -ETIMEDOUT if it does not answer; the errno of a resource shortage. */
static int find_start(struct openers *openers, pid_t process, uint64_t *start)
{
	struct opener *opener = &openers->known[(uint32_t)process % OPENERS];

	if (process <= 0)
		return -ESRCH;
	if (opener->process != process) {
		if (procfs_is_unresponsive(process) || monotonic_nanoseconds() > openers->end)
			return -ETIMEDOUT;
		*opener = (struct opener){.process = process};
		opener->result = procfs_start(process, &opener->start);
		if (opener->result == -ETIMEDOUT)
			procfs_mark_unresponsive(process);
	}
	*start = opener->start;
	return opener->result;
}

/*
 * Gets the command name of the opener; -ESRCH if it has ended and its pid may have been reused; the errno of
 * a resource shortage.
 */
static int find_command(struct openers *openers, pid_t process, uint64_t opened_at,
			char command[PROCFS_COMMAND_MAX])
{
	uint64_t age = realtime_nanoseconds() - opened_at;
	uint64_t tick = 1000000000u / procfs_ticks_per_second();
	uint64_t now = boottime_nanoseconds();
	uint64_t start;
	int result = find_start(openers, process, &start);

	if (result == 0 && age < now && start * tick > now - age)
		result = -ESRCH;
	return result < 0 && result != -ETIMEDOUT ? result : procfs_command(process, command);
}

static void print_handle(struct control_text *text, struct openers *openers, const struct handle_slot *handle,
			 const struct segment *segment)
{
	static const char *const access[] = {[O_RDONLY] = "r", [O_WRONLY] = "w", [O_RDWR] = "rw"};
	unsigned int mode = handle->open_flags & O_ACCMODE;
	char command[PROCFS_COMMAND_MAX];

	int result = find_command(openers, handle->pid, handle->opened_at, command);

	if (result != -ESRCH)
		control_fail(text, result);
	control_print(text, "%d %s %s %s", handle->pid, result < 0 ? "-" : command,
		      mode < sizeof(access) / sizeof(access[0]) ? access[mode] : "-",
		      io_mode_name((enum io_mode)handle->mode));
	print_time(text, handle->opened_at);
	print_name(text, segment->path);
}

/* Whether the reader may see a process's views of segments that he does not own. */
static bool is_own_process(const struct state *state, pid_t process)
{
	uid_t user;

	return sees_all(state) || (procfs_user(process, &user) == 0 && user == reader_of_list());
}

static void print_view(struct control_text *text, struct state *state, const struct procfs_view *view,
		       uint64_t id, struct segment *segment)
{
	char command[PROCFS_COMMAND_MAX];
	int result;

	if (view->is_unknown)
		*segment = (struct segment){.path = "-"};
	else
		control_fail(text, find_segment(state, id, segment));
	if (!segment->is_shown && !is_own_process(state, view->process))
		return;
	result = procfs_command(view->process, command);
	if (result != -ESRCH)
		control_fail(text, result);
	if (result < 0)
		return;
	control_print(text, "%d %s %s %s - ", (int)view->process, command,
		      view->is_unknown ? "-"
		      : view->writable ? "rw"
				       : "r",
		      view->is_unknown ? "unknown" : "view");
	print_name(text, segment->path);
}

/*
 * Prints processes that have a view but no handle any more; the time of the mapping is unknown. Unresponsive
 * processes come last.
 */
static void print_views(struct control_text *text, struct state *state, const struct procfs_view *views,
			ssize_t n, const struct handle_slot *handles, size_t n_handles)
{
	struct segment segment = {0};

	for (ssize_t i = 0; i < n; i++) {
		uint64_t id = views[i].is_unknown ? 0 : source_node_of(state, views[i].inode);
		bool is_listed_as_handle = id == 0 && !views[i].is_unknown;

		for (size_t j = 0; j < n_handles && !is_listed_as_handle; j++)
			is_listed_as_handle = handles[j].node == id && handles[j].pid == views[i].process;
		if (!is_listed_as_handle)
			print_view(text, state, &views[i], id, &segment);
	}
}

void control_print_attached(struct control_text *text, struct state *state, const struct control_facts *facts)
{
	_cleanup_free_ struct procfs_view *views = NULL;
	struct openers openers = {.end = monotonic_nanoseconds() + OPENERS_TIME * UINT64_C(1000000)};
	struct segment segment = {0};
	size_t n;
	_cleanup_free_ struct handle_slot *handles = collect_handles(state, &n);
	ssize_t n_views;

	if (!handles) {
		control_fail(text, -ENOMEM);
		return;
	}
	qsort(handles, n, sizeof(*handles), compare_handles);
	/* first: a process that does not answer now is not asked again for its lines */
	n_views = facts->passthrough ? procfs_find_views((dev_t)state->arena->header->device, 0, &views) : 0;
	control_fail(text, (int)(n_views < 0 ? n_views : 0));
	for (size_t i = 0; i < n; i++) {
		pid_t process = procfs_process_of(handles[i].pid);

		if (process != -ESRCH)
			control_fail(text, process);
		control_fail(text, find_segment(state, handles[i].node, &segment));
		if (process > 0)
			handles[i].pid = process;
		if (segment.is_shown || handles[i].uid == reader_of_list())
			print_handle(text, &openers, &handles[i], &segment);
	}
	print_views(text, state, views, n_views, handles, n);
}
