// SPDX-License-Identifier: MIT
#include "fs/source/source.h"

const struct source process_source = {
	.name = "process",
	.fixed_size = true,
};
