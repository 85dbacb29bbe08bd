// SPDX-License-Identifier: MIT
#include "fs/daemon/mounting.h"
#include "fs/fuse/session.h"
#include "fs/setup/unmount.h"
#include "lib/base/log.h"
#include "lib/base/mounts.h"

#include <errno.h>
#include <fuse_lowlevel.h>
#include <string.h>
#include <sys/mount.h>

/* libfuse logs its errors, except some for lack of memory. */
static int libfuse_failed(const struct program *program, int result)
{
	if (!session_has_logged_error())
		log_error("mounting on %s: %s", program->mount_point, strerror(ENOMEM));
	return result;
}

int mounting_adopt(const struct program *program, struct fuse_session **session)
{
	*session = session_new(program->privileged, program->options.mount_options, program->options.debug);
	return *session ? 0 : libfuse_failed(program, -EINVAL);
}

int mounting_begin(struct program *program, struct fuse_session **session)
{
	struct arena_header *header = program->arena.header;
	char type[32] = "";
	dev_t device = 0;
	int result = mounting_adopt(program, session);

	if (result < 0)
		return result;
	/*
	 * Without memory libfuse may report descriptor 0 as the connection without having mounted; 0 is
	 * standard input, which is open, so no real connection has that number.
	 */
	if (fuse_session_mount(*session, program->mount_point) != 0 || fuse_session_fd(*session) == 0)
		return libfuse_failed(program, -EIO);
	header->fuse_fd = fuse_session_fd(*session);
	if (mounts_find(program->mount_point, &device, type, sizeof(type)) == 0)
		header->device = device;
	return 0;
}

int mounting_check_options(const struct program *program)
{
	struct fuse_session *session;
	int result = mounting_adopt(program, &session);

	if (result == 0)
		fuse_session_destroy(session);
	return result;
}

void mounting_end(const struct program *program)
{
	char type[32] = "";
	dev_t device = 0;

	if (mounts_find(program->mount_point, &device, type, sizeof(type)) < 0 ||
	    device != program->arena.header->device)
		return;
	if (program->privileged)
		umount2(program->mount_point, MNT_DETACH | UMOUNT_NOFOLLOW);
	else
		unmount_as_user(program->mount_point);
}
