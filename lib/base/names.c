// SPDX-License-Identifier: MIT
#include "lib/base/names.h"

#include <errno.h>
#include <string.h>

static bool is_control(char c)
{
	return (unsigned char)c < 0x20 || c == 0x7f;
}

static bool is_dot(const char *component, size_t length)
{
	return length == 1 && component[0] == '.';
}

static bool is_dot_dot(const char *component, size_t length)
{
	return length == 2 && component[0] == '.' && component[1] == '.';
}

static enum name_problem check_component(const char *component, size_t length)
{
	if (!length)
		return NAME_SLASH;
	if (is_dot(component, length) || is_dot_dot(component, length))
		return NAME_DOT;
	for (size_t i = 0; i < length; i++)
		if (is_control(component[i]))
			return NAME_CONTROL;
	return length > NAME_MAX ? NAME_LONG_COMPONENT : NAME_OK;
}

enum name_problem name_check(const char *name, size_t length)
{
	size_t start = 0;

	if (!length)
		return NAME_EMPTY;
	if (length >= PATH_MAX)
		return NAME_LONG;
	for (size_t i = 0; i <= length; i++) {
		enum name_problem problem;

		if (i < length && name[i] != '/')
			continue;
		problem = check_component(name + start, i - start);
		if (problem != NAME_OK)
			return problem;
		start = i + 1;
	}
	return NAME_OK;
}

const char *name_problem_text(enum name_problem problem)
{
	switch (problem) {
	case NAME_EMPTY:
		return "the name is empty; write for example video/ring";
	case NAME_SLASH:
		return "the name has a '/' at the start or end, or two in a row; write it relative to the "
		       "mount, such as video/ring";
	case NAME_DOT:
		return "the name has a component \".\" or \"..\"; remove it";
	case NAME_CONTROL:
		return "the name has a control character; remove it";
	case NAME_LONG_COMPONENT:
		return "a component of the name has more than 255 bytes; shorten it";
	case NAME_LONG:
		return "the name has more than 4095 bytes; shorten it";
	case NAME_OK:
		break;
	}
	return "the name is fine";
}

int path_normalize(char *path)
{
	const char *p = path;
	size_t length;
	char *end;

	if (path[0] != '/')
		return -EINVAL;
	/* check everything before changing anything */
	if (strlen(path) >= PATH_MAX)
		return -ENAMETOOLONG;
	while (*p) {
		p += strspn(p, "/");
		length = strcspn(p, "/");
		if (is_dot_dot(p, length))
			return -EINVAL;
		if (length > NAME_MAX)
			return -ENAMETOOLONG;
		for (; length; length--, p++)
			if (is_control(*p))
				return -EINVAL;
	}
	p = path;
	end = path;
	while (*p) {
		p += strspn(p, "/");
		length = strcspn(p, "/");
		if (length && !is_dot(p, length)) {
			*end++ = '/';
			memmove(end, p, length);
			end += length;
		}
		p += length;
	}
	if (end == path)
		*end++ = '/';
	*end = 0;
	return 0;
}

static bool is_plain(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' ||
	       c == '.';
}

int instance_name_from_path(const char *absolute, char out[NAME_MAX + 1])
{
	static const char hex[] = "0123456789ABCDEF";
	char name[NAME_MAX + 1];
	size_t used = 0;
	const char *p = absolute;

	if (*p != '/')
		return -EINVAL;
	while (*p) {
		size_t length;

		p += strspn(p, "/");
		length = strcspn(p, "/");
		if (!length)
			break;
		if (is_dot(p, length) || is_dot_dot(p, length))
			return -EINVAL;
		if (used && used < NAME_MAX)
			name[used++] = '-';
		else if (used)
			return -ENAMETOOLONG;
		for (; length; length--, p++) {
			size_t needed = is_plain(*p) ? 1 : 3;

			if (NAME_MAX - used < needed)
				return -ENAMETOOLONG;
			if (needed == 1) {
				name[used++] = *p;
			} else {
				name[used++] = '%';
				name[used++] = hex[(unsigned char)*p >> 4];
				name[used++] = hex[(unsigned char)*p & 15];
			}
		}
	}
	if (!used)
		return -EINVAL;
	name[used] = 0;
	memcpy(out, name, used + 1);
	return 0;
}

bool instance_name_valid(const char *name)
{
	size_t length = strnlen(name, NAME_MAX + 1);

	if (!length || length > NAME_MAX || name[0] == '-' || is_dot(name, length) ||
	    is_dot_dot(name, length))
		return false;
	for (size_t i = 0; i < length; i++)
		if (!is_plain(name[i]) && name[i] != '%' && name[i] != '-')
			return false;
	return true;
}
