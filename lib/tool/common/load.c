// SPDX-License-Identifier: MIT
#include "lib/tool/common/load.h"
#include "lib/base/cleanup.h"
#include "lib/tool/common/command.h"
#include "lib/tool/common/remedy.h"
#include "lib/tool/common/report.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BUFFER ((size_t)1 << 20)

int load_open(const struct tool *tool, const char *path, struct load *load)
{
	static const struct remedy remedies[] = {
		{ENOENT, "there is no such file to load; check the path"},
		{EACCES, "you may not read the file to load"},
		{0},
	};
	const bool is_input = strcmp(path, "-") == 0;
	_cleanup_close_ int fd = is_input ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3)
					  : open(path, O_RDONLY | O_NOCTTY | O_CLOEXEC);
	struct stat attr;

	*load = (struct load){.name = is_input ? "standard input" : path, .fd = -1};
	if (fd < 0 || fstat(fd, &attr) < 0)
		return remedy_report(tool, load->name, -errno, remedies);
	if (S_ISDIR(attr.st_mode))
		return report(tool, STATUS_NOT_AS_ASKED, load->name, "this is a directory; load a file");
	if (S_ISREG(attr.st_mode)) {
		load->start = lseek(fd, 0, SEEK_CUR);
		load->size = attr.st_size > load->start ? (uint64_t)(attr.st_size - load->start) : 0;
	}
	/* files of /proc do not tell their sizes */
	load->is_stream = load->size == 0;
	load->fd = take_fd(&fd);
	return STATUS_DONE;
}

void load_close(struct load *load)
{
	if (load->fd >= 0)
		close(load->fd);
	load->fd = -1;
}

static int write_all(int to, const char *bytes, size_t n, off_t at)
{
	while (n > 0) {
		const ssize_t written = pwrite(to, bytes, n, at);

		/* a request of FUSE ends by a stop and a continuation, too */
		if (written < 0 && errno != EINTR)
			return -errno;
		if (written == 0)
			return -ENOSPC;
		if (written > 0) {
			bytes += written;
			n -= (size_t)written;
			at += written;
		}
	}
	return 0;
}

/* Returns the number of bytes, 0 at the end, or a negative errno. at: -1 of a stream. */
static ssize_t read_some(int from, char *buffer, size_t n, off_t at)
{
	ssize_t got;

	do
		got = at < 0 ? read(from, buffer, n) : pread(from, buffer, n, at);
	while (got < 0 && errno == EINTR);
	return got < 0 ? -errno : got;
}

static int fail(struct load *load, ssize_t error)
{
	load->has_failed = true;
	return (int)error;
}

static int copy_stream(struct load *load, int to, uint64_t limit, char *buffer)
{
	uint64_t copied = 0;

	if (load->was_read)
		return fail(load, -ESPIPE);
	load->was_read = true;
	for (;;) {
		const ssize_t got = read_some(load->fd, buffer, BUFFER, -1);
		int result;

		if (got <= 0)
			return got < 0 ? fail(load, got) : 0;
		if ((uint64_t)got > limit - copied)
			return fail(load, -EFBIG);
		result = write_all(to, buffer, (size_t)got, (off_t)copied);
		if (result < 0)
			return result;
		copied += (uint64_t)got;
	}
}

/* Copies the bytes of a file from `at` to `end`. */
static int copy_range(struct load *load, int to, off_t at, off_t end, char *buffer)
{
	while (at < end) {
		const size_t n = end - at < (off_t)BUFFER ? (size_t)(end - at) : BUFFER;
		const ssize_t got = read_some(load->fd, buffer, n, at);
		int result;

		if (got <= 0)
			return fail(load, got < 0 ? got : -ESTALE);
		result = write_all(to, buffer, (size_t)got, at - load->start);
		if (result < 0)
			return result;
		at += got;
	}
	return 0;
}

/* The next bytes that are no hole, from *at to *to. Returns false if there are none before `end`. */
static bool find_data(int fd, off_t *at, off_t *to, off_t end)
{
	const off_t data = lseek(fd, *at, SEEK_DATA);
	off_t hole;

	/* where holes are not known, all is data */
	if (data < 0 && errno != ENXIO) {
		*to = end;
		return *at < end;
	}
	if (data < 0 || data >= end)
		return false;
	hole = lseek(fd, data, SEEK_HOLE);
	*at = data;
	*to = hole > data && hole < end ? hole : end;
	return true;
}

static int copy_file(struct load *load, int to, char *buffer)
{
	const off_t end = load->start + (off_t)load->size;
	struct stat attr;
	int result = 0;
	off_t stop;

	for (off_t at = load->start; result == 0 && find_data(load->fd, &at, &stop, end); at = stop)
		result = copy_range(load, to, at, stop, buffer);
	/* what was cut off looks like a hole */
	if (result == 0 && (fstat(load->fd, &attr) < 0 || attr.st_size < end))
		return fail(load, -ESTALE);
	return result;
}

int load_copy(struct load *load, int to, uint64_t limit)
{
	char *buffer = malloc(BUFFER);
	int result;

	if (!buffer)
		return -ENOMEM;
	result = load->is_stream ? copy_stream(load, to, limit, buffer) : copy_file(load, to, buffer);
	free(buffer);
	return result;
}
