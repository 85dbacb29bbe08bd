/* SPDX-License-Identifier: MIT */
/*
 * One request of the kernel. It lives on the stack of the thread that carries it out, and every operation
 * gets it.
 */
#ifndef SEGFS_FUSE_REQUEST_H
#define SEGFS_FUSE_REQUEST_H

#include "fs/fuse/fs.h"
#include "fs/fuse/operation.h"
#include "fs/fuse/protocol.h"

#include <sys/types.h>
#include <time.h>

#define REQUEST_BUFFER_SIZE (1024u * 1024u) /* bytes: the largest read(2) or getdents(2) of one reply */

/* What a thread keeps from one request to the next. */
struct thread {
	struct fs *fs;
	bool may_switch; /* it can take identities other than the daemon's */
	uid_t uid;       /* present file-system identity */
	gid_t gid;
	mode_t umask;
	char *buffer;  /* see request_buffer() */
	timer_t timer; /* signals this thread, see interrupt.h */
	bool has_timer;
};

/* An INTERRUPT that may come, see interrupt.h. */
struct interruption {
	struct request *next; /* in the list of all that can be interrupted */
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
	const void *body; /* what follows the header, checked by request_begin() */
	const char *name; /* first string of the body: a name, or that of an attribute; NULL = none */
	const char *text; /* the second string: a new name, or the target of a link */
	uint64_t unique;  /* id, without the resend bit */
	uint64_t node;    /* id of the node that it is about */
	bool is_resent; /* an earlier worker had read it: it may have been carried out in part, or in full */
	bool has_reply; /* it was sent, or somebody else sends it */
	struct interruption interruption;
	struct {
		uint64_t node; /* 0 = nothing */
		off_t offset;
		off_t length;
	} stale; /* pages of the mount to drop once the reply is sent */
};

/*
 * Begins a request: `message`, of `length` bytes, at least those of a header. It is not copied.
 * Returns 0: it has an id and its opcode's fixed part, the strings and bytes that follow are there, names are
 * names, and positions in a file are below 2^63. Else what is to be replied: -EIO; -EINVAL for a position;
 * -ENOSYS for an opcode without an operation; -EPROTO for an INIT of a version so old that its requests have
 * other forms; then there is no body, and no strings.
 */
int request_begin(struct request *request, struct thread *thread, const void *message, size_t length);

/* Thread that made the request, in the daemon's pid namespace; 0 = not visible there. */
static inline pid_t request_pid(const struct request *request)
{
	return (pid_t)request->header->pid;
}

/* User and group on whose behalf it was made. */
static inline uid_t request_uid(const struct request *request)
{
	return request->header->uid;
}

static inline gid_t request_gid(const struct request *request)
{
	return request->header->gid;
}

/* Its node, or NULL where it is gone. */
static inline struct node_slot *request_node(const struct request *request)
{
	return node_get(&request->fs->state, request->node);
}

/* Bytes of the fixed part of a SETXATTR, as INIT has agreed. */
static inline size_t request_setxattr_size(const struct fs *fs)
{
	return fs->short_setxattr ? FUSE_COMPAT_SETXATTR_IN_SIZE : sizeof(struct fuse_setxattr_in);
}

/*
 * Prepares the calling thread for requests: an fs_struct and securebits of its own.
 * Returns 0, or the negative errno of unshare(2) or prctl(2).
 */
int thread_init(struct thread *thread, struct fs *fs);

/* Gives back what the thread holds; it carries out no request after that. */
void thread_done(struct thread *thread);

/*
 * Makes what this thread creates belong to the requester, with that umask, from its first instant.
 * Capabilities stay as they are. Costs system calls only where something differs from the last request.
 * umask: 0 where the request has none. Returns 0; -ENOMEM where the thread keeps another identity: nothing
 * must be made then.
 */
int request_identity(struct request *request, mode_t umask);

/* A buffer of REQUEST_BUFFER_SIZE bytes of the thread's own, or NULL without memory. */
char *request_buffer(struct request *request);

#endif
