// SPDX-License-Identifier: MIT
#include "lib/base/textfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/base/cleanup.h"

int textfile_read(const char *path, size_t limit, char **text, size_t *length)
{
	_cleanup_close_ int fd = -1;
	_cleanup_free_ char *bytes = NULL;
	size_t capacity = 0;
	size_t used = 0;

	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return -errno;
	for (;;) {
		ssize_t got;

		if (capacity - used < 2) {
			size_t larger = capacity ? capacity * 2 : 4096;
			char *moved;

			if (larger > limit + 2)
				larger = limit + 2; /* one byte over the limit, and the final 0 */
			moved = realloc(bytes, larger);
			if (!moved)
				return -ENOMEM;
			bytes = moved;
			capacity = larger;
		}
		got = read(fd, bytes + used, capacity - used - 1);
		if (got < 0) {
			if (errno == EINTR)
				continue;
			return -errno;
		}
		if (got == 0)
			break;
		used += (size_t)got;
		if (used > limit)
			return -EFBIG;
	}
	bytes[used] = 0;
	*text = bytes;
	bytes = NULL;
	*length = used;
	return 0;
}

/* Returns the length of the character at `p`, or 0 if it is incomplete or invalid. */
static size_t utf8_character(const unsigned char *p, size_t left)
{
	static const uint32_t smallest[] = {0, 0, 0x80, 0x800,
					    0x10000}; /* by length; smaller codes are overlong */
	uint32_t code;
	size_t length;

	if (p[0] < 0x80)
		return 1;
	if (p[0] >= 0xc0 && p[0] < 0xe0)
		length = 2;
	else if (p[0] >= 0xe0 && p[0] < 0xf0)
		length = 3;
	else if (p[0] >= 0xf0 && p[0] < 0xf8)
		length = 4;
	else
		return 0;
	if (left < length)
		return 0;
	code = p[0] & (0x7fu >> length);
	for (size_t i = 1; i < length; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (p[i] & 0x3fu);
	}
	if (code < smallest[length] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
		return 0;
	return length;
}

size_t utf8_valid_length(const char *text, size_t length)
{
	size_t done = 0;

	while (done < length) {
		size_t step = utf8_character((const unsigned char *)text + done, length - done);

		if (!step)
			break;
		done += step;
	}
	return done;
}
