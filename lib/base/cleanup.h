/* SPDX-License-Identifier: MIT */
/*
 * Scope-based cleanup: a variable declared with one of these attributes releases its resource at the end of
 * its scope.
 *
 * take_fd() and take_ptr() disarm such a variable and return its value, so that ownership moves in one
 * expression.
 * Holds no state; thread-safe.
 */
#ifndef SEGFS_BASE_CLEANUP_H
#define SEGFS_BASE_CLEANUP_H

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static inline void cleanup_close(int *fd)
{
	if (*fd >= 0) {
		int saved = errno;

		close(*fd);
		errno = saved;
	}
}

static inline void cleanup_free(void *pointer)
{
	free(*(void **)pointer);
}

static inline void cleanup_fclose(FILE **file)
{
	if (*file)
		fclose(*file);
}

static inline void cleanup_closedir(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

/* closes a descriptor >= 0; preserves errno */
#define _cleanup_close_ __attribute__((cleanup(cleanup_close)))
/* frees a pointer from malloc; NULL is fine */
#define _cleanup_free_     __attribute__((cleanup(cleanup_free)))
#define _cleanup_fclose_   __attribute__((cleanup(cleanup_fclose)))
#define _cleanup_closedir_ __attribute__((cleanup(cleanup_closedir)))

/* Returns the descriptor in *fd and leaves -1 there. */
static inline int take_fd(int *fd)
{
	int taken = *fd;

	*fd = -1;
	return taken;
}

/* Evaluates to the pointer in `pointer` and leaves NULL there. */
#define take_ptr(pointer)                                                                                    \
	__extension__({                                                                                      \
		__typeof__(pointer) taken_ = (pointer);                                                      \
		(pointer) = NULL;                                                                            \
		taken_;                                                                                      \
	})

#endif
