// SPDX-License-Identifier: MIT
#include "fs/fuse/request.h"
#include "fs/fuse/opcode.h"
#include "fs/source/requester.h"
#include "fs/state/journal.h"
#include "lib/base/log.h"
#include "lib/base/sanitizer.h"

#include <errno.h>
#include <linux/securebits.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define SMALL_MESSAGE 512 /* bytes: an answer that is longer is sent in its parts */

static _Thread_local struct {
	const struct wire_in_header *header;
	size_t length;
	bool may_switch; /* identities other than the daemon's can be taken */
	uid_t uid;       /* present file-system identity */
	gid_t gid;
	mode_t umask;
	char *buffer;
} self;

void request_begin(const void *message, size_t length)
{
	self.header = message;
	self.length = length;
	requester_set((pid_t)self.header->pid, self.header->uid, self.header->gid);
}

void request_end(void)
{
	self.header = NULL;
	self.length = 0;
	requester_clear();
}

const void *request_message(void)
{
	return self.header;
}

size_t request_length(void)
{
	return self.length;
}

uint32_t request_opcode(void)
{
	return self.header->opcode;
}

uint64_t request_unique(void)
{
	return self.header->unique & ~WIRE_UNIQUE_RESEND;
}

bool request_is_resent(void)
{
	return self.header->unique & WIRE_UNIQUE_RESEND;
}

uint64_t request_node(void)
{
	return self.header->node;
}

pid_t request_pid(void)
{
	return (pid_t)self.header->pid;
}

uid_t request_uid(void)
{
	return self.header->uid;
}

gid_t request_gid(void)
{
	return self.header->gid;
}

/*
 * The kernel sends some requests only after it has got the reply to earlier ones: RELEASE comes when no READ of the file is in flight.
 * The thread sanitizer knows of that order only as long as it has seen the device being opened, thus not after an upgrade.
 */
static char order_of_kernel;

ssize_t request_read(int fd, void *message, size_t size)
{
	ssize_t length = read(fd, message, size);

	if (length >= 0)
		sanitizer_acquire(&order_of_kernel);
	return length;
}

/*
 * The kernel pins a page for each part of a message: small parts are cheaper in one piece, which must not cross a page.
 */
static ssize_t send_parts(int fd, const struct iovec *parts, int n_parts)
{
	static _Thread_local _Alignas(SMALL_MESSAGE) char message[SMALL_MESSAGE];
	size_t length = 0;

	sanitizer_release(&order_of_kernel);
	if (n_parts == 1)
		return write(fd, parts->iov_base, parts->iov_len);
	for (int i = 0; i < n_parts; i++) {
		if (parts[i].iov_len > sizeof(message) - length)
			return writev(fd, parts, n_parts);
		if (parts[i].iov_len > 0)
			memcpy(message + length, parts[i].iov_base, parts[i].iov_len);
		length += parts[i].iov_len;
	}
	return write(fd, message, length);
}

static ssize_t session_read(int fd, void *message, size_t size, void *user_data)
{
	(void)user_data;
	return request_read(fd, message, size);
}

/* From here on the request counts as done. What libfuse sends of itself is no answer to it. */
static void keep_answer(uint64_t unique, const struct iovec *parts, int n_parts)
{
	if (self.header && unique == self.header->unique && opcode_is_once(self.header->opcode))
		journal_keep_answer(parts, n_parts);
}

/* Which flags there are libfuse decides; of this one its releases before 3.18 know nothing. */
static ssize_t send_init(const struct fs *fs, int fd, const struct iovec *parts)
{
	struct wire_init_out *out = parts[1].iov_base;

	if (fs->allow_idmap && parts[1].iov_len >= sizeof(*out)) {
		out->flags |= WIRE_INIT_EXT;
		out->flags2 |= WIRE_INIT_ALLOW_IDMAP;
	}
	return send_parts(fd, parts, 2);
}

static ssize_t session_writev(int fd, struct iovec *parts, int n_parts, void *user_data)
{
	const struct wire_out_header *answer = parts[0].iov_base;
	const struct fs *fs = user_data;

	/* to INIT: the kernel would give the connection up for good, over what the next worker may well have memory for */
	if (!fs->initialized && answer->error == -ENOMEM)
		return (ssize_t)parts[0].iov_len;
	keep_answer(answer->unique, parts, n_parts);
	if (self.header && self.header->opcode == WIRE_OP_INIT && answer->unique == self.header->unique && n_parts == 2)
		return send_init(fs, fd, parts);
	return send_parts(fd, parts, n_parts);
}

int request_use_session(struct fuse_session *session, int fuse_fd)
{
	static const struct fuse_custom_io io = {.read = session_read, .writev = session_writev};

	return fuse_session_custom_io(session, &io, sizeof(io), fuse_fd);
}

static void answer(const struct fs *fs, uint64_t unique, int result, const void *body, size_t size)
{
	struct wire_out_header header = {
		.length = (uint32_t)(sizeof(header) + (result == 0 ? size : 0)),
		.error = result,
		.unique = unique,
	};
	const struct iovec parts[2] = {
		{.iov_base = &header, .iov_len = sizeof(header)},
		{.iov_base = (void *)(uintptr_t)body, .iov_len = result == 0 ? size : 0},
	};

	keep_answer(unique, parts, result == 0 ? 2 : 1);
	if (send_parts(fs->fuse_fd, parts, result == 0 ? 2 : 1) < 0 && errno != ENOENT)
		log_warning("a reply was refused by the kernel: %s", strerror(errno));
}

void request_answer_raw(const struct fs *fs, int result, const void *body, size_t size)
{
	answer(fs, self.header->unique, result, body, size);
}

bool request_answer_again(const struct fs *fs)
{
	size_t length;
	struct wire_out_header *header = journal_answer_of(&length);

	if (length < sizeof(*header))
		return false;
	header->unique = self.header->unique;
	sanitizer_release(&order_of_kernel);
	return write(fs->fuse_fd, header, length) == (ssize_t)length;
}

/* ENOENT: the kernel has had its answer. */
static bool send_as(const struct fs *fs, struct wire_out_header *header, size_t size, uint64_t unique)
{
	header->unique = unique;
	return write(fs->fuse_fd, header, size) == (ssize_t)size || errno == ENOENT;
}

bool request_send_kept(void *context, void *answer, size_t size)
{
	struct wire_out_header *header = answer;
	uint64_t unique;

	if (size < sizeof(*header))
		return false;
	unique = header->unique & ~WIRE_UNIQUE_RESEND;
	/* the kernel has it as sent once, or as sent again */
	return send_as(context, header, size, unique) && send_as(context, header, size, unique | WIRE_UNIQUE_RESEND);
}

uint64_t request_tag(void)
{
	return self.header->unique;
}

void request_answer_tag(const struct fs *fs, uint64_t tag, int result)
{
	answer(fs, tag, result, NULL, 0);
}

const void *request_body(size_t size)
{
	return self.length >= sizeof(*self.header) + size ? self.header + 1 : NULL;
}

int request_thread_init(const struct fs *fs)
{
	/* the umask is part of what threads share by default */
	if (unshare(CLONE_FS) < 0)
		return -errno;
	self.umask = umask(0);
	umask(self.umask);
	self.uid = (uid_t)setfsuid((uid_t)-1);
	self.gid = (gid_t)setfsgid((gid_t)-1);
	self.may_switch = fs->privileged;
	/* without it, which a worker has by now, a switch to an ordinary user would take needed capabilities */
	if (fs->privileged && !(prctl(PR_GET_SECUREBITS) & SECBIT_NO_SETUID_FIXUP) &&
	    prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP, 0, 0, 0) < 0)
		return -errno;
	return 0;
}

void request_thread_done(void)
{
	free(self.buffer);
	self.buffer = NULL;
	requester_clear();
}

int request_identity(fuse_req_t req)
{
	const struct fuse_ctx *context = fuse_req_ctx(req);

	if (context->umask != self.umask) {
		umask(context->umask);
		self.umask = context->umask;
	}
	if (!self.may_switch)
		return 0;
	/* they do not tell whether they have failed */
	if (context->gid != self.gid) {
		setfsgid(context->gid);
		self.gid = (gid_t)setfsgid((gid_t)-1);
	}
	if (context->uid != self.uid) {
		setfsuid(context->uid);
		self.uid = (uid_t)setfsuid((uid_t)-1);
	}
	return context->gid == self.gid && context->uid == self.uid ? 0 : -ENOMEM;
}

char *request_buffer(void)
{
	/* belongs to the thread for as long as the worker lives */
	if (!self.buffer)
		self.buffer = malloc(REQUEST_BUFFER_SIZE);
	return self.buffer;
}
