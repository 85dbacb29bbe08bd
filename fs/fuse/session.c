// SPDX-License-Identifier: MIT
#include "fs/fuse/session.h"
#include "fs/fuse/init.h"
#include "fs/fuse/reply.h"
#include "lib/base/log.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static struct fs *serving;                /* whose session it is */
static const struct fuse_in_header *init; /* the INIT being processed, NULL = none */
static bool logs_debug;
static bool has_logged_error;

/* libfuse logs some messages in several parts, the last of which ends with a newline. */
__attribute__((format(printf, 2, 0))) static void log_from_libfuse(enum fuse_log_level level,
								   const char *format, va_list arguments)
{
	static const int priorities[] = {LOG_EMERG,   LOG_ALERT,  LOG_CRIT, LOG_ERR,
					 LOG_WARNING, LOG_NOTICE, LOG_INFO, LOG_DEBUG};
	static _Thread_local char line[512];
	static _Thread_local size_t length;
	/* with -d all messages are wanted */
	bool wanted = level == FUSE_LOG_DEBUG && logs_debug;
	int added = vsnprintf(line + length, sizeof(line) - length, format, arguments);

	if (level <= FUSE_LOG_ERR)
		has_logged_error = true;
	if (added > 0)
		length += (size_t)added;
	if (length < sizeof(line) - 1 && (length == 0 || line[length - 1] != '\n'))
		return;
	log_write(wanted ? LOG_ERR : priorities[level], "%s", line);
	length = 0;
}

static void agree(void *unused, struct fuse_conn_info *connection)
{
	(void)unused;
	init_agree(serving, (const void *)(init + 1), connection);
}

struct fuse_session *session_new(bool privileged, const char *options, bool debug)
{
	static const struct fuse_lowlevel_ops operations = {.init = agree};
	struct fuse_args arguments = FUSE_ARGS_INIT(0, NULL);
	struct fuse_session *session = NULL;
	char always[128];

	logs_debug = debug;
	fuse_set_log_func(log_from_libfuse);
	snprintf(always, sizeof(always), "default_permissions,fsname=segfs,subtype=segfs%s",
		 privileged ? ",allow_other" : "");
	if (fuse_opt_add_arg(&arguments, "segfs") == 0 && fuse_opt_add_arg(&arguments, "-o") == 0 &&
	    fuse_opt_add_arg(&arguments, always) == 0 &&
	    (!*options ||
	     (fuse_opt_add_arg(&arguments, "-o") == 0 && fuse_opt_add_arg(&arguments, options) == 0)))
		session = fuse_session_new(&arguments, &operations, sizeof(operations), NULL);
	fuse_opt_free_args(&arguments);
	return session;
}

bool session_has_logged_error(void)
{
	return has_logged_error;
}

static ssize_t session_read(int fd, void *message, size_t size, void *unused)
{
	(void)unused;
	return reply_read(fd, message, size);
}

static ssize_t session_write(int fd, struct iovec *parts, int n_parts, void *unused)
{
	const struct fuse_out_header *header = parts[0].iov_base;

	(void)unused;
	/* a notification, of any thread; a reply is that to INIT, of the reader */
	if (header->unique == 0)
		return reply_write(fd, parts, n_parts);
	/* the kernel would abort the connection, though the next worker may well have the memory */
	if (!serving->initialized && header->error == -ENOMEM)
		return (ssize_t)parts[0].iov_len;
	if (header->unique == init->unique && n_parts == 2)
		init_complete(serving, parts[1].iov_base, parts[1].iov_len);
	return reply_write(fd, parts, n_parts);
}

int session_attach(struct fs *fs, struct fuse_session *session, int fuse_fd)
{
	static const struct fuse_custom_io io = {.read = session_read, .writev = session_write};

	serving = fs;
	fs->session = session;
	fs->fuse_fd = fuse_fd;
	return fuse_session_custom_io(session, &io, sizeof(io), fuse_fd);
}

bool session_init(struct fs *fs, const void *message, size_t length)
{
	const struct fuse_buf buffer = {.mem = (void *)(uintptr_t)message, .size = length};

	init = message;
	fuse_session_process_buf(fs->session, &buffer);
	init = NULL;
	return !fuse_session_exited(fs->session);
}

void session_expire(const struct fs *fs, uint64_t dir, const char *name)
{
	fuse_lowlevel_notify_expire_entry(fs->session, dir, name, strlen(name));
}

int session_invalidate(const struct fs *fs, uint64_t node, off_t offset, off_t length)
{
	return fuse_lowlevel_notify_inval_inode(fs->session, node, offset, length);
}
