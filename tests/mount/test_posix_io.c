// SPDX-License-Identifier: MIT
/* Data: sizes, holes, offsets, copies, views, files without a name; compared with a tmpfs. */
#include "tests/lib/twin.h"

#include <fcntl.h>
#include <linux/falloc.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE 4096

static void fill(int fd, char byte, size_t length, off_t offset)
{
	char *bytes = malloc(length);

	must(bytes != NULL);
	memset(bytes, byte, length);
	must(pwrite(fd, bytes, length, offset) == (ssize_t)length);
	free(bytes);
}

static bool is_filled(int fd, char byte, size_t length, off_t offset)
{
	char *bytes = malloc(length);
	bool result = bytes && pread(fd, bytes, length, offset) == (ssize_t)length;

	for (size_t i = 0; result && i < length; i++)
		result = bytes[i] == byte;
	free(bytes);
	return result;
}

static void sizes(void)
{
	int fd = works(open("file", O_RDWR | O_CREAT, 0644));
	int reader = works(open("file", O_RDONLY));

	works(ftruncate(fd, 10000));
	note_fstat(reader);
	holds(is_filled(reader, 0, 10000, 0));
	fill(fd, 'a', 10000, 0);
	works(ftruncate(fd, 5000));
	note_fstat(reader);
	works(truncate("file", 9000));
	note_stat("file");
	holds(is_filled(reader, 'a', 5000, 0));
	holds(is_filled(reader, 0, 4000, 5000));
	works(truncate("file", 0));
	note_fstat(fd);
	fails(EINVAL, ftruncate(fd, -1));
	fails(EINVAL, truncate("file", -1));
	fails(EINVAL, ftruncate(reader, 5));
	fails(ENOENT, truncate("missing", 5));
	fails(EISDIR, truncate(".", 5));
	works(mkfifo("fifo", 0644));
	fails(EINVAL, truncate("fifo", 0));
	works(close(fd));
	works(close(reader));
	become(TEST_UID, TEST_GID);
	fails(EACCES, truncate("file", 5));
	become(0, 0);
}

static void large_sizes(void)
{
	int fd = works(open("file", O_RDWR | O_CREAT, 0644));
	off_t large = (off_t)1 << 40;

	works(ftruncate(fd, large));
	note_fstat(fd);
	fill(fd, 'z', 10, large);
	note_fstat(fd);
	holds(is_filled(fd, 'z', 10, large));
	holds(is_filled(fd, 0, 10, large - 10));
	holds(lseek(fd, 0, SEEK_END) == large + 10);
	works(ftruncate(fd, 3));
	note_fstat(fd);
}

static void limits_of_offsets(void)
{
	int fd = works(open("file", O_RDWR | O_CREAT, 0644));
	void *nowhere = mmap(NULL, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char byte = 'x';

	must(nowhere != MAP_FAILED);
	fails(EINVAL, pwrite(fd, &byte, 1, -1));
	fails(EINVAL, pread(fd, &byte, 1, -1));
	holds(pread(fd, &byte, 1, (off_t)1 << 40) == 0);
	fails(EINVAL, lseek(fd, -1, SEEK_SET));
	fails(EINVAL, lseek(fd, 0, 99));
	holds(write(fd, &byte, 0) == 0);
	holds(read(fd, &byte, 0) == 0);
	fails(EFAULT, write(fd, nowhere, 10));
	fill(fd, 'q', 10, 0);
	fails(EFAULT, pread(fd, nowhere, 10, 0));
	note_fstat(fd);
	if (!twin.on_disk) {
		works(ftruncate(fd, INT64_MAX));
		note_fstat(fd);
		fails(EINVAL, pwrite(fd, "xy", 1, INT64_MAX));
		works(ftruncate(fd, 5));
	} else {
		fails(EFBIG, ftruncate(fd, INT64_MAX));
		fails(EFBIG, pwrite(fd, "xy", 1, INT64_MAX - 1));
	}
	note_bytes("file");
}

static void file_size_limit(void)
{
	const struct rlimit limit = {.rlim_cur = 8192, .rlim_max = RLIM_INFINITY};
	int fd = works(open("file", O_RDWR | O_CREAT, 0644));

	signal(SIGXFSZ, SIG_IGN);
	must(setrlimit(RLIMIT_FSIZE, &limit) == 0);
	fails(EFBIG, ftruncate(fd, 8193));
	works(ftruncate(fd, 8192));
	works(pwrite(fd, "0123456789", 10, 8187));
	fails(EFBIG, pwrite(fd, "x", 1, 8192));
	fails(EFBIG, fallocate(fd, 0, 0, 10000));
	note_fstat(fd);
}

static void preallocate(void)
{
	int fd = works(open("file", O_RDWR | O_CREAT, 0644));
	struct stat stat;

	works(fallocate(fd, 0, 0, 3 * PAGE));
	note_fstat(fd);
	works(fstat(fd, &stat));
	holds(stat.st_blocks >= 3 * PAGE / 512);
	works(fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 10 * PAGE));
	note_fstat(fd);
	works(fallocate(fd, 0, PAGE, PAGE));
	note_fstat(fd);
	works(fallocate(fd, 0, 5 * PAGE, 100));
	note_fstat(fd);
	fails(EINVAL, fallocate(fd, 0, 0, 0));
	fails(EINVAL, fallocate(fd, 0, -1, 10));
	fails(EINVAL, fallocate(fd, 0, 0, -1));
	fails(EFBIG, fallocate(fd, 0, INT64_MAX - 10, 100));
	fails(EOPNOTSUPP, fallocate(fd, FALLOC_FL_PUNCH_HOLE, 0, PAGE));
	fails(EOPNOTSUPP, fallocate(fd, 0x4000, 0, PAGE));
	holds(posix_fallocate(fd, 0, 8 * PAGE) == 0);
	note_fstat(fd);
	works(close(fd));
	fd = works(open("file", O_RDONLY));
	fails(EBADF, fallocate(fd, 0, 0, PAGE));
	works(close(fd));
	works(mkfifo("fifo", 0644));
	fd = works(open("fifo", O_RDWR));
	fails(ESPIPE, fallocate(fd, 0, 0, PAGE));
	works(close(fd));
	fd = works(open(".", O_RDONLY));
	fails(EBADF, fallocate(fd, 0, 0, PAGE));
}

static void punch_holes(void)
{
	int fd = works(open("file", O_RDWR | O_CREAT, 0644));
	char *view;

	fill(fd, 'f', 8 * PAGE, 0);
	view = mmap(NULL, 8 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	holds(view != MAP_FAILED);
	holds(view[2 * PAGE] == 'f');
	works(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, PAGE, 2 * PAGE));
	note_fstat(fd);
	holds(is_filled(fd, 'f', PAGE, 0));
	holds(is_filled(fd, 0, 2 * PAGE, PAGE));
	holds(is_filled(fd, 'f', 5 * PAGE, 3 * PAGE));
	holds(view[2 * PAGE] == 0 && view[3 * PAGE] == 'f');
	works(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 5 * PAGE + 10, 100));
	holds(is_filled(fd, 'f', 10, 5 * PAGE));
	holds(is_filled(fd, 0, 100, 5 * PAGE + 10));
	holds(is_filled(fd, 'f', 100, 5 * PAGE + 110));
	works(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 7 * PAGE, 100 * PAGE));
	note_fstat(fd);
	view[2 * PAGE] = 'v';
	holds(is_filled(fd, 'v', 1, 2 * PAGE));
	note_bytes("file");
}

/* Modes that FUSE does not support are refused, and the file is unchanged. */
static void other_ways_to_allocate(void)
{
	int fd = works(open("file", O_RDWR | O_CREAT, 0644));

	fill(fd, 'f', 4 * PAGE, 0);
	if (twin.on_disk) {
		works(fallocate(fd, FALLOC_FL_ZERO_RANGE, PAGE, PAGE));
		works(fallocate(fd, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, 3 * PAGE, 4 * PAGE));
		if (twin.on_mount) {
			must(fallocate(fd, FALLOC_FL_COLLAPSE_RANGE, 0, PAGE) < 0 && errno == EOPNOTSUPP);
			must(fallocate(fd, FALLOC_FL_INSERT_RANGE, 0, PAGE) < 0 && errno == EOPNOTSUPP);
		}
	} else {
		fails(EOPNOTSUPP, fallocate(fd, FALLOC_FL_ZERO_RANGE, PAGE, PAGE));
		fails(EOPNOTSUPP, fallocate(fd, FALLOC_FL_COLLAPSE_RANGE, 0, PAGE));
		fails(EOPNOTSUPP, fallocate(fd, FALLOC_FL_INSERT_RANGE, 0, PAGE));
	}
	note_fstat(fd);
	note_bytes("file");
}

static void data_and_holes(void)
{
	int fd = works(open("file", O_RDWR | O_CREAT, 0644));

	works(ftruncate(fd, 16 * PAGE));
	fill(fd, 'd', PAGE, 4 * PAGE);
	fill(fd, 'd', PAGE, 8 * PAGE);
	works(lseek(fd, 0, SEEK_DATA));
	works(lseek(fd, 0, SEEK_HOLE));
	works(lseek(fd, 4 * PAGE + 5, SEEK_DATA));
	works(lseek(fd, 4 * PAGE, SEEK_HOLE));
	works(lseek(fd, 5 * PAGE, SEEK_DATA));
	fails(ENXIO, lseek(fd, 9 * PAGE, SEEK_DATA));
	works(lseek(fd, 9 * PAGE, SEEK_HOLE));
	fails(ENXIO, lseek(fd, 16 * PAGE, SEEK_DATA));
	fails(ENXIO, lseek(fd, 16 * PAGE, SEEK_HOLE));
	fails(ENXIO, lseek(fd, -1, SEEK_HOLE));
	works(lseek(fd, 100, SEEK_SET));
	works(lseek(fd, 5, SEEK_CUR));
	works(lseek(fd, -5, SEEK_END));
	works(lseek(fd, 4 * PAGE, SEEK_DATA));
	works(write(fd, "E", 1));
	works(lseek(fd, 0, SEEK_CUR));
	works(close(fd));
	fd = works(open("file", O_RDONLY));
	works(lseek(fd, 0, SEEK_DATA));
	works(lseek(fd, 4 * PAGE, SEEK_HOLE));
	works(close(fd));
	fd = works(open("file", O_WRONLY));
	works(lseek(fd, 0, SEEK_DATA));
}

static void copy_ranges(void)
{
	int in;
	int out = works(open("out", O_RDWR | O_CREAT, 0644));
	loff_t from = 2;
	loff_t to = 5;

	make_file("in", "0123456789");
	in = works(open("in", O_RDONLY));
	works(copy_file_range(in, &from, out, &to, 4, 0));
	holds(from == 6 && to == 9);
	note_bytes("out");
	works(copy_file_range(in, NULL, out, NULL, 3, 0));
	works(lseek(in, 0, SEEK_CUR));
	works(lseek(out, 0, SEEK_CUR));
	note_bytes("out");
	from = 100;
	holds(copy_file_range(in, &from, out, NULL, 3, 0) == 0);
	fails(EINVAL, copy_file_range(in, NULL, out, NULL, 3, 1));
	fails(EBADF, copy_file_range(out, NULL, in, NULL, 3, 0));
	from = 0;
	to = 2;
	fails(EINVAL, copy_file_range(out, &from, out, &to, 5, 0)); /* overlapping */
	to = 20;
	works(copy_file_range(out, &from, out, &to, 5, 0));
	note_bytes("out");
	works(lseek(in, 0, SEEK_SET));
	works(sendfile(out, in, NULL, 10));
	note_bytes("out");
}

static void copy_a_lot(void)
{
	int in = works(open("in", O_RDWR | O_CREAT, 0644));
	int out = works(open("out", O_RDWR | O_CREAT, 0644));
	size_t left = 3 * 1024 * 1024;
	loff_t from = 0;
	loff_t to = PAGE + 1;

	for (char i = 0; i < 3; i++)
		fill(in, (char)('a' + i), 1024 * 1024, i * 1024 * 1024);
	while (left > 0) {
		ssize_t copied = copy_file_range(in, &from, out, &to, left, 0);

		must(copied > 0);
		left -= (size_t)copied;
	}
	note_bytes("out");
	note_stat("out");
}

static void transfers_of_all_sizes(void)
{
	static const size_t lengths[] = {1,      511,    4095,   4096,    4097,    65536,
					 131071, 131072, 131073, 1048576, 1048577, 5000001};
	int fd = works(open("file", O_RDWR | O_CREAT, 0644));
	off_t offset = 0;

	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		fill(fd, (char)('a' + i), lengths[i], offset);
		must(is_filled(fd, (char)('a' + i), lengths[i], offset));
		offset += (off_t)lengths[i];
	}
	note_fstat(fd);
	note_bytes("file");
}

static void vectors(void)
{
	char a[4];
	char b[4];
	const struct iovec out[2] = {{(void *)(uintptr_t) "abc", 3}, {(void *)(uintptr_t) "defg", 4}};
	const struct iovec in[2] = {{a, 2}, {b, 3}};
	int fd = works(open("file", O_RDWR | O_CREAT, 0644));

	works(writev(fd, out, 2));
	works(pwritev(fd, out, 2, 5));
	note_bytes("file");
	works(preadv(fd, in, 2, 4));
	holds(memcmp(a, "ea", 2) == 0 && memcmp(b, "bcd", 3) == 0);
}

static void views(void)
{
	int fd = works(open("file", O_RDWR | O_CREAT, 0644));
	int reader;
	char *shared;
	char *private;
	char text[16];

	works(ftruncate(fd, 3 * PAGE));
	shared = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	private = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	holds(shared != MAP_FAILED && private != MAP_FAILED);
	memcpy(shared + PAGE, "by the view", sizeof("by the view"));
	works(pread(fd, text, 12, PAGE));
	holds(strcmp(text, "by the view") == 0);
	works(pwrite(fd, "by a write", 11, 2 * PAGE));
	holds(strcmp(shared + 2 * PAGE, "by a write") == 0);
	holds(strcmp(private + PAGE, "by the view") == 0);
	memcpy(private + PAGE, "private", sizeof("private"));
	holds(strcmp(shared + PAGE, "by the view") == 0);
	reader = works(open("file", O_RDONLY));
	fails(EACCES, mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, reader, 0) == MAP_FAILED ? -1 : 0);
	holds(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, reader, 0) != MAP_FAILED);
	fails(EINVAL, mmap(NULL, PAGE, PROT_READ, MAP_SHARED, reader, 100) == MAP_FAILED ? -1 : 0);
	works(close(reader));
	reader = works(open("file", O_WRONLY));
	fails(EACCES, mmap(NULL, PAGE, PROT_WRITE, MAP_SHARED, reader, 0) == MAP_FAILED ? -1 : 0);
	works(close(reader));
	/* a view outlives its descriptor and the name */
	works(close(fd));
	works(msync(shared, 3 * PAGE, MS_SYNC));
	note_bytes("file");
	works(unlink("file"));
	memcpy(shared, "still here", sizeof("still here"));
	works(munmap(private, 3 * PAGE));
	holds(strcmp(shared, "still here") == 0);
	works(munmap(shared, 3 * PAGE));
}

static void views_past_the_end(void)
{
	int fd = works(open("file", O_RDWR | O_CREAT, 0644));
	int status;
	pid_t child;
	char *view;

	works(ftruncate(fd, 2 * PAGE));
	view = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	holds(view != MAP_FAILED);
	view[PAGE] = 'x';
	works(ftruncate(fd, PAGE));
	fflush(NULL);
	child = fork();
	if (child == 0) {
		signal(SIGBUS, SIG_DFL);
		_exit(view[PAGE]);
	}
	must(waitpid(child, &status, 0) == child);
	holds(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS);
	works(ftruncate(fd, 2 * PAGE));
	holds(view[PAGE] == 0);
	view[PAGE] = 'y';
	holds(is_filled(fd, 'y', 1, PAGE));
}

static void executables(void)
{
	const char *const argv[] = {"./program", NULL};
	int status;
	pid_t child;
	int fd;

	make_file("program", "#!/bin/sh\nexit 7\n");
	works(chmod("program", 0755));
	fflush(NULL);
	child = fork();
	if (child == 0) {
		execv(argv[0], (char *const *)(uintptr_t)argv);
		_exit(99);
	}
	must(waitpid(child, &status, 0) == child);
	holds(WIFEXITED(status) && WEXITSTATUS(status) == 7);
	works(chmod("program", 0644));
	fails(EACCES, execv(argv[0], (char *const *)(uintptr_t)argv));
	fd = works(open("program", O_RDWR));
	works(fchmod(fd, 0755));
	same(execv(argv[0], (char *const *)(uintptr_t)argv));
}

static void files_without_a_name(void)
{
	char text[16];
	int second;
	char *view;
	int fd;

	make_file("file", "0123456789");
	fd = works(open("file", O_RDWR));
	second = works(open("file", O_RDONLY));
	works(unlink("file"));
	note_fstat(fd);
	works(pwrite(fd, "AB", 2, 3));
	holds(pread(second, text, 10, 0) == 10 && memcmp(text, "012AB56789", 10) == 0);
	works(ftruncate(fd, 2 * PAGE));
	note_fstat(second);
	works(fchmod(fd, 0640));
	works(fchown(fd, 3, 4));
	note_fstat(second);
	works(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, PAGE));
	view = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	holds(view != MAP_FAILED);
	view[PAGE] = 'V';
	holds(is_filled(second, 'V', 1, PAGE));
	works(fsync(fd));
	works(futimens(fd, NULL));
	works(lseek(fd, 0, SEEK_DATA));
	snprintf(text, sizeof(text), "/proc/self/fd/%d", fd);
	{
		char path[64];
		int again;

		snprintf(path, sizeof(path), "/proc/self/fd/%d", second);
		again = works(open(path, O_RDWR));
		works(pwrite(again, "again", 5, 0));
		holds(pread(fd, text, 5, 0) == 5 && memcmp(text, "again", 5) == 0);
		works(close(again));
		fails(ENOENT, linkat(AT_FDCWD, path, AT_FDCWD, "back", AT_SYMLINK_FOLLOW));
	}
	works(close(fd));
	works(close(second));
	holds(view[PAGE] == 'V');
	works(munmap(view, 2 * PAGE));
	note_list(".");
}

static void syncing(void)
{
	int fd = works(open("file", O_RDWR | O_CREAT, 0644));
	int dir = works(open(".", O_RDONLY | O_DIRECTORY));

	fill(fd, 's', 100, 0);
	works(fsync(fd));
	works(fdatasync(fd));
	works(sync_file_range(fd, 0, 100, SYNC_FILE_RANGE_WRITE));
	works(fsync(dir));
	works(posix_fadvise(fd, 0, 0, POSIX_FADV_WILLNEED));
	works(readahead(fd, 0, 100));
	works(close(dir));
	note_bytes("file");
}

int main(void)
{
	static const struct twin_case cases[] = {
		TWIN_CASE(sizes),
		TWIN_CASE(large_sizes),
		TWIN_CASE(limits_of_offsets),
		TWIN_CASE(file_size_limit),
		TWIN_CASE(preallocate),
		TWIN_CASE(punch_holes),
		TWIN_CASE(other_ways_to_allocate),
		TWIN_CASE(data_and_holes),
		TWIN_CASE(copy_ranges),
		TWIN_CASE(copy_a_lot),
		TWIN_CASE(transfers_of_all_sizes),
		TWIN_CASE(vectors),
		TWIN_CASE(views),
		TWIN_CASE(views_past_the_end),
		TWIN_CASE(executables),
		TWIN_CASE(files_without_a_name),
		TWIN_CASE(syncing),
	};

	return twin_main(cases, sizeof(cases) / sizeof(cases[0]));
}
