/* SPDX-License-Identifier: MIT */
/*
 * What segfs uses of the kernel where it is there, and does without elsewhere. Found out by trying, see
 * fs/daemon/probe.h, never by the kernel's version.
 */
#ifndef SEGFS_STATE_FEATURES_H
#define SEGFS_STATE_FEATURES_H

#include "fs/state/arena.h"

#include <stdbool.h>
#include <stdint.h>

enum feature {
	FEATURE_PASSTHROUGH,
	FEATURE_CLOSE_UNLOCKED,
	FEATURE_MMAP_DIRECT_IO,
	FEATURE_EXPIRE_ONLY,
	FEATURE_IDMAPPED,
	FEATURE_PRUNE,
	FEATURE_PIDFS,
	FEATURE_PIDFD_INFO,
	FEATURE_USER_XATTR,
	FEATURES,
};

struct feature_info {
	const char *name;    /* in .segfs/status and --features */
	const char *purpose; /* what segfs does with it */
	const char *without; /* what it does instead */
};

/* Never NULL. */
const struct feature_info *feature_info(enum feature feature);

static inline bool feature_in(uint32_t features, enum feature feature)
{
	return features & UINT32_C(1) << feature;
}

/* Whether the kernel has it, as found out when the mount was made. */
static inline bool feature_has(const struct arena_header *header, enum feature feature)
{
	return feature_in(header->features, feature);
}

#endif
