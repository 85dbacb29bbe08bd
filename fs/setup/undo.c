// SPDX-License-Identifier: MIT
#include "fs/setup/undo.h"
#include "lib/base/procfs.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

int undo_note(const struct application *application, int fd, struct undo *undo)
{
	return fstat(fd, &undo->stat) < 0 ? -errno : apply_read_policy(application, fd, &undo->policy);
}

void undo_owner_and_mode(int fd, const struct stat *before)
{
	char path[PROCFS_FD_MAX];
	struct stat now;

	if (fstat(fd, &now) == 0 && now.st_uid == before->st_uid && now.st_gid == before->st_gid &&
	    now.st_mode == before->st_mode)
		return;
	procfs_fd_path(path, fd);
	/* chown(2) clears set-id bits */
	if (fchownat(fd, "", before->st_uid, before->st_gid, AT_EMPTY_PATH) == 0)
		chmod(path, before->st_mode & 07777);
}

void undo_change(const struct application *application, int fd, const struct undo *undo,
		 const struct config_policy *given)
{
	struct config_policy before = {.policy = undo->policy};

	undo_owner_and_mode(fd, &undo->stat);
	memcpy(before.given, given->given, sizeof(before.given));
	apply_policy(application, fd, &before);
}

void undo_detached(const struct application *application, int fd, const struct undo *undo)
{
	static const struct config_policy nothing;
	struct policy policy = undo->policy;

	undo_owner_and_mode(fd, &undo->stat);
	apply_store_policy(application, fd, &policy, &nothing);
}
