// SPDX-License-Identifier: MIT
#include "fs/source/huge.h"
#include "lib/base/cleanup.h"
#include "lib/base/procfs.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>

int huge_is_on_hugetlbfs(int fd)
{
	struct statfs found;

	return fstatfs(fd, &found) < 0 ? -errno : found.f_type == HUGETLBFS_MAGIC;
}

/*
 * Copies into a view of a file that may be truncated at any time: read(2) returns EFAULT where a store
 * instruction raises SIGBUS. Returns the number of bytes; -EFBIG if not even the first byte is within the
 * file.
 */
static ssize_t copy_to(char *view, const void *data, size_t size)
{
	_cleanup_close_ int fd = memfd_create("segfs-write", MFD_CLOEXEC);
	ssize_t length = fd < 0 ? -1 : pwrite(fd, data, size, 0);

	if (length > 0)
		length = pread(fd, view, (size_t)length, 0);
	return length >= 0 ? length : errno == EFAULT ? -EFBIG : -errno;
}

ssize_t huge_write(int fd, const void *data, size_t size, off_t offset)
{
	/* a writable shared mapping needs a descriptor opened for reading, too */
	_cleanup_close_ int readable = procfs_fd_open(fd, O_RDWR);
	struct stat stat;
	size_t length;
	off_t start;
	ssize_t written;
	char *view;

	if (readable < 0)
		return readable;
	if (fstat(fd, &stat) < 0)
		return -errno;
	if (size == 0)
		return 0;
	if (offset >= stat.st_size)
		return -EFBIG;
	if (size > (size_t)(stat.st_size - offset))
		size = (size_t)(stat.st_size - offset);
	/* st_blksize is the page size of the file */
	start = offset / stat.st_blksize * stat.st_blksize;
	length = (size_t)(offset - start) + size;
	length = (length + (size_t)stat.st_blksize - 1) / (size_t)stat.st_blksize * (size_t)stat.st_blksize;
	view = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED, readable, start);
	if (view == MAP_FAILED)
		return -errno;
	written = copy_to(view + (offset - start), data, size);
	munmap(view, length);
	return written;
}
