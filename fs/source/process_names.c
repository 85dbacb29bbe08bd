// SPDX-License-Identifier: MIT
#include "fs/source/process_names.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>

#define MEMFD_PREFIX     "memfd-"
#define ANONYMOUS_PREFIX "anon-"
#define DELETED_PREFIX   "deleted-"
#define DELETED_MARK     " (deleted)" /* appended by the kernel to the path of an unlinked file */
#define OBJECTS          "/dev/shm/"

static bool starts_with(const char *text, size_t length, const char *prefix)
{
	return length >= strlen(prefix) && memcmp(text, prefix, strlen(prefix)) == 0;
}

static bool ends_with(const char *text, size_t length, const char *end)
{
	return length >= strlen(end) && memcmp(text + length - strlen(end), end, strlen(end)) == 0;
}

/*
 * Parses lower-case digits. Returns the end of the number; NULL if there are no digits or the number
 * overflows.
 */
static const char *parse_digits(const char *text, const char *end, unsigned int base, uint64_t *number)
{
	static const char digits[] = "0123456789abcdef";
	const char *at = text;
	uint64_t found = 0;

	for (; at < end && *at; at++) {
		const char *digit = memchr(digits, *at, base);

		if (!digit)
			break;
		if (found > (UINT64_MAX - 15) / base)
			return NULL;
		found = found * base + (uint64_t)(digit - digits);
	}
	if (at == text)
		return NULL;
	*number = found;
	return at;
}

/* Like parse_digits(), for numbers in the format of /proc: zero-padded to `width` digits. */
static const char *parse_number(const char *text, unsigned int base, ptrdiff_t width, uint64_t *number)
{
	const char *end = parse_digits(text, text + strlen(text), base, number);

	if (!end || end - text < width || (*text == '0' && end - text > width))
		return NULL;
	return end;
}

bool process_parse_number(const char *name, pid_t *pid)
{
	uint64_t number;
	const char *end = parse_number(name, 10, 1, &number);

	if (!end || *end || number == 0 || number > INT_MAX)
		return false;
	*pid = (pid_t)number;
	return true;
}

static bool parse_memfd_name(const char *numbers, struct process_name *parsed)
{
	const char *end = parse_number(numbers, 10, 1, &parsed->first);

	return end && *end == '-' && parsed->first <= INT_MAX;
}

static bool parse_anonymous_name(const char *numbers, struct process_name *parsed)
{
	const char *end = parse_number(numbers, 16, 8, &parsed->first);

	if (!end || *end != '-')
		return false;
	end = parse_number(end + 1, 16, 8, &parsed->second);
	return end && !*end;
}

static bool parse_deleted_name(const char *numbers, struct process_name *parsed)
{
	const char *end = parse_number(numbers, 16, 8, &parsed->first);

	return end && *end == '-';
}

bool process_parse_name(const char *name, struct process_name *parsed)
{
	static const struct {
		const char *prefix;
		enum process_kind kind;
		bool (*parse)(const char *numbers, struct process_name *parsed);
	} kinds[] = {
		{MEMFD_PREFIX, PROCESS_MEMFD, parse_memfd_name},
		{ANONYMOUS_PREFIX, PROCESS_ANONYMOUS, parse_anonymous_name},
		{DELETED_PREFIX, PROCESS_DELETED, parse_deleted_name},
	};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		struct process_name found = {.kind = kinds[i].kind};

		if (!starts_with(name, strlen(name), kinds[i].prefix) ||
		    !kinds[i].parse(name + strlen(kinds[i].prefix), &found))
			continue;
		*parsed = found;
		return true;
	}
	return false;
}

void process_make_safe(char *text, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if ((unsigned char)text[i] < ' ' || text[i] == 0x7f || text[i] == '/')
			text[i] = '_';
}

/* Returns how many bytes of a title fit into `room`, without splitting a UTF-8 character. */
static size_t fitting(const char *title, size_t length, size_t room)
{
	size_t cut = room;

	if (length <= room)
		return length;
	while (cut > 0 && room - cut < 4 && ((unsigned char)title[cut] & 0xc0) == 0x80)
		cut--;
	/* not UTF-8 */
	return room - cut < 4 ? cut : room;
}

void process_write_name(const struct process_name *parsed, const char *title, size_t length,
			char name[NAME_MAX + 1])
{
	int used = 0;

	switch (parsed->kind) {
	case PROCESS_MEMFD:
		used = snprintf(name, NAME_MAX + 1, MEMFD_PREFIX "%" PRIu64 "-", parsed->first);
		break;
	case PROCESS_ANONYMOUS:
		/* as in /proc/PID/maps */
		used = snprintf(name, NAME_MAX + 1, ANONYMOUS_PREFIX "%08" PRIx64 "-%08" PRIx64,
				parsed->first, parsed->second);
		length = 0;
		break;
	case PROCESS_DELETED:
		used = snprintf(name, NAME_MAX + 1, DELETED_PREFIX "%08" PRIx64 "-", parsed->first);
		break;
	default:
		break;
	}
	length = fitting(title, length, NAME_MAX - (size_t)used);
	if (length > 0)
		memcpy(name + used, title, length);
	process_make_safe(name + used, length);
	name[(size_t)used + length] = 0;
}

/* Returns the start of the next field; NULL at the end of the line. */
static const char *next_field(const char *at, const char *end)
{
	at = memchr(at, ' ', (size_t)(end - at));
	while (at && at < end && *at == ' ')
		at++;
	return at == end ? NULL : at;
}

/* Parses device and inode number. Returns the start of the path, or NULL. */
static const char *parse_file(const char *at, const char *end, struct process_mapping *mapping)
{
	uint64_t major = 0;
	uint64_t minor = 0;
	uint64_t inode = 0;
	const char *number = parse_digits(at, end, 16, &major);

	if (number && number < end && *number == ':')
		number = parse_digits(number + 1, end, 16, &minor);
	at = next_field(at, end);
	if (!at || !number || !parse_digits(at, end, 10, &inode))
		return NULL;
	mapping->device = makedev((unsigned int)major, (unsigned int)minor);
	mapping->inode = inode;
	return next_field(at, end);
}

bool process_parse_mapping(const char *line, size_t length, struct process_mapping *mapping)
{
	const char *end = line + length;
	struct process_mapping found = {0};
	const char *at;

	if (length > 0 && end[-1] == '\n')
		end--;
	at = parse_digits(line, end, 16, &found.start);
	if (!at || at == end || *at != '-')
		return false;
	at = parse_digits(at + 1, end, 16, &found.end);
	if (!at || end - at < 6 || *at != ' ' || at[5] != ' ' || found.end <= found.start)
		return false;
	found.readable = at[1] == 'r';
	found.writable = at[2] == 'w';
	found.shared = at[4] == 's';
	/* skip permissions and offset */
	at = next_field(at + 1, end);
	at = at ? next_field(at, end) : NULL;
	found.path = at ? parse_file(at, end, &found) : NULL;
	found.length = found.path ? (size_t)(end - found.path) : 0;
	*mapping = found;
	return true;
}

static bool is_text(const char *text, size_t length, const char *other)
{
	return length == strlen(other) && memcmp(text, other, length) == 0;
}

bool process_is_anonymous(const char *path, size_t length)
{
	return is_text(path, length, "/dev/zero" DELETED_MARK);
}

bool process_is_anonymous_huge(const char *path, size_t length)
{
	return is_text(path, length, "/anon_hugepage" DELETED_MARK);
}

/* Extracts the text between `prefix` and DELETED_MARK. path: not necessarily terminated by a 0. */
static bool parse_between(const char *path, size_t length, const char *prefix, size_t least,
			  const char **title, size_t *title_length)
{
	const size_t around = strlen(prefix) + strlen(DELETED_MARK);

	if (length < around + least || !starts_with(path, length, prefix) ||
	    !ends_with(path, length, DELETED_MARK))
		return false;
	*title = path + strlen(prefix);
	*title_length = length - around;
	return true;
}

bool process_parse_memfd(const char *target, size_t length, const char **title, size_t *title_length)
{
	return parse_between(target, length, "/memfd:", 0, title, title_length);
}

bool process_parse_deleted(const char *target, size_t length, const char **title, size_t *title_length)
{
	return parse_between(target, length, OBJECTS, 1, title, title_length);
}

enum process_kind process_mapping_kind(const struct process_mapping *mapping)
{
	const char *path = mapping->path;
	size_t length = mapping->length;
	const char *title;

	if (!path || !mapping->shared)
		return PROCESS_NONE;
	if (process_is_anonymous(path, length) || process_is_anonymous_huge(path, length))
		return PROCESS_ANONYMOUS;
	return process_parse_deleted(path, length, &title, &length) ? PROCESS_DELETED : PROCESS_NONE;
}
