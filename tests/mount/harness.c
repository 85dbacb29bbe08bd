// SPDX-License-Identifier: MIT
#include "tests/mount/harness.h"
#include "lib/base/cleanup.h"
#include "lib/base/names.h"
#include "lib/base/procfs.h"
#include "tests/lib/look.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/wait.h>

#define MOUNTS 8 /* at one time */

extern char **environ;

static struct {
	pid_t owner; /* children of the test must not clean up */
	bool own_directory;
	char directory[PATH_MAX];
	bool own_disk;
	char disk[PATH_MAX];
	struct mount *mounts[MOUNTS];
} harness;

unsigned int wait_seconds(unsigned int usual)
{
	const char *text = getenv("TEST_WAIT");
	long seconds = text ? strtol(text, NULL, 10) : 0;

	return seconds > 0 ? (unsigned int)seconds : usual;
}

unsigned int rounds_of(unsigned int usual)
{
	static bool is_said;

	if (wait_seconds(10) <= 10 || usual <= 2)
		return usual;
	if (!is_said)
		print_message("# TEST_WAIT tells of a slow machine: a tenth of the rounds\n");
	is_said = true;
	return usual < 20 ? 2 : usual / 10;
}

struct deadline deadline_in(unsigned int seconds)
{
	struct deadline deadline;

	clock_gettime(CLOCK_MONOTONIC, &deadline.at);
	deadline.at.tv_sec += SANITIZED ? 3 * seconds : seconds; /* sanitizers are slow */
	return deadline;
}

bool deadline_wait(const struct deadline *deadline)
{
	const struct timespec pause = {.tv_nsec = 1000000};
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	if (now.tv_sec > deadline->at.tv_sec ||
	    (now.tv_sec == deadline->at.tv_sec && now.tv_nsec >= deadline->at.tv_nsec))
		return false;
	nanosleep(&pause, NULL);
	return true;
}

int milliseconds_until(const struct deadline *deadline)
{
	struct timespec now;
	long long left;

	clock_gettime(CLOCK_MONOTONIC, &now);
	left = (deadline->at.tv_sec - now.tv_sec) * 1000LL + (deadline->at.tv_nsec - now.tv_nsec) / 1000000;
	return left > 0 ? (int)left : 0;
}

static unsigned int next_path;

unsigned int path_mark(void)
{
	return next_path;
}

void path_return(unsigned int mark)
{
	next_path = mark;
}

const char *path_of(const char *format, ...)
{
	static char paths[16][PATH_MAX];
	char *path = paths[next_path++ % 16];
	va_list arguments;
	int length;

	va_start(arguments, format);
	length = vsnprintf(path, PATH_MAX, format, arguments);
	va_end(arguments);
	if (length < 0 || length >= PATH_MAX) {
		fprintf(stderr, "path too long: %s\n", format);
		exit(1);
	}
	return path;
}

int write_text(const char *path, const char *text)
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	ssize_t length = (ssize_t)strlen(text);

	if (fd < 0)
		return -errno;
	if (write(fd, text, (size_t)length) != length)
		return errno ? -errno : -EIO;
	return 0;
}

ssize_t read_text(const char *path, char *text, size_t size)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t filled = 0;
	ssize_t length;

	if (fd < 0)
		return -errno;
	while (filled < size - 1) {
		length = read(fd, text + filled, size - 1 - filled);
		if (length < 0)
			return -errno;
		if (length == 0)
			break;
		filled += (size_t)length;
	}
	text[filled] = '\0';
	return (ssize_t)filled;
}

const char *segfs_program(void)
{
	static char program[PATH_MAX];
	const char *given = getenv("SEGFS");

	if (!*program && !realpath(given ? given : "build/segfs", program)) {
		fprintf(stderr, "%s: %s\n", given ? given : "build/segfs", strerror(errno));
		exit(1);
	}
	return program;
}

static void add_options(const char *variable, const char *options)
{
	const char *given = getenv(variable);

	setenv(variable, path_of("%s:%s", given ? given : "", options), 1);
}

void preload_with_sanitizers(const char *options)
{
	add_options("ASAN_OPTIONS", path_of("verify_asan_link_order=0:%s", options));
	add_options("TSAN_OPTIONS", options);
}

/* --- cleaning up --- */

int mount_purge(const struct mount *mount)
{
	const char *const argv[] = {segfs_program(), "--purge", mount->name, NULL};
	int status = run_program(argv);

	if (status != 0) {
		fprintf(stderr, "segfs --purge %s: status %d\n", mount->name, status);
		return -1;
	}
	return 0;
}

static void forget_mount(const struct mount *mount)
{
	for (int i = 0; i < MOUNTS; i++)
		if (harness.mounts[i] == mount)
			harness.mounts[i] = NULL;
}

/* Ends a segfs in any state. */
static void force_down(struct mount *mount)
{
	const struct deadline deadline = deadline_in(3);

	umount2(mount->path, MNT_FORCE | MNT_DETACH);
	if (mount->supervisor > 0) {
		kill(mount->supervisor, SIGTERM);
		while (waitpid(mount->supervisor, NULL, WNOHANG) == 0) {
			if (!deadline_wait(&deadline)) {
				kill(mount->supervisor, SIGKILL);
				waitpid(mount->supervisor, NULL, 0);
				break;
			}
		}
		mount->supervisor = 0;
	}
	mount->running = false;
	forget_mount(mount);
	mount_purge(mount);
}

static void remove_tree(const char *directory)
{
	const char *const argv[] = {"rm", "-rf", "--one-file-system", directory, NULL};

	run_program(argv);
}

static void clean_up(void)
{
	if (getpid() != harness.owner)
		return;
	for (int i = 0; i < MOUNTS; i++)
		if (harness.mounts[i])
			force_down(harness.mounts[i]);
	if (harness.own_directory)
		remove_tree(harness.directory);
	if (harness.own_disk)
		remove_tree(harness.disk);
	harness.own_directory = harness.own_disk = false;
}

static void clean_up_at_signal(int number)
{
	/* acceptable in a handler, as the test is ending */
	clean_up();
	signal(number, SIG_DFL);
	raise(number);
	/* the first process of a PID namespace ignores the default action */
	_exit(128 + number);
}

const char *test_directory(void)
{
	static const int signals[] = {SIGTERM, SIGINT, SIGHUP, SIGABRT, SIGQUIT};
	const char *given = getenv("TMPDIR");

	if (*harness.directory)
		return harness.directory;
	if (given && strstr(given, "segfs_test.")) {
		snprintf(harness.directory, sizeof(harness.directory), "%s", given);
	} else {
		snprintf(harness.directory, sizeof(harness.directory), "%s/segfs_test.XXXXXX",
			 given ? given : "/tmp");
		if (!mkdtemp(harness.directory)) {
			perror(harness.directory);
			exit(1);
		}
		harness.own_directory = true;
	}
	chmod(harness.directory, 0755);
	harness.owner = getpid();
	atexit(clean_up);
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		signal(signals[i], clean_up_at_signal);
	return harness.directory;
}

static bool is_on_disk(const char *directory)
{
	struct statfs found;

	return statfs(directory, &found) == 0 && found.f_type != TMPFS_MAGIC && found.f_type != RAMFS_MAGIC &&
	       found.f_type != OVERLAYFS_SUPER_MAGIC;
}

const char *disk_directory(void)
{
	const char *directory = test_directory();

	if (*harness.disk || is_on_disk(directory))
		return *harness.disk ? harness.disk : directory;
	if (!is_on_disk("/var/tmp"))
		return NULL;
	strcpy(harness.disk, "/var/tmp/segfs_test.XXXXXX");
	if (!mkdtemp(harness.disk)) {
		perror(harness.disk);
		exit(1);
	}
	harness.own_disk = true;
	chmod(harness.disk, 0755);
	return harness.disk;
}

void skip_program(const char *feature)
{
	printf("1..0 # SKIP missing: %s\n", feature);
	exit(0);
}

/* --- starting and ending --- */

static void exec_segfs(const struct mount *mount, const struct mount_spec *spec, int ready_fd)
{
	const char *argv[16] = {segfs_program(), "-f", "--ready-fd", path_of("%d", ready_fd)};
	int argc = 4;
	int log = open(mount->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	if (spec->options) {
		argv[argc++] = "-o";
		argv[argc++] = spec->options;
	}
	if (*mount->config) {
		argv[argc++] = "--config";
		argv[argc++] = mount->config;
	}
	argv[argc] = mount->path;
	if (spec->descriptors) {
		const struct rlimit limit = {.rlim_cur = spec->descriptors, .rlim_max = spec->descriptors};

		setrlimit(RLIMIT_NOFILE, &limit);
	}
	if (spec->preload)
		setenv("LD_PRELOAD", spec->preload, 1);
	dup2(null, STDIN_FILENO);
	dup2(log, STDOUT_FILENO);
	dup2(log, STDERR_FILENO);
	execv(argv[0], (char *const *)(uintptr_t)argv);
	perror(argv[0]);
	_exit(127);
}

/* True once the daemon has written "READY"; false if it ended instead, or on timeout. */
static bool wait_ready(int fd)
{
	const struct deadline deadline = deadline_in(WAIT_SECONDS);
	char text[16] = "";
	size_t filled = 0;

	while (filled < sizeof(text) - 1 && !strchr(text, '\n')) {
		struct pollfd waiting = {.fd = fd, .events = POLLIN};
		ssize_t length;

		if (poll(&waiting, 1, milliseconds_until(&deadline)) <= 0)
			return false;
		length = read(fd, text + filled, sizeof(text) - 1 - filled);
		if (length <= 0)
			return false;
		filled += (size_t)length;
	}
	return strcmp(text, "READY\n") == 0;
}

static int prepare(struct mount *mount, const struct mount_spec *spec)
{
	const char *tag = spec->tag ? spec->tag : "mnt";
	int result;

	*mount = (struct mount){0};
	snprintf(mount->path, sizeof(mount->path), "%s", path_of("%s/%s", test_directory(), tag));
	snprintf(mount->log, sizeof(mount->log), "%s", path_of("%s/%s.log", test_directory(), tag));
	if (mkdir(mount->path, 0755) < 0 && errno != EEXIST)
		return -errno;
	result = instance_name_from_path(mount->path, mount->name);
	if (result < 0)
		return result;
	snprintf(mount->store, sizeof(mount->store), "%s", path_of("/run/segfs/%s/store", mount->name));
	if (!spec->config)
		return 0;
	snprintf(mount->config, sizeof(mount->config), "%s", path_of("%s/%s.ini", test_directory(), tag));
	return write_text(mount->config, spec->config);
}

int mount_start(struct mount *mount, const struct mount_spec *spec)
{
	_cleanup_close_ int ready = -1;
	int place = 0;
	int ends[2];
	int result;

	result = prepare(mount, spec);
	if (result < 0) {
		fprintf(stderr, "cannot prepare a mount: %s\n", strerror(-result));
		return -1;
	}
	while (place < MOUNTS && harness.mounts[place])
		place++;
	if (place == MOUNTS || pipe2(ends, O_CLOEXEC) < 0)
		return -1;
	ready = ends[0];
	fflush(NULL);
	mount->supervisor = fork();
	if (mount->supervisor == 0) {
		fcntl(ends[1], F_SETFD, 0);
		exec_segfs(mount, spec, ends[1]);
	}
	close(ends[1]);
	if (mount->supervisor < 0)
		return -1;
	harness.mounts[place] = mount;
	mount->running = true;
	if (!wait_ready(ready)) {
		fprintf(stderr, "segfs did not get ready on %s; its log is %s\n", mount->path, mount->log);
		force_down(mount);
		return -1;
	}
	return 0;
}

/* Waits for the end of the supervisor. Returns its exit status, or -1. */
static int wait_end(struct mount *mount)
{
	int status = 0;

	if (!wait_for(waitpid(mount->supervisor, &status, WNOHANG) != 0))
		return -1;
	mount->supervisor = 0;
	mount->running = false;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* Files left open by a failed case would keep the mount busy. */
static void close_leftovers(const struct mount *mount)
{
	_cleanup_closedir_ DIR *dir = opendir("/proc/self/fd");
	const struct dirent *entry;
	char target[PATH_MAX];
	size_t length = strlen(mount->path);

	while (dir && (entry = readdir(dir))) {
		ssize_t read = readlinkat(dirfd(dir), entry->d_name, target, sizeof(target) - 1);

		if (read > (ssize_t)length && strncmp(target, mount->path, length) == 0 &&
		    target[length] == '/')
			close(atoi(entry->d_name));
	}
}

/* The daemon lives as long as another mount namespace has a copy of its mount. */
static void tell_holders(const struct mount *mount)
{
	_cleanup_closedir_ DIR *dir = opendir("/proc");
	const struct dirent *entry;
	char line[PATH_MAX + 512];
	char name[64];

	while (dir && (entry = readdir(dir))) {
		_cleanup_fclose_ FILE *file = fopen(path_of("/proc/%s/mountinfo", entry->d_name), "re");
		bool holds = false;

		while (file && !holds && fgets(line, sizeof(line), file))
			holds = strstr(line, path_of(" %s ", mount->path));
		if (holds && read_text(path_of("/proc/%s/comm", entry->d_name), name, sizeof(name)) > 0)
			fprintf(stderr, "process %s has it in its mount namespace: %s", entry->d_name, name);
	}
}

int mount_stop_keep(struct mount *mount)
{
	int result;
	int status;

	close_leftovers(mount);
	result = mount_verify(mount, 0);
	/* a process killed by the test may still be exiting */
	if (!wait_for(umount2(mount->path, 0) == 0 || errno != EBUSY)) {
		fprintf(stderr, "%s: still busy\n", mount->path);
		force_down(mount);
		return -1;
	}
	status = wait_end(mount);
	if (status != 0) {
		fprintf(stderr, "segfs ended with status %d after umount\n", status);
		tell_holders(mount);
		force_down(mount);
		return -1;
	}
	forget_mount(mount);
	return result;
}

static bool mount_exists(const struct mount *mount)
{
	return access(path_of("/run/segfs/%s", mount->name), F_OK) == 0;
}

int mount_stop(struct mount *mount)
{
	int result;

	if (!mount->running)
		return 0;
	result = mount_stop_keep(mount);
	if (mount_exists(mount) && mount_purge(mount) < 0)
		return -1;
	if (mount_exists(mount)) {
		fprintf(stderr, "segfs --purge left /run/segfs/%s\n", mount->name);
		return -1;
	}
	return result;
}

/* --- looking into it --- */

long long mount_status(const struct mount *mount, const char *key)
{
	char text[65536];
	char quoted[80];
	const char *at;
	char *end;
	long long value;

	if (read_text(path_of("%s/.segfs/status", mount->path), text, sizeof(text)) < 0)
		return -1;
	snprintf(quoted, sizeof(quoted), "\"%s\"", key);
	at = strstr(text, quoted);
	if (!at)
		return -1;
	at += strlen(quoted);
	while (isspace((unsigned char)*at) || *at == ':')
		at++;
	value = strtoll(at, &end, 10);
	return end == at ? -1 : value;
}

static bool status_says(const struct mount *mount, const char *line)
{
	char text[65536];

	assert_true(read_text(path_of("%s/.segfs/status", mount->path), text, sizeof(text)) > 0);
	return strstr(text, line);
}

long long milliseconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (long long)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

bool kernel_has(const char *feature)
{
	static char answers[8192];
	char name[32];
	char answer[8];

	if (!*answers) {
		FILE *said = popen(path_of("%s --features", segfs_program()), "r");

		if (!said || fread(answers, 1, sizeof(answers) - 1, said) == 0)
			fail_msg("segfs --features says nothing");
		pclose(said);
	}
	for (const char *line = answers; line && *line; line = strchr(line, '\n')) {
		line += strspn(line, "\n");
		if (sscanf(line, "%31s %7s", name, answer) == 2 && strcmp(name, feature) == 0)
			return strcmp(answer, "yes") == 0;
	}
	fail_msg("segfs --features does not know %s", feature);
	return false;
}

bool kernel_maps_uncached(void)
{
	return kernel_has("passthrough") || kernel_has("mmap-direct-io");
}

bool mount_has_feature(const struct mount *mount, const char *feature)
{
	char line[64];

	snprintf(line, sizeof(line), "\"%s\": true", feature);
	return status_says(mount, line);
}

bool mount_keeps_locks(const struct mount *mount)
{
	return status_says(mount, "\"locks\": \"segfs\"");
}

void mount_kill_worker(const struct mount *mount)
{
	pid_t worker = (pid_t)mount_status(mount, "worker_pid");
	long long started = mount_status(mount, "workers_started");

	assert_true(is_child_of(worker, mount->supervisor));
	assert_int_equal(kill(worker, SIGKILL), 0);
	assert_true(wait_for(mount_status(mount, "workers_started") > started &&
			     mount_status(mount, "worker_pid") != worker));
}

bool is_stopped(pid_t pid)
{
	return procfs_state(pid) == 'T';
}

int mount_handles(const struct mount *mount)
{
	return look_into(mount->supervisor).handles;
}

bool mount_is_idle(const struct mount *mount)
{
	const struct finding found = look_into(mount->supervisor);

	return found.handles == 0 && found.running == 0;
}

static bool is_settled(const struct mount *mount, unsigned int handles, struct finding *found)
{
	*found = look_into(mount->supervisor);
	return !*found->why && found->handles <= (int)handles;
}

int mount_verify(const struct mount *mount, unsigned int handles)
{
	struct finding found = {.handles = -1};

	/* RELEASE follows close(2) asynchronously */
	if (wait_for(is_settled(mount, handles, &found)))
		return 0;
	fprintf(stderr, "%s: %s; %d handles, expected %u\n", mount->path,
		*found.why ? found.why : "state is valid", found.handles, handles);
	return -1;
}

/* --- expectations --- */

long long check_result(long long result, const char *call, const char *file, int line)
{
	int error = errno;

	if (result < 0) {
		print_error("%s:%d: %s: %s\n", file, line, call, strerror(error));
		_fail(file, line);
	}
	return result;
}

void check_failure(int error, long long result, const char *call, const char *file, int line)
{
	int got = errno;

	if (result < 0 && got == error)
		return;
	print_error("%s:%d: %s: %s, expected %s\n", file, line, call, result < 0 ? strerror(got) : "success",
		    strerror(error));
	_fail(file, line);
}
