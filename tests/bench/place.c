// SPDX-License-Identifier: MIT
#include "tests/bench/bench.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <time.h>
#include <unistd.h>

const char *const target_names[TARGETS] = {"tmpfs", "segfs", "bindfs", "passthrough_hp", "null"};

void die(const char *format, ...)
{
	va_list arguments;

	fflush(stdout);
	fputs("bench: ", stderr);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
	exit(1);
}

long must_not_fail(long result, const char *call)
{
	if (result == -1)
		die("%s: %s", call, strerror(errno));
	return result;
}

static int open_directory(const char *base, const char *name, const char *suffix, const char *sub)
{
	char path[PATH_MAX];

	if (snprintf(path, sizeof(path), "%s/%s%s/%s", base, name, suffix, sub) >= (int)sizeof(path))
		die("%s: too long", base);
	if (mkdir(path, 0755) < 0 && errno != EEXIST)
		die("%s: %s", path, strerror(errno));
	return (int)must(open(path, O_PATH | O_DIRECTORY | O_CLOEXEC));
}

static bool is_missing(const char *base, const char *name)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", base, name);
	return access(path, F_OK) < 0;
}

void open_places(struct place places[TARGETS], const char *base, const char *sub, int last)
{
	/* shared: whether it is backed by a huge page makes a difference of a tenth */
	char *buffer = aligned_alloc(2 * BUFFER_SIZE, 2 * BUFFER_SIZE);

	if (!buffer)
		die("no memory");
	memset(buffer, 'b', BUFFER_SIZE);
	for (int i = 0; i < TARGETS; i++) {
		places[i] = (struct place){
			.which = i, .directory = -1, .behind = -1, .file = -1, .buffer = buffer};
		if (i > last || (i == ON_PASSTHROUGH && is_missing(base, target_names[i])))
			continue;
		places[i].directory = open_directory(base, target_names[i], "", sub);
		places[i].behind = open_directory(base, target_names[i], ".behind", sub);
	}
}

void enter(const struct place *place)
{
	must(fchdir(place->directory));
}

/* xorshift: much cheaper than a cache miss, and the same for all targets. */
uint64_t next_random(struct place *place)
{
	place->random ^= place->random << 13;
	place->random ^= place->random >> 7;
	place->random ^= place->random << 17;
	return place->random;
}

void settle(void)
{
	struct statfs ignored;

	/* the daemons measured here process requests nearly in order */
	must(statfs(".", &ignored));
}

long long status_number(const char *mount, const char *key)
{
	char path[PATH_MAX];
	char text[16384];
	char quoted[64];
	size_t length;
	FILE *file;
	char *found;

	snprintf(path, sizeof(path), "%s/.segfs/status", mount);
	snprintf(quoted, sizeof(quoted), "\"%s\": ", key);
	file = fopen(path, "re");
	if (!file)
		die("%s: %s", path, strerror(errno));
	length = fread(text, 1, sizeof(text) - 1, file);
	fclose(file);
	text[length] = '\0';
	found = strstr(text, quoted);
	if (!found)
		die("%s has no %s", path, key);
	return strtoll(found + strlen(quoted), NULL, 10);
}

/* All existing threads; new ones inherit it. */
static void bind_process(pid_t pid, const cpu_set_t *cpus)
{
	const struct dirent *entry;
	char path[64];
	DIR *tasks;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	tasks = opendir(path);
	if (!tasks)
		die("process %d is gone", pid);
	while ((entry = readdir(tasks))) {
		pid_t task = (pid_t)strtol(entry->d_name, NULL, 10);

		if (task > 0 && sched_setaffinity(task, sizeof(*cpus), cpus) < 0 && errno != ESRCH)
			die("process %d can't be bound to a CPU: %s", pid, strerror(errno));
	}
	closedir(tasks);
}

/* 0 = the target is missing */
static pid_t pid_of(const char *base, const char *target)
{
	char path[PATH_MAX];
	FILE *file;
	int pid;

	snprintf(path, sizeof(path), "%s/%s.pid", base, target);
	file = fopen(path, "re");
	if (!file && errno == ENOENT)
		return 0;
	if (!file || fscanf(file, "%d", &pid) != 1 || pid <= 1)
		die("%s does not tell the process of %s", path, target);
	fclose(file);
	return pid;
}

bool place_processes(const char *base, enum placement placement)
{
	static cpu_set_t all;
	cpu_set_t ours;
	cpu_set_t theirs;
	char mount[PATH_MAX];
	size_t first = 0;
	size_t second;

	if (CPU_COUNT(&all) == 0)
		must(sched_getaffinity(0, sizeof(all), &all));
	while (first < CPU_SETSIZE - 1 && !CPU_ISSET(first, &all))
		first++;
	for (second = first + 1; second < CPU_SETSIZE && !CPU_ISSET(second, &all);)
		second++;
	if (placement == APART && second == CPU_SETSIZE)
		return false;
	ours = theirs = all;
	if (placement != ANYWHERE) {
		CPU_ZERO(&ours);
		CPU_SET(first, &ours);
		CPU_ZERO(&theirs);
		CPU_SET(placement == TOGETHER ? first : second, &theirs);
	}
	must(sched_setaffinity(0, sizeof(ours), &ours));
	snprintf(mount, sizeof(mount), "%s/%s", base, target_names[ON_SEGFS]);
	bind_process((pid_t)status_number(mount, "worker_pid"), &theirs);
	for (int i = ON_BINDFS; i < TARGETS; i++) {
		pid_t pid = pid_of(base, target_names[i]);

		if (pid > 0)
			bind_process(pid, &theirs);
	}
	return true;
}

static long long arena_bytes(pid_t pid)
{
	char path[PATH_MAX];
	char link[64];
	DIR *directory;
	const struct dirent *entry;
	long long bytes = -1;

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	directory = opendir(path);
	if (!directory)
		die("%s can't be read", path);
	while (bytes < 0 && (entry = readdir(directory))) {
		ssize_t length = readlinkat(dirfd(directory), entry->d_name, link, sizeof(link) - 1);
		struct stat stat;

		if (length < 0)
			continue;
		link[length] = '\0';
		if (strstr(link, "segfs-arena") && fstatat(dirfd(directory), entry->d_name, &stat, 0) == 0)
			bytes = (long long)stat.st_blocks * 512;
	}
	closedir(directory);
	if (bytes < 0)
		die("process %d has no arena", pid);
	return bytes;
}

static long long anonymous_bytes(pid_t pid)
{
	char path[PATH_MAX];
	char line[128];
	long long kilobytes = -1;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	file = fopen(path, "re");
	while (file && fgets(line, sizeof(line), file))
		if (strncmp(line, "RssAnon:", 8) == 0)
			kilobytes = strtoll(line + 8, NULL, 10);
	if (file)
		fclose(file);
	if (kilobytes < 0)
		die("%s can't be read", path);
	return kilobytes * 1024;
}

struct memory memory_of(const char *mount)
{
	pid_t worker = (pid_t)status_number(mount, "worker_pid");

	return (struct memory){.arena = arena_bytes(worker), .heap = anonymous_bytes(worker)};
}

uint64_t cpu_of(pid_t pid)
{
	struct timespec used;
	clockid_t clock;

	errno = clock_getcpuclockid(pid, &clock);
	if (errno)
		die("CPU time of process %d: %s", pid, strerror(errno));
	must(clock_gettime(clock, &used));
	return (uint64_t)used.tv_sec * 1000000000u + (uint64_t)used.tv_nsec;
}
