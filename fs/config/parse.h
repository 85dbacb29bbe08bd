/* SPDX-License-Identifier: MIT */
/*
 * Parses the INI file. Pure: text in, struct or one error line out; nothing is looked up but users and
 * groups.
 *
 * For one thread at a time, since inih's line limit is a global variable of that library.
 */
#ifndef SEGFS_CONFIG_PARSE_H
#define SEGFS_CONFIG_PARSE_H

#include "fs/config/config.h"

/*
 * Parses `length` bytes of INI text.
 * file: name for messages. out: set on success only; release with config_free().
 * error: receives one line "FILE:LINE: what is wrong; what to write instead" on failure.
 * Returns 0; -EINVAL for an invalid text; -ENOMEM.
 */
int config_parse(const char *text, size_t length, const char *file, struct config *out,
		 char error[CONFIG_ERROR_MAX]);

/*
 * Reads and parses a file. Returns as config_parse(); also the negative errno of open(2) or read(2), -EFBIG
 * for a file over 1 MiB, with `error` filled.
 */
int config_read(const char *file, struct config *out, char error[CONFIG_ERROR_MAX]);

#endif
