// SPDX-License-Identifier: MIT
#include "tests/lib/load.h"
#include "lib/base/cleanup.h"
#include "tests/lib/process.h"
#include "tests/lib/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/xattr.h>

/* Arguments of a client. */
struct start {
	const struct load *load;
	enum load_kind kind;
	unsigned int number;
};

/* root: the mount or the store. */
static void directory_of(char path[PATH_MAX], const struct load *load, const char *root, unsigned int number)
{
	snprintf(path, PATH_MAX, "%s", path_of("%s/load-%u-client-%u", root, load->number, number));
}

static const char *common_of(const struct load *load, const char *root)
{
	return path_of("%s/load-%u-common", root, load->number);
}

static void run_client(struct job *job, void *context)
{
	const struct start *start = context;
	struct load_client client = {
		.job = job,
		.shared = start->load->shared,
		.number = start->number,
		.fd = -1,
	};

	directory_of(client.directory, start->load, start->load->mount->path, start->number);
	snprintf(client.common, PATH_MAX, "%s", common_of(start->load, start->load->mount->path));
	load_prepare(&client);
	while (!atomic_load(&job->stop)) {
		load_repeatable_round(&client);
		if (start->kind == LOAD_ANY)
			load_names_round(&client);
		client.round++;
		atomic_fetch_add(&job->steps, 1);
	}
}

static int fill(const char *path, unsigned int number, long from, long size)
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0640);
	static char bytes[LOAD_SIZE];

	if (fd < 0 || size > LOAD_SIZE)
		return -1;
	for (long i = 0; i < size; i++)
		bytes[i] = load_byte(number, from + i);
	return pwrite(fd, bytes, (size_t)size, from) == size ? 0 : -1;
}

/* In the store, so that the mount sees them for the first time under load. */
static int make_files(const struct load *load, unsigned int number)
{
	char directory[PATH_MAX];

	directory_of(directory, load, load->mount->store, number);
	if (mkdir(directory, 0755) < 0 || mkdir(path_of("%s/list", directory), 0755) < 0 ||
	    mkdir(path_of("%s/names", directory), 0755) < 0 ||
	    symlink("target", path_of("%s/link", directory)) < 0 ||
	    fill(path_of("%s/data", directory), number, 0, LOAD_SIZE) < 0 ||
	    fill(path_of("%s/copy", directory), number, 0, LOAD_SIZE) < 0 ||
	    fill(path_of("%s/short", directory), number, 0, 4096) < 0 ||
	    (kernel_has("tmpfs-user-xattr") &&
	     setxattr(path_of("%s/data", directory), "user.client", "one", 3, 0) < 0) ||
	    fill(common_of(load, load->mount->store), number, (long)number * LOAD_SIZE, LOAD_SIZE) < 0)
		return -1;
	for (int i = 0; i < LOAD_ENTRIES; i++)
		if (fill(path_of("%s/list/entry-%d", directory, i), number, 0, i + 1) < 0)
			return -1;
	return 0;
}

int load_start(struct load *load, const struct mount *mount, enum load_kind kind, unsigned int n_clients)
{
	void *memory =
		mmap(NULL, sizeof(*load->shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	const char *seed = getenv("TEST_SEED");
	static unsigned int number;

	*load = (struct load){.mount = mount, .shared = memory, .number = number};
	number++;
	if (memory == MAP_FAILED)
		return -1;
	load->seed = seed ? (unsigned int)strtoul(seed, NULL, 10) : (unsigned int)getpid();
	for (unsigned int i = 0; i < n_clients && i < LOAD_CLIENTS; i++) {
		const struct start start = {.load = load, .kind = kind, .number = i};

		if (make_files(load, i) < 0) {
			fprintf(stderr, "making the files of client %u: %s\n", i, strerror(errno));
			return -1;
		}
		load->clients[i] = job_start(run_client, (void *)(uintptr_t)&start);
		if (!load->clients[i])
			return -1;
		load->n_clients++;
	}
	return 0;
}

unsigned long load_operations(const struct load *load)
{
	return atomic_load(&load->shared->operations);
}

static bool has_failed(const struct load *load)
{
	for (unsigned int i = 0; i < load->n_clients; i++)
		if (atomic_load(&load->clients[i]->failed))
			return true;
	return false;
}

/* Without pauses: a millisecond is many operations. */
static bool wait_operations(const struct load *load, unsigned long more)
{
	const struct deadline deadline = deadline_in(WAIT_SECONDS);
	unsigned long wanted = load_operations(load) + more;

	while (load_operations(load) < wanted) {
		if (has_failed(load))
			return false;
		for (int i = 0; i < 1000 && load_operations(load) < wanted; i++)
			sched_yield();
		if (load_operations(load) < wanted && !deadline_wait(&deadline)) {
			fprintf(stderr, "the clients do not go on\n");
			return false;
		}
	}
	return true;
}

bool load_kill_worker(struct load *load, unsigned int most)
{
	pid_t worker = (pid_t)mount_status(load->mount, "worker_pid");
	pid_t next = worker;

	if (!wait_operations(load, (unsigned int)rand_r(&load->seed) % most) ||
	    !is_child_of(worker, load->mount->supervisor))
		return false;
	atomic_fetch_add(&load->shared->kills, 1);
	worker_kill(load->mount, worker);
	if (!wait_for((next = (pid_t)mount_status(load->mount, "worker_pid")) > 0 && next != worker)) {
		fprintf(stderr, "no new worker answers\n");
		return false;
	}
	atomic_fetch_add(&load->shared->kills, 1);
	return wait_operations(load, 1);
}

static int expect_bytes(const char *path, unsigned int number, long from, long size, bool whole)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	static char bytes[LOAD_SIZE + 1];
	ssize_t length = fd < 0 || size > LOAD_SIZE ? -1 : pread(fd, bytes, (size_t)size + whole, from);

	if (length != size) {
		fprintf(stderr, "%s: %zd bytes at %ld, expected %ld\n", path, length, from, size);
		return -1;
	}
	for (long i = 0; i < size; i++) {
		if (bytes[i] != load_byte(number, from + i)) {
			fprintf(stderr, "%s: wrong byte at %ld\n", path, from + i);
			return -1;
		}
	}
	return 0;
}

static int count_entries(const char *path)
{
	_cleanup_closedir_ DIR *dir = opendir(path);
	int n = -2; /* "." and ".." */

	if (!dir)
		return -1;
	while (readdir(dir))
		n++;
	return n;
}

static int check_files(const struct load *load, const char *root, unsigned int number)
{
	char directory[PATH_MAX];
	int result = 0;

	directory_of(directory, load, root, number);
	result |= expect_bytes(path_of("%s/data", directory), number, 0, LOAD_SIZE, true);
	result |= expect_bytes(path_of("%s/copy", directory), number, 0, LOAD_SIZE, true);
	result |= expect_bytes(path_of("%s/short", directory), number, 0, 4096, true);
	result |= expect_bytes(common_of(load, root), number, (long)number * LOAD_SIZE, LOAD_SIZE, false);
	if (count_entries(path_of("%s/list", directory)) != LOAD_ENTRIES ||
	    count_entries(path_of("%s/names", directory)) != 0) {
		fprintf(stderr, "%s: wrong entries\n", directory);
		result = -1;
	}
	return result;
}

int load_end(struct load *load)
{
	int result = jobs_end(load->clients, load->n_clients);

	for (unsigned int i = 0; i < load->n_clients && result == 0; i++)
		result |= check_files(load, load->mount->path, i) | check_files(load, load->mount->store, i);
	munmap(load->shared, sizeof(*load->shared));
	return result;
}
