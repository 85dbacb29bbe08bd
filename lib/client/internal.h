/* SPDX-License-Identifier: MIT */
/* Shared by the files of libsegfs. Nothing here keeps state; all functions are thread-safe. */
#ifndef SEGFS_CLIENT_INTERNAL_H
#define SEGFS_CLIENT_INTERNAL_H

#include "lib/segfs.h"

#include <limits.h>
#include <stdbool.h>
#include <unistd.h>

/* Bytes of a page. */
static inline size_t page_size(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

/*
 * Where a relative name begins: the directory of SEGFS_MOUNT, or the only mount of segfs.
 * path: receives it. Returns 0; -ENODEV; -ENOTUNIQ; -ENAMETOOLONG; the errno of reading the mount table.
 */
int name_root(char path[PATH_MAX]);

/*
 * The path of a name. Returns 0; the errors of names in segfs.h; an empty name is the root if `may_be_empty`.
 */
int name_resolve(const char *name, bool may_be_empty, char path[PATH_MAX]);

/* Calls `visit` with the path of each mount of segfs, once for each file system. Returns 0 or an errno. */
int name_each_mount(void (*visit)(const char *path, void *context), void *context);

/*
 * Attributes by their short names. The descriptor may be O_PATH, which is no open that could change the
 * lifetime of a file.
 *
 * attribute_is_known(): whether a file is one of segfs, which alone knows the attributes.
 *
 * attribute_get() gets one, with a 0 after it. Returns its length; -ENODATA or -EOPNOTSUPP without it;
 * -ERANGE if it has no room in `size` bytes; -EINVAL for a name that cannot be one; the errno of getxattr(2).
 *
 * attribute_set() sets one. Returns 0; -EOPNOTSUPP outside of segfs; the errno of getxattr(2), setxattr(2).
 */
bool attribute_is_known(int fd);
ssize_t attribute_get(int fd, const char *name, char *value, size_t size);
int attribute_set(int fd, const char *name, const char *value);

/*
 * What a regular file is. fd: of it, may be O_PATH. on_segfs: it is one of segfs, which tells; another file
 * is opened and says it itself, as far as it may be read. size: of it, bytes. Returns SEGFS_SEGMENT if it is
 * no object.
 */
enum segfs_kind segment_kind_of(int fd, bool on_segfs, uint64_t size);

/* What a new file is given before its name is visible, besides what its creator asks for in segfs.h. */
struct segment_filling {
	int (*fill)(int fd, void *context); /* its size is set; a negative errno ends the creation */
	void *context;
};

/* segfs_create(). filling: NULL = zeroes. */
int segment_create(const char *name, const struct segfs_creation *creation,
		   const struct segment_filling *filling, struct segfs_segment **segment);

/* segfs_object_create(). filling: what is done after the object is written; NULL = nothing. */
int object_create(const char *name, enum segfs_kind kind, const struct segfs_object_creation *creation,
		  const struct segment_filling *filling, struct segfs_object **object);

/* Removes the name of a new segment, unless it is another one's by now. */
void segment_forget(const char *name, const struct segfs_segment *segment);

struct segfs_segment {
	int fd;
	bool writable;
};

#endif
