/* SPDX-License-Identifier: MIT */
/*
 * Kinds of system calls: a kind is a name and a call site in the program. For operations that repeat the same
 * calls for each process of the machine, or each name in a list, where stopping at every call would take too
 * long.
 */
#ifndef SEGFS_TESTS_CALLKINDS_H
#define SEGFS_TESTS_CALLKINDS_H

#include "tests/mount/harness.h"

struct __ptrace_syscall_info;

/* Set of known kinds, in memory shared with a follower. */
struct call_kinds;

struct call_kinds *call_kinds_new(void); /* empty */
void call_kinds_free(struct call_kinds *kinds);

/* Address range of the program's text in a process. */
struct call_text {
	uintptr_t start;
	uintptr_t end;
};

struct call_text call_text_of(pid_t process);

/*
 * For a follower: whether the system call whose entry or exit a thread has stopped at is of an unknown kind,
 * which it adds to the known ones.
 */
bool call_is_of_new_kind(struct call_kinds *kinds, const struct call_text *text, pid_t thread,
			 const struct __ptrace_syscall_info *info);

#endif
