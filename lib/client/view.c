// SPDX-License-Identifier: MIT
#include "lib/client/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define KNOWN                                                                                                \
	(SEGFS_MAP_WRITE | SEGFS_MAP_COPY | SEGFS_MAP_EXECUTE | SEGFS_MAP_HUGE | SEGFS_MAP_POPULATE |        \
	 SEGFS_MAP_LOCK)

struct segfs_view {
	char *pages;     /* address of the first page */
	size_t skipped;  /* bytes of it before the first of the view */
	size_t length;   /* bytes of the view */
	uint64_t offset; /* of the view in the segment */
	unsigned int flags;
};

/*
 * Replaces a length of 0 by that up to the end of the segment. Returns 0; -EINVAL if there is no byte;
 * -EOVERFLOW.
 */
static int find_length(const struct segfs_segment *segment, uint64_t offset, size_t *length)
{
	uint64_t size = 0;
	int result = 0;

	if (offset > INT64_MAX)
		return -EOVERFLOW;
	if (*length == 0) {
		result = segfs_size(segment, &size);
		if (result == 0 && size <= offset)
			result = -EINVAL;
		size -= offset;
	} else {
		size = *length;
	}
	if (result < 0)
		return result;
	if (size > PTRDIFF_MAX - 2 * page_size() || offset + size > INT64_MAX)
		return -EOVERFLOW;
	*length = (size_t)size;
	return 0;
}

static int protection_of(unsigned int flags)
{
	return PROT_READ | (flags & (SEGFS_MAP_WRITE | SEGFS_MAP_COPY) ? PROT_WRITE : 0) |
	       (flags & SEGFS_MAP_EXECUTE ? PROT_EXEC : 0);
}

/*
 * Huge pages, which must be asked for before there are small ones, and pages made present. Where that cannot
 * be done, pages are small, and come when they are used.
 */
static void advise(void *pages, size_t length, unsigned int flags)
{
	const bool writes = flags & (SEGFS_MAP_WRITE | SEGFS_MAP_COPY);

	if (flags & SEGFS_MAP_HUGE)
		madvise(pages, length, MADV_HUGEPAGE);
	if (flags & SEGFS_MAP_POPULATE)
		madvise(pages, length, writes ? MADV_POPULATE_WRITE : MADV_POPULATE_READ);
}

int segfs_map(const struct segfs_segment *segment, uint64_t offset, size_t length, unsigned int flags,
	      void *address, struct segfs_view **view)
{
	const size_t skipped = (size_t)(offset % page_size());
	struct segfs_view *made;
	void *pages;
	int result;

	if (flags & ~KNOWN || (flags & SEGFS_MAP_WRITE && flags & SEGFS_MAP_COPY))
		return -EINVAL;
	if (flags & SEGFS_MAP_WRITE && !segment->writable)
		return -EACCES;
	result = find_length(segment, offset, &length);
	if (result < 0)
		return result;
	made = malloc(sizeof(*made));
	if (!made)
		return -ENOMEM;
	pages = mmap(address, skipped + length, protection_of(flags),
		     flags & SEGFS_MAP_COPY ? MAP_PRIVATE : MAP_SHARED, segment->fd,
		     (off_t)(offset - skipped));
	result = pages == MAP_FAILED ? -errno : 0;
	if (result == 0)
		advise(pages, skipped + length, flags);
	/* mmap(2) with MAP_LOCKED would not tell whether the pages are there */
	if (result == 0 && flags & SEGFS_MAP_LOCK && mlock(pages, skipped + length) < 0) {
		result = errno == ENOMEM || errno == EPERM ? -EAGAIN : -errno;
		munmap(pages, skipped + length);
	}
	if (result < 0) {
		free(made);
		return result;
	}
	*made = (struct segfs_view){
		.pages = pages, .skipped = skipped, .length = length, .offset = offset, .flags = flags};
	*view = made;
	return 0;
}

void *segfs_view_data(const struct segfs_view *view)
{
	return view->pages + view->skipped;
}

size_t segfs_view_length(const struct segfs_view *view)
{
	return view->length;
}

int segfs_remap(struct segfs_view *view, const struct segfs_segment *segment, size_t length)
{
	int result = find_length(segment, view->offset, &length);
	void *pages;

	if (result < 0)
		return result;
	pages = mremap(view->pages, view->skipped + view->length, view->skipped + length, MREMAP_MAYMOVE);
	if (pages == MAP_FAILED)
		/* a length that mmap(2) calls too much memory */
		return errno == EINVAL ? -ENOMEM : -errno;
	view->pages = pages;
	view->length = length;
	advise(pages, view->skipped + length, view->flags);
	return 0;
}

int segfs_flush(const struct segfs_view *view, size_t offset, size_t length)
{
	size_t begin;

	if (offset > view->length || length > view->length - offset)
		return -EINVAL;
	if (length == 0)
		length = view->length - offset;
	begin = (view->skipped + offset) / page_size() * page_size();
	return msync(view->pages + begin, view->skipped + offset + length - begin, MS_SYNC) < 0 ? -errno : 0;
}

void segfs_unmap(struct segfs_view *view)
{
	if (!view)
		return;
	munmap(view->pages, view->skipped + view->length);
	free(view);
}
