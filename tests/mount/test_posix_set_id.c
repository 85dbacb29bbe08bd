// SPDX-License-Identifier: MIT
/* Which changes clear set-id bits, depending on the call and the caller; compared with a tmpfs. */
#include "tests/lib/twin.h"

#include <fcntl.h>
#include <linux/falloc.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <sys/xattr.h>
#include <unistd.h>

#define OWNER 4001
#define GROUP 4002
#define SIZE  5000

static const struct user {
	const char *name;
	uid_t uid;
	gid_t gid;
	gid_t further;
} users[] = {
	{"root", 0, 0, 0},
	{"owner", OWNER, OWNER, 0},
	{"owner in the group", OWNER, OWNER, GROUP},
	{"member", TEST_UID, GROUP, 0},
	{"further member", TEST_UID, TEST_GID, GROUP},
	{"outsider", TEST_UID, TEST_GID, 0},
};

static const mode_t modes[] = {06777, 02777, 04666, 02666, 06767, 0666};

static long by_write(int fd, int other)
{
	(void)other;
	return pwrite(fd, "x", 1, 0);
}

static long by_gather(int fd, int other)
{
	const struct iovec part = {.iov_base = (void *)(uintptr_t) "x", .iov_len = 1};

	(void)other;
	return pwritev2(fd, &part, 1, 0, RWF_APPEND);
}

static long by_ftruncate(int fd, int other)
{
	(void)other;
	return ftruncate(fd, 10);
}

static long by_ftruncate_to_same(int fd, int other)
{
	(void)other;
	return ftruncate(fd, SIZE);
}

static long by_allocation(int fd, int other)
{
	(void)other;
	return fallocate(fd, 0, 0, 2 * SIZE);
}

static long by_punch(int fd, int other)
{
	(void)other;
	return fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096);
}

static long by_copy(int fd, int other)
{
	off_t start = 0;
	off_t end = 0;

	return copy_file_range(other, &start, fd, &end, 100, 0);
}

static long by_view(int fd, int other)
{
	char *view = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	(void)other;
	if (view == MAP_FAILED)
		return -1;
	view[0] = 'y';
	return msync(view, SIZE, MS_SYNC) + munmap(view, SIZE);
}

static const struct {
	const char *name;
	long (*change)(int fd, int other);
} changes[] = {
	{"write", by_write},          {"pwritev2 that appends", by_gather},
	{"ftruncate", by_ftruncate},  {"ftruncate to the same size", by_ftruncate_to_same},
	{"fallocate", by_allocation}, {"punch", by_punch},
	{"copy_file_range", by_copy}, {"view", by_view},
};

static void make(mode_t mode)
{
	int fd = works(open("file", O_RDWR | O_CREAT | O_EXCL, 0666));

	must(ftruncate(fd, SIZE) == 0);
	must(fchown(fd, OWNER, GROUP) == 0);
	must(fchmod(fd, mode) == 0);
	must(close(fd) == 0);
}

static void become_user(const struct user *user)
{
	if (user->further)
		become_with(user->uid, user->gid, user->further);
	else
		become(user->uid, user->gid);
}

static void unmake(void)
{
	become(0, 0);
	note_stat("file");
	works(unlink("file"));
}

static void through_an_open(void)
{
	int other;

	make_file("other", "some bytes");
	other = works(open("other", O_RDONLY));
	for (size_t m = 0; m < sizeof(modes) / sizeof(modes[0]); m++) {
		for (size_t u = 0; u < sizeof(users) / sizeof(users[0]); u++) {
			for (size_t c = 0; c < sizeof(changes) / sizeof(changes[0]); c++) {
				int fd;

				note("%s by %s on %o", changes[c].name, users[u].name, modes[m]);
				make(modes[m]);
				become_user(&users[u]);
				fd = works(open("file", O_RDWR));
				same(changes[c].change(fd, other));
				note_fstat(fd);
				works(close(fd));
				unmake();
			}
		}
	}
	works(close(other));
}

/* The bits are set after the open. */
static void through_an_earlier_open(void)
{
	for (size_t m = 0; m < sizeof(modes) / sizeof(modes[0]); m++) {
		for (size_t u = 0; u < sizeof(users) / sizeof(users[0]); u++) {
			int fd;

			note("by %s on %o", users[u].name, modes[m]);
			make(0666);
			become_user(&users[u]);
			fd = works(open("file", O_RDWR));
			works(pwrite(fd, "x", 1, 0));
			become(0, 0);
			works(chmod("file", modes[m]));
			become_user(&users[u]);
			works(pwrite(fd, "y", 1, 0));
			note_fstat(fd);
			works(close(fd));
			unmake();
		}
	}
}

static void by_path(void)
{
	for (size_t m = 0; m < sizeof(modes) / sizeof(modes[0]); m++) {
		for (size_t u = 0; u < sizeof(users) / sizeof(users[0]); u++) {
			note("by %s on %o", users[u].name, modes[m]);
			make(modes[m]);
			become_user(&users[u]);
			works(truncate("file", 10));
			unmake();
			make(modes[m]);
			become_user(&users[u]);
			works(close((int)works(open("file", O_WRONLY | O_TRUNC))));
			unmake();
		}
	}
}

static void by_chown(void)
{
	for (size_t m = 0; m < sizeof(modes) / sizeof(modes[0]); m++) {
		for (size_t u = 0; u < sizeof(users) / sizeof(users[0]); u++) {
			note("by %s on %o", users[u].name, modes[m]);
			make(modes[m]);
			become_user(&users[u]);
			same(chown("file", -1U, -1U));
			unmake();
			make(modes[m]);
			become_user(&users[u]);
			same(chown("file", -1U, GROUP));
			unmake();
			make(modes[m]);
			become_user(&users[u]);
			same(chown("file", -1U, OWNER));
			unmake();
		}
	}
}

/* CAP_NET_RAW, permitted and effective: struct vfs_cap_data, version 2. */
static const uint32_t capability[5] = {0x02000001, 1u << 13, 0, 0, 0};

/* Every change, by whomever, removes capabilities. */
static void capabilities(void)
{
	int other;

	make_file("other", "some bytes");
	other = works(open("other", O_RDONLY));
	for (size_t u = 0; u < sizeof(users) / sizeof(users[0]); u++) {
		for (size_t c = 0; c < sizeof(changes) / sizeof(changes[0]); c++) {
			int fd;

			/* in relayed mode the daemon writes pages of views back, which clears them as well */
			if (changes[c].change == by_view)
				continue;
			note("%s by %s", changes[c].name, users[u].name);
			make(0666);
			works(setxattr("file", "security.capability", capability, sizeof(capability), 0));
			become_user(&users[u]);
			fd = works(open("file", O_RDWR));
			same(changes[c].change(fd, other));
			works(close(fd));
			become(0, 0);
			same(getxattr("file", "security.capability", NULL, 0));
			unmake();
		}
		make(0666);
		works(setxattr("file", "security.capability", capability, sizeof(capability), 0));
		become_user(&users[u]);
		same(truncate("file", 10));
		same(chown("file", -1U, -1U));
		become(0, 0);
		same(getxattr("file", "security.capability", NULL, 0));
		unmake();
		make(0666);
		works(setxattr("file", "security.capability", capability, sizeof(capability), 0));
		become_user(&users[u]);
		works(close((int)works(open("file", O_WRONLY | O_TRUNC))));
		become(0, 0);
		same(getxattr("file", "security.capability", NULL, 0));
		works(chown("file", 1, 1));
		same(getxattr("file", "security.capability", NULL, 0));
		unmake();
	}
	works(close(other));
}

int main(void)
{
	static const struct twin_case cases[] = {
		/* a disk may have no copy_file_range(2) within a file system */
		TWIN_CASE_MEMORY(through_an_open),
		TWIN_CASE(through_an_earlier_open),
		TWIN_CASE(by_path),
		TWIN_CASE(by_chown),
		TWIN_CASE_MEMORY(capabilities),
	};

	return twin_main(cases, sizeof(cases) / sizeof(cases[0]));
}
