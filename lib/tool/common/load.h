/* SPDX-License-Identifier: MIT */
/*
 * Content for a new segment, from a file or standard input. Holes of a file stay holes. A load belongs to one
 * thread.
 */
#ifndef SEGFS_TOOL_LOAD_H
#define SEGFS_TOOL_LOAD_H

#include <stdbool.h>
#include <stdint.h>

struct tool;

struct load {
	const char *name; /* for messages */
	int fd;
	bool is_stream;  /* its size is not known before it was read: a pipe, a device, a file of /proc */
	bool was_read;   /* of a stream: nothing is left to be read */
	uint64_t start;  /* where it begins: standard input may have been read before */
	uint64_t size;   /* bytes from there; 0 of a stream */
	bool has_failed; /* the error of load_copy() is one of reading */
};

/* Opens a file; "-" = standard input. load: released by load_close(). Returns a STATUS_*, after a message. */
int load_open(const struct tool *tool, const char *path, struct load *load);
void load_close(struct load *load);

/*
 * Copies all of it to the start of a file that has only zeroes.
 * limit: bytes that the file has room for. Returns 0, or a negative errno; with load->has_failed
 *   EFBIG   a stream has more bytes than `limit`
 *   ESTALE  a file became shorter meanwhile
 *   ESPIPE  a stream was read before
 */
int load_copy(struct load *load, int to, uint64_t limit);

#endif
