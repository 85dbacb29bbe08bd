// SPDX-License-Identifier: MIT
#include "lib/base/procfs_change.h"
#include "lib/base/delegate.h"
#include "lib/base/procfs.h"

#include <dirent.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* System calls that change a file through a descriptor, and the index of that argument. */
static int changed_descriptor(long call, const unsigned long arguments[6])
{
	static const struct {
		long call;
		int argument;
	} calls[] = {
		{SYS_write, 0},    {SYS_pwrite64, 0},  {SYS_writev, 0},    {SYS_pwritev, 0},
		{SYS_pwritev2, 0}, {SYS_ftruncate, 0}, {SYS_fallocate, 0}, {SYS_fchmod, 0},
		{SYS_fchown, 0},   {SYS_fsetxattr, 0}, {SYS_fsync, 0},     {SYS_fdatasync, 0},
		{SYS_sendfile, 0}, {SYS_utimensat, 0}, {SYS_splice, 2},    {SYS_copy_file_range, 2},
	};

	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
		if (calls[i].call == call)
			return (int)arguments[calls[i].argument];
	return -1;
}

/* Memory of the delegate: it may be killed at any moment, so nothing is allocated. */
struct change {
	pid_t process;
	uint64_t inode;
	char path[64];
	char text[1024];
	_Alignas(struct dirent64) char entries[4096];
};

/* Reads a file of the process. number: the thread or descriptor. */
static bool read_part(struct change *change, const char *directory, const char *number, const char *name)
{
	ssize_t length;
	int fd;

	snprintf(change->path, sizeof(change->path), "/proc/%d/%s/%.16s%s", (int)change->process, directory,
		 number, name);
	fd = open(change->path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	length = read(fd, change->text, sizeof(change->text) - 1);
	close(fd);
	change->text[length > 0 ? length : 0] = 0;
	return length > 0;
}

/* Parses "CALL ARGUMENT ...": call in decimal, arguments in hexadecimal. */
static int descriptor_waited_for(const char *text)
{
	unsigned long arguments[6];
	char *end;
	long call = strtol(text, &end, 10);

	if (end == text)
		return -1;
	for (size_t i = 0; i < 6; i++) {
		const char *at = end;

		arguments[i] = strtoul(at, &end, 16);
		if (end == at)
			return -1;
	}
	return changed_descriptor(call, arguments);
}

static bool thread_waits_to_change(struct change *change, const char *thread)
{
	const char *at;
	char number[12];
	int fd;

	if (!read_part(change, "task", thread, "/stat"))
		return false;
	if (procfs_state_in(change->text) != 'D' || !read_part(change, "task", thread, "/syscall"))
		return false;
	fd = descriptor_waited_for(change->text);
	snprintf(number, sizeof(number), "%d", fd);
	if (fd < 0 || !read_part(change, "fdinfo", number, ""))
		return false;
	at = strstr(change->text, "\nino:");
	return at && strtoull(at + 5, NULL, 10) == change->inode;
}

static int look_for_change(void *context)
{
	struct change *change = context;
	bool waits = false;
	ssize_t length;
	int fd;

	snprintf(change->path, sizeof(change->path), "/proc/%d/task", (int)change->process);
	fd = open(change->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	while (fd >= 0 && !waits && (length = getdents64(fd, change->entries, sizeof(change->entries))) > 0)
		for (ssize_t at = 0; at < length && !waits;) {
			const struct dirent64 *entry = (const void *)(change->entries + at);

			waits = entry->d_name[0] != '.' && thread_waits_to_change(change, entry->d_name);
			at += entry->d_reclen;
		}
	close(fd);
	return waits;
}

bool procfs_waits_to_change(pid_t process, uint64_t inode)
{
	static const struct delegate how = {.milliseconds = PROCFS_TIMEOUT, .own_descriptors = true};
	struct change change = {.process = process, .inode = inode};

	return process > 0 && delegate_run(&how, look_for_change, &change) == 1;
}
