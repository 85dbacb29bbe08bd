// SPDX-License-Identifier: MIT
#include "lib/tool/common/views.h"
#include "lib/base/cleanup.h"
#include "lib/base/delegate.h"
#include "lib/base/procfs.h"
#include "lib/base/procfs_users.h"
#include "lib/client/internal.h"
#include "lib/tool/common/copying.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define PRESENT     ((uint64_t)1 << 63)  /* of an entry of /proc/PID/pagemap */
#define ENTRIES     4096                 /* that are read at a time */
#define PAGEMAP_MAX ((uint64_t)64 << 30) /* bytes of a view whose page table is read */

/* --- what /proc calls the segment --- */

struct identities {
	struct procfs_file files[2];
	size_t n;
};

/* Adds what the memory itself is called, which processes without segfs map. */
static void add_native(int fd, enum subject_source source, const char *name, struct identities *identities)
{
	struct procfs_file *file = &identities->files[identities->n];
	const char *last = strchr(name, '/');
	char value[64], path[PATH_MAX];
	struct stat found;

	if (source == SOURCE_POSIX && last) {
		snprintf(path, sizeof(path), "/dev/shm%s", last);
		if (lstat(path, &found) < 0 || !S_ISREG(found.st_mode))
			return;
		*file = (struct procfs_file){.device = found.st_dev, .inode = found.st_ino};
	} else if ((source == SOURCE_SYSV || source == SOURCE_PROCESS) &&
		   attribute_get(fd, source == SOURCE_SYSV ? "shmid" : "inode", value, sizeof(value)) > 0) {
		/* the kernel's own tmpfs, which has the first device without a disk */
		*file = (struct procfs_file){.device = makedev(0, 1), .inode = strtoull(value, NULL, 10)};
	} else {
		return;
	}
	identities->n++;
}

/* --- mappings of a process --- */

struct search {
	const struct identities *identities;
	struct view_list *list;
	pid_t process;
	struct view *view; /* of which lines of smaps follow */
	int result;
};

static struct view *add_view(struct view_list *list)
{
	if (list->n == list->max) {
		const size_t max = list->max ? 2 * list->max : 16;
		struct view *larger = reallocarray(list->views, max, sizeof(*larger));

		if (!larger)
			return NULL;
		list->views = larger;
		list->max = max;
	}
	list->views[list->n] = (struct view){.resident = -1, .dirty = -1, .huge = -1, .swap = -1};
	return &list->views[list->n++];
}

static bool is_segment(const struct identities *identities, unsigned int major, unsigned int minor,
		       uint64_t inode)
{
	for (size_t i = 0; i < identities->n; i++)
		if (identities->files[i].inode == inode &&
		    identities->files[i].device == makedev(major, minor))
			return true;
	return false;
}

static void set_access(struct view *view, const char *bits)
{
	snprintf(view->access, sizeof(view->access), "%s%s%s%s", bits[0] == 'r' ? "r" : "",
		 bits[1] == 'w' ? "w" : "", bits[2] == 'x' ? "x" : "", bits[3] == 'p' ? "c" : "");
	if (!*view->access)
		strcpy(view->access, "-");
}

/* "7f00-7f10 rw-s 00001000 00:2a 17 /path", then lines such as "Rss:    4 kB". */
static int take_line(void *context, const char *line, size_t length)
{
	struct search *search = context;
	unsigned long long start, end, offset, inode, number;
	unsigned int major, minor;
	char bits[5], key[32];

	(void)length;
	if (sscanf(line, "%llx-%llx %4s %llx %x:%x %llu", &start, &end, bits, &offset, &major, &minor,
		   &inode) == 7) {
		search->view = NULL;
		if (!is_segment(search->identities, major, minor, inode) || strlen(bits) != 4)
			return 0;
		search->view = add_view(search->list);
		if (!search->view)
			return -ENOMEM;
		search->view->process = search->process;
		search->view->address = start;
		search->view->offset = offset;
		search->view->length = end - start;
		set_access(search->view, bits);
		return 0;
	}
	if (!search->view || sscanf(line, "%31[A-Za-z_]: %llu kB", key, &number) != 2)
		return 0;
	if (strcmp(key, "Rss") == 0)
		search->view->resident = (int64_t)number * 1024;
	else if (strcmp(key, "Swap") == 0)
		search->view->swap = (int64_t)number * 1024;
	else if (strcmp(key, "Shared_Dirty") == 0 || strcmp(key, "Private_Dirty") == 0)
		search->view->dirty =
			(search->view->dirty < 0 ? 0 : search->view->dirty) + (int64_t)number * 1024;
	else if (strcmp(key, "ShmemPmdMapped") == 0 || strcmp(key, "FilePmdMapped") == 0)
		search->view->huge =
			(search->view->huge < 0 ? 0 : search->view->huge) + (int64_t)number * 1024;
	return 0;
}

static int look_at_process(struct view_list *list, const struct identities *identities, pid_t process)
{
	struct search search = {.identities = identities, .list = list, .process = process};
	const size_t first = list->n;
	char path[64];
	int result;

	snprintf(path, sizeof(path), "/proc/%d/smaps", (int)process);
	result = procfs_walk_lines(AT_FDCWD, path, take_line, &search);
	for (size_t i = first; i < list->n; i++)
		if (procfs_command(process, list->views[i].command) < 0)
			snprintf(list->views[i].command, sizeof(list->views[i].command), "?");
	return result == -ENOENT || result == -EACCES ? 0 : result;
}

/* Counts those whose mappings the kernel does not show. */
static size_t count_hidden(void)
{
	_cleanup_closedir_ DIR *proc = opendir("/proc");
	const struct dirent *entry;
	size_t n = 0;

	while (proc && (entry = readdir(proc))) {
		struct stat found;

		if (!isdigit((unsigned char)*entry->d_name))
			continue;
		if (fstatat(dirfd(proc), entry->d_name, &found, 0) == 0 && geteuid() != 0 &&
		    found.st_uid != geteuid())
			n++;
	}
	return n;
}

static int compare(const void *a, const void *b)
{
	const struct view *first = a;
	const struct view *second = b;

	if (first->process != second->process)
		return first->process < second->process ? -1 : 1;
	return first->offset < second->offset ? -1 : first->offset > second->offset;
}

int views_find(int fd, enum subject_source source, const char *name, struct view_list *list)
{
	struct identities identities = {.n = 1};
	struct procfs_user *users = NULL;
	struct stat found;
	ssize_t n;
	int result = 0;

	*list = (struct view_list){0};
	if (fstat(fd, &found) < 0)
		return -errno;
	identities.files[0] = (struct procfs_file){.device = found.st_dev, .inode = found.st_ino};
	add_native(fd, source, name, &identities);
	/* otherwise no process would answer in time on a slow machine */
	delegate_calibrate();
	n = procfs_find_users(identities.files, identities.n, &users);
	for (ssize_t i = 0; i < n && result == 0; i++) {
		if (users[i].is_unknown)
			list->has_unknown = true;
		else if (users[i].maps && users[i].process != getpid())
			result = look_at_process(list, &identities, users[i].process);
	}
	free(users);
	list->hidden = count_hidden();
	if (list->n > 0)
		qsort(list->views, list->n, sizeof(*list->views), compare);
	return n < 0 ? (int)n : result;
}

void views_free(struct view_list *list)
{
	free(list->views);
	*list = (struct view_list){0};
}

int views_mark(const struct view *view, uint64_t unit, bool *marks, size_t n)
{
	const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	_cleanup_close_ int fd = -1;
	uint64_t entries[ENTRIES];
	char path[64];
	int result = 0;

	if (view->length > PAGEMAP_MAX)
		return -EFBIG;
	snprintf(path, sizeof(path), "/proc/%d/pagemap", (int)view->process);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	for (uint64_t at = 0; at < view->length && result == 0; at += ENTRIES * page) {
		const uint64_t rest = (view->length - at) / page;
		const size_t count = rest < ENTRIES ? (size_t)rest : ENTRIES;

		result = copying_read(fd, entries, count * sizeof(*entries),
				      (view->address + at) / page * sizeof(*entries));
		for (size_t i = 0; i < count && result == 0; i++) {
			const uint64_t index = (view->offset + at + i * page) / unit;

			if (entries[i] & PRESENT && index < n)
				marks[index] = true;
		}
	}
	return result;
}
