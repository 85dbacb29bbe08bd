// SPDX-License-Identifier: MIT
#include "lib/tool/saving.h"
#include "lib/base/cleanup.h"
#include "lib/tool/common/command.h"
#include "lib/tool/common/depot.h"
#include "lib/tool/common/filelock.h"
#include "lib/tool/common/objects.h"
#include "lib/tool/common/place.h"
#include "lib/tool/common/report.h"
#include "lib/tool/common/survey.h"
#include "lib/tool/common/tool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* --- messages --- */

int saving_complain(struct saving *saving, const char *name, int error)
{
	progress_clear(&saving->progress);
	switch (error) {
	case -ENODATA:
		return report(saving->tool, STATUS_NOT_AS_ASKED, name,
			      "it became shorter while it was saved; save it again");
	case -EAGAIN:
		return report(saving->tool, STATUS_NOT_AS_ASKED, name,
			      "a process has locked it; %s waits, .segfs/locks shows who has",
			      saving->style.timeout == 0 ? "without --nonblock the command"
							 : "a longer --timeout");
	case -EEXIST:
		return report(saving->tool, STATUS_NOT_AS_ASKED, name,
			      "it is saved there already; --replace saves it again, --resume leaves out "
			      "what is complete");
	default:
		return report_error(saving->tool, name, error);
	}
}

static void note(struct saving *saving, const char *name, const char *text)
{
	progress_clear(&saving->progress);
	if (!saving->style.quiet)
		report(saving->tool, STATUS_DONE, name, "%s", text);
}

/* --- a segment --- */

static void close_source(struct saving_source *source)
{
	if (source->fd >= 0)
		close(source->fd);
	manifest_entry_free(&source->entry);
}

/* Returns 0; a negative errno. The caller releases source in any case. */
static int open_source(struct saving *saving, const struct subject *subject, struct saving_source *source)
{
	struct stat found;
	int result;

	*source = (struct saving_source){
		.fd = place_open_file(saving->tool->mount_fd, subject->name, O_RDONLY)};
	if (source->fd < 0)
		return source->fd;
	result = filelock_take_all(source->fd, false, saving->style.timeout);
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

static int save_one_directory(struct saving *saving, const char *name)
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
	if (result == 0)
		result = saving->target->save_directory(saving, &entry);
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
		result = save_one_directory(saving, directory);
		snprintf(saving->directory, sizeof(saving->directory), "%s", directory);
	}
	return result;
}

/* --- all --- */

static int save_source(struct saving *saving, const struct subject *subject, struct saving_source *source)
{
	int result = open_source(saving, subject, source);

	if (result < 0)
		return saving_complain(saving, subject->name, result);
	result = save_directories(saving, subject->name);
	if (result < 0)
		return saving->target->complain(saving, subject->name, result);
	return saving->target->save(saving, source);
}

static int save_one(struct saving *saving, const struct subject *subject)
{
	struct saving_source source;
	int status, result;

	if (!manifest_is_name(subject->name)) {
		progress_clear(&saving->progress);
		return report(saving->tool, STATUS_NOT_AS_ASKED, subject->name,
			      "its path is too long, or a part of it begins with " PLACE_PREFIX
			      ", as only hidden names do; rename that, and save it again");
	}
	progress_name(&saving->progress, subject->name);
	result = saving->target->look(saving, subject->name);
	if (result > 0) {
		saving->n_complete++;
		return STATUS_DONE;
	}
	if (result < 0)
		return result == -EEXIST ? saving_complain(saving, subject->name, result)
					 : saving->target->complain(saving, subject->name, result);
	status = save_source(saving, subject, &source);
	close_source(&source);
	if (status == STATUS_DONE) {
		saving->is_saved[subject - saving->survey->subjects] = true;
		saving->n++;
	}
	return status;
}

int saving_run(struct saving *saving, const struct saving_target *target)
{
	int status = STATUS_DONE;

	saving->target = target;
	for (size_t i = 0; i < saving->survey->n && !saving->is_broken; i++) {
		const struct subject *subject = &saving->survey->subjects[i];
		int one;

		if (objects_is_kind(subject->kind) && !saving->style.objects) {
			note(saving, subject->name,
			     "left out: it is a synchronization object, whose state is that of running "
			     "processes; --objects saves it");
			continue;
		}
		one = save_one(saving, subject);
		if (status == STATUS_DONE)
			status = one;
	}
	progress_clear(&saving->progress);
	if (saving->n_complete > 0 && !saving->style.quiet)
		depot_note_complete(saving->tool, saving->path, saving->n_complete);
	return status;
}
