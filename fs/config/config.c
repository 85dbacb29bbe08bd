// SPDX-License-Identifier: MIT
#include "fs/config/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/config/internal.h"

void config_init(struct config *out)
{
	*out = (struct config){.root.medium = MEDIUM_MEMORY};
}

static void free_store(struct config_store *store)
{
	free(store->path);
	free(store->huge);
	free(store->numa);
}

void config_free(struct config *config)
{
	free(config->mount_path);
	free_store(&config->root);
	for (size_t i = 0; i < config->n_directories; i++) {
		free(config->directories[i].name);
		free(config->directories[i].source_path);
		free(config->directories[i].ipc_namespace);
		free_store(&config->directories[i].store);
	}
	free(config->directories);
	for (size_t i = 0; i < config->n_segments; i++) {
		free(config->segments[i].name);
		free(config->segments[i].load);
	}
	free(config->segments);
	config_init(config);
}

bool config_find_mandatory(const struct config *config, struct config_where *where)
{
	*where = (struct config_where){.kind = NULL};
	if (config->root.policy.policy.mandatory)
		*where = (struct config_where){.kind = "mount"};
	for (size_t i = 0; !where->kind && i < config->n_directories; i++) {
		const struct config_directory *directory = &config->directories[i];

		if (directory->store.policy.policy.mandatory)
			*where = (struct config_where){"directory", directory->name, directory->line};
	}
	for (size_t i = 0; !where->kind && i < config->n_segments; i++) {
		const struct config_segment *segment = &config->segments[i];

		if (segment->policy.policy.mandatory)
			*where = (struct config_where){"segment", segment->name, segment->line};
	}
	return where->kind;
}

/* --- writing --- */

/* A growing text; after a failed allocation nothing is added any more. */
struct text {
	char *bytes;     /* terminated by a 0, or NULL */
	size_t length;   /* without that 0 */
	size_t capacity; /* bytes allocated */
	bool failed;
};

static void add(struct text *text, const char *bytes)
{
	size_t more = strlen(bytes);

	if (text->failed)
		return;
	if (text->capacity - text->length <= more) {
		size_t capacity = (text->length + more + 1) * 2;
		char *moved = realloc(text->bytes, capacity);

		if (!moved) {
			text->failed = true;
			return;
		}
		text->bytes = moved;
		text->capacity = capacity;
	}
	memcpy(text->bytes + text->length, bytes, more + 1);
	text->length += more;
}

static void add_section(struct text *text, enum config_kind kind, const char *name, const void *record)
{
	const struct config_section *section = &config_sections[kind];
	char value[CONFIG_VALUE_MAX];

	add(text, text->length ? "\n[" : "[");
	add(text, section->kind);
	if (name) {
		add(text, " ");
		add(text, name);
	}
	add(text, "]\n");
	for (const struct config_key *key = section->keys; key->name; key++) {
		if (!key->type->format(key, record, value))
			continue;
		add(text, key->name);
		add(text, " = ");
		add(text, value);
		add(text, "\n");
	}
}

char *config_format(const struct config *config)
{
	struct text text = {NULL, 0, 0, false};

	add_section(&text, CONFIG_MOUNT, NULL, config);
	for (size_t i = 0; i < config->n_directories; i++)
		add_section(&text, CONFIG_DIRECTORY, config->directories[i].name, &config->directories[i]);
	for (size_t i = 0; i < config->n_segments; i++)
		add_section(&text, CONFIG_SEGMENT, config->segments[i].name, &config->segments[i]);
	if (text.failed) {
		free(text.bytes);
		return NULL;
	}
	return text.bytes;
}
