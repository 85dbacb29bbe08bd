// SPDX-License-Identifier: MIT
#include "lib/tool/common/findings_memory.h"
#include "lib/base/cleanup.h"
#include "lib/tool/common/text.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define NEARLY 90 /* per cent */

/* Reads a number from a file; returns false without. */
static bool read_number(const char *path, uint64_t *number)
{
	_cleanup_fclose_ FILE *file = fopen(path, "re");

	return file && fscanf(file, "%" SCNu64, number) == 1;
}

/* --- System V --- */

/* Counts the segments, and their pages. */
static void count_segments(uint64_t *n, uint64_t *pages)
{
	_cleanup_fclose_ FILE *file = fopen("/proc/sysvipc/shm", "re");
	const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	char line[512];
	uint64_t size;

	*n = *pages = 0;
	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "%*d %*d %*o %" SCNu64, &size) == 1) {
			++*n;
			*pages += (size + page - 1) / page;
		}
}

static void add_limit(struct finding_list *list, const char *subject, const char *what, uint64_t used,
		      uint64_t limit, const char *remedy)
{
	const bool is_near = limit == 0 || (double)used * 100 / (double)limit >= NEARLY;

	findings_add(list, is_near ? FINDING_LIMITED : FINDING_OK, subject, is_near ? remedy : NULL,
		     "%" PRIu64 " of %" PRIu64 " %s are used", used, limit, what);
}

static void check_sysv(struct finding_list *list)
{
	uint64_t used, pages, limit, forced;
	char text[TEXT_SIZE_MAX];

	count_segments(&used, &pages);
	if (!read_number("/proc/sys/kernel/shmmni", &limit)) {
		findings_add(list, FINDING_LIMITED, "System V", "a kernel with CONFIG_SYSVIPC",
			     "there is no System V shared memory");
		return;
	}
	add_limit(list, "SHMMNI", "System V segments", used, limit,
		  "as root: sysctl kernel.shmmni=N; 'segctl gc'");
	if (read_number("/proc/sys/kernel/shmall", &limit))
		add_limit(list, "SHMALL", "pages of System V segments", pages, limit,
			  "as root: sysctl kernel.shmall=PAGES; 'segctl gc'");
	if (read_number("/proc/sys/kernel/shmmax", &limit)) {
		const bool is_small = limit < UINT64_C(1) << 30;

		text_size(limit, text);
		findings_add(list, is_small ? FINDING_LIMITED : FINDING_OK, "SHMMAX",
			     is_small ? "as root: sysctl kernel.shmmax=BYTES" : NULL,
			     "a System V segment may have %s", limit > UINT64_C(1) << 60 ? "any size" : text);
	}
	if (read_number("/proc/sys/kernel/shm_rmid_forced", &forced) && forced)
		findings_add(list, FINDING_LIMITED, "shm_rmid_forced",
			     "as root: sysctl kernel.shm_rmid_forced=0",
			     "the kernel removes a System V segment as soon as nobody is attached");
}

/* --- logind --- */

/* Sets the value of RemoveIPC= of one file. */
static void read_setting(const char *path, bool *removes)
{
	_cleanup_fclose_ FILE *file = fopen(path, "re");
	char line[512];

	while (file && fgets(line, sizeof(line), file)) {
		const char *at = line + strspn(line, " \t");

		if (strncasecmp(at, "RemoveIPC=", 10) == 0)
			*removes = strchr("yYtT1", at[10]) || strncasecmp(at + 10, "on", 2) == 0;
	}
}

static int is_setting(const struct dirent *entry)
{
	const size_t length = strlen(entry->d_name);

	return length > 5 && strcmp(entry->d_name + length - 5, ".conf") == 0;
}

static void read_directory(const char *directory, bool *removes)
{
	struct dirent **entries;
	const int n = scandir(directory, &entries, is_setting, alphasort);

	for (int i = 0; i < n; i++) {
		char path[PATH_MAX];

		snprintf(path, sizeof(path), "%s/%s", directory, entries[i]->d_name);
		read_setting(path, removes);
		free(entries[i]);
	}
	if (n >= 0)
		free(entries);
}

static void check_logind(struct finding_list *list)
{
	/* what logind does without a setting */
	bool removes = true;

	if (access("/run/systemd/seats", F_OK) < 0)
		return;
	read_setting("/usr/lib/systemd/logind.conf", &removes);
	read_directory("/usr/lib/systemd/logind.conf.d", &removes);
	read_setting("/etc/systemd/logind.conf", &removes);
	read_directory("/run/systemd/logind.conf.d", &removes);
	read_directory("/etc/systemd/logind.conf.d", &removes);
	if (removes)
		findings_add(list, FINDING_LIMITED, "RemoveIPC",
			     "set RemoveIPC=no in /etc/systemd/logind.conf, or run services as system users",
			     "logind removes what a user has in posix/ and sysv/ when he logs out");
	else
		findings_add(list, FINDING_OK, "RemoveIPC", NULL,
			     "logind leaves the memory of users who log out alone");
}

/* --- huge pages, /dev/shm --- */

static void check_huge(struct finding_list *list)
{
	_cleanup_fclose_ FILE *file = fopen("/sys/kernel/mm/transparent_hugepage/shmem_enabled", "re");
	char line[128] = "";
	char *chosen;
	uint64_t pages;

	if (!file || !fgets(line, sizeof(line), file)) {
		findings_add(list, FINDING_LIMITED, "huge pages", "a kernel with CONFIG_TRANSPARENT_HUGEPAGE",
			     "huge = has no effect");
	} else {
		chosen = strchr(line, '[');
		chosen = chosen ? chosen + 1 : line;
		chosen[strcspn(chosen, "] \n")] = '\0';
		if (strcmp(chosen, "deny") == 0)
			findings_add(
				list, FINDING_LIMITED, "huge pages",
				"as root: echo advise >/sys/kernel/mm/transparent_hugepage/shmem_enabled",
				"shared memory gets none, whatever huge = says");
		else
			findings_add(list, FINDING_OK, "huge pages", NULL,
				     "as huge = of a directory says; without it: %s", chosen);
	}
	if (read_number("/proc/sys/vm/nr_hugepages", &pages))
		findings_add(list, FINDING_OK, "hugetlbfs", NULL, "%" PRIu64 " huge pages are reserved",
			     pages);
}

static void check_shm(struct finding_list *list)
{
	struct statvfs found;
	uint64_t limit, used;
	char limit_text[TEXT_SIZE_MAX], used_text[TEXT_SIZE_MAX];
	bool is_near;

	if (statvfs("/dev/shm", &found) < 0) {
		findings_add(list, FINDING_MISSING, "/dev/shm", "as root: mount -t tmpfs tmpfs /dev/shm",
			     "it is not there: shm_open(3) fails");
		return;
	}
	limit = (uint64_t)found.f_blocks * found.f_frsize;
	used = (uint64_t)(found.f_blocks - found.f_bfree) * found.f_frsize;
	text_size(limit, limit_text);
	text_size(used, used_text);
	is_near = limit > 0 && (double)used * 100 / (double)limit >= NEARLY;
	findings_add(list, is_near ? FINDING_LIMITED : FINDING_OK, "/dev/shm",
		     is_near ? "'segctl gc --source posix'; as root: mount -o remount,size=SIZE /dev/shm"
			     : NULL,
		     "%s of %s are used", used_text, limit_text);
}

void findings_memory(struct finding_list *list)
{
	check_shm(list);
	check_sysv(list);
	check_logind(list);
	check_huge(list);
}
