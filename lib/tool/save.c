// SPDX-License-Identifier: MIT
/* segctl save: segments to a directory, or to an archive of tar(1). */
#include "lib/base/cleanup.h"
#include "lib/tool/common/command.h"
#include "lib/tool/common/copying.h"
#include "lib/tool/common/depot.h"
#include "lib/tool/common/filelock.h"
#include "lib/tool/common/objects.h"
#include "lib/tool/common/place.h"
#include "lib/tool/common/progress.h"
#include "lib/tool/common/report.h"
#include "lib/tool/common/selection.h"
#include "lib/tool/common/survey.h"
#include "lib/tool/common/tar.h"
#include "lib/tool/common/text.h"
#include "lib/tool/common/tool.h"
#include "lib/tool/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct settings {
	struct option_number timeout;
	bool nonblock, resume, replace, objects, quiet;
};

/* What one call works on. */
struct saving {
	struct tool *tool;
	const struct settings *settings;
	const struct survey *survey;
	struct progress progress;
	const char *target;  /* as the user has named it */
	struct depot *depot; /* to a directory: &opened */
	struct depot opened;
	struct tar *tar;          /* to an archive */
	FILE *manifest;           /* ... its manifest, in memory */
	bool is_broken;           /* nothing more can be written */
	bool *is_saved;           /* by the index of the subject */
	char directory[PATH_MAX]; /* the last one that was saved */
	size_t n;
	uint64_t bytes; /* of data */
};

/* --- messages --- */

static int complain(struct saving *saving, const char *name, int error)
{
	progress_clear(&saving->progress);
	switch (error) {
	case -ENODATA:
		return report(saving->tool, STATUS_NOT_AS_ASKED, name,
			      "it became shorter while it was saved; save it again");
	case -EAGAIN:
		return report(saving->tool, STATUS_NOT_AS_ASKED, name,
			      "a process has locked it; %s waits, .segfs/locks shows who has",
			      saving->settings->nonblock ? "without --nonblock the command"
							 : "a longer --timeout");
	case -EEXIST:
		return report(saving->tool, STATUS_NOT_AS_ASKED, name,
			      "it is saved there already; --replace saves it again, --resume leaves out "
			      "what is complete");
	default:
		return report_error(saving->tool, name, error);
	}
}

static int complain_of_target(struct saving *saving, const char *name, int error)
{
	progress_clear(&saving->progress);
	saving->is_broken = saving->tar || error == -ENOSPC || error == -EDQUOT;
	if (saving->tar && error == -EBADMSG)
		return report(saving->tool, STATUS_NOT_AS_ASKED, saving->target, "%s",
			      tar_explain(saving->tar));
	return depot_report(saving->tool, saving->target, saving->tar ? NULL : name, error);
}

static void note(struct saving *saving, const char *name, const char *text)
{
	progress_clear(&saving->progress);
	if (!saving->settings->quiet)
		report(saving->tool, STATUS_DONE, name, "%s", text);
}

/* --- a segment --- */

/* A segment, opened and locked, and its line of the manifest. */
struct source {
	int fd;
	struct manifest_entry entry;
};

static void close_source(struct source *source)
{
	if (source->fd >= 0)
		close(source->fd);
	manifest_entry_free(&source->entry);
}

/* Returns 0; a negative errno. The caller releases source in any case. */
static int open_source(struct saving *saving, const struct subject *subject, struct source *source)
{
	struct stat found;
	int result;

	*source = (struct source){.fd = place_open_file(saving->tool->mount_fd, subject->name, O_RDONLY)};
	if (source->fd < 0)
		return source->fd;
	result = filelock_take_all(source->fd, false,
				   filelock_timeout(saving->settings->nonblock, &saving->settings->timeout));
	if (result < 0)
		return result;
	if (fstat(source->fd, &found) < 0)
		return -errno;
	source->entry.name = strdup(subject->name);
	source->entry.kind = strdup(subject->kind);
	result = checksum_begin(&source->entry.checksum);
	source->entry.checksum.size = (uint64_t)found.st_size;
	if (result < 0 || !source->entry.name || !source->entry.kind)
		return -ENOMEM;
	return properties_get(source->fd, &source->entry.properties);
}

/* --- directories above segments --- */

/* The line of a directory as a manifest has it already. */
static bool is_known(const struct saving *saving, const struct manifest_entry *entry)
{
	size_t n;
	const size_t *known = saving->depot ? manifest_find(&saving->depot->manifest, entry->name, &n) : NULL;
	_cleanup_free_ char *line = NULL;
	_cleanup_free_ char *before = NULL;

	if (!known)
		return false;
	line = manifest_line(entry);
	before = manifest_line(&saving->depot->manifest.entries[known[n - 1]]);
	return line && before && strcmp(line, before) == 0;
}

static int write_line(FILE *file, const struct manifest_entry *entry)
{
	_cleanup_free_ char *line = manifest_line(entry);

	return line && fputs(line, file) >= 0 ? 0 : -ENOMEM;
}

/* Creates a directory of the target, whatever mode the one of the mount has: the manifest has that. */
static int make_directory(const struct depot *depot, const char *name, uint32_t mode)
{
	const char *last;
	_cleanup_close_ int dir_fd = place_open_directory(depot->dir_fd, name, &last);

	if (dir_fd < 0)
		return dir_fd;
	return mkdirat(dir_fd, last, (mode & 0777) | 0700) < 0 && errno != EEXIST ? -errno : 0;
}

static int save_directory(struct saving *saving, const char *name)
{
	_cleanup_close_ int fd = place_open_part(saving->tool->mount_fd, name, strlen(name));
	struct manifest_entry entry = {.is_directory = true};
	int result;

	if (fd < 0)
		return fd;
	entry.name = strdup(name);
	result = entry.name ? properties_get(fd, &entry.properties) : -ENOMEM;
	/* whoever lists it changes it */
	entry.properties.atime = entry.properties.mtime;
	if (result == 0 && saving->tar)
		result = tar_add_directory(saving->tar, name, &entry.properties);
	if (result == 0 && saving->tar)
		result = write_line(saving->manifest, &entry);
	if (result == 0 && saving->depot)
		result = make_directory(saving->depot, name, entry.properties.mode);
	if (result == 0 && saving->depot && !is_known(saving, &entry))
		result = depot_append(saving->depot, &entry);
	manifest_entry_free(&entry);
	return result;
}

/* Saves the directories above a segment, except for those that were saved for the one before. */
static int save_directories(struct saving *saving, const char *name)
{
	int result = 0;

	for (const char *slash = strchr(name, '/'); slash && result == 0; slash = strchr(slash + 1, '/')) {
		const size_t length = (size_t)(slash - name);
		char directory[PATH_MAX];

		if (strncmp(saving->directory, name, length) == 0 &&
		    (saving->directory[length] == '/' || saving->directory[length] == '\0'))
			continue;
		snprintf(directory, sizeof(directory), "%.*s", (int)length, name);
		result = save_directory(saving, directory);
		snprintf(saving->directory, sizeof(saving->directory), "%s", directory);
	}
	return result;
}

/* --- to a directory --- */

/* Whether the file of a name is one that the manifest describes. Returns 1, 0 or a negative errno. */
static int is_complete(struct saving *saving, const char *name)
{
	_cleanup_close_ int fd = place_open_file(saving->depot->dir_fd, name, O_RDONLY);
	const struct manifest *manifest = &saving->depot->manifest;
	struct checksum checksum;
	struct stat found;
	struct copying copying = {.to = -1, .checksum = &checksum, .progress = &saving->progress};
	uint64_t first;
	bool is_target;
	size_t n = 0;
	const size_t *known = manifest_find(manifest, name, &n);
	int result;

	if (fd < 0 || !known)
		return fd < 0 && fd != -ENOENT ? fd : 0;
	if (fstat(fd, &found) < 0)
		return -errno;
	copying.from = fd;
	copying.size = (uint64_t)found.st_size;
	result = checksum_begin(&checksum);
	if (result == 0)
		result = copying_run(&copying, &is_target);
	while (result == 0 && n > 0) {
		const struct manifest_entry *entry = &manifest->entries[known[--n]];

		result = !entry->is_directory && checksum_equals(&checksum, &entry->checksum, &first);
	}
	checksum_free(&checksum);
	return result;
}

/* A file of the owner's, whatever the mode of the segment: the manifest has all of it. */
static int complete_file(int fd, const struct properties *properties)
{
	struct properties kept = *properties;
	const char *what;

	kept.mode = (kept.mode & 0777) | 0400;
	return properties_set(fd, &kept, PROPERTIES_NO_POLICY | PROPERTIES_ONLY_FILES, &what);
}

/* Fills the file, and gives it its name; first the manifest learns of it. Returns a STATUS_*. */
static int fill(struct saving *saving, struct source *source, int dir_fd, int fd, bool is_resumed)
{
	const char *name = source->entry.name;
	const char *last = strrchr(name, '/') ? strrchr(name, '/') + 1 : name;
	const struct copying copying = {
		.from = source->fd,
		.to = fd,
		.size = source->entry.checksum.size,
		.may_have_data = is_resumed,
		.checksum = &source->entry.checksum,
		.progress = &saving->progress,
	};
	bool is_target;
	int result = ftruncate(fd, (off_t)copying.size) < 0 ? -errno : 0;

	if (result < 0)
		return complain_of_target(saving, name, result);
	result = copying_run(&copying, &is_target);
	if (result < 0)
		return is_target ? complain_of_target(saving, name, result) : complain(saving, name, result);
	result = complete_file(fd, &source->entry.properties);
	if (result == 0)
		result = depot_append(saving->depot, &source->entry);
	if (result == 0)
		result = place_publish(dir_fd, name, dir_fd, last, saving->settings->replace);
	return result < 0 ? complain_of_target(saving, name, result) : STATUS_DONE;
}

static int save_to_directory(struct saving *saving, struct source *source)
{
	const char *name = source->entry.name;
	const char *last;
	_cleanup_close_ int dir_fd = place_open_directory(saving->depot->dir_fd, name, &last);
	_cleanup_close_ int fd = -1;
	bool is_resumed = false;
	int status;

	if (dir_fd >= 0) {
		if (!saving->settings->resume)
			place_sweep(dir_fd);
		fd = place_create(dir_fd, name, saving->settings->resume, &is_resumed);
	}
	if (dir_fd < 0 || fd < 0)
		return complain_of_target(saving, name, dir_fd < 0 ? dir_fd : fd);
	status = fill(saving, source, dir_fd, fd, is_resumed);
	if (status != STATUS_DONE)
		place_remove(dir_fd, name);
	return status;
}

/* What a directory has of a segment already. Returns 0: nothing; 1: it is complete; -EEXIST; an errno. */
static int look_at_target(struct saving *saving, const char *name)
{
	struct stat found;
	int result;

	if (saving->settings->resume) {
		result = is_complete(saving, name);
		if (result != 0)
			return result;
	}
	if (fstatat(saving->depot->dir_fd, name, &found, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT || errno == ENOTDIR ? 0 : -errno;
	return saving->settings->replace ? 0 : -EEXIST;
}

/* --- to an archive --- */

static int save_to_archive(struct saving *saving, struct source *source)
{
	struct manifest_entry *entry = &source->entry;
	bool is_source;
	int result = tar_add_file(saving->tar, entry->name, &entry->properties, source->fd,
				  entry->checksum.size, &entry->checksum, &saving->progress, &is_source);

	if (result < 0 && is_source) {
		saving->is_broken = true;
		return complain(saving, entry->name, result);
	}
	if (result == 0)
		result = write_line(saving->manifest, entry);
	return result < 0 ? complain_of_target(saving, entry->name, result) : STATUS_DONE;
}

/* --- all --- */

static int save_one(struct saving *saving, const struct subject *subject)
{
	struct source source;
	int status, result = 0;

	if (!manifest_is_name(subject->name)) {
		progress_clear(&saving->progress);
		return report(saving->tool, STATUS_NOT_AS_ASKED, subject->name,
			      "its path is too long, or a part of it begins with " PLACE_PREFIX
			      ", as only hidden names do; rename that, and save it again");
	}
	progress_name(&saving->progress, subject->name);
	if (saving->depot)
		result = look_at_target(saving, subject->name);
	if (result > 0)
		return STATUS_DONE;
	if (result < 0)
		return result == -EEXIST ? complain(saving, subject->name, result)
					 : complain_of_target(saving, subject->name, result);
	result = open_source(saving, subject, &source);
	if (result < 0) {
		close_source(&source);
		return complain(saving, subject->name, result);
	}
	result = save_directories(saving, subject->name);
	if (result < 0)
		status = complain_of_target(saving, subject->name, result);
	else if (saving->depot)
		status = save_to_directory(saving, &source);
	else
		status = save_to_archive(saving, &source);
	if (status == STATUS_DONE) {
		saving->is_saved[subject - saving->survey->subjects] = true;
		saving->n++;
	}
	close_source(&source);
	return status;
}

static int save_all(struct saving *saving)
{
	int status = STATUS_DONE;

	for (size_t i = 0; i < saving->survey->n && !saving->is_broken; i++) {
		const struct subject *subject = &saving->survey->subjects[i];
		int one;

		if (objects_is_kind(subject->kind) && !saving->settings->objects) {
			note(saving, subject->name,
			     "left out: it is a synchronization object, whose state is that of running "
			     "processes; --objects saves it");
			continue;
		}
		one = save_one(saving, subject);
		if (status == STATUS_DONE)
			status = one;
	}
	return status;
}

/* --- the target --- */

static bool was_saved(const char *name, const void *context)
{
	const struct saving *saving = context;
	size_t low = 0, high = saving->survey->n;

	while (low < high) {
		const size_t middle = (low + high) / 2;
		const int order = strcmp(saving->survey->subjects[middle].name, name);

		if (order == 0)
			return saving->is_saved[middle];
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return false;
}

/* What runs that were killed have left in the directories of this one; what they began was resumed. */
static void sweep(struct saving *saving)
{
	for (size_t i = 0; i < saving->survey->n; i++) {
		const char *last;
		const int dir_fd =
			place_open_directory(saving->depot->dir_fd, saving->survey->subjects[i].name, &last);

		if (dir_fd < 0)
			continue;
		place_sweep(dir_fd);
		close(dir_fd);
	}
}

static int fill_directory(struct saving *saving)
{
	struct depot *depot = &saving->opened;
	int status = depot_open(saving->tool, saving->target, true, depot);
	int result;

	saving->depot = depot;
	if (status == STATUS_DONE) {
		status = save_all(saving);
		if (saving->settings->resume && status == STATUS_DONE)
			sweep(saving);
		result = depot_compact(depot, was_saved, saving);
		if (result == 0 && syncfs(depot->manifest_fd) < 0)
			result = -errno;
		if (result < 0 && status == STATUS_DONE)
			status = complain_of_target(saving, MANIFEST_NAME, result);
	}
	depot_close(depot);
	return status;
}

/*
 * The manifest is the last member, since sums are known when all is written. text, length: of it, once it is
 * flushed.
 */
static int finish_archive(struct saving *saving, char *const *text, const size_t *length)
{
	int result = fflush(saving->manifest) == 0 ? 0 : -ENOMEM;

	if (result == 0)
		result = tar_add_text(saving->tar, MANIFEST_NAME, *text, *length);
	if (result == 0)
		result = tar_finish(saving->tar);
	return result < 0 ? complain_of_target(saving, NULL, result) : STATUS_DONE;
}

/* An archive of which a member is not complete is of no use. */
static int fill_archive(struct saving *saving, int fd)
{
	_cleanup_free_ char *header = manifest_header();
	char *text = NULL;
	size_t length = 0;
	int status = STATUS_NOT_AS_ASKED;
	const int result = tar_create(fd, &saving->tar);

	if (result < 0)
		return report_error(saving->tool, saving->target, result);
	saving->manifest = open_memstream(&text, &length);
	if (!saving->manifest || !header || fputs(header, saving->manifest) < 0) {
		report_error(saving->tool, NULL, -ENOMEM);
		saving->is_broken = true;
	} else {
		status = save_all(saving);
	}
	if (!saving->is_broken) {
		const int finished = finish_archive(saving, &text, &length);

		status = status == STATUS_DONE ? finished : status;
	}
	tar_free(saving->tar);
	if (saving->manifest)
		fclose(saving->manifest);
	free(text);
	return status;
}

static int save_to_stream(struct saving *saving)
{
	if (saving->tool->is_terminal)
		return report(saving->tool, STATUS_USAGE, "-",
			      "an archive is not for a terminal; redirect the output to a file or a pipe");
	saving->target = "standard output";
	return fill_archive(saving, STDOUT_FILENO);
}

static int save_to_tar_file(struct saving *saving)
{
	const char *slash = strrchr(saving->target, '/');
	const char *last = slash ? slash + 1 : saving->target;
	const bool replaces = saving->settings->replace;
	char directory[PATH_MAX] = ".";
	_cleanup_close_ int dir_fd = -1;
	_cleanup_close_ int fd = -1;
	struct stat found;
	bool is_resumed;
	int status, result;

	if (slash && slash - saving->target >= PATH_MAX - 1)
		return depot_report(saving->tool, saving->target, NULL, -ENAMETOOLONG);
	if (slash)
		snprintf(directory, sizeof(directory), "%.*s/", (int)(slash - saving->target),
			 saving->target);
	dir_fd = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir_fd < 0)
		return depot_report(saving->tool, directory, NULL, -errno);
	if (!replaces && fstatat(dir_fd, last, &found, AT_SYMLINK_NOFOLLOW) == 0)
		return depot_report(saving->tool, saving->target, NULL, -EEXIST);
	place_sweep(dir_fd);
	fd = place_create(dir_fd, last, false, &is_resumed);
	if (fd < 0)
		return depot_report(saving->tool, saving->target, NULL, fd);
	status = fill_archive(saving, fd);
	if (saving->is_broken || (saving->n == 0 && status != STATUS_DONE)) {
		place_remove(dir_fd, last);
		return status;
	}
	result = fsync(fd) < 0 || fchmod(fd, 0600) < 0 ? -errno : 0;
	if (result == 0)
		result = place_publish(dir_fd, last, dir_fd, last, replaces);
	if (result == 0)
		return status;
	place_remove(dir_fd, last);
	return depot_report(saving->tool, saving->target, NULL, result);
}

static bool is_archive(const char *target)
{
	const size_t length = strlen(target);
	struct stat found;

	return length > 4 && strcmp(target + length - 4, ".tar") == 0 &&
	       !(stat(target, &found) == 0 && S_ISDIR(found.st_mode));
}

static int save(struct saving *saving)
{
	if (saving->settings->resume && (strcmp(saving->target, "-") == 0 || is_archive(saving->target)))
		return report(saving->tool, STATUS_USAGE, "--resume",
			      "an archive cannot be continued; save to a directory");
	if (strcmp(saving->target, "-") == 0)
		return save_to_stream(saving);
	return is_archive(saving->target) ? save_to_tar_file(saving) : fill_directory(saving);
}

/* --- the command --- */

/* Names below one mount. Returns a STATUS_*. */
static int find_names(struct tool *tool, char **argv, size_t n, const char **names)
{
	char mount[PATH_MAX] = "";

	for (size_t i = 0; i < n; i++) {
		const int status = tool_find_name(tool, argv[i], *argv[i] != '/', &names[i]);

		if (status != STATUS_DONE)
			return status;
		if (*mount && strcmp(mount, tool->mount) != 0)
			return report(tool, STATUS_USAGE, argv[i],
				      "it is on another mount than the names before; save it by itself");
		snprintf(mount, sizeof(mount), "%s", tool->mount);
		/* the path of the mount itself */
		if (*argv[i] == '/' && *names[i] == '\0')
			names[i] = "*";
	}
	return STATUS_DONE;
}

/* Leaves those that are meant. Reports names for which there is nothing. */
static int choose(struct tool *tool, struct survey *survey, const char *const *names, size_t n)
{
	bool *is_matched = calloc(n + 1, sizeof(bool));
	int status = STATUS_DONE;
	size_t kept = 0;

	if (!is_matched)
		return report_error(tool, NULL, -ENOMEM);
	for (size_t i = 0; i < survey->n; i++) {
		struct subject *subject = &survey->subjects[i];
		bool is_meant = false;

		for (size_t j = 0; j < n; j++)
			if (selection_matches(names[j], subject->name))
				is_meant = is_matched[j] = true;
		if (is_meant && !place_is_hidden(subject->name))
			survey->subjects[kept++] = *subject;
		else
			subject_free(subject);
	}
	survey->n = kept;
	for (size_t j = 0; j < n; j++)
		if (!is_matched[j])
			status = report(tool, STATUS_NOT_AS_ASKED, names[j],
					survey->unreadable
						? "there is no such segment that you may see"
						: "there is no such segment; 'segctl ls' lists all");
	free(is_matched);
	return status;
}

/* Whether a survey of these names finds all that is meant. */
static bool are_plain(const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (selection_is_pattern(names[i]))
			return false;
	return true;
}

static uint64_t count_bytes(const struct survey *survey)
{
	uint64_t total = 0;

	for (size_t i = 0; i < survey->n; i++) {
		const struct subject *subject = &survey->subjects[i];
		const uint64_t size = (uint64_t)subject->attr.st_size;
		const uint64_t resident = subject->resident < 0 ? size : (uint64_t)subject->resident;

		total += resident > size ? size : resident;
	}
	return total;
}

static int run(struct tool *tool, void *given, int argc, char **argv)
{
	const size_t n = (size_t)argc - 1;
	_cleanup_free_ const char **names = calloc(n + 1, sizeof(*names));
	struct survey_request request = {.facts = FACT_KIND};
	struct survey survey;
	struct saving saving = {.tool = tool, .settings = given, .survey = &survey, .target = argv[n]};
	int status, missing;

	if (!names)
		return report_error(tool, NULL, -ENOMEM);
	status = find_names(tool, argv, n, names);
	if (status == STATUS_DONE && are_plain(names, n)) {
		request.patterns = names;
		request.n_patterns = n;
	}
	if (status == STATUS_DONE)
		status = survey_take(tool, &request, &survey);
	if (status != STATUS_DONE)
		return status;
	missing = choose(tool, &survey, names, n);
	saving.is_saved = calloc(survey.n + 1, sizeof(bool));
	progress_begin(&saving.progress, saving.settings->quiet, count_bytes(&survey));
	if (!saving.is_saved)
		status = report_error(tool, NULL, -ENOMEM);
	else if (survey.n > 0)
		status = save(&saving);
	progress_end(&saving.progress);
	free(saving.is_saved);
	survey_free(&survey);
	return status == STATUS_DONE ? missing : status;
}

static const struct command_option options[] = {
	COMMAND_OPTION(OPTION_FLAG, settings, replace, "replace", 0, NULL, "replace what is saved there"),
	COMMAND_OPTION(OPTION_FLAG, settings, resume, "resume", 0, NULL,
		       "continue: leave out what is complete there"),
	COMMAND_OPTION(OPTION_FLAG, settings, objects, "objects", 0, NULL, "synchronization objects, too"),
	COMMAND_OPTION(OPTION_TIME, settings, timeout, "timeout", 't', "TIME",
		       "wait so long for the lock of a segment"),
	COMMAND_OPTION(OPTION_FLAG, settings, nonblock, "nonblock", 'n', NULL, "do not wait for it"),
	COMMAND_OPTION(OPTION_FLAG, settings, quiet, "quiet", 'q', NULL, "no progress, no notes"),
	{0},
};

const struct command save_command = {
	.name = "save",
	.arguments = "NAME... DIRECTORY|FILE.tar|-",
	.summary = "Saves segments with policies, attributes, access lists and checksums",
	.options = options,
	.more = "NAME is a segment, a directory, or a pattern of glob(7). Holes stay holes.\n\n"
		"Examples:\n"
		"  segctl save video/ring /backup              to /backup/video/ring\n"
		"  segctl save 'video/*' video.tar\n"
		"  segctl save video - | ssh HOST segctl load -\n"
		"  segctl save --resume '*' /backup            all, after an interruption\n",
	.settings_size = sizeof(struct settings),
	.min = 2,
	.max = SIZE_MAX,
	.completes = ARGUMENT_NAMES,
	.run = run,
};
