/* SPDX-License-Identifier: MIT */
/*
 * Report of cost.so: what the daemon's own code spends on each kind of request. In a file named by
 * REQUEST_COST that the test and the library map.
 *
 * A request is what a thread does between two reads of requests: all that is counted after a read belongs to
 * the request that it returned, what follows the reply included. Counted are calls that take a mutex, a
 * read-write lock or a spin lock, and allocations by malloc(3) and the like. So are calls that close a
 * descriptor or a passthrough id, which may free a file's memory, while the thread holds one of these locks.
 */
#ifndef SEGFS_TESTS_COST_H
#define SEGFS_TESTS_COST_H

#include <stdatomic.h>

#define COST_OPCODES 64

struct request_cost {
	struct cost_of {
		atomic_uint requests;   /* completed */
		atomic_uint most_locks; /* taken by one of them; the test sets it to 0 */
		atomic_uint most_allocations;
		atomic_uint closed_locked; /* by all of them */
	} of[COST_OPCODES];                /* by opcode */
};

#endif
