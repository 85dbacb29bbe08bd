// SPDX-License-Identifier: MIT
/*
 * Policies of segments through a real mount: as attributes, as a directory's default, and what each does to opens, sizes and
 * memory. In direct, mediated and relayed mode.
 */
#include "lib/base/cleanup.h"
#include "tests/lib/job.h"
#include "tests/lib/leaks.h"
#include "tests/lib/modes.h"
#include "tests/lib/process.h"
#include "tests/lib/worker.h"
#include "tests/mount/harness.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#define OWN "user.segfs."
#define PAGE 4096
#define MEGA 1048576
#define SMALL_STORE (4 * MEGA) /* bytes that fit into the directory "small" */
#define RACE_ROUNDS 1500       /* places given in a race for one */
#define RACE_ROUNDS_OF_MORE 150 /* ... for several: where others have some, all processes are looked at for each */

static struct mount mount;
static struct mount_spec spec;
static char config[2 * PATH_MAX];
static char options[64];
static const char *mode; /* I/O mode of the mount: "direct", "mediated" or "relayed" */

static const char *at_mount(const char *name)
{
	return path_of("%s/%s", mount.path, name);
}

static const char *at_store(const char *name)
{
	return path_of("%s/%s", mount.store, name);
}

static int make(const char *name, off_t size)
{
	int fd = (int)check(open(at_mount(name), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644));

	if (size > 0)
		check(ftruncate(fd, size));
	return fd;
}

/* A RELEASE follows its close(2) by itself; the next step may depend on it. */
static void close_all_but(unsigned int handles)
{
	assert_true(wait_for(mount_handles(&mount) <= (int)handles));
}

static void make_closed(const char *name, off_t size)
{
	int handles = mount_handles(&mount);

	check(close(make(name, size)));
	close_all_but((unsigned int)handles);
}

/* The attribute's name; valid for ever, unlike what path_of() returns. */
static const char *own(const char *field)
{
	static char names[16][64];
	size_t i = 0;

	while (*names[i] && strcmp(names[i] + strlen(OWN), field) != 0)
		i++;
	snprintf(names[i], sizeof(names[i]), OWN "%s", field);
	return names[i];
}

static int set(const char *path, const char *field, const char *value)
{
	return setxattr(path, own(field), value, strlen(value), 0);
}

static int fset(int fd, const char *field, const char *value)
{
	return fsetxattr(fd, own(field), value, strlen(value), 0);
}

static void expect_field(const char *path, const char *field, const char *expected)
{
	char value[128] = "";

	check(getxattr(path, own(field), value, sizeof(value) - 1));
	assert_string_equal(value, expected);
}

/* All that a policy is, its list of attributes included; compared before and after what must change nothing. */
struct snapshot {
	char text[2048];
};

#define IDLE_SINCE "user.segfs.idle-since,"

static struct snapshot snapshot_of(const char *path)
{
	char *idle;
	static const char *const fields[] = {"lock", "writers", "commit", "size-policy", "lifetime"};
	struct snapshot snapshot = {""};
	size_t used = 0;
	ssize_t length;

	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		used += (size_t)check(getxattr(path, own(fields[i]), snapshot.text + used, 64));
		snapshot.text[used++] = ' ';
	}
	length = check(listxattr(path, snapshot.text + used, sizeof(snapshot.text) - used));
	for (ssize_t i = 0; i < length; i++)
		if (!snapshot.text[used + (size_t)i])
			snapshot.text[used + (size_t)i] = ',';
	snapshot.text[used + (size_t)length] = 0;
	/* since when nobody has had it is no part of a policy, and known at times only */
	idle = strstr(snapshot.text, IDLE_SINCE);
	if (idle)
		memmove(idle, idle + strlen(IDLE_SINCE), strlen(idle + strlen(IDLE_SINCE)) + 1);
	return snapshot;
}

#define expect_unchanged(path, before) assert_string_equal(snapshot_of(path).text, (before)->text)

static off_t size_of(const char *name)
{
	struct stat stat_;

	check(stat(at_store(name), &stat_));
	return stat_.st_size;
}

static long long allocated(const char *name)
{
	struct stat stat_;

	check(stat(at_store(name), &stat_));
	return stat_.st_blocks * 512LL;
}

/* After a case nothing is left of what it opened, nor, where it has failed, of what it made. */
static int verify(void **unused)
{
	static const char *const names[] = {"file", "source", "ends", "dir/file", "small/file", "small/other"};

	(void)unused;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		unlink(at_mount(names[i]));
	rmdir(at_mount("dir"));
	return mount_verify(&mount, 0) == 0 && no_lost_descriptors(&mount) && no_lost_backing_ids(&mount) ? 0 : -1;
}

/* --- another process --------------------------------------------------------------------------------------------- */

/* Has a segment open, or a view of it, and does nothing but wait. */
struct holder {
	pid_t pid;
	int control; /* 'c' = close the descriptor, 'u' = unmap the view, 'x' = exit */
	int error;   /* of its open, 0 = it has it open */
};

__attribute__((noreturn)) static void hold(int control, const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC);
	int error = fd < 0 ? errno : 0;
	int protection = (flags & O_ACCMODE) == O_RDWR ? PROT_READ | PROT_WRITE : PROT_READ;
	void *view = MAP_FAILED;
	char command;

	if (fd >= 0 && (flags & O_ACCMODE) != O_WRONLY)
		view = mmap(NULL, PAGE, protection, MAP_SHARED, fd, 0);
	if (write(control, &error, sizeof(error)) != sizeof(error))
		_exit(1);
	while (read(control, &command, 1) == 1 && command != 'x') {
		if (command == 'c')
			close(fd);
		if (command == 'u')
			munmap(view, PAGE);
		if (write(control, &error, sizeof(error)) != sizeof(error))
			_exit(1);
	}
	_exit(0);
}

static struct holder hold_start(const char *path, int flags)
{
	struct holder holder = {0};
	int ends[2];

	check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends));
	fflush(NULL);
	holder.pid = (pid_t)check(fork());
	if (holder.pid == 0) {
		close(ends[0]);
		hold(ends[1], path, flags);
	}
	close(ends[1]);
	holder.control = ends[0];
	assert_int_equal(read(holder.control, &holder.error, sizeof(holder.error)), sizeof(holder.error));
	return holder;
}

static void hold_command(const struct holder *holder, char command)
{
	int error;

	assert_int_equal(write(holder->control, &command, 1), 1);
	assert_int_equal(read(holder->control, &error, sizeof(error)), sizeof(error));
}

/* signal: 0 = it exits. */
static void hold_end(struct holder *holder, int signal)
{
	int status = 0;

	if (signal)
		check(kill(holder->pid, signal));
	else
		assert_int_equal(write(holder->control, "x", 1), 1);
	check(waitpid(holder->pid, &status, 0));
	close(holder->control);
	assert_true(signal ? WIFSIGNALED(status) : WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* Opens as soon as there is a place. */
static int open_soon(const char *path, int flags)
{
	int fd = -1;

	assert_true(wait_for((fd = open(path, flags | O_CLOEXEC, 0600)) >= 0 || errno != EBUSY));
	return (int)check(fd);
}

static void send_fd(int socket, int fd)
{
	char control[CMSG_SPACE(sizeof(int))] = {0};
	struct iovec part = {.iov_base = (char[1]){'f'}, .iov_len = 1};
	struct msghdr message = {
		.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);

	if (!header)
		fail();
	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(header), &fd, sizeof(fd));
	assert_int_equal(check(sendmsg(socket, &message, 0)), 1);
}

/* --- attributes -------------------------------------------------------------------------------------------------- */

static const struct {
	const char *field;
	const char *by_default;
	const char *other; /* a value that a file in each mode can get */
	const char *as_written;
} fields[] = {
	{"lock", "advisory", "mandatory", "mandatory"},
	{"writers", "0", "007", "7"},
	{"commit", "no", "yes", "yes"},
	{"size-policy", "variable", "fixed", "fixed"},
	{"lifetime", "persistent", "ttl:3600s", "ttl:1h"},
};

#define N_FIELDS (sizeof(fields) / sizeof(fields[0]))

static bool lists(const char *path, const char *name)
{
	char list[4096];
	ssize_t length = check(listxattr(path, list, sizeof(list)));

	for (const char *at = list; at < list + length; at += strlen(at) + 1)
		if (strcmp(at, name) == 0)
			return true;
	return false;
}

static void set_get_list_remove_of(const char *path)
{
	for (size_t i = 0; i < N_FIELDS; i++) {
		const char *name = own(fields[i].field);

		expect_field(path, fields[i].field, fields[i].by_default);
		assert_false(lists(path, name));
		check(set(path, fields[i].field, fields[i].other));
		expect_field(path, fields[i].field, fields[i].as_written);
		assert_true(lists(path, name));
		/* only this one changed */
		for (size_t j = 0; j < N_FIELDS; j++)
			if (j != i)
				expect_field(path, fields[j].field, fields[j].by_default);
		check(removexattr(path, name));
		expect_field(path, fields[i].field, fields[i].by_default);
		assert_false(lists(path, name));
		check(removexattr(path, name));
		check(set(path, fields[i].field, fields[i].by_default));
		check(setxattr(path, name, fields[i].other, strlen(fields[i].other), XATTR_REPLACE));
		check_error(EEXIST, setxattr(path, name, fields[i].by_default, strlen(fields[i].by_default), XATTR_CREATE));
		expect_field(path, fields[i].field, fields[i].as_written);
		check(removexattr(path, name));
	}
	/* all at once */
	for (size_t i = 0; i < N_FIELDS; i++)
		check(set(path, fields[i].field, fields[i].other));
	for (size_t i = 0; i < N_FIELDS; i++)
		expect_field(path, fields[i].field, fields[i].as_written);
	worker_replace(&mount);
	for (size_t i = 0; i < N_FIELDS; i++)
		expect_field(path, fields[i].field, fields[i].as_written);
	for (size_t i = 0; i < N_FIELDS; i++)
		check(removexattr(path, own(fields[i].field)));
	for (size_t i = 0; i < N_FIELDS; i++)
		expect_field(path, fields[i].field, fields[i].by_default);
}

static void set_get_list_remove(void **unused)
{
	(void)unused;
	make_closed("file", PAGE);
	check(mkdir(at_mount("dir"), 0755));
	set_get_list_remove_of(at_mount("file"));
	set_get_list_remove_of(at_mount("dir"));
	/* nothing is stored for the default */
	check_error(ENODATA, getxattr(at_store("file"), "trusted.segfs.policy", NULL, 0));
	check_error(ENODATA, getxattr(at_store("dir"), "trusted.segfs.policy", NULL, 0));
	check(unlink(at_mount("file")));
	check(rmdir(at_mount("dir")));
}

/* By a descriptor too, also of a file without a name. */
static void by_descriptor(void **unused)
{
	_cleanup_close_ int fd = make("file", PAGE);
	char value[64] = "";

	(void)unused;
	check(fset(fd, "writers", "3"));
	expect_field(at_mount("file"), "writers", "3");
	check(unlink(at_mount("file")));
	check(fgetxattr(fd, OWN "writers", value, sizeof(value)));
	assert_string_equal(value, "3");
	check(fset(fd, "writers", "4"));
	check(fset(fd, "lifetime", "last-close"));
	memset(value, 0, sizeof(value));
	check(fgetxattr(fd, OWN "writers", value, sizeof(value)));
	assert_string_equal(value, "4");
}

static void bad_values_of(const char *path)
{
	static const struct {
		const char *field;
		const char *value;
	} bad[] = {
		{"lock", ""},	     {"lock", "yes"},	     {"lock", "Mandatory"}, {"writers", ""},
		{"writers", "-1"},   {"writers", "65536"},   {"writers", "1 "},	    {"commit", ""},
		{"commit", "true"},  {"commit", "1"},	     {"size-policy", ""},   {"size-policy", "4096"},
		{"lifetime", ""},    {"lifetime", "ttl:0"},  {"lifetime", "ttl:"},  {"lifetime", "ttl:3651d"},
		{"lifetime", "ttl"}, {"lifetime", "ttl:1w"}, {"lifetime", "owner "},
	};
	char large[65536];
	struct snapshot before = snapshot_of(path);

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		check_error(EINVAL, set(path, bad[i].field, bad[i].value));
		expect_unchanged(path, &before);
	}
	memset(large, '1', sizeof(large));
	for (size_t i = 0; i < N_FIELDS; i++) {
		const char *name = own(fields[i].field);

		check_error(EINVAL, setxattr(path, name, fields[i].other, strlen(fields[i].other) + 1, 0));
		check_error(EINVAL, setxattr(path, name, large, sizeof(large), 0));
		check_error(EINVAL, setxattr(path, name, NULL, 0, 0));
		expect_unchanged(path, &before);
	}
}

static void unknown_and_read_only_of(const char *path, bool is_file)
{
	static const char *const unknown[] = {OWN "colour", OWN "Lock", OWN "locks", OWN "loc", OWN "lock ", OWN "policy",
					      OWN "use", OWN};
	static const char *const read_only[] = {OWN "source", OWN "io-mode", OWN "attached"};
	struct snapshot before = snapshot_of(path);

	for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
		check_error(EOPNOTSUPP, setxattr(path, unknown[i], "1", 1, 0));
		check_error(EOPNOTSUPP, setxattr(path, unknown[i], "1", 1, XATTR_CREATE));
		check_error(ENODATA, getxattr(path, unknown[i], NULL, 0));
		check_error(ENODATA, removexattr(path, unknown[i]));
	}
	for (size_t i = 0; i < sizeof(read_only) / sizeof(read_only[0]); i++) {
		bool has = is_file || i == 0;

		check_error(has ? EPERM : EOPNOTSUPP, setxattr(path, read_only[i], "direct", 6, 0));
		check_error(has ? EPERM : ENODATA, removexattr(path, read_only[i]));
		assert_false(lists(path, read_only[i]));
		if (has)
			check(getxattr(path, read_only[i], NULL, 0));
		else
			check_error(ENODATA, getxattr(path, read_only[i], NULL, 0));
	}
	expect_unchanged(path, &before);
}

static void what_is_refused(void **unused)
{
	(void)unused;
	make_closed("file", PAGE);
	check(mkdir(at_mount("dir"), 0755));
	bad_values_of(at_mount("file"));
	bad_values_of(at_mount("dir"));
	unknown_and_read_only_of(at_mount("file"), true);
	unknown_and_read_only_of(at_mount("dir"), false);
	check(set(at_mount("file"), "writers", "2"));
	bad_values_of(at_mount("file"));
	unknown_and_read_only_of(at_mount("file"), true);
	/* what .segfs has is nobody's to govern */
	check_error(ENODATA, getxattr(at_mount(".segfs/status"), OWN "lock", NULL, 0));
	assert_true(set(at_mount(".segfs/status"), "lock", "mandatory") < 0);
	assert_false(lists(at_mount(".segfs/status"), OWN "lock"));
	assert_false(lists(at_mount(".segfs"), OWN "lifetime"));
	/* nor a link's: user attributes are for files and directories */
	check(symlink("file", at_mount("link")));
	assert_true(lsetxattr(at_mount("link"), OWN "writers", "1", 1, 0) < 0);
	check(setxattr(at_mount("link"), OWN "writers", "5", 1, 0));
	expect_field(at_mount("file"), "writers", "5");
	check(unlink(at_mount("link")));
	check(mkfifo(at_mount("fifo"), 0644));
	assert_true(set(at_mount("fifo"), "writers", "1") < 0);
	check(unlink(at_mount("fifo")));
	check(unlink(at_mount("file")));
	check(rmdir(at_mount("dir")));
}

/* --- who may ------------------------------------------------------------------------------------------------------ */

static int try_to_set(void *context)
{
	const char *path = context;

	for (size_t i = 0; i < N_FIELDS; i++) {
		if (set(path, fields[i].field, fields[i].other) == 0)
			return 1;
		if (errno != EPERM)
			return -errno;
		if (removexattr(path, own(fields[i].field)) == 0)
			return 2;
		if (errno != EPERM)
			return -errno;
	}
	return 0;
}

static int set_and_remove(void *context)
{
	const char *path = context;

	for (size_t i = 0; i < N_FIELDS; i++) {
		if (set(path, fields[i].field, fields[i].other) < 0)
			return -errno;
		if (removexattr(path, own(fields[i].field)) < 0)
			return -errno;
	}
	return 0;
}

/* A descriptor from the owner is no right to govern. */
static int set_by_descriptor(void *context)
{
	const int *fd = context;

	return fset(*fd, "lifetime", "last-close") == 0 ? 1 : errno == EPERM ? 0 : -errno;
}

static void owners_only(void **unused)
{
	static const char *const names[] = {"file", "dir"};
	int fd;

	(void)unused;
	make_closed("file", PAGE);
	check(mkdir(at_mount("dir"), 0755));
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const char *path = at_mount(names[i]);
		struct snapshot before;

		/* who may write, but is not the owner */
		check(chmod(path, 0777));
		before = snapshot_of(path);
		assert_int_equal(as_user(TEST_UID, TEST_GID, try_to_set, (void *)(uintptr_t)path), 0);
		expect_unchanged(path, &before);
		check(chown(path, TEST_UID, 0));
		assert_int_equal(as_user(TEST_UID, TEST_GID, set_and_remove, (void *)(uintptr_t)path), 0);
		assert_int_equal(as_user(TEST_UID + 1, TEST_GID, try_to_set, (void *)(uintptr_t)path), 0);
		/* root is everywhere */
		assert_int_equal(set_and_remove((void *)(uintptr_t)path), 0);
		expect_unchanged(path, &before);
	}
	fd = (int)check(open(at_mount("file"), O_RDWR | O_CLOEXEC));
	assert_int_equal(as_user(TEST_UID + 1, TEST_GID, set_by_descriptor, &fd), 0);
	close(fd);
	expect_field(at_mount("file"), "lifetime", "persistent");
	check(unlink(at_mount("file")));
	check(rmdir(at_mount("dir")));
}

static void small_buffers(void **unused)
{
	static const char *const names[] = {"lock", "writers", "commit", "size-policy", "lifetime",
					    "attached", "io-mode", "source"};
	char value[64];
	char list[4096];
	ssize_t length;

	(void)unused;
	make_closed("file", 0);
	check(set(at_mount("file"), "writers", "65535"));
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const char *name = own(names[i]);

		length = check(getxattr(at_mount("file"), name, NULL, 0));
		assert_true(length > 0);
		memset(value, '?', sizeof(value));
		assert_int_equal(check(getxattr(at_mount("file"), name, value, (size_t)length)), length);
		assert_int_equal(value[length], '?');
		if (length > 1)
			check_error(ERANGE, getxattr(at_mount("file"), name, value, (size_t)length - 1));
	}
	length = check(listxattr(at_mount("file"), NULL, 0));
	assert_int_equal(check(listxattr(at_mount("file"), list, (size_t)length)), length);
	check_error(ERANGE, listxattr(at_mount("file"), list, (size_t)length - 1));
	check_error(ERANGE, listxattr(at_mount("file"), list, 1));
	check(unlink(at_mount("file")));
}

static void what_is_stored_is_private(void **unused)
{
	static const char *const names[] = {"trusted.segfs.policy", "trusted.segfs.use", "trusted.segfs.other"};
	char list[4096];
	ssize_t length;

	(void)unused;
	make_closed("file", 0);
	check(set(at_mount("file"), "writers", "1"));
	check(set(at_mount("file"), "lifetime", "ttl:1d"));
	check(close((int)check(open(at_mount("file"), O_RDWR | O_CLOEXEC))));
	check(setxattr(at_mount("file"), "trusted.mine", "1", 1, 0));
	assert_true(check(getxattr(at_store("file"), "trusted.segfs.policy", NULL, 0)) > 0);
	assert_true(wait_for(getxattr(at_store("file"), "trusted.segfs.use", NULL, 0) > 0));
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		check_error(ENODATA, getxattr(at_mount("file"), names[i], list, sizeof(list)));
		check_error(EPERM, setxattr(at_mount("file"), names[i], "writers=2", 9, 0));
		check_error(EPERM, removexattr(at_mount("file"), names[i]));
		assert_false(lists(at_mount("file"), names[i]));
	}
	length = check(listxattr(at_mount("file"), list, sizeof(list)));
	assert_null(memmem(list, (size_t)length, "trusted.segfs", 13));
	assert_true(lists(at_mount("file"), "trusted.mine"));
	expect_field(at_mount("file"), "writers", "1");
	check(unlink(at_mount("file")));
}

/* --- defaults of directories ------------------------------------------------------------------------------------- */

static void expect_inherited(const char *path)
{
	expect_field(path, "lock", "mandatory");
	expect_field(path, "writers", "3");
	expect_field(path, "commit", "yes");
	expect_field(path, "size-policy", "fixed");
	expect_field(path, "lifetime", "ttl:1h");
}

static void inherited(void **unused)
{
	_cleanup_close_ int fd = -1;

	(void)unused;
	check(mkdir(at_mount("dir"), 0755));
	make_closed("dir/before", 0);
	check(set(at_mount("dir"), "lock", "mandatory"));
	check(set(at_mount("dir"), "writers", "3"));
	check(set(at_mount("dir"), "commit", "yes"));
	check(set(at_mount("dir"), "size-policy", "fixed"));
	check(set(at_mount("dir"), "lifetime", "ttl:1h"));
	for (int worker = 0; worker < 2; worker++) {
		/* what was there is as it was */
		expect_field(at_mount("dir/before"), "lock", "advisory");
		expect_field(at_mount("dir/before"), "lifetime", "persistent");
		make_closed("dir/open", 0);
		expect_inherited(at_mount("dir/open"));
		fd = (int)check(open(at_mount("dir/read-only"), O_RDONLY | O_CREAT | O_CLOEXEC, 0400));
		expect_inherited(at_mount("dir/read-only"));
		cleanup_close(&fd);
		fd = -1;
		check(mknod(at_mount("dir/mknod"), S_IFREG | 0600, 0));
		expect_inherited(at_mount("dir/mknod"));
		check(mkdir(at_mount("dir/sub"), 0755));
		expect_inherited(at_mount("dir/sub"));
		make_closed("dir/sub/open", 0);
		expect_inherited(at_mount("dir/sub/open"));
		fd = (int)check(open(at_mount("dir"), O_RDWR | O_TMPFILE | O_CLOEXEC, 0600));
		check(linkat(AT_FDCWD, path_of("/proc/self/fd/%d", fd), AT_FDCWD, at_mount("dir/tmpfile"), AT_SYMLINK_FOLLOW));
		expect_inherited(at_mount("dir/tmpfile"));
		cleanup_close(&fd);
		fd = -1;
		/* a link and a move bring their own */
		check(link(at_mount("dir/before"), at_mount("dir/linked")));
		expect_field(at_mount("dir/linked"), "lock", "advisory");
		make_closed("outside", 0);
		check(rename(at_mount("outside"), at_mount("dir/moved")));
		expect_field(at_mount("dir/moved"), "writers", "0");
		check(mkfifo(at_mount("dir/fifo"), 0600));
		check(symlink("open", at_mount("dir/symlink")));
		check_error(ENODATA, getxattr(at_store("dir/fifo"), "trusted.segfs.policy", NULL, 0));
		/* the first is the only one that a directory's policy has no word in: it is not the directory's own */
		expect_inherited(at_mount("dir"));
		for (const char *const *name = (const char *const[]){"open", "read-only", "mknod", "sub/open", "tmpfile", "linked",
								      "moved", "fifo", "symlink", NULL};
		     *name; name++)
			check(unlink(path_of("%s/dir/%s", mount.path, *name)));
		check(rmdir(at_mount("dir/sub")));
		worker_replace(&mount);
	}
	for (size_t i = 0; i < N_FIELDS; i++)
		check(removexattr(at_mount("dir"), own(fields[i].field)));
	make_closed("dir/after", 0);
	expect_field(at_mount("dir/after"), "lock", "advisory");
	expect_field(at_mount("dir/after"), "lifetime", "persistent");
	check(unlink(at_mount("dir/after")));
	check(unlink(at_mount("dir/before")));
	check(rmdir(at_mount("dir")));
}

static const struct {
	uint32_t version;
	struct {
		uint16_t tag, permissions;
		uint32_t id;
	} entries[5];
} default_acl = {2, {{1, 7, -1U}, {2, 6, 4321}, {4, 5, -1U}, {16, 7, -1U}, {32, 1, -1U}}};

struct making {
	const char *dir;
	mode_t umask;
	mode_t mode;
};

/* The same in a directory with a policy as in one without: 'o' open, 'n' mknod, 'd' mkdir, 't' O_TMPFILE and link. */
static int make_each(void *context)
{
	const struct making *making = context;
	int fd;

	umask(making->umask);
	if (chdir(making->dir) < 0)
		return -errno;
	fd = open("o", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, making->mode);
	if (fd < 0 || close(fd) < 0)
		return -errno;
	if (mknod("n", S_IFREG | making->mode, 0) < 0 || mkdir("d", making->mode) < 0)
		return -errno;
	fd = open(".", O_RDWR | O_TMPFILE | O_CLOEXEC, making->mode);
	if (fd < 0)
		return -errno;
	if (linkat(AT_FDCWD, path_of("/proc/self/fd/%d", fd), AT_FDCWD, "t", AT_SYMLINK_FOLLOW) < 0)
		return -errno;
	return close(fd) < 0 ? -errno : 0;
}

static void expect_same_rights(const char *left, const char *right)
{
	static const char *const acls[] = {"system.posix_acl_access", "system.posix_acl_default"};
	struct stat plain;
	struct stat governed;
	char plain_acl[256];
	char governed_acl[256];

	check(lstat(left, &plain));
	check(lstat(right, &governed));
	assert_int_equal(governed.st_mode, plain.st_mode);
	assert_int_equal(governed.st_uid, plain.st_uid);
	assert_int_equal(governed.st_gid, plain.st_gid);
	assert_int_equal(governed.st_nlink, plain.st_nlink);
	for (size_t i = 0; i < sizeof(acls) / sizeof(acls[0]); i++) {
		ssize_t length = getxattr(left, acls[i], plain_acl, sizeof(plain_acl));

		assert_int_equal(getxattr(right, acls[i], governed_acl, sizeof(governed_acl)), length);
		if (length > 0)
			assert_memory_equal(governed_acl, plain_acl, (size_t)length);
	}
}

static void prepare_place(const char *path, int kind)
{
	check(mkdir(path, 0777));
	check(chmod(path, 0777));
	if (kind == 1) {
		check(chown(path, 0, 777));
		check(chmod(path, 02777));
	}
	if (kind == 2)
		check(setxattr(path, "system.posix_acl_default", &default_acl, sizeof(default_acl), 0));
}

static void rights_of_what_is_made(void **unused)
{
	static const mode_t masks[] = {0, 022, 077, 0777};
	static const mode_t modes[] = {0666, 0640, 0444, 0000, 02755, 06777};
	static const char *const made[] = {"o", "n", "d", "t"};

	(void)unused;
	for (int kind = 0; kind < 3; kind++) {
		prepare_place(at_mount("plain"), kind);
		prepare_place(at_mount("governed"), kind);
		check(set(at_mount("governed"), "writers", "9"));
		for (size_t round = 0; round < 2 * sizeof(modes) / sizeof(modes[0]) * sizeof(masks) / sizeof(masks[0]); round++) {
			struct making making = {
				.dir = at_mount("plain"),
				.umask = masks[round / 2 % (sizeof(masks) / sizeof(masks[0]))],
				.mode = modes[round / 2 / (sizeof(masks) / sizeof(masks[0]))],
			};
			uid_t uid = round % 2 ? TEST_UID : 0;

			assert_int_equal(as_user(uid, uid ? TEST_GID : 0, make_each, &making), 0);
			making.dir = at_mount("governed");
			assert_int_equal(as_user(uid, uid ? TEST_GID : 0, make_each, &making), 0);
			for (size_t i = 0; i < sizeof(made) / sizeof(made[0]); i++) {
				const char *plain = path_of("%s/plain/%s", mount.path, made[i]);
				const char *governed = path_of("%s/governed/%s", mount.path, made[i]);

				expect_same_rights(plain, governed);
				expect_field(governed, "writers", "9");
				check(*made[i] == 'd' ? rmdir(plain) : unlink(plain));
				check(*made[i] == 'd' ? rmdir(governed) : unlink(governed));
			}
		}
		check(rmdir(at_mount("plain")));
		check(rmdir(at_mount("governed")));
	}
}

/* --- kept -------------------------------------------------------------------------------------------------------- */

static void start_again(void)
{
	assert_int_equal(mount_stop_keep(&mount), 0);
	assert_int_equal(mount_start(&mount, &spec), 0);
}

static void kept_in(const char *dir)
{
	char file[PATH_MAX];
	char made[PATH_MAX];
	int fd;

	snprintf(file, sizeof(file), "%s", path_of("%s/%s/file", mount.path, dir));
	snprintf(made, sizeof(made), "%s", path_of("%s/%s/made", mount.path, dir));

	fd = (int)check(open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0644));
	check(ftruncate(fd, PAGE));
	close(fd);
	close_all_but(0);
	for (size_t i = 0; i < N_FIELDS; i++) {
		check(set(file, fields[i].field, fields[i].other));
		check(set(at_mount(dir), fields[i].field, fields[i].other));
	}
	for (int round = 0; round < 3; round++) {
		if (round == 1)
			worker_replace(&mount);
		if (round == 2)
			start_again();
		/* in force before anybody has looked at it */
		check_error(EPERM, truncate(file, 1));
		for (size_t i = 0; i < N_FIELDS; i++) {
			expect_field(file, fields[i].field, fields[i].as_written);
			expect_field(at_mount(dir), fields[i].field, fields[i].as_written);
		}
		check(mknod(made, S_IFREG | 0600, 0));
		for (size_t i = 0; i < N_FIELDS; i++)
			expect_field(made, fields[i].field, fields[i].as_written);
		check(unlink(made));
	}
	for (size_t i = 0; i < N_FIELDS; i++)
		check(removexattr(at_mount(dir), own(fields[i].field)));
	check(unlink(file));
}

static void kept_over_restarts(void **unused)
{
	(void)unused;
	check(mkdir(at_mount("dir"), 0755));
	kept_in("dir");
	check(rmdir(at_mount("dir")));
	if (disk_directory())
		kept_in("disk");
}

/* --- writers ----------------------------------------------------------------------------------------------------- */

static const int writing_flags[] = {O_WRONLY, O_RDWR, O_RDWR | O_APPEND, O_WRONLY | O_TRUNC, O_RDWR | O_CREAT};

static void expect_no_place(const char *path)
{
	for (size_t i = 0; i < sizeof(writing_flags) / sizeof(writing_flags[0]); i++)
		check_error(EBUSY, open(path, writing_flags[i] | O_CLOEXEC, 0600));
}

static void one_writer(void **unused)
{
	char byte = 'w';
	int readers[3];
	int fd = make("file", PAGE);

	(void)unused;
	assert_int_equal(check(pwrite(fd, &byte, 1, 0)), 1);
	/* it is the one already */
	check(fset(fd, "writers", "1"));
	expect_no_place(at_mount("file"));
	/* an O_TRUNC that is refused has not happened */
	assert_int_equal(size_of("file"), PAGE);
	for (size_t i = 0; i < 3; i++)
		readers[i] = (int)check(open(at_mount("file"), O_RDONLY | O_CLOEXEC));
	expect_no_place(at_mount("file"));
	/* what needs no open for writing is no writer */
	check(truncate(at_mount("file"), (off_t)PAGE * 2));
	check(chmod(at_mount("file"), 0600));
	close(fd);
	close_all_but(3);
	for (size_t i = 0; i < sizeof(writing_flags) / sizeof(writing_flags[0]); i++) {
		fd = open_soon(at_mount("file"), writing_flags[i]);
		expect_no_place(at_mount("file"));
		close(fd);
	}
	/* readers are no writers, however many there are */
	for (size_t i = 0; i < 3; i++)
		close(readers[i]);
	fd = open_soon(at_mount("file"), O_RDWR);
	check(close((int)check(open(at_mount("file"), O_RDONLY | O_CLOEXEC))));
	expect_no_place(at_mount("file"));
	check(fset(fd, "writers", "0"));
	check(close((int)check(open(at_mount("file"), O_RDWR | O_CLOEXEC))));
	close(fd);
	check(unlink(at_mount("file")));
}

static void a_view_is_a_writer(void **unused)
{
	struct holder holder;
	void *view;
	int fd;

	(void)unused;
	make_closed("file", PAGE);
	check(set(at_mount("file"), "writers", "1"));
	/* this process's, by munmap */
	fd = (int)check(open(at_mount("file"), O_RDWR | O_CLOEXEC));
	view = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(view, MAP_FAILED);
	close(fd);
	expect_no_place(at_mount("file"));
	worker_replace(&mount);
	expect_no_place(at_mount("file"));
	munmap(view, PAGE);
	check(close(open_soon(at_mount("file"), O_RDWR)));
	/* another one's, by munmap, exit and SIGKILL */
	for (int way = 0; way < 3; way++) {
		close_all_but(0);
		holder = hold_start(at_mount("file"), O_RDWR);
		assert_int_equal(holder.error, 0);
		hold_command(&holder, 'c');
		expect_no_place(at_mount("file"));
		if (way == 0) {
			hold_command(&holder, 'u');
			check(close(open_soon(at_mount("file"), O_RDWR)));
		}
		hold_end(&holder, way == 2 ? SIGKILL : 0);
		check(close(open_soon(at_mount("file"), O_RDWR)));
	}
	/* of an open for reading only: a view that can't become one to write is none */
	holder = hold_start(at_mount("file"), O_RDONLY);
	check(close(open_soon(at_mount("file"), O_RDWR)));
	hold_end(&holder, 0);
	check(unlink(at_mount("file")));
}

static void two_writers(void **unused)
{
	struct holder holders[2];
	int fd;

	(void)unused;
	make_closed("file", PAGE);
	check(set(at_mount("file"), "writers", "2"));
	holders[0] = hold_start(at_mount("file"), O_RDWR);
	holders[1] = hold_start(at_mount("file"), O_WRONLY);
	assert_int_equal(holders[0].error, 0);
	assert_int_equal(holders[1].error, 0);
	expect_no_place(at_mount("file"));
	/* nothing below what is there, and nothing changes */
	check_error(EBUSY, set(at_mount("file"), "writers", "1"));
	expect_field(at_mount("file"), "writers", "2");
	expect_no_place(at_mount("file"));
	check(set(at_mount("file"), "writers", "3"));
	fd = (int)check(open(at_mount("file"), O_RDWR | O_CLOEXEC));
	expect_no_place(at_mount("file"));
	check_error(EBUSY, set(at_mount("file"), "writers", "2"));
	worker_replace(&mount);
	expect_no_place(at_mount("file"));
	check_error(EBUSY, set(at_mount("file"), "writers", "2"));
	close(fd);
	assert_true(wait_for(set(at_mount("file"), "writers", "2") == 0 || errno != EBUSY));
	expect_no_place(at_mount("file"));
	hold_end(&holders[1], SIGKILL);
	check(close(open_soon(at_mount("file"), O_RDWR)));
	hold_end(&holders[0], 0);
	check(unlink(at_mount("file")));
}

static void copies_of_one_open(void **unused)
{
	int sockets[2];
	char byte;
	int status;
	pid_t child;
	int fd;
	int copy;

	(void)unused;
	make_closed("file", PAGE);
	check(set(at_mount("file"), "writers", "1"));
	/* dup: one writer, for as long as one is left */
	fd = (int)check(open(at_mount("file"), O_RDWR | O_CLOEXEC));
	copy = (int)check(fcntl(fd, F_DUPFD_CLOEXEC, 0));
	close(fd);
	expect_no_place(at_mount("file"));
	/* fork */
	check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets));
	fflush(NULL);
	child = (pid_t)check(fork());
	if (child == 0) {
		close(sockets[0]);
		_exit(read(sockets[1], &byte, 1) == 0 ? 0 : 1);
	}
	close(sockets[1]);
	close(copy);
	expect_no_place(at_mount("file"));
	worker_replace(&mount);
	expect_no_place(at_mount("file"));
	close(sockets[0]);
	check(waitpid(child, &status, 0));
	assert_int_equal(status, 0);
	/* in flight, where no process has it */
	fd = open_soon(at_mount("file"), O_RDWR);
	check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets));
	send_fd(sockets[0], fd);
	close(fd);
	expect_no_place(at_mount("file"));
	worker_replace(&mount);
	expect_no_place(at_mount("file"));
	/* with the last end of the socket goes what nobody has taken */
	close(sockets[0]);
	close(sockets[1]);
	check(close(open_soon(at_mount("file"), O_RDWR)));
	check(unlink(at_mount("file")));
}

static struct race {
	atomic_int inside;
	atomic_int most;
	atomic_ulong taken;
	char path[PATH_MAX];
} *race;

static void compete(struct job *job, void *context)
{
	(void)context;
	while (!atomic_load(&job->stop)) {
		int fd = open(race->path, O_RDWR | O_CLOEXEC);
		int inside;

		job_must(job, fd >= 0 || errno == EBUSY);
		if (fd < 0)
			continue;
		inside = atomic_fetch_add(&race->inside, 1) + 1;
		if (inside > atomic_load(&race->most))
			atomic_store(&race->most, inside);
		atomic_fetch_add(&race->taken, 1);
		atomic_fetch_add(&job->steps, 1);
		atomic_fetch_sub(&race->inside, 1);
		close(fd);
	}
}

static void a_race_for_the_last_place(void **unused)
{
	(void)unused;
	make_closed("file", PAGE);
	for (int writers = 1; writers <= 2; writers++) {
		struct job *jobs[3] = {NULL};
		const int n = writers + 1;
		bool went_on = true;

		race = mmap(NULL, sizeof(*race), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
		assert_ptr_not_equal(race, MAP_FAILED);
		snprintf(race->path, sizeof(race->path), "%s", at_mount("file"));
		close_all_but(0);
		check(set(at_mount("file"), "writers", path_of("%d", writers)));
		for (int i = 0; i < n; i++)
			jobs[i] = job_start(compete, NULL);
		went_on = wait_for(atomic_load(&race->taken) >= (writers == 1 ? RACE_ROUNDS : RACE_ROUNDS_OF_MORE));
		/* all of them get it now and then */
		for (int i = 0; i < n; i++)
			went_on = went_on && wait_for(atomic_load(&jobs[i]->steps) > 0);
		for (int i = 0; i < n; i++)
			assert_int_equal(job_end(&jobs[i]), 0);
		assert_true(went_on);
		assert_in_range(atomic_load(&race->most), 1, writers);
		munmap(race, sizeof(*race));
	}
	check(unlink(at_mount("file")));
}

/* A worker that dies in the middle of it neither loses a writer nor counts one twice. */
static void a_race_and_dying_workers(void **unused)
{
	struct job *jobs[2];
	bool went_on = true;

	(void)unused;
	race = mmap(NULL, sizeof(*race), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(race, MAP_FAILED);
	snprintf(race->path, sizeof(race->path), "%s", at_mount("file"));
	make_closed("file", PAGE);
	check(set(at_mount("file"), "writers", "1"));
	for (int i = 0; i < 2; i++)
		jobs[i] = job_start(compete, NULL);
	for (int i = 0; i < 10 && went_on; i++) {
		unsigned long taken = atomic_load(&race->taken);

		went_on = wait_for(atomic_load(&race->taken) >= taken + 20);
		worker_replace(&mount);
	}
	for (int i = 0; i < 2; i++)
		assert_int_equal(job_end(&jobs[i]), 0);
	assert_true(went_on);
	assert_int_equal(atomic_load(&race->most), 1);
	munmap(race, sizeof(*race));
	check(close(open_soon(at_mount("file"), O_RDWR)));
	check(unlink(at_mount("file")));
}

/* --- commit ------------------------------------------------------------------------------------------------------ */

static void commit_allocates(void **unused)
{
	char byte = 'x';
	off_t from = 0;
	off_t to = 6 * (off_t)MEGA;
	int source;
	int fd;

	(void)unused;
	make_closed("file", MEGA);
	assert_true(allocated("file") < MEGA);
	check(set(at_mount("file"), "commit", "yes"));
	assert_int_equal(size_of("file"), MEGA);
	assert_true(allocated("file") >= MEGA);
	/* by path and by descriptor */
	check(truncate(at_mount("file"), 2 * (off_t)MEGA));
	assert_true(allocated("file") >= 2 * MEGA);
	fd = (int)check(open(at_mount("file"), O_RDWR | O_CLOEXEC));
	check(ftruncate(fd, 3 * (off_t)MEGA));
	assert_true(allocated("file") >= 3 * MEGA);
	/* over a gap */
	assert_int_equal(check(pwrite(fd, &byte, 1, 4 * (off_t)MEGA)), 1);
	assert_int_equal(size_of("file"), 4 * MEGA + 1);
	assert_true(allocated("file") >= 4 * MEGA + 1);
	check(fallocate(fd, 0, 5 * (off_t)MEGA - 1, 1));
	assert_int_equal(size_of("file"), 5 * MEGA);
	assert_true(allocated("file") >= 5 * MEGA);
	source = make("source", PAGE);
	assert_int_equal(check(copy_file_range(source, &from, fd, &to, PAGE, 0)), PAGE);
	assert_int_equal(size_of("file"), 6 * MEGA + PAGE);
	assert_true(allocated("file") >= 6 * MEGA + PAGE);
	/* smaller, and the memory goes; larger, and it comes */
	check(ftruncate(fd, PAGE));
	assert_true(allocated("file") < MEGA);
	check(ftruncate(fd, MEGA));
	assert_true(allocated("file") >= MEGA);
	check(close((int)check(open(at_mount("file"), O_WRONLY | O_TRUNC | O_CLOEXEC))));
	assert_int_equal(size_of("file"), 0);
	assert_int_equal(check(pwrite(fd, &byte, 1, MEGA)), 1);
	assert_true(allocated("file") >= MEGA + 1);
	check_error(EOPNOTSUPP, fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, PAGE));
	assert_true(allocated("file") >= MEGA + 1);
	close(fd);
	close(source);
	check(unlink(at_mount("file")));
	check(unlink(at_mount("source")));
}

/* What changes nothing but memory does not change the size. */
static void a_copy_of_nothing(void **unused)
{
	off_t from = PAGE;
	off_t to = MEGA;
	_cleanup_close_ int source = make("source", PAGE);
	_cleanup_close_ int fd = -1;

	(void)unused;
	make_closed("file", PAGE);
	check(set(at_mount("file"), "commit", "yes"));
	fd = (int)check(open(at_mount("file"), O_RDWR | O_CLOEXEC));
	assert_int_equal(check(copy_file_range(source, &from, fd, &to, PAGE, 0)), 0);
	assert_int_equal(size_of("file"), PAGE);
	check(unlink(at_mount("file")));
	check(unlink(at_mount("source")));
}

static long long free_in_small(void)
{
	struct statvfs found;

	check(statvfs(at_store("small"), &found));
	return (long long)found.f_bfree * (long long)found.f_frsize;
}

static void expect_content(const char *name, off_t size)
{
	char found[8] = "";
	_cleanup_close_ int fd = (int)check(open(at_mount(name), O_RDONLY | O_CLOEXEC));
	struct stat stat_;

	check(fstat(fd, &stat_));
	assert_int_equal(stat_.st_size, size);
	assert_int_equal(size_of(name), size);
	assert_int_equal(check(pread(fd, found, 7, 0)), 7);
	assert_string_equal(found, "content");
}

static void no_space_at_once(void **unused)
{
	static char bytes[MEGA];
	long long room;
	off_t from = 0;
	off_t to;
	int source;
	int fd;

	(void)unused;
	make_closed("small/file", PAGE);
	check(set(at_mount("small/file"), "commit", "yes"));
	fd = (int)check(open(at_mount("small/file"), O_RDWR | O_CLOEXEC));
	assert_int_equal(check(pwrite(fd, "content", 7, 0)), 7);
	source = make("source", MEGA);
	check_error(ENOSPC, ftruncate(fd, 2 * (off_t)SMALL_STORE));
	expect_content("small/file", PAGE);
	check_error(ENOSPC, truncate(at_mount("small/file"), 2 * (off_t)SMALL_STORE));
	expect_content("small/file", PAGE);
	check_error(ENOSPC, pwrite(fd, bytes, 1, 2 * (off_t)SMALL_STORE));
	expect_content("small/file", PAGE);
	check_error(ENOSPC, fallocate(fd, 0, 0, 2 * (off_t)SMALL_STORE));
	expect_content("small/file", PAGE);
	to = 2 * (off_t)SMALL_STORE;
	check_error(ENOSPC, copy_file_range(source, &from, fd, &to, PAGE, 0));
	expect_content("small/file", PAGE);
	room = free_in_small();
	assert_true(room > 3 * MEGA);
	/* room for the gap, and none for what is to be written behind it */
	check_error(ENOSPC, pwrite(fd, bytes, sizeof(bytes), PAGE + room));
	expect_content("small/file", PAGE);
	from = 0;
	to = PAGE + room;
	check_error(ENOSPC, copy_file_range(source, &from, fd, &to, PAGE, 0));
	expect_content("small/file", PAGE);
	check(ftruncate(fd, PAGE));
	assert_int_equal(free_in_small(), room);
	/* all of it */
	check(ftruncate(fd, PAGE + room));
	expect_content("small/file", PAGE + room);
	assert_int_equal(free_in_small(), 0);
	check_error(ENOSPC, ftruncate(fd, PAGE + room + 1 + PAGE));
	expect_content("small/file", PAGE + room);
	close(fd);
	close(source);
	check(unlink(at_mount("small/file")));
	check(unlink(at_mount("source")));
	assert_true(wait_for(free_in_small() >= SMALL_STORE - 2 * PAGE));
}

static void no_space_for_what_is_there(void **unused)
{
	struct snapshot before;

	(void)unused;
	make_closed("small/file", 2 * (off_t)SMALL_STORE);
	before = snapshot_of(at_mount("small/file"));
	check_error(ENOSPC, set(at_mount("small/file"), "commit", "yes"));
	expect_unchanged(at_mount("small/file"), &before);
	assert_int_equal(size_of("small/file"), 2 * SMALL_STORE);
	assert_true(free_in_small() > 3 * MEGA);
	/* opens are as they were before */
	check(close((int)check(open(at_mount("small/file"), O_RDWR | O_CLOEXEC))));
	expect_field(at_mount("small/file"), "io-mode", mode);
	check(unlink(at_mount("small/file")));
}

/* 0 = every page could be written. */
static int fill_view(const char *path, size_t size)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);
	char *view = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (fd < 0 || view == MAP_FAILED)
		return 1;
	for (size_t at = 0; at < size; at += PAGE)
		view[at] = 'v';
	return msync(view, size, MS_SYNC) < 0 ? 2 : 0;
}

static void views_of_what_is_committed(void **unused)
{
	static char bytes[PAGE];
	int status;
	pid_t child;
	int other;

	(void)unused;
	make_closed("small/file", 0);
	check(set(at_mount("small/file"), "commit", "yes"));
	check(truncate(at_mount("small/file"), 2 * (off_t)MEGA));
	/* somebody else takes all the rest */
	other = make("small/other", 0);
	while (write(other, bytes, sizeof(bytes)) == sizeof(bytes))
		;
	assert_int_equal(errno, ENOSPC);
	assert_int_equal(free_in_small(), 0);
	fflush(NULL);
	child = (pid_t)check(fork());
	if (child == 0)
		_exit(fill_view(at_mount("small/file"), 2 * (size_t)MEGA));
	check(waitpid(child, &status, 0));
	assert_int_equal(status, 0);
	close(other);
	check(unlink(at_mount("small/file")));
	check(unlink(at_mount("small/other")));
}

/* --- a size that is fixed ---------------------------------------------------------------------------------------- */

static volatile sig_atomic_t size_signals;

static void count_signal(int number)
{
	(void)number;
	size_signals++;
}

static void expect_fixed(const char *name, off_t size)
{
	static char bytes[4 * PAGE];
	char path[PATH_MAX];
	_cleanup_close_ int fd = (int)check(open(at_mount(name), O_RDWR | O_CLOEXEC));
	_cleanup_close_ int append = (int)check(open(at_mount(name), O_WRONLY | O_APPEND | O_CLOEXEC));
	_cleanup_close_ int source = make("source", 4 * (off_t)PAGE);
	off_t from = 0;
	off_t to;

	snprintf(path, sizeof(path), "%s", at_mount(name));
	check_error(EPERM, ftruncate(fd, size - 1));
	check_error(EPERM, ftruncate(fd, size + 1));
	check_error(EPERM, ftruncate(fd, 0));
	check_error(EPERM, truncate(path, 0));
	check_error(EPERM, truncate(path, size * 2));
	check(ftruncate(fd, size));
	check(truncate(path, size));
	check_error(EPERM, open(path, O_WRONLY | O_TRUNC | O_CLOEXEC));
	check_error(EPERM, open(path, O_RDWR | O_TRUNC | O_CLOEXEC));
	check_error(EPERM, open(path, O_RDONLY | O_TRUNC | O_CLOEXEC));
	check_error(EPERM, open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
	assert_int_equal(size_of(name), size);
	/* writes */
	check_error(EFBIG, pwrite(fd, bytes, 1, size));
	check_error(EFBIG, pwrite(fd, bytes, sizeof(bytes), size));
	check_error(EFBIG, pwrite(fd, bytes, 1, size + 10 * (off_t)MEGA));
	check_error(EFBIG, write(append, "x", 1));
	assert_int_equal(check(pwrite(fd, bytes, sizeof(bytes), size - 100)), 100);
	assert_int_equal(check(pwrite(fd, bytes, 1, size - 1)), 1);
	assert_int_equal(check(pwrite(fd, bytes, (size_t)size < sizeof(bytes) ? (size_t)size : sizeof(bytes), 0)),
			 (size_t)size < sizeof(bytes) ? (size_t)size : sizeof(bytes));
	assert_int_equal(check(pwrite(fd, bytes, 0, size + 1)), 0);
	/* write(2), which goes on where it was cut off */
	check(lseek(fd, size - 10, SEEK_SET));
	assert_int_equal(check(write(fd, bytes, 100)), 10);
	assert_int_equal(check(lseek(fd, 0, SEEK_CUR)), size);
	check_error(EFBIG, write(fd, bytes, 90));
	assert_int_equal(check(lseek(fd, 0, SEEK_CUR)), size);
	assert_int_equal(size_of(name), size);
	/* O_APPEND that comes and goes */
	check(lseek(fd, 0, SEEK_SET));
	check(fcntl(fd, F_SETFL, O_APPEND));
	check_error(EFBIG, write(fd, "x", 1));
	check(fcntl(fd, F_SETFL, 0));
	assert_int_equal(check(pwrite(append, "y", 0, 0)), 0);
	/* fallocate */
	check_error(EPERM, fallocate(fd, 0, 0, size + 1));
	check_error(EPERM, fallocate(fd, 0, size, 1));
	check(fallocate(fd, 0, 0, size));
	check(fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, size + PAGE));
	check(fallocate(fd, FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE, 0, PAGE));
	/* these the kernel keeps to itself */
	assert_true(fallocate(fd, FALLOC_FL_COLLAPSE_RANGE, 0, PAGE) < 0 && (errno == EPERM || errno == EOPNOTSUPP));
	assert_true(fallocate(fd, FALLOC_FL_INSERT_RANGE, 0, PAGE) < 0 && (errno == EPERM || errno == EOPNOTSUPP));
	assert_int_equal(size_of(name), size);
	/* copies */
	to = size - 100;
	assert_int_equal(check(copy_file_range(source, &from, fd, &to, PAGE, 0)), 100);
	assert_int_equal(to, size);
	check_error(EFBIG, copy_file_range(source, &from, fd, &to, PAGE, 0));
	to = size + PAGE;
	check_error(EFBIG, copy_file_range(source, &from, fd, &to, PAGE, 0));
	assert_int_equal(size_of(name), size);
	check(unlink(at_mount("source")));
}

static void a_fixed_size(void **unused)
{
	const struct sigaction counted = {.sa_handler = count_signal};
	struct sigaction before;
	int fd;

	(void)unused;
	check(sigaction(SIGXFSZ, &counted, &before));
	size_signals = 0;
	/* one that has a size */
	make_closed("file", 3 * PAGE + 500);
	check(set(at_mount("file"), "size-policy", "fixed"));
	expect_fixed("file", 3 * PAGE + 500);
	worker_replace(&mount);
	expect_fixed("file", 3 * PAGE + 500);
	check(unlink(at_mount("file")));
	/* one that gets it: by ftruncate, by truncate, by fallocate */
	for (int way = 0; way < 3; way++) {
		make_closed("file", 0);
		check(set(at_mount("file"), "size-policy", "fixed"));
		fd = (int)check(open(at_mount("file"), O_RDWR | O_TRUNC | O_CLOEXEC));
		check_error(EFBIG, pwrite(fd, "x", 1, 0));
		check_error(EFBIG, pwrite(fd, "x", 1, PAGE));
		check(ftruncate(fd, 0));
		check(close((int)check(open(at_mount("file"), O_RDWR | O_TRUNC | O_CLOEXEC))));
		check(way == 0 ? ftruncate(fd, 2 * PAGE) : way == 1 ? truncate(at_mount("file"), 2 * PAGE)
								     : fallocate(fd, 0, PAGE, PAGE));
		close(fd);
		expect_fixed("file", 2 * PAGE);
		check(unlink(at_mount("file")));
	}
	/* made so */
	check(mkdir(at_mount("dir"), 0755));
	check(set(at_mount("dir"), "size-policy", "fixed"));
	make_closed("dir/file", 5 * PAGE);
	expect_fixed("dir/file", 5 * PAGE);
	/* and free again */
	check(set(at_mount("dir/file"), "size-policy", "variable"));
	check(truncate(at_mount("dir/file"), 1));
	assert_int_equal(size_of("dir/file"), 1);
	check(unlink(at_mount("dir/file")));
	check(rmdir(at_mount("dir")));
	assert_int_equal(size_signals, 0);
	check(sigaction(SIGXFSZ, &before, NULL));
}

/* An open that is refused for what it would truncate has not been there. */
static void a_refused_open_is_none(void **unused)
{
	char value[64] = "";

	(void)unused;
	make_closed("file", PAGE);
	check(set(at_mount("file"), "size-policy", "fixed"));
	check(set(at_mount("file"), "writers", "1"));
	check(set(at_mount("file"), "lifetime", "last-close"));
	check_error(EPERM, open(at_mount("file"), O_WRONLY | O_TRUNC | O_CLOEXEC));
	/* the close of who made it is heard of a moment later */
	assert_true(wait_for(getxattr(at_mount("file"), OWN "attached", value, sizeof(value)) == 1 && *value == '0'));
	/* nothing reminds of it, neither now nor at the end of another segment */
	make_closed("ends", 0);
	check(set(at_mount("ends"), "lifetime", "last-close"));
	check(close((int)check(open(at_mount("ends"), O_RDONLY | O_CLOEXEC))));
	assert_true(wait_for(access(at_mount("ends"), F_OK) < 0));
	check(access(at_store("file"), F_OK));
	check_error(ENODATA, getxattr(at_store("file"), "trusted.segfs.use", NULL, 0));
	check(unlink(at_mount("file")));
}

/* --- switching --------------------------------------------------------------------------------------------------- */

static void expect_mode(int fd, const char *expected)
{
	char value[64] = "";

	check(fgetxattr(fd, OWN "io-mode", value, sizeof(value) - 1));
	assert_string_equal(value, expected);
}

/* The errno of setting a field in another process, 0 where it worked. */
static int set_elsewhere(const char *path, const char *field, const char *value)
{
	int status = 0;
	pid_t child;

	fflush(NULL);
	child = (pid_t)check(fork());
	if (child == 0)
		_exit(set(path, field, value) < 0 ? errno : 0);
	check(waitpid(child, &status, 0));
	return WIFEXITED(status) ? WEXITSTATUS(status) : EINTR;
}

/* Tools that restore a file set its attributes while they have it open. */
static void own_opens_are_not(void **unused)
{
	static const int flags[] = {O_RDONLY, O_WRONLY, O_RDWR};

	(void)unused;
	for (size_t how = 0; how < sizeof(flags) / sizeof(flags[0]); how++) {
		for (int new = 0; new < 2; new++) {
			int fd = new ? (int)check(open(at_mount("file"), flags[how] | O_CREAT | O_EXCL | O_CLOEXEC, 0600)) : -1;

			if (!new) {
				make_closed("file", PAGE);
				fd = (int)check(open(at_mount("file"), flags[how] | O_CLOEXEC));
			}
			assert_int_equal(set_elsewhere(at_mount("file"), "lock", "mandatory"), EBUSY);
			for (size_t i = 0; i < N_FIELDS; i++) {
				check(fset(fd, fields[i].field, fields[i].other));
				expect_field(at_mount("file"), fields[i].field, fields[i].as_written);
			}
			close(fd);
			close_all_but(0);
			fd = (int)check(open(at_mount("file"), O_RDONLY | O_CLOEXEC));
			expect_mode(fd, "mediated");
			close(fd);
			check(unlink(at_mount("file")));
		}
	}
}

/* The first open for writing gives a segment its size, however it does that. */
static void filled_while_fixed(void **unused)
{
	static const char bytes[] = "0123456789";
	int fd;

	(void)unused;
	for (int by_mknod = 0; by_mknod < 2; by_mknod++) {
		fd = -1;
		if (by_mknod)
			check(mknod(at_mount("file"), S_IFREG | 0600, 0));
		else
			fd = (int)check(open(at_mount("file"), O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0600));
		check(set(at_mount("file"), "size-policy", "fixed"));
		if (by_mknod)
			fd = (int)check(open(at_mount("file"), O_WRONLY | O_CLOEXEC));
		expect_mode(fd, "mediated");
		assert_int_equal(check(write(fd, bytes, 5)), 5);
		worker_replace(&mount);
		assert_int_equal(check(write(fd, bytes, 5)), 5);
		/* a size that is given stays */
		check(ftruncate(fd, 8));
		check(lseek(fd, 0, SEEK_END));
		check_error(EFBIG, write(fd, bytes, 1));
		check_error(EPERM, ftruncate(fd, 9));
		close(fd);
		check(unlink(at_mount("file")));
	}
	check(mkdir(at_mount("dir"), 0700));
	check(set(at_mount("dir"), "size-policy", "fixed"));
	fd = (int)check(open(at_mount("dir/file"), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
	assert_int_equal(check(write(fd, bytes, 10)), 10);
	close(fd);
	close_all_but(0);
	/* and so does one that was written */
	fd = (int)check(open(at_mount("dir/file"), O_WRONLY | O_APPEND | O_CLOEXEC));
	check_error(EFBIG, write(fd, bytes, 1));
	check_error(EPERM, ftruncate(fd, 11));
	close(fd);
	check(unlink(at_mount("dir/file")));
	check(rmdir(at_mount("dir")));
}

static void direct_opens_in_the_way(void **unused)
{
	static const char *const of_writers[][2] = {{"commit", "yes"}, {"size-policy", "fixed"}};
	struct snapshot before;
	int fd;

	(void)unused;
	make_closed("file", PAGE);
	before = snapshot_of(at_mount("file"));
	for (int reads_only = 0; reads_only < 2; reads_only++) {
		for (size_t i = 0; i < 2; i++) {
			fd = (int)check(open(at_mount("file"), (reads_only ? O_RDONLY : O_RDWR) | O_CLOEXEC));
			expect_mode(fd, "direct");
			if (!reads_only) {
				assert_int_equal(set_elsewhere(at_mount("file"), of_writers[i][0], of_writers[i][1]), EBUSY);
				expect_unchanged(at_mount("file"), &before);
				worker_replace(&mount);
				assert_int_equal(set_elsewhere(at_mount("file"), of_writers[i][0], of_writers[i][1]), EBUSY);
				/* nothing has changed for opens, either */
				expect_mode(fd, "direct");
				check(ftruncate(fd, 2 * PAGE));
				check(ftruncate(fd, PAGE));
			} else {
				check(set(at_mount("file"), of_writers[i][0], of_writers[i][1]));
				check(removexattr(at_mount("file"), own(of_writers[i][0])));
			}
			close(fd);
			close_all_but(0);
		}
		fd = (int)check(open(at_mount("file"), (reads_only ? O_RDONLY : O_RDWR) | O_CLOEXEC));
		assert_int_equal(set_elsewhere(at_mount("file"), "lock", "mandatory"), EBUSY);
		expect_unchanged(at_mount("file"), &before);
		expect_mode(fd, "direct");
		close(fd);
		close_all_but(0);
	}
	check(set(at_mount("file"), "lock", "mandatory"));
	/* a looser one is never refused */
	fd = (int)check(open(at_mount("file"), O_RDWR | O_CLOEXEC));
	expect_mode(fd, "mediated");
	check(set(at_mount("file"), "lock", "advisory"));
	check(set(at_mount("file"), "lock", "mandatory"));
	check(set(at_mount("file"), "lock", "advisory"));
	close(fd);
	close_all_but(0);
	fd = (int)check(open(at_mount("file"), O_RDWR | O_CLOEXEC));
	expect_mode(fd, "direct");
	close(fd);
	check(unlink(at_mount("file")));
}

static void mediated_opens_are_not(void **unused)
{
	char byte = 'x';
	int fd;
	int reader;

	(void)unused;
	make_closed("file", PAGE);
	/* in direct mode it is those that append */
	fd = (int)check(open(at_mount("file"), O_RDWR | O_APPEND | O_CLOEXEC));
	expect_mode(fd, "mediated");
	for (int round = 0; round < 2; round++) {
		for (size_t i = 0; i < N_FIELDS; i++) {
			check(set(at_mount("file"), fields[i].field, fields[i].other));
			expect_field(at_mount("file"), fields[i].field, fields[i].as_written);
		}
		/* what is open obeys as well */
		check_error(EFBIG, write(fd, &byte, 1));
		check_error(EPERM, ftruncate(fd, 0));
		reader = (int)check(open(at_mount("file"), O_RDONLY | O_CLOEXEC));
		expect_mode(reader, "mediated");
		close(reader);
		for (size_t i = 0; i < N_FIELDS; i++)
			check(removexattr(at_mount("file"), own(fields[i].field)));
		assert_int_equal(check(write(fd, &byte, 1)), 1);
		worker_replace(&mount);
	}
	close(fd);
	check(unlink(at_mount("file")));
}

static void relayed_opens_in_the_way(void **unused)
{
	_cleanup_close_ int fd = make("file", PAGE);

	(void)unused;
	expect_mode(fd, "relayed");
	assert_int_equal(set_elsewhere(at_mount("file"), "lock", "mandatory"), EBUSY);
	expect_field(at_mount("file"), "lock", "advisory");
	/* the daemon sees what is written */
	check(fset(fd, "commit", "yes"));
	check(fset(fd, "size-policy", "fixed"));
	check_error(EFBIG, pwrite(fd, "x", 1, PAGE));
	check_error(EPERM, ftruncate(fd, 0));
	close(fd);
	fd = -1;
	close_all_but(0);
	check(set(at_mount("file"), "lock", "mandatory"));
	fd = (int)check(open(at_mount("file"), O_RDWR | O_CLOEXEC));
	expect_mode(fd, "mediated");
	check(unlink(at_mount("file")));
}

/* --- attached ---------------------------------------------------------------------------------------------------- */

static bool is_attached(const char *path, const char *expected)
{
	char value[64] = "";

	check(getxattr(path, OWN "attached", value, sizeof(value) - 1));
	return strcmp(value, expected) == 0;
}

static void attached(void **unused)
{
	struct holder holders[2];
	int copy;
	int fd;

	(void)unused;
	make_closed("file", PAGE);
	assert_true(is_attached(at_mount("file"), "0"));
	holders[0] = hold_start(at_mount("file"), O_RDWR);
	assert_true(is_attached(at_mount("file"), "1"));
	holders[1] = hold_start(at_mount("file"), O_RDONLY);
	assert_true(is_attached(at_mount("file"), "2"));
	fd = (int)check(open(at_mount("file"), O_RDONLY | O_CLOEXEC));
	copy = (int)check(dup(fd));
	assert_true(is_attached(at_mount("file"), "3"));
	/* neither a path nor a look is one */
	close((int)check(open(at_mount("file"), O_PATH | O_CLOEXEC)));
	check(truncate(at_mount("file"), PAGE));
	assert_true(is_attached(at_mount("file"), "3"));
	worker_replace(&mount);
	assert_true(is_attached(at_mount("file"), "3"));
	close(fd);
	assert_true(is_attached(at_mount("file"), "3"));
	close(copy);
	assert_true(wait_for(is_attached(at_mount("file"), "2")));
	hold_end(&holders[0], 0);
	assert_true(wait_for(is_attached(at_mount("file"), "1")));
	hold_end(&holders[1], SIGKILL);
	assert_true(wait_for(is_attached(at_mount("file"), "0")));
	check(unlink(at_mount("file")));
}

static void a_view_is_attached(void **unused)
{
	struct holder holders[2];

	(void)unused;
	make_closed("file", PAGE);
	holders[0] = hold_start(at_mount("file"), O_RDWR);
	holders[1] = hold_start(at_mount("file"), O_RDONLY);
	hold_command(&holders[0], 'c');
	hold_command(&holders[1], 'c');
	assert_true(is_attached(at_mount("file"), "2"));
	worker_replace(&mount);
	assert_true(is_attached(at_mount("file"), "2"));
	hold_command(&holders[1], 'u');
	assert_true(wait_for(is_attached(at_mount("file"), "1")));
	hold_end(&holders[0], SIGKILL);
	assert_true(wait_for(is_attached(at_mount("file"), "0")));
	hold_end(&holders[1], 0);
	check(unlink(at_mount("file")));
}

/* --- modes ------------------------------------------------------------------------------------------------------- */

static int start(const char *the_mode)
{
	const char *disk = disk_directory();
	const char *medium = path_of("%s/policy.medium", disk ? disk : test_directory());

	mode = the_mode;
	mkdir(medium, 0755);
	snprintf(options, sizeof(options), "io_mode=%s", mode);
	snprintf(config, sizeof(config), "[directory small]\nmedium = memory\nsize = 4M\nmode = 1777\n%s%s%s",
		 disk ? "[directory disk]\nmedium = " : "", disk ? medium : "", disk ? "\n" : "");
	spec = (struct mount_spec){.tag = mode, .options = options, .config = config};
	return mount_start(&mount, &spec);
}

static int stop(void **unused)
{
	(void)unused;
	return mount_stop(&mount);
}

#define CASE(function) cmocka_unit_test_teardown(function, verify)
#define COMMON                                                                                             \
	CASE(set_get_list_remove), CASE(by_descriptor), CASE(what_is_refused), CASE(owners_only),          \
		CASE(small_buffers), CASE(what_is_stored_is_private), CASE(inherited),                     \
		CASE(rights_of_what_is_made), CASE(kept_over_restarts), CASE(one_writer),                  \
		CASE(two_writers), CASE(copies_of_one_open), CASE(a_race_for_the_last_place),              \
		CASE(a_race_and_dying_workers), CASE(commit_allocates), CASE(a_copy_of_nothing),           \
		CASE(no_space_at_once), CASE(no_space_for_what_is_there),                                  \
		CASE(views_of_what_is_committed), CASE(a_fixed_size), CASE(attached), CASE(a_refused_open_is_none)

#define VIEWS CASE(a_view_is_a_writer), CASE(a_view_is_attached)

int main(void)
{
	static const struct CMUnitTest direct[] = {COMMON, VIEWS, CASE(direct_opens_in_the_way), CASE(own_opens_are_not),
						   CASE(filled_while_fixed), CASE(mediated_opens_are_not)};
	static const struct CMUnitTest mediated[] = {COMMON, VIEWS, CASE(mediated_opens_are_not)};
	static const struct CMUnitTest relayed[] = {COMMON, VIEWS, CASE(relayed_opens_in_the_way)};
	int failed;

	if (geteuid() != 0)
		skip_program("root");
	failed = run_in_mode("direct", direct, sizeof(direct) / sizeof(direct[0]), start, stop);
	failed += run_in_mode("mediated", mediated, sizeof(mediated) / sizeof(mediated[0]), start, stop);
	failed += run_in_mode("relayed", relayed, sizeof(relayed) / sizeof(relayed[0]), start, stop);
	return failed;
}
