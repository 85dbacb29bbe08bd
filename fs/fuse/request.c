// SPDX-License-Identifier: MIT
#include "fs/fuse/request.h"
#include "fs/fuse/identity.h"
#include "fs/fuse/interrupt.h"
#include "fs/source/requester.h"

#include <errno.h>
#include <linux/securebits.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define MINOR_LEAST 12 /* of the protocol: older requests have other layouts */

/* --- what the kernel sends --- */

static bool is_name(const char *text, size_t length, bool may_be_dots)
{
	if (length == 0 || memchr(text, '/', length))
		return false;
	return may_be_dots || !(text[0] == '.' && (length == 1 || (length == 2 && text[1] == '.')));
}

/* Takes the strings off the front of the remaining bytes. */
static bool parse_strings(struct request *request, const char **at, const char *end)
{
	for (const char *kind = request->operation->body.strings; kind && *kind; kind++) {
		const char *zero = memchr(*at, 0, (size_t)(end - *at));

		if (!zero || (*kind != 's' && !is_name(*at, (size_t)(zero - *at), *kind == 'l')))
			return false;
		if (request->name)
			request->text = *at;
		else
			request->name = *at;
		*at = zero + 1;
	}
	return true;
}

/* The second half of the flags is present if the first half says so. */
static int check_init(const struct fuse_init_in *in, size_t length)
{
	if (in->flags & FUSE_INIT_EXT && length < offsetof(struct fuse_init_in, unused))
		return -EIO;
	return in->major == FUSE_KERNEL_VERSION && in->minor < MINOR_LEAST ? -EPROTO : 0;
}

static int parse(struct request *request)
{
	const struct fuse_in_header *header = request->header;
	const struct operation_body *body = &request->operation->body;
	const char *start = request->body;
	const char *end = (const char *)header + request->length;
	const char *at = start;
	size_t fixed = header->opcode == FUSE_SETXATTR ? request_setxattr_size(request->fs) : body->fixed;

	if ((size_t)(end - at) < fixed)
		return -EIO;
	at += fixed;
	if (!parse_strings(request, &at, end))
		return -EIO;
	if (body->counted) {
		uint32_t count;

		memcpy(&count, start + body->count_at, sizeof(count));
		if ((uint64_t)count * body->counted > (uint64_t)(end - at))
			return -EIO;
	}
	for (int i = 0; i < 2 && body->offsets[i]; i++) {
		uint64_t offset;

		memcpy(&offset, start + body->offsets[i], sizeof(offset));
		if (offset > INT64_MAX)
			return -EINVAL;
	}
	return header->opcode == FUSE_INIT ? check_init(request->body, (size_t)(end - start)) : 0;
}

int request_begin(struct request *request, struct thread *thread, const void *message, size_t length)
{
	static const struct operation unknown = {.name = "operation"};
	const struct operations *operations = thread->fs->operations;
	const struct fuse_in_header *header = message;
	int result = 0;

	*request = (struct request){
		.fs = thread->fs,
		.thread = thread,
		.operation = header->opcode < operations->n ? &operations->rows[header->opcode] : &unknown,
		.header = header,
		.length = length,
		.body = header + 1,
		.unique = header->unique,
		.node = header->nodeid,
	};
	if (header->len != length || (request->unique == 0 && !(request->operation->flags & OPERATION_NO_ID)))
		result = -EIO;
	else if (!request->operation->run && header->opcode != FUSE_INIT)
		result = -ENOSYS;
	else
		result = parse(request);
	if (result == 0)
		identity_complete(request);
	return result;
}

/* --- threads --- */

int thread_init(struct thread *thread, struct fs *fs)
{
	*thread = (struct thread){.fs = fs};
	/* by default threads share the umask */
	if (unshare(CLONE_FS) < 0)
		return -errno;
	thread->umask = umask(0);
	umask(thread->umask);
	thread->uid = (uid_t)setfsuid((uid_t)-1);
	thread->gid = (gid_t)setfsgid((gid_t)-1);
	thread->may_switch = fs->privileged;
	/*
	 * without this, a switch to an ordinary user would drop capabilities that are needed; a worker has it
	 * by now
	 */
	if (fs->privileged && !(prctl(PR_GET_SECUREBITS) & SECBIT_NO_SETUID_FIXUP) &&
	    prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP, 0, 0, 0) < 0)
		return -errno;
	return 0;
}

void thread_done(struct thread *thread)
{
	free(thread->buffer);
	thread->buffer = NULL;
	interrupt_thread_done(thread);
	requester_clear();
}

int request_identity(struct request *request, mode_t mask)
{
	const uid_t uid = request_uid(request);
	const gid_t gid = request_gid(request);
	struct thread *thread = request->thread;

	if (mask != thread->umask) {
		umask(mask);
		thread->umask = mask;
	}
	if (!thread->may_switch)
		return 0;
	/* these calls do not report failure */
	if (gid != thread->gid) {
		setfsgid(gid);
		thread->gid = (gid_t)setfsgid((gid_t)-1);
	}
	if (uid != thread->uid) {
		setfsuid(uid);
		thread->uid = (uid_t)setfsuid((uid_t)-1);
	}
	return gid == thread->gid && uid == thread->uid ? 0 : -ENOMEM;
}

char *request_buffer(struct request *request)
{
	/* belongs to the thread as long as the worker lives */
	if (!request->thread->buffer)
		request->thread->buffer = malloc(REQUEST_BUFFER_SIZE);
	return request->thread->buffer;
}
