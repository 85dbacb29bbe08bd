/* SPDX-License-Identifier: MIT */
/* Users and groups on the command line. */
#ifndef SEGFS_TOOL_USERS_H
#define SEGFS_TOOL_USERS_H

#include <sys/types.h>

struct tool;

/*
 * Parses USER, USER:GROUP or :GROUP; each is a name or a number, as for chown(1).
 * uid, gid: what is not given stays as it is. Returns a STATUS_*, after a message.
 */
int users_parse(const struct tool *tool, const char *text, uid_t *uid, gid_t *gid);

#endif
