/* SPDX-License-Identifier: MIT */
/*
 * What operations on things that others have made have in common: what is told of them, and what can't be done.
 */
#ifndef SEGFS_TESTS_OPERATIONS_FACTS_H
#define SEGFS_TESTS_OPERATIONS_FACTS_H

#include "tests/lib/operations.h"

/* As an operation: user.segfs.ATTRIBUTE of a file has this value. 0, -errno, or -EBADMSG where it has another one. */
int has_value(const char *path, const char *attribute, const char *value);

/* Notes what all attributes of a file are; for prepare(). As an operation: they are what was noted last, each of them. */
void note_attributes(const char *path);
int has_noted_attributes(const char *path);

/* Notes what names a directory has; the same. */
void note_names(const char *path);
int has_noted_names(const char *path);

/* Another call that fails, as an operation: 0 as long as all have failed with what they are to. result: of result_of_failure(). */
#define and_also(result, call) ((result) == 0 ? (call) : (result))

#endif
