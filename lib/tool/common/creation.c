// SPDX-License-Identifier: MIT
#include "lib/tool/common/creation.h"
#include "lib/client/internal.h"
#include "lib/tool/common/command.h"
#include "lib/tool/common/remedy.h"
#include "lib/tool/common/report.h"

#include <errno.h>
#include <string.h>

/* What a failure belongs to. */
enum step { OTHER, LIFETIME, OWNER, POLICY, LOAD };

struct progress {
	const struct creation *creation;
	enum step step;
};

/* What a directory has as its default would remove the segment as soon as this process ends. */
static bool ends_with_this(int fd)
{
	char value[POLICY_VALUE_MAX];

	if (attribute_get(fd, "lifetime", value, sizeof(value)) <= 0)
		return false;
	return strcmp(value, "last-close") == 0 || strcmp(value, "owner") == 0;
}

/* Those of segments are set by segfs_create(). */
static int set_object_policies(int fd, const struct creation *creation)
{
	int result = 0;

	for (uint32_t i = 0; i < creation->policies.n && result == 0; i++)
		result = attribute_set(fd, creation->policies.items[i].name,
				       creation->policies.items[i].value);
	return result;
}

static int fill(int fd, void *context)
{
	struct progress *progress = context;
	const struct creation *creation = progress->creation;
	int result = 0;

	progress->step = LIFETIME;
	if (!policies_find(&creation->policies, POLICY_LIFETIME) && ends_with_this(fd))
		return -ECANCELED;
	progress->step = LOAD;
	if (creation->load)
		result = load_copy(creation->load, fd, creation->has_size ? creation->size : INT64_MAX);
	if (result < 0)
		return result;
	progress->step = POLICY;
	if (creation->kind != SEGFS_SEGMENT)
		result = set_object_policies(fd, creation);
	if (result < 0)
		return result;
	progress->step = OWNER;
	/* last: it may take rights away */
	if ((creation->uid != (uid_t)-1 || creation->gid != (gid_t)-1) &&
	    fchown(fd, creation->uid, creation->gid) < 0)
		return -errno;
	progress->step = OTHER;
	return 0;
}

static int make(const char *name, const struct creation *creation, struct progress *progress)
{
	const struct segment_filling filling = {.fill = fill, .context = progress};
	const struct segfs_creation segment_creation = {
		.size = creation->size,
		.mode = creation->mode,
		.attributes = creation->policies.items,
		.n_attributes = creation->policies.n,
	};
	const struct segfs_object_creation object_creation = {
		.mode = creation->mode,
		.initial = creation->initial,
		.maximum = creation->maximum,
	};
	struct segfs_segment *segment;
	struct segfs_object *object;
	int result;

	if (creation->kind == SEGFS_SEGMENT) {
		result = segment_create(name, &segment_creation, &filling, &segment);
		if (result >= 0)
			segfs_close(segment);
	} else {
		result = object_create(name, creation->kind, &object_creation, &filling, &object);
		if (result >= 0)
			segfs_object_close(object);
	}
	return result;
}

/* --- messages --- */

static int refuse_load(const struct tool *tool, const struct load *load, int error)
{
	static const struct remedy remedies[] = {
		{EFBIG, "it has more bytes than --size says; nothing was created"},
		{ESTALE, "it became shorter while it was read; nothing was created"},
		{ESPIPE, "it cannot be read twice, which is needed here; load a file"},
		{0},
	};

	return remedy_report(tool, load->name, error, remedies);
}

static int refuse(const struct tool *tool, const char *name, const struct progress *progress, int error)
{
	static const struct remedy remedies[] = {
		{ENOENT, "its directory does not exist; create that first, with mkdir"},
		{ENOTDIR, "a part of its path is no directory"},
		{EISDIR, "a name cannot end with a slash"},
		{EACCES, "you may not create names in its directory; ask the owner of that"},
		{EPERM, "names cannot be created in its directory like that; see segfs(7), SOURCES"},
		{EROFS, "names cannot be created there: it is read-only"},
		{ENOSPC, "there is no room for it; 'df' shows that of its directory"},
		{EFBIG, "a file cannot be that large"},
		{EINVAL, "such a segment cannot be created in its directory; see segfs(7), SOURCES"},
		{EOPNOTSUPP, "not possible there: policies are for stores of segfs, "
			     "and lock=mandatory is for mounts with -o mand"},
		{0},
	};

	switch (progress->step) {
	case LIFETIME:
		return report(tool, STATUS_NOT_AS_ASKED, name,
			      "its directory lets it end with segctl; add --policy lifetime=persistent or "
			      "lifetime=ttl:TIME");
	case OWNER:
		return error == -EPERM
			       ? report(tool, STATUS_NO_RIGHT, name,
					"only root can give it to another user, or to a group that you "
					"are not in")
			       : report_error(tool, name, error);
	case LOAD:
		if (progress->creation->load && progress->creation->load->has_failed)
			return refuse_load(tool, progress->creation->load, error);
		break;
	default:
		break;
	}
	if (error == -EOPNOTSUPP && progress->creation->kind != SEGFS_SEGMENT)
		return report(tool, STATUS_NOT_AS_ASKED, name,
			      "objects and policies are for stores, not for posix/, sysv/ and process/");
	if (error == -EINVAL && !progress->creation->has_size && progress->creation->load)
		return report(tool, STATUS_NOT_AS_ASKED, name,
			      "its size must be known before it is loaded; add --size");
	return remedy_report(tool, name, error, remedies);
}

int creation_make(const struct tool *tool, const char *name, const struct creation *creation, bool *exists)
{
	struct progress progress = {.creation = creation, .step = OTHER};
	const int result = make(name, creation, &progress);

	*exists = result == -EEXIST && progress.step == OTHER;
	if (*exists)
		return STATUS_NOT_AS_ASKED;
	return result < 0 ? refuse(tool, name, &progress, result) : STATUS_DONE;
}
