// SPDX-License-Identifier: MIT
#include "tests/fuzz/replies.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define SPACE       (3u * 1024u * 1024u) /* bytes for the replies to one request, in total */
#define AWAITED_MAX 1024                 /* requests of one input */
#define ERRNO_MAX   4095

static struct {
	int fd;
	const char *bytes; /* bytes present */
	size_t n;
	struct awaited {
		uint64_t unique;
		uint32_t opcode;
		size_t room; /* maximum bytes of the reply after its header */
	} awaited[AWAITED_MAX];
} answers;

void (*replies_before_the_end)(void);

void replies_fail(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	fprintf(stderr, "fuzz_request: ");
	vfprintf(stderr, format, arguments);
	fprintf(stderr, "\n");
	va_end(arguments);
	if (replies_before_the_end)
		replies_before_the_end();
	abort();
}

int replies_open(void)
{
	void *bytes;

	answers.fd = memfd_create("fuzz-answers", MFD_CLOEXEC);
	check(answers.fd >= 0 && ftruncate(answers.fd, SPACE) == 0, "no memory for answers");
	bytes = mmap(NULL, SPACE, PROT_READ, MAP_SHARED, answers.fd, 0);
	check(bytes != MAP_FAILED, "no memory for answers");
	answers.bytes = bytes;
	return answers.fd;
}

void replies_begin(void)
{
	answers.n = 0;
	lseek(answers.fd, 0, SEEK_SET);
}

static size_t room_for(const struct fuse_in_header *request, size_t length)
{
	const struct fuse_read_in *read = (const void *)(request + 1);
	const struct fuse_getxattr_in *xattr = (const void *)(request + 1);

	switch (request->opcode) {
	case FUSE_READ:
	case FUSE_READDIR:
	case FUSE_READDIRPLUS:
		return length < sizeof(*request) + sizeof(*read) ? 0 : read->size;
	case FUSE_GETXATTR:
	case FUSE_LISTXATTR:
		return length < sizeof(*request) + sizeof(*xattr) ? 0 : xattr->size ? xattr->size : 8;
	default:
		return 4096;
	}
}

void replies_await(const struct fuse_in_header *request, size_t length)
{
	bool is_answered = request->opcode != FUSE_FORGET && request->opcode != FUSE_BATCH_FORGET &&
			   request->opcode != FUSE_INTERRUPT;

	if (!is_answered || request->unique == 0)
		return;
	check(answers.n < AWAITED_MAX, "too many requests in one input");
	answers.awaited[answers.n++] = (struct awaited){
		.unique = request->unique,
		.opcode = request->opcode,
		.room = room_for(request, length),
	};
}

/* Reads entries as the kernel does. */
static void look_at_entries(const char *at, size_t left, bool plus)
{
	size_t before = plus ? sizeof(struct fuse_entry_out) : 0;

	while (left >= before + FUSE_NAME_OFFSET) {
		struct fuse_dirent entry;
		size_t size;

		memcpy(&entry, at + before, sizeof(entry));
		size = (before + sizeof(entry) + entry.namelen + 7) & ~(size_t)7;
		check(entry.namelen > 0 && entry.namelen <= 1024, "an entry with a name of %u bytes",
		      entry.namelen);
		check(size <= left, "an entry that is cut off");
		check(!memchr(at + before + sizeof(entry), '/', entry.namelen),
		      "an entry whose name has a '/'");
		check(!memchr(at + before + sizeof(entry), 0, entry.namelen), "an entry whose name has a 0");
		at += size;
		left -= size;
	}
	check(left == 0, "%zu bytes after the last entry", left);
}

/* The request of a reply. */
static size_t find_awaited(const struct fuse_out_header *header)
{
	size_t i = 0;

	while (i < answers.n && answers.awaited[i].unique != header->unique)
		i++;
	return i;
}

static void look_at(const struct fuse_out_header *header, const char *body)
{
	size_t size = header->len - sizeof(*header);
	struct awaited asked;
	size_t i;

	/* a notification */
	if (header->unique == 0) {
		check(header->error > 0 && header->error <= PROTOCOL_NOTIFY_PRUNE, "a notification %d",
		      header->error);
		return;
	}
	i = find_awaited(header);
	check(i < answers.n, "an answer to %#llx, which nobody awaits", (unsigned long long)header->unique);
	asked = answers.awaited[i];
	answers.awaited[i] = answers.awaited[--answers.n];
	check(header->error <= 0 && header->error >= -ERRNO_MAX, "opcode %u: error %d", asked.opcode,
	      header->error);
	check(header->error == 0 || size == 0, "opcode %u: an error with %zu bytes", asked.opcode, size);
	check(size <= asked.room, "opcode %u: an answer of %zu bytes, at most %zu are awaited", asked.opcode,
	      size, asked.room);
	if (asked.opcode == FUSE_READDIR || asked.opcode == FUSE_READDIRPLUS)
		look_at_entries(body, size, asked.opcode == FUSE_READDIRPLUS);
}

void replies_look(size_t may_wait)
{
	size_t length = (size_t)lseek(answers.fd, 0, SEEK_CUR);

	for (size_t at = 0; at < length;) {
		struct fuse_out_header header;

		check(length - at >= sizeof(header), "%zu bytes as an answer", length - at);
		memcpy(&header, answers.bytes + at, sizeof(header));
		check(header.len >= sizeof(header) && header.len <= length - at,
		      "an answer that says it has %u bytes, of %zu", header.len, length - at);
		look_at(&header, answers.bytes + at + sizeof(header));
		at += header.len;
	}
	lseek(answers.fd, 0, SEEK_SET);
	check(answers.n <= may_wait, "%zu requests without an answer, %zu may wait", answers.n, may_wait);
}
