// SPDX-License-Identifier: MIT
#include "lib/tool/common/remedy.h"
#include "lib/tool/common/report.h"

int remedy_report(const struct tool *tool, const char *name, int error, const struct remedy *remedies)
{
	for (; remedies->text; remedies++)
		if (remedies->error == -error)
			return report(tool, report_status(error), name, "%s", remedies->text);
	return report_error(tool, name, error);
}
