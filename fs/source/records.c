// SPDX-License-Identifier: MIT
#include "fs/source/records.h"
#include "lib/base/cleanup.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int records_add(struct records *records, const char *name, uint64_t inode, unsigned char type)
{
	const size_t name_size = strlen(name) + 1;
	const size_t length = (offsetof(struct dirent64, d_name) + name_size + 7) / 8 * 8;
	struct dirent64 *entry;

	if (length > records->size - records->length) {
		size_t size = records->size ? records->size * 2 : 4096;
		char *bytes = realloc(records->bytes, size);

		if (!bytes)
			return -ENOMEM;
		records->bytes = bytes;
		records->size = size;
	}
	/* every record is aligned, as the first one is */
	entry = (void *)(records->bytes + records->length);
	memset(entry, 0, length);
	records->length += length;
	entry->d_ino = inode;
	entry->d_off = (off_t)records->length;
	entry->d_reclen = (unsigned short)length;
	entry->d_type = type;
	memcpy(records->bytes + records->length - length + offsetof(struct dirent64, d_name), name, name_size);
	return 0;
}

int records_memfd(const char *bytes, size_t length)
{
	_cleanup_close_ int fd = memfd_create("segfs-list", MFD_CLOEXEC);

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

int records_open(const struct records *records)
{
	return records_memfd(records->bytes, records->length);
}

void records_free(struct records *records)
{
	free(records->bytes);
	*records = (struct records){0};
}
