// SPDX-License-Identifier: MIT
#include "fs/setup/holders.h"
#include "lib/base/cleanup.h"
#include "lib/base/procfs.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SECONDS 2

/* Does not query file systems: a FUSE server may not answer. */
static bool is_on(dev_t device, int dir_fd, const char *name)
{
	struct statx found;

	return statx(dir_fd, name, AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT, STATX_TYPE, &found) == 0 &&
	       makedev(found.stx_dev_major, found.stx_dev_minor) == device;
}

static bool has_open(dev_t device, int process_fd)
{
	int fd = openat(process_fd, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_closedir_ DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *entry;

	if (!dir && fd >= 0)
		close(fd);
	while (dir && (entry = readdir(dir)))
		if (isdigit((unsigned char)entry->d_name[0]) && is_on(device, fd, entry->d_name))
			return true;
	return false;
}

/* Whether any line of a file of /proc contains a text. */
static bool has_line(int process_fd, const char *name, const char *wanted)
{
	int fd = openat(process_fd, name, O_RDONLY | O_CLOEXEC);
	_cleanup_free_ char *line = NULL;
	size_t size = 0;
	FILE *file = fd >= 0 ? fdopen(fd, "r") : NULL;
	bool found = false;

	if (!file && fd >= 0)
		close(fd);
	if (!file)
		return false;
	while (!found && getline(&line, &size, file) > 0)
		found = strstr(line, wanted);
	fclose(file);
	return found;
}

static bool is_in_our_namespace(int process_fd)
{
	struct stat ours;
	struct stat theirs;

	return stat("/proc/self/ns/mnt", &ours) == 0 && fstatat(process_fd, "ns/mnt", &theirs, 0) == 0 &&
	       ours.st_ino == theirs.st_ino;
}

static bool holds(dev_t device, const char *process)
{
	char path[NAME_MAX + 8];
	char in_maps[32];
	char in_mounts[32];
	_cleanup_close_ int fd = -1;

	snprintf(in_maps, sizeof(in_maps), " %02x:%02x ", major(device), minor(device));
	snprintf(in_mounts, sizeof(in_mounts), " %u:%u ", major(device), minor(device));

	snprintf(path, sizeof(path), "/proc/%s", process);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return false;
	return has_open(device, fd) || is_on(device, fd, "cwd") || is_on(device, fd, "root") ||
	       is_on(device, fd, "exe") ||
	       (!is_in_our_namespace(fd) && has_line(fd, "mountinfo", in_mounts)) ||
	       has_line(fd, "maps", in_maps);
}

/* Writes a line for each holder: "PID (command)". */
static void search(dev_t device, int out)
{
	DIR *dir = opendir("/proc");
	const struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		char command[PROCFS_COMMAND_MAX] = "?";

		if (!isdigit((unsigned char)entry->d_name[0]) || !holds(device, entry->d_name))
			continue;
		procfs_command(atoi(entry->d_name), command);
		dprintf(out, "%s (%s)\n", entry->d_name, command);
	}
	if (dir)
		closedir(dir);
}

static long milliseconds_left(const struct timespec *end)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (end->tv_sec - now.tv_sec) * 1000 + (end->tv_nsec - now.tv_nsec) / 1000000;
}

/* Reads until the deadline or until the buffer is full. */
static void collect(int fd, char *found, size_t size)
{
	struct pollfd ready = {.fd = fd, .events = POLLIN};
	struct timespec end;
	size_t length = 0;
	long left = 0;

	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += SECONDS;
	while (length < size - 1 && (left = milliseconds_left(&end)) > 0) {
		ssize_t n;

		if (poll(&ready, 1, (int)left) <= 0)
			continue;
		n = read(fd, found + length, size - 1 - length);
		if (n <= 0)
			break;
		length += (size_t)n;
	}
	found[length] = 0;
}

void holders_describe(dev_t device, char *text, size_t size)
{
	char found[4096];
	char *place = NULL;
	size_t used = 0;
	unsigned int n = 0;
	int ends[2];
	pid_t child;

	text[0] = 0;
	if (pipe2(ends, O_CLOEXEC) < 0)
		return;
	child = fork();
	if (child == 0) {
		search(device, ends[1]);
		_exit(0);
	}
	close(ends[1]);
	if (child > 0) {
		collect(ends[0], found, sizeof(found));
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
		for (char *line = strtok_r(found, "\n", &place); line; line = strtok_r(NULL, "\n", &place)) {
			if (n++ >= HOLDERS_MAX || used + strlen(line) + 8 > size)
				continue;
			used += (size_t)snprintf(text + used, size - used, "%s%s", used ? ", " : "", line);
		}
		if (n > HOLDERS_MAX && used + 8 < size)
			snprintf(text + used, size - used, ", ...");
	}
	close(ends[0]);
}
