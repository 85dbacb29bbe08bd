/* SPDX-License-Identifier: MIT */
/*
 * For fuzz_request: checks the replies as the kernel would. Each request that wants a reply gets exactly one,
 * well-formed; a request may wait for a lock meanwhile. A violation ends the process.
 */
#ifndef SEGFS_TESTS_FUZZ_REPLIES_H
#define SEGFS_TESTS_FUZZ_REPLIES_H

#include "fs/fuse/protocol.h"

/* Reports a violation and ends the process. */
#define check(ok, ...) ((ok) ? (void)0 : replies_fail(__VA_ARGS__))
_Noreturn void replies_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Called before that, if set. */
extern void (*replies_before_the_end)(void);

/* Opens the descriptor that stands for /dev/fuse. */
int replies_open(void);

/* Forgets all requests sent so far. */
void replies_begin(void);

/* Records a request about to be executed: `length` bytes, with a header. */
void replies_await(const struct fuse_in_header *request, size_t length);

/* Checks everything written since the last call. may_wait: number of requests that may have no reply yet. */
void replies_look(size_t may_wait);

#endif
