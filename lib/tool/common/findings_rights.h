/* SPDX-License-Identifier: MIT */
/* Checks of segctl doctor: what this user may do. */
#ifndef SEGFS_TOOL_FINDINGS_RIGHTS_H
#define SEGFS_TOOL_FINDINGS_RIGHTS_H

#include "lib/tool/common/findings.h"

/* What an ordinary user, or root, may do: /dev/fuse, resource limits, what /proc shows. */
void findings_rights(struct finding_list *list);

#endif
