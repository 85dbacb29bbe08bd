/* SPDX-License-Identifier: MIT */
/* Policies on the command line: "commit=yes". See segfs(7), POLICIES. */
#ifndef SEGFS_TOOL_POLICIES_H
#define SEGFS_TOOL_POLICIES_H

#include "lib/base/policy.h"
#include "lib/segfs.h"

struct tool;

/* Of each policy at most one value, in the order of the command line. */
struct policies {
	struct segfs_attribute items[POLICY_FIELDS];
	char values[POLICY_FIELDS][POLICY_VALUE_MAX];
	uint32_t n;
};

/*
 * Parses and checks n texts KEY=VALUE. Returns a STATUS_*, after a message that says what is wrong and what
 * there is instead.
 */
int policies_parse(const struct tool *tool, const char *const *texts, size_t n, struct policies *policies);

/* The value of a policy among them; NULL = none. */
const char *policies_find(const struct policies *policies, enum policy_field field);

#endif
