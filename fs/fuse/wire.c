// SPDX-License-Identifier: MIT
#include "fs/fuse/wire.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#define MINOR_LEAST 12 /* of the protocol: requests had other forms before */

#define COUNT(in, field, size) .count_at = offsetof(struct wire_##in##_in, field), .counted = (size)
#define OFFSET(in, field) .offsets = {offsetof(struct wire_##in##_in, field)}
#define OFFSETS(in, first, second) .offsets = {offsetof(struct wire_##in##_in, first), offsetof(struct wire_##in##_in, second)}

/* What an opcode's body consists of: a part of fixed size, strings with a 0 after each, and bytes that the fixed part counts. */
static const struct shape {
	bool known;
	uint8_t fixed;      /* bytes, at least */
	uint8_t counted;    /* bytes of each of what is counted, 0 = nothing is */
	uint8_t count_at;   /* where in the fixed part the count is, 32 bits */
	uint8_t offsets[2]; /* where positions in a file are, 64 bits, 0 = none: what a file has no room for is refused */
	const char *strings; /* n: a name; l: one that may be "." or ".."; s: text. NULL = none */
} shapes[] = {
	[WIRE_OP_LOOKUP] = {.known = true, .strings = "l"},
	[WIRE_OP_FORGET] = {.known = true, .fixed = sizeof(struct wire_forget_in)},
	[WIRE_OP_GETATTR] = {.known = true, .fixed = 16},
	[WIRE_OP_SETATTR] = {.known = true, .fixed = 88},
	[WIRE_OP_READLINK] = {.known = true},
	[WIRE_OP_SYMLINK] = {.known = true, .strings = "ns"},
	[WIRE_OP_MKNOD] = {.known = true, .fixed = 16, .strings = "n"},
	[WIRE_OP_MKDIR] = {.known = true, .fixed = 8, .strings = "n"},
	[WIRE_OP_UNLINK] = {.known = true, .strings = "n"},
	[WIRE_OP_RMDIR] = {.known = true, .strings = "n"},
	[WIRE_OP_RENAME] = {.known = true, .fixed = 8, .strings = "nn"},
	[WIRE_OP_LINK] = {.known = true, .fixed = 8, .strings = "n"},
	[WIRE_OP_OPEN] = {.known = true, .fixed = sizeof(struct wire_open_in)},
	[WIRE_OP_READ] = {.known = true, .fixed = sizeof(struct wire_read_in), OFFSET(read, offset)},
	[WIRE_OP_WRITE] = {.known = true, .fixed = sizeof(struct wire_write_in), COUNT(write, size, 1), OFFSET(write, offset)},
	[WIRE_OP_STATFS] = {.known = true},
	[WIRE_OP_RELEASE] = {.known = true, .fixed = sizeof(struct wire_release_in)},
	[WIRE_OP_FSYNC] = {.known = true, .fixed = 16},
	[WIRE_OP_SETXATTR] = {.known = true, .fixed = sizeof(struct wire_setxattr_in), COUNT(setxattr, size, 1), .strings = "s"},
	[WIRE_OP_GETXATTR] = {.known = true, .fixed = sizeof(struct wire_getxattr_in), .strings = "s"},
	[WIRE_OP_LISTXATTR] = {.known = true, .fixed = sizeof(struct wire_getxattr_in)},
	[WIRE_OP_REMOVEXATTR] = {.known = true, .strings = "s"},
	[WIRE_OP_FLUSH] = {.known = true, .fixed = sizeof(struct wire_flush_in)},
	[WIRE_OP_INIT] = {.known = true, .fixed = sizeof(struct wire_init_in)},
	[WIRE_OP_OPENDIR] = {.known = true, .fixed = sizeof(struct wire_open_in)},
	[WIRE_OP_READDIR] = {.known = true, .fixed = sizeof(struct wire_read_in), OFFSET(read, offset)},
	[WIRE_OP_RELEASEDIR] = {.known = true, .fixed = sizeof(struct wire_release_in)},
	[WIRE_OP_FSYNCDIR] = {.known = true, .fixed = 16},
	[WIRE_OP_GETLK] = {.known = true, .fixed = sizeof(struct wire_lk_in)},
	[WIRE_OP_SETLK] = {.known = true, .fixed = sizeof(struct wire_lk_in)},
	[WIRE_OP_SETLKW] = {.known = true, .fixed = sizeof(struct wire_lk_in)},
	[WIRE_OP_CREATE] = {.known = true, .fixed = sizeof(struct wire_create_in), .strings = "n"},
	[WIRE_OP_INTERRUPT] = {.known = true, .fixed = sizeof(struct wire_interrupt_in)},
	[WIRE_OP_IOCTL] = {.known = true, .fixed = sizeof(struct wire_ioctl_in), COUNT(ioctl, in_size, 1)},
	[WIRE_OP_BATCH_FORGET] = {.known = true, .fixed = sizeof(struct wire_batch_forget_in),
				  COUNT(batch_forget, count, sizeof(struct wire_forget_one))},
	[WIRE_OP_FALLOCATE] = {.known = true, .fixed = sizeof(struct wire_fallocate_in), OFFSETS(fallocate, offset, length)},
	[WIRE_OP_READDIRPLUS] = {.known = true, .fixed = sizeof(struct wire_read_in), OFFSET(read, offset)},
	[WIRE_OP_RENAME2] = {.known = true, .fixed = 16, .strings = "nn"},
	[WIRE_OP_LSEEK] = {.known = true, .fixed = 24},
	[WIRE_OP_COPY_FILE_RANGE] = {.known = true, .fixed = sizeof(struct wire_copy_file_range_in),
				     OFFSETS(copy_file_range, offset_in, offset_out)},
	[WIRE_OP_TMPFILE] = {.known = true, .fixed = sizeof(struct wire_create_in)},
	[WIRE_OP_STATX] = {.known = true, .fixed = sizeof(struct wire_statx_in)},
};

static bool is_name(const char *text, size_t length, bool may_be_dots)
{
	if (length == 0 || memchr(text, '/', length))
		return false;
	return may_be_dots || !(text[0] == '.' && (length == 1 || (length == 2 && text[1] == '.')));
}

/* Takes the strings off the front of what is left. */
static bool has_strings(const char *kinds, const char **at, const char *end)
{
	for (; kinds && *kinds; kinds++) {
		const char *zero = memchr(*at, 0, (size_t)(end - *at));

		if (!zero || (*kinds != 's' && !is_name(*at, (size_t)(zero - *at), *kinds == 'l')))
			return false;
		*at = zero + 1;
	}
	return true;
}

/* The second half of the flags follows where the first half says so. */
static int check_init(const char *body, size_t length)
{
	const struct wire_init_in *in = (const void *)body;

	if (in->flags & WIRE_INIT_EXT && length < sizeof(*in) + sizeof(uint32_t))
		return -EIO;
	return in->major == WIRE_MAJOR && in->minor < MINOR_LEAST ? -EPROTO : 0;
}

static size_t fixed_size(const struct shape *shape, uint32_t opcode, bool short_setxattr)
{
	return opcode == WIRE_OP_SETXATTR && short_setxattr ? offsetof(struct wire_setxattr_in, setxattr_flags) : shape->fixed;
}

bool wire_is_answered(uint32_t opcode)
{
	return opcode != WIRE_OP_FORGET && opcode != WIRE_OP_BATCH_FORGET && opcode != WIRE_OP_INTERRUPT;
}

/* An INTERRUPT that came too early is answered, too. */
static bool has_id(const struct wire_in_header *header)
{
	return (header->unique & ~WIRE_UNIQUE_RESEND) != 0 || header->opcode == WIRE_OP_FORGET ||
	       header->opcode == WIRE_OP_BATCH_FORGET;
}

int wire_check(const void *message, size_t length, bool short_setxattr)
{
	const struct wire_in_header *header = message;
	const char *body = (const char *)(header + 1);
	const char *end = (const char *)message + length;
	const char *at = body;
	const struct shape *shape;
	size_t fixed;

	if (header->length != length || !has_id(header))
		return -EIO;
	if (header->opcode >= sizeof(shapes) / sizeof(shapes[0]) || !shapes[header->opcode].known)
		return -ENOSYS;
	shape = &shapes[header->opcode];
	fixed = fixed_size(shape, header->opcode, short_setxattr);
	if ((size_t)(end - at) < fixed)
		return -EIO;
	at += fixed;
	if (!has_strings(shape->strings, &at, end))
		return -EIO;
	if (shape->counted) {
		uint32_t count;

		memcpy(&count, body + shape->count_at, sizeof(count));
		if ((uint64_t)count * shape->counted > (uint64_t)(end - at))
			return -EIO;
	}
	for (int i = 0; i < 2 && shape->offsets[i]; i++) {
		uint64_t offset;

		memcpy(&offset, body + shape->offsets[i], sizeof(offset));
		if (offset > INT64_MAX)
			return -EINVAL;
	}
	return header->opcode == WIRE_OP_INIT ? check_init(body, (size_t)(end - body)) : 0;
}
