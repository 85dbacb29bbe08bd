// SPDX-License-Identifier: MIT
#include "lib/tool/common/manifest.h"
#include "lib/base/cleanup.h"
#include "lib/tool/common/place.h"
#include "lib/tool/common/text.h"

#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VERSION   1
#define SUM_WIDTH 16 /* digits of the checksum of a line */

static inline void json_release(json_t **value)
{
	json_decref(*value);
}
#define _cleanup_json_ __attribute__((cleanup(json_release)))

/* --- writing --- */

static char *to_hex(const void *bytes, size_t length)
{
	const unsigned char *byte = bytes;
	char *text = malloc(2 * length + 1);
	char *to = text;

	if (!text)
		return NULL;
	*to = '\0';
	while (length-- > 0)
		to += sprintf(to, "%02x", *byte++);
	return text;
}

/* A name that is no UTF-8 has all its bytes in KEY_hex. */
static int set_name(json_t *object, const char *key, const char *name)
{
	bool is_exact;
	_cleanup_free_ char *text = text_utf8(name, &is_exact);
	_cleanup_free_ char *hex = text_hex(name);
	char key_hex[32];

	if (!text || !hex || json_object_set_new(object, key, json_string(text)) < 0)
		return -ENOMEM;
	if (is_exact)
		return 0;
	snprintf(key_hex, sizeof(key_hex), "%s_hex", key);
	return json_object_set_new(object, key_hex, json_string(hex)) < 0 ? -ENOMEM : 0;
}

static json_t *attributes_to_json(const struct properties *properties)
{
	_cleanup_json_ json_t *array = json_array();

	for (size_t i = 0; i < properties->n; i++) {
		const struct property *attribute = &properties->attributes[i];
		_cleanup_free_ char *hex = to_hex(attribute->value, attribute->length);
		_cleanup_json_ json_t *object = json_object();

		if (!hex || set_name(object, "name", attribute->name) < 0 ||
		    json_object_set_new(object, "value", json_string(hex)) < 0 ||
		    json_array_append(array, object) < 0)
			return NULL;
	}
	return take_ptr(array);
}

static json_t *blocks_to_json(const struct checksum *checksum)
{
	_cleanup_json_ json_t *array = json_array();

	for (size_t i = 0; i < checksum->n; i++) {
		char text[CHECKSUM_TEXT_MAX + 24];
		const int n = snprintf(text, 24, "%llu:", (unsigned long long)checksum->blocks[i].index);

		checksum_to_hex(checksum->blocks[i].sum, text + n);
		if (json_array_append_new(array, json_string(text)) < 0)
			return NULL;
	}
	return take_ptr(array);
}

static json_t *time_to_json(struct timespec time)
{
	return json_pack("[I,I]", (json_int_t)time.tv_sec, (json_int_t)time.tv_nsec);
}

/* A line with its checksum. */
static char *make_line(const json_t *object)
{
	_cleanup_free_ char *text = json_dumps(object, JSON_COMPACT);
	char *line;

	if (!text || asprintf(&line, "%0*llx %s\n", SUM_WIDTH,
			      (unsigned long long)checksum_text(text, strlen(text)), text) < 0)
		return NULL;
	return line;
}

char *manifest_header(void)
{
	_cleanup_json_ json_t *object =
		json_pack("{s:i, s:s}", "segctl-manifest", VERSION, "checksum", CHECKSUM_NAME);

	return object ? make_line(object) : NULL;
}

static int set_segment(json_t *object, const struct manifest_entry *entry)
{
	char sum[CHECKSUM_TEXT_MAX];

	checksum_to_hex(entry->checksum.sum, sum);
	if (json_object_set_new(object, "kind", json_string(entry->kind)) < 0 ||
	    json_object_set_new(object, "size", json_integer((json_int_t)entry->checksum.size)) < 0 ||
	    json_object_set_new(object, "sum", json_string(sum)) < 0 ||
	    json_object_set_new(object, "blocks", blocks_to_json(&entry->checksum)) < 0)
		return -ENOMEM;
	return 0;
}

char *manifest_line(const struct manifest_entry *entry)
{
	const struct properties *properties = &entry->properties;
	_cleanup_json_ json_t *object = json_object();

	if (set_name(object, entry->is_directory ? "directory" : "segment", entry->name) < 0 ||
	    (!entry->is_directory && set_segment(object, entry) < 0) ||
	    json_object_set_new(object, "mode", json_integer(properties->mode)) < 0 ||
	    json_object_set_new(object, "uid", json_integer(properties->uid)) < 0 ||
	    json_object_set_new(object, "gid", json_integer(properties->gid)) < 0 ||
	    set_name(object, "user", properties->user) < 0 ||
	    set_name(object, "group", properties->group) < 0 ||
	    json_object_set_new(object, "atime", time_to_json(properties->atime)) < 0 ||
	    json_object_set_new(object, "mtime", time_to_json(properties->mtime)) < 0 ||
	    json_object_set_new(object, "attributes", attributes_to_json(properties)) < 0)
		return NULL;
	return make_line(object);
}

/* --- parsing --- */

/* Bytes of hexadecimal digits, with a 0 after them; malloc'd; NULL if they are none. */
static char *from_hex(const char *text, size_t *length)
{
	const size_t n = strlen(text);
	char *bytes;

	if (n % 2 || strspn(text, "0123456789abcdef") != n)
		return NULL;
	bytes = malloc(n / 2 + 1);
	if (!bytes)
		return NULL;
	for (size_t i = 0; i < n / 2; i++) {
		const char byte[] = {text[2 * i], text[2 * i + 1], '\0'};

		bytes[i] = (char)strtoul(byte, NULL, 16);
	}
	bytes[n / 2] = '\0';
	*length = n / 2;
	return bytes;
}

/* Gets a name; NULL without, or if it has a 0 byte. */
static char *get_name(const json_t *object, const char *key)
{
	char key_hex[32];
	const char *hex;
	const json_t *value = json_object_get(object, key);
	size_t length;
	char *name;

	snprintf(key_hex, sizeof(key_hex), "%s_hex", key);
	hex = json_string_value(json_object_get(object, key_hex));
	if (!hex &&
	    json_string_length(value) != strlen(json_string_value(value) ? json_string_value(value) : ""))
		return NULL;
	if (!hex)
		return json_is_string(value) ? strdup(json_string_value(value)) : NULL;
	name = from_hex(hex, &length);
	if (name && strlen(name) == length)
		return name;
	free(name);
	return NULL;
}

static int get_number(const json_t *object, const char *key, uint64_t max, uint64_t *number)
{
	const json_t *value = json_object_get(object, key);

	if (!json_is_integer(value) || json_integer_value(value) < 0 ||
	    (uint64_t)json_integer_value(value) > max)
		return -EBADMSG;
	*number = (uint64_t)json_integer_value(value);
	return 0;
}

static int get_time(const json_t *object, const char *key, struct timespec *time)
{
	const json_t *value = json_object_get(object, key);
	const json_t *seconds = json_array_get(value, 0);
	const json_t *nanoseconds = json_array_get(value, 1);

	if (!json_is_integer(seconds) || !json_is_integer(nanoseconds) ||
	    json_integer_value(nanoseconds) < 0 || json_integer_value(nanoseconds) > 999999999)
		return -EBADMSG;
	*time = (struct timespec){.tv_sec = json_integer_value(seconds),
				  .tv_nsec = json_integer_value(nanoseconds)};
	return 0;
}

static int get_attributes(const json_t *object, struct properties *properties)
{
	const json_t *array = json_object_get(object, "attributes");
	const size_t n = json_array_size(array);
	int result = json_is_array(array) ? 0 : -EBADMSG;

	for (size_t i = 0; i < n && result == 0; i++) {
		const json_t *attribute = json_array_get(array, i);
		const char *hex = json_string_value(json_object_get(attribute, "value"));
		_cleanup_free_ char *name = get_name(attribute, "name");
		_cleanup_free_ char *value = NULL;
		size_t length = 0;

		if (hex)
			value = from_hex(hex, &length);
		result = name && value ? properties_add(properties, name, value, length) : -EBADMSG;
		if (result == -EINVAL)
			result = -EBADMSG;
	}
	return result;
}

static int get_properties(const json_t *object, struct properties *properties)
{
	uint64_t mode = 0, uid = 0, gid = 0;
	int result = get_number(object, "mode", 07777, &mode);

	if (result == 0)
		result = get_number(object, "uid", UINT32_MAX - 1, &uid);
	if (result == 0)
		result = get_number(object, "gid", UINT32_MAX - 1, &gid);
	if (result == 0)
		result = get_time(object, "atime", &properties->atime);
	if (result == 0)
		result = get_time(object, "mtime", &properties->mtime);
	if (result < 0)
		return result;
	properties->mode = (uint32_t)mode;
	properties->uid = (uid_t)uid;
	properties->gid = (gid_t)gid;
	properties->user = get_name(object, "user");
	properties->group = get_name(object, "group");
	if (!properties->user || !properties->group)
		return -EBADMSG;
	return get_attributes(object, properties);
}

static int get_blocks(const json_t *object, struct checksum *checksum, uint64_t size)
{
	const json_t *array = json_object_get(object, "blocks");
	const size_t n = json_array_size(array);
	int result = json_is_array(array) ? 0 : -EBADMSG;

	for (size_t i = 0; i < n && result == 0; i++) {
		const char *text = json_string_value(json_array_get(array, i));
		struct checksum_block block;
		char *end = NULL;

		if (!text)
			return -EBADMSG;
		errno = 0;
		block.index = strtoull(text, &end, 10);
		if (errno || *end != ':' || block.index > size / CHECKSUM_BLOCK ||
		    checksum_from_hex(end + 1, block.sum) < 0)
			return -EBADMSG;
		result = checksum_add_block(checksum, &block);
	}
	return result == -EINVAL ? -EBADMSG : result;
}

static int get_segment(const json_t *object, struct manifest_entry *entry)
{
	const char *text = json_string_value(json_object_get(object, "sum"));
	uint8_t sum[CHECKSUM_BYTES];
	uint64_t size;
	int result = get_number(object, "size", INT64_MAX, &size);

	entry->kind = get_name(object, "kind");
	if (result < 0 || !entry->kind || !text || checksum_from_hex(text, sum) < 0)
		return -EBADMSG;
	result = checksum_begin(&entry->checksum);
	if (result == 0)
		result = get_blocks(object, &entry->checksum, size);
	if (result == 0)
		result = checksum_finish(&entry->checksum, size);
	if (result == 0 && memcmp(sum, entry->checksum.sum, CHECKSUM_BYTES) != 0)
		result = -EBADMSG;
	return result;
}

static int get_entry(const json_t *object, struct manifest_entry *entry)
{
	int result;

	entry->name = get_name(object, "segment");
	if (!entry->name) {
		entry->name = get_name(object, "directory");
		entry->is_directory = true;
	}
	if (!entry->name || !manifest_is_name(entry->name))
		return -EBADMSG;
	result = entry->is_directory ? 0 : get_segment(object, entry);
	return result < 0 ? result : get_properties(object, &entry->properties);
}

static struct manifest_entry *grow(struct manifest *manifest)
{
	struct manifest_entry *entry;

	if (manifest->n == manifest->max) {
		const size_t max = manifest->max ? 2 * manifest->max : 16;
		struct manifest_entry *larger = reallocarray(manifest->entries, max, sizeof(*larger));

		if (!larger)
			return NULL;
		manifest->entries = larger;
		manifest->max = max;
	}
	entry = &manifest->entries[manifest->n];
	*entry = (struct manifest_entry){0};
	return entry;
}

static int take_object(struct manifest *manifest, const json_t *object)
{
	struct manifest_entry *entry;
	int result;

	if (!manifest->has_header) {
		const json_t *version = json_object_get(object, "segctl-manifest");
		const char *checksum = json_string_value(json_object_get(object, "checksum"));

		if (!json_is_integer(version))
			return -EBADMSG;
		if (json_integer_value(version) != VERSION || !checksum ||
		    strcmp(checksum, CHECKSUM_NAME) != 0)
			return -EPROTONOSUPPORT;
		manifest->has_header = true;
		return 0;
	}
	entry = grow(manifest);
	if (!entry)
		return -ENOMEM;
	result = get_entry(object, entry);
	if (result < 0)
		manifest_entry_free(entry);
	else
		manifest->n++;
	return result;
}

static int take_line(struct manifest *manifest, const char *line, size_t length)
{
	_cleanup_json_ json_t *object = NULL;
	unsigned long long sum;
	char *end;

	if (length <= SUM_WIDTH + 1 || strspn(line, "0123456789abcdef") != SUM_WIDTH ||
	    line[SUM_WIDTH] != ' ')
		return -EBADMSG;
	sum = strtoull(line, &end, 16);
	line += SUM_WIDTH + 1;
	length -= SUM_WIDTH + 1;
	if (checksum_text(line, length) != sum)
		return -EBADMSG;
	object = json_loadb(line, length, JSON_REJECT_DUPLICATES, NULL);
	return object ? take_object(manifest, object) : -EBADMSG;
}

static int compare(const void *a, const void *b, void *context)
{
	const struct manifest *manifest = context;
	const size_t first = *(const size_t *)a;
	const size_t second = *(const size_t *)b;
	const int order = strcmp(manifest->entries[first].name, manifest->entries[second].name);

	return order != 0 ? order : first < second ? -1 : first > second;
}

static int sort(struct manifest *manifest)
{
	manifest->order = calloc(manifest->n + 1, sizeof(size_t));
	if (!manifest->order)
		return -ENOMEM;
	for (size_t i = 0; i < manifest->n; i++)
		manifest->order[i] = i;
	qsort_r(manifest->order, manifest->n, sizeof(size_t), compare, manifest);
	return 0;
}

int manifest_parse(struct manifest *manifest, char *text, size_t length, size_t *line)
{
	char *at = text;
	int result = 0;

	*manifest = (struct manifest){0};
	for (*line = 1; at < text + length && result == 0; ++*line) {
		char *end = memchr(at, '\n', (size_t)(text + length - at));

		/* whoever wrote the last line was killed */
		if (!end)
			break;
		*end = '\0';
		result = take_line(manifest, at, (size_t)(end - at));
		at = end + 1;
	}
	--*line;
	if (result == 0 && !manifest->has_header)
		result = -EBADMSG;
	return result < 0 ? result : sort(manifest);
}

void manifest_entry_free(struct manifest_entry *entry)
{
	free(entry->name);
	free(entry->kind);
	checksum_free(&entry->checksum);
	properties_free(&entry->properties);
}

void manifest_free(struct manifest *manifest)
{
	for (size_t i = 0; i < manifest->n; i++)
		manifest_entry_free(&manifest->entries[i]);
	free(manifest->entries);
	free(manifest->order);
	*manifest = (struct manifest){0};
}

/* --- names --- */

const size_t *manifest_find(const struct manifest *manifest, const char *name, size_t *n)
{
	size_t low = 0, high = manifest->n;

	while (low < high) {
		const size_t middle = (low + high) / 2;

		if (strcmp(manifest->entries[manifest->order[middle]].name, name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	for (*n = 0; low + *n < manifest->n;)
		if (strcmp(manifest->entries[manifest->order[low + *n]].name, name) == 0)
			++*n;
		else
			break;
	return *n > 0 ? &manifest->order[low] : NULL;
}

bool manifest_is_name(const char *name)
{
	if (strlen(name) >= PATH_MAX || strncmp(name, ".segfs/", 7) == 0 || strcmp(name, ".segfs") == 0)
		return false;
	for (;;) {
		const size_t length = strcspn(name, "/");

		if (length == 0 || length > NAME_MAX || (length == 1 && *name == '.') ||
		    (length == 2 && strncmp(name, "..", 2) == 0) ||
		    strncmp(name, PLACE_PREFIX, strlen(PLACE_PREFIX)) == 0)
			return false;
		if (name[length] == '\0')
			return true;
		name += length + 1;
	}
}
