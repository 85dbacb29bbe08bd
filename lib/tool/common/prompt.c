// SPDX-License-Identifier: MIT
#include "lib/tool/common/prompt.h"

#include <stdio.h>
#include <string.h>

bool prompt_confirmed(const char *question)
{
	char answer[16] = "";

	fprintf(stderr, "%s [y/N] ", question);
	fflush(stderr);
	if (!fgets(answer, sizeof(answer), stdin)) {
		fputc('\n', stderr);
		return false;
	}
	return strcmp(answer, "y\n") == 0 || strcmp(answer, "Y\n") == 0 || strcmp(answer, "yes\n") == 0;
}
