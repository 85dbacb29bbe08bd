// SPDX-License-Identifier: MIT
#include "lib/tool/common/findings_rights.h"
#include "lib/base/cleanup.h"
#include "lib/tool/common/text.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ENOUGH_FILES  1024
#define ENOUGH_LOCKED (UINT64_C(8) << 20)

static void check_fuse(struct finding_list *list)
{
	_cleanup_close_ int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);

	if (fd >= 0)
		findings_add(list, FINDING_OK, "/dev/fuse", NULL, "you may open it");
	else if (errno == ENOENT || errno == ENODEV || errno == ENXIO)
		findings_add(list, FINDING_MISSING, "/dev/fuse",
			     "as root: modprobe fuse; in a container: give it the device /dev/fuse",
			     "it is not there: nothing can be mounted");
	else
		findings_add(list, FINDING_MISSING, "/dev/fuse", "as root: chmod 666 /dev/fuse",
			     "you may not open it: %s", strerror(errno));
}

/* The path of a program in the usual places; NULL = none. */
static const char *find_fusermount(struct stat *found)
{
	static const char *const paths[] = {"/usr/bin/fusermount3", "/bin/fusermount3",
					    "/usr/local/bin/fusermount3"};

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		if (stat(paths[i], found) == 0)
			return paths[i];
	return NULL;
}

static bool file_has_line(const char *path, const char *wanted)
{
	_cleanup_fclose_ FILE *file = fopen(path, "re");
	char line[256];

	while (file && fgets(line, sizeof(line), file)) {
		line[strcspn(line, " \t\r\n")] = '\0';
		if (strcmp(line, wanted) == 0)
			return true;
	}
	return false;
}

/* What an ordinary user's mount needs. */
static void check_fusermount(struct finding_list *list)
{
	struct stat found;
	const char *path = find_fusermount(&found);

	if (geteuid() == 0)
		return;
	if (!path)
		findings_add(list, FINDING_LIMITED, "fusermount3", "install fuse3",
			     "it is not there: an ordinary user cannot mount");
	else if (!(found.st_mode & S_ISUID) || found.st_uid != 0)
		findings_add(list, FINDING_LIMITED, "fusermount3", "as root: chmod u+s the program",
			     "%s is not set-user-ID root: an ordinary user cannot mount", path);
	else
		findings_add(list, FINDING_OK, "fusermount3", NULL, "ordinary users can mount");
	if (!file_has_line("/etc/fuse.conf", "user_allow_other"))
		findings_add(list, FINDING_LIMITED, "fuse.conf",
			     "as root: add the line user_allow_other to /etc/fuse.conf",
			     "your mounts are yours alone: others cannot use them");
}

static void check_limits(struct finding_list *list)
{
	struct rlimit limit;
	char text[TEXT_SIZE_MAX];

	if (getrlimit(RLIMIT_MEMLOCK, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY && geteuid() != 0) {
		text_size(limit.rlim_cur, text);
		findings_add(list, limit.rlim_cur < ENOUGH_LOCKED ? FINDING_LIMITED : FINDING_OK, "memlock",
			     limit.rlim_cur < ENOUGH_LOCKED ? "raise memlock in /etc/security/limits.conf"
							    : NULL,
			     "a process may lock %s of memory (SEGFS_MAP_LOCK, mlock)", text);
	} else {
		findings_add(list, FINDING_OK, "memlock", NULL, "a process may lock any amount of memory");
	}
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
		findings_add(list, limit.rlim_cur < ENOUGH_FILES ? FINDING_LIMITED : FINDING_OK, "nofile",
			     limit.rlim_cur < ENOUGH_FILES ? "raise nofile in /etc/security/limits.conf"
							   : NULL,
			     "a process may have %llu descriptors", (unsigned long long)limit.rlim_cur);
	if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY) {
		text_size(limit.rlim_cur, text);
		findings_add(list, FINDING_LIMITED, "fsize", "raise fsize in /etc/security/limits.conf",
			     "a process may make files of %s at most, segments included", text);
	}
}

/* The value of a line "key=value" in the options of the mount of /proc. */
static void check_proc(struct finding_list *list)
{
	_cleanup_fclose_ FILE *mounts = fopen("/proc/self/mounts", "re");
	_cleanup_fclose_ FILE *yama = fopen("/proc/sys/kernel/yama/ptrace_scope", "re");
	char line[1024];
	int scope = 0;

	while (mounts && fgets(line, sizeof(line), mounts)) {
		const char *hidden = strstr(line, "hidepid=");

		if (strstr(line, " /proc proc ") && hidden && strncmp(hidden, "hidepid=0", 9) != 0)
			findings_add(list, FINDING_LIMITED, "hidepid",
				     "mount /proc without hidepid, if that is wanted",
				     "/proc hides processes of others, and so does process/");
	}
	if (yama && fscanf(yama, "%d", &scope) == 1 && scope >= 1)
		findings_add(list, FINDING_LIMITED, "ptrace_scope",
			     "as root: sysctl kernel.yama.ptrace_scope=0, if that is wanted",
			     "ordinary users may not inspect their own processes' memory in process/ (%d)",
			     scope);
}

static void check_waitv(struct finding_list *list)
{
	/* without objects it says that these are missing, if it is there */
	if (syscall(SYS_futex_waitv, NULL, 0, 0, NULL, 0) < 0 && errno == ENOSYS)
		findings_add(list, FINDING_LIMITED, "futex_waitv", "Linux 5.16 or newer",
			     "segfs_wait_any() looks once a millisecond");
	else
		findings_add(list, FINDING_OK, "futex_waitv", NULL,
			     "segfs_wait_any() sleeps until it is woken");
}

void findings_rights(struct finding_list *list)
{
	check_fuse(list);
	check_fusermount(list);
	check_limits(list);
	check_proc(list);
	check_waitv(list);
}
