// SPDX-License-Identifier: MIT
#include "fs/source/source.h"

const struct source sysv_source = {
	.name = "sysv",
	.fixed_size = true,
};
