// SPDX-License-Identifier: MIT
/*
 * Content of .segfs/policies: the segments of all stores whose policy differs from the default. Who lists
 * many segments learns their policies by one read, instead of a request for each.
 */
#include "fs/control/internal.h"
#include "fs/control/listed.h"
#include "fs/source/paths.h"
#include "fs/source/source.h"
#include "lib/base/cleanup.h"
#include "lib/base/policy.h"
#include "lib/base/procfs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/xattr.h>

struct listing {
	struct control_text *text;
	const struct state *state;
};

/*
 * Whether an error means that there is nothing to tell of a file: no policy is stored, or can be; it is gone,
 * or may not be looked at.
 */
static bool means_none(int error)
{
	return error == ENODATA || error == EOPNOTSUPP || error == ERANGE || procfs_means_absent(error);
}

/* Returns false, and fails the listing if it would otherwise be incomplete. error: a positive errno. */
static bool leave_out(const struct listing *listing, int error)
{
	if (!means_none(error))
		control_fail(listing->text, -error);
	return false;
}

/* Whether a policy is stored for what has this name now; one system call, since most have none. */
static bool may_have_policy(const struct listing *listing, int dir_fd, const char *name)
{
	char path[PROCFS_FD_MAX + NAME_MAX + 1];

	snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", dir_fd, name);
	return lgetxattr(path, source_policy_attribute(listing->state), NULL, 0) >= 0 ||
	       leave_out(listing, errno);
}

/* Whether the reader may know the name: as in the other lists, he is root or the owner. */
static bool may_see(const struct listing *listing, int fd)
{
	struct stat found;

	return listed_in_full(listing->state) || (fstat(fd, &found) == 0 && found.st_uid == listed_for());
}

/* Gets the stored policy of a file that the reader may see. Returns false if there is none. */
static bool read_policy(const struct listing *listing, int dir_fd, const char *name, struct policy *policy)
{
	_cleanup_close_ int fd = openat(dir_fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	char path[PROCFS_FD_MAX];
	char stored[POLICY_TEXT_MAX];
	ssize_t length;

	if (fd < 0)
		return leave_out(listing, errno);
	if (!may_see(listing, fd))
		return false;
	procfs_fd_name(path, fd);
	length = getxattr(path, source_policy_attribute(listing->state), stored, sizeof(stored));
	if (length < 0)
		return leave_out(listing, errno);
	/* unknown parts are left out */
	policy_load(policy, stored, (size_t)length);
	return true;
}

static void look_at_file(int dir_fd, const char *name, const char *path, void *context)
{
	static const struct policy by_default;
	const struct listing *listing = context;
	const char *separator = "";
	struct policy policy;

	if (!may_have_policy(listing, dir_fd, name) || !read_policy(listing, dir_fd, name, &policy))
		return;
	for (int i = 0; i < POLICY_FIELDS; i++) {
		const enum policy_field field = (enum policy_field)i;
		char value[POLICY_VALUE_MAX];

		if (policy_is_same(&policy, field, &by_default))
			continue;
		policy_format(&policy, field, value);
		control_print(listing->text, "%s%s=%s", separator, policy_field_name(field), value);
		separator = ",";
	}
	if (!*separator)
		return;
	control_print(listing->text, " ");
	listed_print_name(listing->text, path);
}

void control_print_policies(struct control_text *text, struct state *state)
{
	struct listing listing = {.text = text, .state = state};

	control_fail(text, paths_walk(state, look_at_file, &listing));
}
