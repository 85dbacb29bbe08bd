/* SPDX-License-Identifier: MIT */
/*
 * The names under process/, and the lines of /proc from which they are made: text only. Pure functions; safe in every thread.
 */
#ifndef SEGFS_SOURCE_PROCESS_NAMES_H
#define SEGFS_SOURCE_PROCESS_NAMES_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define PROCESS_COMM "comm" /* the link in a process's directory that tells what it is called */

/* What a node under process/ is. */
enum process_kind {
	PROCESS_NONE,      /* nothing of interest */
	PROCESS_ROOT,
	PROCESS_DIRECTORY, /* of a process */
	PROCESS_LINK,      /* PROCESS_COMM */
	PROCESS_MEMFD,     /* memfd-FD-NAME */
	PROCESS_ANONYMOUS, /* anon-START-END */
	PROCESS_DELETED,   /* deleted-START-NAME */
};

/* What a name of a file says of it. */
struct process_name {
	enum process_kind kind;
	uint64_t first;  /* of a memfd: the descriptor; else the first address */
	uint64_t second; /* of anonymous memory: the address after the last one; else 0 */
};

/* A line of /proc/PID/maps. */
struct process_mapping {
	uint64_t start;
	uint64_t end;
	bool readable;
	bool writable;
	bool shared;
	uint64_t device; /* of the file, as stat(2) has it; 0 = there is none */
	uint64_t inode;
	const char *path; /* in the line, NULL = none; not ended by a 0 */
	size_t length;    /* of the path, bytes */
};

/* The number of a process, in the one way to write it. False for any other text. */
bool process_parse_number(const char *name, pid_t *pid);

/* The name of a file in a process's directory, numbers in the one way to write them; false where none begins so. */
bool process_parse_name(const char *name, struct process_name *parsed);

/*
 * Writes a name. title: what the memory is called, `length` bytes of any kind; unused for anonymous memory. What is no part of a name
 * becomes '_', and what is too long is cut off, between characters where it is UTF-8.
 */
void process_write_name(const struct process_name *parsed, const char *title, size_t length, char name[NAME_MAX + 1]);

/* Makes text safe to be a name: '/' and control characters become '_'. */
void process_make_safe(char *text, size_t length);

/* A line, with or without its newline. Returns false for one that is not understood. */
bool process_parse_mapping(const char *line, size_t length, struct process_mapping *mapping);

/* What a shared mapping may be by its path: PROCESS_ANONYMOUS, PROCESS_DELETED, or 0. */
enum process_kind process_mapping_kind(const struct process_mapping *mapping);

/*
 * The name of a memfd, or of an object of shm_open(3) that has none any more, in the target of a link in /proc/PID/fd or map_files;
 * false where that is of something else. title: a part of the target.
 */
bool process_parse_memfd(const char *target, size_t length, const char **title, size_t *title_length);
bool process_parse_deleted(const char *target, size_t length, const char **title, size_t *title_length);

/* Whether a target or path is that of shared anonymous memory on ordinary pages, or of anonymous memory on huge ones. */
bool process_is_anonymous(const char *path, size_t length);
bool process_is_anonymous_huge(const char *path, size_t length);

#endif
