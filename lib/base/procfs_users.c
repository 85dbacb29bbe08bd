// SPDX-License-Identifier: MIT
#include "lib/base/procfs_users.h"
#include "lib/base/cleanup.h"
#include "lib/base/procfs.h"
#include "lib/base/procfs_scan.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

int procfs_map_errno(int error)
{
	return procfs_means_absent(error) ? -ENOENT : -error;
}

int procfs_walk_lines(int dir_fd, const char *path,
		      int (*visit)(void *context, const char *line, size_t length), void *context)
{
	_cleanup_close_ int fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC);
	char *line = NULL;
	size_t size = 0;
	ssize_t length;
	int result = 0;
	FILE *file;

	if (fd < 0)
		return procfs_map_errno(errno);
	file = fdopen(fd, "r");
	if (!file)
		return -errno;
	take_fd(&fd);
	while (result == 0) {
		errno = 0;
		length = getline(&line, &size, file);
		/* ignore a line that was not read to its end */
		if (length <= 0 || ferror(file))
			break;
		result = visit(context, line, (size_t)length);
	}
	/* ESRCH after the process has ended is an end of file, too */
	if (result == 0 && errno && !procfs_means_absent(errno))
		result = -errno;
	free(line);
	fclose(file);
	return result;
}

/* Parses a line of /proc/PID/maps: "START-END PERMISSIONS OFFSET MAJOR:MINOR INODE ...". */
static bool parse_mapping(const char *line, struct procfs_file *file, const char **allowed)
{
	unsigned long major;
	unsigned long minor;
	char *end;

	line = strchr(line, ' ');
	if (!line || strlen(line) < 6)
		return false;
	*allowed = line + 1;
	line = strchr(line + 1, ' ');
	line = line ? strchr(line + 1, ' ') : NULL;
	if (!line)
		return false;
	major = strtoul(line + 1, &end, 16);
	if (*end != ':')
		return false;
	minor = strtoul(end + 1, &end, 16);
	file->device = makedev((unsigned int)major, (unsigned int)minor);
	file->inode = strtoull(end, &end, 10);
	return true;
}

/*
 * Visits the complete lines of `length` bytes of text. Returns the number of bytes consumed, or a negative
 * errno; -EXFULL if visit() found no room.
 */
static ssize_t visit_lines(struct procfs_scan *scan, size_t length,
			   int (*visit)(struct procfs_scan *scan, const char *line))
{
	size_t at = 0;
	char *newline;

	while ((newline = memchr(scan->text + at, '\n', length - at))) {
		int result;

		*newline = 0;
		result = visit(scan, scan->text + at);
		if (result)
			return result < 0 ? result : -EXFULL;
		at = (size_t)(newline + 1 - scan->text);
	}
	/* a line that fills the buffer is not about a file */
	return at == 0 && length == sizeof(scan->text) - 1 ? (ssize_t)length : (ssize_t)at;
}

/*
 * Calls `visit` for each line of a process's maps. Returns 0, also if the process cannot be seen;
 * PROCFS_SCAN_FULL from visit(); the errno of a resource shortage.
 */
static int visit_mappings(struct procfs_scan *scan, pid_t process,
			  int (*visit)(struct procfs_scan *scan, const char *line))
{
	char path[48];
	size_t left = 0;
	ssize_t result;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/maps", (int)process);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return procfs_means_absent(errno) ? 0 : -errno;
	for (;;) {
		result = read(fd, scan->text + left, sizeof(scan->text) - 1 - left);
		if (result < 0)
			result = procfs_means_absent(errno) ? 0 : -errno;
		if (result <= 0)
			break;
		left += (size_t)result;
		result = visit_lines(scan, left, visit);
		if (result < 0)
			break;
		left -= (size_t)result;
		memmove(scan->text, scan->text + result, left);
	}
	close(fd);
	return result == -EXFULL ? PROCFS_SCAN_FULL : (int)result;
}

static struct procfs_scan *new_scan(int (*look)(struct procfs_scan *scan, pid_t process), const void *context,
				    size_t size)
{
	struct procfs_scan *scan = calloc(1, sizeof(*scan));

	if (scan) {
		scan->look = look;
		scan->context = context;
		scan->size = size;
	}
	return scan;
}

/* Returns the number of results, which are in *found. */
static ssize_t carry_out(struct procfs_scan *scan, void **found)
{
	int result = scan ? procfs_scan(scan) : -ENOMEM;
	ssize_t n = result < 0 ? result : (ssize_t)scan->n;

	if (result == 0)
		*found = scan->results;
	free(scan);
	return n;
}

/* --- views --- */

static struct procfs_view *find_view(struct procfs_scan *scan, uint64_t inode)
{
	struct procfs_view *views = scan->results;

	for (size_t i = scan->first; i < scan->n; i++)
		if (views[i].inode == inode)
			return &views[i];
	return NULL;
}

/* look_for_views() fills in the process. */
static int visit_view(struct procfs_scan *scan, const char *line)
{
	const struct procfs_file *wanted = scan->context;
	struct procfs_view *view;
	struct procfs_file file;
	const char *allowed;

	if (!parse_mapping(line, &file, &allowed) || file.device != wanted->device ||
	    (wanted->inode && file.inode != wanted->inode))
		return 0;
	view = find_view(scan, file.inode);
	if (!view)
		view = procfs_scan_add(scan, 0);
	if (!view)
		return PROCFS_SCAN_FULL;
	view->inode = file.inode;
	view->writable |= allowed[1] == 'w' && allowed[3] == 's';
	return 0;
}

static int look_for_views(struct procfs_scan *scan, pid_t process)
{
	int result = visit_mappings(scan, process, visit_view);
	struct procfs_view *views = scan->results;

	for (size_t i = scan->first; i < scan->n; i++)
		views[i].process = process;
	return result;
}

ssize_t procfs_find_views(dev_t device, uint64_t inode, struct procfs_view **views)
{
	const struct procfs_file file = {.device = device, .inode = inode};
	void *found = NULL;
	ssize_t n = carry_out(new_scan(look_for_views, &file, sizeof(**views)), &found);

	if (n >= 0)
		*views = found;
	return n;
}

/* --- users --- */

struct wanted_files {
	const struct procfs_file *files;
	size_t n;
};

static bool is_wanted(const struct procfs_scan *scan, const struct procfs_file *file)
{
	const struct wanted_files *wanted = scan->context;

	for (size_t i = 0; i < wanted->n; i++)
		if (wanted->files[i].inode == file->inode && wanted->files[i].device == file->device)
			return true;
	return false;
}

/* Returns the element of this process, adding it on the first hit; NULL if there is no room. */
static struct procfs_user *the_user(struct procfs_scan *scan, pid_t process)
{
	struct procfs_user *users = scan->results;

	return scan->n > scan->first ? &users[scan->first] : procfs_scan_add(scan, process);
}

static int visit_mapped(struct procfs_scan *scan, const char *line)
{
	struct procfs_user *user;
	struct procfs_file file;
	const char *allowed;

	if (!parse_mapping(line, &file, &allowed) || !is_wanted(scan, &file))
		return 0;
	user = the_user(scan, 0);
	if (!user)
		return PROCFS_SCAN_FULL;
	user->maps = true;
	return 0;
}

/*
 * Does not query the file's own file system, which may be a user's FUSE. Returns 1 or 0; the errno of a
 * resource shortage.
 */
static int is_open_file(const struct procfs_scan *scan, int dir, const char *name)
{
	struct statx found;

	/* any other failure is about a file that is not ours */
	if (statx(dir, name, AT_STATX_DONT_SYNC, STATX_INO, &found) < 0)
		return errno == ENOMEM ? -ENOMEM : 0;
	return is_wanted(scan, &(struct procfs_file){makedev(found.stx_dev_major, found.stx_dev_minor),
						     found.stx_ino});
}

/* Returns 1 or 0, or a negative errno. */
static int look_at_descriptors(struct procfs_scan *scan, int dir)
{
	int result = 0;
	ssize_t length;

	while (result == 0 && (length = getdents64(dir, scan->entries, sizeof(scan->entries))) > 0) {
		for (ssize_t at = 0; at < length && result == 0;) {
			const struct dirent64 *entry = (const void *)(scan->entries + at);

			if (entry->d_name[0] != '.')
				result = is_open_file(scan, dir, entry->d_name);
			at += entry->d_reclen;
		}
	}
	return result == 0 && length < 0 && !procfs_means_absent(errno) ? -errno : result;
}

static int has_open(struct procfs_scan *scan, pid_t process)
{
	char path[48];
	int result;
	int dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)process);
	dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return procfs_means_absent(errno) ? 0 : -errno;
	result = look_at_descriptors(scan, dir);
	close(dir);
	return result;
}

static int look_for_users(struct procfs_scan *scan, pid_t process)
{
	int result = visit_mappings(scan, process, visit_mapped);
	int opens = result == 0 ? has_open(scan, process) : 0;
	struct procfs_user *user;

	if (result || opens < 0)
		return result ? result : opens;
	user = opens || scan->n > scan->first ? the_user(scan, process) : NULL;
	if (!user)
		return opens ? PROCFS_SCAN_FULL : 0;
	user->process = process;
	user->opens = opens;
	return 0;
}

ssize_t procfs_find_users(const struct procfs_file *files, size_t n_files, struct procfs_user **users)
{
	const struct wanted_files wanted = {.files = files, .n = n_files};
	void *found = NULL;
	ssize_t n = carry_out(new_scan(look_for_users, &wanted, sizeof(**users)), &found);

	if (n >= 0)
		*users = found;
	return n;
}
