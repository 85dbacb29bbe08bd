// SPDX-License-Identifier: MIT
#include "fs/config/internal.h"

#include <stdio.h>
#include <string.h>

#include "fs/config/config.h"

#define NONE             CONFIG_NO_FIELD
#define MOUNT(field)     offsetof(struct config, field)
#define DIRECTORY(field) offsetof(struct config_directory, field)
#define SEGMENT(field)   offsetof(struct config_segment, field)

/* The fields of a policy; in a directory, the default for entries created there. */
#define POLICY_KEY(name, section, at, field)                                                                 \
	{                                                                                                    \
		name, &config_type_policy, section(at.policy), NONE, section(at.given[field]), false         \
	}
#define POLICY_KEYS(section, at)                                                                             \
	POLICY_KEY("lock", section, at, POLICY_LOCK), POLICY_KEY("writers", section, at, POLICY_WRITERS),    \
		POLICY_KEY("commit", section, at, POLICY_COMMIT),                                            \
		POLICY_KEY("size-policy", section, at, POLICY_SIZE),                                         \
		POLICY_KEY("lifetime", section, at, POLICY_LIFETIME)

/* name, type, value, second, given, memory_only */
static const struct config_key mount_keys[] = {
	{"path", &config_type_path, MOUNT(mount_path), NONE, NONE, false},
	{"sources", &config_type_sources, MOUNT(sources), NONE, MOUNT(has_sources), false},
	{"hang-limit", &config_type_time, MOUNT(hang_limit), NONE, MOUNT(has_hang_limit), false},
	{"max-nodes", &config_type_count, MOUNT(max_nodes), NONE, NONE, false},
	{"max-handles", &config_type_count, MOUNT(max_handles), NONE, NONE, false},
	{"max-locks", &config_type_count, MOUNT(max_locks), NONE, NONE, false},
	{"hot-segments", &config_type_any_count, MOUNT(hot_segments), NONE, MOUNT(has_hot_segments), false},
	{"max-waiting", &config_type_size, MOUNT(max_waiting), NONE, NONE, false},
	{"fsync", &config_type_fsync, MOUNT(fsync_always), NONE, NONE, false},
	{"user-share", &config_type_percent, MOUNT(user_share), NONE, NONE, false},
	{"size", &config_type_size, MOUNT(root.size), NONE, NONE, true},
	{"files", &config_type_count, MOUNT(root.files), NONE, NONE, true},
	{"huge", &config_type_huge, MOUNT(root.huge), NONE, NONE, true},
	{"numa", &config_type_numa, MOUNT(root.numa), NONE, NONE, true},
	{"mode", &config_type_mode, MOUNT(root.mode), NONE, MOUNT(root.has_mode), false},
	{"owner", &config_type_owner, MOUNT(root.owner), MOUNT(root.group), MOUNT(root.has_owner), false},
	POLICY_KEYS(MOUNT, root.policy),
	{.name = NULL},
};

static const struct config_key directory_keys[] = {
	{"source", &config_type_source, DIRECTORY(source), NONE, NONE, false},
	{"path", &config_type_path, DIRECTORY(source_path), NONE, NONE, false},
	{"ipc-namespace", &config_type_namespace, DIRECTORY(ipc_namespace), NONE, NONE, false},
	{"medium", &config_type_medium, DIRECTORY(store.medium), DIRECTORY(store.path), NONE, false},
	{"size", &config_type_size, DIRECTORY(store.size), NONE, NONE, true},
	{"files", &config_type_count, DIRECTORY(store.files), NONE, NONE, true},
	{"huge", &config_type_huge, DIRECTORY(store.huge), NONE, NONE, true},
	{"numa", &config_type_numa, DIRECTORY(store.numa), NONE, NONE, true},
	{"mode", &config_type_mode, DIRECTORY(store.mode), NONE, DIRECTORY(store.has_mode), false},
	{"owner", &config_type_owner, DIRECTORY(store.owner), DIRECTORY(store.group),
	 DIRECTORY(store.has_owner), false},
	POLICY_KEYS(DIRECTORY, store.policy),
	{.name = NULL},
};

static const struct config_key segment_keys[] = {
	{"size", &config_type_size, SEGMENT(size), NONE, SEGMENT(has_size), false},
	{"mode", &config_type_mode, SEGMENT(mode), NONE, SEGMENT(has_mode), false},
	{"owner", &config_type_owner, SEGMENT(owner), SEGMENT(group), SEGMENT(has_owner), false},
	{"load", &config_type_path, SEGMENT(load), NONE, NONE, false},
	POLICY_KEYS(SEGMENT, policy),
	{.name = NULL},
};

/* key_lines[] of the parser is indexed by the position of a key in its table */
#define FITS(keys) (sizeof(keys) / sizeof((keys)[0]) - 1 <= CONFIG_KEYS_MAX)
_Static_assert(FITS(mount_keys) && FITS(directory_keys) && FITS(segment_keys), "raise CONFIG_KEYS_MAX");

const struct config_section config_sections[CONFIG_KINDS] = {
	[CONFIG_MOUNT] = {"mount", false, mount_keys},
	[CONFIG_DIRECTORY] = {"directory", true, directory_keys},
	[CONFIG_SEGMENT] = {"segment", true, segment_keys},
};

void config_list_keys(const struct config_section *section, char *list, size_t size)
{
	size_t used = 0;

	list[0] = 0;
	for (const struct config_key *key = section->keys; key->name && used < size; key++) {
		int more = snprintf(list + used, size - used, "%s%s", used ? ", " : "", key->name);

		if (more < 0)
			break;
		used += (size_t)more;
	}
}

const struct config_key *config_find_key(const struct config_section *section, const char *name)
{
	for (const struct config_key *key = section->keys; key->name; key++)
		if (strcmp(key->name, name) == 0)
			return key;
	return NULL;
}

/* The number of insertions, deletions and substitutions of bytes between two words; 99 if one is too long. */
static unsigned int distance(const char *a, const char *b)
{
	enum { LONGEST = 31 };
	unsigned int row[LONGEST + 1];
	size_t a_length = strnlen(a, LONGEST + 1);
	size_t b_length = strnlen(b, LONGEST + 1);

	if (a_length > LONGEST || b_length > LONGEST)
		return 99;
	for (unsigned int j = 0; j <= b_length; j++)
		row[j] = j;
	for (unsigned int i = 1; i <= a_length; i++) {
		unsigned int diagonal = row[0];

		row[0] = i;
		for (unsigned int j = 1; j <= b_length; j++) {
			unsigned int best = diagonal + (a[i - 1] != b[j - 1]);

			diagonal = row[j];
			if (row[j] + 1 < best)
				best = row[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			row[j] = best;
		}
	}
	return row[b_length];
}

/* Updates *nearest if the candidate is closer. More than two changes make a different word. */
static void consider(const char *word, const char *candidate, const char **nearest, unsigned int *smallest)
{
	unsigned int changes = distance(word, candidate);

	if (changes < *smallest && changes < strlen(candidate)) {
		*smallest = changes;
		*nearest = candidate;
	}
}

const char *config_nearest_key(const struct config_section *section, const char *word)
{
	const char *nearest = NULL;
	unsigned int smallest = 3;

	for (const struct config_key *key = section->keys; key->name; key++)
		consider(word, key->name, &nearest, &smallest);
	return nearest;
}

const char *config_nearest_kind(const char *word)
{
	const char *nearest = NULL;
	unsigned int smallest = 3;

	for (size_t i = 0; i < CONFIG_KINDS; i++)
		consider(word, config_sections[i].kind, &nearest, &smallest);
	return nearest;
}
