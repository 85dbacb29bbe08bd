// SPDX-License-Identifier: MIT
#include "fs/source/records.h"
#include "lib/base/cleanup.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

void records_begin(struct records *records)
{
	records->size = 0;
	records->used = 0;
	records->fd = memfd_create("segfs-list", MFD_CLOEXEC);
	records->result = records->fd < 0 ? -errno : 0;
}

static void flush(struct records *records)
{
	for (size_t at = 0; records->result == 0 && at < records->used;) {
		ssize_t written = pwrite(records->fd, records->buffer + at, records->used - at, (off_t)records->size);

		if (written < 0) {
			records->result = -errno;
		} else {
			at += (size_t)written;
			records->size += (size_t)written;
		}
	}
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

	if (fd < 0)
		return -errno;
	for (size_t at = 0; at < length;) {
		ssize_t written = pwrite(fd, bytes + at, length - at, (off_t)at);

		if (written < 0)
			return -errno;
		at += (size_t)written;
	}
	return take_fd(&fd);
}
