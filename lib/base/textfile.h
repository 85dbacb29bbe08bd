/* SPDX-License-Identifier: MIT */
/*
 * Text from outside: a whole file up to a limit, and the check that bytes are UTF-8.
 *
 * Holds no state; safe in every thread.
 */
#ifndef SEGFS_BASE_TEXTFILE_H
#define SEGFS_BASE_TEXTFILE_H

#include <stddef.h>

/*
 * Reads a whole file of at most `limit` bytes.
 * text: malloc'd, with a 0 after the last byte; the caller frees it. length: its bytes, without that 0; the
 * file may hold further 0 bytes. Both are set on success only. Returns 0; -EFBIG for a file over the limit;
 * -ENOMEM; or the negative errno of open(2) or read(2).
 */
int textfile_read(const char *path, size_t limit, char **text, size_t *length);

/*
 * Returns how many of `length` bytes, from the start, are whole and valid UTF-8 characters (shortest form, no
 * surrogates, at most U+10FFFF; a 0 byte counts as valid). Equal to `length` where all are.
 */
size_t utf8_valid_length(const char *text, size_t length);

#endif
