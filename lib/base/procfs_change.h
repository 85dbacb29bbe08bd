/* SPDX-License-Identifier: MIT */
/* Who is about to change a file. May be called by several threads at once. */
#ifndef SEGFS_BASE_PROCFS_CHANGE_H
#define SEGFS_BASE_PROCFS_CHANGE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * Whether a thread of a process waits, without being interruptible, in a system call that changes the file with this inode number
 * through a descriptor. False where that can't be seen within PROCFS_PATIENCE.
 */
bool procfs_waits_to_change(pid_t process, uint64_t inode);

#endif
