/* SPDX-License-Identifier: MIT */
/*
 * Names under process/, and the lines of /proc that they are made from; text only. Pure functions;
 * thread-safe.
 */
#ifndef SEGFS_SOURCE_PROCESS_NAMES_H
#define SEGFS_SOURCE_PROCESS_NAMES_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define PROCESS_COMM "comm" /* symbolic link in a process's directory; its target is the command name */

/* Kinds of nodes under process/. */
enum process_kind {
	PROCESS_NONE, /* nothing of interest */
	PROCESS_ROOT,
	PROCESS_DIRECTORY, /* directory of a process */
	PROCESS_LINK,      /* PROCESS_COMM */
	PROCESS_MEMFD,     /* memfd-FD-NAME */
	PROCESS_ANONYMOUS, /* anon-START-END */
	PROCESS_DELETED,   /* deleted-START-NAME */
};

/* The information in a file name. */
struct process_name {
	enum process_kind kind;
	uint64_t first;  /* memfd: the descriptor number; else the start address */
	uint64_t second; /* anonymous memory: the end address, exclusive; else 0 */
};

/* A line of /proc/PID/maps. */
struct process_mapping {
	uint64_t start;
	uint64_t end;
	bool readable;
	bool writable;
	bool shared;
	uint64_t device; /* st_dev of the file; 0 = none */
	uint64_t inode;
	const char *path; /* within the line; NULL = none; not terminated by a 0 */
	size_t length;    /* of the path, in bytes */
};

/* Parses the decimal number of a process in canonical form. False for any other text. */
bool process_parse_number(const char *name, pid_t *pid);

/*
 * Parses a file name in a process's directory, with its numbers in canonical form; false for any other text.
 */
bool process_parse_name(const char *name, struct process_name *parsed);

/*
 * Formats a name. title: `length` arbitrary bytes; unused for anonymous memory. Invalid bytes become '_'; an
 * overlong title is cut, between characters if it is UTF-8.
 */
void process_write_name(const struct process_name *parsed, const char *title, size_t length,
			char name[NAME_MAX + 1]);

/* Makes a text usable as a name: '/' and control characters become '_'. */
void process_make_safe(char *text, size_t length);

/* Parses a line, with or without newline. False if it is malformed. */
bool process_parse_mapping(const char *line, size_t length, struct process_mapping *mapping);

/* Classifies a mapping by its path: PROCESS_ANONYMOUS, PROCESS_DELETED or PROCESS_NONE. */
enum process_kind process_mapping_kind(const struct process_mapping *mapping);

/*
 * Extracts the name of a memfd, or of an unlinked shm_open(3) object, from the target of a magic link in
 * /proc/PID/fd or map_files; false for any other target. title: points into the target.
 */
bool process_parse_memfd(const char *target, size_t length, const char **title, size_t *title_length);
bool process_parse_deleted(const char *target, size_t length, const char **title, size_t *title_length);

/* Whether a target or path is that of shared anonymous memory, on normal or huge pages. */
bool process_is_anonymous(const char *path, size_t length);
bool process_is_anonymous_huge(const char *path, size_t length);

#endif
