// SPDX-License-Identifier: MIT
#include "fs/source/records.h"
#include "lib/base/cleanup.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

static int write_all(int fd, const char *bytes, size_t length, uint64_t offset)
{
	for (size_t at = 0; at < length;) {
		ssize_t written = pwrite(fd, bytes + at, length - at, (off_t)(offset + at));

		if (written < 0)
			return -errno;
		at += (size_t)written;
	}
	return 0;
}

void records_begin(struct records *records)
{
	records->size = 0;
	records->used = 0;
	records->fd = memfd_create("segfs-list", MFD_CLOEXEC);
	records->result = records->fd < 0 ? -errno : 0;
}

static void flush(struct records *records)
{
	if (records->result == 0)
		records->result = write_all(records->fd, records->buffer, records->used, records->size);
	if (records->result == 0)
		records->size += records->used;
	records->used = 0;
}

void records_add(struct records *records, const char *name, uint64_t inode, unsigned char type)
{
	size_t length = (offsetof(struct dirent64, d_name) + strlen(name) + 1 + 7) / 8 * 8;
	struct dirent64 *entry;

	if (length > sizeof(records->buffer) - records->used)
		flush(records);
	entry = (void *)(records->buffer + records->used);
	memset(entry, 0, length);
	entry->d_ino = inode;
	entry->d_off = (off_t)(records->size + records->used + length);
	entry->d_reclen = (unsigned short)length;
	entry->d_type = type;
	memcpy(entry->d_name, name, strlen(name) + 1);
	records->used += length;
}

int records_finish(struct records *records)
{
	_cleanup_close_ int fd = -1;

	flush(records);
	fd = take_fd(&records->fd);
	return records->result < 0 ? records->result : take_fd(&fd);
}

int records_memfd(const char *bytes, size_t length)
{
	_cleanup_close_ int fd = memfd_create("segfs-text", MFD_CLOEXEC);
	int result;

	if (fd < 0)
		return -errno;
	result = write_all(fd, bytes, length, 0);
	return result < 0 ? result : take_fd(&fd);
}
