/* SPDX-License-Identifier: MIT */
/*
 * Processes and users of tests, and the physical pages behind a process's views.
 */
#ifndef SEGFS_TESTS_PROCESS_H
#define SEGFS_TESTS_PROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define TEST_UID 12345 /* an ordinary user of no groups; need not exist */
#define TEST_GID 12345

/* Whether `pid` is a child of `parent`: nothing else is ever sent a signal. */
bool is_child_of(pid_t pid, pid_t parent);

/*
 * Runs `function` in a child process as another user, without further groups and capabilities.
 * Returns what it returns: 0, a small number, or -errno. A child that dies is -ECHILD.
 */
int as_user(uid_t uid, gid_t gid, int (*function)(void *context), void *context);

/* Runs a program and waits. Returns its exit status, 128 + N where signal N ended it, -errno where it did not start. */
int run_program(const char *const argv[]);

/* Frame number of the page at `address`, which has to be touched; 0 where this kernel or user does not tell. */
uint64_t physical_page(const void *address);

#endif
