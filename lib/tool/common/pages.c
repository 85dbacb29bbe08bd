// SPDX-License-Identifier: MIT
#include "lib/tool/common/pages.h"
#include "lib/base/cleanup.h"
#include "lib/base/procfs.h"
#include "lib/tool/common/extents.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kernel-page-flags.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define WINDOW  ((uint64_t)1 << 30) /* bytes that are mapped at a time */
#define HUGE    ((uint64_t)2 << 20) /* where huge pages begin; larger ones begin there, too */
#define REGIONS 256                 /* that one ioctl tells of */
#define ENTRIES 512                 /* of a table of the kernel, read at a time */

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#endif
#ifndef SYS_cachestat
#define SYS_cachestat 451
#endif

/* PAGEMAP_SCAN of <linux/fs.h> (Linux 6.7), and cachestat(2) of <linux/mman.h> (6.5) */
struct region {
	uint64_t start, end, categories;
};
struct scan {
	uint64_t size, flags, start, end, walk_end, regions, n_regions, max_pages;
	uint64_t inverted, all, any, wanted;
};
#define SCAN    _IOWR('f', 16, struct scan)
#define IS_HUGE ((uint64_t)1 << 6)

struct cache_range {
	uint64_t offset, length;
};
struct cache_state {
	uint64_t cache, dirty, writeback, evicted, recently_evicted;
};

/* Entries of /proc/self/pagemap: whether there is a page, and its number, which only root is told. */
#define PRESENT ((uint64_t)1 << 63)
#define NUMBER  (((uint64_t)1 << 55) - 1)

/* Tables of the kernel, a word for each page: of our addresses, and of the machine. */
struct tables {
	int pagemap_fd, flags_fd; /* -1 = they may not be read */
};

/* A part of the file that is mapped. */
struct window {
	uint64_t offset, length; /* of the file, whole pages */
	char *reserved;          /* address space around it */
	char *base;              /* where `offset` is; at a huge page if that is one */
	unsigned char *present;  /* of mincore(2): a byte for each page */
};

/* Adds a range of bytes to the units in which it lies. member: which of the sums. */
static void add(struct pages *pages, uint64_t begin, uint64_t end, size_t member)
{
	if (end > pages->size)
		end = pages->size;
	while (begin < end) {
		const uint64_t index = begin / pages->unit;
		const uint64_t next = (index + 1) * pages->unit;
		const uint64_t length = (next < end ? next : end) - begin;

		*(uint64_t *)((char *)&pages->units[index] + member) += length;
		*(uint64_t *)((char *)&pages->all + member) += length;
		begin += length;
	}
}

/* --- windows --- */

static int open_window(int fd, const struct pages *pages, uint64_t offset, uint64_t length,
		       struct window *window)
{
	const uint64_t begin = offset / HUGE * HUGE;
	const uint64_t whole = (offset + length - begin + pages->page - 1) / pages->page * pages->page;
	void *reserved =
		mmap(NULL, whole + HUGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (reserved == MAP_FAILED)
		return -errno;
	*window = (struct window){.offset = begin, .length = whole, .reserved = reserved};
	window->base = window->reserved + (HUGE - (uintptr_t)reserved % HUGE) % HUGE;
	window->present = calloc(1, whole / pages->page + 1);
	if (!window->present)
		return -ENOMEM;
	if (mmap(window->base, whole, PROT_READ, MAP_SHARED | MAP_FIXED, fd, (off_t)begin) == MAP_FAILED)
		return -errno;
	return mincore(window->base, whole, window->present) < 0 ? -errno : 0;
}

static void close_window(struct window *window)
{
	if (window->reserved)
		munmap(window->reserved, window->length + HUGE);
	free(window->present);
	*window = (struct window){0};
}

static void count_resident(struct pages *pages, const struct window *window, uint64_t from)
{
	const size_t n = window->length / pages->page;

	for (size_t i = (from - window->offset) / pages->page; i < n; i++)
		if (window->present[i] & 1)
			add(pages, window->offset + i * pages->page, window->offset + (i + 1) * pages->page,
			    offsetof(struct pages_unit, resident));
}

/* Pages in memory are made present in our page table: of these its tables tell. */
static void populate(const struct pages *pages, const struct window *window)
{
	const size_t n = window->length / pages->page;

	for (size_t first = 0, i; first < n; first = i + 1) {
		for (i = first; i < n && window->present[i] & 1; i++)
			;
		if (i > first)
			madvise(window->base + first * pages->page, (i - first) * pages->page,
				MADV_POPULATE_READ);
	}
}

/* --- huge pages --- */

static void count_huge(struct pages *pages, int pagemap_fd, const struct window *window)
{
	struct region regions[REGIONS];
	const uint64_t base = (uintptr_t)window->base;
	struct scan scan = {
		.size = sizeof(scan),
		.start = base,
		.end = base + window->length,
		.regions = (uintptr_t)regions,
		.n_regions = REGIONS,
		.all = IS_HUGE,
		.wanted = IS_HUGE,
	};
	int n;

	if (!pages->knows_huge)
		return;
	do {
		n = ioctl(pagemap_fd, SCAN, &scan);
		if (n < 0) {
			pages->knows_huge = false;
			pages->why_huge = "the kernel does not tell of huge pages before Linux 6.7";
			return;
		}
		for (int i = 0; i < n; i++)
			add(pages, regions[i].start - base + window->offset,
			    regions[i].end - base + window->offset, offsetof(struct pages_unit, huge));
		scan.start = scan.walk_end;
	} while (n == REGIONS && scan.start < scan.end);
}

/* --- dirty pages --- */

/* Of the mount's own page cache. */
static void count_dirty_cache(struct pages *pages, int fd, uint64_t begin, uint64_t end)
{
	for (uint64_t at = begin; at < end && pages->knows_dirty;) {
		const uint64_t next = (at / pages->unit + 1) * pages->unit;
		const struct cache_range range = {.offset = at, .length = (next < end ? next : end) - at};
		struct cache_state state;

		if (syscall(SYS_cachestat, fd, &range, &state, 0) < 0) {
			pages->knows_dirty = false;
			pages->why_dirty = "the kernel does not tell of them before Linux 6.5";
			return;
		}
		add(pages, at,
		    at + (state.dirty * pages->page < range.length ? state.dirty * pages->page
								   : range.length),
		    offsetof(struct pages_unit, dirty));
		at += range.length;
	}
}

/* Words of /proc/kpageflags from a page on. */
struct flags {
	uint64_t first, words[ENTRIES];
	size_t n;
};

/* Returns whether a page of the machine waits for its medium. That of a page of tmpfs is swap, if any. */
static bool is_dirty(int flags_fd, uint64_t number, struct flags *flags)
{
	uint64_t word;

	if (number < flags->first || number - flags->first >= flags->n) {
		const ssize_t length = pread(flags_fd, flags->words, sizeof(flags->words),
					     (off_t)(number * sizeof(uint64_t)));

		flags->first = number;
		flags->n = length > 0 ? (size_t)length / sizeof(uint64_t) : 0;
		if (flags->n == 0)
			return false;
	}
	word = flags->words[number - flags->first];
	return word & (1u << KPF_DIRTY | 1u << KPF_WRITEBACK) && !(word & 1u << KPF_SWAPBACKED);
}

/* Of memory that is mapped. */
static void count_dirty_memory(struct pages *pages, const struct tables *tables, const struct window *window,
			       uint64_t from)
{
	const size_t n = window->length / pages->page;
	uint64_t entries[ENTRIES];
	struct flags flags = {0};

	for (size_t i = (from - window->offset) / pages->page, read; i < n; i += read) {
		const uint64_t address = (uintptr_t)window->base / pages->page + i;
		const size_t wanted = n - i < ENTRIES ? n - i : ENTRIES;
		const ssize_t length = pread(tables->pagemap_fd, entries, wanted * sizeof(uint64_t),
					     (off_t)(address * sizeof(uint64_t)));

		read = length > 0 ? (size_t)length / sizeof(uint64_t) : 0;
		for (size_t at = 0; at < read; at++) {
			if (!(entries[at] & PRESENT))
				continue;
			if (!(entries[at] & NUMBER))
				pages->knows_dirty = false;
			else if (is_dirty(tables->flags_fd, entries[at] & NUMBER, &flags))
				add(pages, window->offset + (i + at) * pages->page,
				    window->offset + (i + at + 1) * pages->page,
				    offsetof(struct pages_unit, dirty));
		}
		if (read == 0 || !pages->knows_dirty) {
			pages->knows_dirty = false;
			return;
		}
	}
}

/* --- all --- */

static int look_at_window(struct pages *pages, int fd, const struct tables *tables, uint64_t begin,
			  uint64_t end)
{
	struct window window = {0};
	const uint64_t from = begin / pages->page * pages->page;
	int result = open_window(fd, pages, from, end - from, &window);

	if (result == 0) {
		count_resident(pages, &window, from);
		if (pages->knows_huge || pages->knows_dirty)
			populate(pages, &window);
		count_huge(pages, tables->pagemap_fd, &window);
		if (pages->knows_dirty)
			count_dirty_memory(pages, tables, &window, from);
	}
	close_window(&window);
	return result;
}

/* Whether the kernel tells this user the truth by mincore(2). */
static bool may_see(int fd, const struct stat *found)
{
	char path[PROCFS_FD_MAX];

	procfs_fd_path(path, fd);
	return geteuid() == 0 || geteuid() == found->st_uid || access(path, W_OK) == 0;
}

static void prepare(int fd, bool is_relayed, const struct tables *tables, const struct stat *found,
		    struct pages *pages)
{
	pages->knows_resident = !is_relayed && may_see(fd, found);
	pages->knows_huge = pages->knows_resident;
	pages->why_resident = pages->why_huge =
		is_relayed ? "its views are relayed, so that the memory behind them cannot be seen"
			   : "the kernel tells it only to the owner, and to those who may write";
	pages->knows_dirty = is_relayed || (pages->knows_resident && tables->flags_fd >= 0);
	pages->why_dirty = "of pages that are not in the mount's own page cache, the kernel tells only root";
}

static int walk(int fd, bool is_relayed, const struct tables *tables, struct pages *pages)
{
	struct extent extent;
	uint64_t at = 0;
	int result;

	while ((result = extent_next(fd, at, pages->size, &extent)) > 0) {
		const uint64_t end = extent.offset + extent.length;

		add(pages, extent.offset, end, offsetof(struct pages_unit, data));
		if (is_relayed)
			count_dirty_cache(pages, fd, extent.offset, end);
		for (at = extent.offset; at < end && pages->knows_resident;) {
			/* windows end where huge pages do */
			uint64_t next = (at / WINDOW + 1) * WINDOW;

			if (next > end)
				next = end;
			result = look_at_window(pages, fd, tables, at, next);
			if (result < 0) {
				pages->knows_resident = pages->knows_huge = pages->knows_dirty = false;
				pages->why_resident = pages->why_huge = pages->why_dirty = strerror(-result);
			}
			at = next;
		}
		at = end;
	}
	return result;
}

int pages_look(int fd, bool is_relayed, struct pages *pages)
{
	_cleanup_close_ int pagemap_fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	_cleanup_close_ int flags_fd = open("/proc/kpageflags", O_RDONLY | O_CLOEXEC);
	const struct tables tables = {.pagemap_fd = pagemap_fd, .flags_fd = flags_fd};
	struct stat found;

	*pages = (struct pages){.page = (uint64_t)sysconf(_SC_PAGESIZE)};
	if (fstat(fd, &found) < 0)
		return -errno;
	pages->size = (uint64_t)found.st_size;
	for (pages->unit = pages->page; pages->size / pages->unit >= PAGES_UNITS_MAX;)
		pages->unit *= 2;
	pages->n = (size_t)((pages->size + pages->unit - 1) / pages->unit);
	pages->units = calloc(pages->n + 1, sizeof(*pages->units));
	if (!pages->units)
		return -ENOMEM;
	prepare(fd, is_relayed, &tables, &found, pages);
	return walk(fd, is_relayed, &tables, pages);
}

void pages_free(struct pages *pages)
{
	free(pages->units);
	*pages = (struct pages){0};
}

struct pages_unit pages_sum(const struct pages *pages, uint64_t begin, uint64_t end)
{
	struct pages_unit sum = {0};

	for (uint64_t i = begin / pages->unit; i < pages->n && i * pages->unit < end; i++) {
		sum.data += pages->units[i].data;
		sum.resident += pages->units[i].resident;
		sum.huge += pages->units[i].huge;
		sum.dirty += pages->units[i].dirty;
	}
	return sum;
}

enum pages_state pages_state(const struct pages *pages, const struct pages_unit *unit, uint64_t length)
{
	if (unit->data == 0 && unit->resident == 0)
		return PAGES_HOLE;
	if (unit->dirty > 0)
		return PAGES_DIRTY;
	if (!pages->knows_resident)
		return PAGES_DATA;
	if (2 * unit->resident < unit->data)
		return PAGES_AWAY;
	if (2 * unit->huge >= unit->resident)
		return PAGES_HUGE;
	return 2 * unit->resident < length ? PAGES_PART : PAGES_RESIDENT;
}

const char *pages_word(enum pages_state state)
{
	static const char *const words[PAGES_STATES] = {
		[PAGES_HOLE] = "hole", [PAGES_PART] = "partly resident", [PAGES_RESIDENT] = "resident",
		[PAGES_HUGE] = "huge", [PAGES_DIRTY] = "dirty",          [PAGES_AWAY] = "swapped or on disk",
		[PAGES_DATA] = "data",
	};

	return words[state];
}
