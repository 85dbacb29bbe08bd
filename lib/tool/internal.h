/* SPDX-License-Identifier: MIT */
/* The commands of segctl. */
#ifndef SEGFS_TOOL_INTERNAL_H
#define SEGFS_TOOL_INTERNAL_H

#include "lib/tool/common/command.h"

/* In the order of the help, with a final NULL. */
extern const struct command *const commands[];

extern const struct command ls_command;
extern const struct command stat_command;
extern const struct command attached_command;
extern const struct command locks_command;
extern const struct command top_command;
extern const struct command gc_command;
extern const struct command status_command;
extern const struct command reload_command;
extern const struct command upgrade_command;
extern const struct command check_command;
extern const struct command purge_command;
extern const struct command doctor_command;

#endif
