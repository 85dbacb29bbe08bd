// SPDX-License-Identifier: MIT
#include "lib/tool/common/depot.h"
#include "lib/base/cleanup.h"
#include "lib/base/procfs.h"
#include "lib/base/textfile.h"
#include "lib/tool/common/command.h"
#include "lib/tool/common/copying.h"
#include "lib/tool/common/report.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define NEW_NAME MANIFEST_NAME ".part"

int depot_report(struct tool *tool, const char *path, const char *name, int error)
{
	char whole[2 * PATH_MAX];

	snprintf(whole, sizeof(whole), "%s%s%s", path, name ? "/" : "", name ? name : "");
	if (error == -ENOSPC || error == -EDQUOT)
		return report(tool, STATUS_NOT_AS_ASKED, whole,
			      "no space is left on its file system; make room there, and try again");
	if (error == -EFBIG)
		return report(tool, STATUS_NOT_AS_ASKED, whole,
			      "its file system takes no file so large; save to an archive (FILE.tar)");
	if (error == -EBUSY)
		return report(tool, STATUS_NOT_AS_ASKED, whole,
			      "another segctl works on it; try again when that has ended");
	if (error == -EEXIST)
		return report(tool, STATUS_NOT_AS_ASKED, whole, "it exists; --replace replaces it");
	if (error == -ELOOP || error == -ENOTDIR)
		return report(tool, STATUS_NOT_AS_ASKED, whole,
			      "a symbolic link or a file is in the place of a directory; remove it");
	if (error == -EINVAL)
		return report(tool, STATUS_NOT_AS_ASKED, whole, "it is no regular file");
	return report(tool, report_status(error) == STATUS_NO_RIGHT ? STATUS_NO_RIGHT : STATUS_NOT_AS_ASKED,
		      whole, "%s", strerror(-error));
}

void depot_note_complete(struct tool *tool, const char *path, size_t n)
{
	report(tool, STATUS_DONE, path,
	       n == 1 ? "%zu segment is complete, and was left out"
		      : "%zu segments are complete, and were left out",
	       n);
}

int depot_parse(struct tool *tool, const char *path, char *text, size_t length, struct manifest *manifest)
{
	size_t line;
	const int result = manifest_parse(manifest, text, length, &line);

	switch (result) {
	case 0:
		return STATUS_DONE;
	case -EPROTONOSUPPORT:
		return report(tool, STATUS_NOT_AS_ASKED, path,
			      "its manifest is one of another version; use the segctl that has saved it");
	case -EBADMSG:
		return report(tool, STATUS_NOT_AS_ASKED, path,
			      "line %zu of the manifest " MANIFEST_NAME
			      " is damaged; save again, or copy the files with cp(1)",
			      line);
	default:
		return report_error(tool, path, result);
	}
}

/* Parses the manifest, and removes what a killed run has not written to its end. */
static int read_manifest(struct tool *tool, struct depot *depot, bool writes)
{
	_cleanup_free_ char *text = NULL;
	char self[PROCFS_FD_MAX];
	size_t length, complete;
	int result, status;

	procfs_fd_path(self, depot->manifest_fd);
	result = textfile_read(self, DEPOT_MANIFEST_MAX, &text, &length);
	if (result < 0)
		return depot_report(tool, depot->path, MANIFEST_NAME, result);
	for (complete = length; complete > 0 && text[complete - 1] != '\n';)
		complete--;
	if (complete == 0 && writes) {
		_cleanup_free_ char *header = manifest_header();

		if (!header)
			result = -ENOMEM;
		else if (ftruncate(depot->manifest_fd, 0) < 0)
			result = -errno;
		else
			result = copying_write(depot->manifest_fd, header, strlen(header), 0);
		return result < 0 ? depot_report(tool, depot->path, MANIFEST_NAME, result) : STATUS_DONE;
	}
	status = depot_parse(tool, depot->path, text, length, &depot->manifest);
	if (status == STATUS_DONE && writes && complete < length &&
	    ftruncate(depot->manifest_fd, (off_t)complete) < 0)
		status = depot_report(tool, depot->path, MANIFEST_NAME, -errno);
	return status;
}

static int open_manifest(struct depot *depot, bool writes)
{
	const int flags = writes ? O_RDWR | O_CREAT | O_APPEND : O_RDONLY;
	struct stat found;

	depot->manifest_fd = openat(depot->dir_fd, MANIFEST_NAME,
				    flags | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0600);
	if (depot->manifest_fd < 0 || fstat(depot->manifest_fd, &found) < 0)
		return -errno;
	if (!S_ISREG(found.st_mode))
		return -EINVAL;
	if (flock(depot->manifest_fd, (writes ? LOCK_EX : LOCK_SH) | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? -EBUSY : -errno;
	/* it was written anew meanwhile */
	return fstat(depot->manifest_fd, &found) == 0 && found.st_nlink > 0 ? 0 : -EBUSY;
}

int depot_open(struct tool *tool, const char *path, bool writes, struct depot *depot)
{
	int result;

	*depot = (struct depot){.path = path, .manifest_fd = -1, .dir_fd = -1};
	if (writes && mkdir(path, 0777) < 0 && errno != EEXIST)
		return depot_report(tool, path, NULL, -errno);
	depot->dir_fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (depot->dir_fd < 0)
		return depot_report(tool, path, NULL, -errno);
	result = open_manifest(depot, writes);
	if (result == -ENOENT && !writes)
		return report(tool, STATUS_NOT_AS_ASKED, path,
			      "it has no " MANIFEST_NAME
			      ", so 'segctl save' has not made it; cp -a copies other files to the mount");
	if (result < 0)
		return depot_report(tool, path, MANIFEST_NAME, result);
	return read_manifest(tool, depot, writes);
}

void depot_close(struct depot *depot)
{
	if (depot->manifest_fd >= 0)
		close(depot->manifest_fd);
	if (depot->dir_fd >= 0)
		close(depot->dir_fd);
	manifest_free(&depot->manifest);
	depot->manifest_fd = depot->dir_fd = -1;
}

/* The file is open with O_APPEND: pwrite(2) appends, too. */
int depot_append(struct depot *depot, const struct manifest_entry *entry)
{
	_cleanup_free_ char *line = manifest_line(entry);
	struct stat before;
	int result;

	if (!line)
		return -ENOMEM;
	if (fstat(depot->manifest_fd, &before) < 0)
		return -errno;
	result = copying_write(depot->manifest_fd, line, strlen(line), 0);
	/* half a line would damage the next one */
	if (result < 0 && ftruncate(depot->manifest_fd, before.st_size) < 0)
		return -errno;
	return result;
}

static int write_lines(int fd, const struct manifest *manifest,
		       bool (*is_settled)(const char *name, const void *context), const void *context)
{
	_cleanup_free_ char *header = manifest_header();
	int result = header ? copying_write(fd, header, strlen(header), 0) : -ENOMEM;

	for (size_t i = 0; i < manifest->n && result == 0; i++) {
		const struct manifest_entry *entry = &manifest->entries[i];
		_cleanup_free_ char *line = NULL;
		size_t n;
		const size_t *same = manifest_find(manifest, entry->name, &n);

		if (same && same[n - 1] != i && (entry->is_directory || is_settled(entry->name, context)))
			continue;
		line = manifest_line(entry);
		result = line ? copying_write(fd, line, strlen(line), 0) : -ENOMEM;
	}
	return result;
}

int depot_compact(struct depot *depot, bool (*is_settled)(const char *name, const void *context),
		  const void *context)
{
	_cleanup_close_ int fd = -1;
	_cleanup_free_ char *text = NULL;
	struct manifest manifest = {0};
	char self[PROCFS_FD_MAX];
	size_t length, line;
	int result;

	procfs_fd_path(self, depot->manifest_fd);
	result = textfile_read(self, DEPOT_MANIFEST_MAX, &text, &length);
	if (result < 0)
		return result;
	result = manifest_parse(&manifest, text, length, &line);
	if (result < 0) {
		manifest_free(&manifest);
		return result;
	}
	unlinkat(depot->dir_fd, NEW_NAME, 0);
	fd = openat(depot->dir_fd, NEW_NAME, O_RDWR | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0600);
	if (fd < 0)
		result = -errno;
	else
		result = write_lines(fd, &manifest, is_settled, context);
	if (result == 0 &&
	    (fsync(fd) < 0 || renameat(depot->dir_fd, NEW_NAME, depot->dir_fd, MANIFEST_NAME) < 0))
		result = -errno;
	if (result < 0 && fd >= 0)
		unlinkat(depot->dir_fd, NEW_NAME, 0);
	manifest_free(&manifest);
	return result;
}
