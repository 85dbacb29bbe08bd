/* SPDX-License-Identifier: MIT */
/*
 * Which processes keep a file system that is not mounted any more: they have something of it open or mapped, are in it, or have it in a
 * mount namespace of their own.
 */
#ifndef SEGFS_SETUP_HOLDERS_H
#define SEGFS_SETUP_HOLDERS_H

#include <stddef.h>
#include <sys/types.h>

#define HOLDERS_MAX 8 /* processes that are named */

/*
 * Writes "PID (command), PID (command), ..." of those that can be seen, in at most `size` bytes with the final 0; "" where there are none.
 * device: st_dev of the file system. Takes two seconds at most: a process in execve(2) may keep its answers back for ever.
 */
void holders_describe(dev_t device, char *text, size_t size);

#endif
