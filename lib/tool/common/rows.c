// SPDX-License-Identifier: MIT
#include "lib/tool/common/rows.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE 16 /* bytes of a row of hexadecimal digits */

static const struct {
	const char *name;
	struct rows_field field;
} types[] = {
	{"u8", {'u', 1}},  {"u16", {'u', 2}}, {"u32", {'u', 4}}, {"u64", {'u', 8}}, {"i8", {'i', 1}},
	{"i16", {'i', 2}}, {"i32", {'i', 4}}, {"i64", {'i', 8}}, {"f32", {'f', 4}}, {"f64", {'f', 8}},
};

static int parse_one(const char *name, size_t length, bool is_last, struct rows_layout *layout)
{
	if (is_last && layout->n > 0 && length == 2 && strncmp(name, "be", 2) == 0) {
		layout->big_endian = true;
		return 0;
	}
	if (is_last && layout->n > 0 && length == 2 && strncmp(name, "le", 2) == 0)
		return 0;
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]) && layout->n < ROWS_FIELDS_MAX; i++) {
		if (strlen(types[i].name) != length || strncmp(types[i].name, name, length) != 0)
			continue;
		layout->fields[layout->n++] = types[i].field;
		layout->bytes += types[i].field.size;
		return 0;
	}
	return -EINVAL;
}

int rows_parse(const char *list, struct rows_layout *layout, const char **wrong)
{
	layout->n = 0;
	layout->bytes = list ? 0 : LINE;
	for (const char *at = list; at;) {
		const size_t length = strcspn(at, ",");

		*wrong = at;
		if (parse_one(at, length, at[length] == '\0', layout) < 0)
			return -EINVAL;
		at = at[length] ? at + length + 1 : NULL;
	}
	if (list && !strchr(list, ','))
		while (layout->bytes < LINE)
			parse_one(list, strlen(list), false, layout);
	return 0;
}

/* --- colours --- */

enum colour { PLAIN, ZERO, ASCII, OTHER, CHANGED };

static const char *const codes[] = {[PLAIN] = "\033[0m",
				    [ZERO] = "\033[0;2m",
				    [ASCII] = "\033[0;32m",
				    [OTHER] = "\033[0;36m",
				    [CHANGED] = "\033[0;7m"};

struct writer {
	const struct rows_layout *layout;
	char *at;
	enum colour colour;
};

static void paint(struct writer *writer, enum colour colour)
{
	if (!writer->layout->colour || writer->colour == colour)
		return;
	writer->at = stpcpy(writer->at, codes[colour]);
	writer->colour = colour;
}

static bool is_ascii(uint8_t byte)
{
	return byte >= 0x20 && byte < 0x7f;
}

static enum colour colour_of(uint8_t byte, const uint8_t *before)
{
	if (before && *before != byte)
		return CHANGED;
	return byte == 0 ? ZERO : is_ascii(byte) ? ASCII : OTHER;
}

/* --- rows --- */

static void put_hex(struct writer *writer, const uint8_t *data, size_t length, const uint8_t *before)
{
	for (size_t i = 0; i < LINE; i++) {
		paint(writer, PLAIN);
		writer->at = stpcpy(writer->at, i % 8 == 0 ? "  " : " ");
		if (i < length) {
			paint(writer, colour_of(data[i], before ? before + i : NULL));
			writer->at += sprintf(writer->at, "%02x", data[i]);
		} else {
			writer->at = stpcpy(writer->at, "  ");
		}
	}
	paint(writer, PLAIN);
	writer->at = stpcpy(writer->at, "  |");
	for (size_t i = 0; i < length; i++) {
		paint(writer, colour_of(data[i], before ? before + i : NULL));
		*writer->at++ = is_ascii(data[i]) ? (char)data[i] : '.';
	}
	paint(writer, PLAIN);
	writer->at = stpcpy(writer->at, "|");
}

static uint64_t get_bits(const uint8_t *data, size_t size, bool big_endian)
{
	uint64_t bits = 0;

	for (size_t i = 0; i < size && size <= sizeof(bits); i++)
		bits |= (uint64_t)data[i] << 8 * (big_endian ? size - 1 - i : i);
	return bits;
}

static long long get_signed(uint64_t bits, size_t size)
{
	switch (size) {
	case 1:
		return (int8_t)bits;
	case 2:
		return (int16_t)bits;
	case 4:
		return (int32_t)bits;
	default:
		return (int64_t)bits;
	}
}

static double get_float(uint64_t bits, size_t size)
{
	const uint32_t low = (uint32_t)bits;
	double number;
	float single;

	if (size == sizeof(single)) {
		memcpy(&single, &low, sizeof(single));
		return (double)single;
	}
	memcpy(&number, &bits, sizeof(number));
	return number;
}

/* The shortest text that is the number when it is read again. */
static void format_float(double number, size_t size, char text[32])
{
	const int most = size == 4 ? 9 : 17;

	for (int digits = size == 4 ? 6 : 15; digits <= most; digits++) {
		snprintf(text, 32, "%.*g", digits, number);
		if (size == 4 ? strtof(text, NULL) == (float)number : strtod(text, NULL) == number)
			return;
	}
}

static void format_field(const struct rows_layout *layout, const struct rows_field *field,
			 const uint8_t *data, char text[32])
{
	const uint64_t bits = get_bits(data, field->size, layout->big_endian);

	if (field->kind == 'f')
		format_float(get_float(bits, field->size), field->size, text);
	else if (field->kind == 'i')
		snprintf(text, 32, "%lld", get_signed(bits, field->size));
	else
		snprintf(text, 32, "%llu", (unsigned long long)bits);
}

/* Columns that the longest value takes. */
static int width_of(const struct rows_field *field)
{
	static const int widths[] = {[1] = 4, [2] = 6, [4] = 11, [8] = 20};

	return field->kind == 'f' ? (field->size == 4 ? 15 : 24) : widths[field->size];
}

static void put_fields(struct writer *writer, const uint8_t *data, size_t length, const uint8_t *before)
{
	const struct rows_layout *layout = writer->layout;
	size_t at = 0;

	for (size_t i = 0; i < layout->n; at += layout->fields[i++].size) {
		const struct rows_field *field = &layout->fields[i];
		const bool changed = before && at + field->size <= length &&
				     memcmp(before + at, data + at, field->size) != 0;
		char text[32] = "-";

		if (at + field->size <= length)
			format_field(layout, field, data + at, text);
		paint(writer, PLAIN);
		writer->at += sprintf(writer->at, "  %*s", width_of(field) - (int)strlen(text), "");
		paint(writer, changed ? CHANGED : strcmp(text, "0") == 0 ? ZERO : OTHER);
		writer->at = stpcpy(writer->at, text);
	}
	paint(writer, PLAIN);
}

void rows_text(const struct rows_layout *layout, uint64_t offset, const uint8_t *data, size_t length,
	       const uint8_t *before, char text[ROWS_TEXT_MAX])
{
	struct writer writer = {.layout = layout, .at = text};

	writer.at += sprintf(text, "%0*llx", layout->digits, (unsigned long long)offset);
	if (layout->n == 0)
		put_hex(&writer, data, length, before);
	else
		put_fields(&writer, data, length, before);
	*writer.at = '\0';
}

void rows_json(const struct rows_layout *layout, const uint8_t *data, size_t length, char text[ROWS_TEXT_MAX])
{
	size_t at = 0;
	char *to = text;

	*to = '\0';
	if (layout->n == 0) {
		*to++ = '"';
		for (size_t i = 0; i < length; i++)
			to += sprintf(to, "%02x", data[i]);
		stpcpy(to, "\"");
		return;
	}
	for (size_t i = 0; i < layout->n; at += layout->fields[i++].size) {
		const struct rows_field *field = &layout->fields[i];
		char value[32] = "null";

		if (at + field->size <= length)
			format_field(layout, field, data + at, value);
		/* JSON has no such numbers */
		if (strpbrk(value, "ni") && strcmp(value, "null") != 0)
			strcpy(value, "null");
		to += sprintf(to, "%s%s", i ? ", " : "", value);
	}
}
