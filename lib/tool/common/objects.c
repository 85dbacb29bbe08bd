// SPDX-License-Identifier: MIT
#include "lib/tool/common/objects.h"
#include "lib/base/cleanup.h"
#include "lib/base/object_format.h"
#include "lib/client/internal.h"
#include "lib/tool/common/command.h"
#include "lib/tool/common/remedy.h"
#include "lib/tool/common/report.h"
#include "lib/tool/common/target.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

enum segfs_kind objects_kind_of(int fd, uint64_t size)
{
	return segment_kind_of(fd, attribute_is_known(fd), size);
}

bool objects_is_kind(const char *kind)
{
	static const char *const memory[] = {"segment", "memfd", "anonymous", "removed"};

	for (size_t i = 0; i < sizeof(memory) / sizeof(memory[0]); i++)
		if (strcmp(kind, memory[i]) == 0)
			return false;
	return true;
}

const char *objects_kind(enum segfs_kind kind)
{
	const char *text = object_kind_text(kind);

	return text ? text : "segment";
}

int objects_open(struct tool *tool, const char *name, struct segfs_object **object)
{
	static const struct remedy remedies[] = {
		{ENOENT, "there is no such object; 'segctl new --kind' creates one"},
		{EACCES, "you may not read and write it, which whoever uses an object must"},
		{EBADMSG, "this is a segment, not a synchronization object; 'segctl ls' shows what is"},
		{EISDIR, "this is a directory; name an object in it"},
		{ENXIO, "this is no regular file, so no synchronization object"},
		{EPROTONOSUPPORT, "an object of another version of libsegfs; use segctl of that version"},
		{0},
	};
	char path[PATH_MAX];
	int status = target_find(tool, name, path);
	int result;

	if (status != STATUS_DONE)
		return status;
	result = segfs_object_open(name, 0, object);
	return result < 0 ? remedy_report(tool, name, result, remedies) : STATUS_DONE;
}

int objects_refuse(const struct tool *tool, const char *name, enum segfs_kind kind)
{
	const char *remedy;

	switch (kind) {
	case SEGFS_SEMAPHORE:
		remedy = "use 'segctl wait' and 'segctl post'";
		break;
	case SEGFS_EVENT:
	case SEGFS_AUTO_EVENT:
		remedy = "use 'segctl wait', 'segctl set' and 'segctl reset'";
		break;
	case SEGFS_DOORBELL:
		remedy = "use 'segctl wait' and 'segctl ring'";
		break;
	case SEGFS_MUTEX:
	case SEGFS_RECURSIVE_MUTEX:
	case SEGFS_RWLOCK:
		remedy = "use 'segctl lock'";
		break;
	default:
		remedy = "only programs use it; 'segctl value' shows its state";
		break;
	}
	return report(tool, STATUS_NOT_AS_ASKED, name, "this is %s %s; %s", object_kind_article(kind),
		      objects_kind(kind), remedy);
}

int objects_change(struct tool *tool, const char *name, int (*change)(struct segfs_object *object))
{
	struct segfs_object *object;
	int status = objects_open(tool, name, &object);
	int result;

	if (status != STATUS_DONE)
		return status;
	result = change(object);
	if (result == -EPROTOTYPE)
		status = objects_refuse(tool, name, segfs_object_kind(object));
	else if (result < 0)
		status = report_error(tool, name, result);
	segfs_object_close(object);
	return status;
}
