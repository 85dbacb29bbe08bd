/* SPDX-License-Identifier: MIT */
/*
 * The request that the calling thread executes: the raw message, of which libfuse hands on only a part, and on
 * whose behalf files are made.
 *
 * Per thread; valid from request_begin() to the end of the operation, since every operation is finished by the thread
 * that began it.
 */
#ifndef SEGFS_FUSE_REQUEST_H
#define SEGFS_FUSE_REQUEST_H

#include "fs/fuse/fs.h"
#include "fs/fuse/wire.h"

#include <sys/types.h>

#define REQUEST_BUFFER_SIZE (1024u * 1024u) /* the largest read(2) or getdents(2) that is answered at once */

/*
 * Has libfuse send the session's answers our way.
 * Returns 0; -ENOMEM.
 */
int request_use_session(struct fuse_session *session, int fuse_fd);

/* Makes `message`, of `length` bytes, this thread's request. It is not copied. */
void request_begin(const void *message, size_t length);

/* The thread has none any more. To be called before the memory of the message goes. */
void request_end(void);

/* The message, its length in bytes, and what it asks for. */
const void *request_message(void);
size_t request_length(void);
uint32_t request_opcode(void);

/* Id of the request, without the resend bit. */
uint64_t request_unique(void);

/* True where a worker that died had read this request: it may have been carried out in part, or in full. */
bool request_is_resent(void);

/* Id of the node that the request is about. */
uint64_t request_node(void);

/* Thread that made the request, in the daemon's pid namespace; 0 = not visible there. */
pid_t request_pid(void);

/* User on whose behalf the request was made. */
uid_t request_uid(void);
gid_t request_gid(void);

/*
 * Answers the request past libfuse, for an operation that libfuse does not know: `result`, 0 or a negative errno,
 * and with 0 a body of `size` bytes. Nothing is to be done where the kernel does not want the answer any more.
 */
void request_answer_raw(const struct fs *fs, int result, const void *body, size_t size);

/* Sends the answer that the journal has kept. Returns false where the kernel does not want it any more. */
bool request_answer_again(const struct fs *fs);

/* For journal_send_answers(); context: the struct fs. Sends an answer to a request that this worker has not read. */
bool request_send_kept(void *context, void *answer, size_t size);

/*
 * For a request that is answered later, by any thread, past libfuse: what tells it from others to the kernel, and an answer
 * without a body, `result` being 0 or a negative errno.
 */
uint64_t request_tag(void);
void request_answer_tag(const struct fs *fs, uint64_t tag, int result);

/* The body of the message after its header, or NULL where it is shorter than `size` bytes. */
const void *request_body(size_t size);

/* read(2) of a message from the device. Returns its length, or -1 with errno. */
ssize_t request_read(int fd, void *message, size_t size);

/*
 * Prepares the calling thread for request_identity(): an fs_struct and securebits of its own.
 * Returns 0, or the negative errno of unshare(2) or prctl(2).
 */
int request_thread_init(const struct fs *fs);

/* Gives back what the calling thread holds; it carries out no request after that. */
void request_thread_done(void);

/*
 * Makes what this thread creates belong to the requester, with the requester's umask, from its first instant.
 * Capabilities stay as they are. Costs system calls only where something differs from the last request.
 * Returns 0; -ENOMEM where the thread keeps another identity: nothing must be made then.
 */
int request_identity(fuse_req_t req);

/* A buffer of REQUEST_BUFFER_SIZE bytes of this thread's own, or NULL without memory. */
char *request_buffer(void);

#endif
