// SPDX-License-Identifier: MIT
/*
 * record.so, for LD_PRELOAD of the daemon: writes the first messages that each worker reads from the kernel
 * to a file in the directory RECORD, as an input of tests/fuzz/fuzz_request.c. The requesters' identities are
 * left out.
 */
#include "fs/fuse/protocol.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <unistd.h>

#define MESSAGES_MAX 60  /* per worker */
#define MESSAGE_MAX  600 /* bytes: longer messages are left out */
#define OPTIONS      1   /* STAND_PASSTHROUGH */
#define DEVICE       makedev(10, 229)

static struct {
	pthread_mutex_t lock;
	pid_t process; /* process that the counter belongs to */
	int n;
} record = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* Opened for each message: tests count the daemon's descriptors. */
static int open_record(void)
{
	const char *directory = getenv("RECORD");
	char path[512];

	if (!directory)
		return -1;
	snprintf(path, sizeof(path), "%s/%d", directory, getpid());
	return open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

static void note(const void *message, size_t length)
{
	uint8_t size[3] = {OPTIONS, (uint8_t)length, (uint8_t)(length >> 8)};
	struct fuse_in_header header;
	int fd = -1;

	memcpy(&header, message, sizeof(header));
	if (length > MESSAGE_MAX || header.opcode == FUSE_INIT)
		return;
	header.pid = 0;
	pthread_mutex_lock(&record.lock);
	if (record.process != getpid()) {
		record.process = getpid();
		record.n = 0;
	}
	if (record.n < MESSAGES_MAX)
		fd = open_record();
	if (fd >= 0) {
		const int options = record.n++ > 0; /* options come first, and once */
		const struct iovec parts[] = {
			{.iov_base = size + options, .iov_len = sizeof(size) - (size_t)options},
			{.iov_base = &header, .iov_len = sizeof(header)},
			{.iov_base = (char *)(uintptr_t)message + sizeof(header),
			 .iov_len = length - sizeof(header)},
		};

		if (writev(fd, parts, 3) < 0)
			record.n = MESSAGES_MAX;
		close(fd);
	}
	pthread_mutex_unlock(&record.lock);
}

__attribute__((visibility("default"))) ssize_t read(int fd, void *buffer, size_t size)
{
	static ssize_t (*next)(int fd, void *buffer, size_t size);
	ssize_t length;
	struct stat stat;

	if (!next)
		*(void **)&next = dlsym(RTLD_NEXT, "read");
	length = next(fd, buffer, size);
	if (length >= (ssize_t)sizeof(struct fuse_in_header) && fstat(fd, &stat) == 0 &&
	    S_ISCHR(stat.st_mode) && stat.st_rdev == DEVICE)
		note(buffer, (size_t)length);
	return length;
}
