// SPDX-License-Identifier: MIT
#include "tests/lib/scene.h"
#include "lib/base/cleanup.h"

#include <errno.h>
#include <string.h>
#include <sys/mount.h>

static struct {
	const struct mount *mount;
	const struct scene *scene;
} now;

int scene_enter(const struct mount *mount, const struct scene *scene)
{
	now.mount = mount;
	now.scene = scene;
	return scene->begin();
}

void scene_leave(void)
{
	if (now.scene && now.scene->end)
		now.scene->end();
	now.scene = NULL;
}

const struct scene *scene_now(void)
{
	return now.scene;
}

const struct mount *scene_mount(void)
{
	return now.mount;
}

const char *in_mount(const char *name)
{
	return now.scene->path(name);
}

const char *in_store(const char *name)
{
	assert_non_null(now.scene->native);
	return path_of("%s/%s", *now.scene->native ? now.scene->native : now.mount->store, name);
}

void put_file(const char *name, char byte)
{
	now.scene->put(name, byte);
}

char byte_of(const char *name)
{
	return now.scene->byte(name);
}

bool is_there(const char *name)
{
	return now.scene->is_there(name);
}

void scene_lay(void)
{
	now.scene->clean();
	now.scene->lay();
}

void scene_settle(void)
{
	now.scene->clean();
	/* drops the kernel's cached entries */
	check(mount(NULL, now.mount->path, NULL, MS_REMOUNT | MS_NOSUID | MS_NODEV, NULL));
}

char *scene_print(void)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	now.scene->print(out);
	assert_int_equal(fclose(out), 0);
	return text;
}

/* Prints lines of `text` that the other text lacks. */
static void tell_lines(const char *text, const char *other, char sign)
{
	while (*text) {
		size_t length = strcspn(text, "\n") + 1;

		if (!memmem(other, strlen(other), text, length))
			fprintf(stderr, "%c %.*s", sign, (int)length, text);
		text += length;
	}
}

void scene_report_difference(const char *before, const char *after)
{
	tell_lines(before, after, '-');
	tell_lines(after, before, '+');
}

int result_of(long long result)
{
	return result < 0 ? -errno : 0;
}

int result_of_bytes(ssize_t got, ssize_t wanted)
{
	return got < 0 ? -errno : got == wanted ? 0 : -EBADMSG;
}

int result_of_failure(int error, long long result)
{
	return result < 0 && errno == error ? 0 : result < 0 ? -errno : -EBADMSG;
}
