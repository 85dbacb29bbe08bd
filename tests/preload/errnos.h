/* SPDX-License-Identifier: MIT */
/* What errnos.so makes of errno; see errnos.c. */
#ifndef SEGFS_TESTS_ERRNOS_H
#define SEGFS_TESTS_ERRNOS_H

#include <errno.h>

#define ERRNOS_CHANGED    EDOM      /* no system call fails with it */
#define ERRNOS_UNREADABLE (1 << 20) /* the offset at which pread(2) fails with EIO */

#endif
