/* SPDX-License-Identifier: MIT */
/*
 * Text from outside: reads a whole file up to a limit, and checks for UTF-8.
 *
 * Stateless; thread-safe.
 */
#ifndef SEGFS_BASE_TEXTFILE_H
#define SEGFS_BASE_TEXTFILE_H

#include <stddef.h>

/*
 * Reads a whole file of at most `limit` bytes.
 * text: malloc'd, with a 0 after the last byte; the caller frees it. length: without that 0; the file itself
 * may contain 0 bytes. Both are set on success only. Returns 0; -EFBIG for a file over the limit; -ENOMEM; or
 * the negative errno of open(2) or read(2).
 */
int textfile_read(const char *path, size_t limit, char **text, size_t *length);

/*
 * Returns the number of leading bytes, of `length`, that are complete and valid UTF-8 (shortest form, no
 * surrogates, at most U+10FFFF; a 0 byte is valid). Equals `length` if all are.
 */
size_t utf8_valid_length(const char *text, size_t length);

#endif
