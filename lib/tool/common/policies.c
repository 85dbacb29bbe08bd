// SPDX-License-Identifier: MIT
#include "lib/tool/common/policies.h"
#include "lib/tool/common/command.h"
#include "lib/tool/common/report.h"

#include <stdio.h>
#include <string.h>

/* Returns the policy that a text begins with, or POLICY_FIELDS. */
static enum policy_field find_field(const char *text, size_t length)
{
	char key[32];

	snprintf(key, sizeof(key), "%.*s", (int)(length < sizeof(key) ? length : 0), text);
	return policy_field_find(key);
}

static int add(const struct tool *tool, const char *text, struct policies *policies)
{
	const char *value = strchr(text, '=');
	const enum policy_field field = find_field(text, value ? (size_t)(value - text) : 0);
	struct policy ignored = {0};
	char why[POLICY_WHY_MAX];
	char *copy;

	if (!value)
		return report(tool, STATUS_USAGE, text, "this is no KEY=VALUE, such as commit=yes");
	if (field == POLICY_FIELDS)
		return report(tool, STATUS_USAGE, text,
			      "this is no policy; there are lock, writers, commit, size-policy and lifetime");
	if (policies_find(policies, field))
		return report(tool, STATUS_USAGE, text, "this policy is given twice; give it once");
	value++;
	if (policy_set(&ignored, field, value, strlen(value), why) < 0)
		return report(tool, STATUS_USAGE, text, "%s", why);
	copy = policies->values[policies->n];
	snprintf(copy, POLICY_VALUE_MAX, "%s", value);
	policies->items[policies->n++] =
		(struct segfs_attribute){.name = policy_field_name(field), .value = copy};
	return STATUS_DONE;
}

int policies_parse(const struct tool *tool, const char *const *texts, size_t n, struct policies *policies)
{
	int status = STATUS_DONE;

	policies->n = 0;
	for (size_t i = 0; i < n && status == STATUS_DONE; i++)
		status = add(tool, texts[i], policies);
	return status;
}

const char *policies_find(const struct policies *policies, enum policy_field field)
{
	for (uint32_t i = 0; i < policies->n; i++)
		if (strcmp(policies->items[i].name, policy_field_name(field)) == 0)
			return policies->items[i].value;
	return NULL;
}
