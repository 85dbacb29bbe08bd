// SPDX-License-Identifier: MIT
#include "fs/source/sysv_names.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool sysv_parse_key(const char *name, uint32_t *key)
{
	size_t digits;
	uint32_t found;

	if (name[0] != '0' || name[1] != 'x')
		return false;
	digits = strspn(name + 2, "0123456789abcdefABCDEF");
	if (digits < 1 || digits > 8 || name[2 + digits])
		return false;
	found = (uint32_t)strtoul(name + 2, NULL, 16);
	if (found == 0)
		return false;
	*key = found;
	return true;
}

bool sysv_parse_id(const char *name, int *id)
{
	char again[SYSV_NAME_BYTES];
	unsigned long number;

	if (strncmp(name, "id-", 3) != 0)
		return false;
	number = strtoul(name + 3, NULL, 10);
	if (number > INT_MAX)
		return false;
	sysv_write_name(0, (int)number, again);
	if (strcmp(again, name) != 0)
		return false;
	*id = (int)number;
	return true;
}

void sysv_write_name(uint32_t key, int id, char name[SYSV_NAME_BYTES])
{
	if (key)
		snprintf(name, SYSV_NAME_BYTES, "0x%08" PRIx32, key);
	else
		snprintf(name, SYSV_NAME_BYTES, "id-%d", id);
}
