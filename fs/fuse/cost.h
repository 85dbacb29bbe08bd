/* SPDX-License-Identifier: MIT */
/* The cost of a request to others, which decides which thread carries it out. */
#ifndef SEGFS_FUSE_COST_H
#define SEGFS_FUSE_COST_H

#include "fs/fuse/request.h"

/* The queue of a request that may inspect other processes; else DEFERRAL_NONE. */
enum deferral_kind cost_deferral(const struct request *request);

/*
 * True if the request changes a policy by an attribute: it waits for other such requests, which may be
 * reserving memory, and may grant locks that others wait for.
 */
bool cost_changes_policy(const struct request *request);

/* True if the request may take long enough to delay other requests. */
bool cost_may_be_high(const struct request *request);

#endif
