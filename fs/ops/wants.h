/* SPDX-License-Identifier: MIT */
/*
 * Which bytes requests read or change, for mandatory locks. All are operation->wants.
 */
#ifndef SEGFS_OPS_WANTS_H
#define SEGFS_OPS_WANTS_H

#include "fs/fuse/request.h"

bool wants_read(const struct request *request, int part, struct want *want);
bool wants_write(const struct request *request, int part, struct want *want);
bool wants_setattr(const struct request *request, int part, struct want *want);
bool wants_open(const struct request *request, int part, struct want *want);
bool wants_fallocate(const struct request *request, int part, struct want *want);
bool wants_copy_file_range(const struct request *request, int part, struct want *want);

#endif
