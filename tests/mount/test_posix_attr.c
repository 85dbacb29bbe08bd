// SPDX-License-Identifier: MIT
/* Attributes: modes, owners, times, set-id bits, umask, statfs; compared with a tmpfs. */
#include "lib/base/cleanup.h"
#include "tests/lib/twin.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

static void modes(void)
{
	int fd;

	make_file("file", "x");
	works(mkdir("dir", 0755));
	works(chmod("file", 07777));
	note_stat("file");
	works(chmod("file", 0));
	note_stat("file");
	works(chmod("dir", 01700));
	note_stat("dir");
	fd = works(open("file", O_RDONLY));
	works(fchmod(fd, 04711));
	note_fstat(fd);
	works(close(fd));
	works(symlink("file", "link"));
	works(chmod("link", 0600));
	note_stat("file");
	same(fchmodat(AT_FDCWD, "link", 0600, AT_SYMLINK_NOFOLLOW));
	fails(ENOENT, chmod("missing", 0600));
	fails(ENOTDIR, chmod("file/x", 0600));
	become(TEST_UID, TEST_GID);
	fails(EPERM, chmod("file", 0777));
	become(0, 0);
	works(chown("file", TEST_UID, TEST_GID));
	become(TEST_UID, TEST_GID);
	works(chmod("file", 04755));
	works(chmod("file", 02755));
	become(0, 0);
	note_stat("file");
	/* a group of which the owner is not a member */
	works(chown("file", TEST_UID, 77));
	become(TEST_UID, TEST_GID);
	works(chmod("file", 02755));
	note_stat("file");
	become_with(TEST_UID, TEST_GID, 77);
	works(chmod("file", 02755));
	note_stat("file");
	become(0, 0);
}

static void owners(void)
{
	make_file("file", "x");
	works(chown("file", 1, 2));
	note_stat("file");
	works(chown("file", -1U, 3));
	works(chown("file", 4, -1U));
	note_stat("file");
	works(chown("file", -1U, -1U));
	works(mkdir("dir", 0755));
	works(chown("dir", 5, 6));
	note_stat("dir");
	works(chown("file", TEST_UID, TEST_GID));
	become(TEST_UID, TEST_GID);
	fails(EPERM, chown("file", 0, -1U));
	fails(EPERM, chown("file", -1U, 0));
	fails(EPERM, chown("dir", TEST_UID, TEST_GID));
	works(chown("file", TEST_UID, TEST_GID));
	become_with(TEST_UID, TEST_GID, 77);
	works(chown("file", -1U, 77));
	become(0, 0);
	note_stat("file");
	fails(ENOENT, chown("missing", 0, 0));
}

/* chown(2) clears set-id bits, set-group-id only if the group may execute. */
static void owners_and_set_id_bits(void)
{
	static const mode_t bits[] = {04755, 02755, 06755, 02745, 06644, 07777, 0755};
	char name[16];

	for (size_t i = 0; i < sizeof(bits) / sizeof(bits[0]); i++) {
		snprintf(name, sizeof(name), "file-%zu", i);
		make_file(name, "x");
		works(chown(name, TEST_UID, TEST_GID));
		works(chmod(name, bits[i]));
		works(chown(name, TEST_UID, 55));
		note_stat(name);
		works(chmod(name, bits[i]));
		become_with(TEST_UID, TEST_GID, 55);
		works(chown(name, -1U, TEST_GID));
		become(0, 0);
		note_stat(name);
		works(chmod(name, bits[i]));
		works(chown(name, -1U, -1U));
		note_stat(name);
	}
	/* of any file other than a directory */
	works(mkfifo("fifo", 0644));
	works(chmod("fifo", 06775));
	works(chown("fifo", -1U, -1U));
	note_stat("fifo");
	works(mkdir("dir", 0755));
	works(chmod("dir", 06755));
	works(chown("dir", 3, 3));
	note_stat("dir");
	works(chown("dir", -1U, -1U));
	note_stat("dir");
}

/* So do writes, truncations and allocations by users other than root. */
static void changes_and_set_id_bits(void)
{
	/*
	 * FUSE keeps set-group-id if the group may not execute: it is no privilege, and the kernel does not
	 * tell who is a member
	 */
	static const mode_t bits[] = {04777, 02777, 06777, 04766};
	char name[32];

	for (int way = 0; way < 7; way++) {
		for (size_t i = 0; i < sizeof(bits) / sizeof(bits[0]); i++) {
			int fd;

			snprintf(name, sizeof(name), "file-%d-%zu", way, i);
			make_file(name, "0123456789");
			works(chmod(name, bits[i]));
			become(TEST_UID, TEST_GID);
			switch (way) {
			case 0:
				fd = works(open(name, O_WRONLY));
				works(write(fd, "x", 1));
				works(close(fd));
				break;
			case 1:
				works(truncate(name, 5));
				break;
			case 2:
				fd = works(open(name, O_RDWR));
				works(ftruncate(fd, 5));
				works(close(fd));
				break;
			case 3:
				works(close(works(open(name, O_WRONLY | O_TRUNC))));
				break;
			case 4:
				fd = works(open(name, O_RDWR));
				works(fallocate(fd, 0, 0, 8192));
				works(close(fd));
				break;
			case 5:
				fd = works(open(name, O_WRONLY | O_APPEND));
				works(write(fd, "x", 1));
				works(close(fd));
				break;
			default:
				/* opened before the bits were set */
				become(0, 0);
				works(chmod(name, 0666));
				become(TEST_UID, TEST_GID);
				fd = works(open(name, O_WRONLY));
				become(0, 0);
				works(chmod(name, bits[i]));
				become(TEST_UID, TEST_GID);
				works(pwrite(fd, "x", 1, 0));
				works(close(fd));
				break;
			}
			become(0, 0);
			note_stat(name);
		}
	}
	make_file("by-root", "x");
	works(chmod("by-root", 06777));
	works(truncate("by-root", 3));
	note_stat("by-root");
}

static void note_times(const char *path, const struct stat *before)
{
	struct stat stat;

	must(lstat(path, &stat) == 0);
	note("%s atime %ld.%09ld mtime %ld.%09ld, ctime %s", path, stat.st_atim.tv_sec, stat.st_atim.tv_nsec,
	     stat.st_mtim.tv_sec, stat.st_mtim.tv_nsec,
	     !before || stat.st_ctim.tv_sec > before->st_ctim.tv_sec ||
			     (stat.st_ctim.tv_sec == before->st_ctim.tv_sec &&
			      stat.st_ctim.tv_nsec >= before->st_ctim.tv_nsec)
		     ? "moves on"
		     : "moves back");
}

static void times(void)
{
	const struct timespec set[2] = {{1000000001, 123456789}, {1500000002, 987654321}};
	const struct timespec old[2] = {{-1000, 1}, {-1, 999999999}};
	const struct timespec only_atime[2] = {{7, 8}, {0, UTIME_OMIT}};
	const struct timespec only_mtime[2] = {{0, UTIME_OMIT}, {9, 10}};
	const struct timespec omit[2] = {{0, UTIME_OMIT}, {0, UTIME_OMIT}};
	const struct timespec now[2] = {{0, UTIME_NOW}, {0, UTIME_NOW}};
	const struct timespec mixed[2] = {{0, UTIME_NOW}, {11, 12}};
	const struct timespec wrong[2] = {{0, 1000000000}, {0, 0}};
	struct timespec earlier;
	struct stat before;
	struct stat stat;
	int fd;

	make_file("file", "x");
	works(lstat("file", &before));
	works(utimensat(AT_FDCWD, "file", set, 0));
	note_times("file", &before);
	works(utimensat(AT_FDCWD, "file", only_atime, 0));
	note_times("file", &before);
	works(utimensat(AT_FDCWD, "file", only_mtime, 0));
	note_times("file", &before);
	works(utimensat(AT_FDCWD, "file", omit, 0));
	note_times("file", &before);
	fd = works(open("file", O_RDONLY));
	works(futimens(fd, set));
	works(close(fd));
	note_times("file", &before);
	if (!twin.on_disk) {
		works(utimensat(AT_FDCWD, "file", old, 0));
		note_times("file", &before);
	}
	fails(EINVAL, utimensat(AT_FDCWD, "file", wrong, 0));
	fails(ENOENT, utimensat(AT_FDCWD, "missing", set, 0));
	clock_gettime(CLOCK_REALTIME_COARSE, &earlier);
	works(utimensat(AT_FDCWD, "file", now, 0));
	works(lstat("file", &stat));
	holds(stat.st_mtim.tv_sec > earlier.tv_sec ||
	      (stat.st_mtim.tv_sec == earlier.tv_sec && stat.st_mtim.tv_nsec >= earlier.tv_nsec));
	works(utimensat(AT_FDCWD, "file", mixed, 0));
	works(lstat("file", &stat));
	holds(stat.st_mtim.tv_sec == 11 && stat.st_mtim.tv_nsec == 12 &&
	      stat.st_atim.tv_sec >= earlier.tv_sec);
	works(symlink("file", "link"));
	works(utimensat(AT_FDCWD, "link", set, AT_SYMLINK_NOFOLLOW));
	note_times("link", NULL);
	works(mkdir("dir", 0755));
	works(utimensat(AT_FDCWD, "dir", set, 0));
	note_times("dir", NULL);
	become(TEST_UID, TEST_GID);
	fails(EPERM, utimensat(AT_FDCWD, "file", set, 0));
	fails(EACCES, utimensat(AT_FDCWD, "file", now, 0));
	fails(EACCES, utimensat(AT_FDCWD, "file", NULL, 0));
	become(0, 0);
	works(chmod("file", 0666));
	become(TEST_UID, TEST_GID);
	fails(EPERM, utimensat(AT_FDCWD, "file", set, 0));
	works(utimensat(AT_FDCWD, "file", NULL, 0));
	become(0, 0);
}

static bool is_later(struct timespec left, struct timespec right)
{
	return left.tv_sec > right.tv_sec || (left.tv_sec == right.tv_sec && left.tv_nsec > right.tv_nsec);
}

static const struct timespec long_ago[2] = {{1000, 0}, {1000, 0}};

static bool mtime_moved(const char *path)
{
	struct stat stat;

	return lstat(path, &stat) == 0 && stat.st_mtim.tv_sec > 1000;
}

static void times_that_changes_set(void)
{
	struct stat before;
	struct stat after;
	char *view;
	int fd;

	make_file("file", "0123");
	fd = works(open("file", O_RDWR));
	works(futimens(fd, long_ago));
	works(pwrite(fd, "x", 1, 0));
	holds(mtime_moved("file"));
	works(futimens(fd, long_ago));
	works(ftruncate(fd, 8192));
	holds(mtime_moved("file"));
	works(futimens(fd, long_ago));
	works(fstat(fd, &before));
	works(fchmod(fd, 0600));
	works(fstat(fd, &after));
	holds(!mtime_moved("file"));
	holds(!is_later(before.st_ctim, after.st_ctim));
	works(utimensat(AT_FDCWD, ".", long_ago, 0));
	make_file("new", "");
	holds(mtime_moved("."));
	works(utimensat(AT_FDCWD, ".", long_ago, 0));
	works(rename("new", "renamed"));
	holds(mtime_moved("."));
	works(utimensat(AT_FDCWD, ".", long_ago, 0));
	works(unlink("renamed"));
	holds(mtime_moved("."));
	works(utimensat(AT_FDCWD, ".", long_ago, 0));
	works(chmod(".", 0755));
	holds(!mtime_moved("."));
	view = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	holds(view != MAP_FAILED);
	works(munmap(view, 8192));
}

static void time_of_birth(void)
{
	struct timespec before;
	struct statx found;
	struct statx later;

	clock_gettime(CLOCK_REALTIME_COARSE, &before);
	make_file("file", "x");
	works(statx(AT_FDCWD, "file", AT_SYMLINK_NOFOLLOW, STATX_BTIME | STATX_BASIC_STATS, &found));
	holds((found.stx_mask & STATX_BASIC_STATS) == STATX_BASIC_STATS);
	needs(found.stx_mask & STATX_BTIME, "requests for the time of birth (Linux 6.6)");
	holds(found.stx_btime.tv_sec > before.tv_sec ||
	      (found.stx_btime.tv_sec == before.tv_sec && found.stx_btime.tv_nsec >= before.tv_nsec));
	works(utimensat(AT_FDCWD, "file", long_ago, 0));
	works(rename("file", "moved"));
	works(statx(AT_FDCWD, "moved", AT_STATX_FORCE_SYNC, STATX_BTIME | STATX_BASIC_STATS, &later));
	holds(later.stx_btime.tv_sec == found.stx_btime.tv_sec &&
	      later.stx_btime.tv_nsec == found.stx_btime.tv_nsec);
	note("mode %o nlink %u size %llu uid %u", later.stx_mode, later.stx_nlink,
	     (unsigned long long)later.stx_size, later.stx_uid);
	works(mkdir("dir", 0755));
	works(statx(AT_FDCWD, "dir", 0, STATX_BTIME, &found));
	holds(found.stx_mask & STATX_BTIME);
	fails(ENOENT, statx(AT_FDCWD, "missing", 0, STATX_BTIME, &found));
	works(statx(AT_FDCWD, "moved", AT_STATX_DONT_SYNC, STATX_SIZE, &found));
	holds(found.stx_size == 1);
}

static void masks(void)
{
	static const mode_t values[] = {0, 022, 077, 0777, 0137, 02};
	char name[32];

	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		int fd;

		umask(values[i]);
		snprintf(name, sizeof(name), "file-%zu", i);
		works(close(works(open(name, O_RDWR | O_CREAT, 0777))));
		note_stat(name);
		snprintf(name, sizeof(name), "dir-%zu", i);
		works(mkdir(name, 0777));
		note_stat(name);
		snprintf(name, sizeof(name), "fifo-%zu", i);
		works(mkfifo(name, 0666));
		note_stat(name);
		snprintf(name, sizeof(name), "link-%zu", i);
		works(symlink("x", name));
		note_stat(name);
		fd = works(open(".", O_RDWR | O_TMPFILE, 0666));
		note_fstat(fd);
		works(close(fd));
	}
}

static void who_owns_what_is_made(void)
{
	static const uid_t users[] = {TEST_UID, 1, 65534, 0, 4000000000u};
	char name[32];

	works(chmod(".", 0777));
	for (size_t i = 0; i < sizeof(users) / sizeof(users[0]); i++) {
		int fd;

		become(users[i], users[i]);
		snprintf(name, sizeof(name), "file-%zu", i);
		works(close(works(open(name, O_RDWR | O_CREAT, 0640))));
		note_stat(name);
		snprintf(name, sizeof(name), "dir-%zu", i);
		works(mkdir(name, 0750));
		note_stat(name);
		snprintf(name, sizeof(name), "node-%zu", i);
		works(mknod(name, S_IFREG | 0600, 0));
		note_stat(name);
		snprintf(name, sizeof(name), "link-%zu", i);
		works(symlink("x", name));
		note_stat(name);
		fd = works(open(".", O_RDWR | O_TMPFILE, 0600));
		note_fstat(fd);
		works(close(fd));
		become(0, 0);
	}
}

static void set_group_id_directories(void)
{
	int fd;

	works(mkdir("dir", 0777));
	works(chown("dir", 0, 88));
	works(chmod("dir", 02777));
	become(TEST_UID, TEST_GID);
	works(close(works(open("dir/file", O_RDWR | O_CREAT, 0755))));
	note_stat("dir/file");
	works(close(works(open("dir/sgid", O_RDWR | O_CREAT, 02775))));
	note_stat("dir/sgid");
	works(mkdir("dir/sub", 0755));
	note_stat("dir/sub");
	works(mknod("dir/node", S_IFREG | 02710, 0));
	note_stat("dir/node");
	works(symlink("x", "dir/link"));
	note_stat("dir/link");
	works(mkfifo("dir/fifo", 0600));
	note_stat("dir/fifo");
	fd = works(open("dir", O_RDWR | O_TMPFILE, 02755));
	note_fstat(fd);
	works(close(fd));
	become_with(TEST_UID, TEST_GID, 88);
	works(close(works(open("dir/member", O_RDWR | O_CREAT, 02775))));
	note_stat("dir/member");
	works(rename("dir/sub", "dir/renamed"));
	become(0, 0);
	works(mkdir("dir/by-root", 0700));
	note_stat("dir/by-root");
	works(mkdir("outside", 0755));
	works(rename("outside", "dir/inside"));
	note_stat("dir/inside");
}

static void access_checks(void)
{
	static const mode_t file_modes[] = {0,    0400, 0200, 0100, 0040, 0020,
					    0010, 0004, 0002, 0001, 0754, 0421};
	static const struct {
		uid_t uid;
		gid_t gid;
	} users[] = {{0, 0}, {TEST_UID, TEST_GID}, {TEST_UID + 1, TEST_GID}, {TEST_UID + 1, TEST_GID + 1}};

	make_file("file", "#!/bin/true\n");
	works(chown("file", TEST_UID, TEST_GID));
	works(mkdir("dir", 0755));
	make_file("dir/inside", "");
	works(chown("dir", TEST_UID, TEST_GID));
	for (size_t i = 0; i < sizeof(file_modes) / sizeof(file_modes[0]); i++) {
		works(chmod("file", file_modes[i]));
		works(chmod("dir", file_modes[i]));
		for (size_t user = 0; user < sizeof(users) / sizeof(users[0]); user++) {
			become(users[user].uid, users[user].gid);
			for (int mode = 0; mode < 8; mode++) {
				same(faccessat(AT_FDCWD, "file", mode, AT_EACCESS));
				same(faccessat(AT_FDCWD, "dir", mode, AT_EACCESS));
			}
			same(faccessat(AT_FDCWD, "dir/inside", F_OK, AT_EACCESS));
			same(open("dir", O_RDONLY | O_DIRECTORY) < 0 ? -1 : 0);
			same(open("file", O_RDONLY) < 0 ? -1 : 0);
			same(open("file", O_WRONLY) < 0 ? -1 : 0);
			same(mkdir("dir/new", 0700));
			become(0, 0);
			rmdir("dir/new");
		}
	}
}

static void file_system_facts(void)
{
	struct statvfs facts;
	struct statfs raw;
	int fd;

	works(statvfs(".", &facts));
	note("namemax %lu bsize %lu frsize %lu", facts.f_namemax, facts.f_bsize, facts.f_frsize);
	holds(facts.f_blocks > 0 && facts.f_bavail <= facts.f_blocks && facts.f_ffree <= facts.f_files);
	make_file("file", "x");
	fd = works(open("file", O_RDWR));
	if (!twin.on_disk) {
		struct statvfs after;

		works(fallocate(fd, 0, 0, 64 * 4096));
		works(fstatvfs(fd, &after));
		holds(after.f_bfree < facts.f_bfree);
	}
	works(fstatfs(fd, &raw));
	if (twin.on_mount)
		must(raw.f_type == 0x65735546);
	fails(ENOENT, statvfs("missing", &facts));
}

static void inode_numbers(void)
{
	struct stat file;
	struct stat link_of_file;
	struct stat dir;
	int fd;

	make_file("file", "x");
	works(link("file", "link"));
	works(mkdir("dir", 0755));
	works(stat("file", &file));
	works(stat("link", &link_of_file));
	works(stat("dir", &dir));
	holds(file.st_ino == link_of_file.st_ino && file.st_dev == link_of_file.st_dev);
	holds(file.st_ino != dir.st_ino && file.st_dev == dir.st_dev);
	works(rename("file", "dir/moved"));
	works(stat("dir/moved", &file));
	holds(file.st_ino == link_of_file.st_ino);
	fd = works(open("link", O_RDONLY));
	works(unlink("link"));
	works(fstat(fd, &file));
	holds(file.st_ino == link_of_file.st_ino);
	note("blksize %ld rdev %u", (long)file.st_blksize, major(file.st_rdev));
}

int main(void)
{
	static const struct twin_case cases[] = {
		TWIN_CASE(modes),
		TWIN_CASE(owners),
		TWIN_CASE(owners_and_set_id_bits),
		TWIN_CASE(changes_and_set_id_bits),
		TWIN_CASE(times),
		TWIN_CASE(times_that_changes_set),
		TWIN_CASE(time_of_birth),
		TWIN_CASE(masks),
		TWIN_CASE(who_owns_what_is_made),
		TWIN_CASE(set_group_id_directories),
		TWIN_CASE(access_checks),
		TWIN_CASE(file_system_facts),
		TWIN_CASE(inode_numbers),
	};

	return twin_main(cases, sizeof(cases) / sizeof(cases[0]));
}
