// SPDX-License-Identifier: MIT
#include "tests/lib/scene.h"
#include "lib/base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#define LINES_MAX 64 /* names in the store */
#define LIST_MAX 1024

/* Whatever an operation may make or leave. */
static const char *const files[] = {"a", "b", "new", "link", "fifo", "dir/new", "dir/0", "dir/1", "dir/2", "list/new"};
static const char *const directories[] = {"dir/new", "dir", "a", "new"};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct mount *scene;

void scene_set(const struct mount *mount)
{
	scene = mount;
}

const char *in_mount(const char *name)
{
	return path_of("%s/%s", scene->path, name);
}

const char *in_store(const char *name)
{
	return path_of("%s/%s", scene->store, name);
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

void put_file(const char *name, char byte)
{
	char bytes[SCENE_SIZE];
	int fd = (int)check(open(in_store(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));

	memset(bytes, byte, sizeof(bytes));
	assert_int_equal(check(write(fd, bytes, sizeof(bytes))), sizeof(bytes));
	check(close(fd));
}

char byte_of(const char *name)
{
	_cleanup_close_ int fd = open(in_store(name), O_RDONLY | O_CLOEXEC);
	char byte = 0;

	return fd >= 0 && pread(fd, &byte, 1, 0) == 1 ? byte : 0;
}

void put_policy(const char *name, const char *attribute, const char *value)
{
	char text[256];
	struct stat found;
	ssize_t length;

	check(setxattr(in_mount(name), attribute, value, strlen(value), 0));
	length = check(getxattr(in_store(name), "trusted.segfs.policy", text, sizeof(text)));
	check(lstat(in_store(name), &found));
	if (S_ISDIR(found.st_mode)) {
		check(rmdir(in_store(name)));
		check(mkdir(in_store(name), found.st_mode & 07777));
	} else {
		char byte = byte_of(name);

		check(unlink(in_store(name)));
		put_file(name, byte);
	}
	check(setxattr(in_store(name), "trusted.segfs.policy", text, (size_t)length, 0));
}

bool is_there(const char *name)
{
	struct stat stat;

	return lstat(in_store(name), &stat) == 0;
}

int scene_begin(void)
{
	if (mkdir(in_store("list"), 0755) < 0 || symlink("file", in_store("symlink")) < 0)
		return -1;
	for (int i = 0; i < 3; i++)
		put_file(path_of("list/%d", i), 'l');
	put_file("file", 'f');
	return 0;
}

void scene_clean(void)
{
	for (size_t i = 0; i < COUNT(files); i++)
		unlink(in_store(files[i]));
	for (size_t i = 0; i < COUNT(directories); i++)
		rmdir(in_store(directories[i]));
	/* a file that has changed places with a directory */
	unlink(in_store("dir"));
}

void scene_lay(void)
{
	scene_clean();
	put_file("file", 'f');
	put_file("a", 'a');
	put_file("b", 'b');
	check(setxattr(in_store("a"), "user.old", "o", 1, 0));
	check(mkdir(in_store("dir"), 0700));
}

void scene_settle(void)
{
	static const char *const stay[] = {"file", "list/0", "list/1", "list/2", "symlink"};
	struct stat found;

	for (size_t i = 0; i < COUNT(stay); i++)
		check(lstat(in_mount(stay[i]), &found));

	for (size_t i = 0; i < COUNT(files); i++)
		lstat(in_mount(files[i]), &found);
	for (size_t i = 0; i < COUNT(directories); i++)
		lstat(in_mount(directories[i]), &found);
}

/* --- as text ------------------------------------------------------------------------------------------------------- */

static struct {
	char *lines[LINES_MAX];
	size_t n;
} printed;

static void add_attributes(FILE *out, const char *path)
{
	char list[LIST_MAX];
	ssize_t length = llistxattr(path, list, sizeof(list));

	for (ssize_t at = 0; at < length; at += (ssize_t)strlen(list + at) + 1) {
		char value[LIST_MAX];
		ssize_t size = lgetxattr(path, list + at, value, sizeof(value));

		/* when it was used last */
		if (strcmp(list + at, "trusted.segfs.use") == 0)
			continue;
		fprintf(out, " %s=", list + at);
		for (ssize_t i = 0; i < size; i++)
			fprintf(out, value[i] > ' ' && value[i] < 0x7f ? "%c" : "\\%02x", (unsigned char)value[i]);
	}
}

static void add_content(FILE *out, const char *path, const struct stat *stat)
{
	unsigned char bytes[4096];
	char target[PATH_MAX];
	uint32_t sum = 0;
	ssize_t length;

	if (S_ISLNK(stat->st_mode)) {
		length = readlink(path, target, sizeof(target));
		fprintf(out, " -> %.*s", (int)length, target);
	} else if (S_ISREG(stat->st_mode)) {
		_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);

		while (fd >= 0 && (length = read(fd, bytes, sizeof(bytes))) > 0)
			for (ssize_t i = 0; i < length; i++)
				sum = sum * 31 + bytes[i];
		fprintf(out, " bytes %08x", sum);
	}
}

static int add_line(const char *path, const struct stat *stat, int kind, struct FTW *where)
{
	char *line = NULL;
	size_t size;
	FILE *out;

	(void)kind;
	(void)where;
	if (printed.n == LINES_MAX || !(out = open_memstream(&line, &size)))
		return -1;
	fprintf(out, "%s mode %o owner %u:%u links %lu", path + strlen(scene->store), stat->st_mode, stat->st_uid, stat->st_gid,
		(unsigned long)stat->st_nlink);
	if (!S_ISDIR(stat->st_mode))
		fprintf(out, " size %lld", (long long)stat->st_size);
	add_content(out, path, stat);
	add_attributes(out, path);
	fprintf(out, "\n");
	if (fclose(out) == 0)
		printed.lines[printed.n++] = line;
	return 0;
}

static int compare_lines(const void *left, const void *right)
{
	return strcmp(*(char *const *)left, *(char *const *)right);
}

char *scene_print(void)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	printed.n = 0;
	assert_non_null(out);
	assert_int_equal(nftw(scene->store, add_line, 4, FTW_PHYS), 0);
	qsort(printed.lines, printed.n, sizeof(printed.lines[0]), compare_lines);
	for (size_t i = 0; i < printed.n; i++) {
		fputs(printed.lines[i], out);
		free(printed.lines[i]);
	}
	assert_int_equal(fclose(out), 0);
	return text;
}

/* The lines of `text` that the other one does not have. */
static void tell_lines(const char *text, const char *other, char sign)
{
	while (*text) {
		size_t length = strcspn(text, "\n") + 1;

		if (!memmem(other, strlen(other), text, length))
			fprintf(stderr, "%c %.*s", sign, (int)length, text);
		text += length;
	}
}

void scene_tell_difference(const char *before, const char *after)
{
	tell_lines(before, after, '-');
	tell_lines(after, before, '+');
}
