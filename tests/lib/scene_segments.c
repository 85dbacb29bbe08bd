// SPDX-License-Identifier: MIT
/* The scene of System V segments, whose names are keys. */
#include "tests/lib/machine.h"
#include "tests/lib/scene.h"
#include "tests/lib/segments.h"

#include <string.h>

static const struct {
	const char *name;
	uint32_t key;
} keys[] = {
	{"a", 0xa}, {"b", 0xb}, {"file", 0xf}, {"new", 0x10}, {"link", 0x11},
};

#define N_KEYS (sizeof(keys) / sizeof(keys[0]))

/* 0 if it is not the name of a segment. */
static uint32_t key_of(const char *name)
{
	for (size_t i = 0; i < N_KEYS; i++)
		if (strcmp(keys[i].name, name) == 0)
			return keys[i].key;
	return 0;
}

static const char *path(const char *name)
{
	const uint32_t key = key_of(name);

	if (key)
		return path_of("%s/sysv/0x%08x", scene_mount()->path, key);
	return path_of("%s/sysv/%s", scene_mount()->path, name);
}

static int id_of(const char *name)
{
	return shmget((key_t)key_of(name), 0, 0);
}

static void put(const char *name, char byte)
{
	int id = id_of(name);

	segment_fill(id < 0 ? segment_make(key_of(name), SCENE_SIZE, 0644) : id, SCENE_SIZE, byte);
}

static char byte(const char *name)
{
	int id = id_of(name);
	char *memory;
	char found;

	if (id < 0)
		return 0;
	memory = shmat(id, NULL, SHM_RDONLY);
	assert_ptr_not_equal(memory, (void *)-1);
	found = *memory;
	check(shmdt(memory));
	return found;
}

static bool segment_is_there(const char *name)
{
	return id_of(name) >= 0;
}

static int begin(void)
{
	return machine_is_isolated() ? 0 : -1;
}

static void clean(void)
{
	segments_clean(NULL);
}

static void lay(void)
{
	put("file", 'f');
	put("a", 'a');
	put("b", 'b');
}

static uint32_t sum_of(int id, size_t size)
{
	const unsigned char *memory = shmat(id, NULL, SHM_RDONLY);
	uint32_t sum = 0;

	assert_ptr_not_equal(memory, (void *)-1);
	for (size_t i = 0; i < size; i++)
		sum = sum * 31 + memory[i];
	check(shmdt(memory));
	return sum;
}

/* Including segments without a key, of which there is at most one. */
static void print(FILE *out)
{
	for (size_t i = 0; i < N_KEYS; i++) {
		int id = id_of(keys[i].name);
		struct shmid_ds found;

		if (id < 0)
			continue;
		found = segment_stat(id);
		fprintf(out, "%s mode %o owner %u:%u attached %lu size %zu bytes %08x\n", keys[i].name,
			found.shm_perm.mode, found.shm_perm.uid, found.shm_perm.gid,
			(unsigned long)found.shm_nattch, found.shm_segsz, sum_of(id, found.shm_segsz));
	}
	fprintf(out, "%d segments, %lu pages\n", segments_count(), segments_pages());
}

const struct scene scene_of_segments = {
	.bit = IN_SEGMENTS,
	.below = "sysv",
	.path = path,
	.put = put,
	.byte = byte,
	.is_there = segment_is_there,
	.begin = begin,
	.clean = clean,
	.lay = lay,
	.print = print,
	.end = clean,
};
