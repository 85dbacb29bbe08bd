// SPDX-License-Identifier: MIT
#include "lib/tool/internal.h"

#include <stddef.h>

const struct command *const commands[] = {
	&ls_command,
	NULL,
};
