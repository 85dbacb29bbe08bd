/* SPDX-License-Identifier: MIT */
/* Properties of each opcode of the protocol: one row of a table, which fs/ops fills. */
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
 * The body of a request: a part of fixed size, strings with a 0 after each, and elements counted in the fixed
 * part.
 */
struct operation_body {
	uint8_t fixed;    /* bytes, at least */
	uint8_t counted;  /* bytes per counted element; 0 = no elements */
	uint8_t count_at; /* offset in the fixed part of the count, 32 bits */
	/* offsets in the fixed part of file positions, 64 bits; 0 = none. One above INT64_MAX is refused */
	uint8_t offsets[2];
	const char *strings; /* n: a name; l: a name, "." or ".."; s: text. NULL = none */
};

enum operation_flag {
	OPERATION_ONCE = 1u << 0,      /* not idempotent: its reply is saved until the kernel has it */
	OPERATION_OPENS = 1u << 1,     /* its reply has a handle, which is closed if the kernel refuses it */
	OPERATION_NO_REPLY = 1u << 2,  /* the kernel expects no reply */
	OPERATION_NO_ID = 1u << 3,     /* the request has no id */
	OPERATION_ANY_USER = 1u << 4,  /* also for users that allow_root excludes */
	OPERATION_IN_MEMORY = 1u << 5, /* accesses memory only: the reader carries it out */
	OPERATION_SLOW = 1u << 6,      /* may take long on any file: another thread reads meanwhile */
	OPERATION_ON_HANDLE = 1u << 7, /* needs only what is open: waits for no process */
	OPERATION_AS_DAEMON = 1u << 8, /* uses no credentials of the requester */
	OPERATION_INTERRUPTIBLE = 1u << 9, /* an INTERRUPT ends its system call */
	OPERATION_INODE_LOCKED = 1u << 10, /* the kernel excludes other changes of the file meanwhile */
	OPERATION_SETS_XATTR = 1u << 11,   /* changes the attribute request->name */
	OPERATION_MAKES_FILE = 1u << 12,   /* makes a file, whose creator may be asked for */
};

/*
 * When the requester's user is needed, which a connection that allows idmapped mounts does not pass; see
 * identity.h.
 */
enum operation_user {
	USER_ALWAYS,
	USER_NEVER,
	USER_EXTERNAL,  /* on files that others can change, or whose locks are mandatory */
	USER_MANDATORY, /* on files whose locks are mandatory */
	USER_XATTR,     /* on files that others can change, and for segfs's own attributes */
};

struct operation {
	const char *name; /* in lower case */

	/*
	 * Carries a request out. Returns 0 after it has called a reply_...(), or to have an empty reply sent;
	 * a negative errno, which becomes the reply.
	 */
	int (*run)(struct request *request);

	struct operation_body body;
	uint32_t flags;
	enum operation_user user;
	enum source_wanted wanted; /* what it needs of a source */

	/*
	 * Called by the reader before another thread may carry the request out, and before the next request
	 * is read. NULL = nothing to do.
	 */
	void (*prepare)(struct request *request);

	/*
	 * The queue for a request that inspects processes. NULL, DEFERRAL_NONE: only source->waits decides.
	 */
	enum deferral_kind (*queue)(const struct request *request);

	/* Whether this request may take long. NULL: depends on the file only. */
	bool (*is_slow)(const struct request *request);

	/*
	 * Sets the bytes that the request reads or changes, for mandatory locks. part: 0; also 1 for the
	 * target of a copy. Returns false if there are none. NULL: it neither reads nor changes bytes.
	 */
	bool (*wants)(const struct request *request, int part, struct want *want);
};

/* All operations, and functions that the loop calls between requests. */
struct operations {
	const struct operation *rows; /* by opcode */
	uint32_t n;

	/*
	 * Whether a request with operation->wants may proceed; if not, it waits or has its reply. For the
	 * reader.
	 */
	bool (*admit)(struct request *request);
	/* Whether request->operation is subject to mandatory locks; then the reader carries it out. */
	bool (*is_mandatory)(const struct request *request);
	/* Carries out, with a reply, requests whose wait for a lock has ended. For the reader. */
	void (*resume)(struct thread *thread);
	/* Likewise between any two requests; also ends waits that would never end. */
	void (*between)(struct thread *thread);
	/* Once per worker: corrects lookup counts that an earlier worker left too high. */
	void (*tidy)(struct fs *fs);
	/* Closes the handle that an earlier worker made for this request, which the kernel does not know. */
	void (*undo_open)(struct fs *fs, uint64_t unique);
};

#endif
