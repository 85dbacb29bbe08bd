// SPDX-License-Identifier: MIT
/* tests/run: alone: drops the caches of the machine */
/* ACLs, inode flags and file handles; compared with a tmpfs. */
#include "tests/lib/twin.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/xattr.h>
#include <unistd.h>

#define ACCESS_ACL  "system.posix_acl_access"
#define DEFAULT_ACL "system.posix_acl_default"
#define NOBODY      0xffffffffu

/* --- ACLs --- */

struct acl {
	uint32_t version;
	struct acl_entry {
		uint16_t tag;
		uint16_t permissions;
		uint32_t id;
	} entries[8];
};

enum { OWNER = 1, USER = 2, OWNING_GROUP = 4, GROUP = 8, MASK = 16, OTHER = 32 };

static int set_acl(const char *path, const char *name, size_t n, const struct acl_entry *entries)
{
	struct acl acl = {.version = 2};

	memcpy(acl.entries, entries, n * sizeof(*entries));
	return setxattr(path, name, &acl, 4 + n * sizeof(*entries), 0);
}

static const struct acl_entry for_test_user[] = {{OWNER, 6, NOBODY},
						 {USER, 6, TEST_UID},
						 {OWNING_GROUP, 4, NOBODY},
						 {MASK, 6, NOBODY},
						 {OTHER, 0, NOBODY}};
static const struct acl_entry for_test_group[] = {
	{OWNER, 7, NOBODY}, {OWNING_GROUP, 5, NOBODY}, {GROUP, 7, 77}, {MASK, 7, NOBODY}, {OTHER, 0, NOBODY}};
static const struct acl_entry minimal[] = {{OWNER, 6, NOBODY}, {OWNING_GROUP, 4, NOBODY}, {OTHER, 4, NOBODY}};
static const struct acl_entry no_mask[] = {
	{OWNER, 6, NOBODY}, {USER, 6, TEST_UID}, {OWNING_GROUP, 4, NOBODY}, {OTHER, 0, NOBODY}};

static void access_acls(void)
{
	make_file("file", "x");
	works(set_acl("file", ACCESS_ACL, 5, for_test_user));
	note_stat("file");
	note_xattrs("file");
	become(TEST_UID, 1);
	works(close(works(open("file", O_RDWR))));
	become(TEST_UID + 1, 1);
	fails(EACCES, open("file", O_RDONLY));
	fails(EPERM, set_acl("file", ACCESS_ACL, 5, for_test_user));
	become(0, 0);
	works(chmod("file", 0640)); /* changes the mask */
	note_stat("file");
	note_xattrs("file");
	become(TEST_UID, 1);
	fails(EACCES, open("file", O_RDWR));
	works(close(works(open("file", O_RDONLY))));
	become(0, 0);
	works(set_acl("file", ACCESS_ACL, 3, minimal));
	note_stat("file");
	note_xattrs("file");
	works(set_acl("file", ACCESS_ACL, 5, for_test_user));
	works(removexattr("file", ACCESS_ACL));
	note_stat("file");
	note_xattrs("file");
	fails(EINVAL, set_acl("file", ACCESS_ACL, 4, no_mask));
	fails(EOPNOTSUPP, setxattr("file", ACCESS_ACL, "short", 5, 0)); /* an unsupported version */
	fails(EINVAL, setxattr("file", ACCESS_ACL, "\2\0\0\0?", 5, 0));
	fails(EACCES, set_acl("file", DEFAULT_ACL, 5, for_test_user));
	fails(ENODATA, getxattr("file", ACCESS_ACL, NULL, 0));
	note_xattrs("file");
}

static void acls_of_groups(void)
{
	works(mkdir("dir", 0700));
	works(set_acl("dir", ACCESS_ACL, 5, for_test_group));
	note_stat("dir");
	become_with(TEST_UID, TEST_GID, 77);
	works(mkdir("dir/by-member", 0755));
	become(TEST_UID, 77);
	make_file("dir/by-primary", "p");
	become(TEST_UID, TEST_GID);
	fails(EACCES, mkdir("dir/by-other", 0755));
	fails(EACCES, faccessat(AT_FDCWD, "dir/by-member", F_OK, AT_EACCESS));
	become(0, 0);
	note_list("dir");
}

/* chmod(2) and set-group-id: setting an ACL as a non-member of the group clears it. */
static void acls_and_set_group_id(void)
{
	make_file("file", "x");
	works(chown("file", TEST_UID, 88));
	works(chmod("file", 02775));
	become(TEST_UID, TEST_GID);
	works(set_acl("file", ACCESS_ACL, 5, for_test_user));
	note_stat("file");
	become(0, 0);
	works(chmod("file", 02775));
	works(set_acl("file", ACCESS_ACL, 5, for_test_user));
	note_stat("file");
}

static void default_acls(void)
{
	static const struct acl_entry inherited[] = {{OWNER, 7, NOBODY},
						     {USER, 6, TEST_UID},
						     {OWNING_GROUP, 5, NOBODY},
						     {MASK, 7, NOBODY},
						     {OTHER, 1, NOBODY}};
	int fd;

	works(mkdir("dir", 0777));
	works(chmod("dir", 0777));
	works(set_acl("dir", DEFAULT_ACL, 5, inherited));
	note_stat("dir");
	note_xattrs("dir");
	umask(077); /* not applied if there is a default ACL */
	become(TEST_UID + 5, TEST_GID);
	works(close(works(open("dir/file", O_RDWR | O_CREAT, 0666))));
	works(close(works(open("dir/read-only", O_RDWR | O_CREAT, 0444))));
	works(mkdir("dir/sub", 0777));
	works(mkdir("dir/sub/sub", 0750));
	works(mkfifo("dir/fifo", 0640));
	works(mknod("dir/node", S_IFREG | 0604, 0));
	works(symlink("file", "dir/link"));
	fd = works(open("dir", O_RDWR | O_TMPFILE, 0660));
	note_fstat(fd);
	works(close(fd));
	become(0, 0);
	note_stat("dir/file");
	note_xattrs("dir/file");
	note_stat("dir/read-only");
	note_xattrs("dir/read-only");
	note_stat("dir/sub");
	note_xattrs("dir/sub");
	note_stat("dir/sub/sub");
	note_xattrs("dir/sub/sub");
	note_stat("dir/fifo");
	note_xattrs("dir/fifo");
	note_stat("dir/node");
	note_xattrs("dir/node");
	note_stat("dir/link");
	become(TEST_UID, 1);
	works(close(works(open("dir/file", O_RDWR))));
	fails(EACCES, open("dir/read-only", O_RDWR));
	become(0, 0);
	works(removexattr("dir", DEFAULT_ACL));
	note_xattrs("dir");
	works(close(works(open("dir/plain", O_RDWR | O_CREAT, 0666))));
	note_stat("dir/plain");
	note_xattrs("dir/plain");
}

/* --- inode flags --- */

#define CHANGED_FLAGS (FS_IMMUTABLE_FL | FS_APPEND_FL | FS_NODUMP_FL)

/* As chattr(1): flags set by the file system itself must stay. */
static int set_flags(const char *path, int flags)
{
	int fd = open(path, O_RDONLY | O_NONBLOCK);
	int present = 0;
	int result = fd < 0 ? -1 : ioctl(fd, FS_IOC_GETFLAGS, &present);
	int error;

	if (result == 0) {
		flags |= present & ~CHANGED_FLAGS;
		result = ioctl(fd, FS_IOC_SETFLAGS, &flags);
	}
	error = errno;

	close(fd);
	errno = error;
	return result;
}

static int get_flags(const char *path)
{
	int fd = open(path, O_RDONLY | O_NONBLOCK);
	int flags = 0;
	int result = fd < 0 ? -1 : ioctl(fd, FS_IOC_GETFLAGS, &flags);
	int error = errno;

	close(fd);
	errno = error;
	return result < 0 ? -1 : flags & CHANGED_FLAGS;
}

static void immutable_files(void)
{
	int fd;

	make_file("file", "x");
	if (same(get_flags("file")) < 0)
		return;
	works(set_flags("file", FS_IMMUTABLE_FL));
	works(get_flags("file"));
	fails(EPERM, open("file", O_RDWR));
	fails(EPERM, open("file", O_RDONLY | O_TRUNC));
	fails(EPERM, unlink("file"));
	fails(EPERM, rename("file", "moved"));
	fails(EPERM, link("file", "second"));
	fails(EPERM, chmod("file", 0600));
	fails(EPERM, chown("file", 1, 1));
	fails(EPERM, truncate("file", 0));
	if (kernel_has("tmpfs-user-xattr"))
		fails(EPERM, setxattr("file", "user.x", "x", 1, 0));
	fd = works(open("file", O_RDONLY));
	works(close(fd));
	note_bytes("file");
	become(TEST_UID, TEST_GID);
	fails(EPERM, set_flags("file", 0));
	become(0, 0);
	works(set_flags("file", 0));
	works(get_flags("file"));
	works(close(works(open("file", O_RDWR))));
	works(mkdir("dir", 0755));
	make_file("dir/inside", "i");
	works(set_flags("dir", FS_IMMUTABLE_FL));
	fails(EPERM, open("dir/new", O_RDWR | O_CREAT, 0644));
	fails(EPERM, unlink("dir/inside"));
	works(close(works(open("dir/inside", O_RDWR))));
	works(set_flags("dir", 0));
	works(unlink("dir/inside"));
}

static void append_only_files(void)
{
	int fd;

	make_file("file", "x");
	if (same(get_flags("file")) < 0)
		return;
	works(set_flags("file", FS_APPEND_FL));
	works(get_flags("file"));
	fails(EPERM, open("file", O_RDWR));
	fails(EPERM, open("file", O_WRONLY | O_TRUNC));
	fails(EPERM, truncate("file", 0));
	fails(EPERM, unlink("file"));
	fd = works(open("file", O_WRONLY | O_APPEND));
	works(write(fd, "yz", 2));
	note_fstat(fd);
	works(close(fd));
	note_bytes("file");
	works(set_flags("file", FS_NODUMP_FL));
	works(get_flags("file"));
	works(unlink("file"));
	works(mkdir("dir", 0755));
	works(set_flags("dir", FS_APPEND_FL));
	make_file("dir/new", "n");
	fails(EPERM, unlink("dir/new"));
	fails(EPERM, rename("dir/new", "dir/moved"));
	works(set_flags("dir", 0));
	works(unlink("dir/new"));
}

static void flags_by_user(void)
{
	make_file("file", "x");
	works(chown("file", TEST_UID, TEST_GID));
	if (same(get_flags("file")) < 0)
		return;
	become(TEST_UID, TEST_GID);
	fails(EPERM, set_flags("file", FS_IMMUTABLE_FL));
	fails(EPERM, set_flags("file", FS_APPEND_FL));
	works(set_flags("file", FS_NODUMP_FL));
	works(get_flags("file"));
	become(TEST_UID + 1, TEST_GID);
	same(set_flags("file", 0));
	become(0, 0);
	works(get_flags("file"));
	fails(ENOTTY, ioctl(works(open("file", O_RDONLY)), _IO('S', 99), 0));
}

/* --- file handles --- */

union handle {
	struct file_handle handle;
	char space[sizeof(struct file_handle) + MAX_HANDLE_SZ];
};

static int get_handle(const char *path, union handle *handle)
{
	int mount_id;

	handle->handle.handle_bytes = MAX_HANDLE_SZ;
	return name_to_handle_at(AT_FDCWD, path, &handle->handle, &mount_id, 0);
}

/* Makes the kernel drop its caches. */
static void drop_caches(void)
{
	int fd = open("/proc/sys/vm/drop_caches", O_WRONLY);

	must(fd >= 0 && write(fd, "2", 1) == 1);
	close(fd);
}

static bool is_stale(int root, union handle *handle)
{
	int fd = open_by_handle_at(root, &handle->handle, O_RDONLY);
	int error = errno;

	if (fd < 0)
		return error == ESTALE;
	close(fd);
	return false;
}

static void file_handles(void)
{
	union handle file;
	union handle dir;
	union handle gone;
	union handle inside;
	char text[8];
	int root = works(open(".", O_RDONLY | O_DIRECTORY));
	int fd;

	make_file("file", "contents");
	make_file("gone", "gone");
	works(mkdir("dir", 0755));
	make_file("dir/inside", "inside");
	works(get_handle("file", &file));
	works(get_handle("dir", &dir));
	works(get_handle("gone", &gone));
	works(get_handle("dir/inside", &inside));
	for (int round = 0; round < 2; round++) {
		fd = works(open_by_handle_at(root, &file.handle, O_RDWR));
		holds(pread(fd, text, 8, 0) == 8 && memcmp(text, "contents", 8) == 0);
		works(pwrite(fd, "c", 1, 0));
		note_fstat(fd);
		works(close(fd));
		fd = works(open_by_handle_at(root, &dir.handle, O_RDONLY | O_DIRECTORY));
		works(close(works(openat(fd, "inside", O_RDONLY))));
		works(close(fd));
		fd = works(open_by_handle_at(root, &inside.handle, O_RDONLY));
		holds(pread(fd, text, 6, 0) == 6 && memcmp(text, "inside", 6) == 0);
		works(close(fd));
		drop_caches();
	}
	works(rename("file", "dir/moved"));
	drop_caches();
	fd = works(open_by_handle_at(root, &file.handle, O_RDONLY));
	note_fstat(fd);
	works(close(fd));
	works(unlink("gone"));
	/* the file lives until FORGET, which is in flight, arrives */
	holds(wait_for(is_stale(root, &gone)));
	drop_caches();
	holds(is_stale(root, &gone));
	become(TEST_UID, TEST_GID);
	fails(EPERM, open_by_handle_at(root, &file.handle, O_RDONLY));
	become(0, 0);
	file.handle.f_handle[0] ^= 0x55;
	file.handle.f_handle[4] ^= 0x55;
	fails(ESTALE, open_by_handle_at(root, &file.handle, O_RDONLY));
}

int main(void)
{
	static const struct twin_case cases[] = {
		TWIN_CASE(access_acls),   TWIN_CASE(acls_of_groups),  TWIN_CASE(acls_and_set_group_id),
		TWIN_CASE(default_acls),  TWIN_CASE(immutable_files), TWIN_CASE(append_only_files),
		TWIN_CASE(flags_by_user), TWIN_CASE(file_handles),
	};

	return twin_main(cases, sizeof(cases) / sizeof(cases[0]));
}
