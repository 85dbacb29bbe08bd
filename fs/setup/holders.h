/* SPDX-License-Identifier: MIT */
/*
 * Finds the processes that keep an unmounted file system alive: they have files of it open or mapped, have it
 * as working or root directory, or have it mounted in their own mount namespace.
 */
#ifndef SEGFS_SETUP_HOLDERS_H
#define SEGFS_SETUP_HOLDERS_H

#include <stddef.h>
#include <sys/types.h>

#define HOLDERS_MAX 8 /* processes named */

/*
 * Formats the visible holders as "PID (command), PID (command), ..." in at most `size` bytes including the
 * final 0; "" if there are none. device: st_dev of the file system. Takes at most two seconds: /proc may
 * block for a process in execve(2).
 */
void holders_describe(dev_t device, char *text, size_t size);

#endif
