// SPDX-License-Identifier: MIT
#include "tests/bench/trace.h"
#include "tests/bench/bench.h"

#include <dirent.h>
#include <errno.h>
#include <glob.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define ATTACH_SECONDS 10

static const char *kind_name(unsigned int opcode)
{
	static const char *const names[] = {
		[1] = "LOOKUP",
		[2] = "FORGET",
		[3] = "GETATTR",
		[4] = "SETATTR",
		[5] = "READLINK",
		[6] = "SYMLINK",
		[8] = "MKNOD",
		[9] = "MKDIR",
		[10] = "UNLINK",
		[11] = "RMDIR",
		[12] = "RENAME",
		[13] = "LINK",
		[14] = "OPEN",
		[15] = "READ",
		[16] = "WRITE",
		[17] = "STATFS",
		[18] = "RELEASE",
		[20] = "FSYNC",
		[21] = "SETXATTR",
		[22] = "GETXATTR",
		[23] = "LISTXATTR",
		[24] = "REMOVEXATTR",
		[25] = "FLUSH",
		[26] = "INIT",
		[27] = "OPENDIR",
		[28] = "READDIR",
		[29] = "RELEASEDIR",
		[30] = "FSYNCDIR",
		[31] = "GETLK",
		[32] = "SETLK",
		[33] = "SETLKW",
		[34] = "ACCESS",
		[35] = "CREATE",
		[36] = "INTERRUPT",
		[39] = "IOCTL",
		[42] = "BATCH_FORGET",
		[43] = "FALLOCATE",
		[44] = "READDIRPLUS",
		[45] = "RENAME2",
		[46] = "LSEEK",
		[47] = "COPY_FILE_RANGE",
		[51] = "TMPFILE",
		[52] = "STATX",
	};

	return opcode < sizeof(names) / sizeof(names[0]) && names[opcode] ? names[opcode] : "unknown";
}

static int fuse_fd_of(pid_t worker)
{
	char path[64];
	char link[64];
	DIR *directory;
	const struct dirent *entry;
	int fd = -1;

	snprintf(path, sizeof(path), "/proc/%d/fd", worker);
	directory = opendir(path);
	while (directory && fd < 0 && (entry = readdir(directory))) {
		ssize_t length = readlinkat(dirfd(directory), entry->d_name, link, sizeof(link) - 1);

		link[length > 0 ? length : 0] = '\0';
		if (strcmp(link, "/dev/fuse") == 0)
			fd = (int)strtol(entry->d_name, NULL, 10);
	}
	if (directory)
		closedir(directory);
	if (fd < 0)
		die("process %d does not serve FUSE", worker);
	return fd;
}

static bool is_watched(const char *task)
{
	char line[128];
	FILE *file = fopen(task, "re");
	long tracer = 0;

	if (!file)
		return true; /* the process has ended */
	while (fgets(line, sizeof(line), file))
		if (strncmp(line, "TracerPid:", 10) == 0)
			tracer = strtol(line + 10, NULL, 10);
	fclose(file);
	return tracer != 0;
}

static bool all_watched(pid_t worker)
{
	char pattern[64];
	glob_t tasks;
	bool all = true;

	snprintf(pattern, sizeof(pattern), "/proc/%d/task/*/status", worker);
	if (glob(pattern, 0, NULL, &tasks) != 0)
		die("process %d is gone", worker);
	for (size_t i = 0; i < tasks.gl_pathc; i++)
		all = all && is_watched(tasks.gl_pathv[i]);
	globfree(&tasks);
	return all;
}

static void run_strace(const char *prefix, pid_t worker)
{
	char pid[16];

	snprintf(pid, sizeof(pid), "%d", worker);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (!freopen("/dev/null", "w", stderr))
		_exit(127);
	/* -s 8: a request's length and kind are its first eight bytes */
	execlp("strace", "strace", "-ff", "-qqq", "-xx", "-s", "8", "-e", "signal=none", "-o", prefix, "-p",
	       pid, (char *)NULL);
	_exit(127);
}

void trace_start(struct trace *trace, pid_t worker, const char *directory)
{
	uint64_t deadline = nanoseconds() + ATTACH_SECONDS * 1000000000ull;

	*trace = (struct trace){.fuse_fd = fuse_fd_of(worker)};
	snprintf(trace->prefix, sizeof(trace->prefix), "%s/strace", directory);
	trace->strace = (pid_t)must(fork());
	if (trace->strace == 0)
		run_strace(trace->prefix, worker);
	while (!all_watched(worker)) {
		if (nanoseconds() > deadline || waitpid(trace->strace, NULL, WNOHANG) != 0)
			die("strace can't watch process %d", worker);
		sleep_milliseconds(1);
	}
}

static void count(struct trace_count counts[TRACE_KINDS], const char *name)
{
	unsigned int i = 0;

	while (i < TRACE_KINDS - 1 && counts[i].name[0] && strcmp(counts[i].name, name) != 0)
		i++;
	snprintf(counts[i].name, sizeof(counts[i].name), "%s", name);
	counts[i].count++;
}

/* `read(4, "\x38\x00\x00\x00\x03\x00\x00\x00"..., 1052672) = 56`: the opcode, or 0. */
static unsigned int request_of(const struct trace *trace, const char *line)
{
	const char *text = strchr(line, '"');
	const char *result = strrchr(line, '=');
	unsigned int bytes[8];
	int fd;

	if (sscanf(line, "read(%d,", &fd) != 1 || fd != trace->fuse_fd || !text || !result ||
	    atoi(result + 1) < 40)
		return 0;
	if (sscanf(text, "\"\\x%2x\\x%2x\\x%2x\\x%2x\\x%2x\\x%2x\\x%2x\\x%2x", &bytes[0], &bytes[1],
		   &bytes[2], &bytes[3], &bytes[4], &bytes[5], &bytes[6], &bytes[7]) != 8)
		return 0;
	return bytes[4] | bytes[5] << 8;
}

/* The calls of one thread: those after a request up to the next belong to it. */
static void count_thread(struct trace *trace, const char *path, const char *ignored)
{
	char line[4096];
	bool counted = false;
	FILE *file = fopen(path, "re");

	while (file && fgets(line, sizeof(line), file)) {
		unsigned int kind = request_of(trace, line);
		size_t name = strspn(line, "abcdefghijklmnopqrstuvwxyz0123456789_");

		if (kind) {
			counted = strcmp(kind_name(kind), ignored) != 0;
			if (counted)
				count(trace->requests, kind_name(kind));
		} else if (strncmp(line, "read(", 5) == 0 && atoi(line + 5) == trace->fuse_fd) {
			continue; /* it was withdrawn before the read, or strace ended here */
		}
		if (counted && name && line[name] == '(') {
			line[name] = '\0';
			count(trace->calls, line);
		}
	}
	if (file)
		fclose(file);
}

void trace_stop(struct trace *trace, const char *ignored)
{
	char pattern[PATH_MAX];
	glob_t files;

	must(kill(trace->strace, SIGINT));
	must(waitpid(trace->strace, NULL, 0));
	snprintf(pattern, sizeof(pattern), "%s.*", trace->prefix);
	if (glob(pattern, 0, NULL, &files) != 0)
		die("strace wrote nothing");
	for (size_t i = 0; i < files.gl_pathc; i++) {
		count_thread(trace, files.gl_pathv[i], ignored);
		unlink(files.gl_pathv[i]);
	}
	globfree(&files);
}
