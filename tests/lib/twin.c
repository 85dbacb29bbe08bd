// SPDX-License-Identifier: MIT
#include "tests/lib/twin.h"
#include "lib/base/cleanup.h"
#include "tests/lib/modes.h"

#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <sys/xattr.h>

#define CASE_SECONDS (3 * wait_seconds(10))
#define LOG_MAX      (1024 * 1024)
#define NAMES_MAX    512
#define CASES_MAX    256

struct twin twin;

static struct {
	const char *name;
	const char *options;
	bool on_disk;
} environments[] = {
	{"direct", NULL, false},
	{"mediated", "io_mode=mediated", false},
	{"relayed", "io_mode=relayed", false},
	{"disk", NULL, true},
};

static struct mount mounted;
static int environment; /* index of the current environment */
static bool any_failed;

/* --- what a case calls --- */

void note(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vdprintf(twin.log, format, arguments);
	va_end(arguments);
	dprintf(twin.log, "\n");
}

static const char *base_name(const char *file)
{
	const char *slash = strrchr(file, '/');

	return slash ? slash + 1 : file;
}

static void describe(char *text, size_t size, long long result, int error)
{
	if (result < 0)
		snprintf(text, size, "%lld %s", result, strerrorname_np(error));
	else
		snprintf(text, size, "%lld", result);
}

static __attribute__((noreturn)) void give_up(const char *file, int line, const char *call, const char *got,
					      const char *expected)
{
	note("!! %s:%d: %s: got %s, expected %s", base_name(file), line, call, got, expected);
	_exit(1);
}

int twin_same(const char *file, int line, const char *call, long long result)
{
	char text[64];

	describe(text, sizeof(text), result, errno);
	note("%s:%d: %s = %s", base_name(file), line, call, text);
	return (int)result;
}

int twin_works(const char *file, int line, const char *call, long long result)
{
	char text[64];

	describe(text, sizeof(text), result, errno);
	if (result < 0)
		give_up(file, line, call, text, "success");
	note("%s:%d: %s = %s", base_name(file), line, call, text);
	return (int)result;
}

void twin_fails(const char *file, int line, const char *call, int error, long long result)
{
	int got = errno;
	char text[64];

	describe(text, sizeof(text), result, got);
	if (result >= 0 || got != error)
		give_up(file, line, call, text, strerrorname_np(error));
	note("%s:%d: %s = %s", base_name(file), line, call, text);
}

void twin_holds(const char *file, int line, const char *condition)
{
	note("%s:%d: %s", base_name(file), line, condition);
}

void twin_fails_to_hold(const char *file, int line, const char *condition)
{
	give_up(file, line, condition, "false", "true");
}

static void note_attributes(const char *what, const struct stat *stat)
{
	bool sized =
		S_ISREG(stat->st_mode) || S_ISLNK(stat->st_mode) || (S_ISDIR(stat->st_mode) && !twin.on_disk);

	note("%s: mode %o uid %u gid %u nlink %lu size %lld", what, stat->st_mode, stat->st_uid, stat->st_gid,
	     (unsigned long)stat->st_nlink, sized ? (long long)stat->st_size : -1LL);
}

void note_stat(const char *path)
{
	struct stat stat;

	if (lstat(path, &stat) < 0)
		note("lstat %s: %s", path, strerrorname_np(errno));
	else
		note_attributes(path, &stat);
}

void note_fstat(int fd)
{
	struct stat stat;

	if (fstat(fd, &stat) < 0)
		note("fstat: %s", strerrorname_np(errno));
	else
		note_attributes("fstat", &stat);
}

static int compare_names(const void *left, const void *right)
{
	return strcmp(*(char *const *)left, *(char *const *)right);
}

void note_list(const char *path)
{
	_cleanup_closedir_ DIR *dir = opendir(path);
	char *names[NAMES_MAX] = {NULL};
	const struct dirent *entry;
	size_t n = 0;

	if (!dir) {
		note("opendir %s: %s", path, strerrorname_np(errno));
		return;
	}
	while (n < NAMES_MAX && (entry = readdir(dir)))
		if (asprintf(&names[n], "%s type %d", entry->d_name, entry->d_type) > 0)
			n++;
	qsort(names, n, sizeof(names[0]), compare_names);
	note("list %s: %zu", path, n);
	for (size_t i = 0; i < n; i++) {
		note("  %s", names[i]);
		free(names[i]);
	}
}

void note_bytes(const char *path)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	unsigned char buffer[4096];
	char shown[80] = "";
	size_t n_shown = 0;
	uint32_t sum = 0;
	long long total = 0;
	ssize_t length;

	if (fd < 0) {
		note("open %s: %s", path, strerrorname_np(errno));
		return;
	}
	while ((length = read(fd, buffer, sizeof(buffer))) > 0) {
		for (ssize_t i = 0; i < length; i++) {
			sum = sum * 31 + buffer[i];
			if (n_shown < sizeof(shown) - 1)
				shown[n_shown++] =
					buffer[i] >= ' ' && buffer[i] < 127 ? (char)buffer[i] : '.';
		}
		total += length;
	}
	note("bytes %s: %lld, sum %u%s, \"%s\"", path, total, sum, length < 0 ? ", error" : "", shown);
}

void note_xattrs(const char *path)
{
	char list[65536];
	char *names[NAMES_MAX] = {NULL};
	ssize_t length = llistxattr(path, list, sizeof(list));
	size_t n = 0;

	if (length < 0) {
		note("llistxattr %s: %s", path, strerrorname_np(errno));
		return;
	}
	for (char *name = list; name < list + length && n < NAMES_MAX; name += strlen(name) + 1)
		if (strncmp(name, "user.segfs.", 11) != 0)
			names[n++] = name;
	qsort(names, n, sizeof(names[0]), compare_names);
	for (size_t i = 0; i < n; i++) {
		unsigned char value[65536];
		ssize_t size = lgetxattr(path, names[i], value, sizeof(value));
		uint32_t sum = 0;

		for (ssize_t at = 0; at < size; at++)
			sum = sum * 31 + value[at];
		note("xattr %s %s: %zd bytes, sum %u, %.20s", path, names[i], size, sum,
		     size < 0 ? strerrorname_np(errno) : "");
	}
}

void make_file(const char *path, const char *text)
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

	holds(fd >= 0);
	holds(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
}

void become_with(uid_t uid, gid_t gid, gid_t further)
{
	/* only root may change groups */
	must(seteuid(0) == 0);
	must(setgroups(further == (gid_t)-1 ? 0 : 1, &further) == 0);
	must(setegid(gid) == 0);
	must(seteuid(uid) == 0);
}

void become(uid_t uid, gid_t gid)
{
	become_with(uid, gid, (gid_t)-1);
}

/* --- running a case twice --- */

static const char *reference_directory(void)
{
	if (environments[environment].on_disk)
		return path_of("%s/disk-reference", disk_directory());
	return path_of("%s/reference", test_directory());
}

static const char *mount_directory(void)
{
	return environments[environment].on_disk ? path_of("%s/disk", mounted.path) : mounted.path;
}

#define LACKS "?? "

void twin_lacks(const char *feature)
{
	note(LACKS "%s", feature);
	_exit(0);
}

/* Whether a run of a case says that something is missing. */
static bool is_lacking(const char *log, char feature[128])
{
	const char *said = strstr(log, LACKS);

	return said && sscanf(said + strlen(LACKS), "%127[^\n]", feature) == 1;
}

static void run_in_child(const struct twin_case *test, const char *root)
{
	twin.root = root;
	twin.on_disk = environments[environment].on_disk;
	twin.io_mode = environments[environment].name;
	if (environments[environment].on_disk)
		twin.io_mode = usual_mode();
	signal(SIGTERM, SIG_DFL);
	signal(SIGPIPE, SIG_IGN);
	alarm(CASE_SECONDS);
	umask(022);
	if (chdir(root) < 0) {
		note("!! chdir %s: %s", root, strerror(errno));
		_exit(1);
	}
	test->run();
	_exit(0);
}

/* Returns the log of one run, which the caller frees. */
static char *run_on(const struct twin_case *test, const char *where, bool on_mount, bool *good)
{
	const char *root = path_of("%s/%s", where, test->name);
	char *text = calloc(1, LOG_MAX);
	int status;
	pid_t child;

	assert_non_null(text);
	check(mkdir(root, 0755));
	twin.on_mount = on_mount;
	twin.log = (int)check(memfd_create("log", MFD_CLOEXEC));
	fflush(NULL);
	child = fork();
	if (child == 0)
		run_in_child(test, root);
	assert_true(child > 0);
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFSIGNALED(status))
		note("!! ended by signal %d%s", WTERMSIG(status),
		     WTERMSIG(status) == SIGALRM ? ": took too long" : "");
	*good = status == 0;
	check(pread(twin.log, text, LOG_MAX - 1, 0));
	close(twin.log);
	return text;
}

/* Shows the first differing line, and the line before it. */
static void show_difference(const char *reference, const char *mount)
{
	const char *start = reference;
	const char *line = mount;
	size_t at = 0;

	while (reference[at] && reference[at] == mount[at]) {
		if (reference[at] == '\n') {
			line = mount + at + 1;
			start = reference + at + 1;
		}
		at++;
	}
	print_error("expected: %.*s\n", (int)strcspn(start, "\n"), start);
	print_error("mount:    %.*s\n", (int)strcspn(line, "\n"), line);
}

static void show_failure(const char *where, const char *log)
{
	const char *failure = strstr(log, "!! ");
	const char *before = failure;

	if (!failure)
		return;
	while (before > log && before > failure - 300)
		before--;
	print_error("on the %s: %s\n", where, failure);
	print_error("after: ... %.*s\n", (int)(failure - before), before);
}

static void run_case(void **state)
{
	const struct twin_case *test = *state;
	_cleanup_free_ char *reference = NULL;
	_cleanup_free_ char *mount = NULL;
	char feature[128];
	bool reference_good;
	bool mount_good;

	if (environments[environment].on_disk && !disk_directory())
		skip_missing("a directory on a disk");
	reference = run_on(test, reference_directory(), false, &reference_good);
	mount = run_on(test, mount_directory(), true, &mount_good);
	if (is_lacking(reference, feature) || is_lacking(mount, feature)) {
		/* skipping leaves this function without its cleanup */
		free(take_ptr(reference));
		free(take_ptr(mount));
		skip_missing(feature);
	}
	if (reference_good && mount_good && strcmp(reference, mount) == 0)
		return;
	any_failed = true;
	if (!reference_good)
		show_failure("reference", reference);
	else if (!mount_good)
		show_failure("mount", mount);
	else
		show_difference(reference, mount);
	fail();
}

static int set_up(void **state)
{
	struct mount_spec spec = {.tag = "mnt", .options = environments[environment].options};
	char config[PATH_MAX + 64];

	(void)state;
	if (environments[environment].on_disk) {
		const char *backing = path_of("%s/disk-store", disk_directory());

		if (!disk_directory())
			return 0;
		mkdir(backing, 0755);
		mkdir(reference_directory(), 0755);
		snprintf(config, sizeof(config), "[directory disk]\nmedium = %s\n", backing);
		spec.config = config;
	} else {
		mkdir(reference_directory(), 0755);
		/* cppcheck-suppress incorrectStringBooleanError */
		if (mount("reference", reference_directory(), "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777") < 0)
			return -1;
	}
	return mount_start(&mounted, &spec);
}

static int tear_down(void **state)
{
	const char *const backing = path_of("%s/disk-store", disk_directory());
	/* a failed case may leave files that can't be removed */
	const char *const argv[] = {"chattr", "-R", "-f", "-i", "-a", reference_directory(), backing, NULL};

	(void)state;
	if (environments[environment].on_disk && any_failed)
		run_program(argv);
	if (!environments[environment].on_disk)
		umount2(reference_directory(), MNT_DETACH);
	return mount_stop(&mounted);
}

static void unmount_reference(void)
{
	/* also in a child that exits, which has no mount there */
	umount2(path_of("%s/reference", test_directory()), MNT_DETACH);
}

/* Without passthrough modes direct and mediated are relayed. */
static void skip_case(void **unused)
{
	(void)unused;
	skip_missing("passthrough");
}

int twin_main(const struct twin_case *cases, size_t n_cases)
{
	static struct CMUnitTest tests[CASES_MAX];
	static char names[CASES_MAX][128];
	int failed = 0;

	if (geteuid() != 0)
		skip_program("root");
	if (n_cases > CASES_MAX)
		return 1;
	test_directory();
	atexit(unmount_reference);
	if (getenv("TEST_FILTER"))
		cmocka_set_test_filter(getenv("TEST_FILTER"));
	for (environment = 0; environment < (int)(sizeof(environments) / sizeof(environments[0]));
	     environment++) {
		const bool lacks = !environments[environment].on_disk && !kernel_has("passthrough") &&
				   strcmp(environments[environment].name, "relayed") != 0;
		size_t n = 0;

		for (size_t i = 0; i < n_cases; i++) {
			if (environments[environment].on_disk && cases[i].memory_only)
				continue;
			snprintf(names[n], sizeof(names[n]), "%s [%s]", cases[i].name,
				 environments[environment].name);
			tests[n] = (struct CMUnitTest){
				.name = names[n],
				.test_func = lacks ? skip_case : run_case,
				.initial_state = (void *)(uintptr_t)&cases[i],
			};
			n++;
		}
		failed += _cmocka_run_group_tests(environments[environment].name, tests, n,
						  lacks ? NULL : set_up, lacks ? NULL : tear_down);
	}
	return failed;
}
