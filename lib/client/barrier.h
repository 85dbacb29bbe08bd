/* SPDX-License-Identifier: MIT */
/* The word of a barrier. */
#ifndef SEGFS_CLIENT_BARRIER_H
#define SEGFS_CLIENT_BARRIER_H

#include <stdint.h>

/* How many have arrived, by the word of a barrier. */
uint32_t barrier_arrived(uint32_t word);

#endif
