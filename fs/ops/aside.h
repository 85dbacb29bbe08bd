/* SPDX-License-Identifier: MIT */
/*
 * Requests that look into other processes. What is read in /proc of a process that is in execve(2) comes only when that is over, and
 * that may wait until we answer the FLUSH of a file that it closes. So there are always threads that do not look: of more such
 * requests than may be carried out at one time, the others wait in a queue.
 *
 * For the threads of the loop.
 */
#ifndef SEGFS_OPS_ASIDE_H
#define SEGFS_OPS_ASIDE_H

#include <stddef.h>

#define ASIDE_MAX 8 /* carried out at one time: half of the threads that there may be */

/* A request in the queue. */
struct aside {
	struct aside *next;
	size_t length;            /* bytes of the message */
	_Alignas(8) char message[];
};

/*
 * Begins a request, or puts a copy of it into the queue. Returns 1: the caller carries it out, and then calls aside_next() until there
 * is none; 0: another thread will; -ENOMEM.
 */
int aside_begin(const void *message, size_t length);

/* Ends one. Returns the next one, which the caller carries out and frees, or NULL. */
struct aside *aside_next(void);

#endif
