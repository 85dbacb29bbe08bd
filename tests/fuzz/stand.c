// SPDX-License-Identifier: MIT
#include "tests/fuzz/stand.h"
#include "fs/control/control.h"
#include "fs/fuse/identity.h"
#include "fs/fuse/interrupt.h"
#include "fs/fuse/loop.h"
#include "fs/fuse/passthrough.h"
#include "fs/fuse/session.h"
#include "fs/ops/operations.h"
#include "fs/source/backing.h"
#include "fs/source/source.h"
#include "fs/state/lock_table.h"
#include "fs/state/message.h"
#include "fs/state/recover.h"
#include "fs/state/share.h"
#include "lib/base/log.h"
#include "lib/base/procfs_users.h"
#include "tests/fuzz/replies.h"
#include "tests/lib/own_mounts.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MAX        (4u * 1024u * 1024u) /* bytes of a file, at most: memory is limited */
#define PASSTHROUGH_IDS 1024                 /* per input */
#define WATCHED_FDS     128
#define ARENA_SPACE     (4u * 1024u * 1024u) /* bytes, at least the size of an arena */

static struct fs fs;
struct thread stand_thread;
static struct control_facts facts = {
	.instance = "fuzz",
	.mount_point = "/fuzz",
	.operation_name = operation_name,
};

static struct {
	char path[64]; /* of the temporary directory */
	int dir_fd;
	bool carrying_out; /* an input is being run */
	bool ids[PASSTHROUGH_IDS];
	int last_id;
	bool was_open[WATCHED_FDS];
	struct arena arena;
	/* address of every input's arena: the journal keeps a thread's slot for the life of the thread */
	void *arena_place;
} stand;

/* --- what is not to be used of the machine, by --wrap of the linker --- */

int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*function)(void *),
			  void *argument);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*function)(void *),
			  void *argument);
int __wrap_passthrough_open(const struct fs *the_fs, int fd);
void __wrap_passthrough_close(struct fs *the_fs, int id);
ssize_t __wrap_procfs_find_views(dev_t device, uint64_t inode, struct procfs_view **views);
ssize_t __wrap_procfs_find_users(const struct procfs_file *files, size_t n, struct procfs_user **users);
int __wrap_procfs_fcntl_command(pid_t thread);
void __wrap_lifetime_changed(uint64_t id);

/* One thread does everything in the order of the input, as without memory for more threads. */
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*function)(void *),
			  void *argument)
{
	return stand.carrying_out ? EAGAIN : __real_pthread_create(thread, attributes, function, argument);
}

int __wrap_passthrough_open(const struct fs *the_fs, int fd)
{
	(void)the_fs;
	if (fcntl(fd, F_GETFD) < 0)
		replies_fail("a descriptor that is not open is handed to the kernel");
	if (stand.last_id + 1 >= PASSTHROUGH_IDS)
		return -ENFILE;
	stand.ids[++stand.last_id] = true;
	return stand.last_id;
}

void __wrap_passthrough_close(struct fs *the_fs, int id)
{
	if (id <= 0)
		return;
	check(id <= stand.last_id && stand.ids[id], "passthrough id %d is closed, which is not open", id);
	stand.ids[id] = false;
	handle_backing_closed(&the_fs->state, id);
}

/* Only the input uses the files of the store. */
ssize_t __wrap_procfs_find_views(dev_t device, uint64_t inode, struct procfs_view **views)
{
	(void)device;
	(void)inode;
	*views = NULL;
	return 0;
}

ssize_t __wrap_procfs_find_users(const struct procfs_file *files, size_t n, struct procfs_user **users)
{
	(void)files;
	(void)n;
	*users = NULL;
	return 0;
}

/* Lock owners are not processes of this machine. */
int __wrap_procfs_fcntl_command(pid_t thread)
{
	(void)thread;
	return -1;
}

/* The thread that handles it does not exist here. */
void __wrap_lifetime_changed(uint64_t id)
{
	(void)id;
}

/* --- the store --- */

/* Despite any modes and flags set by the input. */
static void remove_all(int dir_fd, const char *name)
{
	int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	const struct dirent *entry;
	DIR *dir;
	int none = 0;

	if (fd < 0 && errno == EACCES && fchmodat(dir_fd, name, 0700, 0) == 0)
		fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir)
		return;
	ioctl(fd, FS_IOC_SETFLAGS, &none);
	fchmod(fd, 0700);
	while ((entry = readdir(dir))) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		if (unlinkat(fd, entry->d_name, 0) == 0)
			continue;
		if (entry->d_type == DT_DIR) {
			remove_all(fd, entry->d_name);
			unlinkat(fd, entry->d_name, AT_REMOVEDIR);
		} else {
			int file = openat(fd, entry->d_name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

			ioctl(file, FS_IOC_SETFLAGS, &none);
			close(file);
			unlinkat(fd, entry->d_name, 0);
		}
	}
	closedir(dir);
}

static void clean_up(void)
{
	remove_all(stand.dir_fd, "store");
	unlinkat(stand.dir_fd, "store", AT_REMOVEDIR);
	unlinkat(stand.dir_fd, "beside", 0);
	rmdir(stand.path);
}

/* A detached tmpfs, which ends with this process in every case. */
static bool mount_place(void)
{
	if (geteuid() != 0 || unshare(CLONE_NEWNS) < 0 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("fuzz", stand.path, "tmpfs", MS_NOSUID | MS_NODEV, "size=64m,mode=0700") < 0)
		return false;
	own_mounts_only();
	stand.dir_fd = open(stand.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	umount2(stand.path, MNT_DETACH);
	rmdir(stand.path);
	return true;
}

/* Of the sanitizers; also called when the process ends by an error. */
void __sanitizer_set_death_callback(void (*callback)(void));

static void make_place(void)
{
	const char *parent = geteuid() == 0 ? getenv("TMPDIR") : "/dev/shm";

	snprintf(stand.path, sizeof(stand.path), "%s/segfs-fuzz.XXXXXX", parent ? parent : "/tmp");
	check(mkdtemp(stand.path), "%s can't be made", stand.path);
	if (!mount_place()) {
		stand.dir_fd = open(stand.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		atexit(clean_up);
		replies_before_the_end = clean_up;
		__sanitizer_set_death_callback(clean_up);
	}
	check(stand.dir_fd >= 0 && mknodat(stand.dir_fd, "beside", S_IFREG | 0600, 0) == 0,
	      "no place for a store: %s", strerror(errno));
}

/* "file", "dir/inner", a link, a fifo. */
static int make_store(void)
{
	int store;

	check(mkdirat(stand.dir_fd, "store", 0700) == 0, "no store: %s", strerror(errno));
	store = openat(stand.dir_fd, "store", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	check(store >= 0 && mknodat(store, "file", S_IFREG | 0600, 0) == 0 &&
		      mkdirat(store, "dir", 0700) == 0 &&
		      mknodat(store, "dir/inner", S_IFREG | 0600, 0) == 0 &&
		      symlinkat("file", store, "link") == 0 && mknodat(store, "fifo", S_IFIFO | 0600, 0) == 0,
	      "the store can't be filled: %s", strerror(errno));
	return store;
}

static void register_store(struct arena_header *header, int fd, unsigned int options)
{
	struct store_record *record = &header->stores[0];
	struct statx found;

	check(statx(fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &found) == 0, "statx");
	record->root_fd = fd;
	record->mount_id = (int)found.stx_mnt_id;
	record->source = SOURCE_STORE;
	record->ipc_fd = -1;
	record->no_handles = options & STAND_NO_HANDLES || geteuid() != 0;
	record->on_disk = !!(options & STAND_ON_DISK);
	atomic_store(&record->state, SLOT_LIVE);
}

/* --- the worker --- */

/* The session offers all features of libfuse. */
static void send_init(void)
{
	struct {
		struct fuse_in_header header;
		struct fuse_init_in in;
		uint32_t more_flags;
		uint32_t unused[11];
	} message = {
		.header = {.len = sizeof(message), .opcode = FUSE_INIT, .unique = 2},
		.in = {.major = FUSE_KERNEL_VERSION,
		       .minor = 40,
		       .max_readahead = 131072,
		       .flags = UINT32_MAX},
		.more_flags = UINT32_MAX,
	};

	replies_begin();
	replies_await(&message.header, sizeof(message));
	loop_process(&stand_thread, &message, sizeof(message), false);
	replies_look(0);
	check(fs.initialized, "INIT is refused");
}

static void note_fds(void)
{
	for (int fd = 0; fd < WATCHED_FDS; fd++)
		stand.was_open[fd] = fcntl(fd, F_GETFD) >= 0;
}

static void check_fds(void)
{
	for (int fd = 0; fd < WATCHED_FDS; fd++)
		check((fcntl(fd, F_GETFD) >= 0) == stand.was_open[fd], "descriptor %d %s", fd,
		      stand.was_open[fd] ? "was closed" : "was left open");
}

void stand_setup(void)
{
	struct rlimit limit;
	struct fuse_session *session;

	log_setup(LOG_TO_STDERR, LOG_CRIT);
	check(getrlimit(RLIMIT_FSIZE, &limit) == 0, "getrlimit");
	limit.rlim_cur = FILE_MAX;
	check(setrlimit(RLIMIT_FSIZE, &limit) == 0, "setrlimit");
	make_place();
	stand.arena_place = mmap(NULL, ARENA_SPACE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	check(stand.arena_place != MAP_FAILED, "no place for an arena");
	fs.fuse_fd = replies_open();
	fs.privileged = geteuid() == 0;
	check(thread_init(&stand_thread, &fs) == 0, "identities can't be taken");
	fs.operations = &segfs_operations;
	session = session_new(false, "", false);
	check(session && session_attach(&fs, session, fs.fuse_fd) == 0, "no session");
	control_setup(&facts);
	stand_begin(0);
	send_init();
	stand_end(&fs);
}

/* More than a file of the store may have. */
static void make_messages(uint32_t n)
{
	struct rlimit limit;

	check(getrlimit(RLIMIT_FSIZE, &limit) == 0, "getrlimit");
	setrlimit(RLIMIT_FSIZE, &(struct rlimit){limit.rlim_max, limit.rlim_max});
	check(message_create(stand.arena.header, n) == 0, "no memory for messages");
	setrlimit(RLIMIT_FSIZE, &limit);
	check(message_open(&fs.state) == 0, "messages can't be used");
}

static void make_arena(bool few)
{
	void *memory;

	check(arena_create(&stand.arena, few ? 16 : 256, few ? 16 : 64, few ? 16 : 256) == 0, "no arena");
	memory = mremap(stand.arena.header, stand.arena.size, stand.arena.size, MREMAP_MAYMOVE | MREMAP_FIXED,
			stand.arena_place);
	check(memory == stand.arena_place, "the arena can't be moved");
	stand.arena.header = memory;
	arena_locate(&stand.arena);
}

/* Small enough to be reached. */
static void set_bounds(struct arena_header *header)
{
	atomic_store(&header->limit_nodes, 14);
	atomic_store(&header->limit_handles, 8);
	atomic_store(&header->limit_locks, 6);
	atomic_store(&header->limit_parked, 250);
	atomic_store(&header->user_percent, 50);
	atomic_store(&header->requests, 1000);
}

struct fs *stand_begin(unsigned int options)
{
	bool few = options & STAND_FEW_SLOTS;
	struct source_file root = {.fd = -1};
	struct arena_header *header;

	/* libFuzzer has set its own handler */
	signal(SIGXFSZ, SIG_IGN);
	interrupt_setup();
	note_fds();
	make_arena(few);
	header = stand.arena.header;
	header->privileged = fs.privileged;
	header->keeps_locks = !(options & STAND_KERNEL_LOCKS);
	header->fuse_fd = fs.fuse_fd;
	atomic_store(&header->workers_started, options & STAND_LATER ? 2 : 1);
	register_store(header, make_store(), options);
	check(state_recover(&fs.state, &stand.arena, few ? 2 : 16) == 0, "the arena can't be used");
	make_messages(few ? 16 : 256);
	fs.streams = index_map(header->max_handles, sizeof(void *));
	check(fs.streams, "no memory");
	check(backing_identify_root(&fs.state, &root) == 0, "no root");
	check(node_add_fixed(&fs.state, NODE_ROOT, &root.key, root.stat.st_mode, 0, root.fd) == 0, "no root");
	for (enum source_kind kind = SOURCE_POSIX; kind < SOURCE_KINDS; kind++) {
		const struct node_key key = {.inode = kind,
					     .store = NODE_STORE_CONTROL,
					     .handle_type = NODE_HANDLE_SOURCE,
					     .handle_bytes = 0};

		/* their slots are occupied, but no source lists them */
		check(node_add_fixed(&fs.state, source_builtin_index(kind), &key, S_IFDIR | 0555, 0, -1) == 0,
		      "no node");
	}
	check(control_add_nodes(&fs.state) == 0, "no control nodes");
	fs.options = (struct fs_options){
		.entry_timeout = 1,
		.attr_timeout = 1,
		.negative_timeout = options & STAND_NEGATIVE ? 1 : 0,
		.io_mode = options & STAND_MEDIATED ? IO_MEDIATED : IO_DIRECT,
	};
	fs.passthrough = options & STAND_PASSTHROUGH;
	fs.pruned_at = 0;
	if (few)
		set_bounds(header);
	stand.last_id = 0;
	stand.carrying_out = true;
	return &fs;
}

size_t stand_waiting(const struct fs *the_fs)
{
	return the_fs->state.locks->n_waiting;
}

void stand_check(const struct fs *the_fs)
{
	char why[256];

	check(state_check(&fs.state, why, sizeof(why)) == 0, "%s", why);
	(void)the_fs;
}

static void close_fd(int fd)
{
	if (fd >= 0)
		check(close(fd) == 0, "descriptor %d is named, and was closed", fd);
}

/* Nothing else is in the temporary directory. */
static void check_place(void)
{
	int fd = fcntl(stand.dir_fd, F_DUPFD_CLOEXEC, 0);
	DIR *dir = fdopendir(fd);
	const struct dirent *entry;
	struct stat stat;
	int n = 0;

	check(dir, "the place is gone");
	rewinddir(dir);
	while ((entry = readdir(dir)))
		n++;
	closedir(dir);
	check(n == 3, "%d names where one is to be", n - 2);
	check(fstatat(stand.dir_fd, "beside", &stat, AT_SYMLINK_NOFOLLOW) == 0 && stat.st_size == 0 &&
		      stat.st_nlink == 1 && stat.st_mode == (S_IFREG | 0600) && stat.st_uid == geteuid(),
	      "what is beside the store was changed");
}

void stand_end(struct fs *the_fs)
{
	struct arena_header *header = stand.arena.header;

	stand.carrying_out = false;
	stand_check(the_fs);
	check(fs.state.n_handles == 0, "%u handles are left", fs.state.n_handles);
	check(fs.state.locks->n_held == 0 && stand_waiting(the_fs) == 0,
	      "%u locks are left, %zu are waited for", fs.state.locks->n_held, stand_waiting(the_fs));
	for (enum share_kind kind = 0; kind < SHARE_KINDS; kind++)
		check(share_total(&fs.state, kind) == 0, "%llu of share %d are not given back",
		      (unsigned long long)share_total(&fs.state, kind), (int)kind);
	for (uint32_t i = NODE_ROOT; i < header->nodes_high; i++) {
		const struct node_slot *node = &stand.arena.nodes[i];

		if (atomic_load(&node->state) == SLOT_LIVE)
			close_fd(atomic_load(&node->fd));
	}
	for (int i = 0; i < ARENA_CACHED_FDS; i++)
		if (atomic_load(&header->cached_fds[i].id))
			close_fd(header->cached_fds[i].fd);
	for (int id = 1; id <= stand.last_id; id++)
		check(!stand.ids[id], "passthrough id %d is left", id);
	for (uint32_t i = 1; i < header->handles_high; i++)
		check(!fs.streams[i], "a listing of handle %u is left", i);
	index_unmap(fs.streams, header->max_handles, sizeof(void *));
	close_fd(header->stores[0].root_fd);
	close_fd(header->messages_fd);
	identity_close();
	state_close(&fs.state);
	check(mmap(stand.arena_place, ARENA_SPACE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
		   0) == stand.arena_place,
	      "the arena does not go");
	close_fd(stand.arena.fd);
	remove_all(stand.dir_fd, "store");
	check(unlinkat(stand.dir_fd, "store", AT_REMOVEDIR) == 0, "the store can't be removed: %s",
	      strerror(errno));
	check_place();
	check_fds();
}
