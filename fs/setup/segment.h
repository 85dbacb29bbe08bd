/* SPDX-License-Identifier: MIT */
/* Segments that the configuration declares. */
#ifndef SEGFS_SETUP_SEGMENT_H
#define SEGFS_SETUP_SEGMENT_H

#include "fs/setup/application.h"

/* Creates or adjusts a segment. Returns 0, or a negative errno with the error formatted. */
int apply_segment(const struct application *application, const struct config_segment *segment);

#endif
