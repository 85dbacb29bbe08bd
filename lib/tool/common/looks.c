// SPDX-License-Identifier: MIT
#include "lib/tool/common/looks.h"
#include "lib/base/cleanup.h"
#include "lib/base/textfile.h"
#include "lib/tool/common/checksum.h"
#include "lib/tool/common/copying.h"
#include "lib/tool/common/place.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOOK_MAX 65536 /* bytes of a file */

/* Opens the directory; with `creates` it and those above are made. Returns a descriptor or a negative errno.
 */
static int open_directory(bool creates)
{
	const char *state = getenv("XDG_STATE_HOME");
	const char *home = getenv("HOME");
	char path[PATH_MAX];
	size_t begin = 0;
	int fd;

	/* a relative one is to be ignored, as the specification says */
	if (state && *state == '/')
		snprintf(path, sizeof(path), "%s/segctl", state);
	else if (home && *home == '/') {
		snprintf(path, sizeof(path), "%s/.local/state/segctl", home);
		begin = strlen(home);
	} else
		return -ENOTDIR;
	for (char *slash = strchr(path + begin + 1, '/'); creates && slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		mkdir(path, 0700);
		*slash = '/';
	}
	if (creates)
		mkdir(path, 0700);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static void file_of(const char *mount, const char *name, char file[32])
{
	char whole[2 * PATH_MAX];

	snprintf(whole, sizeof(whole), "%s/%s", mount, name);
	snprintf(file, 32, "map-%016llx.json", (unsigned long long)checksum_text(whole, strlen(whole)));
}

static uint64_t number(const json_t *object, const char *key)
{
	const json_int_t value = json_integer_value(json_object_get(object, key));

	return value < 0 ? 0 : (uint64_t)value;
}

static int parse(const char *text, struct look *look)
{
	json_t *object = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	const char *states = json_string_value(json_object_get(object, "states"));
	int result = 0;

	*look = (struct look){
		.time = (time_t)number(object, "time"),
		.size = number(object, "size"),
		.unit = number(object, "unit"),
		.all.data = number(object, "data"),
		.all.resident = number(object, "resident"),
		.states = states ? strdup(states) : NULL,
	};
	json_decref(object);
	look->n = look->states ? strlen(look->states) : 0;
	/* what is not ours is as good as none */
	if (!look->states || look->unit == 0 || look->n > PAGES_UNITS_MAX ||
	    strspn(look->states, "abcdefg") != look->n)
		result = -ENOENT;
	if (result < 0)
		looks_free(look);
	return result;
}

int looks_read(const char *mount, const char *name, struct look *look)
{
	_cleanup_close_ int dir_fd = open_directory(false);
	_cleanup_free_ char *text = NULL;
	char file[32], path[64];
	size_t length;
	int result;

	*look = (struct look){0};
	if (dir_fd < 0)
		return dir_fd == -ENOTDIR ? -ENOENT : dir_fd;
	file_of(mount, name, file);
	snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", dir_fd, file);
	result = textfile_read(path, LOOK_MAX, &text, &length);
	return result < 0 ? result : parse(text, look);
}

void looks_free(struct look *look)
{
	free(look->states);
	*look = (struct look){0};
}

static char *format(const struct pages *pages)
{
	char *states = calloc(pages->n + 1, 1);
	char *text = NULL;

	if (!states)
		return NULL;
	for (size_t i = 0; i < pages->n; i++)
		states[i] = (char)('a' + (int)pages_state(pages, &pages->units[i], pages->unit));
	if (asprintf(&text,
		     "{\"time\": %lld, \"size\": %llu, \"unit\": %llu, \"data\": %llu, \"resident\": %llu, "
		     "\"states\": \"%s\"}\n",
		     (long long)time(NULL), (unsigned long long)pages->size, (unsigned long long)pages->unit,
		     (unsigned long long)pages->all.data, (unsigned long long)pages->all.resident,
		     states) < 0)
		text = NULL;
	free(states);
	return text;
}

int looks_write(const char *mount, const char *name, const struct pages *pages)
{
	_cleanup_close_ int dir_fd = open_directory(true);
	_cleanup_close_ int fd = -1;
	_cleanup_free_ char *text = format(pages);
	char file[32];
	bool is_resumed;
	int result;

	if (dir_fd < 0 || !text)
		return dir_fd < 0 ? dir_fd : -ENOMEM;
	file_of(mount, name, file);
	fd = place_create(dir_fd, file, false, &is_resumed);
	if (fd < 0)
		return fd;
	result = copying_write(fd, text, strlen(text), 0);
	if (result == 0)
		result = place_publish(dir_fd, file, dir_fd, file, true);
	if (result < 0)
		place_remove(dir_fd, file);
	return result;
}
