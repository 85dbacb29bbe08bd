/* SPDX-License-Identifier: MIT */
/*
 * A look into each process of the machine, which none of them can hold up for long: what a process in execve(2) does not let the kernel
 * tell counts as not known, after some milliseconds, and is not asked again for some seconds.
 *
 * Functions may be called by several threads at once; a struct procfs_scan belongs to one.
 */
#ifndef SEGFS_BASE_PROCFS_SCAN_H
#define SEGFS_BASE_PROCFS_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define PROCFS_SCAN_TIME 500u    /* milliseconds that one may take in all */
#define PROCFS_SCAN_SILENCE 3000u /* milliseconds for which a process that did not answer is not asked again */
#define PROCFS_SCAN_TEXT 16384u  /* bytes of text that a look can work on */

struct procfs_scan {
	/*
	 * Looks into a process, and adds to `results` what it finds. Runs as delegate_run() has it: makes system calls, on this memory, and
	 * calls no other function than those that need nothing but their arguments. Returns 0; PROCFS_SCAN_FULL where there is no room:
	 * it is called again, with more; the negative errno of a lack of our own.
	 */
	int (*look)(struct procfs_scan *scan, pid_t process);
	const void *context; /* for look() */

	void *results; /* malloc'd; the caller frees them */
	size_t size;   /* bytes of an element, which begins with a struct procfs_scanned */
	size_t n;      /* elements that there are */
	size_t max;    /* ... that there is room for */
	size_t first;  /* the first that is about the process that is looked into */

	/* for look() to work with */
	char text[PROCFS_SCAN_TEXT];
	_Alignas(8) char entries[8192];
};

#define PROCFS_SCAN_FULL 1

/* What each element begins with. */
struct procfs_scanned {
	pid_t process;
	bool is_unknown; /* it did not answer: nothing else is known of it */
};

/*
 * Carries it out. scan: `look`, `context` and `size` are set, the rest is 0. Elements come in the order of processes, but for those of
 * processes that did not answer, which come last.
 * Returns 0; -ENOMEM, -EMFILE, -ENFILE, or another errno of a lack of our own, or of opening /proc; there are no results then.
 */
int procfs_scan(struct procfs_scan *scan);

/* Room for one more element, for look(): of the process, and else zeros. NULL where there is none. */
void *procfs_scan_add(struct procfs_scan *scan, pid_t process);

/* Whether a process did not answer a short time ago; notes that it did not. */
bool procfs_is_silent(pid_t process);
void procfs_note_silent(pid_t process);

#endif
