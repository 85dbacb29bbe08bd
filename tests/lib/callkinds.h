/* SPDX-License-Identifier: MIT */
/*
 * Kinds of system calls: those of one name that are made at one place in the program. For operations that make the same calls again and
 * again, for each process of the machine, or each name in a list: to stop at all of them would take too long.
 */
#ifndef SEGFS_TESTS_CALLKINDS_H
#define SEGFS_TESTS_CALLKINDS_H

#include "tests/mount/harness.h"

struct __ptrace_syscall_info;

/* Kinds that are known; in memory that a follower shares. */
struct call_kinds;

struct call_kinds *call_kinds_new(void); /* none is known */
void call_kinds_free(struct call_kinds *kinds);

/* Addresses of a program's instructions in a process. */
struct call_text {
	uintptr_t start;
	uintptr_t end;
};

struct call_text call_text_of(pid_t process);

/* For a follower: whether the call at whose begin, or end, a thread has stopped is of a kind that is not known, which it is from then on. */
bool call_is_of_new_kind(struct call_kinds *kinds, const struct call_text *text, pid_t thread, const struct __ptrace_syscall_info *info);

#endif
