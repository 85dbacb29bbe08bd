// SPDX-License-Identifier: MIT
#include "tests/lib/segments.h"
#include "lib/base/cleanup.h"

#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/xattr.h>

void segments_isolate(void)
{
	if (unshare(CLONE_NEWIPC) < 0)
		skip_program("an IPC namespace of its own");
}

int segment_make(uint32_t key, size_t size, int flags)
{
	return (int)check(shmget((key_t)key, size, IPC_CREAT | IPC_EXCL | flags));
}

void segment_fill(int id, size_t size, char byte)
{
	void *memory = shmat(id, NULL, 0);

	assert_ptr_not_equal(memory, (void *)-1);
	memset(memory, byte, size);
	check(shmdt(memory));
}

struct shmid_ds segment_stat(int id)
{
	struct shmid_ds found;

	check(shmctl(id, IPC_STAT, &found));
	return found;
}

bool segment_exists(int id)
{
	struct shmid_ds found;

	return shmctl(id, IPC_STAT, &found) == 0;
}

int segments_count(void)
{
	struct shm_info info;

	check(shmctl(0, SHM_INFO, (struct shmid_ds *)(void *)&info));
	return info.used_ids;
}

unsigned long segments_pages(void)
{
	struct shm_info info;

	check(shmctl(0, SHM_INFO, (struct shmid_ds *)(void *)&info));
	return info.shm_tot;
}

int segments_clean(void **unused)
{
	struct shm_info info;
	int highest = shmctl(0, SHM_INFO, (struct shmid_ds *)(void *)&info);

	(void)unused;
	for (int index = 0; index <= highest; index++) {
		struct shmid_ds found;
		int id = shmctl(index, SHM_STAT, &found);

		if (id >= 0)
			shmctl(id, IPC_RMID, NULL);
	}
	return 0;
}

void segments_limit(const char *name, unsigned long long value)
{
	assert_int_equal(write_text(path_of("/proc/sys/kernel/%s", name), path_of("%llu\n", value)), 0);
}

const char *const attribute_names[] = {
	"attached",    "io-mode", "source",     "orphan",      "kind",        "mapped",   "mapped-pids",
	"shmid",       "key",     "nattch",     "creator-pid", "last-pid",    "locked",   "removed",
	"creator-uid", "lock",    "writers",    "commit",      "size-policy", "lifetime", "seals",
	"inode",       "users",   "idle-since", "object",      "generation",  NULL};

const char *attribute(const char *path, const char *name)
{
	static char values[8][4096];
	static unsigned int next;
	char *value = values[next++ % 8];
	ssize_t length = getxattr(path, path_of("user.segfs.%s", name), value, sizeof(values[0]) - 1);

	if (length < 0)
		return strerrorname_np(errno);
	value[length] = 0;
	return value;
}

static int shown(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

const char *listing(const char *path)
{
	static char text[65536];
	struct dirent **entries;
	size_t length = 0;
	int n = (int)check(scandir(path, &entries, shown, alphasort));

	text[0] = 0;
	for (int i = 0; i < n; i++) {
		if (length < sizeof(text) - NAME_MAX - 2)
			length += (size_t)sprintf(text + length, "%s ", entries[i]->d_name);
		free(entries[i]);
	}
	free(entries);
	return text;
}
