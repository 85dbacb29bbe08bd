/* SPDX-License-Identifier: MIT */
/*
 * Scans all processes of the machine; none can delay the scan for long. A process in execve(2), whose files
 * block, is reported as unknown after some milliseconds and skipped for some seconds.
 *
 * Functions are thread-safe; a struct procfs_scan belongs to one thread.
 */
#ifndef SEGFS_BASE_PROCFS_SCAN_H
#define SEGFS_BASE_PROCFS_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define PROCFS_SCAN_TIME    500u   /* milliseconds for a whole scan; see delegate_time() */
#define PROCFS_SCAN_BACKOFF 3000u  /* milliseconds for which an unresponsive process is skipped */
#define PROCFS_SCAN_TEXT    16384u /* bytes of scratch text for look() */

struct procfs_scan {
	/*
	 * Inspects a process and appends to `results`. Runs as a delegate, see delegate_run(): makes system
	 * calls on this memory and calls only functions without state. Returns 0; PROCFS_SCAN_FULL if there
	 * is no room, upon which it is called again with more; the negative errno of a resource shortage.
	 */
	int (*look)(struct procfs_scan *scan, pid_t process);
	const void *context; /* for look() */

	void *results; /* malloc'd; the caller frees them */
	size_t size;   /* bytes per element; each begins with a struct procfs_scanned */
	size_t n;      /* elements used */
	size_t max;    /* elements allocated */
	size_t first;  /* first element of the process being inspected */

	/* scratch memory of look() */
	char text[PROCFS_SCAN_TEXT];
	_Alignas(8) char entries[8192];
};

#define PROCFS_SCAN_FULL 1

/* Header of each element. */
struct procfs_scanned {
	pid_t process;
	bool is_unknown; /* the process did not answer; the other fields are not set */
};

/*
 * Runs the scan. scan: `look`, `context` and `size` are set, the rest is 0. Elements are in the order of
 * processes; unknown processes come last.
 * Returns 0; -ENOMEM, -EMFILE, -ENFILE, another errno of a resource shortage, or that of opening /proc; there
 * are no results then.
 */
int procfs_scan(struct procfs_scan *scan);

/* For look(): appends a zeroed element for `process`. Returns NULL if there is no room. */
void *procfs_scan_add(struct procfs_scan *scan, pid_t process);

/* Whether a process recently failed to answer; records that it did. */
bool procfs_is_unresponsive(pid_t process);
void procfs_mark_unresponsive(pid_t process);

#endif
