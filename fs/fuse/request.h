/* SPDX-License-Identifier: MIT */
/*
 * A request of the kernel. It lives on the stack of the thread that carries it out, and is passed to every
 * operation.
 */
#ifndef SEGFS_FUSE_REQUEST_H
#define SEGFS_FUSE_REQUEST_H

#include "fs/fuse/fs.h"
#include "fs/fuse/operation.h"
#include "fs/fuse/protocol.h"
#include "fs/state/journal.h"

#include <sys/types.h>
#include <time.h>

#define REQUEST_BUFFER_SIZE (1024u * 1024u) /* bytes: the most that a READ, WRITE or READDIR transfers */

/* State of a thread across requests. */
struct thread {
	struct fs *fs;
	void *message;   /* what it reads into, see fs/state/message.h; NULL = none yet */
	bool may_switch; /* the thread can assume identities other than the daemon's */
	uid_t uid;       /* current file-system identity */
	gid_t gid;
	mode_t umask;
	char *buffer;  /* see request_buffer() */
	timer_t timer; /* signals this thread, see interrupt.h */
	bool has_timer;
};

/* A possible INTERRUPT, see interrupt.h. */
struct interruption {
	struct request *next; /* in the list of interruptible requests */
	void (*call)(void *context);
	void *context;
	bool came;
};

struct request {
	struct fs *fs;
	struct thread *thread;
	const struct operation *operation;
	const struct fuse_in_header *header;
	size_t length;    /* bytes of the message */
	const void *body; /* after the header, checked by request_begin() */
	const char *name; /* first string of the body: a name, or that of an attribute; NULL = none */
	const char *text; /* the second string: a new name, or the target of a link */
	uint64_t unique;  /* id */
	uint64_t node;    /* id of the node */
	uint64_t creator; /* identity of the requesting thread for OPERATION_MAKES_FILE; 0 = unknown */
	bool is_replay;   /* read by an earlier worker, which may have carried it out */
	bool has_reply;   /* the reply was sent, or is sent by somebody else */
	struct journal_entry journal;
	struct interruption interruption;
	struct {
		uint64_t node; /* 0 = none */
		off_t offset;
		off_t length;
	} stale; /* pages of the mount to drop once the reply is sent */
};

/*
 * Begins a request: `message`, of `length` bytes, at least a header. It is not copied. Returns 0 if it has an
 * id, the fixed part of its opcode, and all strings and bytes that follow, names are valid, and file
 * positions are below 2^63. Otherwise the errno of the reply: -EIO; -EINVAL for a position; -ENOSYS for an
 * opcode without an operation; -EPROTO for an INIT of a version whose requests have other layouts; then body
 * and strings are not set.
 */
int request_begin(struct request *request, struct thread *thread, const void *message, size_t length);

/* The requesting thread in the daemon's pid namespace; 0 = not visible there. */
static inline pid_t request_pid(const struct request *request)
{
	return (pid_t)request->header->pid;
}

/* User and group of the requester. */
static inline uid_t request_uid(const struct request *request)
{
	return request->header->uid;
}

static inline gid_t request_gid(const struct request *request)
{
	return request->header->gid;
}

/* The node, or NULL if it is gone. */
static inline struct node_slot *request_node(const struct request *request)
{
	return node_get(&request->fs->state, request->node);
}

/* Bytes of the fixed part of SETXATTR, as negotiated by INIT. */
static inline size_t request_setxattr_size(const struct fs *fs)
{
	return fs->short_setxattr ? FUSE_COMPAT_SETXATTR_IN_SIZE : sizeof(struct fuse_setxattr_in);
}

/*
 * Prepares the calling thread for requests: an fs_struct and securebits of its own.
 * Returns 0, or the negative errno of unshare(2) or prctl(2).
 */
int thread_init(struct thread *thread, struct fs *fs);

/* Frees the thread's resources, before the thread ends. */
void thread_done(struct thread *thread);

/*
 * Makes files that this thread creates belong to the requester, with that umask, from the start. Capabilities
 * stay as they are. Makes system calls only if something differs from the last request. umask: 0 if the
 * request has none. Returns 0; -ENOMEM if the switch fails: then no file must be created.
 */
int request_identity(struct request *request, mode_t umask);

/* The thread's buffer of REQUEST_BUFFER_SIZE bytes, or NULL without memory. */
char *request_buffer(struct request *request);

#endif
