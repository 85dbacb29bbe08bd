/* SPDX-License-Identifier: MIT */
/* Detects system calls that are about to change a file. Thread-safe. */
#ifndef SEGFS_BASE_PROCFS_CHANGE_H
#define SEGFS_BASE_PROCFS_CHANGE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * Whether a thread of a process is in uninterruptible sleep in a system call that changes the file with this
 * inode number through a descriptor. False if that cannot be determined within PROCFS_TIMEOUT.
 */
bool procfs_waits_to_change(pid_t process, uint64_t inode);

#endif
