/* SPDX-License-Identifier: MIT */
/*
 * The table of all operations. A new operation is a row and a function.
 */
#ifndef SEGFS_OPS_OPERATIONS_H
#define SEGFS_OPS_OPERATIONS_H

#include "fs/fuse/operation.h"

/* For fs->operations. */
extern const struct operations segfs_operations;

/* The name of an opcode, in lower case; NULL for an unknown one. */
const char *operation_name(uint32_t opcode);

#endif
