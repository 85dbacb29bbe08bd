// SPDX-License-Identifier: MIT
/*
 * What .segfs/locks and .segfs/attached list. Everybody may read them, as everybody may read /proc/locks; but the names of segments
 * are told to root and to their owners only, since they may lie in directories that others can't list.
 */
#include "fs/control/control.h"
#include "fs/state/handle.h"
#include "fs/state/lock.h"
#include "lib/base/cleanup.h"
#include "lib/base/clock.h"
#include "lib/base/procfs.h"
#include "lib/base/procfs_users.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/sysmacros.h>

/* A segment that is listed: the same for many lines in a row. */
struct segment {
	uint64_t id;     /* node id, 0 = none yet */
	uint64_t inode;  /* as the mount tells it */
	bool mandatory;
	char path[PATH_MAX];
};

/* For whom the list is made: the thread has the reader's identity. */
static bool may_see(const struct state *state, const struct stat *attr)
{
	uid_t reader = (uid_t)setfsuid((uid_t)-1);

	return !state->arena->header->privileged || reader == 0 || reader == attr->st_uid;
}

/* Returns 0, also where it is gone or has no path; the errno of what is lacking for finding that out. */
static int find_segment(struct state *state, uint64_t id, struct segment *segment)
{
	const struct node_slot *node = node_get(state, id);
	const struct source *source;
	struct stat attr;
	int result;

	if (segment->id == id)
		return 0;
	*segment = (struct segment){.id = id, .path = "-"};
	if (!node)
		return 0;
	source = source_of(state, node);
	segment->mandatory = atomic_load(&node->policy) & NODE_POLICY_MANDATORY;
	result = source->stat(state, node, &attr);
	if (result < 0)
		return result == -ESTALE ? 0 : result;
	segment->inode = attr.st_ino;
	if (attr.st_nlink == 0 || !source->path || !may_see(state, &attr))
		return 0;
	result = source->path(state, node, segment->path, sizeof(segment->path));
	if (result >= 0)
		return 0;
	snprintf(segment->path, sizeof(segment->path), "-");
	return result == -ENOENT || result == -ESTALE || result == -ENAMETOOLONG ? 0 : result;
}

/* A name as one word, as /proc/mounts has it. */
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

/* By segment; what is held before what is waited for; by first byte, by arrival. */
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

static void print_lock(struct control_text *text, dev_t device, size_t number,
		       const struct lock_entry *lock, const struct segment *segment)
{
	const char *enforced = segment->mandatory && lock->kind == LOCK_RANGE ? "MANDATORY" : "ADVISORY";

	control_print(text, "%zu: %s%-6s %-9s %-5s %d %02x:%02x:%llu %llu ", number, lock->waits ? "-> " : "",
		      lock_kind_name(lock), enforced, lock->type == LOCK_EXCLUSIVE ? "WRITE" : "READ", (int)lock->pid,
		      major(device), minor(device), (unsigned long long)segment->inode,
		      (unsigned long long)lock->start);
	if (lock->end == LOCK_END)
		control_print(text, "EOF");
	else
		control_print(text, "%llu", (unsigned long long)lock->end);
	print_time(text, lock->since);
	print_name(text, segment->path);
}

/* All locks, in an array that the caller frees; NULL without memory. */
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

void control_print_locks(struct control_text *text, struct state *state)
{
	struct segment segment = {0};
	size_t n;
	_cleanup_free_ struct lock_entry *locks = collect_locks(state, &n);

	if (!locks) {
		control_fail(text, -ENOMEM);
		return;
	}
	qsort(locks, n, sizeof(*locks), compare_locks);
	for (size_t i = 0; i < n; i++) {
		control_fail(text, find_segment(state, locks[i].node, &segment));
		print_lock(text, (dev_t)state->arena->header->device, i + 1, &locks[i], &segment);
	}
}

/* --- attached --- */

/* Copies what is open, in the order of segments. Returns an array that the caller frees; NULL without memory. */
static struct handle_slot *collect_handles(struct state *state, size_t *n)
{
	const struct arena *arena = state->arena;
	uint32_t high = atomic_load(&arena->header->handles_high);
	struct handle_slot *handles = calloc(high, sizeof(*handles));

	*n = 0;
	pthread_mutex_lock(&state->lock);
	for (uint32_t i = 1; handles && i < high; i++)
		if (atomic_load(&arena->handles[i].state) == SLOT_LIVE && arena->handles[i].kind == HANDLE_FILE)
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

/* What the opener is called; -ESRCH where it has ended, and its number may be another's; the errno of a lack of our own. */
static int find_command(pid_t process, uint64_t opened_at, char command[PROCFS_COMMAND_MAX])
{
	uint64_t age = realtime_nanoseconds() - opened_at;
	uint64_t tick = 1000000000u / procfs_ticks_per_second();
	uint64_t now = boottime_nanoseconds();
	uint64_t start;
	int result = process > 0 ? procfs_start(process, &start) : -ESRCH;

	if (result == 0 && age < now && start * tick > now - age)
		result = -ESRCH;
	return result < 0 ? result : procfs_command(process, command);
}

static void print_handle(struct control_text *text, const struct handle_slot *handle, const struct segment *segment)
{
	static const char *const access[] = {[O_RDONLY] = "r", [O_WRONLY] = "w", [O_RDWR] = "rw"};
	unsigned int mode = handle->open_flags & O_ACCMODE;
	char command[PROCFS_COMMAND_MAX];

	int result = find_command(handle->pid, handle->opened_at, command);

	if (result != -ESRCH)
		control_fail(text, result);
	control_print(text, "%d %s %s %s", handle->pid, result < 0 ? "-" : command,
		      mode < sizeof(access) / sizeof(access[0]) ? access[mode] : "-",
		      io_mode_name((enum io_mode)handle->mode));
	print_time(text, handle->opened_at);
	print_name(text, segment->path);
}

/* Processes that have a view, and no handle any more. When they made it nobody knows. */
static void print_views(struct control_text *text, struct state *state, const struct control_facts *facts,
			const struct handle_slot *handles, size_t n_handles)
{
	_cleanup_free_ struct procfs_view *views = NULL;
	ssize_t n = facts->passthrough ? procfs_find_views((dev_t)state->arena->header->device, 0, &views) : 0;
	struct segment segment = {0};

	control_fail(text, (int)(n < 0 ? n : 0));
	for (ssize_t i = 0; i < n; i++) {
		uint64_t id = source_node_of(state, views[i].inode);
		char command[PROCFS_COMMAND_MAX];
		bool has_handle = id == 0;
		int result;

		for (size_t j = 0; j < n_handles && !has_handle; j++)
			has_handle = handles[j].node == id && handles[j].pid == views[i].process;
		if (has_handle)
			continue;
		result = procfs_command(views[i].process, command);
		if (result != -ESRCH)
			control_fail(text, result);
		if (result < 0)
			continue;
		control_fail(text, find_segment(state, id, &segment));
		control_print(text, "%d %s %s view - ", (int)views[i].process, command, views[i].writable ? "rw" : "r");
		print_name(text, segment.path);
	}
}

void control_print_attached(struct control_text *text, struct state *state, const struct control_facts *facts)
{
	struct segment segment = {0};
	size_t n;
	_cleanup_free_ struct handle_slot *handles = collect_handles(state, &n);

	if (!handles) {
		control_fail(text, -ENOMEM);
		return;
	}
	qsort(handles, n, sizeof(*handles), compare_handles);
	for (size_t i = 0; i < n; i++) {
		pid_t process = procfs_process_of(handles[i].pid);

		if (process != -ESRCH)
			control_fail(text, process);
		control_fail(text, find_segment(state, handles[i].node, &segment));
		if (process > 0)
			handles[i].pid = process;
		print_handle(text, &handles[i], &segment);
	}
	print_views(text, state, facts, handles, n);
}
