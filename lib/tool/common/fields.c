// SPDX-License-Identifier: MIT
#include "lib/tool/common/fields.h"

#include <string.h>

char *fields_line(char **at)
{
	char *line = *at;
	char *end;

	if (!*line)
		return NULL;
	end = strchrnul(line, '\n');
	*at = *end ? end + 1 : end;
	*end = '\0';
	return line;
}

static int octal(char digit)
{
	return digit >= '0' && digit <= '7' ? digit - '0' : -1;
}

/* Decodes in place: what is decoded is shorter. */
static void decode(char *text)
{
	char *to = text;

	while (*text) {
		int a = -1, b = -1, c = -1;

		if (*text == '\\') {
			a = octal(text[1]);
			b = a < 0 ? -1 : octal(text[2]);
			c = b < 0 ? -1 : octal(text[3]);
		}
		*to++ = (char)(c < 0 ? *text : a * 64 + b * 8 + c);
		text += c < 0 ? 1 : 4;
	}
	*to = '\0';
}

size_t fields_split(char *line, char **fields, size_t max)
{
	size_t n = 0;

	while (n < max) {
		line += strspn(line, " ");
		if (!*line)
			break;
		fields[n++] = line;
		if (n == max)
			break;
		line += strcspn(line, " ");
		if (*line)
			*line++ = '\0';
	}
	for (size_t i = 0; i < n; i++)
		decode(fields[i]);
	return n;
}
