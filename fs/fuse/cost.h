/* SPDX-License-Identifier: MIT */
/*
 * What carrying out a request may cost others, and so which thread does it.
 */
#ifndef SEGFS_FUSE_COST_H
#define SEGFS_FUSE_COST_H

#include "fs/fuse/request.h"

/* The queue that it waits in, since carrying it out may mean to look into other processes; DEFERRAL_NONE. */
enum deferral_kind cost_deferral(const struct request *request);

/*
 * True if it changes what segfs keeps of a node by an attribute: that waits for others that do so, which may
 * be reserving memory, and may grant locks that others wait for.
 */
bool cost_changes_policy(const struct request *request);

/* True if carrying it out may take long enough for other requests to suffer. */
bool cost_may_be_high(const struct request *request);

#endif
