// SPDX-License-Identifier: MIT
/* Idempotent operations. */
#include "lib/base/cleanup.h"
#include "tests/lib/load.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <sys/xattr.h>

#define BLOCK 4096

static const char *own(const struct load_client *client, const char *name)
{
	return path_of("%s/%s", client->directory, name);
}

/* A different block every round. */
static long block_of(const struct load_client *client)
{
	return (long)((client->round * 13 + client->number) % (LOAD_SIZE / BLOCK)) * BLOCK;
}

static void fill(unsigned int number, long at, char bytes[BLOCK])
{
	for (long i = 0; i < BLOCK; i++)
		bytes[i] = load_byte(number, at + i);
}

static bool is_right(unsigned int number, long at, const char *bytes)
{
	for (long i = 0; i < BLOCK; i++)
		if (bytes[i] != load_byte(number, at + i))
			return false;
	return true;
}

void load_prepare(struct load_client *client)
{
	client->fd = open(own(client, "data"), O_RDWR | O_CLOEXEC);
	load_must(client, client->fd >= 0);
	client->view = mmap(NULL, LOAD_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, client->fd, 0);
	load_must(client, client->view != MAP_FAILED);
}

/* Reads, writes and views, through a descriptor open for long and through a new one. */
static void use_bytes(struct load_client *client)
{
	const long at = block_of(client);
	const unsigned int number = client->number;
	struct stat stat;
	char bytes[BLOCK];
	char *view;
	int fd;

	load_must(client, pread(client->fd, bytes, BLOCK, at) == BLOCK);
	load_must(client, is_right(number, at, bytes));
	load_must(client, pwrite(client->fd, bytes, BLOCK, at) == BLOCK);
	load_must(client, is_right(number, at, client->view + at));
	memcpy(client->view + at, bytes, BLOCK);

	fd = open(own(client, "data"), O_RDWR | O_CLOEXEC);
	load_must(client, fd >= 0);
	load_must(client, pread(fd, bytes, BLOCK, at) == BLOCK);
	load_must(client, is_right(number, at, bytes));
	load_must(client, pwrite(fd, bytes, BLOCK, at) == BLOCK);
	load_must(client, fstat(fd, &stat) == 0);
	load_must(client, stat.st_size == LOAD_SIZE && stat.st_nlink == 1 && S_ISREG(stat.st_mode));
	view = mmap(NULL, LOAD_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	load_must(client, view != MAP_FAILED);
	load_must(client, close(fd) == 0);
	load_must(client, is_right(number, at, view + at));
	memcpy(view + at, bytes, BLOCK);
	load_must(client, client->round % 16 || msync(view, LOAD_SIZE, MS_SYNC) == 0);
	load_must(client, munmap(view, LOAD_SIZE) == 0);
}

/* A file that all clients have open, each writing to its own part. */
static void use_common(struct load_client *client)
{
	const long at = (long)client->number * LOAD_SIZE + block_of(client);
	char bytes[BLOCK];
	int fd = open(client->common, O_RDWR | O_CREAT | O_CLOEXEC, 0640);

	load_must(client, fd >= 0);
	fill(client->number, at, bytes);
	load_must(client, pwrite(fd, bytes, BLOCK, at) == BLOCK);
	load_must(client, pread(fd, bytes, BLOCK, at) == BLOCK);
	load_must(client, is_right(client->number, at, bytes));
	/* the first client's part exists from the start */
	load_must(client, pread(fd, bytes, BLOCK, block_of(client)) == BLOCK);
	load_must(client, is_right(0, block_of(client), bytes));
	load_must(client, close(fd) == 0);
}

static void use_attributes(struct load_client *client)
{
	const struct timespec times[2] = {{.tv_sec = 1000000, .tv_nsec = 1},
					  {.tv_sec = 2000000, .tv_nsec = 999999999}};
	struct statvfs file_system;
	struct statx birth;
	struct stat stat_buffer;
	char value[16];
	char list[256];

	load_must(client, chmod(own(client, "short"), 0604) == 0);
	load_must(client, chown(own(client, "short"), 1, 2) == 0);
	load_must(client, utimensat(AT_FDCWD, own(client, "short"), times, 0) == 0);
	load_must(client, stat(own(client, "short"), &stat_buffer) == 0);
	load_must(client, stat_buffer.st_mode == (S_IFREG | 0604));
	load_must(client, stat_buffer.st_uid == 1 && stat_buffer.st_gid == 2);
	load_must(client, stat_buffer.st_atim.tv_sec == 1000000 && stat_buffer.st_atim.tv_nsec == 1);
	load_must(client, stat_buffer.st_mtim.tv_sec == 2000000 && stat_buffer.st_mtim.tv_nsec == 999999999);
	load_must(client, statx(AT_FDCWD, own(client, "short"), AT_STATX_FORCE_SYNC, STATX_ALL, &birth) == 0);
	load_must(client, birth.stx_size == 4096);
	load_must(client, access(own(client, "short"), R_OK) == 0);
	load_must(client, access(own(client, "nothing"), F_OK) < 0 && errno == ENOENT);
	load_must(client, statvfs(own(client, "."), &file_system) == 0);
	load_must(client, file_system.f_blocks > 0);
	load_must(client, readlink(own(client, "link"), value, sizeof(value)) == 6);
	load_must(client, memcmp(value, "target", 6) == 0);
	if (!kernel_has("tmpfs-user-xattr"))
		return;
	load_must(client, getxattr(own(client, "data"), "user.client", value, sizeof(value)) == 3);
	load_must(client, memcmp(value, "one", 3) == 0);
	load_must(client,
		  getxattr(own(client, "data"), "user.none", value, sizeof(value)) < 0 && errno == ENODATA);
	load_must(client, setxattr(own(client, "data"), "user.second", "22", 2, 0) == 0);
	load_must(client, listxattr(own(client, "data"), list, sizeof(list)) > 0);
}

static void use_size(struct load_client *client)
{
	char bytes[BLOCK];
	int fd;

	fill(client->number, 0, bytes);
	load_must(client, truncate(own(client, "data"), LOAD_SIZE) == 0);
	load_must(client, ftruncate(client->fd, LOAD_SIZE) == 0);
	load_must(client, fallocate(client->fd, FALLOC_FL_KEEP_SIZE, 0, LOAD_SIZE) == 0);
	load_must(client, lseek(client->fd, 0, SEEK_HOLE) == LOAD_SIZE);
	load_must(client, lseek(client->fd, 0, SEEK_DATA) == 0);
	fd = open(own(client, "short"), O_RDWR | O_TRUNC | O_CLOEXEC);
	load_must(client, fd >= 0);
	load_must(client, pwrite(fd, bytes, BLOCK / 2, BLOCK / 2) == BLOCK / 2);
	fill(client->number, 0, bytes);
	load_must(client, pwrite(fd, bytes, BLOCK, 0) == BLOCK);
	load_must(client, fsync(fd) == 0);
	load_must(client, close(fd) == 0);
}

static void copy(struct load_client *client)
{
	off_t from = block_of(client);
	off_t to = from;
	int fd = open(own(client, "copy"), O_RDWR | O_CREAT | O_CLOEXEC, 0640);

	load_must(client, fd >= 0);
	load_must(client, copy_file_range(client->fd, &from, fd, &to, BLOCK, 0) == BLOCK);
	load_must(client, close(fd) == 0);
}

static void list(struct load_client *client)
{
	_cleanup_closedir_ DIR *dir = opendir(own(client, "list"));
	bool seen[LOAD_ENTRIES] = {false};
	const struct dirent *entry;
	int n = 0;

	load_must(client, dir != NULL);
	while ((entry = readdir(dir))) {
		struct stat stat_buffer;
		int number;

		if (entry->d_name[0] == '.')
			continue;
		load_must(client, sscanf(entry->d_name, "entry-%d", &number) == 1);
		load_must(client, number >= 0 && number < LOAD_ENTRIES && !seen[number]);
		load_must(client, fstatat(dirfd(dir), entry->d_name, &stat_buffer, 0) == 0);
		load_must(client, stat_buffer.st_size == number + 1 && stat_buffer.st_ino == entry->d_ino);
		seen[number] = true;
		n++;
	}
	load_must(client, n == LOAD_ENTRIES);
}

static void use_control(struct load_client *client)
{
	const char *path = path_of("%s/../.segfs/status", client->directory);
	char text[8192];
	ssize_t length;

	load_must(client, (length = read_text(path, text, sizeof(text))) > 0);
	load_must(client, strcmp(text + length - 3, "\n}\n") == 0);
}

void load_repeatable_round(struct load_client *client)
{
	use_bytes(client);
	use_common(client);
	use_attributes(client);
	use_size(client);
	copy(client);
	if (client->round % 4 == 0) {
		list(client);
		use_control(client);
	}
}
