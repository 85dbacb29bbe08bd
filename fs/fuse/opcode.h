/* SPDX-License-Identifier: MIT */
/*
 * What is known of operations by their numbers.
 */
#ifndef SEGFS_FUSE_OPCODE_H
#define SEGFS_FUSE_OPCODE_H

#include <stdbool.h>
#include <stdint.h>

/* The name of an operation, in lower case and its own; NULL for an unknown one. */
const char *opcode_known_name(uint32_t opcode);

/* The same; "operation" for an unknown one. */
const char *opcode_name(uint32_t opcode);

/* Whether carrying it out a second time could end otherwise, or leave something else behind. */
bool opcode_is_once(uint32_t opcode);

/* Whether its answer hands out a handle, which is nobody's if the answer is not wanted. */
bool opcode_opens(uint32_t opcode);

#endif
