// SPDX-License-Identifier: MIT
#include "lib/tool/common/tool.h"
#include "lib/base/cleanup.h"
#include "lib/base/mounts.h"
#include "lib/base/textfile.h"
#include "lib/client/internal.h"
#include "lib/tool/common/command.h"
#include "lib/tool/common/report.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define TEXT_MAX ((size_t)1 << 30) /* bytes of a file of .segfs */

/* Whether uid 0 here is that of the machine. */
static bool is_initial_namespace(void)
{
	unsigned int inside = 1, outside = 1, length = 0;
	FILE *map = fopen("/proc/self/uid_map", "re");

	if (map) {
		if (fscanf(map, "%u %u %u", &inside, &outside, &length) != 3)
			length = 0;
		fclose(map);
	}
	return inside == 0 && outside == 0 && length == UINT32_MAX;
}

void tool_init(struct tool *tool)
{
	const char *no_colour = getenv("NO_COLOR");
	const char *terminal = getenv("TERM");

	*tool = (struct tool){.mount_fd = -1, .is_terminal = isatty(STDOUT_FILENO), .user = geteuid()};
	tool->is_root = tool->user == 0 && is_initial_namespace();
	tool->colour =
		tool->is_terminal && !(no_colour && *no_colour) && terminal && strcmp(terminal, "dumb") != 0;
}

void tool_close(struct tool *tool)
{
	if (tool->mount_fd >= 0)
		close(tool->mount_fd);
	tool->mount_fd = -1;
}

static void forget_mount(struct tool *tool)
{
	tool_close(tool);
	*tool->mount = '\0';
}

static int no_mount(struct tool *tool, int error)
{
	if (error == -ENODEV)
		return report(tool, STATUS_NO_MOUNT, NULL,
			      "no segfs is mounted; as root: mkdir -p /mnt/seg && segfs /mnt/seg");
	return report_error(tool, NULL, error);
}

/* Opens the directory of tool->mount. */
static int open_mount(struct tool *tool, bool any)
{
	tool->mount_fd = open(tool->mount, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (tool->mount_fd < 0) {
		int status = report_error(tool, tool->mount, -errno);

		return status == STATUS_NO_RIGHT ? status : STATUS_NO_MOUNT;
	}
	tool->is_segfs = attribute_is_known(tool->mount_fd);
	if (any || tool->is_segfs)
		return STATUS_DONE;
	close(tool->mount_fd);
	tool->mount_fd = -1;
	return report(tool, STATUS_NO_MOUNT, tool->mount,
		      "this is no mount of segfs; set SEGFS_MOUNT to one, or use --mount");
}

int tool_find_mount(struct tool *tool, bool any)
{
	int result;

	if (tool->mount_fd >= 0)
		return STATUS_DONE;
	result = name_root(tool->mount);
	if (result < 0) {
		*tool->mount = '\0';
		return no_mount(tool, result);
	}
	return open_mount(tool, any);
}

/* The mount of segfs on which an absolute path lies, by the text of the path. */
struct search {
	const char *path;
	struct tool *tool;
	size_t length; /* of the longest mount point found */
};

static void compare(const char *mount, void *context)
{
	struct search *search = context;
	const size_t length = strlen(mount);

	if (length <= search->length || strncmp(search->path, mount, length) != 0 ||
	    (search->path[length] != '/' && search->path[length] != '\0'))
		return;
	search->length = length;
	snprintf(search->tool->mount, sizeof(search->tool->mount), "%s", mount);
}

int tool_find_name(struct tool *tool, const char *name, bool any, const char **relative)
{
	struct search search = {.path = name, .tool = tool};
	int status;

	if (*name != '/') {
		*relative = name;
		return tool_find_mount(tool, any);
	}
	forget_mount(tool);
	name_each_mount(compare, &search);
	if (search.length == 0 && !any)
		return report(tool, STATUS_NO_MOUNT, name, "it is on no mount of segfs");
	if (search.length == 0)
		snprintf(tool->mount, sizeof(tool->mount), "/");
	status = open_mount(tool, any);
	*relative = name + search.length + strspn(name + search.length, "/");
	return status;
}

int tool_open(const struct tool *tool, const char *name)
{
	struct open_how how = {
		.flags = O_PATH | O_NOFOLLOW | O_CLOEXEC,
		.resolve = RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH,
	};
	const long fd = syscall(SYS_openat2, tool->mount_fd, name, &how, sizeof(how));

	return fd < 0 ? -errno : (int)fd;
}

int tool_read(struct tool *tool, const char *file, char **text, size_t *length)
{
	char path[PATH_MAX + NAME_MAX];
	int status = tool_find_mount(tool, false);
	int result;

	if (status != STATUS_DONE)
		return status;
	snprintf(path, sizeof(path), "/proc/self/fd/%d/.segfs/%s", tool->mount_fd, file);
	result = textfile_read(path, TEXT_MAX, text, length);
	if (result == 0)
		return STATUS_DONE;
	snprintf(path, sizeof(path), "%s/.segfs/%s", tool->mount, file);
	return report_error(tool, path, result);
}
