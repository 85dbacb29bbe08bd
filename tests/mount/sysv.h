/* SPDX-License-Identifier: MIT */
/*
 * Shared by the programs that test the memory of System V segments: a mount in one of the I/O modes, one
 * segment, and views of it on both sides. Each program includes it in one file.
 */
#ifndef SEGFS_MOUNT_SYSV_H
#define SEGFS_MOUNT_SYSV_H

#include "tests/lib/segments.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

#define KEY  0xc0deu
#define PAGE 4096

static struct mount mount;
static const char *io_mode;

static inline const char *at_key(uint32_t key)
{
	return path_of("%s/sysv/0x%08x", mount.path, key);
}

static inline int open_key(int flags)
{
	return (int)check(open(at_key(KEY), flags | O_CLOEXEC, 0600));
}

static inline bool shares_pages(void)
{
	return strcmp(io_mode, "relayed") != 0;
}

static inline char *attach(int id, int flags)
{
	char *memory = shmat(id, NULL, flags);

	assert_ptr_not_equal(memory, (char *)-1);
	return memory;
}

static inline char *map(int fd, size_t size, int protection)
{
	char *view;

	need_uncached_views();
	view = mmap(NULL, size, protection, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(view, MAP_FAILED);
	return view;
}

static inline int start(const char *mode)
{
	io_mode = mode;
	return mount_start(&mount, &(struct mount_spec){.options = path_of("io_mode=%s", mode)});
}

static inline int stop(void **unused)
{
	(void)unused;
	return mount_stop(&mount);
}

#define CASE(function) cmocka_unit_test_teardown(function, segments_clean)

#endif
