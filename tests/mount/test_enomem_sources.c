// SPDX-License-Identifier: MIT
/*
 * Operations on the machine's own shared memory, with each allocation of the worker failing in turn, and with
 * all failing. What cannot be found out for lack of memory is an error, never an absence.
 */
#include "lib/base/cleanup.h"
#include "tests/lib/machine.h"
#include "tests/lib/preload.h"
#include "tests/lib/segments.h"
#include "tests/lib/shortage.h"
#include "tests/lib/target.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#define KEY    0x5e6f0001u
#define NEW    0x5e6f0002u
#define SIZE   8192u
#define LISTED 40u

static struct mount mount_here;
static struct target target;
static char object[64]; /* in /dev/shm */

static int result_of(long long result)
{
	return result < 0 ? -errno : 0;
}

static const char *segment_path(uint32_t key)
{
	return path_of("%s/sysv/0x%08x", mount_here.path, key);
}

static const char *object_path(void)
{
	return path_of("%s/posix/%s", mount_here.path, object);
}

static const char *object_native(void)
{
	return path_of("/dev/shm/%s", object);
}

static int id_of(uint32_t key)
{
	return shmget((key_t)key, 0, 0);
}

static void remove_segment(uint32_t key)
{
	int id = id_of(key);

	if (id >= 0)
		shmctl(id, IPC_RMID, NULL);
}

static void prepare(void)
{
	remove_segment(KEY);
	remove_segment(NEW);
	segment_fill(segment_make(KEY, SIZE, 0640), SIZE, 's');
	unlink(object_native());
	check(write_text(object_native(), "object"));
}

static void prepare_new(void)
{
	prepare();
	unlink(object_native());
}

static int read_first(const char *path, int flags, char expected)
{
	_cleanup_close_ int fd = open(path, flags | O_CLOEXEC);
	char byte = 0;

	if (fd < 0)
		return -errno;
	if (pread(fd, &byte, 1, 0) != 1)
		return errno ? -errno : -EBADMSG;
	return byte == expected ? 0 : -EBADMSG;
}

static int stat_of(const char *path, off_t size)
{
	struct stat found;
	int result = result_of(stat(path, &found));

	return result == 0 && found.st_size != size ? -EBADMSG : result;
}

static int value_of(const char *path, const char *name, const char *expected)
{
	char value[256] = "";
	ssize_t length = getxattr(path, name, value, sizeof(value) - 1);

	if (length < 0)
		return -errno;
	return strcmp(value, expected) == 0 ? 0 : -EBADMSG;
}

/* Whether a directory lists a name; every error of readdir(3) counts. */
static int lists(const char *path, const char *name)
{
	_cleanup_closedir_ DIR *dir = opendir(path);
	const struct dirent *entry;
	bool found = false;

	if (!dir)
		return -errno;
	errno = 0;
	while ((entry = readdir(dir)))
		found |= strcmp(entry->d_name, name) == 0;
	if (errno)
		return -errno;
	return found ? 0 : -EBADMSG;
}

static const char *name_in(const char *path)
{
	return strrchr(path, '/') + 1;
}

/* --- sysv/ --- */

static int sysv_list(void)
{
	return lists(path_of("%s/sysv", mount_here.path), name_in(segment_path(KEY)));
}

static int sysv_stat(void)
{
	return stat_of(segment_path(KEY), SIZE);
}

static int sysv_missing(void)
{
	return access(segment_path(NEW), F_OK) == 0 ? -EBADMSG : errno == ENOENT ? 0 : -errno;
}

static int sysv_facts(void)
{
	return value_of(segment_path(KEY), "user.segfs.nattch", "0");
}

static int sysv_orphan(void)
{
	return value_of(segment_path(KEY), "user.segfs.orphan", "yes");
}

static int sysv_read(void)
{
	return read_first(segment_path(KEY), O_RDONLY, 's');
}

static int sysv_write(void)
{
	_cleanup_close_ int fd = open(segment_path(KEY), O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	return result_of(pwrite(fd, "w", 1, 0));
}

static bool sysv_written(void)
{
	const char *view = shmat(id_of(KEY), NULL, SHM_RDONLY);
	bool done = check((long)view) != -1 && *view == 'w';

	shmdt(view);
	return done;
}

static int sysv_chmod(void)
{
	return result_of(chmod(segment_path(KEY), 0600));
}

static bool sysv_changed(void)
{
	return (segment_stat(id_of(KEY)).shm_perm.mode & 0777) == 0600;
}

static int sysv_create(void)
{
	_cleanup_close_ int fd = open(segment_path(NEW), O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0)
		return -errno;
	return result_of(ftruncate(fd, SIZE));
}

static bool sysv_created(void)
{
	int id = id_of(NEW);

	return id >= 0 && segment_stat(id).shm_segsz == SIZE;
}

static int sysv_remove(void)
{
	return result_of(unlink(segment_path(KEY)));
}

static bool sysv_removed(void)
{
	return id_of(KEY) < 0;
}

/* --- posix/ --- */

static int posix_list(void)
{
	return lists(path_of("%s/posix", mount_here.path), object);
}

static int posix_stat(void)
{
	return stat_of(object_path(), 6);
}

static int posix_mapped(void)
{
	return value_of(object_path(), "user.segfs.mapped", "0");
}

static int posix_orphan(void)
{
	return value_of(object_path(), "user.segfs.orphan", "yes");
}

static int posix_attached(void)
{
	return value_of(object_path(), "user.segfs.attached", "0");
}

static int control_attached(void)
{
	_cleanup_close_ int fd = open(path_of("%s/.segfs/attached", mount_here.path), O_RDONLY | O_CLOEXEC);

	return fd < 0 ? -errno : 0;
}

static int posix_read(void)
{
	return read_first(object_path(), O_RDWR, 'o');
}

static int posix_create(void)
{
	_cleanup_close_ int fd = open(object_path(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	return fd < 0 ? -errno : 0;
}

static bool posix_created(void)
{
	return access(object_native(), F_OK) == 0;
}

static int posix_remove(void)
{
	return result_of(unlink(object_path()));
}

static bool posix_removed(void)
{
	return access(object_native(), F_OK) < 0;
}

/* --- process/ --- */

static int process_list(void)
{
	return lists(path_of("%s/process", mount_here.path), path_of("%d", (int)target.pid));
}

static int process_list_memory(void)
{
	return lists(target_path(&mount_here, &target, ""), name_in(target_anonymous(&mount_here, &target)));
}

static int process_comm(void)
{
	char name[32];

	return result_of(readlink(target_path(&mount_here, &target, "comm"), name, sizeof(name)));
}

static int process_stat(void)
{
	return stat_of(target_deleted(&mount_here, &target), TARGET_SIZE);
}

static int process_memfd(void)
{
	return read_first(target_memfd(&mount_here, &target, target.memfd, "plain"), O_RDWR,
			  TARGET_TEXT_MEMFD[0]);
}

static int process_anonymous(void)
{
	return read_first(target_anonymous(&mount_here, &target), O_RDONLY, TARGET_TEXT_ANONYMOUS[0]);
}

static int process_seals(void)
{
	char value[64];

	return result_of(getxattr(target_memfd(&mount_here, &target, target.sealed, "sealed"),
				  "user.segfs.seals", value, sizeof(value)));
}

static int process_users(void)
{
	return value_of(target_memfd(&mount_here, &target, target.memfd, "plain"), "user.segfs.users", "");
}

static void sources(void **unused)
{
	static const struct shortage_operation operations[] = {
		{"sysv list", prepare, sysv_list, NULL, 0, NULL},
		{"sysv stat", prepare, sysv_stat, NULL, 0, NULL},
		{"sysv missing", prepare, sysv_missing, NULL, 0, NULL},
		{"sysv facts", prepare, sysv_facts, NULL, 0, NULL},
		{"sysv orphan", prepare, sysv_orphan, NULL, 0, NULL},
		{"sysv read", prepare, sysv_read, NULL, 0, NULL},
		{"sysv write", prepare, sysv_write, sysv_written, 0, NULL},
		{"sysv chmod", prepare, sysv_chmod, sysv_changed, 0, NULL},
		{"sysv create", prepare, sysv_create, sysv_created, 0, NULL},
		{"sysv remove", prepare, sysv_remove, sysv_removed, ENOENT, NULL},
		{"posix list", prepare, posix_list, NULL, 0, NULL},
		{"posix stat", prepare, posix_stat, NULL, 0, NULL},
		{"posix mapped", prepare, posix_mapped, NULL, 0, NULL},
		{"posix orphan", prepare, posix_orphan, NULL, 0, NULL},
		{"posix attached", prepare, posix_attached, NULL, 0, NULL},
		{"control attached", prepare, control_attached, NULL, 0, NULL},
		{"posix read", prepare, posix_read, NULL, 0, NULL},
		{"posix create", prepare_new, posix_create, posix_created, EEXIST, NULL},
		{"posix remove", prepare, posix_remove, posix_removed, ENOENT, NULL},
		{"process list", NULL, process_list, NULL, 0, NULL},
		{"process memory", NULL, process_list_memory, NULL, 0, NULL},
		{"process comm", NULL, process_comm, NULL, 0, NULL},
		{"process stat", NULL, process_stat, NULL, 0, NULL},
		{"process memfd", NULL, process_memfd, NULL, 0, NULL},
		{"process anonymous", NULL, process_anonymous, NULL, 0, NULL},
		{"process seals", NULL, process_seals, NULL, 0, NULL},
		{"process users", NULL, process_users, NULL, 0, NULL},
	};

	(void)unused;
	/* a listing of several replies */
	for (uint32_t i = 0; i < LISTED; i++)
		segment_make(NEW + 1 + i, 4096, 0600);
	shortage_walk(&mount_here, operations, sizeof(operations) / sizeof(operations[0]));
}

static int set_up(void **unused)
{
	const struct mount_spec spec = {.tag = "lack-sources",
					.preload = preload_path("failmalloc"),
					.options = "entry_timeout=0,attr_timeout=0"};

	(void)unused;
	if (mount_start(&mount_here, &spec) < 0)
		return -1;
	snprintf(object, sizeof(object), "segfs-test-lack.%d", getpid());
	target_start(&target, 0, 0);
	return 0;
}

static int tear_down(void **unused)
{
	int result;

	shortage_end();
	target_end(&target);
	unlink(object_native());
	result = mount_stop(&mount_here);
	return segments_clean(unused) < 0 ? -1 : result;
}

int main(void)
{
	static const struct CMUnitTest cases[] = {cmocka_unit_test(sources)};

	machine_isolate();
	shortage_setup();
	return cmocka_run_group_tests_name("without memory: sources", cases, set_up, tear_down);
}
