// SPDX-License-Identifier: MIT
/* Names: directories, links, renames, special files, long names; compared with a tmpfs. */
#include "lib/base/cleanup.h"
#include "tests/lib/twin.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <unistd.h>

static void make_directories(void)
{
	works(mkdir("dir", 0750));
	note_stat("dir");
	works(mkdir("dir/sub", 0777));
	note_stat("dir");
	note_stat("dir/sub");
	fails(EEXIST, mkdir("dir", 0755));
	fails(EEXIST, mkdir(".", 0755));
	fails(EEXIST, mkdir("..", 0755));
	fails(ENOENT, mkdir("missing/dir", 0755));
	make_file("file", "x");
	fails(EEXIST, mkdir("file", 0755));
	fails(ENOTDIR, mkdir("file/dir", 0755));
	works(mkdir("slash/", 0755));
	works(mkdir("modes", 01777));
	note_stat("modes");
	works(mkdir("more", 07777));
	note_stat("more");
	works(symlink("nowhere", "dangling"));
	fails(EEXIST, mkdir("dangling", 0755));
	note_list(".");
	note_stat(".");
}

static void remove_directories(void)
{
	works(mkdir("dir", 0755));
	works(mkdir("dir/sub", 0755));
	make_file("file", "");
	fails(ENOTEMPTY, rmdir("dir"));
	fails(EINVAL, rmdir("dir/."));
	fails(ENOTEMPTY, rmdir("dir/sub/.."));
	fails(ENOTDIR, rmdir("file"));
	fails(ENOENT, rmdir("missing"));
	fails(EISDIR, unlink("dir"));
	fails(EISDIR, unlinkat(AT_FDCWD, "dir", 0));
	works(rmdir("dir/sub"));
	note_stat("dir");
	works(rmdir("dir/"));
	fails(ENOENT, rmdir("dir"));
	works(symlink("file", "link"));
	fails(ENOTDIR, rmdir("link"));
	note_list(".");
	note_stat(".");
}

static void remove_files(void)
{
	make_file("file", "x");
	works(link("file", "second"));
	note_stat("file");
	works(unlink("file"));
	note_stat("second");
	fails(ENOENT, unlink("file"));
	fails(ENOTDIR, unlink("second/"));
	fails(ENOTDIR, unlink("second/x"));
	works(unlink("second"));
	works(symlink("nowhere", "link"));
	works(unlink("link"));
	note_list(".");
}

static void rename_files(void)
{
	make_file("a", "A");
	make_file("b", "BB");
	works(rename("a", "c"));
	fails(ENOENT, rename("a", "d"));
	works(rename("c", "b"));
	note_bytes("b");
	note_list(".");
	works(link("b", "same"));
	works(rename("b", "same")); /* two names of one file: no effect */
	note_list(".");
	works(rename("b", "b"));
	works(mkdir("dir", 0755));
	fails(EISDIR, rename("b", "dir"));
	fails(ENOTDIR, rename("dir", "b"));
	fails(ENOENT, rename("b", "missing/b"));
	fails(ENOTDIR, rename("b", "same/b"));
	works(rename("b", "dir/b"));
	note_list("dir");
	note_stat("dir/b");
	fails(EBUSY, rename("dir/b", "dir/."));
	fails(EBUSY, rename(".", "x"));
	fails(EBUSY, rename("dir/..", "x"));
}

static void rename_directories(void)
{
	works(mkdir("a", 0755));
	works(mkdir("a/sub", 0755));
	works(mkdir("empty", 0755));
	works(mkdir("full", 0755));
	make_file("full/file", "f");
	fails(EINVAL, rename("a", "a/sub/a"));
	fails(EINVAL, rename("a", "a/x"));
	fails(ENOTEMPTY, rename("empty", "full"));
	fails(ENOTEMPTY, rename("a/sub", "a"));
	works(rename("full", "empty"));
	note_list("empty");
	note_stat(".");
	works(rename("empty", "a/moved"));
	note_stat(".");
	note_stat("a");
	note_list("a");
	note_bytes("a/moved/file");
	works(rename("a/moved/", "back/"));
	note_list(".");
	note_stat("back/..");
}

static void rename_flags(void)
{
	make_file("a", "A");
	make_file("b", "B");
	works(mkdir("dir", 0755));
	make_file("dir/inside", "I");
	fails(EEXIST, renameat2(AT_FDCWD, "a", AT_FDCWD, "b", RENAME_NOREPLACE));
	fails(EEXIST, renameat2(AT_FDCWD, "a", AT_FDCWD, "a", RENAME_NOREPLACE));
	works(renameat2(AT_FDCWD, "a", AT_FDCWD, "c", RENAME_NOREPLACE));
	works(renameat2(AT_FDCWD, "b", AT_FDCWD, "c", RENAME_EXCHANGE));
	note_bytes("b");
	note_bytes("c");
	fails(ENOENT, renameat2(AT_FDCWD, "b", AT_FDCWD, "missing", RENAME_EXCHANGE));
	works(renameat2(AT_FDCWD, "b", AT_FDCWD, "dir", RENAME_EXCHANGE));
	note_bytes("dir");
	note_list("b");
	note_stat(".");
	fails(EINVAL, renameat2(AT_FDCWD, "dir", AT_FDCWD, "b/x/..", RENAME_EXCHANGE | RENAME_NOREPLACE));
	fails(EINVAL, renameat2(AT_FDCWD, "b", AT_FDCWD, "b/inside", RENAME_EXCHANGE));
	fails(EINVAL, renameat2(AT_FDCWD, "dir", AT_FDCWD, "x", 1u << 20));
	note_list(".");
}

static void rename_open_files(void)
{
	char byte;
	int a;
	int b;

	make_file("a", "A");
	make_file("b", "B");
	a = works(open("a", O_RDWR));
	b = works(open("b", O_RDWR));
	works(rename("a", "b"));
	note_fstat(a);
	note_fstat(b); /* replaced: it has no name */
	holds(pread(b, &byte, 1, 0) == 1 && byte == 'B');
	works(pwrite(b, "x", 1, 1));
	works(ftruncate(b, 10));
	note_fstat(b);
	holds(pread(a, &byte, 1, 0) == 1 && byte == 'A');
	works(close(a));
	works(close(b));
	note_bytes("b");
}

static void hard_links(void)
{
	make_file("file", "x");
	works(link("file", "second"));
	works(mkdir("dir", 0755));
	works(link("file", "dir/third"));
	note_stat("file");
	note_stat("dir/third");
	fails(EEXIST, link("file", "second"));
	fails(ENOENT, link("missing", "x"));
	fails(ENOENT, link("file", "missing/x"));
	fails(EPERM, link("dir", "dirlink"));
	works(symlink("file", "symbolic"));
	works(link("symbolic", "symbolic-second"));
	note_stat("symbolic-second");
	works(linkat(AT_FDCWD, "symbolic", AT_FDCWD, "followed", AT_SYMLINK_FOLLOW));
	note_stat("followed");
	works(unlink("file"));
	works(unlink("second"));
	note_stat("dir/third");
	note_bytes("followed");
}

static void many_hard_links(void)
{
	char name[32];

	make_file("file", "x");
	for (int i = 0; i < 1000; i++) {
		snprintf(name, sizeof(name), "link-%d", i);
		must(link("file", name) == 0);
	}
	note_stat("file");
	for (int i = 0; i < 1000; i++) {
		snprintf(name, sizeof(name), "link-%d", i);
		must(unlink(name) == 0);
	}
	note_stat("file");
}

static void symbolic_links(void)
{
	char target[PATH_MAX + 1];
	char read_back[PATH_MAX + 1];

	works(symlink("target/that/is/not", "link"));
	note_stat("link");
	holds(readlink("link", read_back, sizeof(read_back)) == 18 &&
	      memcmp(read_back, "target/that/is/not", 18) == 0);
	holds(readlink("link", read_back, 3) == 3 && memcmp(read_back, "tar", 3) == 0);
	fails(EINVAL, readlink("link", read_back, 0));
	fails(EEXIST, symlink("x", "link"));
	fails(ENOENT, symlink("", "empty"));
	make_file("file", "x");
	fails(EINVAL, readlink("file", read_back, sizeof(read_back)));
	fails(EINVAL, readlink(".", read_back, sizeof(read_back)));
	fails(ENOENT, readlink("missing", read_back, sizeof(read_back)));
	memset(target, 't', sizeof(target));
	target[4095] = '\0';
	if (!twin.on_disk) {
		works(symlink(target, "longest"));
		note_stat("longest");
		holds(readlink("longest", read_back, sizeof(read_back)) == 4095 &&
		      memcmp(read_back, target, 4095) == 0);
	}
	target[4095] = 't';
	target[4096] = '\0';
	fails(ENAMETOOLONG, symlink(target, "too-long"));
	works(lchown("link", 7, 8));
	note_stat("link");
	works(mkdir("dir", 0755));
	works(symlink("../file", "dir/up"));
	note_bytes("dir/up");
	works(unlink("dir/up"));
	note_list(".");
}

static void long_names(void)
{
	char name[300];
	char path[600];

	memset(name, 'n', sizeof(name));
	name[255] = '\0';
	make_file(name, "long");
	note_list(".");
	note_bytes(name);
	snprintf(path, sizeof(path), "%.254sm", name);
	works(rename(name, path));
	works(link(path, name));
	works(unlink(name));
	works(mkdir(name, 0755));
	snprintf(path, sizeof(path), "%s/%s", name, name);
	make_file(path, "deep");
	note_bytes(path);
	works(symlink("x", "short"));
	name[255] = 'n';
	name[256] = '\0';
	fails(ENAMETOOLONG, open(name, O_RDWR | O_CREAT, 0644));
	fails(ENAMETOOLONG, open(name, O_RDONLY));
	fails(ENAMETOOLONG, mkdir(name, 0755));
	fails(ENAMETOOLONG, rmdir(name));
	fails(ENAMETOOLONG, unlink(name));
	fails(ENAMETOOLONG, symlink("x", name));
	fails(ENAMETOOLONG, link("short", name));
	fails(ENAMETOOLONG, rename("short", name));
	fails(ENAMETOOLONG, mknod(name, S_IFIFO | 0644, 0));
	fails(ENAMETOOLONG, access(name, F_OK));
	fails(ENAMETOOLONG, chmod(name, 0644));
	fails(ENAMETOOLONG, truncate(name, 0));
	note_list(".");
}

static void odd_names(void)
{
	static const char *const names[] = {
		"...",     " ",   "\n",  "-",   "*",   "\xff\xfe", "a\tb", "\xc3\xa4\xc3\xb6",
		".hidden", "..a", "%2f", "con", "a:b", "\\",       "'\""};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		make_file(names[i], names[i]);
		note_bytes(names[i]);
	}
	note_list(".");
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		works(unlink(names[i]));
	note_list(".");
}

static void deep_directories(void)
{
	for (int i = 0; i < 100; i++) {
		must(mkdir("down", 0755) == 0);
		must(chdir("down") == 0);
	}
	make_file("bottom", "b");
	for (int i = 0; i < 100; i++)
		must(chdir("..") == 0);
	{
		struct stat here;
		struct stat root;

		works(stat(".", &here));
		works(stat(twin.root, &root));
		holds(here.st_ino == root.st_ino && here.st_dev == root.st_dev);
	}
	note_list(".");
}

static void fifos(void)
{
	char text[8];
	int reader;
	int writer;

	works(mkfifo("fifo", 0620));
	note_stat("fifo");
	fails(EEXIST, mkfifo("fifo", 0600));
	fails(ENXIO, open("fifo", O_WRONLY | O_NONBLOCK));
	reader = works(open("fifo", O_RDONLY | O_NONBLOCK));
	writer = works(open("fifo", O_WRONLY | O_NONBLOCK));
	works(write(writer, "through", 7));
	holds(read(reader, text, sizeof(text)) == 7 && memcmp(text, "through", 7) == 0);
	fails(EAGAIN, read(reader, text, sizeof(text)));
	fails(ESPIPE, lseek(reader, 0, SEEK_SET));
	works(unlink("fifo"));
	works(write(writer, "more", 4));
	holds(read(reader, text, sizeof(text)) == 4);
	works(close(writer));
	holds(read(reader, text, sizeof(text)) == 0);
	works(close(reader));
	note_list(".");
}

static void sockets(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "socket"};
	char text[8];
	int server = works(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
	int client = works(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
	int peer;

	works(bind(server, (struct sockaddr *)&address, sizeof(address)));
	note_stat("socket");
	works(listen(server, 1));
	works(connect(client, (struct sockaddr *)&address, sizeof(address)));
	peer = works(accept(server, NULL, NULL));
	works(write(client, "hello", 5));
	holds(read(peer, text, sizeof(text)) == 5 && memcmp(text, "hello", 5) == 0);
	fails(ENXIO, open("socket", O_RDWR));
	works(close(client));
	client = works(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
	fails(EADDRINUSE, bind(client, (struct sockaddr *)&address, sizeof(address)));
	works(unlink("socket"));
	fails(ENOENT, connect(client, (struct sockaddr *)&address, sizeof(address)));
	works(mknod("made", S_IFSOCK | 0600, 0));
	note_stat("made");
	note_list(".");
}

static void nodes(void)
{
	works(mknod("regular", S_IFREG | 0604, 0));
	note_stat("regular");
	works(mknod("plain", 0640, 0));
	note_stat("plain");
	works(mknod("fifo", S_IFIFO | 0600, 0));
	fails(EEXIST, mknod("fifo", S_IFREG | 0600, 0));
	fails(EPERM, mknod("dir", S_IFDIR | 0700, 0));
	fails(EINVAL, mknod("link", S_IFLNK | 0700, 0));
	if (twin.on_mount) {
		must(mknod("device", S_IFCHR | 0600, makedev(1, 3)) < 0 && errno == EPERM);
		must(mknod("block", S_IFBLK | 0600, makedev(7, 0)) < 0 && errno == EPERM);
	}
	works(mknod("whiteout", S_IFCHR | 0600, 0));
	note_stat("whiteout");
	works(renameat2(AT_FDCWD, "plain", AT_FDCWD, "renamed", RENAME_WHITEOUT));
	note_stat("plain");
	note_stat("renamed");
	works(renameat2(AT_FDCWD, "renamed", AT_FDCWD, "regular", RENAME_WHITEOUT));
	note_stat("renamed");
	note_stat("regular");
	fails(EEXIST, renameat2(AT_FDCWD, "regular", AT_FDCWD, "fifo", RENAME_WHITEOUT | RENAME_NOREPLACE));
	become(TEST_UID, TEST_GID);
	fails(EACCES, mknod("mine", S_IFREG | 0600, 0));
	become(0, 0);
	note_list(".");
}

/* A directory in use can be removed; then nothing can be created in it. */
static void removed_directory(void)
{
	char path[PATH_MAX];
	int fd;

	works(mkdir("dir", 0755));
	works(chdir("dir"));
	fd = works(open(".", O_RDONLY | O_DIRECTORY));
	works(rmdir("../dir"));
	note_fstat(fd);
	fails(ENOENT, open("file", O_RDWR | O_CREAT, 0644));
	fails(ENOENT, mkdir("sub", 0755));
	fails(ENOENT, symlink("a", "b"));
	fails(ENOENT, mknod("node", S_IFREG | 0600, 0));
	fails(ENOENT, rename("a", "b"));
	fails(ENOENT, unlink("a"));
	fails(ENOENT, open("file", O_RDONLY));
	same(open(".", O_RDWR | O_TMPFILE, 0600)); /* if the file system supports it */
	works(close(works(open(".", O_RDONLY | O_DIRECTORY))));
	fails(ENOENT, getcwd(path, sizeof(path)) ? 0 : -1);
	note_list(".");
	works(fchmod(fd, 0711));
	note_fstat(fd);
	works(chdir(".."));
	works(close(fd));
	works(mkdir("dir", 0700));
	note_stat("dir");
	note_list("dir");
}

/* A name used again refers to another file. */
static void names_used_again(void)
{
	struct stat first;
	struct stat second;
	int fd;

	for (int i = 0; i < 20; i++) {
		make_file("file", "first");
		fd = works(open("file", O_RDONLY));
		works(fstat(fd, &first));
		works(unlink("file"));
		make_file("file", "another");
		works(stat("file", &second));
		holds(first.st_ino != second.st_ino);
		note_bytes("file");
		note_fstat(fd);
		works(close(fd));
		works(unlink("file"));
		works(mkdir("file", 0755));
		works(rmdir("file"));
		works(symlink("elsewhere", "file"));
		works(unlink("file"));
	}
}

static void sticky_directories(void)
{
	works(mkdir("sticky", 0755));
	works(chmod("sticky", 01777));
	make_file("sticky/root", "r");
	works(chmod("sticky/root", 0666));
	become(TEST_UID, TEST_GID);
	make_file("sticky/mine", "m");
	fails(EPERM, unlink("sticky/root"));
	fails(EPERM, rename("sticky/root", "sticky/taken"));
	fails(EPERM, rename("sticky/mine", "sticky/root"));
	works(rename("sticky/mine", "sticky/renamed"));
	become(TEST_UID + 1, TEST_GID);
	fails(EPERM, unlink("sticky/renamed"));
	make_file("sticky/other", "o");
	fails(EPERM, renameat2(AT_FDCWD, "sticky/other", AT_FDCWD, "sticky/renamed", RENAME_EXCHANGE));
	become(TEST_UID, TEST_GID);
	works(unlink("sticky/renamed"));
	become(0, 0);
	works(unlink("sticky/other"));
	note_list("sticky");
}

int main(void)
{
	static const struct twin_case cases[] = {
		TWIN_CASE(make_directories),
		TWIN_CASE(remove_directories),
		TWIN_CASE(remove_files),
		TWIN_CASE(rename_files),
		TWIN_CASE(rename_directories),
		TWIN_CASE(rename_flags),
		TWIN_CASE(rename_open_files),
		TWIN_CASE(hard_links),
		TWIN_CASE(many_hard_links),
		TWIN_CASE(symbolic_links),
		TWIN_CASE(long_names),
		TWIN_CASE(odd_names),
		TWIN_CASE(deep_directories),
		TWIN_CASE(fifos),
		TWIN_CASE(sockets),
		TWIN_CASE(nodes),
		TWIN_CASE(removed_directory),
		TWIN_CASE(names_used_again),
		TWIN_CASE(sticky_directories),
	};

	return twin_main(cases, sizeof(cases) / sizeof(cases[0]));
}
