// SPDX-License-Identifier: MIT
/* Scenes of files: in the store, in posix/, and in .segfs/, which describes the store's. */
#include "lib/base/cleanup.h"
#include "tests/lib/machine.h"
#include "tests/lib/scene.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#define LINES_MAX 64 /* names there */
#define LIST_MAX  1024

/* All names that an operation may create or leave. */
static const char *const files[] = {"a",       "b",     "new",   "link",  "fifo",
				    "dir/new", "dir/0", "dir/1", "dir/2", "list/new"};
static const char *const directories[] = {"dir/new", "dir", "a", "new"};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const char *file_path(const char *name)
{
	const char *below = scene_now()->below;

	return path_of("%s%s%s/%s", scene_mount()->path, *below ? "/" : "", below, name);
}

static void put(const char *name, char byte)
{
	char bytes[SCENE_SIZE];
	int fd = (int)check(open(in_store(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));

	memset(bytes, byte, sizeof(bytes));
	assert_int_equal(check(write(fd, bytes, sizeof(bytes))), sizeof(bytes));
	check(close(fd));
}

static char byte(const char *name)
{
	_cleanup_close_ int fd = open(in_store(name), O_RDONLY | O_CLOEXEC);
	char found = 0;

	return fd >= 0 && pread(fd, &found, 1, 0) == 1 ? found : 0;
}

static bool file_is_there(const char *name)
{
	struct stat stat;

	return lstat(in_store(name), &stat) == 0;
}

static int begin(void)
{
	/* several scenes include the store's */
	if ((mkdir(in_store("list"), 0755) < 0 && errno != EEXIST) ||
	    (symlink("file", in_store("symlink")) < 0 && errno != EEXIST))
		return -1;
	for (int i = 0; i < 3; i++)
		put(path_of("list/%d", i), 'l');
	put("file", 'f');
	return 0;
}

/* Other users' objects may have one of these names. */
static int begin_objects(void)
{
	return machine_is_isolated() ? begin() : -1;
}

static void clean(void)
{
	for (size_t i = 0; i < COUNT(files); i++)
		unlink(in_store(files[i]));
	for (size_t i = 0; i < COUNT(directories); i++)
		rmdir(in_store(directories[i]));
	/* a file exchanged with a directory */
	unlink(in_store("dir"));
}

static void lay(void)
{
	put("file", 'f');
	put("a", 'a');
	put("b", 'b');
	if (kernel_has("tmpfs-user-xattr"))
		check(setxattr(in_store("a"), "user.old", "o", 1, 0));
	check(mkdir(in_store("dir"), 0700));
}

/* --- as text --- */

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

		/* time of the last use */
		if (strcmp(list + at, "trusted.segfs.use") == 0)
			continue;
		fprintf(out, " %s=", list + at);
		for (ssize_t i = 0; i < size; i++)
			fprintf(out, value[i] > ' ' && value[i] < 0x7f ? "%c" : "\\%02x",
				(unsigned char)value[i]);
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
	fprintf(out, "%s mode %o owner %u:%u links %lu", path + strlen(in_store(".")), stat->st_mode,
		stat->st_uid, stat->st_gid, (unsigned long)stat->st_nlink);
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

static void print(FILE *out)
{
	printed.n = 0;
	assert_int_equal(nftw(in_store("."), add_line, 4, FTW_PHYS), 0);
	qsort(printed.lines, printed.n, sizeof(printed.lines[0]), compare_lines);
	for (size_t i = 0; i < printed.n; i++) {
		fputs(printed.lines[i], out);
		free(printed.lines[i]);
	}
}

#define FUNCTIONS                                                                                            \
	.path = file_path, .put = put, .byte = byte, .is_there = file_is_there, .clean = clean, .lay = lay,  \
	.print = print

const struct scene scene_of_store = {.bit = IN_STORE, .below = "", .native = "", .begin = begin, FUNCTIONS};
const struct scene scene_of_objects = {
	.bit = IN_OBJECTS, .below = "posix", .native = "/dev/shm", .begin = begin_objects, FUNCTIONS};
const struct scene scene_of_control = {
	.bit = IN_CONTROL, .below = "", .native = "", .begin = begin, FUNCTIONS};

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
		const char filled = byte_of(name);

		check(unlink(in_store(name)));
		put_file(name, filled);
	}
	check(setxattr(in_store(name), "trusted.segfs.policy", text, (size_t)length, 0));
}
