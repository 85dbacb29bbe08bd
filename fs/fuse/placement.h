/* SPDX-License-Identifier: MIT */
/*
 * Keeps the thread that reads requests on the CPU of the process that makes them.
 *
 * A round trip is two wake-ups, and to wake a thread on an idle CPU may cost several times what the request itself does,
 * above all on a virtual machine (fact K16). The scheduler leaves a thread where it woke up last, be that good or
 * bad; so where one process makes all requests for a while, the reader moves to its CPU, once, and where the scheduler does
 * not leave it there, ever more rarely. No affinity is left behind. On which CPU a process runs is found out by another thread, since
 * the kernel tells it only when that process is not in execve(2).
 */
#ifndef SEGFS_FUSE_PLACEMENT_H
#define SEGFS_FUSE_PLACEMENT_H

#include <sys/types.h>

/*
 * To be called by the reader for each request, before it is carried out. Waits for nobody.
 * requester: thread that waits for it, in the daemon's pid namespace; 0 = nobody, or not visible there.
 */
void placement_follow(pid_t requester);

#endif
