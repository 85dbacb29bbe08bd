// SPDX-License-Identifier: MIT
/*
 * Content of .segfs/locks: the locks that segfs keeps, or, on a mount that leaves locks to the kernel, those
 * of /proc/locks, as the same lines.
 */
#include "fs/control/internal.h"
#include "fs/control/listed.h"
#include "fs/state/handle.h"
#include "fs/state/lock.h"
#include "lib/base/cleanup.h"
#include "lib/base/procfs_locks.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/sysmacros.h>

struct listed_lock {
	struct lock_entry entry; /* node 0: a file under .segfs; since 0: unknown */
	uint64_t inode;          /* as in the mount; 0 = that of the node */
	uint64_t turn;           /* orders those that wait */
};

/* Orders by segment; held before waiting; then by first byte or by arrival. */
static int compare_locks(const void *a, const void *b)
{
	const struct listed_lock *first = a;
	const struct listed_lock *second = b;

	if (first->entry.node != second->entry.node)
		return first->entry.node < second->entry.node ? -1 : 1;
	if (first->inode != second->inode)
		return first->inode < second->inode ? -1 : 1;
	if (first->entry.waits != second->entry.waits)
		return first->entry.waits ? 1 : -1;
	if (!first->entry.waits && first->entry.start != second->entry.start)
		return first->entry.start < second->entry.start ? -1 : 1;
	return first->turn < second->turn ? -1 : first->turn > second->turn;
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
		       const struct listed_segment *segment)
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
	listed_print_time(text, lock->since);
	listed_print_name(text, segment->path);
}

/*
 * Collects the locks that segfs keeps. Returns their number, and in *out an array that the caller frees;
 * -ENOMEM.
 */
static ssize_t collect_own(struct state *state, struct listed_lock **out)
{
	struct listed_lock *locks = NULL;
	struct lock_entry entry;
	uint32_t cursor = 0;
	size_t size = 0;
	size_t n = 0;

	while (lock_next_entry(state, &cursor, &entry)) {
		if (n == size) {
			struct listed_lock *larger =
				reallocarray(locks, size ? size * 2 : 64, sizeof(*locks));

			if (!larger) {
				free(locks);
				return -ENOMEM;
			}
			locks = larger;
			size = size ? size * 2 : 64;
		}
		locks[n++] = (struct listed_lock){.entry = entry, .turn = entry.since};
	}
	*out = locks;
	return (ssize_t)n;
}

static struct listed_lock from_kernel(struct state *state, const struct procfs_lock *lock, size_t turn)
{
	const uint64_t node = source_node_of(state, lock->inode);

	return (struct listed_lock){
		.entry =
			{
				.node = node,
				.start = lock->start,
				.end = lock->end,
				.pid = lock->process,
				.kind = lock->kind == PROCFS_LOCK_FLOCK ? LOCK_FLOCK : LOCK_RANGE,
				.type = lock->exclusive ? LOCK_EXCLUSIVE : LOCK_SHARED,
				.holder = lock->kind == PROCFS_LOCK_OFD ? LOCK_OF_OPEN : LOCK_OF_PROCESS,
				.waits = lock->waits,
			},
		.inode = node ? 0 : lock->inode,
		.turn = turn,
	};
}

/* The same for the locks that the kernel keeps. Returns also the errno of reading /proc/locks. */
static ssize_t collect_kernels(struct state *state, struct listed_lock **out)
{
	_cleanup_free_ struct procfs_lock *found = NULL;
	ssize_t n = procfs_find_locks((dev_t)state->arena->header->device, &found);
	struct listed_lock *locks;

	if (n <= 0)
		return n;
	locks = calloc((size_t)n, sizeof(*locks));
	if (!locks)
		return -ENOMEM;
	for (ssize_t i = 0; i < n; i++)
		locks[i] = from_kernel(state, &found[i], (size_t)i);
	*out = locks;
	return n;
}

/* The kernel names the process of a lock, unless an open file description has it. */
static bool is_own_lock(const struct state *state, const struct lock_entry *lock)
{
	const struct handle_slot *handle;
	bool is_own;

	if (!state->arena->header->keeps_locks)
		return lock->pid > 0 && listed_is_own_process(state, lock->pid);
	handle = handle_get(state, lock->handle);
	is_own = handle && handle->uid == listed_for();
	/* the slot may have been reused meanwhile, for an open of this user */
	return is_own && handle_get(state, lock->handle);
}

void control_print_locks(struct control_text *text, struct state *state)
{
	const struct arena_header *header = state->arena->header;
	_cleanup_free_ struct listed_lock *locks = NULL;
	struct listed_segment segment = {0};
	size_t shown = 0;
	ssize_t n = header->keeps_locks ? collect_own(state, &locks) : collect_kernels(state, &locks);

	if (n < 0) {
		control_fail(text, (int)n);
		return;
	}
	if (n > 0)
		qsort(locks, (size_t)n, sizeof(*locks), compare_locks);
	for (ssize_t i = 0; i < n; i++) {
		const struct lock_entry *lock = &locks[i].entry;

		control_fail(text, listed_find(state, lock->node, &segment));
		if (locks[i].inode)
			segment.inode = locks[i].inode;
		if (segment.is_shown || is_own_lock(state, lock))
			print_lock(text, (dev_t)header->device, ++shown, lock, &segment);
	}
}
