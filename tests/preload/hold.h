/* SPDX-License-Identifier: MIT */
/* The plan of holdcall.so; see holdcall.c. */
#ifndef SEGFS_TESTS_HOLD_H
#define SEGFS_TESTS_HOLD_H

#include <stdatomic.h>

enum hold_call {
	HOLD_NONE,
	HOLD_UNLINKAT,
	HOLD_RENAMEAT2,
	HOLD_OPEN, /* ... of a descriptor's file, for writing */
	HOLD_CHMOD,
	HOLD_FCHOWNAT,
	HOLD_FTRUNCATE,
	HOLD_SETXATTR,
	HOLD_MAKE,     /* whatever makes a file, a directory, a link */
	HOLD_IDENTIFY, /* name_to_handle_at(2) of a descriptor, or of HOLD_NAME; held after its execution */
};

#define HOLD_NAME "made"

struct hold {
	atomic_int call;    /* enum hold_call: the next call of this function is held, once */
	atomic_int reached; /* it is being held */
	atomic_int go;      /* it may continue */
	atomic_int error;   /* the errno with which it then fails; 0 = it is executed */
};

#endif
