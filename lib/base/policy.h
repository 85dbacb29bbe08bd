/* SPDX-License-Identifier: MIT */
/*
 * The policy of a segment: how its locks, its writers, its memory, its size and its life are governed. What a directory has is
 * the default for what is made in it.
 *
 * Text only: values as people write them, as attributes and in the configuration, and the one line that is stored with a
 * segment. Pure functions; safe in every thread.
 */
#ifndef SEGFS_BASE_POLICY_H
#define SEGFS_BASE_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define POLICY_VALUE_MAX 64        /* bytes of a value, with the final 0 */
#define POLICY_TEXT_MAX 256        /* bytes of a stored policy, with the final 0 */
#define POLICY_WHY_MAX 160         /* bytes of "what is wrong; what would be right", with the final 0 */
#define POLICY_WRITERS_MAX 65535
#define POLICY_TTL_MAX (UINT64_C(3650) * 24 * 3600 * 1000) /* milliseconds: ten years */
#define POLICY_BOOT_MAX 37         /* bytes of a boot id, with the final 0 */

enum policy_field {
	POLICY_LOCK,
	POLICY_WRITERS,
	POLICY_COMMIT,
	POLICY_SIZE,
	POLICY_LIFETIME,
	POLICY_FIELDS,
};

enum policy_lifetime {
	LIFETIME_PERSISTENT = 0, /* until it is removed */
	LIFETIME_LAST_CLOSE = 1, /* until the last handle goes */
	LIFETIME_OWNER = 2,      /* until the process ends that made it */
	LIFETIME_TTL = 3,        /* until nobody has had it open for some time */
};

/* A process, told from a later one with the same number. */
struct policy_owner {
	pid_t pid;                  /* in the daemon's pid namespace; 0 = not known */
	uint64_t identity;          /* no other process of that boot has it: its inode number in pidfs, or its start in clock ticks */
	char boot[POLICY_BOOT_MAX]; /* which boot, as /proc/sys/kernel/random/boot_id has it */
};

/* All zeros is the policy of a segment that has been given none. */
struct policy {
	bool mandatory;            /* locks refuse the I/O of others */
	bool commit;               /* memory is reserved as the size grows */
	bool fixed_size;           /* the first size is the last */
	uint16_t writers;          /* opens for writing at one time; 0 = any number */
	enum policy_lifetime lifetime;
	uint64_t ttl;              /* milliseconds, for LIFETIME_TTL */
	struct policy_owner owner; /* for LIFETIME_OWNER */
};

/* "lock", "writers", "commit", "size-policy", "lifetime". */
const char *policy_field_name(enum policy_field field);

/* The field with that name, or POLICY_FIELDS. */
enum policy_field policy_field_find(const char *name);

/*
 * Sets one field from `length` bytes of text; an owner is left to the caller.
 * why: on failure gets "what is wrong; what would be right". Returns 0, or -EINVAL with the policy unchanged.
 */
int policy_set(struct policy *policy, enum policy_field field, const char *value, size_t length,
	       char why[POLICY_WHY_MAX]);

/* Writes one field as policy_set() reads it. Returns its length. */
int policy_format(const struct policy *policy, enum policy_field field, char value[POLICY_VALUE_MAX]);

/* Takes over one field, with what belongs to it. */
void policy_copy(struct policy *policy, enum policy_field field, const struct policy *from);

/* Whether two have the same in one field; of an owner, which process it is makes no difference. */
bool policy_is_same(const struct policy *a, enum policy_field field, const struct policy *b);

/* Writes a policy as one line, without a newline; the empty string for the default. Returns its length. */
int policy_store(const struct policy *policy, char text[POLICY_TEXT_MAX]);

/*
 * Reads `length` bytes of a stored line.
 * Returns 0; -EINVAL for a text that policy_store() does not write, with *policy holding what could be read.
 */
int policy_load(struct policy *policy, const char *text, size_t length);

#define POLICY_TIME_MAX 24 /* bytes of a time as text, with the final 0 */

/*
 * Reads a time: a whole number above 0 and ms, s, m, h or d, nothing being s. milliseconds: set on success.
 * Returns 0; -EINVAL; -ERANGE for more than POLICY_TTL_MAX.
 */
int policy_parse_time(const char *text, uint64_t *milliseconds);

/* Writes it with the largest unit that fits, POLICY_TIME_MAX bytes at most. Returns the length. */
int policy_format_time(uint64_t milliseconds, char *value);

#endif
