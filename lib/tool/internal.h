/* SPDX-License-Identifier: MIT */
/* The commands of segctl. */
#ifndef SEGFS_TOOL_INTERNAL_H
#define SEGFS_TOOL_INTERNAL_H

#include "lib/tool/common/command.h"

/* In the order of the help, with a final NULL. */
extern const struct command *const commands[];

extern const struct command dump_command;
extern const struct command load_command;
extern const struct command ls_command;
extern const struct command stat_command;
extern const struct command attached_command;
extern const struct command locks_command;
extern const struct command top_command;
extern const struct command new_command;
extern const struct command set_command;
extern const struct command get_command;
extern const struct command resize_command;
extern const struct command rm_command;
extern const struct command gc_command;
extern const struct command lock_command;
extern const struct command wait_command;
extern const struct command post_command;
extern const struct command ring_command;
extern const struct command reset_command;
extern const struct command value_command;
extern const struct command status_command;
extern const struct command reload_command;
extern const struct command upgrade_command;
extern const struct command check_command;
extern const struct command purge_command;
extern const struct command doctor_command;
extern const struct command map_command;
extern const struct command save_command;

#endif
