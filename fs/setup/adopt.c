// SPDX-License-Identifier: MIT
/*
 * Checks whether an existing file or directory may be adopted as one that the configuration declares. Users
 * can write in a store, so it may be a trap: its creator may still have it open, have a hard link to it, or
 * replace its content.
 *
 * Everything that the configuration has created or adopted is marked with its name in an attribute that only
 * root can set. The mark distinguishes a declared segment in use, which a reload may change in place, from
 * another file of that name.
 */
#include "fs/setup/adopt.h"
#include "fs/setup/application.h"
#include "fs/setup/instance.h"
#include "fs/setup/undo.h"
#include "fs/source/source.h"
#include "lib/base/cleanup.h"
#include "lib/base/procfs.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#define MARK SOURCE_PRIVATE_PREFIX "declared"

static bool is_marked(const struct application *application, int fd, const char *name)
{
	char path[PROCFS_FD_MAX];
	char value[PATH_MAX];
	ssize_t length;

	if (!application->state->arena->header->privileged)
		return false;
	procfs_fd_path(path, fd);
	length = getxattr(path, MARK, value, sizeof(value));
	return length >= 0 && (size_t)length == strlen(name) && memcmp(value, name, (size_t)length) == 0;
}

/* Without a mark, as on media without attributes, the checks for a first adoption apply again. */
void adopt_mark(const struct application *application, int fd, const char *name)
{
	char path[PROCFS_FD_MAX];

	procfs_fd_path(path, fd);
	if (application->state->arena->header->privileged)
		setxattr(path, MARK, name, strlen(name), 0);
}

static bool is_trusted(const struct claim *claim, const struct stat *stat)
{
	return stat->st_uid == geteuid() || (claim->has_owner && stat->st_uid == claim->owner);
}

int adopt_directory(const struct application *application, const struct claim *claim, int fd,
		    const char *path)
{
	struct stat stat;

	if (fstat(fd, &stat) < 0)
		return apply_fail(application, -errno, claim->line, "%s '%s': %s", claim->kind, claim->name,
				  strerror(errno));
	/* only root can mount something there */
	if (is_trusted(claim, &stat) || is_mount_root(fd) || is_marked(application, fd, path))
		return 0;
	return apply_fail(
		application, -EPERM, claim->line,
		"%s '%s': the existing directory '%s' belongs to user %u; remove it, or give it to root",
		claim->kind, claim->name, path, stat.st_uid);
}

/* --- segments --- */

static int refuse(const struct application *application, const struct config_segment *segment, int result,
		  const char *why)
{
	return apply_fail(application, result, segment->line, "segment '%s': the existing file %s",
			  segment->name, why);
}

static int refuse_links(const struct application *application, const struct config_segment *segment)
{
	return refuse(application, segment, -EPERM, "has another name; remove one of the two");
}

static int refuse_writers(const struct application *application, const struct config_segment *segment)
{
	return refuse(application, segment, -EBUSY,
		      "is open or mapped for writing; end the process that has it, or remove the file");
}

/*
 * Takes a read lease: granted only while nobody has the file open or mapped for writing, and broken by an
 * open for writing. SIGURG, which is ignored by default, signals a break. Returns 0; -EAGAIN; another errno
 * if leases are unsupported or refused.
 */
static int take_lease(int fd)
{
	return fcntl(fd, F_SETSIG, SIGURG) < 0 || fcntl(fd, F_SETLEASE, F_RDLCK) < 0 ? -errno : 0;
}

static bool lease_is_broken(int fd)
{
	return fcntl(fd, F_GETLEASE) != F_RDLCK;
}

static bool is_as_declared(const struct config_segment *segment, const struct stat *stat)
{
	return (!segment->has_owner || (stat->st_uid == segment->owner && stat->st_gid == segment->group)) &&
	       (!segment->has_mode || (stat->st_mode & 07777) == segment->mode);
}

/* A file that gets a new owner must not be open for writing. */
static bool changes_hands(const struct config_segment *segment, const struct adoption *adoption)
{
	return !adoption->is_marked || (segment->has_owner && adoption->stat.st_uid != segment->owner);
}

/*
 * Takes the lease, if the medium has leases; otherwise a file is adopted only if its owner and mode need no
 * change. Returns 1 or 0, or a negative errno.
 */
static int lease_or_refuse(const struct application *application, const struct config_segment *segment,
			   const struct adoption *adoption, int fd)
{
	int result = take_lease(fd);

	if (result == -EAGAIN)
		return refuse_writers(application, segment);
	if (result < 0 && !is_as_declared(segment, &adoption->stat))
		return refuse(application, segment, -EPERM,
			      "is on a medium without leases, so who has it open is unknown; remove it, or "
			      "set its owner and mode");
	return result == 0;
}

int adopt_segment(const struct application *application, const struct config_segment *segment, int fd,
		  struct adoption *adoption)
{
	const struct claim claim = {.has_owner = segment->has_owner, .owner = segment->owner};
	_cleanup_close_ int reading = -1;
	int result;

	*adoption = (struct adoption){0};
	if (fstat(fd, &adoption->stat) < 0)
		return refuse(application, segment, -errno, strerror(errno));
	if (!S_ISREG(adoption->stat.st_mode))
		return apply_fail(application, -EEXIST, segment->line,
				  "segment '%s': the existing file is not a regular file; remove it",
				  segment->name);
	adoption->is_marked = is_marked(application, fd, segment->name);
	if (!adoption->is_marked && !is_trusted(&claim, &adoption->stat))
		return apply_fail(application, -EPERM, segment->line,
				  "segment '%s': the existing file belongs to user %u, neither to root nor "
				  "to the segment's owner; remove it",
				  segment->name, adoption->stat.st_uid);
	/* only its own user can reach the store of an unprivileged daemon */
	adoption->changes_hands =
		application->state->arena->header->privileged && changes_hands(segment, adoption);
	if (!adoption->changes_hands)
		return 0;
	if (!adoption->is_marked && adoption->stat.st_nlink != 1)
		return refuse_links(application, segment);
	reading = procfs_fd_open(fd, O_RDONLY | O_NONBLOCK);
	if (reading < 0)
		return refuse(application, segment, reading, strerror(-reading));
	result = lease_or_refuse(application, segment, adoption, reading);
	return result < 0 ? result : 0;
}

static int set_owner_and_mode(const struct config_segment *segment, int fd)
{
	if (segment->has_owner && fchown(fd, segment->owner, segment->group) < 0)
		return -errno;
	return segment->has_mode && fchmod(fd, segment->mode) < 0 ? -errno : 0;
}

/*
 * Changes owner and mode while holding the lease. If somebody whom the old mode permits opens the file for
 * writing meanwhile, he breaks the lease and waits: the change is undone, and he gets the file as it was.
 */
int adopt_finish(const struct application *application, const struct config_segment *segment, int fd,
		 const struct adoption *adoption)
{
	_cleanup_close_ int reading = procfs_fd_open(fd, O_RDONLY | O_NONBLOCK);
	bool is_leased = false;
	struct stat now;
	int result = 0;

	if (reading < 0)
		return refuse(application, segment, reading, strerror(-reading));
	if (adoption->changes_hands)
		result = lease_or_refuse(application, segment, adoption, reading);
	if (result < 0)
		return result;
	is_leased = result > 0;
	if (adoption->changes_hands && !adoption->is_marked &&
	    (fstat(reading, &now) < 0 || now.st_nlink != 1))
		return refuse_links(application, segment);
	result = set_owner_and_mode(segment, reading);
	if (result == 0 && (!is_leased || !lease_is_broken(reading)))
		return 0;
	undo_owner_and_mode(reading, &adoption->stat);
	return result < 0 ? refuse(application, segment, result, strerror(-result))
			  : refuse_writers(application, segment);
}
