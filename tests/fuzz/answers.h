/* SPDX-License-Identifier: MIT */
/*
 * For fuzz_request: what the kernel's side expects. Each request that wants an answer gets exactly one, of a form that the kernel
 * takes; a request may wait for a lock meanwhile. What is not so ends the process.
 */
#ifndef SEGFS_TESTS_FUZZ_ANSWERS_H
#define SEGFS_TESTS_FUZZ_ANSWERS_H

#include "fs/fuse/wire.h"

/* Ends the process unless `ok`, and says what is wrong. */
#define check(ok, ...) ((ok) ? (void)0 : answers_fail(__VA_ARGS__))
_Noreturn void answers_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Called before it does so, if set. */
extern void (*answers_before_the_end)(void);

/* Makes the descriptor that stands for /dev/fuse. */
int answers_open(void);

/* Forgets what was sent. */
void answers_begin(void);

/* Notes a request that is about to be carried out: `length` bytes, with a header. */
void answers_await(const struct wire_in_header *request, size_t length);

/* Looks at all that was written since the last time. may_wait: how many of those that were sent may have no answer yet. */
void answers_look(size_t may_wait);

#endif
