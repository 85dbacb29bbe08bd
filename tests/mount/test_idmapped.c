// SPDX-License-Identifier: MIT
/*
 * Idmapped mounts (mount_setattr(2), MOUNT_ATTR_IDMAP): owners of new files, permissions, and who may set
 * policies, compared with an idmapped tmpfs.
 */
#include "tests/mount/harness.h"

#include "lib/base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#define LOWER    100000u /* user 0 of the files is this user */
#define OWNER    1000u   /* of the stored files */
#define OTHER    1001u
#define TEXT_MAX 8192

static struct mount mounted;
static char native[PATH_MAX]; /* a tmpfs */
static char mapped[PATH_MAX]; /* the mount, idmapped */
static char native_mapped[PATH_MAX];
static bool maps_owners; /* the kernel reports mappings of mounts */

/* --- mounts --- */

static int namespace_with_map(void)
{
	char map[64];
	int ready[2];
	int fd;
	pid_t child;

	check(pipe2(ready, O_CLOEXEC));
	fflush(NULL);
	child = (pid_t)check(fork());
	if (child == 0) {
		if (unshare(CLONE_NEWUSER) < 0 || write(ready[1], "r", 1) != 1)
			_exit(1);
		close(ready[1]);
		pause();
		_exit(0);
	}
	close(ready[1]);
	if (read(ready[0], map, 1) != 1)
		skip_missing("user namespaces");
	close(ready[0]);
	snprintf(map, sizeof(map), "0 %u 65536\n", LOWER);
	assert_int_equal(write_text(path_of("/proc/%d/uid_map", (int)child), map), 0);
	assert_int_equal(write_text(path_of("/proc/%d/gid_map", (int)child), map), 0);
	fd = (int)check(open(path_of("/proc/%d/ns/user", (int)child), O_RDONLY | O_CLOEXEC));
	check(kill(child, SIGKILL));
	check(waitpid(child, NULL, 0));
	return fd;
}

/* Returns 0, or the errno of the failed creation. */
static int mount_mapped(const char *from, const char *to)
{
	_cleanup_close_ int namespace = namespace_with_map();
	struct mount_attr attr = {.attr_set = MOUNT_ATTR_IDMAP, .userns_fd = (unsigned int)namespace};
	_cleanup_close_ int tree = (int)check(open_tree(AT_FDCWD, from, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC));

	if (mount_setattr(tree, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0)
		return errno;
	check(mkdir(to, 0755));
	check(move_mount(tree, "", AT_FDCWD, to, MOVE_MOUNT_F_EMPTY_PATH));
	return 0;
}

static int prepare(void **unused)
{
	(void)unused;
	snprintf(native, sizeof(native), "%s/native", test_directory());
	snprintf(mapped, sizeof(mapped), "%s/mapped", test_directory());
	snprintf(native_mapped, sizeof(native_mapped), "%s/native-mapped", test_directory());
	chmod(test_directory(), 0755);
	if (mount_start(&mounted, &(struct mount_spec){.options = "dev"}) < 0)
		return -1;
	return mkdir(native, 0755) < 0 || mount("none", native, "tmpfs", 0, "mode=755") < 0 ? -1 : 0;
}

static int finish(void **unused)
{
	(void)unused;
	umount2(mapped, MNT_DETACH);
	umount2(native_mapped, MNT_DETACH);
	umount2(native, MNT_DETACH);
	return mount_stop(&mounted);
}

static void mounts(void **unused)
{
	int result;

	(void)unused;
	if (mount_mapped(native, native_mapped) != 0)
		skip_missing("idmapped mounts of tmpfs (Linux 6.3)");
	result = mount_mapped(mounted.path, mapped);
	if (result == EINVAL)
		skip_missing("idmapped FUSE mounts (Linux 6.12), and credentials of threads (6.13)");
	assert_int_equal(result, 0);
}

static void need_mapped(void)
{
	if (access(mapped, F_OK) < 0)
		skip_missing("idmapped FUSE mounts");
}

/* --- as a user --- */

static void become(unsigned int id)
{
	if (setgroups(0, NULL) < 0 || setresgid(id, id, id) < 0 || setresuid(id, id, id) < 0)
		_exit(99);
}

static char *append(char *at, const char *end, const char *what, long result)
{
	return at +
	       snprintf(at, (size_t)(end - at), "%s: %s\n", what, result < 0 ? strerrorname_np(errno) : "ok");
}

#define TRY(call) (at = append(at, end, #call, (long)(call)))

/* Operations of the owner in a directory that all may write; reports the result of each. */
static void use(const char *dir, char *at, const char *end)
{
	char value[64];
	int fd = -1;

	if (chdir(dir) < 0)
		_exit(98);
	umask(022);
	TRY(fd = open("file", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0640));
	TRY(write(fd, "bytes", 5));
	TRY(fchmod(fd, 0600));
	TRY(ftruncate(fd, 3));
	TRY(close(fd));
	TRY(mkdir("directory", 0755));
	TRY(mknod("fifo", S_IFIFO | 0600, 0));
	TRY(mknod("regular", S_IFREG | 0600, 0));
	TRY(symlink("file", "symlink"));
	TRY(link("file", "link"));
	TRY(rename("regular", "renamed"));
	TRY(renameat2(AT_FDCWD, "renamed", AT_FDCWD, "moved", RENAME_WHITEOUT));
	TRY(mknod("device", S_IFCHR | 0600, makedev(1, 3)));
	TRY(unlink("fifo"));
	TRY(open(".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
	TRY(chown("file", LOWER + OWNER, LOWER + OWNER));
	TRY(chown("file", LOWER + OTHER, (gid_t)-1));
	TRY(chown("file", OWNER, (gid_t)-1));
	TRY(chmod("file", 0664));
	TRY(truncate("file", 100));
	TRY(utimensat(AT_FDCWD, "file", NULL, 0));
	TRY(setxattr("file", "user.mine", "1", 1, 0));
	TRY(getxattr("file", "user.mine", value, sizeof(value)));
	TRY(removexattr("file", "user.mine"));
	TRY(open("others", O_RDONLY | O_CLOEXEC));
	TRY(open("theirs", O_RDWR | O_CLOEXEC));
	TRY(chmod("theirs", 0600));
	TRY(unlink("theirs"));
	TRY(open("made", O_RDWR | O_CREAT | O_CLOEXEC, 0600));
	TRY(mkdir("set-gid/below", 0755));
	TRY(open("set-gid/file", O_RDWR | O_CREAT | O_CLOEXEC, 0600));
	TRY(system("setfacl -m u:101001:rw file && getfacl -n file >acl 2>/dev/null"));
	*at = '\0';
}

static void look(const char *dir, const char *name, char **at, const char *end)
{
	struct stat stat;
	int result = lstat(path_of("%s/%s", dir, name), &stat);

	*at += snprintf(*at, (size_t)(end - *at), "%s: %s", name, result < 0 ? strerrorname_np(errno) : "");
	if (result == 0)
		*at += snprintf(*at, (size_t)(end - *at), "%o %u:%u %lld", stat.st_mode, stat.st_uid,
				stat.st_gid, S_ISDIR(stat.st_mode) ? 0 : (long long)stat.st_size);
	*at += snprintf(*at, (size_t)(end - *at), "\n");
}

static void look_at_all(const char *dir, char *at, const char *end)
{
	static const char *const names[] = {"file",    "directory",     "fifo",         "renamed", "symlink",
					    "link",    "others",        "theirs",       "made",    "acl",
					    "set-gid", "set-gid/below", "set-gid/file", "moved",   "device"};
	char acl[1024];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		look(dir, names[i], &at, end);
	if (read_text(path_of("%s/acl", dir), acl, sizeof(acl)) > 0)
		snprintf(at, (size_t)(end - at), "%s", acl);
}

static void make_file(const char *path, unsigned int owner, mode_t mode)
{
	check(close((int)check(open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600))));
	check(chown(path, owner, owner));
	check(chmod(path, mode));
}

/* All results of a user's operations, seen through the idmapped mount and without a map. */
static void deeds(const char *plain, const char *through, const char *dir, unsigned int user,
		  char text[2 * TEXT_MAX])
{
	char *shared = mmap(NULL, TEXT_MAX, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int status = 0;
	pid_t child;

	assert_ptr_not_equal(shared, MAP_FAILED);
	check(mkdir(path_of("%s/%s", plain, dir), 0));
	check(chmod(path_of("%s/%s", plain, dir), 01777));
	check(mkdir(path_of("%s/%s/set-gid", plain, dir), 0));
	check(chown(path_of("%s/%s/set-gid", plain, dir), 0, OTHER));
	check(chmod(path_of("%s/%s/set-gid", plain, dir), 02777));
	make_file(path_of("%s/%s/others", plain, dir), OTHER, 0600);
	make_file(path_of("%s/%s/theirs", plain, dir), OTHER, 0666);
	fflush(NULL);
	child = (pid_t)check(fork());
	if (child == 0) {
		become(user);
		use(path_of("%s/%s", through, dir), shared, shared + TEXT_MAX);
		_exit(0);
	}
	check(waitpid(child, &status, 0));
	assert_int_equal(status, 0);
	memcpy(text, shared, TEXT_MAX);
	munmap(shared, TEXT_MAX);
	look_at_all(path_of("%s/%s", through, dir), text + strlen(text), text + 2 * TEXT_MAX);
	look_at_all(path_of("%s/%s", plain, dir), text + strlen(text), text + 2 * TEXT_MAX);
}

static void as_tmpfs(void **unused)
{
	static const unsigned int users[] = {LOWER + OWNER, LOWER, 0, OWNER};
	static char ours[2 * TEXT_MAX];
	static char theirs[2 * TEXT_MAX];

	(void)unused;
	need_mapped();
	for (size_t i = 0; i < sizeof(users) / sizeof(users[0]); i++) {
		char dir[32];

		snprintf(dir, sizeof(dir), "dir-%zu", i);
		deeds(mounted.path, mapped, dir, users[i], ours);
		deeds(native, native_mapped, dir, users[i], theirs);
		assert_string_equal(ours, theirs);
		/* a plain mount next to an idmapped one is unaffected */
		snprintf(dir, sizeof(dir), "plain-%zu", i);
		deeds(mounted.path, mounted.path, dir, users[i], ours);
		deeds(native, native, dir, users[i], theirs);
		assert_string_equal(ours, theirs);
		mount_kill_worker(&mounted);
	}
}

/* --- policies --- */

/* The errno of setting a policy as a user, 0 on success. alone: the idmapped mount is the only one. */
static int set_as(const char *path, unsigned int user, bool alone)
{
	int status = 0;
	pid_t child;

	fflush(NULL);
	child = (pid_t)check(fork());
	if (child == 0) {
		if (alone &&
		    (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
		     umount2(mounted.path, MNT_DETACH) < 0))
			_exit(97);
		become(user);
		_exit(setxattr(path, "user.segfs.writers", "3", 1, 0) < 0 ? errno : 0);
	}
	check(waitpid(child, &status, 0));
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void policies(void **unused)
{
	const char *plain = path_of("%s/policy", mounted.path);
	const char *through = path_of("%s/policy", mapped);

	(void)unused;
	need_mapped();
	make_file(plain, OWNER, 0666);
	assert_int_equal(set_as(plain, OWNER, false), 0);
	assert_int_equal(set_as(plain, 0, false), 0);
	assert_int_equal(set_as(plain, OTHER, false), EPERM);
	assert_int_equal(set_as(plain, LOWER + OWNER, false), EPERM);
	assert_int_equal(set_as(through, 0, false), 0);
	assert_int_equal(set_as(through, LOWER + OTHER, true), EPERM);
	assert_int_equal(set_as(through, LOWER, true), EPERM);
	/* otherwise the mount of the request is unknown */
	assert_int_equal(set_as(through, LOWER + OWNER, false), EPERM);
	maps_owners = set_as(through, LOWER + OWNER, true) == 0;
	mount_kill_worker(&mounted);
	assert_int_equal(set_as(through, LOWER + OWNER, true), maps_owners ? 0 : EPERM);
	assert_int_equal(set_as(through, LOWER + OTHER, true), EPERM);
	assert_int_equal(set_as(plain, OTHER, false), EPERM);
	check(unlink(plain));
	if (!maps_owners)
		skip_missing("what a mount maps (STATMOUNT_MNT_UIDMAP, Linux 6.15)");
}

static void what_only_root_sees(void **unused)
{
	const char *path = path_of("%s/trusted", mounted.path);
	char list[256];

	(void)unused;
	make_file(path, OWNER, 0666);
	check(setxattr(path, "trusted.mine", "1", 1, 0));
	assert_int_equal(check(listxattr(path, list, sizeof(list))), (int)sizeof("trusted.mine"));
	check(unlink(path));
}

int main(void)
{
	static const struct CMUnitTest cases[] = {
		cmocka_unit_test(mounts),
		cmocka_unit_test(as_tmpfs),
		cmocka_unit_test(policies),
		cmocka_unit_test(what_only_root_sees),
	};

	if (geteuid() != 0)
		skip_program("root");
	return cmocka_run_group_tests_name("idmapped", cases, prepare, finish);
}
