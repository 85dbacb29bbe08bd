/* SPDX-License-Identifier: MIT */
/* What a test and holdcall.so share; see holdcall.c. */
#ifndef SEGFS_TESTS_HOLD_H
#define SEGFS_TESTS_HOLD_H

#include <stdatomic.h>

enum hold_call {
	HOLD_NONE,
	HOLD_UNLINKAT,
	HOLD_RENAMEAT2,
	HOLD_OPEN, /* ... of a descriptor's file, to write to it */
	HOLD_CHMOD,
	HOLD_FCHOWNAT,
	HOLD_FTRUNCATE,
	HOLD_IDENTIFY, /* name_to_handle_at(2) of a descriptor, or of HOLD_NAME, which has been carried out by then */
};

#define HOLD_NAME "made"

struct hold {
	atomic_int call;    /* enum hold_call: the next call of this function is held, once */
	atomic_int reached; /* it is being held */
	atomic_int go;      /* it may go on */
	atomic_int error;   /* with which it fails then; 0 = it is carried out */
};

#endif
