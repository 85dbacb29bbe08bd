// SPDX-License-Identifier: MIT
#include "lib/tool/common/remedy.h"
#include "lib/tool/common/report.h"

#include <stddef.h>

const char *remedy_find(const struct remedy *remedies, int error)
{
	for (; remedies->text; remedies++)
		if (remedies->error == -error)
			return remedies->text;
	return NULL;
}

int remedy_report(const struct tool *tool, const char *name, int error, const struct remedy *remedies)
{
	const char *text = remedy_find(remedies, error);

	return text ? report(tool, report_status(error), name, "%s", text) : report_error(tool, name, error);
}
