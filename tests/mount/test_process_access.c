// SPDX-License-Identifier: MIT
/*
 * Permissions in process/: never more than natively by /proc/PID/fd, maps and mem as the same user. A table
 * of processes and their memory, accessed both ways; and memory that is replaced between a check and an open.
 */
#include "lib/base/cleanup.h"
#include "tests/lib/own_mounts.h"
#include "tests/lib/process.h"
#include "tests/mount/harness.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <inttypes.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define USER            TEST_UID
#define OTHER           (TEST_UID + 1)
#define OTHER_GROUP     23456u
#define PAGE            4096
#define PIECES_MAX      8
#define TARGET_ARGUMENT "target" /* argument of this program, run as a set-user-id one */
#define STATUS_MISSING  77       /* of a target that this machine does not support */

static struct mount mount_here;
static pid_t tester;

/* --- processes that are looked at --- */

/* A piece of memory. */
struct piece {
	char name[64];  /* in process/PID */
	int fd;         /* of a memfd, or -1 */
	uint64_t start; /* of a mapping */
};

struct target {
	pid_t pid;
	bool is_ready;
	bool may_execute; /* target_that_executes() may go on */
	unsigned int n;
	struct piece pieces[PIECES_MAX];
};

/* Files that a target gets from root: descriptors, and an object that another user owns. */
struct heritage {
	int write_only; /* of a memfd with mode 0600 */
	int path;       /* O_PATH, of the same */
	int read_only;  /* of an object without a name, mode 0600 */
};

static struct heritage heritage;

static void add_memfd(struct target *target, int fd, const char *title)
{
	struct piece *piece = &target->pieces[target->n++];

	*piece = (struct piece){.fd = fd};
	snprintf(piece->name, sizeof(piece->name), "memfd-%d-%.32s", fd, title);
}

static void add_mapping(struct target *target, const char *view, const char *kind, const char *title)
{
	struct piece *piece = &target->pieces[target->n++];

	*piece = (struct piece){.fd = -1, .start = (uint64_t)(uintptr_t)view};
	snprintf(piece->name, sizeof(piece->name), "%s-%08" PRIx64 "-%.32s", kind, piece->start, title);
}

static char *map(int fd, int protection)
{
	char *view = mmap(NULL, PAGE, protection, MAP_SHARED | (fd < 0 ? MAP_ANONYMOUS : 0), fd, 0);

	if (view == MAP_FAILED)
		_exit(100);
	return view;
}

static int make_memfd(const char *title)
{
	int fd = memfd_create(title, 0);

	if (fd < 0 || ftruncate(fd, PAGE) < 0)
		_exit(101);
	return fd;
}

static void add_anonymous(struct target *target)
{
	char *view = map(-1, PROT_READ | PROT_WRITE);
	char end[32];

	snprintf(end, sizeof(end), "%08" PRIx64, (uint64_t)(uintptr_t)view + PAGE);
	add_mapping(target, view, "anon", end);
}

static int open_again(int fd, int flags)
{
	return open(path_of("/proc/self/fd/%d", fd), flags);
}

static const char *object(const char *name)
{
	return path_of("/dev/shm/segfs_test.%d.%s", tester, name);
}

/* Any target: some memory of its own, and the inherited files. */
static void fill_target(struct target *target)
{
	char title[64];
	int own = make_memfd("own");

	add_memfd(target, own, "own");
	add_memfd(target, open_again(own, O_RDONLY), "own");
	add_anonymous(target);
	add_memfd(target, heritage.write_only, "others");
	add_memfd(target, heritage.path, "others");
	snprintf(title, sizeof(title), "segfs_test.%d.removed", tester);
	add_mapping(target, map(heritage.read_only, PROT_READ), "deleted", title);
	atomic_thread_fence(memory_order_seq_cst);
	target->is_ready = true;
}

static struct target *shared_target(int fd)
{
	struct target *target = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	return target == MAP_FAILED ? NULL : target;
}

/* Waits with its final credentials, whose change has cleared its dumpable flag. */
static void wait_as_target(struct target *target, bool dumpable)
{
	if (prctl(PR_SET_DUMPABLE, dumpable) < 0)
		_exit(102);
	fill_target(target);
	for (;;)
		pause();
}

static void become(uid_t uid, gid_t gid)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || setgroups(0, NULL) < 0 || setresgid(gid, gid, gid) < 0 ||
	    setresuid(uid, uid, uid) < 0 || prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		_exit(103);
}

static void target_plain(struct target *target)
{
	become(USER, TEST_GID);
	wait_as_target(target, true);
}

static void target_of_another_user(struct target *target)
{
	become(OTHER, TEST_GID);
	wait_as_target(target, true);
}

static void target_of_another_group(struct target *target)
{
	become(USER, OTHER_GROUP);
	wait_as_target(target, true);
}

static void target_not_dumpable(struct target *target)
{
	become(USER, TEST_GID);
	wait_as_target(target, false);
}

static void target_with_capabilities(struct target *target)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2] = {
		{.effective = 1u << CAP_NET_RAW, .permitted = 1u << CAP_NET_RAW}};

	if (prctl(PR_SET_KEEPCAPS, 1) < 0)
		_exit(104);
	become(USER, TEST_GID);
	if (syscall(SYS_capset, &header, data) < 0)
		_exit(105);
	wait_as_target(target, true);
}

static void target_in_a_user_namespace(struct target *target)
{
	become(USER, TEST_GID);
	if (prctl(PR_SET_DUMPABLE, 1) < 0 || unshare(CLONE_NEWUSER) < 0)
		_exit(STATUS_MISSING);
	wait_as_target(target, true);
}

static void execute_set_user_id_program(void)
{
	execl(path_of("%s/set-uid", test_directory()), "set-uid", TARGET_ARGUMENT, getenv("TARGET_FD"),
	      getenv("HERITAGE"), (char *)NULL);
	_exit(106);
}

/* Begun as the user's process, then executing root's program. */
static void target_of_a_set_user_id_program(struct target *target)
{
	(void)target;
	become(USER, TEST_GID);
	execute_set_user_id_program();
}

/* The same, which shows memory as the user's process before. */
static void target_that_executes(struct target *target)
{
	become(USER, TEST_GID);
	if (prctl(PR_SET_DUMPABLE, 1) < 0)
		_exit(108);
	add_memfd(target, make_memfd("own"), "own");
	add_anonymous(target);
	target->pid = getpid();
	atomic_thread_fence(memory_order_seq_cst);
	target->is_ready = true;
	while (!*(volatile bool *)&target->may_execute)
		usleep(1000);
	execute_set_user_id_program();
}

/* main() of the program above. */
static int be_target(char **arguments)
{
	struct target *target = shared_target(atoi(arguments[2]));

	if (!target || geteuid() != 0 ||
	    sscanf(arguments[3], "%d,%d,%d,%d", &tester, &heritage.write_only, &heritage.path,
		   &heritage.read_only) != 4)
		return STATUS_MISSING;
	fill_target(target);
	for (;;)
		pause();
}

static const struct kind {
	const char *name;
	void (*run)(struct target *target);
	bool new_pid_namespace;
	/*
	 * its user gets everything that the mount offers: otherwise the table would hold even for a mount
	 * that shows nothing
	 */
	bool is_open;
} kinds[] = {
	{"plain", target_plain, false, true},
	{"another user", target_of_another_user, false, false},
	{"another group", target_of_another_group, false, false},
	{"not dumpable", target_not_dumpable, false, false},
	{"more capabilities", target_with_capabilities, false, false},
	{"a user namespace", target_in_a_user_namespace, false, false},
	{"a PID namespace", target_plain, true, true},
	{"a set-user-id program", target_of_a_set_user_id_program, false, false},
};

#define N_KINDS (sizeof(kinds) / sizeof(kinds[0]))

/* Returns 0; -1 if this machine does not support such a process. */
static int start_target(const struct kind *kind, struct target **out, pid_t *child)
{
	int fd = (int)check(memfd_create("target", 0));
	struct target *target;
	int status;

	check(ftruncate(fd, PAGE));
	target = shared_target(fd);
	assert_non_null(target);
	setenv("TARGET_FD", path_of("%d", fd), 1);
	setenv("HERITAGE",
	       path_of("%d,%d,%d,%d", tester, heritage.write_only, heritage.path, heritage.read_only), 1);
	fflush(NULL);
	if (kind->new_pid_namespace) {
		/* of the next child, whose number is then known */
		_cleanup_close_ int own = (int)check(open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC));

		check(unshare(CLONE_NEWPID));
		*child = fork();
		if (*child != 0)
			check(setns(own, CLONE_NEWPID));
	} else {
		*child = fork();
	}
	assert_true(*child >= 0);
	if (*child == 0) {
		kind->run(target);
		_exit(107);
	}
	close(fd);
	target->pid = *child;
	assert_true(
		wait_for(*(volatile bool *)&target->is_ready || waitpid(*child, &status, WNOHANG) == *child));
	*out = target;
	if (target->is_ready)
		return 0;
	munmap(target, PAGE);
	if (WIFEXITED(status) && WEXITSTATUS(status) == STATUS_MISSING)
		return -1;
	fail_msg("%s: the target ended with %d", kind->name, WEXITSTATUS(status));
	return -1;
}

static void end_target(struct target *target, pid_t child)
{
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	munmap(target, PAGE);
}

/* --- who looks --- */

/* Results of a viewer: 1 or 0. */
struct answer {
	bool looks;
	bool reads;
	bool writes;
};

struct answers {
	bool is_listed;
	bool missing;
	struct answer native[PIECES_MAX];
	struct answer mounted[PIECES_MAX];
};

static bool can_read(int fd, off_t offset)
{
	char byte;

	return fd >= 0 && pread(fd, &byte, 1, offset) == 1;
}

/* Whether the byte there can be written. */
static bool can_write(int fd, off_t offset)
{
	char byte = 0;

	return fd >= 0 && pread(fd, &byte, 1, offset) == 1 && pwrite(fd, &byte, 1, offset) == 1;
}

static bool has_line(pid_t pid, uint64_t start)
{
	FILE *maps = fopen(path_of("/proc/%d/maps", pid), "re");
	char line[512];
	bool found = false;

	while (maps && fgets(line, sizeof(line), maps))
		found |= strtoull(line, NULL, 16) == start;
	if (maps)
		fclose(maps);
	return found;
}

static struct answer ask_natively(const struct target *target, const struct piece *piece)
{
	const char *path = piece->fd >= 0 ? path_of("/proc/%d/fd/%d", target->pid, piece->fd)
					  : path_of("/proc/%d/mem", target->pid);
	const off_t offset = piece->fd >= 0 ? 0 : (off_t)piece->start;
	_cleanup_close_ int reader = open(path, O_RDONLY | O_CLOEXEC);
	_cleanup_close_ int writer = open(path, O_RDWR | O_CLOEXEC);
	char text[64];

	return (struct answer){
		.looks = piece->fd >= 0 ? readlink(path, text, sizeof(text)) > 0
					: has_line(target->pid, piece->start),
		.reads = can_read(reader, offset),
		.writes = can_write(writer, offset),
	};
}

static struct answer ask_the_mount(const struct target *target, const struct piece *piece)
{
	const char *path = path_of("%s/process/%d/%s", mount_here.path, target->pid, piece->name);
	_cleanup_close_ int reader = open(path, O_RDONLY | O_CLOEXEC);
	_cleanup_close_ int writer = open(path, O_RDWR | O_CLOEXEC);
	struct stat stat;

	return (struct answer){.looks = lstat(path, &stat) == 0,
			       .reads = can_read(reader, 0),
			       .writes = can_write(writer, 0)};
}

static bool is_listed(pid_t pid)
{
	_cleanup_closedir_ DIR *dir = opendir(path_of("%s/process", mount_here.path));
	const struct dirent *entry;
	bool found = false;

	while (dir && (entry = readdir(dir)))
		found |= atoi(entry->d_name) == pid;
	return found;
}

static void be_user(void)
{
	become(USER, TEST_GID);
}

static void be_member(void)
{
	const gid_t groups[] = {OTHER_GROUP};

	if (setgroups(1, groups) < 0 || setresgid(TEST_GID, TEST_GID, TEST_GID) < 0 ||
	    setresuid(USER, USER, USER) < 0)
		_exit(1);
}

static void be_user_elsewhere(void)
{
	become(USER, TEST_GID);
	if (unshare(CLONE_NEWUSER) < 0)
		_exit(STATUS_MISSING);
}

/* Uid 0 without capabilities, as in a container without a user namespace. */
static void be_root_without_capabilities(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2] = {{0}};

	if (syscall(SYS_capset, &header, data) < 0)
		_exit(1);
}

static void be_user_in_a_pid_namespace(void)
{
	pid_t pid;
	int status;

	if (unshare(CLONE_NEWPID) < 0)
		_exit(1);
	pid = fork();
	if (pid == 0) {
		become(USER, TEST_GID);
		return;
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		_exit(1);
	_exit(WEXITSTATUS(status));
}

static const struct viewer {
	const char *name;
	void (*become)(void);
	bool sees_nothing; /* no pid of this namespace has a meaning there */
} viewers[] = {
	{"user", be_user, false},
	{"member of a group", be_member, false},
	{"root without capabilities", be_root_without_capabilities, false},
	{"user of a user namespace", be_user_elsewhere, true},
	{"user of a PID namespace", be_user_in_a_pid_namespace, true},
};

#define N_VIEWERS (sizeof(viewers) / sizeof(viewers[0]))

static void ask_all(const struct target *target, struct answers *answers)
{
	answers->is_listed = is_listed(target->pid);
	for (unsigned int i = 0; i < target->n; i++) {
		answers->native[i] = ask_natively(target, &target->pieces[i]);
		answers->mounted[i] = ask_the_mount(target, &target->pieces[i]);
	}
}

static struct answers *ask_as(const struct viewer *viewer, const struct target *target)
{
	struct answers *answers =
		mmap(NULL, sizeof(*answers), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int status;
	pid_t pid;

	assert_ptr_not_equal(answers, MAP_FAILED);
	fflush(NULL);
	pid = (pid_t)check(fork());
	if (pid == 0) {
		viewer->become();
		ask_all(target, answers);
		_exit(0);
	}
	check(waitpid(pid, &status, 0));
	assert_true(WIFEXITED(status));
	answers->missing = WEXITSTATUS(status) == STATUS_MISSING;
	assert_true(answers->missing || WEXITSTATUS(status) == 0);
	return answers;
}

static void expect_no_more(const char *who, const char *what, const struct piece *piece, struct answer native,
			   struct answer mounted)
{
	if ((mounted.looks && !native.looks) || (mounted.reads && !native.reads) ||
	    (mounted.writes && !native.writes))
		fail_msg("%s, of %s: %s: natively %d %d %d, through the mount %d %d %d", who, what,
			 piece->name, native.looks, native.reads, native.writes, mounted.looks, mounted.reads,
			 mounted.writes);
}

/* restricted: by Yama. */
static void check_viewer(const struct viewer *viewer, const struct kind *kind, const struct target *target,
			 bool restricted)
{
	struct answers *answers = ask_as(viewer, target);
	bool any = false;

	if (answers->missing)
		print_message("missing: user namespaces\n");
	for (unsigned int i = 0; i < target->n && !answers->missing; i++) {
		expect_no_more(viewer->name, kind->name, &target->pieces[i], answers->native[i],
			       answers->mounted[i]);
		any |= answers->native[i].looks;
		if (viewer->sees_nothing && answers->mounted[i].looks)
			fail_msg("%s sees %s of %s", viewer->name, target->pieces[i].name, kind->name);
	}
	if (answers->is_listed && (!any || viewer->sees_nothing))
		fail_msg("%s sees that there is %s", viewer->name, kind->name);
	/*
	 * own memory; own memory by a read-only descriptor; shared anonymous memory; others' memory, stat
	 * only; and read where mapped. Yama may forbid mappings, natively as well
	 */
	if (kind->is_open && viewer == &viewers[0] && !restricted) {
		static const struct answer expected[] = {{1, 1, 1}, {1, 1, 0}, {1, 1, 1},
							 {1, 0, 0}, {1, 0, 0}, {1, 1, 0}};

		assert_true(answers->is_listed);
		for (unsigned int i = 0; i < target->n; i++)
			if (memcmp(&answers->mounted[i], &expected[i], sizeof(expected[i])) != 0)
				fail_msg("%s of %s: %d %d %d through the mount", target->pieces[i].name,
					 kind->name, answers->mounted[i].looks, answers->mounted[i].reads,
					 answers->mounted[i].writes);
	}
	munmap(answers, sizeof(*answers));
}

static void check_all_viewers(bool restricted)
{
	for (size_t k = 0; k < N_KINDS; k++) {
		struct target *target;
		pid_t child;

		if (start_target(&kinds[k], &target, &child) < 0) {
			print_message("missing: %s\n", kinds[k].name);
			continue;
		}
		for (size_t v = 0; v < N_VIEWERS; v++)
			check_viewer(&viewers[v], &kinds[k], target, restricted);
		end_target(target, child);
	}
}

static void nobody_gets_more_than_natively(void **state)
{
	(void)state;
	check_all_viewers(false);
}

/* The mount shows what the daemon's /proc shows. */
static void hidden_processes_are_hidden(void **state)
{
	static const char *const options[] = {"hidepid=1", "hidepid=2", "hidepid=2,gid=23456"};

	(void)state;
	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		check(mount("proc", "/proc", "proc", MS_REMOUNT | MS_NOSUID | MS_NODEV | MS_NOEXEC,
			    options[i]));
		check_all_viewers(false);
	}
	check(mount("proc", "/proc", "proc", MS_REMOUNT | MS_NOSUID | MS_NODEV | MS_NOEXEC,
		    "hidepid=0,gid=0"));
}

#define MANY     1200 /* processes: more than one listing request returns */
#define LISTINGS 2

static pid_t many[MANY];

static int end_many(void **state)
{
	(void)state;
	for (int i = 0; i < MANY; i++)
		if (many[i] > 0)
			kill(many[i], SIGKILL);
	for (int i = 0; i < MANY; i++)
		if (many[i] > 0)
			waitpid(many[i], NULL, 0);
	memset(many, 0, sizeof(many));
	return mount("proc", "/proc", "proc", MS_REMOUNT | MS_NOSUID | MS_NODEV | MS_NOEXEC,
		     "hidepid=0,gid=0");
}

/* Inspects every name, as ls -l does. */
static void list_as_root(void)
{
	_cleanup_closedir_ DIR *dir = opendir(path_of("%s/process", mount_here.path));
	const struct dirent *entry;
	struct stat stat;

	while (dir && (entry = readdir(dir)))
		fstatat(dirfd(dir), entry->d_name, &stat, AT_SYMLINK_NOFOLLOW);
}

/* 0 if the process is never visible. */
static int look_meanwhile(void *listed)
{
	const char *path = path_of("%s/process/%d", mount_here.path, many[1]);
	struct stat stat;

	while (!atomic_load((atomic_bool *)listed))
		if (lstat(path, &stat) == 0)
			return 1;
	return 0;
}

/* The kernel caches entries shown to root: it must not show them to others. */
static void what_others_list_stays_hidden(void **state)
{
	atomic_bool *listed = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t lister;
	int result;

	(void)state;
	assert_ptr_not_equal(listed, MAP_FAILED);
	check(mount("proc", "/proc", "proc", MS_REMOUNT | MS_NOSUID | MS_NODEV | MS_NOEXEC, "hidepid=2"));
	fflush(NULL);
	for (int i = 0; i < MANY; i++) {
		many[i] = (pid_t)check(fork());
		if (many[i] == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			pause();
			_exit(0);
		}
	}
	lister = (pid_t)check(fork());
	if (lister == 0) {
		for (int i = 0; i < LISTINGS; i++)
			list_as_root();
		atomic_store(listed, true);
		_exit(0);
	}
	result = as_user(USER, TEST_GID, look_meanwhile, listed);
	check(waitpid(lister, NULL, 0));
	munmap(listed, PAGE);
	assert_int_equal(result, 0);
}

static void yama_decides(void **state)
{
	const char *scope = "/proc/sys/kernel/yama/ptrace_scope";
	char before[8];

	(void)state;
	if (read_text(scope, before, sizeof(before)) < 0)
		skip_missing("Yama");
	for (int i = 0; i <= 2; i++) {
		if (write_text(scope, path_of("%d", i)) < 0)
			skip_missing("changing ptrace_scope");
		check_all_viewers(i > 0);
	}
	write_text(scope, before);
}

/* --- what is swapped --- */

/* The process is the viewer itself. Returns 0 on success. */
static int swap_a_mapping(void *unused)
{
	char *view = map(-1, PROT_READ | PROT_WRITE);
	const char *anonymous =
		path_of("%s/process/%d/anon-%08" PRIx64 "-%08" PRIx64, mount_here.path, getpid(),
			(uint64_t)(uintptr_t)view, (uint64_t)(uintptr_t)view + PAGE);
	const char *removed = path_of("%s/process/%d/deleted-%08" PRIx64 "-segfs_test.%d.removed",
				      mount_here.path, getpid(), (uint64_t)(uintptr_t)view, tester);
	struct stat stat;
	int fd;

	(void)unused;
	if (prctl(PR_SET_DUMPABLE, 1) < 0 || lstat(anonymous, &stat) < 0)
		return 1;
	fd = open(anonymous, O_PATH);
	if (fd < 0 ||
	    mmap(view, PAGE, PROT_READ, MAP_SHARED | MAP_FIXED, heritage.read_only, 0) == MAP_FAILED)
		return 2;
	if (open(anonymous, O_RDWR) >= 0 || open_again(fd, O_RDWR) >= 0)
		return 3;
	if (open(removed, O_RDWR) >= 0 || errno != EPERM)
		return 4;
	return open(removed, O_RDONLY) >= 0 ? 0 : 5;
}

static void mappings_that_are_swapped(void **state)
{
	(void)state;
	assert_int_equal(as_user(USER, TEST_GID, swap_a_mapping, NULL), 0);
}

#define SWAPS 120 /* opens meanwhile; fewer than 20 would reveal a check and an open that are not atomic */

/*
 * A descriptor refers, in turn, to the user's own memory and to others', which may not be read; an open that
 * succeeds must refer to the own one.
 */
static int swap_a_descriptor(void *unused)
{
	int own = make_memfd("others");
	int number = dup(own);
	const char *path = path_of("%s/process/%d/memfd-%d-others", mount_here.path, getpid(), number);
	bool opened = false;
	bool refused = false;
	pid_t swapper;
	int result = 0;

	(void)unused;
	if (prctl(PR_SET_DUMPABLE, 1) < 0 || open(path, O_RDWR | O_CLOEXEC) < 0)
		return 1;
	swapper = (pid_t)syscall(SYS_clone, CLONE_FILES | SIGCHLD, NULL, NULL, NULL, NULL);
	if (swapper == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;) {
			dup2(own, number);
			dup2(heritage.write_only, number);
			dup2(heritage.path, number);
		}
	}
	/* conclusive only if the descriptor changes meanwhile: some opens succeed, and some fail */
	for (int i = 0; (i < SWAPS || !opened || !refused) && i < 100 * SWAPS && result == 0; i++) {
		int fd = open(path, O_RDWR | O_CLOEXEC);

		if (fd >= 0) {
			opened |= pwrite(fd, "!", 1, 0) == 1;
			close(fd);
		}
		fd = open(path, O_RDONLY | O_CLOEXEC);
		refused |= fd < 0;
		if (fd >= 0) {
			char byte = 0;

			result = pread(fd, &byte, 1, 0) == 1 && byte == 's' ? 2 : 0;
			close(fd);
		}
	}
	kill(swapper, SIGKILL);
	waitpid(swapper, NULL, 0);
	return result ? result : opened && refused ? 0 : 3;
}

static void descriptors_that_are_swapped(void **state)
{
	char byte = 0;

	(void)state;
	assert_int_equal(as_user(USER, TEST_GID, swap_a_descriptor, NULL), 0);
	assert_int_equal(pread(heritage.write_only, &byte, 1, 0), -1);
	byte = *map(open_again(heritage.path, O_RDONLY), PROT_READ);
	assert_int_equal(byte, 's');
}

/* --- what was found before a set-user-id program is executed --- */

struct found {
	int directory; /* O_PATH */
	int files[2];  /* O_PATH, of the pieces */
	int open;      /* for reading and writing, of the first */
};

static bool is_refused(int fd)
{
	if (fd >= 0)
		close(fd);
	return fd < 0;
}

/* Returns 0, or the number of what is wrong. */
static int find_before(const struct target *target, struct found *found)
{
	const char *path = path_of("%s/process/%d", mount_here.path, target->pid);

	found->directory = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	for (int i = 0; i < 2; i++) {
		found->files[i] = openat(found->directory, target->pieces[i].name, O_PATH | O_CLOEXEC);
		if (is_refused(open_again(found->files[i], O_RDWR)))
			return 1;
	}
	found->open = open_again(found->files[0], O_RDWR);
	return is_refused(openat(found->directory, ".", O_RDONLY | O_DIRECTORY)) ? 2 : 0;
}

static int look_after(const struct target *target, const struct found *found)
{
	struct stat stat;
	char byte;

	if (!is_refused(open(path_of("/proc/%d/fd/%d", target->pid, target->pieces[0].fd), O_RDONLY)))
		return 3;
	for (int i = 0; i < 2; i++)
		if (!is_refused(openat(found->directory, target->pieces[i].name, O_RDONLY)) ||
		    fstatat(found->directory, target->pieces[i].name, &stat, 0) == 0)
			return 4;
	/* natively, too, a memfd that is open can be opened again as its mode permits */
	if (!is_refused(open_again(found->files[1], O_RDONLY)))
		return 5;
	if (!is_refused(openat(found->directory, ".", O_RDONLY | O_DIRECTORY)) || is_listed(target->pid))
		return 6;
	return pread(found->open, &byte, 1, 0) == 1 ? 0 : 7;
}

static int look_before_and_after(void *context)
{
	struct target *target = context;
	struct found found = {-1, {-1, -1}, -1};
	int result = find_before(target, &found);

	if (result != 0)
		return result;
	target->is_ready = false;
	target->may_execute = true;
	/* the program adds its pieces to those of before */
	if (!wait_for(*(volatile bool *)&target->is_ready))
		return 8;
	return look_after(target, &found);
}

static void a_set_user_id_program_is_executed(void **state)
{
	static const struct kind kind = {"executes", target_that_executes, false, false};
	struct target *target;
	pid_t child;
	int result;

	(void)state;
	if (start_target(&kind, &target, &child) < 0)
		skip_missing("set-user-id programs");
	result = as_user(USER, TEST_GID, look_before_and_after, target);
	end_target(target, child);
	assert_int_equal(result, 0);
}

/* --- setting up --- */

static int make_heritage(void)
{
	int memfd = make_memfd("others");
	int fd = open(object("removed"), O_RDWR | O_CREAT | O_EXCL, 0600);

	if (fd < 0 || ftruncate(fd, PAGE) < 0 || fchown(fd, OTHER, OTHER) < 0 ||
	    pwrite(memfd, "s", 1, 0) != 1 || fchown(memfd, OTHER, OTHER) < 0 || fchmod(memfd, 0600) < 0)
		return -1;
	heritage.write_only = open_again(memfd, O_WRONLY);
	heritage.path = open_again(memfd, O_PATH);
	heritage.read_only = open_again(fd, O_RDONLY);
	close(fd);
	close(memfd);
	return unlink(object("removed")) == 0 && heritage.write_only >= 0 && heritage.path >= 0 &&
			       heritage.read_only >= 0
		       ? 0
		       : -1;
}

/* This program as root's set-user-id one, if the file system supports it. */
static int make_set_user_id(void)
{
	const char *path = path_of("%s/set-uid", test_directory());
	const char *const copy[] = {"cp", path_of("/proc/%d/exe", getpid()), path, NULL};

	return run_program(copy) == 0 && chmod(test_directory(), 0755) == 0 && chmod(path, 04755) == 0 ? 0
												       : -1;
}

static int set_up(void **unused)
{
	(void)unused;
	if (make_heritage() < 0 || make_set_user_id() < 0)
		return -1;
	return mount_start(&mount_here, &(struct mount_spec){0});
}

static int tear_down(void **unused)
{
	(void)unused;
	unlink(object("removed"));
	return mount_stop(&mount_here);
}

/* A /proc of the test's own, which it can remount. Unmounts by others propagate here. */
static void isolate(void)
{
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0 ||
	    mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0)
		skip_program("mount namespaces");
	own_mounts_only();
}

int main(int n, char **arguments)
{
	static const struct CMUnitTest cases[] = {
		cmocka_unit_test(nobody_gets_more_than_natively),
		cmocka_unit_test(hidden_processes_are_hidden),
		cmocka_unit_test_teardown(what_others_list_stays_hidden, end_many),
		cmocka_unit_test(yama_decides),
		cmocka_unit_test(a_set_user_id_program_is_executed),
		cmocka_unit_test(mappings_that_are_swapped),
		cmocka_unit_test(descriptors_that_are_swapped),
	};

	if (n == 4 && strcmp(arguments[1], TARGET_ARGUMENT) == 0)
		return be_target(arguments);
	if (geteuid() != 0)
		skip_program("root");
	isolate();
	tester = getpid();
	return cmocka_run_group_tests(cases, set_up, tear_down);
}
