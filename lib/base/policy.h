/* SPDX-License-Identifier: MIT */
/*
 * The policy of a segment: its rules for locks, writers, memory, size and lifetime. The policy of a directory
 * is the default for entries created in it.
 *
 * Text only: values as written in attributes and in the configuration, and the line stored with a segment.
 * Pure functions; thread-safe.
 */
#ifndef SEGFS_BASE_POLICY_H
#define SEGFS_BASE_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define POLICY_VALUE_MAX   64  /* bytes of a value, including the final 0 */
#define POLICY_TEXT_MAX    256 /* bytes of a stored policy, including the final 0 */
#define POLICY_WHY_MAX     160 /* bytes of "what is wrong; what to write instead", including the final 0 */
#define POLICY_WRITERS_MAX 65535
#define POLICY_TTL_MAX     (UINT64_C(3650) * 24 * 3600 * 1000) /* milliseconds: ten years */
#define POLICY_BOOT_MAX    37                                  /* bytes of a boot id, including the final 0 */

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
	LIFETIME_LAST_CLOSE = 1, /* removed with its last handle */
	LIFETIME_OWNER = 2,      /* removed when the process that created it ends */
	LIFETIME_TTL = 3,        /* removed when it has not been open for `ttl` */
};

/* Identifies a process; a later process with the same pid has another identity. */
struct policy_owner {
	pid_t pid;                  /* in the daemon's pid namespace; 0 = not known */
	uint64_t identity;          /* unique within a boot: inode number in pidfs, or start in clock ticks */
	char boot[POLICY_BOOT_MAX]; /* /proc/sys/kernel/random/boot_id */
};

/* All zeros is the default policy. */
struct policy {
	bool mandatory;   /* locks are enforced against I/O of others */
	bool commit;      /* memory is allocated as the size grows */
	bool fixed_size;  /* the size never changes once it is set */
	uint16_t writers; /* opens for writing at one time; 0 = any number */
	enum policy_lifetime lifetime;
	uint64_t ttl;              /* milliseconds, for LIFETIME_TTL */
	struct policy_owner owner; /* for LIFETIME_OWNER */
};

/* "lock", "writers", "commit", "size-policy", "lifetime". */
const char *policy_field_name(enum policy_field field);

/* Returns the field of that name, or POLICY_FIELDS. */
enum policy_field policy_field_find(const char *name);

/*
 * Sets one field from `length` bytes of text; the caller sets the owner.
 * why: receives "what is wrong; what to write instead" on failure. Returns 0, or -EINVAL with the policy
 * unchanged.
 */
int policy_set(struct policy *policy, enum policy_field field, const char *value, size_t length,
	       char why[POLICY_WHY_MAX]);

/* Formats one field in the syntax of policy_set(). Returns the length. */
int policy_format(const struct policy *policy, enum policy_field field, char value[POLICY_VALUE_MAX]);

/* Copies one field and its parameters. */
void policy_copy(struct policy *policy, enum policy_field field, const struct policy *from);

/*
 * Whether one field has the same value in both. Two `owner` lifetimes are equal whichever processes they
 * name.
 */
bool policy_is_same(const struct policy *a, enum policy_field field, const struct policy *b);

/* Formats a policy as one line without newline; the default is the empty string. Returns the length. */
int policy_store(const struct policy *policy, char text[POLICY_TEXT_MAX]);

/*
 * Parses a stored line of `length` bytes.
 * Returns 0; -EINVAL for a text that policy_store() never writes; *policy then holds the fields that could be
 * parsed.
 */
int policy_load(struct policy *policy, const char *text, size_t length);

#define POLICY_TIME_MAX 24 /* bytes of a time as text, including the final 0 */

/*
 * Parses a time: a whole number above 0 and ms, s, m, h or d; without a unit, seconds. milliseconds: set on
 * success.
 * Returns 0; -EINVAL; -ERANGE for more than POLICY_TTL_MAX.
 */
int policy_parse_time(const char *text, uint64_t *milliseconds);

/* Formats a time in the largest unit that divides it, at most POLICY_TIME_MAX bytes. Returns the length. */
int policy_format_time(uint64_t milliseconds, char *value);

#endif
