/* SPDX-License-Identifier: MIT */
/* The tables of fs/source: the sources, which source.c lists, and the facts of those that have some. */
#ifndef SEGFS_SOURCE_INTERNAL_H
#define SEGFS_SOURCE_INTERNAL_H

#include "fs/source/source.h"

extern const struct source store_source;
extern const struct source posix_source;
extern const struct source sysv_source;
extern const struct source process_source;

extern const struct source_fact process_facts[];
extern const struct source_fact sysv_facts[];

#endif
