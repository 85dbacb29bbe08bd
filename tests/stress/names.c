// SPDX-License-Identifier: MIT
/* Operations on names and their attributes, relative to the current directory. */
#include "lib/base/cleanup.h"
#include "tests/stress/stress.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>

#define N(array)    (sizeof(array) / sizeof((array)[0]))
#define ACCESS_ACL  "system.posix_acl_access"
#define DEFAULT_ACL "system.posix_acl_default"
#define VALUE_MAX   400

static long result_of(long result)
{
	return result < 0 ? -errno : result;
}

void tell(struct outcome *outcome, const char *format, ...)
{
	size_t length = strlen(outcome->text);
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(outcome->text + length, sizeof(outcome->text) - length, format, arguments);
	va_end(arguments);
}

void tell_bytes(struct outcome *outcome, const void *bytes, size_t length)
{
	const unsigned char *byte = bytes;

	for (size_t i = 0; i < length; i++)
		outcome->sum = (outcome->sum ^ byte[i]) * 31 + (outcome->sum >> 57);
}

void tell_attributes(struct outcome *outcome, const struct stat *stat)
{
	tell(outcome, "mode %o uid %u gid %u nlink %lu size %lld", stat->st_mode, stat->st_uid, stat->st_gid,
	     (unsigned long)stat->st_nlink, (long long)stat->st_size);
}

long keep_fd(struct side *side, int slot, int fd)
{
	long result = result_of(fd);

	if (fd < 0)
		return result;
	if (side->fds[slot] >= 0)
		close(side->fds[slot]);
	side->fds[slot] = fd;
	return 0;
}

static int open_flags(unsigned int choice)
{
	static const int flags[] = {
		O_RDWR,
		O_RDONLY,
		O_WRONLY,
		O_RDWR | O_APPEND,
		O_RDWR | O_CREAT,
		O_RDWR | O_CREAT | O_TRUNC,
		O_WRONLY | O_CREAT | O_APPEND,
		O_RDWR | O_CREAT | O_EXCL,
		O_RDONLY | O_CREAT | O_EXCL,
		O_RDWR | O_TRUNC,
		O_RDWR | O_NOFOLLOW,
		O_RDONLY | O_DIRECTORY,
		O_RDWR | O_SYNC,
	};

	return flags[choice % N(flags)] | O_NONBLOCK | O_CLOEXEC | O_NOCTTY;
}

static long open_name(struct side *side, const struct operation *operation, struct outcome *outcome)
{
	(void)outcome;
	return keep_fd(side, operation->slot,
		       open(operation->from, open_flags(operation->choice), operation->mode));
}

static long create_name(struct side *side, const struct operation *operation, struct outcome *outcome)
{
	(void)outcome;
	return keep_fd(side, operation->slot,
		       open(operation->from, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, operation->mode));
}

static long make_nameless(struct side *side, const struct operation *operation, struct outcome *outcome)
{
	static const char *const directories[] = {".", "d0", "d1", "d0/d0"};

	(void)outcome;
	return keep_fd(side, operation->slot,
		       open(directories[operation->choice % N(directories)], O_TMPFILE | O_RDWR | O_CLOEXEC,
			    operation->mode));
}

/* Links the file of a slot, nearly always one without a name. */
static long name_nameless(struct side *side, const struct operation *operation, struct outcome *outcome)
{
	(void)outcome;
	return result_of(linkat(AT_FDCWD, path_of("/proc/self/fd/%d", side->fds[operation->slot]), AT_FDCWD,
				operation->from, AT_SYMLINK_FOLLOW));
}

static long make_directory(struct side *side, const struct operation *operation, struct outcome *outcome)
{
	(void)side;
	(void)outcome;
	/* its creator can work in it */
	return result_of(mkdir(operation->from, operation->mode | 0700));
}

static long remove_directory(struct side *side, const struct operation *operation, struct outcome *outcome)
{
	(void)side;
	(void)outcome;
	return result_of(rmdir(operation->from));
}

static long remove_name(struct side *side, const struct operation *operation, struct outcome *outcome)
{
	(void)side;
	(void)outcome;
	return result_of(unlink(operation->from));
}

static long rename_name(struct side *side, const struct operation *operation, struct outcome *outcome)
{
	(void)side;
	(void)outcome;
	return result_of(rename(operation->from, operation->to));
}

static long rename_unless_there(struct side *side, const struct operation *operation, struct outcome *outcome)
{
	(void)side;
	(void)outcome;
	return result_of(renameat2(AT_FDCWD, operation->from, AT_FDCWD, operation->to, RENAME_NOREPLACE));
}

static long exchange_names(struct side *side, const struct operation *operation, struct outcome *outcome)
{
	(void)side;
	(void)outcome;
	return result_of(renameat2(AT_FDCWD, operation->from, AT_FDCWD, operation->to, RENAME_EXCHANGE));
}

static long link_name(struct side *side, const struct operation *operation, struct outcome *outcome)
{
	(void)side;
	(void)outcome;
	return result_of(link(operation->from, operation->to));
}

static long make_symlink(struct side *side, const struct operation *operation, struct outcome *outcome)
{
	static const char *const targets[] = {"n0", "n1", "d0", "./n2", "d1/n0", "nowhere"};

	(void)side;
	(void)outcome;
	return result_of(symlink(targets[operation->choice % N(targets)], operation->from));
}

static long read_symlink(struct side *side, const struct operation *operation, struct outcome *outcome)
{
	char target[64];
	long result = result_of(readlink(operation->from, target, sizeof(target)));

	(void)side;
	if (result > 0)
		tell_bytes(outcome, target, (size_t)result);
	return result;
}

static long make_fifo(struct side *side, const struct operation *operation, struct outcome *outcome)
{
	(void)side;
	(void)outcome;
	return result_of(mkfifo(operation->from, operation->mode));
}

/* A sum independent of the order. */
static long list(struct side *side, const struct operation *operation, struct outcome *outcome)
{
	_cleanup_closedir_ DIR *dir = opendir(operation->from);
	const struct dirent *entry;
	long result = dir ? 0 : -errno;
	uint64_t sum = 0;

	(void)side;
	while (dir && (errno = 0, entry = readdir(dir))) {
		outcome->sum = entry->d_type;
		tell_bytes(outcome, entry->d_name, strlen(entry->d_name));
		sum += outcome->sum;
		result++;
	}
	if (dir && errno)
		return -errno;
	outcome->sum = sum;
	return result;
}

static long look_at_name(struct side *side, const struct operation *operation, struct outcome *outcome)
{
	struct stat stat;
	long result = result_of(lstat(operation->from, &stat));

	(void)side;
	if (result == 0)
		tell_attributes(outcome, &stat);
	return result;
}

static long may_access(struct side *side, const struct operation *operation, struct outcome *outcome)
{
	(void)side;
	(void)outcome;
	return result_of(access(operation->from, (int)operation->choice % 8));
}

static long change_size(struct side *side, const struct operation *operation, struct outcome *outcome)
{
	(void)side;
	(void)outcome;
	return result_of(truncate(operation->from, operation->offset));
}

/*
 * A directory that its owner can't use would block all that follows. Set-group-id of files is left out: in
 * direct mode the kernel decides by its cached mode whether a write clears it, and that mode is stale after
 * setting an ACL.
 */
static long change_mode(struct side *side, const struct operation *operation, struct outcome *outcome)
{
	struct stat stat;

	(void)side;
	(void)outcome;
	if (lstat(operation->from, &stat) == 0 && !S_ISREG(stat.st_mode))
		return result_of(chmod(operation->from, (operation->choice & 07077) | 0700));
	return result_of(chmod(operation->from, operation->choice & 05777));
}

static long change_owner(struct side *side, const struct operation *operation, struct outcome *outcome)
{
	static const uid_t ids[] = {0, TEST_UID, 77, (uid_t)-1};

	(void)side;
	(void)outcome;
	return result_of(lchown(operation->from, ids[operation->choice % 4], ids[operation->choice / 4 % 4]));
}

static long set_times(struct side *side, const struct operation *operation, struct outcome *outcome)
{
	const struct timespec times[2] = {
		{.tv_sec = 1000000 + operation->offset, .tv_nsec = (long)operation->choice},
		{.tv_sec = 2000000, .tv_nsec = (long)operation->length},
	};
	struct stat stat;
	long result = result_of(utimensat(AT_FDCWD, operation->from, times, AT_SYMLINK_NOFOLLOW));

	(void)side;
	if (result < 0 || lstat(operation->from, &stat) < 0)
		return result;
	tell(outcome, "mtime %lld.%09ld", (long long)stat.st_mtim.tv_sec, stat.st_mtim.tv_nsec);
	/* the path may lead through another name of the same symlink, which counts as an access on tmpfs */
	if (!S_ISLNK(stat.st_mode))
		tell(outcome, " atime %lld.%09ld", (long long)stat.st_atim.tv_sec, stat.st_atim.tv_nsec);
	return result;
}

/* --- extended attributes and ACLs --- */

static int xattr_flags(unsigned int choice)
{
	static const int flags[] = {0, XATTR_CREATE, XATTR_REPLACE};

	return flags[choice / 8 % N(flags)];
}

static const char *xattr_name(const struct operation *operation)
{
	static const char *const names[] = {"user.one", "user.two", "user.a.longer.name", "user.one"};

	return names[operation->choice % N(names)];
}

static long set_xattr(struct side *side, const struct operation *operation, struct outcome *outcome)
{
	char value[VALUE_MAX];

	(void)side;
	(void)outcome;
	memset(value, operation->byte, sizeof(value));
	return result_of(lsetxattr(operation->from, xattr_name(operation), value,
				   operation->length % VALUE_MAX, xattr_flags(operation->choice)));
}

static long get_xattr(struct side *side, const struct operation *operation, struct outcome *outcome)
{
	static const char *const acls[] = {ACCESS_ACL, DEFAULT_ACL};
	const char *name = operation->choice % 16 < 2 ? acls[operation->choice % 2] : xattr_name(operation);
	char value[VALUE_MAX];
	long result = result_of(lgetxattr(operation->from, name, value, sizeof(value)));

	(void)side;
	if (result > 0)
		tell_bytes(outcome, value, (size_t)result);
	return result;
}

static long remove_xattr(struct side *side, const struct operation *operation, struct outcome *outcome)
{
	(void)side;
	(void)outcome;
	return result_of(lremovexattr(operation->from, xattr_name(operation)));
}

/* A sum independent of the order. */
static long list_xattrs(struct side *side, const struct operation *operation, struct outcome *outcome)
{
	char names[4096];
	long result = result_of(llistxattr(operation->from, names, sizeof(names)));
	uint64_t sum = 0;
	long n = 0;

	(void)side;
	if (result < 0)
		return result;
	for (const char *name = names; name < names + result; name += strlen(name) + 1) {
		if (strncmp(name, "user.segfs.", 11) == 0)
			continue;
		outcome->sum = 0;
		tell_bytes(outcome, name, strlen(name));
		sum += outcome->sum;
		n++;
	}
	outcome->sum = sum;
	return n;
}

struct acl_entry {
	uint16_t tag; /* 1 owner, 2 user, 4 owning group, 8 group, 16 mask, 32 other */
	uint16_t permissions;
	uint32_t id;
};

static long set_acl(struct side *side, const struct operation *operation, struct outcome *outcome)
{
	const uint16_t some = (uint16_t)(operation->choice >> 3 & 7);
	struct {
		uint32_t version;
		struct acl_entry entries[6];
	} acl = {
		.version = 2,
		.entries =
			{
				{1, 7, UINT32_MAX},
				{2, some, TEST_UID},
				{4, 5, UINT32_MAX},
				{8, some, 77},
				{16, some | 4, UINT32_MAX},
				{32, (uint16_t)(operation->choice >> 6 & 7), UINT32_MAX},
			},
	};

	(void)side;
	(void)outcome;
	if (operation->choice % 8 == 0)
		return result_of(removexattr(operation->from, ACCESS_ACL));
	if (operation->choice % 8 == 1)
		return result_of(removexattr(operation->from, DEFAULT_ACL));
	return result_of(setxattr(operation->from, operation->choice % 2 ? DEFAULT_ACL : ACCESS_ACL, &acl,
				  sizeof(acl), 0));
}

const struct kind name_kinds[] = {
	{.name = "open", .weight = 14, .run = open_name},
	{.name = "create", .weight = 12, .run = create_name},
	{.name = "tmpfile", .weight = 3, .run = make_nameless},
	{.name = "link tmpfile", .weight = 3, .run = name_nameless},
	{.name = "mkdir", .weight = 6, .run = make_directory},
	{.name = "rmdir", .weight = 4, .run = remove_directory},
	{.name = "unlink", .weight = 9, .run = remove_name},
	{.name = "rename", .weight = 7, .run = rename_name},
	{.name = "rename noreplace", .weight = 2, .run = rename_unless_there},
	{.name = "exchange", .weight = 3, .run = exchange_names},
	{.name = "link", .weight = 5, .run = link_name},
	{.name = "symlink", .weight = 3, .run = make_symlink},
	{.name = "readlink", .weight = 1, .run = read_symlink},
	{.name = "mkfifo", .weight = 1, .run = make_fifo},
	{.name = "readdir", .weight = 4, .run = list},
	{.name = "stat", .weight = 8, .run = look_at_name},
	{.name = "access", .weight = 2, .run = may_access},
	{.name = "truncate", .weight = 4, .run = change_size},
	{.name = "chmod", .weight = 4, .run = change_mode},
	{.name = "chown", .weight = 3, .run = change_owner},
	{.name = "utimens", .weight = 2, .run = set_times},
	{.name = "setxattr", .weight = 6, .run = set_xattr},
	{.name = "getxattr", .weight = 3, .run = get_xattr},
	{.name = "removexattr", .weight = 3, .run = remove_xattr},
	{.name = "listxattr", .weight = 2, .run = list_xattrs},
	{.name = "acl", .weight = 4, .run = set_acl},
};
const unsigned int n_name_kinds = N(name_kinds);
