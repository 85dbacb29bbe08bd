// SPDX-License-Identifier: MIT
/*
 * The data plane: views, page faults, reads and writes of a file of 64 MiB, which is more than the caches
 * hold. Once with passthrough, and once relayed by the daemon, as bindfs does it.
 */
#include "tests/bench/bench.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define FILE_NAME   "data"
#define FRESH_NAME  "fresh"
#define FILE_SIZE   (64ul << 20)
#define PAGE        4096ul
#define PIECE       (64ul << 10)
#define FRESH_PAGES 4096u
#define ROUNDS      36
#define RELAYED     12 /* rounds of table "relayed" */

/* Goals: speeds relative to tmpfs. */
#define MAPPED     (1 / 1.05)
#define SMALL_CALL 0.90 /* 4 KiB */
#define LARGE_CALL 0.97 /* 64 KiB and more */

static volatile uint64_t sink; /* loaded values are used */

/* Alternates between targets, so that none gets better memory than another. */
static void renew(struct place places[TARGETS])
{
	int files[TARGETS];

	for (int i = 0; i < TARGETS; i++) {
		if (!is_measured(&places[i]))
			continue;
		enter(&places[i]);
		unlink(FILE_NAME);
		settle();
	}
	for (int i = 0; i < TARGETS; i++) {
		files[i] = -1;
		if (!is_measured(&places[i]))
			continue;
		enter(&places[i]);
		files[i] = (int)must(open(FILE_NAME, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
	}
	for (size_t at = 0; at < FILE_SIZE; at += PIECE)
		for (int i = 0; i < TARGETS; i++)
			if (files[i] >= 0)
				must(pwrite(files[i], places[i].buffer, PIECE, (off_t)at));
	for (int i = 0; i < TARGETS; i++)
		if (files[i] >= 0)
			close(files[i]);
}

static void map(struct place *place, const char *name, size_t size, int flags)
{
	int file = (int)must(open(name, O_RDWR | O_CLOEXEC));

	place->view_size = size;
	place->view = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | flags, file, 0);
	if (place->view == MAP_FAILED)
		die("mmap failed");
	close(file);
}

static void unmap(struct place *place, const struct workload *workload, unsigned int count)
{
	(void)workload;
	(void)count;
	/* otherwise what relays would write back during the next target's measurement */
	if (place->which != ON_TMPFS)
		must(msync(place->view, place->view_size, MS_SYNC));
	munmap(place->view, place->view_size);
	place->view = NULL;
}

static void map_present(struct place *place, const struct workload *workload, unsigned int count)
{
	(void)workload;
	(void)count;
	map(place, FILE_NAME, FILE_SIZE, MAP_POPULATE);
}

static void map_absent(struct place *place, const struct workload *workload, unsigned int count)
{
	(void)workload;
	(void)count;
	map(place, FILE_NAME, FILE_SIZE, 0);
}

/* argument of these four: bytes per access */
static void load_words(struct place *place, const struct workload *workload, unsigned int count)
{
	uint64_t sum = 0;

	(void)workload;
	while (count--)
		sum += *(const volatile uint64_t *)(place->view + (next_random(place) % (FILE_SIZE / 8)) * 8);
	sink = sum;
}

static void store_words(struct place *place, const struct workload *workload, unsigned int count)
{
	(void)workload;
	while (count--)
		*(volatile uint64_t *)(place->view + (next_random(place) % (FILE_SIZE / 8)) * 8) = count;
}

static void load_blocks(struct place *place, const struct workload *workload, unsigned int count)
{
	size_t size = (size_t)workload->argument;

	while (count--) {
		memcpy(place->buffer, place->view + (next_random(place) % (FILE_SIZE / size)) * size, size);
		sink = (unsigned char)place->buffer[count % size];
	}
}

static void store_blocks(struct place *place, const struct workload *workload, unsigned int count)
{
	size_t size = (size_t)workload->argument;

	while (count--)
		memcpy(place->view + (next_random(place) % (FILE_SIZE / size)) * size, place->buffer, size);
}

static void touch_reading(struct place *place, const struct workload *workload, unsigned int count)
{
	uint64_t sum = 0;

	(void)workload;
	for (unsigned int i = 0; i < count; i++)
		sum += *(const volatile unsigned char *)(place->view + i * PAGE);
	sink = sum;
}

static void touch_writing(struct place *place, const struct workload *workload, unsigned int count)
{
	(void)workload;
	for (unsigned int i = 0; i < count; i++)
		*(volatile char *)(place->view + i * PAGE) = 1;
}

static void map_fresh(struct place *place, const struct workload *workload, unsigned int count)
{
	int file = (int)must(open(FRESH_NAME, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));

	(void)workload;
	must(ftruncate(file, (off_t)(count * PAGE)));
	close(file);
	map(place, FRESH_NAME, count * PAGE, 0);
}

static void unmap_fresh(struct place *place, const struct workload *workload, unsigned int count)
{
	(void)workload;
	(void)count;
	munmap(place->view, place->view_size);
	must(truncate(FRESH_NAME, 0));
}

static void open_file(struct place *place, const struct workload *workload, unsigned int count)
{
	(void)workload;
	(void)count;
	place->file = (int)must(open(FILE_NAME, O_RDWR | O_CLOEXEC));
}

/* At the first write the kernel requests security.capability, once per inode. */
static void open_to_write(struct place *place, const struct workload *workload, unsigned int count)
{
	open_file(place, workload, count);
	must(pwrite(place->file, place->buffer, PAGE, 0));
}

static void close_file(struct place *place, const struct workload *workload, unsigned int count)
{
	(void)workload;
	(void)count;
	close(place->file);
	place->file = -1;
}

static void map_and_unmap(struct place *place, const struct workload *workload, unsigned int count)
{
	(void)workload;
	while (count--) {
		void *view = mmap(NULL, FILE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, place->file, 0);

		if (view == MAP_FAILED)
			die("mmap failed");
		munmap(view, FILE_SIZE);
	}
}

static off_t random_offset(struct place *place, size_t size)
{
	return (off_t)((next_random(place) % (FILE_SIZE / size)) * size);
}

static void read_blocks(struct place *place, const struct workload *workload, unsigned int count)
{
	size_t size = (size_t)workload->argument;

	while (count--)
		must(pread(place->file, place->buffer, size, random_offset(place, size)));
}

static void write_blocks(struct place *place, const struct workload *workload, unsigned int count)
{
	size_t size = (size_t)workload->argument;

	while (count--)
		must(pwrite(place->file, place->buffer, size, random_offset(place, size)));
}

static void open_to_append(struct place *place, const struct workload *workload, unsigned int count)
{
	(void)workload;
	(void)count;
	place->file = (int)must(open(FRESH_NAME, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0644));
	must(write(place->file, place->buffer, 1)); /* as open_to_write() */
}

static void append_blocks(struct place *place, const struct workload *workload, unsigned int count)
{
	while (count--)
		must(write(place->file, place->buffer, (size_t)workload->argument));
}

static void close_appended(struct place *place, const struct workload *workload, unsigned int count)
{
	close_file(place, workload, count);
	must(truncate(FRESH_NAME, 0));
}

#define VIEW .repeatable = true, .prepare = map_present, .finish = unmap, .goal = MAPPED
#define IN   .repeatable = true, .prepare = open_file, .finish = close_file
#define OUT  .repeatable = true, .prepare = open_to_write, .finish = close_file

static const struct workload workloads[] = {
	{.name = "view: load 8 B", .count = 200000, .run = load_words, VIEW},
	{.name = "view: store 8 B", .count = 200000, .peer = 64, .run = store_words, VIEW},
	{.name = "view: load 256 B", .count = 50000, .argument = 256, .run = load_blocks, VIEW},
	{.name = "view: store 256 B", .count = 50000, .peer = 64, .argument = 256, .run = store_blocks, VIEW},
	{.name = "view: load 4 KiB", .count = 8192, .argument = 4096, .run = load_blocks, VIEW},
	{.name = "view: store 4 KiB", .count = 8192, .peer = 32, .argument = 4096, .run = store_blocks, VIEW},
	{.name = "fault: read, present",
	 .count = FILE_SIZE / PAGE,
	 .peer = 8,
	 .prepare = map_absent,
	 .run = touch_reading,
	 .finish = unmap,
	 .goal = MAPPED},
	{.name = "fault: write, present",
	 .count = FILE_SIZE / PAGE,
	 .peer = 16,
	 .prepare = map_absent,
	 .run = touch_writing,
	 .finish = unmap,
	 .goal = MAPPED},
	{.name = "fault: write, new page",
	 .count = FRESH_PAGES,
	 .peer = 8,
	 .prepare = map_fresh,
	 .run = touch_writing,
	 .finish = unmap_fresh,
	 .goal = MAPPED},
	{.name = "mmap+munmap", .count = 1000, .run = map_and_unmap, IN, .goal = MAPPED},
	{.name = "append 4 KiB",
	 .count = 2048,
	 .peer = 8,
	 .argument = 4096,
	 .prepare = open_to_append,
	 .run = append_blocks,
	 .finish = close_appended},
	{.name = "pread 4 KiB",
	 .count = 4096,
	 .peer = 8,
	 .argument = 4096,
	 .run = read_blocks,
	 IN,
	 .goal = SMALL_CALL},
	{.name = "pwrite 4 KiB",
	 .count = 4096,
	 .peer = 32,
	 .argument = 4096,
	 .run = write_blocks,
	 OUT,
	 .goal = SMALL_CALL},
	{.name = "pread 64 KiB",
	 .bytes = 65536,
	 .count = 512,
	 .peer = 8,
	 .argument = 65536,
	 .run = read_blocks,
	 IN,
	 .goal = LARGE_CALL},
	{.name = "pwrite 64 KiB",
	 .bytes = 65536,
	 .count = 512,
	 .peer = 16,
	 .argument = 65536,
	 .run = write_blocks,
	 OUT,
	 .goal = LARGE_CALL},
	{.name = "pread 128 KiB",
	 .bytes = 131072,
	 .count = 256,
	 .peer = 8,
	 .argument = 131072,
	 .run = read_blocks,
	 IN,
	 .goal = LARGE_CALL},
	{.name = "pwrite 128 KiB",
	 .bytes = 131072,
	 .count = 256,
	 .peer = 16,
	 .argument = 131072,
	 .run = write_blocks,
	 OUT,
	 .goal = LARGE_CALL},
	{.name = "pread 1 MiB",
	 .bytes = 1048576,
	 .count = 40,
	 .peer = 8,
	 .argument = 1048576,
	 .run = read_blocks,
	 IN,
	 .goal = LARGE_CALL},
	{.name = "pwrite 1 MiB",
	 .bytes = 1048576,
	 .count = 40,
	 .peer = 16,
	 .argument = 1048576,
	 .run = write_blocks,
	 OUT,
	 .goal = LARGE_CALL},
};

#define N_WORKLOADS (sizeof(workloads) / sizeof(workloads[0]))

static struct place *measured; /* segfs's target, whose slices run_watched() counts */
static pid_t worker;
static uint64_t worker_used;    /* ns of CPU, during the timed part of slices on segfs */
static uint64_t worker_watched; /* ns of observation */
static const struct workload *present;

/* Replaces a workload's `run`: measures the CPU time of the worker. */
static void run_watched(struct place *place, const struct workload *workload, unsigned int count)
{
	uint64_t before;
	uint64_t start;

	if (place != measured) {
		present->run(place, workload, count);
		return;
	}
	settle();
	sleep_milliseconds(1); /* until it sleeps again */
	before = cpu_of(worker);
	start = nanoseconds();
	present->run(place, workload, count);
	worker_watched += nanoseconds() - start;
	worker_used += cpu_of(worker) - before;
}

static void watch(struct place places[TARGETS], const char *base)
{
	char mount[PATH_MAX];

	snprintf(mount, sizeof(mount), "%s/segfs", base);
	worker = (pid_t)status_number(mount, "worker_pid");
	measured = &places[ON_SEGFS];
	worker_used = worker_watched = 0;
	for (size_t i = 0; i < N_WORKLOADS; i++) {
		struct workload watched = workloads[i];
		struct outcome ignored;

		if (watched.run == append_blocks) /* a file that is open for appending is mediated */
			continue;
		present = &workloads[i];
		watched.run = run_watched;
		if (!only || strstr(watched.name, only))
			measure(places, &watched, 6, renew, &ignored);
	}
	printf("CPU time that the worker used while segfs's part of these ran: %.3f ms in %.0f ms; goal 0: "
	       "%s\n",
	       (double)worker_used / 1e6, (double)worker_watched / 1e6, worker_used == 0 ? "ok" : "MISS");
}

static void remove_files(const struct place places[TARGETS])
{
	for (int i = 0; i < TARGETS; i++) {
		if (!is_measured(&places[i]))
			continue;
		enter(&places[i]);
		unlink(FILE_NAME);
		unlink(FRESH_NAME);
	}
}

void bench_data(const char *base)
{
	struct place places[TARGETS];

	open_places(places, base, "data", ON_PASSTHROUGH);
	measure_table(places, "data", workloads, N_WORKLOADS, ROUNDS, renew, NULL);
	watch(places, base);
	remove_files(places);
}

void bench_relayed(const char *base)
{
	struct workload relayed[N_WORKLOADS];
	struct place places[TARGETS];

	for (size_t i = 0; i < N_WORKLOADS; i++) {
		relayed[i] = workloads[i];
		relayed[i].goal = 0;
		relayed[i].peer_goal = 1;
		/* as many for all: the more pages are dirty, the longer a store to another one takes */
		if (relayed[i].peer)
			relayed[i].count = relayed[i].count * 4 / relayed[i].peer + 1;
		relayed[i].peer = 0;
	}
	/* passthrough_hp relays nothing */
	open_places(places, base, "data", ON_BINDFS);
	measure_table(places, "relayed", relayed, N_WORKLOADS, RELAYED, renew, NULL);
	remove_files(places);
}
