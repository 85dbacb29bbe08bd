// SPDX-License-Identifier: MIT
#include "lib/tool/common/properties.h"
#include "lib/base/procfs.h"
#include "lib/tool/common/text.h"

#include <errno.h>
#include <grp.h>
#include <linux/limits.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#define ACCESS_LIST  "system.posix_acl_access"
#define DEFAULT_LIST "system.posix_acl_default"
#define SET_ID       06000u

/* --- getting --- */

static bool is_list(const char *name)
{
	return strcmp(name, ACCESS_LIST) == 0 || strcmp(name, DEFAULT_LIST) == 0;
}

static bool is_policy(const char *name)
{
	return strncmp(name, PROPERTIES_POLICY, strlen(PROPERTIES_POLICY)) == 0;
}

static bool is_kept(const char *name)
{
	return (strncmp(name, "user.", 5) == 0 && name[5] && strlen(name) <= XATTR_NAME_MAX) || is_list(name);
}

int properties_add(struct properties *properties, const char *name, const void *value, size_t length)
{
	struct property *larger, *added;

	if (!is_kept(name) || length > XATTR_SIZE_MAX)
		return -EINVAL;
	larger = reallocarray(properties->attributes, properties->n + 1, sizeof(*larger));
	if (!larger)
		return -ENOMEM;
	properties->attributes = larger;
	added = &larger[properties->n];
	*added = (struct property){.name = strdup(name), .value = malloc(length + 1), .length = length};
	if (!added->name || !added->value) {
		free(added->name);
		free(added->value);
		return -ENOMEM;
	}
	if (length > 0)
		memcpy(added->value, value, length);
	properties->n++;
	return 0;
}

static int get_attributes(int fd, struct properties *properties)
{
	char path[PROCFS_FD_MAX], names[XATTR_LIST_MAX], value[XATTR_SIZE_MAX];
	ssize_t length;
	int result = 0;

	procfs_fd_path(path, fd);
	length = listxattr(path, names, sizeof(names));
	if (length < 0)
		return errno == EOPNOTSUPP ? 0 : -errno;
	for (const char *name = names; name < names + length && result == 0; name += strlen(name) + 1) {
		ssize_t size;

		if (!is_kept(name))
			continue;
		size = getxattr(path, name, value, sizeof(value));
		if (size >= 0)
			result = properties_add(properties, name, value, (size_t)size);
		else if (errno != ENODATA && errno != EOPNOTSUPP)
			result = -errno;
	}
	return result;
}

int properties_get(int fd, struct properties *properties)
{
	struct stat found;

	*properties = (struct properties){0};
	if (fstat(fd, &found) < 0)
		return -errno;
	*properties = (struct properties){
		.mode = found.st_mode & 07777,
		.uid = found.st_uid,
		.gid = found.st_gid,
		.user = text_user(found.st_uid),
		.group = text_group(found.st_gid),
		.atime = found.st_atim,
		.mtime = found.st_mtim,
	};
	if (!properties->user || !properties->group)
		return -ENOMEM;
	return get_attributes(fd, properties);
}

void properties_free(struct properties *properties)
{
	for (size_t i = 0; i < properties->n; i++) {
		free(properties->attributes[i].name);
		free(properties->attributes[i].value);
	}
	free(properties->attributes);
	free(properties->user);
	free(properties->group);
	*properties = (struct properties){0};
}

const struct property *properties_find(const struct properties *properties, const char *name)
{
	for (size_t i = 0; i < properties->n; i++)
		if (strcmp(properties->attributes[i].name, name) == 0)
			return &properties->attributes[i];
	return NULL;
}

/* --- setting --- */

int properties_clear(int fd)
{
	char names[XATTR_LIST_MAX];
	const ssize_t length = flistxattr(fd, names, sizeof(names));

	if (length < 0)
		return errno == EOPNOTSUPP ? 0 : -errno;
	for (const char *name = names; name < names + length; name += strlen(name) + 1)
		if (is_kept(name) && fremovexattr(fd, name) < 0 && errno != ENODATA)
			return -errno;
	return 0;
}

static uid_t find_user(const struct properties *properties)
{
	struct passwd entry, *found = NULL;
	char buffer[4096];

	if (properties->user && getpwnam_r(properties->user, &entry, buffer, sizeof(buffer), &found) == 0 &&
	    found)
		return found->pw_uid;
	return properties->uid;
}

static gid_t find_group(const struct properties *properties)
{
	struct group entry, *found = NULL;
	char buffer[4096];

	if (properties->group && getgrnam_r(properties->group, &entry, buffer, sizeof(buffer), &found) == 0 &&
	    found)
		return found->gr_gid;
	return properties->gid;
}

/* Sets the owner as root, and the mode that goes with it. */
static int set_owner(int fd, const struct properties *properties, const char **what)
{
	uint32_t mode = properties->mode;
	struct stat found;

	*what = "its owner";
	if (geteuid() == 0 && fchown(fd, find_user(properties), find_group(properties)) < 0)
		return -errno;
	*what = "its mode";
	if (fstat(fd, &found) < 0)
		return -errno;
	/* another owner must not get the rights of bits that were meant for the first one */
	if (geteuid() != 0 && (found.st_uid != properties->uid || found.st_gid != properties->gid))
		mode &= ~SET_ID;
	return fchmod(fd, mode) < 0 ? -errno : 0;
}

static int set_attributes(int fd, const struct properties *properties, bool policies, bool may_lack,
			  const char **what)
{
	for (size_t i = 0; i < properties->n; i++) {
		const struct property *attribute = &properties->attributes[i];

		if (is_policy(attribute->name) != policies)
			continue;
		*what = attribute->name;
		if (fsetxattr(fd, attribute->name, attribute->value, attribute->length, 0) < 0 && !may_lack)
			return -errno;
	}
	return 0;
}

int properties_set(int fd, const struct properties *properties, unsigned int flags, const char **what)
{
	const struct timespec times[] = {properties->atime, properties->mtime};
	const bool may_lack = flags & PROPERTIES_ONLY_FILES;
	int result = set_owner(fd, properties, what);

	/* an access control list is in the mode, too, so that it comes after */
	if (result == 0)
		result = set_attributes(fd, properties, false, may_lack, what);
	if (result == 0 && !(flags & PROPERTIES_NO_POLICY))
		result = set_attributes(fd, properties, true, may_lack, what);
	if (result == 0) {
		*what = "its times";
		if (futimens(fd, times) < 0 && !may_lack)
			result = -errno;
	}
	return result;
}
