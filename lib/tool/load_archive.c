// SPDX-License-Identifier: MIT
#include "lib/tool/load_archive.h"
#include "lib/base/cleanup.h"
#include "lib/tool/common/command.h"
#include "lib/tool/common/depot.h"
#include "lib/tool/common/report.h"
#include "lib/tool/common/tar.h"
#include "lib/tool/common/text.h"
#include "lib/tool/loading.h"

#include <errno.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

/* A member that was read, and waits for the manifest. */
struct member {
	char *name;
	struct checksum checksum;
	struct landing *landing; /* NULL: it is only verified */
	bool is_failed;          /* it cannot be loaded, which was told */
};

struct members {
	struct member *items;
	size_t n, max;
};

/* An archive that is read. */
struct reading {
	struct loading *loading;
	struct tar *tar;
	struct manifest manifest;
	struct members members;
	void *names; /* of the members, for tsearch(3) */
	int failed;  /* the status of the first segment that cannot be loaded */
};

static struct member *add_member(struct members *members, const char *name)
{
	struct member *member;

	if (members->n == members->max) {
		const size_t max = members->max ? 2 * members->max : 16;
		struct member *larger = reallocarray(members->items, max, sizeof(*larger));

		if (!larger)
			return NULL;
		members->items = larger;
		members->max = max;
	}
	member = &members->items[members->n];
	*member = (struct member){.name = strdup(name)};
	if (!member->name || checksum_begin(&member->checksum) < 0) {
		free(member->name);
		return NULL;
	}
	members->n++;
	return member;
}

static void free_members(const struct loading *loading, struct members *members)
{
	for (size_t i = 0; i < members->n; i++) {
		struct member *member = &members->items[i];

		if (member->landing)
			landing_end(loading->tool, member->landing);
		free(member->landing);
		free(member->name);
		checksum_free(&member->checksum);
	}
	free(members->items);
}

/* tar(1) of a directory writes "./NAME", and "NAME/" for a directory. name: changed. */
static const char *strip(char *name)
{
	size_t length = strlen(name);

	while (length > 1 && name[length - 1] == '/')
		name[--length] = '\0';
	return strncmp(name, "./", 2) == 0 ? name + 2 : name;
}

static int complain_of_archive(struct reading *reading, int error)
{
	struct loading *loading = reading->loading;

	progress_clear(&loading->progress);
	if (error == -EBADMSG)
		return report(loading->tool, STATUS_NOT_AS_ASKED, loading->source,
			      "this is no archive of segctl save, or it is damaged (%s); nothing was loaded",
			      tar_explain(reading->tar));
	return report_error(loading->tool, loading->source, error);
}

/* Opens what receives the data of a member. A segment that cannot be loaded does not keep others from it. */
static int begin_member(struct loading *loading, struct member *member, const struct tar_member *found)
{
	char target[PATH_MAX];
	int result = loading_target(loading, member->name, target);

	if (loading->verifies)
		return STATUS_DONE;
	member->landing = malloc(sizeof(*member->landing));
	if (!member->landing)
		result = -ENOMEM;
	if (result == 0)
		result = landing_begin(loading->tool, target, &loading->style, true, member->landing);
	else if (member->landing)
		member->landing->fd = -1;
	if (result == 0 && ftruncate(member->landing->fd, (off_t)found->size) < 0)
		result = -errno;
	return result < 0 ? loading_complain(loading, target, result, NULL) : STATUS_DONE;
}

static int refuse(struct loading *loading, const char *name, const char *why)
{
	progress_clear(&loading->progress);
	return report(loading->tool, STATUS_NOT_AS_ASKED, loading->source,
		      "its member %s %s; nothing was loaded", name, why);
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(a, b);
}

static void keep_name(void *name)
{
	(void)name;
}

static int read_segment(struct reading *reading, const char *name, const char *quoted,
			const struct tar_member *found)
{
	struct loading *loading = reading->loading;
	struct member *member = add_member(&reading->members, name);
	char *const *known = member ? tsearch(member->name, &reading->names, compare_names) : NULL;
	bool is_target;
	int status, result;

	if (!known)
		return report_error(loading->tool, name, -ENOMEM);
	if (*known != member->name)
		return refuse(loading, quoted, "is there twice");
	progress_name(&loading->progress, name);
	status = begin_member(loading, member, found);
	if (status == STATUS_DONE) {
		result = tar_read(reading->tar, found, member->landing ? member->landing->fd : -1,
				  &member->checksum, &loading->progress, &is_target);
		if (result == 0)
			return STATUS_DONE;
		if (!is_target)
			return complain_of_archive(reading, result);
		status = loading_complain(loading, member->landing->name, result, NULL);
	}
	/* the rest may be possible */
	member->is_failed = true;
	if (member->landing)
		landing_end(loading->tool, member->landing);
	if (reading->failed == STATUS_DONE)
		reading->failed = status;
	return STATUS_DONE;
}

static int read_manifest(struct reading *reading, const struct tar_member *found)
{
	struct loading *loading = reading->loading;
	_cleanup_free_ char *text = NULL;
	int result;

	if (reading->manifest.has_header)
		return report(loading->tool, STATUS_NOT_AS_ASKED, loading->source,
			      "it has two manifests; nothing was loaded");
	result = tar_read_text(reading->tar, found, DEPOT_MANIFEST_MAX, &text);
	if (result < 0)
		return complain_of_archive(reading, result);
	return depot_parse(loading->tool, loading->source, text, found->size, &reading->manifest);
}

static const char *type_of(mode_t type)
{
	switch (type) {
	case S_IFLNK:
		return "is a symbolic link";
	case S_IFIFO:
		return "is a fifo";
	case S_IFCHR:
	case S_IFBLK:
		return "is a device";
	default:
		return "is a hard link or no regular file";
	}
}

static int take(struct reading *reading, const struct tar_member *found)
{
	struct loading *loading = reading->loading;
	_cleanup_free_ char *copy = found->name ? strdup(found->name) : NULL;
	const char *name = copy ? strip(copy) : NULL;
	_cleanup_free_ char *quoted = name ? text_quote(name) : NULL;

	if (!name || !quoted)
		return refuse(loading, "?", "has no name");
	if (found->type == S_IFDIR && strcmp(name, ".") == 0)
		return STATUS_DONE;
	if (found->type == S_IFREG && strcmp(name, MANIFEST_NAME) == 0)
		return read_manifest(reading, found);
	if (!manifest_is_name(name))
		return refuse(loading, quoted,
			      "would not lie below the mount, or has the name of a hidden file");
	if (found->type != S_IFREG && found->type != S_IFDIR)
		return refuse(loading, quoted, type_of(found->type));
	if (found->type == S_IFDIR || !loading_is_wanted(loading, name))
		return STATUS_DONE;
	if (found->size > INT64_MAX)
		return refuse(loading, quoted, "has no valid size");
	return read_segment(reading, name, quoted, found);
}

static int compare_members(const void *a, const void *b)
{
	return strcmp(((const struct member *)a)->name, ((const struct member *)b)->name);
}

/* All members have an entry before any is published. */
static int check_members(struct reading *reading)
{
	struct loading *loading = reading->loading;
	struct members *members = &reading->members;

	if (!reading->manifest.has_header)
		return report(loading->tool, STATUS_NOT_AS_ASKED, loading->source,
			      "it has no " MANIFEST_NAME
			      ", so it is cut off, or 'segctl save' has not made it; "
			      "nothing was loaded, tar -x extracts it without checks");
	if (members->n > 0)
		qsort(members->items, members->n, sizeof(*members->items), compare_members);
	for (size_t i = 0; i < members->n; i++) {
		_cleanup_free_ char *quoted = text_quote(members->items[i].name);
		size_t n;

		if (!manifest_find(&reading->manifest, members->items[i].name, &n))
			return refuse(loading, quoted ? quoted : "?", "is not in the manifest");
	}
	return STATUS_DONE;
}

static const struct member *find_member(const struct members *members, char *name)
{
	const struct member key = {.name = name};

	return members->n == 0 ? NULL
			       : bsearch(&key, members->items, members->n, sizeof(key), compare_members);
}

/* What the manifest has, and the archive has not. */
static int check_manifest(struct reading *reading)
{
	struct loading *loading = reading->loading;
	int status = STATUS_DONE;

	for (size_t i = 0; i < reading->manifest.n; i++) {
		const struct manifest_entry *entry = &reading->manifest.entries[i];

		if (!entry->is_directory && loading_is_wanted(loading, entry->name) &&
		    !find_member(&reading->members, entry->name))
			status = loading_complain_of_source(loading, entry->name, -ENOENT);
	}
	return status;
}

static int finish_member(struct reading *reading, struct member *member)
{
	struct loading *loading = reading->loading;
	uint64_t first = 0;
	struct manifest_entry *entry =
		loading_find_entry(&reading->manifest, member->name, &member->checksum, &first);

	if (!entry)
		return loading_complain_of_damage(loading, member->name, first);
	if (loading_is_left_out(loading, entry))
		return STATUS_DONE;
	if (member->landing)
		return loading_publish(loading, &reading->manifest, entry, member->landing,
				       member->landing->fd);
	loading->n++;
	return STATUS_DONE;
}

static int finish_members(struct reading *reading)
{
	struct members *members = &reading->members;
	int status = check_members(reading);

	if (status != STATUS_DONE)
		return status;
	status = check_manifest(reading);
	for (size_t i = 0; i < members->n; i++) {
		const int one = members->items[i].is_failed ? STATUS_DONE
							    : finish_member(reading, &members->items[i]);

		if (status == STATUS_DONE)
			status = one;
	}
	return status;
}

/* Each member that waits has a descriptor. */
static void allow_descriptors(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

int load_archive(struct loading *loading, int fd)
{
	struct reading reading = {.loading = loading};
	struct tar_member member;
	int result = tar_open(fd, &reading.tar);
	int status = STATUS_DONE;

	if (result < 0)
		return report_error(loading->tool, loading->source, result);
	allow_descriptors();
	while (status == STATUS_DONE && (result = tar_next(reading.tar, &member)) > 0)
		status = take(&reading, &member);
	if (status == STATUS_DONE && result < 0)
		status = complain_of_archive(&reading, result);
	if (status == STATUS_DONE)
		status = finish_members(&reading);
	tdestroy(reading.names, keep_name);
	free_members(loading, &reading.members);
	manifest_free(&reading.manifest);
	tar_free(reading.tar);
	return status == STATUS_DONE ? reading.failed : status;
}
