/* SPDX-License-Identifier: MIT */
/*
 * Archives of tar(1), in pax format with sparse files, by libarchive. One belongs to one thread.
 *
 * Functions return a negative errno, for which tar_explain() has a text.
 */
#ifndef SEGFS_TOOL_TAR_H
#define SEGFS_TOOL_TAR_H

#include "lib/tool/common/checksum.h"
#include "lib/tool/common/properties.h"

struct progress;
struct tar;

/* What went wrong last, for a message. */
const char *tar_explain(const struct tar *tar);

/* --- writing --- */

/* Begins an archive. fd: stays the caller's. tar: released by tar_free(). */
int tar_create(int fd, struct tar **tar);

int tar_add_directory(struct tar *tar, const char *name, const struct properties *properties);

/*
 * Adds a file of `size` bytes with its data, and sums what was added. fd: its position changes. checksum:
 * begun. is_source: whether an error is one of fd. Returns 0; -ENODATA, the file is shorter; a negative
 * errno. After an error the archive is of no use.
 */
int tar_add_file(struct tar *tar, const char *name, const struct properties *properties, int fd,
		 uint64_t size, struct checksum *checksum, struct progress *progress, bool *is_source);

/* Adds a file with a text. */
int tar_add_text(struct tar *tar, const char *name, const char *text, size_t length);

int tar_finish(struct tar *tar);

/* --- reading --- */

/* A member. Only valid until the next one. */
struct tar_member {
	const char *name; /* as in the archive; NULL = there is none that can be read */
	mode_t type;      /* S_IFREG, S_IFDIR, ...; 0 for a hard link */
	uint64_t size;
};

int tar_open(int fd, struct tar **tar);

/* Gets the next member. Returns 1; 0 at the end; -EBADMSG, the archive is damaged; a negative errno. */
int tar_next(struct tar *tar, struct tar_member *member);

/* What receives the data of a member, in order. Functions return 0, or a negative errno that ends it. */
struct tar_receiver {
	int (*take_data)(void *context, uint64_t offset, const void *data, size_t length);
	int (*take_hole)(void *context, uint64_t from, uint64_t end);
	void *context;
};

/*
 * Reads the data of the member. receiver: NULL = it is only summed. is_target: whether an error is one of the
 * receiver. Returns 0; -EBADMSG; a negative errno.
 */
int tar_read(struct tar *tar, const struct tar_member *member, const struct tar_receiver *receiver,
	     struct checksum *checksum, struct progress *progress, bool *is_target);

/* Reads a member as text, malloc'd, with a 0 after it. Returns 0; -EFBIG, more than `max` bytes. */
int tar_read_text(struct tar *tar, const struct tar_member *member, size_t max, char **text);

void tar_free(struct tar *tar);

#endif
