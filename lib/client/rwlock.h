/* SPDX-License-Identifier: MIT */
/* Reader-writer locks, for the functions that they and other objects have in common. Thread-safe. */
#ifndef SEGFS_CLIENT_RWLOCK_H
#define SEGFS_CLIENT_RWLOCK_H

#include "lib/client/object.h"

/*
 * What a process knows of the readers.
 * fd: of the file; stays the caller's. Returns it, released by readers_free(), or NULL with errno.
 */
struct readers *readers_new(int fd);

/* Releases it. The readings of the calling thread end as by its death. NULL is fine. */
void readers_free(struct readers *readers);

/* segfs_lock(). self: with a list. The arguments have been checked. */
int rwlock_lock(struct segfs_object *object, const struct thread *self, const struct timespec *deadline,
		unsigned int flags);

/* segfs_unlock(). */
int rwlock_unlock(struct segfs_object *object, const struct thread *self);

/* SEGFS_ABANDONED and SEGFS_READER_DIED, as they are now. */
int rwlock_abandoned(struct segfs_object *object);

/* Removes both. The caller holds it for writing. */
void rwlock_clear(struct segfs_object *object);

/* How many hold it for reading; UINT32_MAX: it is held for writing. */
uint32_t rwlock_value(struct segfs_object *object);

#endif
