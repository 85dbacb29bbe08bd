/* SPDX-License-Identifier: MIT */
/*
 * Handles: each open of a node, from OPEN to RELEASE.
 *
 * A handle number is {generation, index} of its slot, so that a replayed RELEASE cannot hit a slot that was
 * reused meanwhile.
 */
#ifndef SEGFS_STATE_HANDLE_H
#define SEGFS_STATE_HANDLE_H

#include "fs/state/state.h"

#include <fcntl.h>

/* Path of the data of one open. */
enum io_mode {
	IO_DIRECT = 0,   /* kernel: passthrough for I/O and views */
	IO_MEDIATED = 1, /* daemon for I/O, passthrough for views (fact K4) */
	IO_RELAYED = 2,  /* daemon, through the page cache of the mount */
};

enum handle_kind {
	HANDLE_FILE = 0,
	HANDLE_DIRECTORY = 1,
	HANDLE_CONTROL = 2, /* a file under .segfs; `fd` is a memfd with its content as of the open */
};

/* Parameters of an open. */
struct handle_open {
	uint64_t node;   /* node id */
	uint64_t unique; /* id of the request */
	uint32_t flags;  /* of open(2) */
	int32_t pid;     /* opening process */
	uint32_t uid;    /* its user */
	enum io_mode mode;
	enum handle_kind kind;
	uint32_t policy; /* of the node, when `mode` was chosen */
	uint32_t views;  /* writers without a handle that still have a view */
	uint32_t closes; /* handle_closes() before `views` were counted */
	bool is_new;     /* of a file that was just made: it has no views */
	/*
	 * Called under the lock for a direct or mediated open of a node without passthrough id. Returns a new
	 * id, which the node keeps until its last handle is released, or a negative errno, which handle_add()
	 * returns. NULL for an open without passthrough.
	 */
	int (*register_backing)(void *context);
	void *context;
};

struct node_new;

/* "direct", "mediated" or "relayed". */
const char *io_mode_name(enum io_mode mode);

/*
 * Adds a handle.
 * fd: descriptor to hold, or -1; moved on success, then *fd is -1.
 * number: receives the handle number. backing_id: receives the node's passthrough id, 0 if the open has none.
 * Returns 0; -EAGAIN if the node's policy has changed or a writer has closed meanwhile: choose again; -EBUSY
 * if the policy allows no more writers; -ENFILE if all slots or the user's share are in use; -ENOMEM,
 * -ENOSPC; -ESTALE for an unknown node; the result of register_backing().
 */
int handle_add(struct state *state, const struct handle_open *open, int *fd, uint64_t *number,
	       int *backing_id);

/*
 * node_reference() and handle_add() at once, for a file that was just made: nobody can see its node before it
 * is complete.
 * open: `node` receives the node id, once it is referenced. It stays so if the handle cannot be added.
 * Returns 0; otherwise, with `node` unchanged, as node_reference(); with `node` set, as handle_add().
 */
int handle_add_new(struct state *state, const struct node_new *file, struct handle_open *open, int *fd,
		   uint64_t *number, int *backing_id);

/*
 * Returns a live handle, or NULL for a number that was never issued or was released; the caller replies
 * EBADF.
 */
struct handle_slot *handle_get(const struct state *state, uint64_t number);

/*
 * Releases a handle and closes its descriptor.
 * backing_id: receives a passthrough id that no node needs any more, else 0; the caller closes it in the
 * connection and then calls handle_backing_closed(). If the worker dies in between, the next one closes it.
 * Returns 0; -EBADF for an invalid number (a replayed RELEASE).
 */
int handle_remove(struct state *state, uint64_t number, int *backing_id);

/*
 * Changes the policy word of a node, atomically with regard to opens and releases.
 * stay: modes (bits 1 << enum io_mode) in which files may be open under the new policy; write_stay: in which
 * they may be open for writing. requester: a process whose own opens do not conflict, 0 = none.
 * Returns 0; -EBUSY, with nothing changed, if an open conflicts or there are more writers than the new policy
 * allows; -ESTALE for an unknown node.
 */
int handle_set_policy(struct state *state, uint64_t node, uint32_t policy, unsigned int stay,
		      unsigned int write_stay, int32_t requester);

/* Whether a handle is open for writing. */
static inline bool handle_writes(const struct handle_slot *slot)
{
	return slot->kind == HANDLE_FILE && (slot->open_flags & O_ACCMODE) != O_RDONLY;
}

/* in open_flags: for execve(2); the kernel's __FMODE_EXEC, which open(2) cannot set */
#define HANDLE_OPEN_EXECUTES 0x20

/* Whether a handle is for execve(2); it lasts as long as the program runs. */
static inline bool handle_executes(const struct handle_slot *slot)
{
	return slot->kind == HANDLE_FILE && slot->open_flags & HANDLE_OPEN_EXECUTES;
}

/* The number of such handles of a node. */
uint32_t handle_executors(struct state *state, uint64_t node);

/*
 * The number of handles of a node, and of those that may write; how many of the latter were closed so far,
 * modulo 2^32.
 */
uint32_t handle_count(struct state *state, uint64_t node, uint32_t *writers);
uint32_t handle_closes(struct state *state, uint64_t node);

/*
 * Redirects the descriptors of a node's handles to the file of `fd`, keeping their numbers. Returns 0; the
 * negative errno of dup3(2), with some redirected; it can be repeated.
 */
int handle_replace_fds(struct state *state, uint64_t node, int fd);

void handle_backing_closed(struct state *state, int backing_id);

/*
 * Finds the handle opened by request `unique` in a worker that died. Returns its number, or 0. Linear in the
 * number of handles: for replayed requests only.
 */
uint64_t handle_find_by_request(struct state *state, uint64_t unique);

#endif
