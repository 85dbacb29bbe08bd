/* SPDX-License-Identifier: MIT */
/*
 * A library of synchronization objects that table "library" measures: libsegfs, the C library, and Boost
 * (boost.cc, loaded when it was built). Its objects are shared by fork(2). A function that fails ends the
 * program.
 */
#ifndef SEGFS_BENCH_LIBRARY_H
#define SEGFS_BENCH_LIBRARY_H

#ifdef __cplusplus
extern "C" {
#endif

#define LIBRARY_SEMAPHORES 2

struct library {
	const char *name;
	/* Creates the objects; directory: for files. tear_down() removes what stays. */
	void (*set_up)(const char *directory);
	void (*tear_down)(void);
	/* n times lock and unlock, post and wait, lock for reading and unlock, without contention. */
	void (*mutex)(unsigned int n);
	void (*semaphore)(unsigned int n);
	void (*reader)(unsigned int n);
	void (*lock)(void);
	void (*unlock)(void);
	void (*post)(unsigned int i);
	void (*wait)(unsigned int i);
	/* n times: a segment of 64 KiB is opened or created, mapped, unmapped and closed. */
	void (*open)(unsigned int n);
};

/* What boost.cc exports, as "boost_library". */
const struct library *boost_library(void);

#ifdef __cplusplus
}
#endif

#endif
