// SPDX-License-Identifier: MIT
#include "lib/tool/save_archive.h"
#include "lib/base/cleanup.h"
#include "lib/tool/common/command.h"
#include "lib/tool/common/depot.h"
#include "lib/tool/common/place.h"
#include "lib/tool/common/report.h"
#include "lib/tool/common/tar.h"
#include "lib/tool/common/tool.h"
#include "lib/tool/saving.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* An archive that is written. */
struct writing {
	struct tar *tar;
	FILE *manifest; /* in memory until the end */
};

static struct writing *writing_of(const struct saving *saving)
{
	return saving->target->context;
}

/* An archive of which a member is not complete is of no use. */
static int complain(struct saving *saving, const char *name, int error)
{
	(void)name;
	progress_clear(&saving->progress);
	saving->is_broken = true;
	if (error == -EBADMSG)
		return report(saving->tool, STATUS_NOT_AS_ASKED, saving->path, "%s",
			      tar_explain(writing_of(saving)->tar));
	return depot_report(saving->tool, saving->path, NULL, error);
}

/* --- members --- */

/* A new archive has nothing. */
static int look(struct saving *saving, const char *name)
{
	(void)saving;
	(void)name;
	return 0;
}

static int add_line(const struct writing *writing, const struct manifest_entry *entry)
{
	_cleanup_free_ char *line = manifest_line(entry);

	return line && fputs(line, writing->manifest) >= 0 ? 0 : -ENOMEM;
}

static int add_directory(struct saving *saving, const struct manifest_entry *entry)
{
	const struct writing *writing = writing_of(saving);
	const int result = tar_add_directory(writing->tar, entry->name, &entry->properties);

	return result < 0 ? result : add_line(writing, entry);
}

static int add_file(struct saving *saving, struct saving_source *source)
{
	const struct writing *writing = writing_of(saving);
	struct manifest_entry *entry = &source->entry;
	bool is_source;
	int result = tar_add_file(writing->tar, entry->name, &entry->properties, source->fd,
				  entry->checksum.size, &entry->checksum, &saving->progress, &is_source);

	if (result < 0 && is_source) {
		saving->is_broken = true;
		return saving_complain(saving, entry->name, result);
	}
	if (result == 0)
		result = add_line(writing, entry);
	return result < 0 ? complain(saving, entry->name, result) : STATUS_DONE;
}

/*
 * The manifest is the last member, since sums are known when all is written. text, length: of it, once it is
 * flushed.
 */
static int finish(struct saving *saving, char *const *text, const size_t *length)
{
	const struct writing *writing = writing_of(saving);
	int result = fflush(writing->manifest) == 0 ? 0 : -ENOMEM;

	if (result == 0)
		result = tar_add_text(writing->tar, MANIFEST_NAME, *text, *length);
	if (result == 0)
		result = tar_finish(writing->tar);
	return result < 0 ? complain(saving, NULL, result) : STATUS_DONE;
}

static int fill(struct saving *saving, int fd)
{
	struct writing writing = {0};
	const struct saving_target target = {
		.look = look,
		.save_directory = add_directory,
		.save = add_file,
		.complain = complain,
		.context = &writing,
	};
	_cleanup_free_ char *header = manifest_header();
	char *text = NULL;
	size_t length = 0;
	int status = STATUS_NOT_AS_ASKED;
	const int result = tar_create(fd, &writing.tar);

	if (result < 0)
		return report_error(saving->tool, saving->path, result);
	writing.manifest = open_memstream(&text, &length);
	if (!writing.manifest || !header || fputs(header, writing.manifest) < 0) {
		report_error(saving->tool, NULL, -ENOMEM);
		saving->is_broken = true;
	} else {
		status = saving_run(saving, &target);
	}
	if (!saving->is_broken) {
		const int finished = finish(saving, &text, &length);

		status = status == STATUS_DONE ? finished : status;
	}
	tar_free(writing.tar);
	if (writing.manifest)
		fclose(writing.manifest);
	free(text);
	return status;
}

/* --- where the archive is --- */

static int save_to_stream(struct saving *saving)
{
	if (saving->tool->is_terminal)
		return report(saving->tool, STATUS_USAGE, "-",
			      "an archive is not for a terminal; redirect the output to a file or a pipe");
	saving->path = "standard output";
	return fill(saving, STDOUT_FILENO);
}

static int save_to_file(struct saving *saving)
{
	const char *slash = strrchr(saving->path, '/');
	const char *last = slash ? slash + 1 : saving->path;
	const bool replaces = saving->style.replace;
	char directory[PATH_MAX] = ".";
	_cleanup_close_ int dir_fd = -1;
	_cleanup_close_ int fd = -1;
	struct place_swept swept = {0};
	struct stat found;
	bool is_resumed;
	int status, result;

	if (slash && slash - saving->path >= PATH_MAX - 1)
		return depot_report(saving->tool, saving->path, NULL, -ENAMETOOLONG);
	if (slash)
		snprintf(directory, sizeof(directory), "%.*s/", (int)(slash - saving->path), saving->path);
	dir_fd = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir_fd < 0)
		return depot_report(saving->tool, directory, NULL, -errno);
	if (!replaces && fstatat(dir_fd, last, &found, AT_SYMLINK_NOFOLLOW) == 0)
		return depot_report(saving->tool, saving->path, NULL, -EEXIST);
	place_sweep(dir_fd, &swept);
	place_swept_free(&swept);
	fd = place_create(dir_fd, last, false, &is_resumed);
	if (fd < 0)
		return depot_report(saving->tool, saving->path, NULL, fd);
	status = fill(saving, fd);
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
	return depot_report(saving->tool, saving->path, NULL, result);
}

bool save_is_archive(const char *path)
{
	const size_t length = strlen(path);
	struct stat found;

	if (strcmp(path, "-") == 0)
		return true;
	return length > 4 && strcmp(path + length - 4, ".tar") == 0 &&
	       !(stat(path, &found) == 0 && S_ISDIR(found.st_mode));
}

int save_archive(struct saving *saving)
{
	return strcmp(saving->path, "-") == 0 ? save_to_stream(saving) : save_to_file(saving);
}
