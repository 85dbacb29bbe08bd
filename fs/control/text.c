// SPDX-License-Identifier: MIT
#include "fs/control/internal.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define CONTROL_TEXT_MAX ((size_t)256 << 20) /* bytes of a file under .segfs */

void control_fail(struct control_text *text, int result)
{
	if (result < 0 && text->result == 0)
		text->result = result;
}

/* Makes room for `more` bytes and a final 0. */
static bool reserve(struct control_text *text, size_t more)
{
	size_t size = text->size ? text->size : 1024;
	char *bytes;

	if (more > CONTROL_TEXT_MAX - text->length) {
		control_fail(text, -EFBIG);
		return false;
	}
	while (size < text->length + more + 1)
		size *= 2;
	if (size == text->size)
		return true;
	bytes = realloc(text->bytes, size);
	if (!bytes) {
		control_fail(text, -ENOMEM);
		return false;
	}
	text->bytes = bytes;
	text->size = size;
	return true;
}

void control_print(struct control_text *text, const char *format, ...)
{
	va_list arguments;
	int length;

	va_start(arguments, format);
	length = vsnprintf(NULL, 0, format, arguments);
	va_end(arguments);
	if (length < 0 || !reserve(text, (size_t)length))
		return;
	va_start(arguments, format);
	vsnprintf(text->bytes + text->length, (size_t)length + 1, format, arguments);
	va_end(arguments);
	text->length += (size_t)length;
}

void control_print_json_string(struct control_text *text, const char *string)
{
	control_print(text, "\"");
	for (const unsigned char *at = (const unsigned char *)string; *at; at++) {
		if (*at == '"' || *at == '\\')
			control_print(text, "\\%c", *at);
		else if (*at < 0x20)
			control_print(text, "\\u%04x", *at);
		else
			control_print(text, "%c", *at);
	}
	control_print(text, "\"");
}
