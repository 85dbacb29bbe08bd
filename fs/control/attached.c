// SPDX-License-Identifier: MIT
/* Content of .segfs/attached. */
#include "fs/control/internal.h"
#include "fs/control/listed.h"
#include "fs/state/handle.h"
#include "lib/base/cleanup.h"
#include "lib/base/clock.h"
#include "lib/base/delegate.h"
#include "lib/base/procfs.h"
#include "lib/base/procfs_scan.h"
#include "lib/base/procfs_users.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

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
			 const struct listed_segment *segment)
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
	listed_print_time(text, handle->opened_at);
	listed_print_name(text, segment->path);
}

static void print_view(struct control_text *text, struct state *state, const struct procfs_view *view,
		       uint64_t id, struct listed_segment *segment)
{
	char command[PROCFS_COMMAND_MAX];
	int result;

	if (view->is_unknown)
		*segment = (struct listed_segment){.path = "-"};
	else
		control_fail(text, listed_find(state, id, segment));
	if (!segment->is_shown && !listed_is_own_process(state, view->process))
		return;
	result = procfs_command(view->process, command);
	if (result != -ESRCH)
		control_fail(text, result);
	if (result < 0)
		return;
	control_print(text, "%d %s %s %s", (int)view->process, command,
		      view->is_unknown ? "-"
		      : view->writable ? "rw"
				       : "r",
		      view->is_unknown ? "unknown" : "view");
	listed_print_time(text, 0);
	listed_print_name(text, segment->path);
}

/*
 * Prints processes that have a view but no handle any more; the time of the mapping is unknown. Unresponsive
 * processes come last.
 */
static void print_views(struct control_text *text, struct state *state, const struct procfs_view *views,
			ssize_t n, const struct handle_slot *handles, size_t n_handles)
{
	struct listed_segment segment = {0};

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
	struct openers openers = {.end = monotonic_nanoseconds() +
					 delegate_time(OPENERS_TIME) * UINT64_C(1000000)};
	struct listed_segment segment = {0};
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
		control_fail(text, listed_find(state, handles[i].node, &segment));
		if (process > 0)
			handles[i].pid = process;
		if (segment.is_shown || handles[i].uid == listed_for())
			print_handle(text, &openers, &handles[i], &segment);
	}
	print_views(text, state, views, n_views, handles, n);
}
