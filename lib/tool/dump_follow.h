/* SPDX-License-Identifier: MIT */
/* segctl dump --follow. */
#ifndef SEGFS_TOOL_DUMP_FOLLOW_H
#define SEGFS_TOOL_DUMP_FOLLOW_H

#include <stdint.h>

struct dump;

/*
 * Shows what changes, until the user or a signal ends it. The part grows and shrinks with the segment.
 * length: bytes from the beginning of the part that are shown at most; UINT64_MAX = to the end of the
 * segment. interval: nanoseconds between looks. Returns a STATUS_*, after a message.
 */
int dump_follow(struct dump *dump, uint64_t length, uint64_t interval);

#endif
