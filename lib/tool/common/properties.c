// SPDX-License-Identifier: MIT
#include "lib/tool/common/properties.h"
#include "lib/base/procfs.h"
#include "lib/tool/common/text.h"

#include <errno.h>
#include <linux/limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#define ACCESS_LIST  "system.posix_acl_access"
#define DEFAULT_LIST "system.posix_acl_default"
#define LIFETIME     PROPERTIES_POLICY "lifetime"
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

static const struct property *find(const struct properties *properties, const char *name)
{
	for (size_t i = 0; i < properties->n; i++)
		if (strcmp(properties->attributes[i].name, name) == 0)
			return &properties->attributes[i];
	return NULL;
}

static bool is_brief(const struct property *attribute)
{
	static const char *const values[] = {"last-close", "owner"};

	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
		if (attribute->length == strlen(values[i]) &&
		    memcmp(attribute->value, values[i], attribute->length) == 0)
			return true;
	return false;
}

bool properties_has_brief_life(const struct properties *properties)
{
	const struct property *lifetime = find(properties, LIFETIME);

	return lifetime && is_brief(lifetime);
}

static bool is_left_out(const struct property *attribute, unsigned int flags)
{
	if (flags & PROPERTIES_NO_POLICY && is_policy(attribute->name))
		return true;
	return flags & PROPERTIES_NO_BRIEF && strcmp(attribute->name, LIFETIME) == 0 && is_brief(attribute);
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
	uid_t user = properties->uid;

	if (properties->user)
		text_find_user(properties->user, &user);
	return user;
}

static gid_t find_group(const struct properties *properties)
{
	gid_t group = properties->gid;

	if (properties->group)
		text_find_group(properties->group, &group);
	return group;
}

/* Another owner must not get the rights of bits that were meant for the first one. */
static uint32_t mode_for(const struct properties *properties, uid_t uid, gid_t gid)
{
	if (geteuid() != 0 && (uid != properties->uid || gid != properties->gid))
		return properties->mode & ~SET_ID;
	return properties->mode;
}

/* Sets the owner as root, and the mode that goes with it. */
static int set_owner(int fd, const struct properties *properties, const char **what)
{
	struct stat found;

	*what = "its owner";
	if (geteuid() == 0 && fchown(fd, find_user(properties), find_group(properties)) < 0)
		return -errno;
	*what = "its mode";
	if (fstat(fd, &found) < 0)
		return -errno;
	return fchmod(fd, mode_for(properties, found.st_uid, found.st_gid)) < 0 ? -errno : 0;
}

static int set_attributes(int fd, const struct properties *properties, bool policies, unsigned int flags,
			  const char **what)
{
	for (size_t i = 0; i < properties->n; i++) {
		const struct property *attribute = &properties->attributes[i];

		if (is_policy(attribute->name) != policies || is_left_out(attribute, flags))
			continue;
		*what = attribute->name;
		if (fsetxattr(fd, attribute->name, attribute->value, attribute->length, 0) < 0 &&
		    !(flags & PROPERTIES_ONLY_FILES))
			return -errno;
	}
	return 0;
}

int properties_set(int fd, const struct properties *properties, unsigned int flags, const char **what)
{
	const struct timespec times[] = {properties->atime, properties->mtime};
	int result = set_owner(fd, properties, what);

	/* an access control list is in the mode, too, so that it comes after */
	if (result == 0)
		result = set_attributes(fd, properties, false, flags, what);
	if (result == 0)
		result = set_attributes(fd, properties, true, flags, what);
	if (result == 0) {
		*what = "its times";
		if (futimens(fd, times) < 0 && !(flags & PROPERTIES_ONLY_FILES))
			result = -errno;
	}
	return result;
}

/* Whether all attributes of the first are in the second. */
static bool are_in(const struct properties *first, const struct properties *second, unsigned int flags)
{
	for (size_t i = 0; i < first->n; i++) {
		const struct property *attribute = &first->attributes[i];
		const struct property *other = find(second, attribute->name);

		if (is_left_out(attribute, flags))
			continue;
		if (!other || other->length != attribute->length ||
		    memcmp(other->value, attribute->value, attribute->length) != 0)
			return false;
	}
	return true;
}

bool properties_match(const struct properties *found, const struct properties *wanted, unsigned int flags)
{
	if (geteuid() == 0 && (found->uid != find_user(wanted) || found->gid != find_group(wanted)))
		return false;
	return found->mode == mode_for(wanted, found->uid, found->gid) && are_in(found, wanted, flags) &&
	       are_in(wanted, found, flags);
}
