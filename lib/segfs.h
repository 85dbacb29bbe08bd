/* SPDX-License-Identifier: MIT */
/*
 * libsegfs: named segments of shared memory, as files of segfs or of any other file system.
 *
 *   struct segfs_creation frames = {0};
 *   struct segfs_segment *segment;
 *   struct segfs_view *view;
 *
 *   frames.size = 4096;
 *   frames.mode = 0600;
 *   frames.flags = SEGFS_OPEN_EXISTING;
 *   if (segfs_create("frames", &frames, &segment) >= 0 &&
 *       segfs_map(segment, 0, 0, SEGFS_MAP_WRITE, NULL, &view) == 0)
 *           strcpy(segfs_view_data(view), "text");
 *
 * Results. Functions that return int or ssize_t return 0 or more on success, and a negative errno otherwise.
 * Then they have changed nothing, neither their arguments nor files. Besides the errors that each function
 * lists, those of the system calls that it makes can occur. segfs_explain() makes a sentence of an error.
 *
 * Names. A name that begins with '/' is a path. Any other is relative to a mount of segfs: the one that the
 * environment variable SEGFS_MOUNT names, else the only one that root or the caller has mounted. SEGFS_MOUNT
 * may name any other directory, on a tmpfs or on disk; what segfs alone offers fails there with EOPNOTSUPP,
 * as each function says. A set-user-ID program ignores it. All functions that take a name return for it
 *   EINVAL        it is empty, or relative with a component ".."
 *   ENAMETOOLONG  it has more than 4095 bytes with the path of the mount, or a component more than 255
 *   ENODEV        it is relative, and no segfs is mounted
 *   ENOTUNIQ      it is relative, and more than one segfs is mounted: set SEGFS_MOUNT
 *   ENOENT, EACCES, ENOTDIR, ELOOP, EROFS: see path_resolution(7)
 *
 * Threads. Any functions may run at a time, also on the same object, except segfs_close(), segfs_unmap() and
 * segfs_remap(), which must be alone with theirs. Nothing is kept in global variables, except that a thread
 * remembers who it is.
 *
 * fork(2). A child has the segments and views of its parent, and releases them separately. execve(2) closes
 * the descriptors.
 *
 * Death. A process that dies leaves nothing but the segments that it has created, each complete. Two
 * exceptions: where there is no O_TMPFILE, a hidden file .segfs-* of one that it was creating; in sysv/,
 * where segments appear at once, one of a size of 0 or without its attributes.
 *
 * Restart. Nothing of this is noticed when segfs is upgraded, or its worker dies. If its supervisor dies,
 * views and synchronization objects that are open go on; other calls fail with ENOTCONN, and what the next
 * mount shows has to be opened again.
 */
#ifndef SEGFS_H
#define SEGFS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

struct timespec; /* which <time.h> hides from programs of strict C99 without POSIX */

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define SEGFS_API __attribute__((visibility("default")))
#else
#define SEGFS_API
#endif

/* --- errors --- */

/*
 * Makes a sentence of an error, for a message to the user. For ENOTUNIQ it lists the mounts; for EPROTOTYPE
 * it says what has that name, if the caller may see it. name: to which the error belongs, or NULL. error: the
 * negative errno. text: receives at most `size` bytes, the final 0 included. Returns text.
 */
SEGFS_API char *segfs_explain(const char *name, int error, char *text, size_t size);

/* --- segments --- */

struct segfs_segment;

/* An attribute of a segment, a policy: name without "user.segfs.", and value. See segfs(7), POLICIES. */
struct segfs_attribute {
	const char *name;  /* "lifetime" */
	const char *value; /* "last-close" */
};

/* How to create a segment. All members that are not needed are 0. */
struct segfs_creation {
	uint64_t size;                            /* bytes */
	uint32_t mode;                            /* permission bits, whatever the umask; up to 07777 */
	uint32_t flags;                           /* SEGFS_OPEN_EXISTING or 0 */
	const struct segfs_attribute *attributes; /* n_attributes of them; EOPNOTSUPP outside of segfs */
	uint32_t n_attributes;
	uint32_t reserved[5]; /* 0 */
};

/* For segfs_creation.flags: a segment that exists is opened, and keeps its size, mode and attributes. */
#define SEGFS_OPEN_EXISTING 1u

/* For segfs_open() */
#define SEGFS_WRITE         1u /* for reading and writing; otherwise for reading */
#define SEGFS_SIZE_EXACT    2u /* only if the size is `size` */
#define SEGFS_SIZE_AT_LEAST 4u /* only if the size is `size` or more */

/*
 * Creates a segment, filled with zeroes, and opens it for reading and writing. Its name appears when size,
 * mode and attributes are set; only in sysv/, where segments have no other names, it appears first. If
 * several processes create it at a time, one does.
 * segment: receives it; released by segfs_close().
 * Returns 0: created; 1: it exists, and was opened for reading and writing (SEGFS_OPEN_EXISTING). Errors:
 *   EEXIST         it exists (without SEGFS_OPEN_EXISTING), or is a symbolic link that leads nowhere
 *   EINVAL         unknown mode or flags; reserved is not 0; not a value of an attribute
 *   EISDIR, ENXIO  what exists is a directory, or no regular file (SEGFS_OPEN_EXISTING)
 *   EACCES         the directory may not be written, or what exists may not be opened
 *   EFBIG          the size is more than a file can have: 2^63 or more
 *   ENOSPC         no room for the file or, with commit=yes, for its bytes
 *   EOPNOTSUPP     attributes outside of segfs; lock=mandatory on a mount without -o mand
 *   EPERM          an attribute is a fact, which cannot be set
 *   EAGAIN         others create and remove the name all the time (SEGFS_OPEN_EXISTING)
 *   EMFILE, ENFILE, ENOMEM
 */
SEGFS_API int segfs_create(const char *name, const struct segfs_creation *creation,
			   struct segfs_segment **segment);

/*
 * Opens a segment.
 * flags: SEGFS_*; size: in bytes, for SEGFS_SIZE_EXACT and SEGFS_SIZE_AT_LEAST. segment: receives it;
 * released by segfs_close().
 * Returns 0. Errors:
 *   ERANGE         the size is another, or less
 *   EBUSY          as many have opened it for writing as its attribute `writers` allows
 *   EISDIR, ENXIO  it is a directory, or no regular file
 *   EINVAL         unknown flags, or both conditions on the size
 *   EMFILE, ENFILE, ENOMEM
 */
SEGFS_API int segfs_open(const char *name, unsigned int flags, uint64_t size, struct segfs_segment **segment);

/* Releases a segment; views of it stay. NULL is fine. */
SEGFS_API void segfs_close(struct segfs_segment *segment);

/*
 * Its file descriptor, for fcntl(2) locks, sendmsg(2) and the like. It belongs to the segment: do not close
 * it.
 */
SEGFS_API int segfs_fd(const struct segfs_segment *segment);

/* Gets its present size in bytes. Returns 0, or an error of fstat(2). */
SEGFS_API int segfs_size(const struct segfs_segment *segment, uint64_t *size);

/*
 * Sets its size. What is added is zero. Views stay as they are, see segfs_remap(); an access to pages of a
 * view beyond the new end raises SIGBUS, in any process. The attribute size-policy=fixed prevents that, and
 * commit=yes the SIGBUS of a page for which no memory is left.
 * Returns 0. Errors:
 *   EBADF   the segment was opened for reading
 *   EFBIG   the size is more than a file can have
 *   ENOSPC  no room for it (commit=yes)
 *   EPERM   size-policy=fixed
 */
SEGFS_API int segfs_resize(struct segfs_segment *segment, uint64_t size);

/*
 * Gets an attribute: a policy or a fact of segfs(7), without "user.segfs.".
 * value: receives at most `size` bytes with a final 0. Returns the length of the value without the 0. Errors:
 *   ENODATA     there is no such attribute
 *   ERANGE      the value is longer
 *   EINVAL      it cannot be the name of an attribute
 *   EOPNOTSUPP  outside of segfs
 */
SEGFS_API ssize_t segfs_get(const struct segfs_segment *segment, const char *attribute, char *value,
			    size_t size);

/*
 * Sets an attribute. Returns 0. Errors:
 *   EINVAL      not a value of this attribute, or not the name of one
 *   EPERM       it is a fact, or the caller is neither the owner nor root
 *   EBUSY       it is not possible while others have the segment open, see segfs(7)
 *   EOPNOTSUPP  outside of segfs; lock=mandatory on a mount without -o mand
 */
SEGFS_API int segfs_set(struct segfs_segment *segment, const char *attribute, const char *value);

/*
 * Removes the name of a segment. Those who have it open or mapped keep it, and the name can be given to
 * another one. Returns 0. Errors: those of names; EISDIR for a directory; those of unlink(2).
 */
SEGFS_API int segfs_remove(const char *name);

/* --- lists --- */

/* What a name is: a segment, a directory, or a synchronization object, see below. */
enum segfs_kind {
	SEGFS_SEGMENT = 1,
	SEGFS_DIRECTORY = 2,
	SEGFS_SEMAPHORE = 3,       /* a count; a wait takes one of it */
	SEGFS_EVENT = 4,           /* set until it is reset; all waits end while it is set */
	SEGFS_AUTO_EVENT = 5,      /* set until a wait ends, which resets it */
	SEGFS_DOORBELL = 6,        /* counts how often it was rung; a wait ends with the next ring */
	SEGFS_MUTEX = 7,           /* held by one thread */
	SEGFS_RECURSIVE_MUTEX = 8, /* which its thread can lock several times */
	SEGFS_RWLOCK = 9,          /* held by readers, or by one writer */
	SEGFS_CONDITION = 10,      /* waits that release a mutex end when it is notified */
	SEGFS_BARRIER = 11,        /* waits end when so many threads have arrived */
};

/* A name in a directory. Only valid during the call that gets it. */
struct segfs_entry {
	const char *name;     /* without the directory */
	enum segfs_kind kind; /* outside of segfs, SEGFS_SEGMENT for objects that may not be read */
	uint32_t mode;        /* permission bits */
	uid_t uid;
	gid_t gid;
	uint64_t size;    /* bytes */
	int64_t attached; /* how many processes use it; -1 = unknown, or not on segfs */
};

/*
 * Calls `visit` for each segment and directory of a directory, in no particular order. Other files, ".", ".."
 * and names that begin with '.' are left out, and what vanishes meanwhile may be.
 * directory: a name, or "" for the mount itself. visit: returns 0 to continue; any other value ends the list.
 * Returns the last value of `visit`, or 0. Errors: those of names; ENOTDIR; those of opendir(3); ENOMEM.
 */
SEGFS_API int segfs_list(const char *directory, int (*visit)(const struct segfs_entry *entry, void *context),
			 void *context);

/* --- views --- */

struct segfs_view;

/* For segfs_map(); views can always be read. */
#define SEGFS_MAP_WRITE    1u  /* stores change the segment, which must be open for writing */
#define SEGFS_MAP_COPY     2u  /* stores change a copy that only this process sees */
#define SEGFS_MAP_EXECUTE  4u  /* code in it can be executed */
#define SEGFS_MAP_HUGE     8u  /* advice to use huge pages */
#define SEGFS_MAP_POPULATE 16u /* all pages are made present, so that no access waits */
#define SEGFS_MAP_LOCK     32u /* all pages are locked in memory, within RLIMIT_MEMLOCK */

/*
 * Maps a part of a segment. The view outlives the segment object, the name, and segfs itself.
 * offset: first byte; the page that contains it is mapped, and segfs_view_data() is the address of the byte.
 * length: in bytes; 0 = up to the present end of the segment. Bytes beyond its end may be mapped, but an
 * access to pages beyond it raises SIGBUS until the segment has grown. flags: SEGFS_MAP_*. address: where the
 * view is wanted, or NULL; only a hint. view: receives it; released by segfs_unmap().
 * Returns 0. Errors:
 *   EINVAL     unknown flags; WRITE and COPY together; length is 0 and there is no byte at offset
 *   EACCES     the segment is not open for writing (SEGFS_MAP_WRITE)
 *   EPERM      the file system is mounted noexec (SEGFS_MAP_EXECUTE)
 *   EAGAIN     more memory would be locked than RLIMIT_MEMLOCK allows (SEGFS_MAP_LOCK)
 *   EOVERFLOW  offset and length are more than an address or a file can have
 *   ENOMEM, ENODEV: see mmap(2)
 */
SEGFS_API int segfs_map(const struct segfs_segment *segment, uint64_t offset, size_t length,
			unsigned int flags, void *address, struct segfs_view **view);

/* The address of the first byte, and the number of bytes. */
SEGFS_API void *segfs_view_data(const struct segfs_view *view);
SEGFS_API size_t segfs_view_length(const struct segfs_view *view);

/*
 * Changes the length of a view, to follow a segment that has grown or shrunk. The address may change: no
 * thread may use the old one. In a store of segfs the attribute "generation" tells whether there is anything
 * to follow: its value is another one whenever the size has changed, even if it is what it was before.
 * segment: the one of which it is a view. length: see segfs_map().
 * Returns 0. Errors: EINVAL, EOVERFLOW, see segfs_map(); EAGAIN, more memory would be locked; ENOMEM. After
 * an error the view is as before.
 */
SEGFS_API int segfs_remap(struct segfs_view *view, const struct segfs_segment *segment, size_t length);

/*
 * Writes bytes of a view to the medium, and waits for that. Of use for segments on disk, and in relayed mode
 * (segfs(7)) for those who use the backing file.
 * offset, length: in the view, in bytes; length 0 = up to its end. Returns 0. Errors:
 *   EINVAL       not a part of the view
 *   EIO, ENOSPC  the bytes could not be written
 */
SEGFS_API int segfs_flush(const struct segfs_view *view, size_t offset, size_t length);

/* Unmaps a view. NULL is fine. */
SEGFS_API void segfs_unmap(struct segfs_view *view);

/* --- synchronization objects --- */

/*
 * Files of one page, with names, owners, modes and lifetimes like segments, shared by all who may write them.
 * (That of a reader-writer lock has 65 pages, which take memory when they are used.) Operations that find
 * nobody waiting, and waits for what is there, make no system call. A process may die at any instruction of
 * an operation: then it is done or not, and those who wait go on, at worst a second later.
 *
 * Peers that may write an object can spoil its meaning, but not the memory of others, as long as they cannot
 * truncate it: on segfs its size is fixed. Elsewhere give modes to those who are trusted: the next access to
 * an object that has been truncated raises SIGBUS, as in any view, unless the kernel finds that first
 * (EFAULT). What a peer has spoilt makes an operation fail with EBADMSG, if it is noticed.
 */
struct segfs_object;

#define SEGFS_OBJECTS_MAX 128   /* that can be waited for at a time */
#define SEGFS_READERS_MAX 64    /* threads that can hold a reader-writer lock for reading at a time */
#define SEGFS_BARRIER_MAX 65535 /* threads of a barrier */

/* How to create an object. All members that are not needed are 0. */
struct segfs_object_creation {
	uint32_t mode;    /* permission bits, whatever the umask; whoever uses it needs to read and write */
	uint32_t flags;   /* SEGFS_OPEN_EXISTING or 0 */
	uint32_t initial; /* of a semaphore: its count; of an event: 1 = set; of others: 0 */
	uint32_t maximum; /* of a semaphore's count, up to 2^31-1, 0 = that; of a barrier: its threads, 1 to
			     SEGFS_BARRIER_MAX; of others: 0 */
	uint32_t reserved[4]; /* 0 */
};

/*
 * Creates an object, and opens it. Its name appears when it is complete.
 * kind: SEGFS_SEMAPHORE to SEGFS_BARRIER. object: receives it; released by segfs_object_close().
 * Returns 0: created; 1: one of this kind exists, and was opened (SEGFS_OPEN_EXISTING). Errors: those of
 * segfs_create() and segfs_object_open();
 *   EINVAL      not a kind of object; initial is more than maximum, or not a state; no or too many threads of
 *               a barrier; reserved is not 0
 *   EOPNOTSUPP  in posix/ and sysv/, where no size can be fixed; an object that was created in /dev/shm can
 *               be opened in posix/
 */
SEGFS_API int segfs_object_create(const char *name, enum segfs_kind kind,
				  const struct segfs_object_creation *creation, struct segfs_object **object);

/*
 * Opens an object. In relayed mode (segfs(7)) it is shared by the users of the mount, but not with those who
 * open its file in /dev/shm or on another medium.
 * kind: SEGFS_SEMAPHORE to SEGFS_BARRIER; 0 = any. object: receives it; released by segfs_object_close().
 * Returns 0. Errors: those of segfs_open();
 *   EBADMSG          the file is no object, or one of a machine with pages of another size
 *   EPROTONOSUPPORT  it is one of another version of the library
 *   EPROTOTYPE       it is an object of another kind
 *   EINVAL           not a kind of object
 */
SEGFS_API int segfs_object_open(const char *name, enum segfs_kind kind, struct segfs_object **object);

/*
 * Releases an object, for which no thread waits. A mutex or reader-writer lock that the calling thread holds
 * is abandoned, as if it had died; one that another thread of the process holds stays mapped, and held until
 * that thread ends. NULL is fine.
 */
SEGFS_API void segfs_object_close(struct segfs_object *object);

SEGFS_API enum segfs_kind segfs_object_kind(const struct segfs_object *object);

/*
 * Its present state, which others may have changed since: a semaphore's count; 1 or 0 for an event that is
 * set or not, and for a mutex that is held or not; the number of rings of a doorbell and of notifications of
 * a condition, modulo 2^31; how many have arrived at a barrier; how many read under a reader-writer lock, or
 * UINT32_MAX while one writes.
 */
SEGFS_API uint32_t segfs_object_value(struct segfs_object *object);

/*
 * Adds n to the count of a semaphore. Returns 0. Errors:
 *   EOVERFLOW   the count would be more than the maximum; nothing is added
 *   EAGAIN      others change it without end
 *   EPROTOTYPE  it is no semaphore
 */
SEGFS_API int segfs_post(struct segfs_object *object, uint32_t n);

/* Set and reset an event. Return 0. Error: EPROTOTYPE, it is no event. */
SEGFS_API int segfs_set_event(struct segfs_object *object);
SEGFS_API int segfs_reset_event(struct segfs_object *object);

/* Rings a doorbell. Returns 0. Error: EPROTOTYPE, it is no doorbell. */
SEGFS_API int segfs_ring(struct segfs_object *object);

#define SEGFS_TRY           1u /* does not wait */
#define SEGFS_INTERRUPTIBLE 2u /* a signal handler ends the wait, whatever its SA_RESTART */

/*
 * Waits until a semaphore's count is not 0, and takes one of it; until an event is set; until a doorbell was
 * rung since the last such wait through this segfs_object, or since that was opened.
 * deadline: CLOCK_MONOTONIC, see segfs_deadline(); NULL = none. flags: SEGFS_TRY and SEGFS_INTERRUPTIBLE.
 * Returns 0. Errors:
 *   EAGAIN      not there (SEGFS_TRY)
 *   ETIMEDOUT   the deadline has passed, and it was not there
 *   EINTR       a signal handler ran (SEGFS_INTERRUPTIBLE)
 *   EPROTOTYPE  it is an object of another kind
 *   EINVAL      unknown flags; no time
 *   EFAULT      the file was truncated; mostly that raises SIGBUS, see above
 */
SEGFS_API int segfs_wait(struct segfs_object *object, const struct timespec *deadline, unsigned int flags);

/*
 * Waits for one of n semaphores, events and doorbells, 1 to SEGFS_OBJECTS_MAX; looks at them in their order.
 * On Linux before 5.16 it looks once a millisecond.
 * Returns the index of the one for which the wait ended, by which alone something was taken. Errors: those of
 * segfs_wait(); EINVAL, too few or too many.
 */
SEGFS_API int segfs_wait_any(struct segfs_object *const *objects, size_t n, const struct timespec *deadline,
			     unsigned int flags);

/*
 * Waits for all of n semaphores, events and doorbells, 1 to SEGFS_OBJECTS_MAX. Nothing is taken of any as
 * long as one is missing. All are taken one after the other: if one has gone meanwhile, the others are given
 * back, so that other processes may see them gone for a moment; a process that dies just then has taken some.
 * Returns 0. Errors: those of segfs_wait_any().
 */
SEGFS_API int segfs_wait_all(struct segfs_object *const *objects, size_t n, const struct timespec *deadline,
			     unsigned int flags);

/* Sets a deadline so many nanoseconds from now. Returns it. */
SEGFS_API struct timespec *segfs_deadline(struct timespec *deadline, uint64_t nanoseconds);

/* --- mutexes and reader-writer locks --- */

/*
 * They are held by threads. One that is held by a thread that dies, by its end, that of its process, or
 * execve(2), is released by the kernel; not by execve(2) of a thread that is not the first of its process, to
 * which the kernel gives another id before it looks. Then all who lock it are told, until one clears that:
 * what it protects may be half changed. In a child of fork(2) nothing is held. If a thread is killed within
 * the few instructions in which it tries to lock, and one of another PID namespace with the same id locks
 * just then, that one loses the lock: its segfs_unlock() returns EBADMSG. They are of the same kind as robust
 * mutexes of pthread_mutexattr_setrobust(3), with which they can be mixed, and like them not for signal
 * handlers.
 */
#define SEGFS_ABANDONED   1 /* a thread died while it held the mutex, or wrote */
#define SEGFS_READER_DIED 2 /* a thread died while it read; a writer or another reader has noticed it */

/*
 * Locks a mutex, or a reader-writer lock for writing: waits until nobody holds it. A writer that waits keeps
 * new readers waiting. A recursive mutex is locked as often as it has to be unlocked.
 * deadline, flags: see segfs_wait().
 * Returns 0, or SEGFS_ABANDONED, SEGFS_READER_DIED or both: also then it is locked. Errors:
 *   EAGAIN      somebody holds it (SEGFS_TRY)
 *   ETIMEDOUT, EINTR, EINVAL, EFAULT: see segfs_wait()
 *   EDEADLK     the calling thread holds it through this segfs_object
 *   EOVERFLOW   it has been locked 2^32-1 times
 *   EPROTOTYPE  it is an object of another kind
 *   EOPNOTSUPP  the C library is not the GNU one for machines of 64 bits
 *   EBADMSG     a peer has spoilt it: another thread of this process holds it
 *   ENOMEM      a reader's page could not be mapped
 */
SEGFS_API int segfs_lock(struct segfs_object *object, const struct timespec *deadline, unsigned int flags);

/*
 * Locks a reader-writer lock for reading: waits until nobody writes or waits for that, except that a thread
 * which reads already may do so once more. If SEGFS_READERS_MAX threads read, it waits for one of them; one
 * less in a PID namespace other than that of the first reader, and without /proc.
 * A thread keeps pages of locks that it reads mapped, 8 of them at most, until it ends or closes the object.
 * After a close by another thread, they keep their mount busy until then.
 * Returns and errors: as segfs_lock(); EDEADLK, the calling thread writes.
 */
SEGFS_API int segfs_lock_shared(struct segfs_object *object, const struct timespec *deadline,
				unsigned int flags);

/*
 * Unlocks what the calling thread has locked through this segfs_object. Returns 0. Errors:
 *   EPERM       it has not
 *   EPROTOTYPE  it is an object of another kind
 *   EBADMSG     a peer has spoilt it, so that others may have held it as well; it is no longer held
 */
SEGFS_API int segfs_unlock(struct segfs_object *object);

/*
 * What segfs_lock() would tell now: 0, SEGFS_ABANDONED, SEGFS_READER_DIED or both. Of use after a wait for a
 * condition that has failed. Error: EPROTOTYPE.
 */
SEGFS_API int segfs_abandoned(struct segfs_object *object);

/*
 * Says that what was abandoned is in order again. The caller holds the mutex, or the reader-writer lock for
 * writing. Returns 0. Errors: EPERM, it does not; EPROTOTYPE.
 */
SEGFS_API int segfs_clear_abandoned(struct segfs_object *object);

/* --- conditions and barriers --- */

/*
 * Unlocks a mutex, waits until the condition is notified, and locks the mutex. The wait may end without: look
 * again at what is waited for. A recursive mutex is unlocked entirely, and then locked as often as before.
 * mutex: held by the calling thread. deadline, flags: see segfs_wait(), without SEGFS_TRY; the mutex is
 * waited for as long as it takes.
 * Returns 0, or SEGFS_ABANDONED. Errors:
 *   ETIMEDOUT, EINTR  the mutex is locked; see segfs_abandoned()
 *   EINVAL            see segfs_wait()
 *   EPERM             the calling thread does not hold the mutex
 *   EPROTOTYPE        they are not a condition and a mutex
 *   EBADMSG, EFAULT   see segfs_lock(); the mutex is not locked
 */
SEGFS_API int segfs_condition_wait(struct segfs_object *condition, struct segfs_object *mutex,
				   const struct timespec *deadline, unsigned int flags);

/*
 * Ends n waits for a condition; UINT32_MAX = all. Others may end as well, a second later. To be sure that
 * those who wait see what was changed, change it under their mutex. Returns 0. Error: EPROTOTYPE, it is no
 * condition.
 */
SEGFS_API int segfs_notify(struct segfs_object *object, uint32_t n);

/*
 * Waits until as many threads have arrived at a barrier as it was created for. A thread whose wait fails has
 * not arrived; one that dies while it waits has.
 * deadline, flags: see segfs_wait().
 * Returns 1 in the thread that was the last, and 0 in the others. Errors:
 *   EAGAIN      the others have not arrived (SEGFS_TRY); they change it without end
 *   ETIMEDOUT, EINTR, EINVAL, EFAULT: see segfs_wait()
 *   EPROTOTYPE  it is no barrier
 *   EBADMSG     a peer has spoilt it
 */
SEGFS_API int segfs_barrier_wait(struct segfs_object *object, const struct timespec *deadline,
				 unsigned int flags);

#ifdef __cplusplus
}
#endif

#endif
