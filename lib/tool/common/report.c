// SPDX-License-Identifier: MIT
#include "lib/tool/common/report.h"
#include "lib/base/cleanup.h"
#include "lib/segfs.h"
#include "lib/tool/common/command.h"
#include "lib/tool/common/screen.h"
#include "lib/tool/common/text.h"
#include "lib/tool/common/tool.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* One write, so that messages of several processes do not mix. */
static void print(const struct tool *tool, const char *name, const char *text)
{
	_cleanup_free_ char *quoted = name ? text_quote(name) : NULL;

	/* what is written on a screen vanishes with it */
	screen_close();
	if (screen_ends())
		return;
	fflush(stdout);
	fprintf(stderr, "segctl: %s%s%s%s%s\n", tool->command ? tool->command : "", tool->command ? ": " : "",
		quoted ? quoted : "", quoted ? ": " : "", text);
}

int report(const struct tool *tool, int status, const char *name, const char *format, ...)
{
	char text[4096];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	print(tool, name, text);
	return status;
}

int report_status(int error)
{
	switch (-error) {
	case EACCES:
	case EPERM:
	case EROFS:
		return STATUS_NO_RIGHT;
	case ENODEV:
	case ENOTUNIQ:
	case ENOTCONN:
		return STATUS_NO_MOUNT;
	default:
		return STATUS_NOT_AS_ASKED;
	}
}

int report_error(const struct tool *tool, const char *name, int error)
{
	char text[4096];

	if (error == -ENOTCONN)
		snprintf(text, sizeof(text),
			 "its segfs has ended; unmount it (umount -l), and start segfs again");
	else {
		/* segfs_explain() begins with a name, which is quoted here */
		segfs_explain("", error, text, sizeof(text));
		memmove(text, text + 2, strlen(text + 2) + 1);
	}
	print(tool, name, text);
	return report_status(error);
}
