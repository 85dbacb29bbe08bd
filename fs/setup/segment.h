/* SPDX-License-Identifier: MIT */
/* Segments that the configuration declares. */
#ifndef SEGFS_SETUP_SEGMENT_H
#define SEGFS_SETUP_SEGMENT_H

#include "fs/setup/application.h"

/* Reads the policy stored with a file or directory. Returns 0 or the negative errno of fgetxattr(2). */
int apply_read_policy(const struct application *application, int fd, struct policy *policy);

/*
 * Merges the configured fields into a policy and stores it, for a file that nobody has open. Returns 0 or the
 * negative errno of fsetxattr(2).
 */
int apply_store_policy(const struct application *application, int fd, struct policy *policy,
		       const struct config_policy *given);

/* Creates or adjusts a segment. Returns 0, or a negative errno with the error formatted. */
int apply_segment(const struct application *application, const struct config_segment *segment);

#endif
