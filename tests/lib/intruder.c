// SPDX-License-Identifier: MIT
#include "tests/lib/intruder.h"
#include "lib/base/cleanup.h"
#include "tests/lib/look.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/uio.h>
#include <unistd.h>

#define NOT_YET    LONG_MIN
#define SPLICE_MAX 65536 /* capacity of a pipe in bytes */

static const struct mount *mount;
static atomic_long *results;
static struct job *jobs[INTRUDERS];

struct start {
	const struct access *access;
	atomic_long *result;
};

void intruders_setup(const struct mount *of)
{
	mount = of;
	results = mmap(NULL, INTRUDERS * sizeof(*results), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		       -1, 0);
	assert_ptr_not_equal(results, MAP_FAILED);
}

static void run(struct job *job, void *context)
{
	const struct start *start = context;

	(void)job;
	atomic_store(start->result, start->access->call(start->access));
}

int intrude(const struct access *access)
{
	int i = 0;
	struct start start = {.access = access};

	while (i < INTRUDERS && jobs[i])
		i++;
	if (i == INTRUDERS) {
		fail_msg("too many intruders");
		return -1;
	}
	start.result = &results[i];
	atomic_store(start.result, NOT_YET);
	jobs[i] = job_start(run, &start);
	assert_non_null(jobs[i]);
	return i;
}

int n_waiting(void)
{
	return look_into(mount->supervisor).waiting;
}

void expect_waiting(int n)
{
	int found = -1;

	if (!wait_for((found = n_waiting()) == n))
		fail_msg("%d requests wait, not %d", found, n);
}

bool has_returned(int intruder)
{
	return atomic_load(&results[intruder]) != NOT_YET;
}

long result_of(int intruder)
{
	assert_int_equal(job_end(&jobs[intruder]), 0);
	return atomic_load(&results[intruder]);
}

long intrude_now(const struct access *access)
{
	return result_of(intrude(access));
}

struct job *job_of(int intruder)
{
	return jobs[intruder];
}

void kill_intruder(int intruder)
{
	assert_int_equal(job_kill(&jobs[intruder]), 0);
	assert_false(has_returned(intruder));
}

void intruders_end(void)
{
	for (int i = 0; i < INTRUDERS; i++)
		if (jobs[i])
			job_kill(&jobs[i]);
}

/* --- calls --- */

static int open_it(const struct access *access, int mode)
{
	return access->fd > 0 ? dup(access->fd) : open(access->path, mode | access->flags | O_CLOEXEC);
}

static char *new_bytes(const struct access *access)
{
	char *bytes = aligned_alloc(4096, (access->size + 4095) / 4096 * 4096);

	if (bytes)
		memset(bytes, access->byte, access->size);
	return bytes;
}

static long told(long result)
{
	return result < 0 ? -errno : result;
}

/* The bytes read must be `byte`, if it says so. */
static long told_bytes(const struct access *access, const char *bytes, long length)
{
	if (length < 0)
		return -errno;
	for (long i = 0; i < length && access->byte; i++)
		if (bytes[i] != access->byte)
			return -EBADMSG;
	return length;
}

static long reading(const struct access *access, int flags)
{
	_cleanup_close_ int fd = open_it(access, O_RDONLY | flags);
	_cleanup_free_ char *bytes = new_bytes(access);

	return fd < 0 ? -errno : told_bytes(access, bytes, pread(fd, bytes, access->size, access->at));
}

static long writing(const struct access *access, int flags)
{
	_cleanup_close_ int fd = open_it(access, O_WRONLY | flags);
	_cleanup_free_ char *bytes = new_bytes(access);

	return fd < 0 ? -errno : told(pwrite(fd, bytes, access->size, access->at));
}

long call_read(const struct access *access)
{
	return reading(access, 0);
}

long call_write(const struct access *access)
{
	return writing(access, 0);
}

long call_read_direct(const struct access *access)
{
	return reading(access, O_DIRECT);
}

long call_write_direct(const struct access *access)
{
	return writing(access, O_DIRECT);
}

long call_readv(const struct access *access)
{
	_cleanup_close_ int fd = open_it(access, O_RDONLY);
	_cleanup_free_ char *bytes = new_bytes(access);
	size_t half = access->size / 2;
	struct iovec parts[2] = {{bytes, half}, {bytes + half, access->size - half}};

	return fd < 0 ? -errno : told_bytes(access, bytes, preadv2(fd, parts, 2, access->at, 0));
}

long call_writev(const struct access *access)
{
	_cleanup_close_ int fd = open_it(access, O_WRONLY);
	_cleanup_free_ char *bytes = new_bytes(access);
	size_t half = access->size / 2;
	struct iovec parts[2] = {{bytes, half}, {bytes + half, access->size - half}};

	return fd < 0 ? -errno : told(pwritev2(fd, parts, 2, access->at, RWF_DSYNC));
}

long call_append(const struct access *access)
{
	_cleanup_close_ int fd = open_it(access, O_WRONLY | O_APPEND);
	_cleanup_free_ char *bytes = new_bytes(access);

	return fd < 0 ? -errno : told(write(fd, bytes, access->size));
}

long call_sendfile(const struct access *access)
{
	_cleanup_close_ int fd = open_it(access, O_RDONLY);
	_cleanup_close_ int out = memfd_create("out", MFD_CLOEXEC);
	_cleanup_free_ char *bytes = new_bytes(access);
	off_t at = access->at;
	long length = fd < 0 ? -1 : sendfile(out, fd, &at, access->size);

	return length < 0 ? -errno : told_bytes(access, bytes, pread(out, bytes, (size_t)length, 0));
}

long call_splice_from(const struct access *access)
{
	_cleanup_close_ int fd = open_it(access, O_RDONLY);
	_cleanup_free_ char *bytes = new_bytes(access);
	off_t at = access->at;
	int ends[2];
	long length;

	if (fd < 0 || access->size > SPLICE_MAX || pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	length = splice(fd, &at, ends[1], NULL, access->size, 0);
	return length < 0 ? -errno : told_bytes(access, bytes, read(ends[0], bytes, (size_t)length));
}

long call_splice_to(const struct access *access)
{
	_cleanup_close_ int fd = open_it(access, O_WRONLY);
	_cleanup_free_ char *bytes = new_bytes(access);
	off_t at = access->at;
	int ends[2];

	if (fd < 0 || access->size > SPLICE_MAX || pipe2(ends, O_CLOEXEC) < 0 ||
	    write(ends[1], bytes, access->size) != (ssize_t)access->size)
		return -errno;
	return told(splice(ends[0], NULL, fd, &at, access->size, 0));
}

long call_copy_from(const struct access *access)
{
	_cleanup_close_ int fd = open_it(access, O_RDONLY);
	_cleanup_close_ int out = open(mount->path, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	_cleanup_free_ char *bytes = new_bytes(access);
	off_t at = access->at;
	off_t to = 0;
	long length = fd < 0 || out < 0 ? -1 : copy_file_range(fd, &at, out, &to, access->size, 0);

	return length < 0 ? -errno : told_bytes(access, bytes, pread(out, bytes, (size_t)length, 0));
}

long call_copy_to(const struct access *access)
{
	_cleanup_close_ int fd = open_it(access, O_WRONLY);
	_cleanup_close_ int in = open(mount->path, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	_cleanup_free_ char *bytes = new_bytes(access);
	off_t from = 0;
	off_t at = access->at;

	if (fd < 0 || in < 0 || pwrite(in, bytes, access->size, 0) != (ssize_t)access->size)
		return -errno;
	return told(copy_file_range(in, &from, fd, &at, access->size, 0));
}

static long arranging(const struct access *access, int mode)
{
	_cleanup_close_ int fd = open_it(access, O_WRONLY);

	return fd < 0 ? -errno : told(fallocate(fd, mode, access->at, (off_t)access->size));
}

long call_allocate(const struct access *access)
{
	return arranging(access, 0);
}

long call_punch(const struct access *access)
{
	return arranging(access, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE);
}

long call_zero(const struct access *access)
{
	return arranging(access, FALLOC_FL_ZERO_RANGE);
}

long call_truncate(const struct access *access)
{
	return told(truncate(access->path, access->at));
}

long call_ftruncate(const struct access *access)
{
	_cleanup_close_ int fd = open_it(access, O_WRONLY);

	return fd < 0 ? -errno : told(ftruncate(fd, access->at));
}

long call_open_truncating(const struct access *access)
{
	_cleanup_close_ int fd = open_it(access, O_WRONLY | O_TRUNC);

	return fd < 0 ? -errno : 0;
}

int lock_bytes(int fd, int command, int type, off_t at, off_t size)
{
	struct flock lock = {.l_type = (short)type, .l_whence = SEEK_SET, .l_start = at, .l_len = size};

	return fcntl(fd, command, &lock) < 0 ? -errno : 0;
}
