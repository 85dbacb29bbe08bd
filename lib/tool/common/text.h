/* SPDX-License-Identifier: MIT */
/*
 * Text for people: names that no terminal can misunderstand, sizes, modes, times. The locale is that of
 * setlocale(3); otherwise stateless and thread-safe.
 */
#ifndef SEGFS_TOOL_TEXT_H
#define SEGFS_TOOL_TEXT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

/*
 * A name for a message or a table. One of printable characters without meaning to a shell is returned as it
 * is; others as '...' or $'...', in which nothing is raw that a terminal could take for a command, and which
 * bash takes back. Returns a malloc'd text that the caller frees; NULL without memory.
 */
char *text_quote(const char *name);

/*
 * A name as text of JSON: bytes that are not valid UTF-8 become U+FFFD. is_exact: whether none did.
 * Returns a malloc'd text that the caller frees; NULL without memory.
 */
char *text_utf8(const char *name, bool *is_exact);

/* A name as a text of JSON with its quotes; as text_utf8(). */
char *text_json(const char *name, bool *is_exact);

/* The bytes of a name as hexadecimal digits; malloc'd; NULL without memory. */
char *text_hex(const char *name);

/*
 * The same as values of JSON, of which the caller owns the reference; NULL without memory, which jansson
 * passes on. text_to_json(): what is not valid UTF-8 is replaced. text_hex_to_json(): all bytes if any was,
 * else null.
 */
struct json_t *text_to_json(const char *text);
struct json_t *text_hex_to_json(const char *text);

/* What a program reads gets a text as it is, what a terminal shows is quoted: prints it as a line. */
void text_print_line(const char *text, bool is_terminal);

#define TEXT_SIZE_MAX 16
#define TEXT_MODE_MAX 11
#define TEXT_TIME_MAX 32

/* A size for people, rounded: "64M", "1.5G", "0". */
void text_size(uint64_t bytes, char text[TEXT_SIZE_MAX]);

/* As ls(1) shows it: "-rw-r-----". */
void text_mode(mode_t mode, char text[TEXT_MODE_MAX]);

/* Local time: "14:05" today, else "2026-11-30 14:05". */
void text_time(time_t time, time_t now, char text[TEXT_TIME_MAX]);

/* UTC, as in .segfs: "2026-11-30T14:05:09Z". */
void text_iso_time(time_t time, char text[TEXT_TIME_MAX]);

/* The time since then for people: "12 s", "5 min", "3 h", "12 d". seconds: negative counts as 0. */
void text_age(int64_t seconds, char text[TEXT_TIME_MAX]);

/* Parses a time of .segfs, "2026-11-30T14:05:09.123Z". Returns 0; -EINVAL. */
int text_parse_time(const char *text, time_t *time);

#define TEXT_ENTRY_MAX                                                                                       \
	65536 /* bytes for an entry of passwd(5) or group(5), one with many members among them */

/* The name of a user or group, or its number. malloc'd; NULL without memory. */
char *text_user(uid_t user);
char *text_group(gid_t group);

/* The number of a user or group of this name. Return 0; -ENOENT; -ENOMEM. */
int text_find_user(const char *name, uid_t *user);
int text_find_group(const char *name, gid_t *group);

/* The name that was looked up at last, which most lines of a list have in common: a look-up reads files. {0}
 * = none yet. */
struct text_known {
	uint32_t id;
	char *name; /* malloc'd */
};

/* The same names; the text belongs to `known`, until the next call or text_forget(). NULL without memory. */
const char *text_known_user(struct text_known *known, uid_t user);
const char *text_known_group(struct text_known *known, gid_t group);
void text_forget(struct text_known *known);

#endif
