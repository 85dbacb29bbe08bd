/* SPDX-License-Identifier: MIT */
/* Files on hugetlbfs, which has no write(2) (fact K5). */
#ifndef SEGFS_SOURCE_HUGE_H
#define SEGFS_SOURCE_HUGE_H

#include <sys/types.h>

/* Whether a descriptor's file is on hugetlbfs: 1 or 0; the negative errno of fstatfs(2). */
int huge_is_on_hugetlbfs(int fd);

/*
 * Writes through a shared mapping. mmap(2) reserves the pages, so a lack of huge pages is an errno.
 * size, offset: in bytes. The file does not grow: its size is a multiple of its page size, set by
 * ftruncate(2).
 * Returns the number of bytes written, fewer at the end of the file; -EFBIG at or beyond the end; -ENOMEM
 * without free huge pages; the negative errno of open(2).
 */
ssize_t huge_write(int fd, const void *data, size_t size, off_t offset);

#endif
