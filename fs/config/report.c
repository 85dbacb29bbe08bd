// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "fs/config/internal.h"
#include "lib/base/textfile.h"

#define FILE_SHOWN 160 /* bytes of the file's name in a message */

struct shown parser_show(const char *text, size_t length)
{
	struct shown shown;
	size_t fits = length < CONFIG_SHOWN_MAX ? length : utf8_valid_length(text, CONFIG_SHOWN_MAX - 4);

	memcpy(shown.text, text, fits);
	snprintf(shown.text + fits, CONFIG_SHOWN_MAX - fits, "%s", fits < length ? "..." : "");
	return shown;
}

struct shown parser_show_string(const char *text)
{
	return parser_show(text, strlen(text));
}

struct shown parser_show_section(const struct config_section *section, const char *name)
{
	struct shown shown;
	size_t room = CONFIG_SHOWN_MAX - strlen(section->kind) - sizeof("[ ...]");
	size_t length;

	if (!name) {
		snprintf(shown.text, sizeof(shown.text), "[%s]", section->kind);
		return shown;
	}
	length = strlen(name);
	if (length > room + 3)
		length = utf8_valid_length(name, room);
	snprintf(shown.text, sizeof(shown.text), "[%s %.*s%s]", section->kind, (int)length, name,
		 name[length] ? "..." : "");
	return shown;
}

/* An error line is a single line of whole characters, whatever the file contains. */
static void clean_message(char *message)
{
	size_t length = strlen(message);
	size_t i;

	for (i = 0; i < length; i++)
		if ((unsigned char)message[i] < 0x20 || message[i] == 0x7f)
			message[i] = '?';
	for (i = utf8_valid_length(message, length); i < length;
	     i += utf8_valid_length(message + i, length - i))
		message[i] = '?';
}

int parser_fail(struct parser *parser, unsigned int line, const char *format, ...)
{
	size_t length = strlen(parser->file);
	bool cut = length > FILE_SHOWN;
	va_list arguments;
	int used;

	used = snprintf(parser->error, CONFIG_ERROR_MAX, "%s%s:%u: ", cut ? "..." : "",
			parser->file + (cut ? length - FILE_SHOWN : 0), line);
	va_start(arguments, format);
	vsnprintf(parser->error + used, CONFIG_ERROR_MAX - (size_t)used, format, arguments);
	va_end(arguments);
	clean_message(parser->error);
	parser->result = -EINVAL;
	return -EINVAL;
}

int parser_fail_memory(struct parser *parser)
{
	parser_fail(parser, parser->line, "out of memory; free some and try again");
	parser->result = -ENOMEM;
	return -ENOMEM;
}
