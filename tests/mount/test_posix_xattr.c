// SPDX-License-Identifier: MIT
/* Extended attributes, the user's and segfs's own; compared with a tmpfs. */
#include "tests/lib/twin.h"

#include <fcntl.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

static void user_attributes(void)
{
	char value[64];
	int fd;

	make_file("file", "x");
	works(setxattr("file", "user.one", "first", 5, 0));
	works(setxattr("file", "user.two", "", 0, 0));
	note_xattrs("file");
	fails(EEXIST, setxattr("file", "user.one", "again", 5, XATTR_CREATE));
	fails(ENODATA, setxattr("file", "user.three", "x", 1, XATTR_REPLACE));
	works(setxattr("file", "user.one", "replaced", 8, XATTR_REPLACE));
	works(setxattr("file", "user.four", "new", 3, XATTR_CREATE));
	fails(EINVAL, setxattr("file", "user.four", "new", 3, 0x80));
	note_xattrs("file");
	holds(getxattr("file", "user.one", NULL, 0) == 8);
	holds(getxattr("file", "user.one", value, sizeof(value)) == 8 && memcmp(value, "replaced", 8) == 0);
	holds(getxattr("file", "user.two", value, sizeof(value)) == 0);
	fails(ERANGE, getxattr("file", "user.one", value, 3));
	fails(ENODATA, getxattr("file", "user.none", value, sizeof(value)));
	fails(ENODATA, getxattr("file", "user.none", NULL, 0));
	works(removexattr("file", "user.one"));
	fails(ENODATA, removexattr("file", "user.one"));
	fails(ENOENT, getxattr("missing", "user.one", value, sizeof(value)));
	fd = works(open("file", O_RDONLY));
	works(fsetxattr(fd, "user.by-descriptor", "fd", 2, 0));
	holds(fgetxattr(fd, "user.by-descriptor", value, sizeof(value)) == 2);
	works(unlink("file"));
	works(fsetxattr(fd, "user.unlinked", "u", 1, 0));
	holds(fgetxattr(fd, "user.unlinked", value, sizeof(value)) == 1);
	works(fremovexattr(fd, "user.by-descriptor"));
	works(close(fd));
}

static void names_of_attributes(void)
{
	char name[300] = "user.";
	char list[4096];
	ssize_t length;

	make_file("file", "x");
	memset(name + 5, 'n', 250);
	name[255] = '\0';
	works(setxattr("file", name, "v", 1, 0));
	note_xattrs("file");
	name[255] = 'n';
	name[256] = '\0';
	fails(ERANGE, setxattr("file", name, "v", 1, 0));
	fails(ERANGE, getxattr("file", name, list, sizeof(list)));
	fails(ERANGE, setxattr("file", "", "v", 1, 0));
	fails(EOPNOTSUPP, setxattr("file", "unknown.name", "v", 1, 0));
	fails(EOPNOTSUPP, getxattr("file", "unknown.name", list, sizeof(list)));
	fails(EOPNOTSUPP, setxattr("file", "user", "v", 1, 0));
	same(setxattr("file", "user.", "v", 1, 0));
	fails(EOPNOTSUPP, removexattr("file", "unknown.name"));
	length = listxattr("file", NULL, 0);
	holds(length >= 256);
	fails(ERANGE, listxattr("file", list, 5));
	holds(listxattr("file", list, (size_t)length) == length);
}

static void long_values(void)
{
	static char value[65537];
	static char read_back[65537];

	make_file("file", "x");
	memset(value, 'v', sizeof(value));
	if (!twin.on_disk) {
		works(setxattr("file", "user.long", value, 65536, 0));
		holds(getxattr("file", "user.long", read_back, sizeof(read_back)) == 65536);
		holds(memcmp(value, read_back, 65536) == 0);
	} else {
		fails(ENOSPC, setxattr("file", "user.long", value, 65536, 0));
		works(setxattr("file", "user.long", value, 1000, 0));
	}
	fails(E2BIG, setxattr("file", "user.longer", value, 65537, 0));
	note_xattrs("file");
}

static void attributes_by_type(void)
{
	works(mkdir("dir", 0755));
	works(mkfifo("fifo", 0644));
	works(symlink("dir", "link"));
	works(setxattr("dir", "user.of-dir", "d", 1, 0));
	fails(EPERM, setxattr("fifo", "user.of-fifo", "f", 1, 0));
	fails(EPERM, lsetxattr("link", "user.of-link", "l", 1, 0));
	works(setxattr("link", "user.through-link", "t", 1, 0));
	works(lsetxattr("link", "trusted.of-link", "l", 1, 0));
	works(setxattr("fifo", "trusted.of-fifo", "f", 1, 0));
	note_xattrs("dir");
	note_xattrs("link");
	note_xattrs("fifo");
}

static void attributes_of_others(void)
{
	char value[16];
	char list[1024];

	make_file("file", "x");
	works(setxattr("file", "user.public", "p", 1, 0));
	works(setxattr("file", "trusted.secret", "s", 1, 0));
	works(setxattr("file", "security.label", "l", 1, 0));
	note_xattrs("file");
	become(TEST_UID, TEST_GID);
	holds(getxattr("file", "user.public", value, sizeof(value)) == 1);
	fails(EACCES, setxattr("file", "user.public", "q", 1, 0));
	fails(EACCES, removexattr("file", "user.public"));
	fails(ENODATA, getxattr("file", "trusted.secret", value, sizeof(value)));
	fails(EPERM, setxattr("file", "trusted.secret", "q", 1, 0));
	fails(EPERM, removexattr("file", "trusted.secret"));
	fails(EPERM, setxattr("file", "security.label", "q", 1, 0));
	/* attributes not meant for ordinary users are not listed for them */
	note_xattrs("file");
	holds(listxattr("file", list, sizeof(list)) >= 0 &&
	      !memmem(list, sizeof(list), "trusted.secret", sizeof("trusted.secret")));
	become(0, 0);
	works(chmod("file", 0200));
	become(TEST_UID, TEST_GID);
	fails(EACCES, getxattr("file", "user.public", value, sizeof(value)));
	become(0, 0);
	note_xattrs("file");
	works(mkdir("sticky", 0755));
	works(chmod("sticky", 01777));
	become(TEST_UID, TEST_GID);
	fails(EPERM, setxattr("sticky", "user.mine", "m", 1, 0));
	become(0, 0);
}

static void many_attributes(void)
{
	char name[64];

	make_file("file", "x");
	for (int i = 0; i < (twin.on_disk ? 20 : 400); i++) {
		snprintf(name, sizeof(name), "user.attribute-number-%d", i);
		must(setxattr("file", name, name, strlen(name), 0) == 0);
	}
	note_xattrs("file");
}

/* segfs's own attributes: read-only facts about the segment. */
static void attributes_of_segfs(void)
{
	char value[32] = "";
	char list[1024];
	int fd;

	make_file("file", "x");
	works(setxattr("file", "user.mine", "m", 1, 0));
	if (!twin.on_mount)
		return;
	fd = open("file", O_RDONLY);
	must(fd >= 0);
	must(fgetxattr(fd, "user.segfs.io-mode", value, sizeof(value)) == (ssize_t)strlen(twin.io_mode));
	must(strcmp(value, twin.io_mode) == 0);
	must(getxattr("file", "user.segfs.io-mode", NULL, 0) == (ssize_t)strlen(twin.io_mode));
	must(getxattr("file", "user.segfs.io-mode", value, 3) < 0 && errno == ERANGE);
	must(setxattr("file", "user.segfs.io-mode", "direct", 6, 0) < 0 && errno == EPERM);
	must(removexattr("file", "user.segfs.io-mode") < 0 && errno == EPERM);
	must(getxattr("file", "user.segfs.unknown", value, sizeof(value)) < 0 && errno == ENODATA);
	must(setxattr("file", "user.segfs.unknown", "x", 1, 0) < 0 && errno == EOPNOTSUPP);
	must(removexattr("file", "user.segfs.unknown") < 0 && errno == ENODATA);
	must(setxattr("file", "trusted.segfs.anything", "x", 1, 0) < 0 && errno == EPERM);
	must(listxattr("file", list, sizeof(list)) > 0);
	close(fd);
}

int main(void)
{
	static const struct twin_case cases[] = {
		TWIN_CASE(user_attributes),     TWIN_CASE(names_of_attributes),  TWIN_CASE(long_values),
		TWIN_CASE(attributes_by_type),  TWIN_CASE(attributes_of_others), TWIN_CASE(many_attributes),
		TWIN_CASE(attributes_of_segfs),
	};

	if (!kernel_has("tmpfs-user-xattr"))
		skip_program("tmpfs-user-xattr");
	return twin_main(cases, sizeof(cases) / sizeof(cases[0]));
}
