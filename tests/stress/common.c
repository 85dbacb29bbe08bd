// SPDX-License-Identifier: MIT
/*
 * Operations of all clients on the same names. Their order is random, so an error is wrong only if no order
 * explains it. Contents are whole records of one repeated byte, whoever wrote it; no count is lost.
 */
#include "lib/base/cleanup.h"
#include "tests/stress/stress.h"

#include <fcntl.h>
#include <ftw.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#define N(array) (sizeof(array) / sizeof((array)[0]))
#define RECORDS  1500 /* of a file, at most */
#define PAGE     4096

struct request {
	char from[32];
	char to[32];
	int slot;
	unsigned int choice;
	off_t offset; /* of whole records */
	size_t length;
};

static unsigned char bytes[64 * RECORD];

static long result_of(long result)
{
	return result < 0 ? -errno : result;
}

static long keep_common(struct stress_client *client, const struct request *request, int fd)
{
	long result = result_of(fd);

	if (fd < 0)
		return result;
	if (client->common_fds[request->slot] >= 0 && close(client->common_fds[request->slot]) < 0)
		client_fail(client, "close: %s", strerrorname_np(errno));
	client->common_fds[request->slot] = fd;
	return 0;
}

static long create(struct stress_client *client, const struct request *request)
{
	return keep_common(client, request, open(request->from, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
}

static long open_name(struct stress_client *client, const struct request *request)
{
	static const int flags[] = {O_RDWR, O_RDWR | O_CREAT, O_RDWR | O_APPEND, O_RDWR | O_CREAT | O_TRUNC};

	return keep_common(client, request,
			   open(request->from, flags[request->choice % 4] | O_CLOEXEC, 0666));
}

static long make_nameless(struct stress_client *client, const struct request *request)
{
	_cleanup_close_ int fd = open(".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0666);

	if (fd < 0)
		client_fail(client, "O_TMPFILE: %s", strerrorname_np(errno));
	memset(bytes, (int)client->number + 1, RECORD);
	if (write(fd, bytes, RECORD) != RECORD)
		client_fail(client, "writing to a nameless file: %s", strerrorname_np(errno));
	return result_of(linkat(AT_FDCWD, path_of("/proc/self/fd/%d", fd), AT_FDCWD, request->from,
				AT_SYMLINK_FOLLOW));
}

static long make_directory(struct stress_client *client, const struct request *request)
{
	(void)client;
	return result_of(mkdir(request->from, 0777));
}

static long remove_directory(struct stress_client *client, const struct request *request)
{
	(void)client;
	return result_of(rmdir(request->from));
}

static long remove_name(struct stress_client *client, const struct request *request)
{
	(void)client;
	return result_of(unlink(request->from));
}

static long rename_name(struct stress_client *client, const struct request *request)
{
	static const unsigned int flags[] = {0, 0, RENAME_NOREPLACE, RENAME_EXCHANGE};

	(void)client;
	return result_of(
		renameat2(AT_FDCWD, request->from, AT_FDCWD, request->to, flags[request->choice % 4]));
}

static long link_name(struct stress_client *client, const struct request *request)
{
	(void)client;
	return result_of(link(request->from, request->to));
}

static long make_symlink(struct stress_client *client, const struct request *request)
{
	(void)client;
	return result_of(symlink(request->to, request->from));
}

static long look(struct stress_client *client, const struct request *request)
{
	struct stat stat;

	(void)client;
	return result_of(lstat(request->from, &stat));
}

static long list(struct stress_client *client, const struct request *request)
{
	_cleanup_closedir_ DIR *dir = opendir(request->choice % 2 ? "." : request->from);

	(void)client;
	while (dir && (errno = 0, readdir(dir)))
		;
	return errno ? -errno : 0;
}

static long change_mode(struct stress_client *client, const struct request *request)
{
	(void)client;
	return result_of(chmod(request->from, request->choice % 2 ? 0777 : 04777));
}

static long change_owner(struct stress_client *client, const struct request *request)
{
	(void)client;
	return result_of(chown(request->from, request->choice % 2 ? 0 : TEST_UID, (gid_t)-1));
}

static long change_xattr(struct stress_client *client, const struct request *request)
{
	static const int flags[] = {0, XATTR_CREATE, XATTR_REPLACE};
	char value[100] = "";

	(void)client;
	switch (request->choice % 4) {
	case 0:
		return result_of(removexattr(request->from, "user.common"));
	case 1:
		return result_of(getxattr(request->from, "user.common", value, sizeof(value)));
	default:
		return result_of(setxattr(request->from, "user.common", value,
					  request->choice % sizeof(value), flags[request->choice % 3]));
	}
}

static long write_records(struct stress_client *client, const struct request *request)
{
	int fd = client->common_fds[request->slot];

	if (fd < 0)
		return 0;
	memset(bytes, (int)client->number + 1, request->length);
	if (pwrite(fd, bytes, request->length, request->offset) != (ssize_t)request->length)
		client_fail(client, "writing records: %s", strerrorname_np(errno));
	return 0;
}

static long read_records(struct stress_client *client, const struct request *request)
{
	int fd = client->common_fds[request->slot];
	ssize_t length;

	if (fd < 0)
		return 0;
	length = pread(fd, bytes, request->length, request->offset);
	if (length >= 0 && length % RECORD != 0)
		client_fail(client, "%zd bytes read at %lld, which are no whole records", length,
			    (long long)request->offset);
	return result_of(length);
}

static long change_size(struct stress_client *client, const struct request *request)
{
	int fd = client->common_fds[request->slot];

	return fd < 0 ? 0 : result_of(ftruncate(fd, request->offset));
}

static long allocate(struct stress_client *client, const struct request *request)
{
	int fd = client->common_fds[request->slot];
	int mode = request->choice % 2 ? 0 : FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;

	return fd < 0 ? 0 : result_of(fallocate(fd, mode, request->offset, (off_t)request->length));
}

static long seek(struct stress_client *client, const struct request *request)
{
	int fd = client->common_fds[request->slot];

	return fd < 0 ? 0
		      : result_of(lseek(fd, request->offset, request->choice % 2 ? SEEK_DATA : SEEK_HOLE));
}

static long count_under_lock(struct stress_client *client, const struct request *request)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 8};
	uint64_t count;

	(void)request;
	if (fcntl(client->counters, F_OFD_SETLKW, &lock) < 0)
		return -errno;
	if (pread(client->counters, &count, sizeof(count), 0) != sizeof(count))
		client_fail(client, "reading a counter: %s", strerrorname_np(errno));
	count++;
	if (pwrite(client->counters, &count, sizeof(count), 0) != sizeof(count))
		client_fail(client, "writing a counter: %s", strerrorname_np(errno));
	atomic_fetch_add(&client->shared->added[0], 1);
	lock.l_type = F_UNLCK;
	return result_of(fcntl(client->counters, F_OFD_SETLK, &lock));
}

static long count_in_view(struct stress_client *client, const struct request *request)
{
	(void)request;
	atomic_fetch_add(client->view, 1);
	atomic_fetch_add(&client->shared->added[1], 1);
	return 0;
}

/* Possible errors of names that others change. */
#define RACES ENOENT, EEXIST, ENOTDIR, EISDIR, ELOOP, ENOTEMPTY

static const struct {
	const char *name;
	unsigned int weight;
	long (*run)(struct stress_client *client, const struct request *request);
	int allowed[12];
} kinds[] = {
	{"shared create", 8, create, {RACES}},
	{"shared open", 12, open_name, {RACES}},
	{"shared tmpfile", 4, make_nameless, {RACES}},
	{"shared mkdir", 3, make_directory, {RACES}},
	{"shared rmdir", 3, remove_directory, {RACES}},
	{"shared unlink", 8, remove_name, {RACES}},
	{"shared rename", 8, rename_name, {RACES, EINVAL}},
	{"shared link", 5, link_name, {RACES, EPERM}},
	{"shared symlink", 3, make_symlink, {RACES}},
	{"shared stat", 8, look, {RACES}},
	{"shared readdir", 4, list, {RACES}},
	{"shared chmod", 2, change_mode, {RACES, EPERM}},
	{"shared chown", 2, change_owner, {RACES, EPERM}},
	{"shared xattr", 5, change_xattr, {RACES, ENODATA}},
	{"shared write", 12, write_records, {0}},
	{"shared read", 10, read_records, {0}},
	{"shared ftruncate", 3, change_size, {0}},
	{"shared fallocate", 3, allocate, {0}},
	{"shared lseek", 3, seek, {ENXIO}},
	{"locked counter", 6, count_under_lock, {0}},
	{"viewed counter", 6, count_in_view, {0}},
};

unsigned int n_common_kinds(void)
{
	return N(kinds);
}

const char *common_kind_name(unsigned int number)
{
	return kinds[number].name;
}

static void choose_path(struct choices *choices, char path[32])
{
	static const char *const directories[] = {"", "", "", "e0/", "e1/", "e0/e1/"};
	const char *directory = directories[choose(choices, 6)];
	unsigned int number = choose(choices, 8);

	snprintf(path, 32, "%s%s%u", directory, number < 2 ? "e" : "s", number);
}

void common_step(struct stress_client *client)
{
	struct choices *choices = &client->common_choices;
	struct request request = {.slot = (int)choose(choices, SLOTS), .choice = choose(choices, 1u << 20)};
	unsigned int total = 0;
	unsigned int chosen;
	unsigned int number;
	bool expected;
	long result;

	for (unsigned int i = 0; i < N(kinds); i++)
		total += kinds[i].weight;
	chosen = choose(choices, total);
	for (number = 0; chosen >= kinds[number].weight; number++)
		chosen -= kinds[number].weight;
	choose_path(choices, request.from);
	choose_path(choices, request.to);
	request.offset = (off_t)choose(choices, RECORDS) * RECORD;
	request.length = (1 + (size_t)choose(choices, 64)) * RECORD;
	if (fchdir(client->common) < 0)
		client_fail(client, "fchdir: %s", strerrorname_np(errno));
	result = kinds[number].run(client, &request);
	atomic_fetch_add(&client->shared->operations, 1);
	atomic_fetch_add(&client->shared->done[n_private_kinds() + number], 1);
	expected = result >= 0;
	for (size_t i = 0; !expected && i < N(kinds[number].allowed); i++)
		expected = kinds[number].allowed[i] == -result;
	if (!expected)
		client_fail(client, "%s %s %s slot %d choice %u at %lld length %zu: %s", kinds[number].name,
			    request.from, request.to, request.slot, request.choice, (long long)request.offset,
			    request.length, strerrorname_np((int)-result));
}

void common_prepare(struct stress_client *client)
{
	client->counters = openat(client->common, "counters", O_RDWR | O_CLOEXEC);
	client->view = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, client->counters, PAGE);
	if (client->counters < 0 || client->view == MAP_FAILED)
		client_fail(client, "counters: %s", strerrorname_np(errno));
}

/* --- at the end --- */

static int check_records(const char *path, const struct stat *stat, int type, struct FTW *place)
{
	_cleanup_close_ int fd = -1;
	unsigned char record[RECORD];
	off_t at = 0;
	ssize_t length;

	if (type != FTW_F || !S_ISREG(stat->st_mode) || strcmp(path + place->base, "counters") == 0)
		return 0;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		return -1;
	}
	while ((length = read(fd, record, RECORD)) == RECORD) {
		if (record[0] > CLIENTS || memcmp(record, record + 1, RECORD - 1) != 0) {
			fprintf(stderr, "%s: a torn record at %lld\n", path, (long long)at);
			return -1;
		}
		at += RECORD;
	}
	if (length != 0) {
		fprintf(stderr, "%s: %zd bytes at %lld, no whole record\n", path, length, (long long)at);
		return -1;
	}
	return 0;
}

int common_check(const char *directory, const struct stress_shared *shared)
{
	_cleanup_close_ int fd = open(path_of("%s/counters", directory), O_RDONLY | O_CLOEXEC);

	for (int i = 0; i < COUNTERS; i++) {
		uint64_t count = 0;
		unsigned long added = atomic_load(&shared->added[i]);

		if (fd < 0 || pread(fd, &count, sizeof(count), (off_t)i * PAGE) != sizeof(count) ||
		    count != added) {
			fprintf(stderr, "%s/counters: %llu, but %lu were added to number %d\n", directory,
				(unsigned long long)count, added, i);
			return -1;
		}
	}
	return nftw(directory, check_records, 16, FTW_PHYS);
}
