/* SPDX-License-Identifier: MIT */
/*
 * The names under sysv/: text only. Pure functions; safe in every thread.
 */
#ifndef SEGFS_SOURCE_SYSV_NAMES_H
#define SEGFS_SOURCE_SYSV_NAMES_H

#include <stdbool.h>
#include <stdint.h>

#define SYSV_NAME_BYTES 24 /* of a segment's name, with the final 0 */

/* A key, "0x" and up to eight digits, as people write keys. False for any other text, and for 0, which is no key. */
bool sysv_parse_key(const char *name, uint32_t *key);

/* The id of a segment without a key, "id-" and a number in the one way to write it. */
bool sysv_parse_id(const char *name, int *id);

/* The one name of a segment: by its key, or, where that is 0, by its id. */
void sysv_write_name(uint32_t key, int id, char name[SYSV_NAME_BYTES]);

#endif
