/* SPDX-License-Identifier: MIT */
/*
 * Bytes: what of reading, writing and arranging them comes to the daemon.
 */
#ifndef SEGFS_OPS_IO_H
#define SEGFS_OPS_IO_H

#include "fs/fuse/request.h"

int op_read(struct request *request);
int op_write(struct request *request);
int op_fsync(struct request *request); /* FSYNC and FSYNCDIR */
int op_fallocate(struct request *request);
int op_lseek(struct request *request);
int op_copy_file_range(struct request *request);

/* operation->is_slow of READ and WRITE. */
bool read_is_large(const struct request *request);
bool write_is_large(const struct request *request);

#endif
