// SPDX-License-Identifier: MIT
#include "lib/tool/common/target.h"
#include "lib/base/cleanup.h"
#include "lib/client/internal.h"
#include "lib/tool/common/command.h"
#include "lib/tool/common/remedy.h"
#include "lib/tool/common/report.h"
#include "lib/tool/common/tool.h"

#include <errno.h>
#include <fcntl.h>

int target_find(struct tool *tool, const char *name, char path[PATH_MAX])
{
	int status = *name == '/' ? STATUS_DONE : tool_find_mount(tool, true);
	int result;

	if (!*name)
		return report(tool, STATUS_USAGE, name, "a name has at least one character");
	if (status != STATUS_DONE)
		return status;
	result = name_resolve(name, false, path);
	if (result == -EINVAL)
		return report(tool, STATUS_USAGE, name, "no name below the mount has a component '..'");
	return result < 0 ? report_error(tool, name, result) : STATUS_DONE;
}

int target_open(struct tool *tool, const char *name, int *fd, struct stat *attr)
{
	static const struct remedy remedies[] = {
		{ENOENT, "there is no such segment; 'segctl ls' lists what there is"},
		{EACCES, "you may not search its directory; ask the owner of that"},
		{0},
	};
	_cleanup_close_ int opened = -1;
	char path[PATH_MAX];
	int status = target_find(tool, name, path);

	if (status != STATUS_DONE)
		return status;
	opened = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (opened < 0 || fstat(opened, attr) < 0)
		return remedy_report(tool, name, -errno, remedies);
	if (S_ISLNK(attr->st_mode))
		return report(tool, STATUS_NOT_AS_ASKED, name,
			      "this is a symbolic link; name what it leads to");
	if (!S_ISREG(attr->st_mode) && !S_ISDIR(attr->st_mode))
		return report(tool, STATUS_NOT_AS_ASKED, name, "this is neither a segment nor a directory");
	*fd = take_fd(&opened);
	return STATUS_DONE;
}
