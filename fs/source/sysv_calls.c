// SPDX-License-Identifier: MIT
#include "fs/source/sysv_calls.h"
#include "fs/source/requester.h"
#include "lib/base/cleanup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/shm.h>
#include <sys/syscall.h>

#ifndef SHM_STAT_ANY
#define SHM_STAT_ANY 15 /* of linux/shm.h, which conflicts with sys/shm.h */
#endif

#define LINK_MAX_BYTES 96  /* bytes of a path in /proc/self/map_files */
#define RETURN_TRIES   100 /* attempts to restore the thread before the process gives up */

/* --- the namespace --- */

/* The stay of a thread in an IPC namespace. */
struct stay {
	int own; /* descriptor of the daemon's namespace; -1 = not left */
};

static int enter(const struct state *state, uint16_t store, struct stay *stay)
{
	int fd = state->arena->header->stores[store].ipc_fd;

	stay->own = -1;
	if (fd < 0)
		return 0;
	stay->own = open("/proc/thread-self/ns/ipc", O_RDONLY | O_CLOEXEC);
	if (stay->own < 0)
		return -errno;
	if (setns(fd, CLONE_NEWIPC) < 0) {
		int result = -errno;

		close(stay->own);
		stay->own = -1;
		return result;
	}
	return 0;
}

/* A thread that cannot return must not continue: its replies would be about the wrong namespace. */
static void leave(struct stay *stay)
{
	if (stay->own < 0)
		return;
	for (int tries = 1; setns(stay->own, CLONE_NEWIPC) < 0; tries++)
		if (tries == RETURN_TRIES)
			__builtin_trap();
	close(stay->own);
	stay->own = -1;
}

#define _cleanup_stay_ __attribute__((cleanup(leave)))

/* EINVAL and EIDRM mean that there is no such segment. */
static int map_errno(int result)
{
	return result == -EINVAL || result == -EIDRM ? -ENOENT : result;
}

/* --- calls --- */

static void segment_from(int id, const struct shmid_ds *found, struct sysv_segment *segment)
{
	*segment = (struct sysv_segment){
		.id = id,
		.key = (uint32_t)found->shm_perm.__key,
		.uid = found->shm_perm.uid,
		.gid = found->shm_perm.gid,
		.mode = found->shm_perm.mode & 0777,
		.removed = found->shm_perm.mode & SHM_DEST,
		.locked = found->shm_perm.mode & SHM_LOCKED,
		.size = found->shm_segsz,
		.nattch = found->shm_nattch,
		.creator = found->shm_cpid,
		.last = found->shm_lpid,
		.creator_uid = found->shm_perm.cuid,
		.atime = found->shm_atime,
		.dtime = found->shm_dtime,
		.ctime = found->shm_ctime,
	};
}

int sysv_stat(const struct state *state, uint16_t store, int id, struct sysv_segment *segment)
{
	_cleanup_stay_ struct stay stay;
	struct shmid_ds found;
	int result = enter(state, store, &stay);

	if (result < 0)
		return result;
	if (shmctl(id, IPC_STAT, &found) < 0)
		return map_errno(-errno);
	segment_from(id, &found, segment);
	return 0;
}

/* A line: key shmid perms size cpid lpid nattch uid gid cuid cgid atime dtime ctime rss swap. */
static bool parse_resident(const char *line, int id, uint64_t *bytes)
{
	int found;

	return sscanf(line, "%*d %d %*o %*u %*d %*d %*u %*u %*u %*u %*u %*u %*u %*u %" SCNu64, &found,
		      bytes) == 2 &&
	       found == id;
}

int sysv_resident(const struct state *state, uint16_t store, int id, uint64_t *bytes)
{
	_cleanup_stay_ struct stay stay;
	_cleanup_fclose_ FILE *file = NULL;
	char line[512];
	uint64_t found;
	int result = enter(state, store, &stay);

	if (result < 0)
		return result;
	file = fopen("/proc/sysvipc/shm", "re");
	if (!file)
		return -errno;
	while (fgets(line, sizeof(line), file)) {
		if (!parse_resident(line, id, &found))
			continue;
		*bytes = found;
		return 0;
	}
	return -ENOENT;
}

int sysv_find(const struct state *state, uint16_t store, uint32_t key)
{
	_cleanup_stay_ struct stay stay;
	int result = enter(state, store, &stay);
	int id;

	if (result < 0)
		return result;
	id = shmget((key_t)key, 0, 0);
	return id < 0 ? -errno : id;
}

int sysv_visit(const struct state *state, uint16_t store,
	       int (*visit)(const struct sysv_segment *segment, void *context), void *context)
{
	_cleanup_stay_ struct stay stay;
	struct shm_info totals;
	int result = enter(state, store, &stay);
	int highest;

	if (result < 0)
		return result;
	/* the highest index in use; 0 also if there is no segment */
	highest = shmctl(0, SHM_INFO, (struct shmid_ds *)(void *)&totals);
	if (highest < 0)
		return -errno;
	for (int index = 0; result == 0 && index <= highest; index++) {
		struct sysv_segment segment;
		struct shmid_ds found;
		int id = shmctl(index, SHM_STAT_ANY, &found);

		if (id < 0 && map_errno(-errno) == -ENOENT)
			continue;
		if (id < 0)
			return -errno;
		segment_from(id, &found, &segment);
		result = visit(&segment, context);
	}
	return result;
}

/* A new segment is owned by its creator's effective ids. Capabilities stay, see thread_init(). */
static int become(uid_t uid, gid_t gid)
{
	if (syscall(SYS_setresgid, (gid_t)-1, gid, (gid_t)-1) < 0 ||
	    syscall(SYS_setresuid, (uid_t)-1, uid, (uid_t)-1) < 0)
		return -errno;
	return 0;
}

/* The thread's own ids, to be restored. */
struct self {
	uid_t uid;
	gid_t gid;
	uid_t fsuid;
	gid_t fsgid;
};

/*
 * The file-system ids follow the effective ids. setfsuid(2) does not report failure, so the result is read
 * back.
 */
static int restore_ids(const struct self *self)
{
	int result = become(self->uid, self->gid);

	if (result < 0)
		return result;
	syscall(SYS_setfsgid, self->fsgid);
	syscall(SYS_setfsuid, self->fsuid);
	return syscall(SYS_setfsgid, (gid_t)-1) == (long)self->fsgid &&
			       syscall(SYS_setfsuid, (uid_t)-1) == (long)self->fsuid
		       ? 0
		       : -ENOMEM;
}

/* Like leave(); a transient shortage, usually of memory, is worth another try. */
static void return_to(const struct self *self)
{
	for (int tries = 1; restore_ids(self) < 0; tries++)
		if (tries == RETURN_TRIES)
			__builtin_trap();
}

int sysv_make(const struct state *state, uint16_t store, uint32_t key, uint64_t size, mode_t mode, uid_t uid,
	      gid_t gid)
{
	const struct self self = {
		.uid = geteuid(),
		.gid = getegid(),
		.fsuid = (uid_t)syscall(SYS_setfsuid, (uid_t)-1),
		.fsgid = (gid_t)syscall(SYS_setfsgid, (gid_t)-1),
	};
	_cleanup_stay_ struct stay stay;
	int result = enter(state, store, &stay);
	int id = -1;

	if (result < 0)
		return result;
	if (size == 0)
		return -EINVAL;
	result = become(uid, gid);
	if (result == 0) {
		id = shmget((key_t)key, size, IPC_CREAT | IPC_EXCL | (int)(mode & 0777));
		result = id < 0 ? -errno : 0;
	}
	return_to(&self);
	/* EINVAL: the size exceeds SHMMAX; for the other limits the kernel returns ENOSPC */
	if (result == -EINVAL)
		result = -ENOSPC;
	return result < 0 ? result : id;
}

int sysv_set(const struct state *state, uint16_t store, const struct sysv_segment *segment)
{
	_cleanup_stay_ struct stay stay;
	_cleanup_credentials_self_ struct credentials_self self = CREDENTIALS_SELF;
	int result = enter(state, store, &stay);
	struct shmid_ds wanted = {
		.shm_perm.uid = segment->uid,
		.shm_perm.gid = segment->gid,
		.shm_perm.mode = (unsigned short)segment->mode,
	};

	if (result == 0)
		result = requester_assume(state, &self);
	if (result < 0)
		return result;
	return shmctl(segment->id, IPC_SET, &wanted) < 0 ? map_errno(-errno) : 0;
}

static int remove_by(const struct state *state, uint16_t store, int id, bool by_requester)
{
	_cleanup_stay_ struct stay stay;
	_cleanup_credentials_self_ struct credentials_self self = CREDENTIALS_SELF;
	int result = enter(state, store, &stay);

	if (result == 0 && by_requester)
		result = requester_assume(state, &self);
	if (result < 0)
		return result;
	return shmctl(id, IPC_RMID, NULL) < 0 ? map_errno(-errno) : 0;
}

int sysv_remove(const struct state *state, uint16_t store, int id)
{
	return remove_by(state, store, id, true);
}

int sysv_undo(const struct state *state, uint16_t store, int id)
{
	return remove_by(state, store, id, false);
}

int sysv_may_read(const struct state *state, uint16_t store, int id)
{
	_cleanup_stay_ struct stay stay;
	_cleanup_credentials_self_ struct credentials_self self = CREDENTIALS_SELF;
	struct shmid_ds found;
	int result = enter(state, store, &stay);

	if (result == 0)
		result = requester_assume(state, &self);
	if (result < 0)
		return result;
	return shmctl(id, IPC_STAT, &found) < 0 ? map_errno(-errno) : 0;
}

int sysv_may_write(const struct state *state, uint16_t store, int id)
{
	_cleanup_stay_ struct stay stay;
	_cleanup_credentials_self_ struct credentials_self self = CREDENTIALS_SELF;
	int result = enter(state, store, &stay);
	void *start;

	if (result == 0)
		result = requester_assume(state, &self);
	if (result < 0)
		return result;
	start = shmat(id, NULL, 0);
	if (start == (void *)-1)
		return map_errno(-errno);
	shmdt(start);
	return 0;
}

/* --- the memory --- */

/* The name of a mapping includes its end, which for huge pages only the kernel knows. */
static int open_mapping(uintptr_t start, int flags)
{
	_cleanup_closedir_ DIR *mappings = opendir("/proc/self/map_files");
	const struct dirent *entry;
	char prefix[32];
	int length;
	int fd;

	if (!mappings)
		return -errno;
	length = snprintf(prefix, sizeof(prefix), "%" PRIxPTR "-", start);
	for (errno = 0; (entry = readdir(mappings)); errno = 0) {
		if (strncmp(entry->d_name, prefix, (size_t)length) != 0)
			continue;
		fd = openat(dirfd(mappings), entry->d_name, flags | O_CLOEXEC);
		return fd < 0 ? -errno : fd;
	}
	return errno ? -errno : -ENOENT;
}

static int open_attached(uintptr_t start, uint64_t size, int flags)
{
	const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	char path[LINK_MAX_BYTES];
	int fd;

	snprintf(path, sizeof(path), "/proc/self/map_files/%" PRIxPTR "-%" PRIxPTR, start,
		 start + (uintptr_t)((size + page - 1) / page * page));
	fd = open(path, flags | O_CLOEXEC);
	if (fd >= 0)
		return fd;
	return errno == ENOENT ? open_mapping(start, flags) : -errno;
}

int sysv_open_memory(const struct state *state, uint16_t store, int id, int flags)
{
	_cleanup_stay_ struct stay stay;
	int result = enter(state, store, &stay);
	struct shmid_ds found;
	void *start;

	if (result < 0)
		return result;
	if (shmctl(id, IPC_STAT, &found) < 0)
		return map_errno(-errno);
	start = shmat(id, NULL, SHM_RDONLY);
	if (start == (void *)-1)
		return map_errno(-errno);
	result = open_attached((uintptr_t)start, found.shm_segsz, flags);
	shmdt(start);
	return result;
}
