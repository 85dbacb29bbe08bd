/* SPDX-License-Identifier: MIT */
/*
 * Handles: each open of a node, from OPEN to RELEASE.
 *
 * The number that the kernel carries is {generation of the slot, index of the slot}; a RELEASE that comes twice
 * can't hit a slot that was used again in between.
 */
#ifndef SEGFS_STATE_HANDLE_H
#define SEGFS_STATE_HANDLE_H

#include "fs/state/state.h"

#include <fcntl.h>

/* How reads, writes and views of one open reach the backing file. */
enum io_mode {
	IO_DIRECT = 0,   /* the kernel, on the backing file */
	IO_MEDIATED = 1, /* reads and writes by the daemon, views on the backing file (fact K4) */
	IO_RELAYED = 2,  /* the daemon, through the page cache of the mount */
};

enum handle_kind {
	HANDLE_FILE = 0,
	HANDLE_DIRECTORY = 1,
	HANDLE_CONTROL = 2, /* a file under .segfs: `fd` is a memfd with what it said at open */
};

/* What is known of an open before it has a number. */
struct handle_open {
	uint64_t node;     /* node id */
	uint64_t unique;   /* id of the request, without the resend bit */
	uint32_t flags;    /* of open(2) */
	int32_t pid;       /* opener */
	uint32_t uid;      /* its user */
	enum io_mode mode;
	enum handle_kind kind;
	uint32_t policy;   /* of the node, as it was when `mode` was chosen */
	uint32_t views;    /* writers that have a view, and no handle any more */
	uint32_t closes;   /* handle_closes(), from before these were counted */
	/*
	 * Called under the lock for a direct or mediated open of a node without passthrough id; returns the new id,
	 * which then is the node's until its last handle goes, or a negative errno, which handle_add() returns. NULL for
	 * an open that takes no id.
	 */
	int (*backing_open)(void *context);
	void *context;
};

/* "direct", "mediated" or "relayed". */
const char *io_mode_name(enum io_mode mode);

/*
 * Adds a handle.
 * fd: descriptor to hold, or -1; taken over on success, and then *fd becomes -1.
 * number: gets what the kernel is to carry. backing_id: gets the node's passthrough id, 0 for an open without one.
 * Returns 0; -EAGAIN where the node's policy is another by now, or a writer has closed: choose again; -EBUSY where it has as many writers as its
 * policy allows; -ENFILE where all slots are in use, or the user has as many as one may; -ENOMEM, -ENOSPC for want of memory; -ESTALE for an unknown node;
 * what backing_open() returned.
 */
int handle_add(struct state *state, const struct handle_open *open, int *fd, uint64_t *number, int *backing_id);

/* Finds a live handle, or NULL for a number that was never given or was released; the caller answers EBADF. */
struct handle_slot *handle_get(const struct state *state, uint64_t number);

/*
 * Ends a handle and closes the descriptor that it held.
 * backing_id: gets a passthrough id that no node has use for any more, else 0; the caller closes that id in the connection and then calls handle_backing_closed(). A worker that dies in between
 * leaves the id in the arena, and the next one closes it.
 * Returns 0, or -EBADF for a number that is not good (a repeated RELEASE): nothing to do.
 */
int handle_remove(struct state *state, uint64_t number, int *backing_id);

/*
 * Changes the policy word of a node, under the same lock under which handles come and go.
 * stay: modes (bits 1 << enum io_mode) in which files may be open under the new policy; write_stay: in which they may be open for
 * writing. requester: a process, 0 = none, whose own opens are not in the way.
 * Returns 0; -EBUSY, and changes nothing, where an open is in the way, or more than the new policy's writers;
 * -ESTALE for an unknown node.
 */
int handle_set_policy(struct state *state, uint64_t node, uint32_t policy, unsigned int stay, unsigned int write_stay,
		      int32_t requester);

/* Whether a handle may write. */
static inline bool handle_writes(const struct handle_slot *slot)
{
	return slot->kind == HANDLE_FILE && (slot->open_flags & O_ACCMODE) != O_RDONLY;
}

#define HANDLE_OPEN_EXECUTES 0x20 /* in open_flags: for execve(2); the kernel's __FMODE_EXEC, which open(2) does not let through */

/* Whether a file is executed through a handle, or about to be; which lasts as long as the program runs. */
static inline bool handle_executes(const struct handle_slot *slot)
{
	return slot->kind == HANDLE_FILE && slot->open_flags & HANDLE_OPEN_EXECUTES;
}

/* How many handles of a node are such. */
uint32_t handle_executors(struct state *state, uint64_t node);

/* How many handles a node has, and how many of them may write; how often one of the latter was closed, a number that wraps. */
uint32_t handle_count(struct state *state, uint64_t node, uint32_t *writers);
uint32_t handle_closes(struct state *state, uint64_t node);

/*
 * Has every descriptor that handles of a node hold refer to what `fd` refers to; their numbers stay. Returns 0, or the errno of dup3(2):
 * then those of some may, and it can be repeated.
 */
int handle_replace_fds(struct state *state, uint64_t node, int fd);

void handle_backing_closed(struct state *state, int backing_id);

/*
 * Finds the handle that request `unique` opened, if a worker that died got as far as that. Returns its number, or 0.
 * Linear in the number of handles: for requests that the kernel sends again only.
 */
uint64_t handle_find_by_request(struct state *state, uint64_t unique);

/* Used by state.c. */
int handle_index_slots(struct state *state);

#endif
