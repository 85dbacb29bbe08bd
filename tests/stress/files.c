// SPDX-License-Identifier: MIT
/* Operations on open files. A slot without a file has descriptor -1: EBADF, on both sides. */
#include "tests/stress/stress.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define N(array) (sizeof(array) / sizeof((array)[0]))

static unsigned char bytes[LONGEST];

static long result_of(long result)
{
	return result < 0 ? -errno : result;
}

static const void *to_write(const struct operation *operation)
{
	for (size_t i = 0; i < operation->length; i++)
		bytes[i] = (unsigned char)(operation->byte + i * 7 + i / 253);
	return bytes;
}

static long close_file(struct side *side, const struct operation *operation, struct outcome *outcome)
{
	int fd = side->fds[operation->slot];

	(void)outcome;
	side->fds[operation->slot] = -1;
	return result_of(close(fd));
}

static long write_at(struct side *side, const struct operation *operation, struct outcome *outcome)
{
	(void)outcome;
	return result_of(pwrite(side->fds[operation->slot], to_write(operation), operation->length,
				operation->offset));
}

/* At the file position, or at the end. */
static long write_on(struct side *side, const struct operation *operation, struct outcome *outcome)
{
	(void)outcome;
	return result_of(write(side->fds[operation->slot], to_write(operation), operation->length % 5000));
}

static long read_at(struct side *side, const struct operation *operation, struct outcome *outcome)
{
	long result =
		result_of(pread(side->fds[operation->slot], bytes, operation->length, operation->offset));

	if (result > 0)
		tell_bytes(outcome, bytes, (size_t)result);
	return result;
}

static long read_on(struct side *side, const struct operation *operation, struct outcome *outcome)
{
	long result = result_of(read(side->fds[operation->slot], bytes, operation->length % 5000));

	if (result > 0)
		tell_bytes(outcome, bytes, (size_t)result);
	return result;
}

/*
 * Writes and reads through a view, within the file, and syncs it, so that holes and data look the same
 * everywhere.
 */
static long use_view(struct side *side, const struct operation *operation, struct outcome *outcome)
{
	int fd = side->fds[operation->slot];
	bool writes = operation->choice % 4 != 0;
	size_t from = (size_t)operation->offset;
	struct stat stat;
	size_t size;
	size_t end;
	unsigned char *view;

	if (fstat(fd, &stat) < 0)
		return -errno;
	size = (size_t)stat.st_size;
	if (!S_ISREG(stat.st_mode) || size <= from)
		return 0;
	end = from + operation->length < size ? from + operation->length : size;
	if (side->reads && !writes) {
		long result = result_of(pread(fd, bytes, end - from, operation->offset));

		tell_bytes(outcome, bytes, result > 0 ? (size_t)result : 0);
		return result == -EBADF ? -EACCES : result; /* errno of mmap(2) for an unreadable file */
	}
	view = mmap(NULL, size, PROT_READ | (writes ? PROT_WRITE : 0), MAP_SHARED, fd, 0);
	if (view == MAP_FAILED)
		return -errno;
	tell_bytes(outcome, view + from, writes ? 1 : end - from);
	if (writes) {
		memset(view + from, operation->byte, end - from);
		if (msync(view, size, MS_SYNC) < 0)
			tell(outcome, "msync %s", strerror(errno));
	}
	munmap(view, size);
	return (long)(end - from);
}

static long change_size(struct side *side, const struct operation *operation, struct outcome *outcome)
{
	(void)outcome;
	return result_of(ftruncate(side->fds[operation->slot], operation->offset));
}

static long allocate(struct side *side, const struct operation *operation, struct outcome *outcome)
{
	static const int modes[] = {0, FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				    FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE};

	(void)outcome;
	return result_of(fallocate(side->fds[operation->slot], modes[operation->choice % N(modes)],
				   operation->offset, (off_t)operation->length));
}

/* May copy less than requested, and says so. */
static long copy(struct side *side, const struct operation *operation, struct outcome *outcome)
{
	off_t from = operation->offset;
	off_t to = operation->other_offset;
	long copied = 0;

	(void)outcome;
	while (copied < (long)operation->length) {
		ssize_t n = copy_file_range(side->fds[operation->slot], &from, side->fds[operation->other],
					    &to, operation->length - (size_t)copied, 0);

		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		copied += n;
	}
	return copied;
}

static long seek(struct side *side, const struct operation *operation, struct outcome *outcome)
{
	static const int whences[] = {SEEK_DATA, SEEK_HOLE, SEEK_SET, SEEK_END};
	int whence = whences[operation->choice % N(whences)];
	struct stat stat;

	(void)outcome;
	/* directory positions are private to a file system */
	if (fstat(side->fds[operation->slot], &stat) == 0 && S_ISDIR(stat.st_mode))
		return 0;
	return result_of(
		lseek(side->fds[operation->slot], whence == SEEK_END ? -8 : operation->offset, whence));
}

static long look_at_file(struct side *side, const struct operation *operation, struct outcome *outcome)
{
	struct stat stat;
	long result = result_of(fstat(side->fds[operation->slot], &stat));

	if (result == 0)
		tell_attributes(outcome, &stat);
	return result;
}

static long change_mode(struct side *side, const struct operation *operation, struct outcome *outcome)
{
	struct stat stat;
	mode_t mode = operation->choice & 0777;

	(void)outcome;
	if (fstat(side->fds[operation->slot], &stat) == 0 && S_ISDIR(stat.st_mode))
		mode |= 0700;
	return result_of(fchmod(side->fds[operation->slot], mode));
}

static long change_owner(struct side *side, const struct operation *operation, struct outcome *outcome)
{
	static const uid_t ids[] = {0, TEST_UID, 77, (uid_t)-1};

	(void)outcome;
	return result_of(fchown(side->fds[operation->slot], ids[operation->choice % 4],
				ids[operation->choice / 4 % 4]));
}

static long sync_file(struct side *side, const struct operation *operation, struct outcome *outcome)
{
	(void)outcome;
	return result_of(operation->choice % 2 ? fsync(side->fds[operation->slot])
					       : fdatasync(side->fds[operation->slot]));
}

static long lock_range(struct side *side, const struct operation *operation, struct outcome *outcome)
{
	static const short types[] = {F_RDLCK, F_WRLCK, F_UNLCK};
	struct flock lock = {
		.l_type = types[operation->choice % N(types)],
		.l_whence = SEEK_SET,
		.l_start = operation->offset,
		.l_len = (off_t)operation->length,
	};

	(void)outcome;
	return result_of(fcntl(side->fds[operation->slot], F_OFD_SETLK, &lock));
}

/* Any of several conflicting locks may be reported. */
static long ask_lock(struct side *side, const struct operation *operation, struct outcome *outcome)
{
	struct flock lock = {
		.l_type = F_WRLCK,
		.l_whence = SEEK_SET,
		.l_start = operation->offset,
		.l_len = (off_t)operation->length,
	};
	long result = result_of(fcntl(side->fds[operation->slot], F_OFD_GETLK, &lock));

	if (result == 0)
		tell(outcome, "%s", lock.l_type == F_UNLCK ? "nothing in the way" : "locked");
	return result;
}

static long lock_file(struct side *side, const struct operation *operation, struct outcome *outcome)
{
	static const int kinds[] = {LOCK_SH, LOCK_EX, LOCK_UN};

	(void)outcome;
	return result_of(flock(side->fds[operation->slot], kinds[operation->choice % N(kinds)] | LOCK_NB));
}

const struct kind file_kinds[] = {
	{.name = "close", .weight = 5, .run = close_file},
	{.name = "pwrite", .weight = 14, .run = write_at},
	{.name = "write", .weight = 8, .run = write_on},
	{.name = "pread", .weight = 12, .run = read_at},
	{.name = "read", .weight = 6, .run = read_on},
	{.name = "mmap", .weight = 8, .run = use_view},
	{.name = "ftruncate", .weight = 4, .run = change_size},
	{.name = "fallocate", .weight = 5, .run = allocate},
	{.name = "copy_file_range", .weight = 5, .run = copy},
	{.name = "lseek", .weight = 5, .run = seek},
	{.name = "fstat", .weight = 6, .run = look_at_file},
	{.name = "fchmod", .weight = 3, .run = change_mode},
	{.name = "fchown", .weight = 2, .run = change_owner},
	{.name = "fsync", .weight = 1, .run = sync_file},
	{.name = "lock", .weight = 4, .run = lock_range},
	{.name = "getlk", .weight = 1, .run = ask_lock},
	{.name = "flock", .weight = 3, .run = lock_file},
};
const unsigned int n_file_kinds = N(file_kinds);
