// SPDX-License-Identifier: MIT
#include "lib/tool/load_archive.h"
#include "lib/base/cleanup.h"
#include "lib/tool/common/command.h"
#include "lib/tool/common/depot.h"
#include "lib/tool/common/report.h"
#include "lib/tool/common/tar.h"
#include "lib/tool/common/text.h"
#include "lib/tool/load_member.h"
#include "lib/tool/loading.h"

#include <errno.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

/* Those that were read wait for the manifest. */
struct members {
	struct member *items;
	size_t n, max;
};

/* An archive that is read. */
struct reading {
	struct loading *loading;
	struct tar *tar;
	struct manifest manifest;
	size_t n_manifests;
	bool is_kept; /* hidden files stay for the next run */
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
	member = &members->items[members->n++];
	return member_init(member, name) < 0 ? NULL : member;
}

static void free_members(const struct loading *loading, struct members *members, bool is_kept)
{
	for (size_t i = 0; i < members->n; i++) {
		if (is_kept && members->items[i].landing)
			landing_keep(members->items[i].landing);
		member_free(loading, &members->items[i]);
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

/* A connection may have broken, and the next run has another one. */
static void keep_members(struct reading *reading)
{
	reading->is_kept = reading->loading->style.resume && reading->members.n > 0;
}

static int complain_of_archive(struct reading *reading, int error)
{
	struct loading *loading = reading->loading;

	progress_clear(&loading->progress);
	keep_members(reading);
	if (error == -EBADMSG)
		return report(
			loading->tool, STATUS_NOT_AS_ASKED, loading->source,
			"this is no archive of segctl save, or it is damaged (%s); nothing was loaded%s",
			tar_explain(reading->tar),
			reading->is_kept ? ", what was read is kept for --resume" : "");
	if (error == -EMFILE)
		return report(
			loading->tool, STATUS_NOT_AS_ASKED, loading->source,
			"it has more segments than files can be open; raise the limit by 'ulimit -n', or "
			"save to a directory; nothing was loaded");
	return report_error(loading->tool, loading->source, error);
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

/* NULL as long as the manifest was not read. */
static const struct manifest_entry *last_entry(const struct reading *reading, const char *name)
{
	size_t n;
	const size_t *same = manifest_find(&reading->manifest, name, &n);
	const struct manifest_entry *entry = same ? &reading->manifest.entries[same[n - 1]] : NULL;

	return entry && !entry->is_directory ? entry : NULL;
}

static int read_segment(struct reading *reading, const char *name, const char *quoted,
			const struct tar_member *found)
{
	struct loading *loading = reading->loading;
	struct member *member = add_member(&reading->members, name);
	char *const *known = member ? tsearch(member->name, &reading->names, compare_names) : NULL;
	int status, error;

	if (!known)
		return report_error(loading->tool, name, -ENOMEM);
	if (*known != member->name)
		return refuse(loading, quoted, "is there twice");
	progress_name(&loading->progress, name);
	status = member_read(loading, member, reading->tar, found, last_entry(reading, name), &error);
	if (error < 0)
		return complain_of_archive(reading, error);
	/* the rest may be possible */
	if (reading->failed == STATUS_DONE)
		reading->failed = status;
	return STATUS_DONE;
}

static int read_manifest(struct reading *reading, const struct tar_member *found)
{
	struct loading *loading = reading->loading;
	_cleanup_free_ char *text = NULL;
	int result;

	if (reading->n_manifests++ > 0)
		return report(loading->tool, STATUS_NOT_AS_ASKED, loading->source,
			      "it has two manifests; nothing was loaded");
	/* it was read ahead */
	if (reading->manifest.has_header)
		return STATUS_DONE;
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

static int check_header(struct reading *reading)
{
	if (reading->manifest.has_header)
		return STATUS_DONE;
	keep_members(reading);
	return report(reading->loading->tool, STATUS_NOT_AS_ASKED, reading->loading->source,
		      "it has no " MANIFEST_NAME ", so it is cut off, or 'segctl save' has not made it; "
		      "nothing was loaded, tar -x extracts it without checks");
}

static bool is_manifest(const struct tar_member *found)
{
	_cleanup_free_ char *copy = found->name ? strdup(found->name) : NULL;

	return copy && found->type == S_IFREG && strcmp(strip(copy), MANIFEST_NAME) == 0;
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
	if (is_manifest(found))
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

/*
 * Reads the manifest of an archive that is a file before the members, so that those that the mount has
 * already need not be read. The rest is checked when all is read.
 */
static int read_ahead(struct reading *reading, int fd)
{
	const off_t start = lseek(fd, 0, SEEK_CUR);
	struct tar_member found;
	struct stat attr;
	int status, result;

	if (start < 0 || fstat(fd, &attr) < 0 || !S_ISREG(attr.st_mode))
		return STATUS_DONE;
	result = tar_open(fd, &reading->tar);
	if (result < 0)
		return report_error(reading->loading->tool, reading->loading->source, result);
	do
		result = tar_next(reading->tar, &found);
	while (result > 0 && !is_manifest(&found));
	status = result < 0   ? complain_of_archive(reading, result)
		 : result > 0 ? read_manifest(reading, &found)
			      : STATUS_DONE;
	if (status == STATUS_DONE)
		status = check_header(reading);
	reading->n_manifests = 0;
	tar_free(reading->tar);
	reading->tar = NULL;
	if (status == STATUS_DONE && lseek(fd, start, SEEK_SET) < 0)
		status = report_error(reading->loading->tool, reading->loading->source, -errno);
	return status;
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
	const struct manifest_entry *entry;

	if (member->is_complete)
		return STATUS_DONE;
	entry = loading_find_entry(&reading->manifest, member->name, &member->checksum, &first);
	if (!entry)
		return loading_complain_of_damage(loading, member->name, first);
	if (loading_is_left_out(loading, entry))
		return STATUS_DONE;
	if (!loading->verifies)
		return member_publish(loading, &reading->manifest, member, entry);
	loading->n++;
	return STATUS_DONE;
}

static int finish_members(struct reading *reading)
{
	struct members *members = &reading->members;
	int status = check_header(reading);

	if (status == STATUS_DONE)
		status = check_members(reading);
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

static int read_members(struct reading *reading, int fd)
{
	struct tar_member member;
	int status = STATUS_DONE;
	int result = tar_open(fd, &reading->tar);

	if (result < 0)
		return report_error(reading->loading->tool, reading->loading->source, result);
	while (status == STATUS_DONE && (result = tar_next(reading->tar, &member)) > 0)
		status = take(reading, &member);
	return status == STATUS_DONE && result < 0 ? complain_of_archive(reading, result) : status;
}

int load_archive(struct loading *loading, int fd)
{
	struct reading reading = {.loading = loading};
	int status = STATUS_DONE;

	allow_descriptors();
	if (loading->style.resume && !loading->verifies)
		status = read_ahead(&reading, fd);
	if (status == STATUS_DONE)
		status = read_members(&reading, fd);
	if (status == STATUS_DONE)
		status = finish_members(&reading);
	tdestroy(reading.names, keep_name);
	free_members(loading, &reading.members, reading.is_kept);
	manifest_free(&reading.manifest);
	tar_free(reading.tar);
	return status == STATUS_DONE ? reading.failed : status;
}
