// SPDX-License-Identifier: MIT
#include "lib/tool/common/selection.h"

#include <fnmatch.h>
#include <string.h>

#define PROCESS "process/"

bool selection_is_pattern(const char *argument)
{
	return strpbrk(argument, "*?[\\") != NULL;
}

bool selection_matches(const char *argument, const char *name)
{
	size_t length = strlen(argument);

	while (length > 0 && argument[length - 1] == '/')
		length--;
	if (strncmp(argument, name, length) == 0 && (name[length] == '\0' || name[length] == '/'))
		return true;
	if (strncmp(name, PROCESS, strlen(PROCESS)) == 0 && strncmp(argument, PROCESS, strlen(PROCESS)) != 0)
		return false;
	return fnmatch(argument, name, FNM_PATHNAME | FNM_LEADING_DIR) == 0;
}
