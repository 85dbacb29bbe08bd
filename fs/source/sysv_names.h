/* SPDX-License-Identifier: MIT */
/* Names under sysv/; text only. Pure functions; thread-safe. */
#ifndef SEGFS_SOURCE_SYSV_NAMES_H
#define SEGFS_SOURCE_SYSV_NAMES_H

#include <stdbool.h>
#include <stdint.h>

#define SYSV_NAME_BYTES 24 /* of a segment's name, including the final 0 */

/* Parses a key: "0x" and up to eight digits. False for any other text, and for 0, which is no key. */
bool sysv_parse_key(const char *name, uint32_t *key);

/* Parses the id of a segment without a key: "id-" and a number in canonical form. */
bool sysv_parse_id(const char *name, int *id);

/* Formats the name of a segment: by its key, or by its id if the key is 0. */
void sysv_write_name(uint32_t key, int id, char name[SYSV_NAME_BYTES]);

#endif
