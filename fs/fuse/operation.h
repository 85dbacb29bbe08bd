/* SPDX-License-Identifier: MIT */
/*
 * What is known of each opcode of the protocol: one row of a table, which fs/ops fills.
 */
#ifndef SEGFS_FUSE_OPERATION_H
#define SEGFS_FUSE_OPERATION_H

#include "fs/fuse/deferral.h"
#include "fs/source/source.h"

#include <stdbool.h>
#include <stdint.h>

struct fs;
struct request;
struct thread;
struct want;

/*
 * The body of a request: a part of fixed size, strings with a 0 after each, and bytes that the fixed part
 * counts.
 */
struct operation_body {
	uint8_t fixed;    /* bytes, at least */
	uint8_t counted;  /* bytes of each of what is counted; 0 = nothing is */
	uint8_t count_at; /* offset in the fixed part of the count, 32 bits */
	/* offsets in the fixed part of file positions, 64 bits; 0 = none. One above INT64_MAX is refused */
	uint8_t offsets[2];
	const char *strings; /* n: a name; l: a name, "." or ".."; s: text. NULL = none */
};

enum operation_flag {
	OPERATION_ONCE = 1u << 0,      /* not idempotent: its reply is kept until the kernel has it */
	OPERATION_OPENS = 1u << 1,     /* its reply has a handle, which is closed if the kernel refuses it */
	OPERATION_NO_REPLY = 1u << 2,  /* the kernel awaits none */
	OPERATION_NO_ID = 1u << 3,     /* the request has no id */
	OPERATION_ANY_USER = 1u << 4,  /* also for users whom allow_root keeps out */
	OPERATION_IN_MEMORY = 1u << 5, /* touches memory only: the reader carries it out */
	OPERATION_SLOW = 1u << 6,      /* may take long on any file: another thread reads meanwhile */
	OPERATION_ON_HANDLE = 1u << 7, /* needs no more than what is open: waits for no process */
	OPERATION_AS_DAEMON = 1u << 8, /* uses no credentials of the requester */
	OPERATION_INTERRUPTIBLE = 1u << 9, /* an INTERRUPT ends its system call */
	OPERATION_INODE_LOCKED = 1u << 10, /* the kernel keeps others from changing the file meanwhile */
	OPERATION_SETS_XATTR = 1u << 11,   /* changes the attribute request->name */
};

/*
 * When the requester's user is needed, which a connection that allows idmapped mounts does not tell; see
 * identity.h.
 */
enum operation_user {
	USER_ALWAYS,
	USER_NEVER,
	USER_EXTERNAL,  /* on files that others can change, or whose locks are mandatory */
	USER_MANDATORY, /* on files whose locks are mandatory */
	USER_XATTR,     /* on files that others can change, and for attributes of segfs's own */
};

struct operation {
	const char *name; /* in lower case */

	/*
	 * Carries a request out. Returns 0, where it has called a reply_...(), or a reply without a body is
	 * sent; a negative errno, which is the reply.
	 */
	int (*run)(struct request *request);

	struct operation_body body;
	uint32_t flags;
	enum operation_user user;
	enum source_wanted wanted; /* what it asks of a source */

	/*
	 * Done by the reader before another thread may carry the request out, and before the next request is
	 * read. NULL = nothing.
	 */
	void (*prepare)(struct request *request);

	/*
	 * The queue in which the request waits, as it looks into processes. NULL, DEFERRAL_NONE: none beside
	 * what source->waits says.
	 */
	enum deferral_kind (*queue)(const struct request *request);

	/* Whether this request may take long. NULL: as its file says. */
	bool (*is_slow)(const struct request *request);

	/*
	 * Fills in which bytes the request reads or changes, for mandatory locks. part: 0, and 1 for the file
	 * that a copy is written to. Returns false where there are none. NULL: it neither reads nor changes
	 * any.
	 */
	bool (*wants)(const struct request *request, int part, struct want *want);
};

/* All of them, and what the loop calls between requests. */
struct operations {
	const struct operation *rows; /* by opcode */
	uint32_t n;

	/*
	 * Whether a request with operation->wants may go on; if not, it waits or has its reply. For the
	 * reader.
	 */
	bool (*admit)(struct request *request);
	/* Whether request->operation depends on mandatory locks, for which the reader carries it out. */
	bool (*is_mandatory)(const struct request *request);
	/* Carries out and replies to requests whose wait for a lock is over. For the reader. */
	void (*resume)(struct thread *thread);
	/* The same between any two requests, and ends waits that would never end. */
	void (*between)(struct thread *thread);
	/* Once per worker: drops what an earlier worker has counted too high. */
	void (*tidy)(struct fs *fs);
	/* A request that an earlier worker has begun will not come again: ends the open that it has made. */
	void (*withdrawn)(struct fs *fs, uint64_t unique);
	/*
	 * Ends the open that an earlier worker has made for this request, which the kernel does not know of.
	 */
	void (*undo_open)(struct fs *fs, uint64_t unique);
};

#endif
