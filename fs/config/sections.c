// SPDX-License-Identifier: MIT
#include <errno.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "fs/config/internal.h"
#include "fs/source/source.h"
#include "lib/base/names.h"

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

void parser_trim(const char **text, size_t *length)
{
	while (*length && is_blank(**text)) {
		(*text)++;
		(*length)--;
	}
	while (*length && is_blank((*text)[*length - 1]))
		(*length)--;
}

/* Returns the line of a key in this section, 0 = not given. */
static unsigned int line_of(const struct parser *parser, const char *name)
{
	for (size_t i = 0; parser->section->keys[i].name; i++)
		if (strcmp(parser->section->keys[i].name, name) == 0)
			return parser->key_lines[i];
	return 0;
}

/* A declared segment is not created by a process whose end could end it. */
static int check_segment(struct parser *parser)
{
	const struct config_segment *segment = parser->record;

	if (segment->policy.policy.lifetime != LIFETIME_OWNER)
		return 0;
	return parser_fail(
		parser, line_of(parser, "lifetime"),
		"lifetime = owner: no process creates %s; write persistent, last-close or ttl:TIME",
		parser_show_section(parser->section, parser->name).text);
}

/* A source has its own data, owners and rules: only its own keys are allowed. */
static int check_source(struct parser *parser, const struct config_directory *directory)
{
	static const char *const of_source[] = {
		[SOURCE_STORE] = "",
		[SOURCE_POSIX] = "path",
		[SOURCE_SYSV] = "ipc-namespace",
	};
	const char *own = of_source[directory->source];

	for (size_t i = 0; parser->section->keys[i].name; i++) {
		const char *name = parser->section->keys[i].name;
		bool is_sources = strcmp(name, "path") == 0 || strcmp(name, "ipc-namespace") == 0;

		if (!parser->key_lines[i] || strcmp(name, "source") == 0 || strcmp(name, own) == 0)
			continue;
		if (directory->source == SOURCE_STORE && !is_sources)
			continue;
		return parser_fail(parser, parser->key_lines[i], "%s %s, but %s has %s; remove %s", name,
				   !is_sources                 ? "is for stores only"
				   : strcmp(name, "path") == 0 ? "requires source = posix"
							       : "requires source = sysv",
				   parser_show_section(parser->section, parser->name).text,
				   directory->source == SOURCE_STORE ? "no source"
				   : is_sources                      ? "another one"
								     : "a source",
				   is_sources ? name : "one of the two");
	}
	return 0;
}

int parser_end_section(struct parser *parser)
{
	const struct config_directory *directory = parser->record;
	unsigned int first = 0;
	const char *first_name = NULL;

	if (parser->section == &config_sections[CONFIG_SEGMENT])
		return check_segment(parser);
	if (parser->section != &config_sections[CONFIG_DIRECTORY])
		return 0;
	if (check_source(parser, directory) < 0)
		return parser->result;
	if (directory->store.medium == MEDIUM_MEMORY)
		return 0;
	for (size_t i = 0; parser->section->keys[i].name; i++) {
		if (!parser->section->keys[i].memory_only || !parser->key_lines[i])
			continue;
		if (!first || parser->key_lines[i] < first) {
			first = parser->key_lines[i];
			first_name = parser->section->keys[i].name;
		}
	}
	if (!first)
		return 0;
	return parser_fail(parser, first,
			   "%s requires medium = memory, but %s has %s; write medium = memory, or remove %s",
			   first_name, parser_show_section(parser->section, parser->name).text,
			   directory->store.medium == MEDIUM_PATH ? "another medium" : "no medium",
			   first_name);
}

/*
 * Appends a zeroed element to an array of `count`; returns it, or NULL without memory. The array grows when
 * the count is a power of two, so its capacity need not be stored.
 */
static void *append(void **array, size_t count, size_t size)
{
	if ((count & (count - 1)) == 0) {
		void *larger = reallocarray(*array, count ? count * 2 : 1, size);

		if (!larger)
			return NULL;
		*array = larger;
	}
	return memset((char *)*array + count * size, 0, size);
}

/* Appends an empty [directory] or [segment] to the configuration, which takes over the name. */
static int add_directory(struct parser *parser, char *name)
{
	struct config *config = parser->config;
	void *array = config->directories;
	struct config_directory *directory = append(&array, config->n_directories, sizeof(*directory));

	config->directories = array;
	if (!directory)
		return -ENOMEM;
	config->n_directories++;
	directory->name = name;
	directory->store.medium = MEDIUM_PARENT;
	directory->line = parser->line;
	parser->record = directory;
	return 0;
}

static int add_segment(struct parser *parser, char *name)
{
	struct config *config = parser->config;
	void *array = config->segments;
	struct config_segment *segment = append(&array, config->n_segments, sizeof(*segment));

	config->segments = array;
	if (!segment)
		return -ENOMEM;
	config->n_segments++;
	segment->name = name;
	segment->mode = CONFIG_SEGMENT_MODE;
	segment->line = parser->line;
	parser->record = segment;
	return 0;
}

/* A declared name, or a directory above one. */
struct declared {
	const char *name;  /* part of a declared name, not terminated */
	size_t length;     /* bytes of the name */
	unsigned int line; /* of its declaration; DECLARED_ABOVE: of the first name below it */
	enum { DECLARED_ABOVE, DECLARED_DIRECTORY, DECLARED_SEGMENT } kind;
};

static int compare_declared(const void *left, const void *right)
{
	const struct declared *a = left;
	const struct declared *b = right;

	return a->length == b->length ? memcmp(a->name, b->name, a->length) : a->length < b->length ? -1 : 1;
}

static int fail_conflict(struct parser *parser, const struct declared *wanted, const struct declared *other)
{
	struct shown header = parser_show_section(parser->section, parser->name);
	struct shown shown = parser_show(other->name, other->length);

	if (wanted->kind == DECLARED_ABOVE)
		return parser_fail(parser, parser->line,
				   "%s is below the segment '%s' of line %u, which is not a directory; "
				   "rename one of them",
				   header.text, shown.text, other->line);
	if (other->kind == DECLARED_ABOVE)
		return parser_fail(
			parser, parser->line,
			"%s is a directory, since line %u declares a name below it; use another name",
			header.text, other->line);
	if (other->kind == wanted->kind)
		return parser_fail(parser, parser->line,
				   "%s is declared twice; move its keys into the section at line %u",
				   header.text, other->line);
	return parser_fail(parser, parser->line,
			   "%s has the same name as the %s of line %u; use another name", header.text,
			   other->kind == DECLARED_SEGMENT ? "segment" : "directory", other->line);
}

/* Adds a name to the tree of declared names. */
static int declare(struct parser *parser, const struct declared *wanted)
{
	struct declared *added = malloc(sizeof(*added));
	struct declared **found = NULL;
	struct declared *other;

	if (added) {
		*added = *wanted;
		found = tsearch(added, &parser->declared, compare_declared);
	}
	if (found && *found == added)
		return 0;
	free(added);
	if (!found)
		return parser_fail_memory(parser);
	other = *found;
	if (wanted->kind == DECLARED_ABOVE && other->kind != DECLARED_SEGMENT)
		return 0;
	if (wanted->kind != DECLARED_DIRECTORY || other->kind != DECLARED_ABOVE)
		return fail_conflict(parser, wanted, other);
	*other = *wanted;
	return 0;
}

/*
 * Declares the name of the section and all directories above it. Uses a tree: for the 60,000 sections that
 * fit into 1 MiB it takes 0.1 s, and comparing each name with all before it 18 s.
 */
static int declare_name(struct parser *parser, bool is_segment)
{
	struct declared wanted = {.name = parser->name, .line = parser->line, .kind = DECLARED_ABOVE};

	for (; parser->name[wanted.length]; wanted.length++)
		if (parser->name[wanted.length] == '/' && declare(parser, &wanted))
			return parser->result;
	wanted.kind = is_segment ? DECLARED_SEGMENT : DECLARED_DIRECTORY;
	return declare(parser, &wanted);
}

/* Begins [directory NAME] or [segment NAME], according to parser->section. */
static int begin_named(struct parser *parser, const char *name, size_t length)
{
	const char *kind = parser->section->kind;
	bool is_segment = parser->section == &config_sections[CONFIG_SEGMENT];
	struct shown shown = parser_show(name, length);
	enum name_problem problem;
	char *copy;
	int error;

	if (!length)
		return parser_fail(parser, parser->line, "[%s] has no name; write [%s NAME]", kind, kind);
	problem = name_check(name, length);
	if (problem != NAME_OK)
		return parser_fail(parser, parser->line, "[%s %s]: %s", kind, shown.text,
				   name_problem_text(problem));
	if (length >= 6 && memcmp(name, ".segfs", 6) == 0 && (length == 6 || name[6] == '/'))
		return parser_fail(parser, parser->line,
				   "[%s %s]: .segfs is reserved for segfs; use another name", kind,
				   shown.text);
	copy = strndup(name, length);
	if (!copy)
		return parser_fail_memory(parser);
	error = is_segment ? add_segment(parser, copy) : add_directory(parser, copy);
	if (error) {
		free(copy);
		return parser_fail_memory(parser);
	}
	parser->name = copy;
	return declare_name(parser, is_segment);
}

static int begin_mount(struct parser *parser, size_t name_length)
{
	if (name_length)
		return parser_fail(parser, parser->line, "[mount] takes no name; write [mount]");
	if (parser->mount_line)
		return parser_fail(parser, parser->line,
				   "[mount] is declared twice; move its keys into the section at line %u",
				   parser->mount_line);
	parser->mount_line = parser->line;
	parser->name = NULL;
	parser->record = parser->config;
	return 0;
}

static int fail_kind(struct parser *parser, const char *kind, size_t length)
{
	struct shown shown = parser_show(kind, length);
	const char *nearest = config_nearest_kind(shown.text);

	if (!length)
		return parser_fail(parser, parser->line,
				   "the section has no kind; known kinds are " CONFIG_SECTIONS_KNOWN);
	if (nearest)
		return parser_fail(
			parser, parser->line,
			"unknown section kind '%s', perhaps '%s'; known kinds are " CONFIG_SECTIONS_KNOWN,
			shown.text, nearest);
	return parser_fail(parser, parser->line,
			   "unknown section kind '%s'; known kinds are " CONFIG_SECTIONS_KNOWN, shown.text);
}

int parser_begin_section(struct parser *parser, const char *line, size_t length)
{
	const char *close = memchr(line, ']', length);
	const char *inner = line + 1;
	const char *rest;
	size_t inner_length;
	size_t rest_length;
	size_t kind_length = 0;

	if (parser_end_section(parser))
		return parser->result;
	/* a blank and ';' begin a comment, as inih does in other lines */
	for (const char *p = inner; close && p < close; p++)
		if (*p == ';' && is_blank(p[-1]))
			close = NULL;
	if (!close)
		return parser_fail(parser, parser->line,
				   "the section header has no ']'; write [KIND] or [KIND NAME]");
	rest = close + 1;
	rest_length = length - (size_t)(rest - line);
	parser_trim(&rest, &rest_length);
	if (rest_length && *rest != ';' && *rest != '#')
		return parser_fail(
			parser, parser->line,
			"'%s' follows ']'; move it to a line of its own (names cannot contain ']')",
			parser_show(rest, rest_length).text);

	inner_length = (size_t)(close - inner);
	parser_trim(&inner, &inner_length);
	while (kind_length < inner_length && !is_blank(inner[kind_length]))
		kind_length++;
	parser->section = NULL;
	for (size_t i = 0; i < CONFIG_KINDS; i++)
		if (strlen(config_sections[i].kind) == kind_length &&
		    strncmp(config_sections[i].kind, inner, kind_length) == 0)
			parser->section = &config_sections[i];
	if (!parser->section)
		return fail_kind(parser, inner, kind_length);
	memset(parser->key_lines, 0, sizeof(parser->key_lines));
	inner += kind_length;
	inner_length -= kind_length;
	parser_trim(&inner, &inner_length);
	return parser->section->named ? begin_named(parser, inner, inner_length)
				      : begin_mount(parser, inner_length);
}
