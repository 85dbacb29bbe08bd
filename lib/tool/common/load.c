// SPDX-License-Identifier: MIT
#include "lib/tool/common/load.h"
#include "lib/base/cleanup.h"
#include "lib/tool/common/command.h"
#include "lib/tool/common/copying.h"
#include "lib/tool/common/extents.h"
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
		const off_t start = lseek(fd, 0, SEEK_CUR);

		if (start < 0)
			return remedy_report(tool, load->name, -errno, remedies);
		load->start = (uint64_t)start;
		load->size = attr.st_size > start ? (uint64_t)(attr.st_size - start) : 0;
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

/* Reads from a stream. Returns the number of bytes, 0 at the end, or a negative errno. */
static ssize_t read_some(int from, char *buffer, size_t n)
{
	ssize_t got;

	do
		got = read(from, buffer, n);
	while (got < 0 && errno == EINTR);
	return got < 0 ? -errno : got;
}

static int fail(struct load *load, int error)
{
	load->has_failed = true;
	return error;
}

static int copy_stream(struct load *load, int to, uint64_t limit, char *buffer)
{
	uint64_t copied = 0;

	if (load->was_read)
		return fail(load, -ESPIPE);
	load->was_read = true;
	for (;;) {
		const ssize_t got = read_some(load->fd, buffer, BUFFER);
		int result;

		if (got <= 0)
			return got < 0 ? fail(load, (int)got) : 0;
		if ((uint64_t)got > limit - copied)
			return fail(load, -EFBIG);
		result = copying_write(to, buffer, (size_t)got, copied);
		if (result < 0)
			return result;
		copied += (uint64_t)got;
	}
}

/* Copies the bytes of a file from `at` to `end`. */
static int copy_range(struct load *load, int to, uint64_t at, uint64_t end, char *buffer)
{
	while (at < end) {
		const size_t n = end - at < BUFFER ? (size_t)(end - at) : BUFFER;
		int result = copying_read(load->fd, buffer, n, at);

		if (result < 0)
			return fail(load, result == -ENODATA ? -ESTALE : result);
		result = copying_write(to, buffer, n, at - load->start);
		if (result < 0)
			return result;
		at += n;
	}
	return 0;
}

static int copy_file(struct load *load, int to, char *buffer)
{
	const uint64_t end = load->start + load->size;
	uint64_t at = load->start;
	struct extent extent;
	struct stat attr;
	int found;

	while ((found = extent_next(load->fd, at, end, &extent)) > 0) {
		const int result = copy_range(load, to, extent.offset, extent.offset + extent.length, buffer);

		if (result < 0)
			return result;
		at = extent.offset + extent.length;
	}
	if (found < 0)
		return fail(load, found);
	/* what was cut off looks like a hole */
	if (fstat(load->fd, &attr) < 0)
		return fail(load, -errno);
	return (uint64_t)attr.st_size < end ? fail(load, -ESTALE) : 0;
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
