/* SPDX-License-Identifier: MIT */
/* Processes and users of tests, and physical pages of views. */
#ifndef SEGFS_TESTS_PROCESS_H
#define SEGFS_TESTS_PROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define TEST_UID 12345 /* an ordinary user of no groups; need not exist */
#define TEST_GID 12345

/* The parent of a process, 0 where there is no such process. */
pid_t parent_of(pid_t pid);

/* Whether `pid` is a child of `parent`: signals are sent to children only. */
bool is_child_of(pid_t pid, pid_t parent);

/*
 * Runs `function` in a child process as another user, without supplementary groups and capabilities.
 * Returns its result: 0, a small number, or -errno. -ECHILD if the child dies.
 */
int as_user(uid_t uid, gid_t gid, int (*function)(void *context), void *context);

/*
 * Runs a program and waits. Returns its exit status, 128 + N if signal N killed it, -errno if it could not be
 * started.
 */
int run_program(const char *const argv[]);

/* The frame number of a resident page; 0 if this kernel or user cannot tell. */
uint64_t physical_page(const void *address);

#endif
