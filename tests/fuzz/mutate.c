// SPDX-License-Identifier: MIT
/*
 * How libFuzzer derives inputs for fuzz_request: by whole messages, which are plausible when created, and by
 * bytes in them.
 */
#include "fs/fuse/protocol.h"
#include "tests/fuzz/stand.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>

#define MESSAGES_MAX 128
#define BODY_MAX     512 /* bytes of a new message's body */

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size); /* libFuzzer's */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed);

static uint64_t random_state;

static uint64_t any(uint64_t below)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state % below;
}

#define ONE_OF(list) (list)[any(sizeof(list) / sizeof((list)[0]))]

/*
 * The fields of a fixed part, in order. h: handle, n: node, f: open flags, o: offset, z: size, w: count of
 * what follows, m: mode, u: small number, U: likewise in 64 bits, L: lock owner, b: flag bits, c: ioctl
 * command, i: id of a request, t: lock type, v: valid of SETATTR. Then strings as in fs/ops/operations.c, x:
 * name of an attribute, and d: the counted bytes.
 */
static const struct form {
	uint32_t opcode;
	const char *parts;
	const char *strings;
} forms[] = {
	{FUSE_LOOKUP, "", "n"},
	{FUSE_LOOKUP, "", "n"},
	{FUSE_FORGET, "U", ""},
	{FUSE_GETATTR, "bbh", ""},
	{FUSE_SETATTR, "vbhoLUUUuuumuuuu", ""},
	{FUSE_READLINK, "", ""},
	{FUSE_SYMLINK, "", "nn"},
	{FUSE_MKNOD, "muuu", "n"},
	{FUSE_MKDIR, "mu", "n"},
	{FUSE_UNLINK, "", "n"},
	{FUSE_RMDIR, "", "n"},
	{FUSE_RENAME, "n", "nn"},
	{FUSE_LINK, "n", "n"},
	{FUSE_OPEN, "fb", ""},
	{FUSE_OPEN, "fb", ""},
	{FUSE_READ, "hozbLfu", ""},
	{FUSE_WRITE, "howbLfu", "d"},
	{FUSE_STATFS, "", ""},
	{FUSE_RELEASE, "hfbL", ""},
	{FUSE_FSYNC, "hbu", ""},
	{FUSE_SETXATTR, "wbbu", "xd"},
	{FUSE_SETXATTR, "wbbu", "xd"},
	{FUSE_GETXATTR, "zu", "x"},
	{FUSE_LISTXATTR, "zu", ""},
	{FUSE_REMOVEXATTR, "", "x"},
	{FUSE_FLUSH, "huuL", ""},
	{FUSE_OPENDIR, "fb", ""},
	{FUSE_READDIR, "hozbLfu", ""},
	{FUSE_RELEASEDIR, "hfbL", ""},
	{FUSE_FSYNCDIR, "hbu", ""},
	{FUSE_GETLK, "hLootubu", ""},
	{FUSE_SETLK, "hLootubu", ""},
	{FUSE_SETLKW, "hLootubu", ""},
	{FUSE_CREATE, "fmub", "n"},
	{FUSE_CREATE, "fmub", "n"},
	{FUSE_INTERRUPT, "i", ""},
	{FUSE_IOCTL, "hbcUwz", "d"},
	{FUSE_BATCH_FORGET, "uunUnU", ""},
	{FUSE_FALLOCATE, "hooub", ""},
	{FUSE_READDIRPLUS, "hozbLfu", ""},
	{FUSE_RENAME2, "nuu", "nn"},
	{FUSE_LSEEK, "houu", ""},
	{FUSE_COPY_FILE_RANGE, "honhooU", ""},
	{FUSE_TMPFILE, "fmub", ""},
	{FUSE_STATX, "buhbb", ""},
	{0, "UUU", "nn"},
};

/* --- a body, from its parts --- */

static char body[BODY_MAX + 64];
static size_t body_length;
static size_t count_at; /* where the count of what follows is */

static void add(const void *bytes, size_t size)
{
	if (body_length + size > BODY_MAX)
		return;
	memcpy(body + body_length, bytes, size);
	body_length += size;
}

static void add32(uint64_t number)
{
	uint32_t low = (uint32_t)number;

	add(&low, sizeof(low));
}

static void add64(uint64_t number)
{
	add(&number, sizeof(number));
}

/* The root, nodes that were looked up, others, or any number. */
static uint64_t any_node(void)
{
	switch (any(8)) {
	case 0:
	case 1:
	case 2:
		return 1;
	case 3:
	case 4:
	case 5:
		return 11 + any(4);
	case 6:
		return any(24);
	default:
		return any(6) ? 11 + any(4) : any(UINT64_MAX);
	}
}

static uint64_t any_offset(void)
{
	static const uint64_t offsets[] = {0,
					   1,
					   10,
					   100,
					   4095,
					   4096,
					   65536,
					   1 << 20,
					   1u << 31,
					   INT64_MAX - 1,
					   INT64_MAX,
					   INT64_MAX - 64,
					   (uint64_t)INT64_MAX + 1,
					   UINT64_MAX,
					   UINT64_MAX - 1};

	return any(3) ? any(200) : ONE_OF(offsets);
}

static uint64_t any_size(void)
{
	static const uint64_t sizes[] = {0,         1,    7,     8,      31,      128,           152,
					 160,       4096, 65536, 131072, 1 << 20, (1 << 20) + 1, 1u << 31,
					 UINT32_MAX};

	return ONE_OF(sizes);
}

static uint64_t any_flags(void)
{
	return any(4) | (any(4) == 0 ? O_TRUNC : 0) | (any(6) == 0 ? O_APPEND : 0) |
	       (any(4) == 0 ? O_NONBLOCK : 0) | (any(8) == 0 ? O_EXCL : 0) |
	       (any(16) == 0 ? O_DIRECTORY : 0) | (any(16) == 0 ? O_SYNC : 0) |
	       (any(32) == 0 ? any(UINT32_MAX) : 0);
}

static uint64_t any_mode(void)
{
	static const uint32_t types[] = {0,       0100000, 0100000, 0040000, 0010000,
					 0140000, 0120000, 0020000, 0060000};

	return ONE_OF(types) | any(010000);
}

static uint64_t any_command(void)
{
	static const uint64_t commands[] = {FS_IOC_GETFLAGS, FS_IOC_SETFLAGS, FS_IOC_FSGETXATTR,
					    FS_IOC_FSSETXATTR};

	return any(8) ? ONE_OF(commands) : any(UINT32_MAX);
}

static void add_part(char part)
{
	switch (part) {
	case 'h':
		add64(any(40) == 0 ? any(UINT64_MAX) : any(2) ? 1 : any(6));
		break;
	case 'n':
		add64(any_node());
		break;
	case 'f':
		add32(any_flags());
		break;
	case 'o':
		add64(any_offset());
		break;
	case 'z':
		add32(any_size());
		break;
	case 'w':
		count_at = body_length;
		add32(0);
		break;
	case 'm':
		add32(any_mode());
		break;
	case 'U':
		add64(any(30) == 0 ? any(UINT64_MAX) : any(5));
		break;
	case 'L':
		add64(any(4));
		break;
	case 'b':
		add32(any(2) ? 0 : any(8) ? any(8) : any(UINT32_MAX));
		break;
	case 'c':
		add32(any_command());
		break;
	case 'i':
		add64(any(20) * 2);
		break;
	case 't':
		add32(any(4));
		break;
	case 'v':
		add32(any(2) ? 1u << any(12) : any(1u << 12));
		break;
	default:
		add32(any(30) == 0 ? any(UINT32_MAX) : any(5));
		break;
	}
}

static void add_text(const char *text)
{
	add(text, strlen(text) + (any(60) != 0));
}

static void add_name(void)
{
	static const char *const names[] = {
		"file",  "file",     "dir",      "inner",  "link",      "fifo",      ".segfs", "status",
		"locks", "attached", "policies", "config", ".",         "..",        "new",    "a",
		"b",     "c",        "",         "a/b",    "../beside", "dir/inner", "posix",  "version"};
	char name[400];

	if (any(40) == 0) {
		memset(name, 'x', sizeof(name));
		name[any(sizeof(name))] = 0;
		name[sizeof(name) - 1] = 0;
		add_text(name);
	} else {
		add_text(ONE_OF(names));
	}
}

static void add_attribute(void)
{
	static const char *const names[] = {
		"user.segfs.lock",         "user.segfs.lock",         "user.segfs.writers",
		"user.segfs.commit",       "user.segfs.size-policy",  "user.segfs.lifetime",
		"user.segfs.attached",     "user.segfs.io-mode",      "user.segfs.source",
		"user.segfs.orphan",       "user.segfs.idle-since",   "user.other",
		"trusted.segfs.policy",    "trusted.other",           "security.selinux",
		"system.posix_acl_access", "system.posix_acl_default"};

	add_text(ONE_OF(names));
}

static void add_data(void)
{
	static const char *const values[] = {"mandatory", "mandatory", "advisory",   "1",         "2",
					     "0",         "yes",       "no",         "fixed",     "variable",
					     "owner",     "ttl:1s",    "last-close", "persistent"};
	const char *value = ONE_OF(values);
	size_t length = any(3) ? strlen(value) : any(200);
	uint32_t counted;

	if (body_length + length > BODY_MAX)
		length = 0;
	if (length == strlen(value))
		add(value, length);
	else
		for (size_t i = 0; i < length; i++)
			add(&(char){(char)any(256)}, 1);
	counted = (uint32_t)(any(30) ? length : any_size());
	memcpy(body + count_at, &counted, sizeof(counted));
}

/* Returns the bytes of a new message, preceded by its length. */
static size_t make_message(uint8_t *out)
{
	const struct form *form = &ONE_OF(forms);
	struct fuse_in_header header = {
		.opcode = form->opcode ? form->opcode : (uint32_t)any(64),
		.nodeid = any_node(),
		.uid = (uint32_t)(any(2) ? 0 : any(3)),
		.pid = (uint32_t)any(3),
	};
	uint16_t length;

	/* new names mostly belong to directories, and requests with a handle to its node */
	if (*form->strings == 'n' && any(4))
		header.nodeid = any(4) ? 1 : 5;
	else if (strchr(form->parts, 'h') && any(8))
		header.nodeid = STAND_NODE_OF_HANDLE;
	if (any(30) == 0)
		header.unique = any(40) | (any(2) ? STAND_REPLAY : 0);
	body_length = 0;
	for (const char *part = form->parts; *part; part++)
		add_part(*part);
	for (const char *string = form->strings; *string; string++) {
		if (*string == 'n')
			add_name();
		else if (*string == 'x')
			add_attribute();
		else
			add_data();
	}
	/* truncated */
	if (any(40) == 0)
		body_length = any(body_length + 1);
	length = (uint16_t)(sizeof(header) + body_length);
	out[0] = (uint8_t)length;
	out[1] = (uint8_t)(length >> 8);
	memcpy(out + 2, &header, sizeof(header));
	memcpy(out + 2 + sizeof(header), body, body_length);
	return 2 + (size_t)length;
}

/* --- an input, by its messages --- */

/* Start offsets of messages; [n] is the end of the last one. Returns n. */
static size_t find_messages(const uint8_t *data, size_t size, size_t at[MESSAGES_MAX + 1])
{
	size_t n = 0;

	at[0] = 1;
	while (n < MESSAGES_MAX && at[n] + 2 <= size) {
		size_t length = 2 + (size_t)(data[at[n]] | data[at[n] + 1] << 8);

		if (length > size - at[n])
			break;
		at[n + 1] = at[n] + length;
		n++;
	}
	return n;
}

static size_t insert(uint8_t *data, size_t size, size_t max_size, size_t at, const uint8_t *bytes,
		     size_t length)
{
	if (size + length > max_size)
		return size;
	memmove(data + at + length, data + at, size - at);
	memcpy(data + at, bytes, length);
	return size + length;
}

static size_t cut(uint8_t *data, size_t size, size_t at, size_t length)
{
	memmove(data + at, data + at + length, size - at - length);
	return size - length;
}

/* Mutates bytes of one message, then its length. */
static size_t change(uint8_t *data, size_t size, size_t max_size, size_t at, size_t end)
{
	size_t room = end - at - 2 + any(32);
	uint8_t *copy;
	size_t length;

	if (room < 1 || size + 32 > max_size || room > UINT16_MAX)
		return size;
	copy = malloc(room + 2);
	if (!copy)
		return size;
	memcpy(copy + 2, data + at + 2, end - at - 2);
	length = LLVMFuzzerMutate(copy + 2, end - at - 2, room);
	copy[0] = (uint8_t)length;
	copy[1] = (uint8_t)(length >> 8);
	size = cut(data, size, at, end - at);
	size = insert(data, size, max_size, at, copy, length + 2);
	free(copy);
	return size;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed)
{
	uint8_t message[2 + sizeof(struct fuse_in_header) + sizeof(body)];
	size_t at[MESSAGES_MAX + 1];
	size_t n, i, length;

	random_state = UINT64_C(0x9e3779b97f4a7c15) ^ ((uint64_t)seed << 17) ^ seed;
	for (int warm = 0; warm < 4; warm++)
		any(2);
	if (size < 1) {
		data[0] = (uint8_t)any(256);
		size = 1;
	}
	n = find_messages(data, size, at);
	i = n ? any(n) : 0;
	switch (n ? any(10) : 0) {
	case 0:
	case 1:
	case 2:
	case 3: /* most inputs grow at their end */
		length = make_message(message);
		return insert(data, size, max_size, at[any(2) ? n : any(n + 1)], message, length);
	case 4:
		length = at[i + 1] - at[i];
		if (length > sizeof(message))
			return size;
		memcpy(message, data + at[i], length);
		return insert(data, size, max_size, at[any(n + 1)], message, length);
	case 5:
		return cut(data, size, at[i], at[i + 1] - at[i]);
	case 6:
		data[0] ^= (uint8_t)(1u << any(8));
		return size;
	case 7:
		if (at[i + 1] - at[i] >= 2 + sizeof(struct fuse_in_header)) {
			uint64_t node = any_node();

			memcpy(data + at[i] + 2 + offsetof(struct fuse_in_header, nodeid), &node,
			       sizeof(node));
		}
		return size;
	default:
		return change(data, size, max_size, at[i], at[i + 1]);
	}
}
