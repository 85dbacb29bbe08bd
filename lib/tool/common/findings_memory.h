/* SPDX-License-Identifier: MIT */
/* Checks of segctl doctor: the machine's own shared memory. */
#ifndef SEGFS_TOOL_FINDINGS_MEMORY_H
#define SEGFS_TOOL_FINDINGS_MEMORY_H

#include "lib/tool/common/findings.h"

/* The machine's own shared memory: limits, huge pages, what is removed behind its users' backs. */
void findings_memory(struct finding_list *list);

#endif
