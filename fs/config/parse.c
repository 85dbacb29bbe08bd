// SPDX-License-Identifier: MIT
/*
 * The parser: reads lines and section headers itself, and leaves keys and values to inih.
 *
 * inih (from r55 of Debian 12 on) cuts a section's name at 49 bytes, does not report a section without keys,
 * takes an indented line as a continuation of the value above it, and cuts or skips lines longer than its
 * buffer. test_config (reads_layouts, reads_every_key) and test_config_errors fail if inih gets the lines
 * unchanged.
 */
#include <errno.h>
#include <ini.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/config/internal.h"
#include "fs/config/parse.h"
#include "fs/source/source.h"
#include "lib/base/cleanup.h"
#include "lib/base/textfile.h"

#define FILE_LIMIT (1024 * 1024) /* bytes of a configuration file */
#define LINE_LIMIT 8192          /* bytes of a line: enough for a path of PATH_MAX bytes and a comment */
#define LIST_MAX   320           /* bytes of a list of keys in a message */

/*
 * Exists in the inih of Debian 12 only. Other builds read lines of 200 bytes or more; longer lines are
 * refused.
 */
extern int ini_max_line __attribute__((weak));

/* --- keys --- */

static int fail_key(struct parser *parser, const char *name)
{
	const char *nearest = config_nearest_key(parser->section, name);
	char list[LIST_MAX];

	config_list_keys(parser->section, list, sizeof(list));
	return parser_fail(parser, parser->line, "unknown key '%s' in %s%s%s%s; known keys: %s",
			   parser_show_string(name).text,
			   parser_show_section(parser->section, parser->name).text,
			   nearest ? ", perhaps '" : "", nearest ? nearest : "", nearest ? "'" : "", list);
}

static int set_key(struct parser *parser, const char *name, const char *value)
{
	const struct config_key *key;
	unsigned int *key_line;
	char why[CONFIG_WHY_MAX] = "";
	int error;

	if (!*name)
		return parser_fail(parser, parser->line, "no key before '='; write KEY = VALUE");
	if (!parser->section)
		return parser_fail(parser, parser->line,
				   "'%s' precedes every section; move it into one of " CONFIG_SECTIONS_KNOWN,
				   parser_show_string(name).text);
	key = config_find_key(parser->section, name);
	if (!key)
		return fail_key(parser, name);
	key_line = &parser->key_lines[key - parser->section->keys];
	if (*key_line)
		return parser_fail(parser, parser->line, "%s is set twice in %s; remove this line or line %u",
				   name, parser_show_section(parser->section, parser->name).text, *key_line);
	if (!*value)
		return parser_fail(parser, parser->line,
				   "%s has no value; write %s = VALUE, or remove the line", name, name);
	*key_line = parser->line;
	error = key->type->parse(key, parser->record, value, why);
	if (error == -ENOMEM)
		return parser_fail_memory(parser);
	return error ? parser_fail(parser, parser->line, "%s = %s: %s", name, parser_show_string(value).text,
				   why)
		     : 0;
}

/*
 * Handler of inih: returns non-zero to continue. Some builds call it without a value for a line without '='.
 */
static int on_key(void *user, const char *section, const char *name, const char *value)
{
	(void)section;
	return value && set_key(user, name, value) == 0;
}

/* --- lines --- */

/* Rejects what inih would cut or misread, and invisible characters. */
static int check_line(struct parser *parser, const char *line, size_t length)
{
	if (length > LINE_LIMIT)
		return parser_fail(parser, parser->line, "the line has %zu bytes; write at most %d", length,
				   LINE_LIMIT);
	for (size_t i = 0; i < length; i++) {
		unsigned char c = (unsigned char)line[i];

		if ((c < 0x20 && c != '\t') || c == 0x7f)
			return parser_fail(parser, parser->line,
					   "control character 0x%02x at byte %zu of the line; remove it", c,
					   i + 1);
	}
	if (utf8_valid_length(line, length) < length)
		return parser_fail(parser, parser->line,
				   "byte %zu of the line is not UTF-8; save the file as UTF-8",
				   utf8_valid_length(line, length) + 1);
	return 0;
}

/* Takes the next line off the text, without its line ending. */
static void next_line(struct parser *parser, const char **line, size_t *length)
{
	const char *end = memchr(parser->text, '\n', parser->left);
	size_t taken = end ? (size_t)(end - parser->text) + 1 : parser->left;

	*line = parser->text;
	*length = end ? taken - 1 : taken;
	parser->text += taken;
	parser->left -= taken;
	parser->line++;
	if (parser->line == 1 && *length >= 3 && memcmp(*line, "\xef\xbb\xbf", 3) == 0) {
		*line += 3; /* byte order mark of some editors */
		*length -= 3;
	}
	if (*length && (*line)[*length - 1] == '\r')
		(*length)--;
}

/* Reader of inih, like fgets(3): returns a line, or NULL at the end and after an error. */
static char *read_line(char *buffer, int size, void *stream)
{
	struct parser *parser = stream;
	const char *line;
	size_t length;

	if (parser->result || !parser->left)
		return NULL;
	next_line(parser, &line, &length);
	if (check_line(parser, line, length))
		return NULL;
	parser_trim(&line, &length);
	if (length && strchr("[;#", *line)) {
		if (*line == '[' && parser_begin_section(parser, line, length))
			return NULL;
		length = 0;
	}
	if ((int)length > size - 2) {
		parser_fail(parser, parser->line,
			    "the line has %zu bytes; the INI library of this machine reads at most %d",
			    length, size - 2);
		return NULL;
	}
	memcpy(buffer, line, length);
	memcpy(buffer + length, "\n", 2);
	return buffer;
}

/* --- the whole configuration --- */

static size_t depth(const char *name)
{
	size_t slashes = 0;

	for (; *name; name++)
		slashes += *name == '/';
	return slashes;
}

/* Parents before children, else in file order. */
static int compare_directories(const void *left, const void *right)
{
	const struct config_directory *a = left;
	const struct config_directory *b = right;
	size_t a_depth = depth(a->name);
	size_t b_depth = depth(b->name);

	if (a_depth != b_depth)
		return a_depth < b_depth ? -1 : 1;
	return (a->line > b->line) - (a->line < b->line);
}

static bool is_below(const char *name, const char *directory)
{
	size_t length = strlen(directory);

	return strncmp(name, directory, length) == 0 && name[length] == '/';
}

/* Whether a name is that of a shown builtin source, or below it. */
static bool is_hidden(const struct config *config, const char *name)
{
	for (int kind = SOURCE_STORE + 1; kind < SOURCE_KINDS; kind++) {
		const char *source = source_kind_name((enum source_kind)kind);

		if ((!config->has_sources || config->sources & 1u << kind) &&
		    (strcmp(name, source) == 0 || is_below(name, source)))
			return true;
	}
	return false;
}

static void check_hidden(struct parser *parser, const char *name, unsigned int line)
{
	if (!parser->result && is_hidden(parser->config, name))
		parser_fail(parser, line,
			    "'%s' would be hidden by the directory of a source; use another name, or set "
			    "sources in [mount] without that source",
			    parser_show_string(name).text);
}

/* The configuration cannot declare objects below a source. */
static void check_below_sources(struct parser *parser)
{
	const struct config *config = parser->config;

	for (size_t i = 0; i < config->n_directories; i++)
		check_hidden(parser, config->directories[i].name, config->directories[i].line);
	for (size_t i = 0; i < config->n_segments; i++)
		check_hidden(parser, config->segments[i].name, config->segments[i].line);

	for (size_t i = 0; !parser->result && i < config->n_directories; i++) {
		const struct config_directory *source = &config->directories[i];

		for (size_t j = 0;
		     source->source != SOURCE_STORE && j < config->n_directories + config->n_segments; j++) {
			bool is_directory = j < config->n_directories;
			const struct config_segment *segment =
				is_directory ? NULL : &config->segments[j - config->n_directories];
			const char *name = segment ? segment->name : config->directories[j].name;

			if (!is_below(name, source->name))
				continue;
			parser_fail(parser, segment ? segment->line : config->directories[j].line,
				    "'%s' is below a directory with a source (line %u); use another name",
				    parser_show_string(name).text, source->line);
			return;
		}
	}
}

int config_parse(const char *text, size_t length, const char *file, struct config *out,
		 char error[CONFIG_ERROR_MAX])
{
	struct config config;
	struct parser parser = {
		.file = file, .error = error, .text = text, .left = length, .config = &config};
	int status;

	config_init(&config);
	if (&ini_max_line)
		ini_max_line = LINE_LIMIT + 8; /* including the line ending and the final 0 */
	status = ini_parse_stream(read_line, &parser, on_key, &parser);
	/* inih continues after a line that it cannot split, and returns the number of the first one */
	if (status > 0 && (!parser.result || (unsigned int)status < parser.line))
		parser_fail(&parser, (unsigned int)status,
			    "neither a section header, a key nor a comment; write KEY = VALUE");
	if (status < 0 && !parser.result)
		parser_fail_memory(&parser);
	if (!parser.result)
		parser_end_section(&parser);
	if (!parser.result)
		check_below_sources(&parser);
	tdestroy(parser.declared, free);
	if (parser.result) {
		config_free(&config);
		return parser.result;
	}
	if (config.n_directories)
		qsort(config.directories, config.n_directories, sizeof(*config.directories),
		      compare_directories);
	*out = config;
	return 0;
}

int config_read(const char *file, struct config *out, char error[CONFIG_ERROR_MAX])
{
	_cleanup_free_ char *text = NULL;
	size_t length = 0;
	int status = textfile_read(file, FILE_LIMIT, &text, &length);

	if (status == -EFBIG)
		snprintf(error, CONFIG_ERROR_MAX, "%.300s: larger than 1 MiB; name a configuration file",
			 file);
	else if (status == -ENOMEM)
		snprintf(error, CONFIG_ERROR_MAX, "%.300s: out of memory; free some and try again", file);
	else if (status)
		snprintf(error, CONFIG_ERROR_MAX,
			 "%.300s: cannot be read: %s; name a readable configuration file", file,
			 strerror(-status));
	return status ? status : config_parse(text, length, file, out, error);
}
