/* SPDX-License-Identifier: MIT */
/* Shared by operations on objects created by others: reported facts, and refused changes. */
#ifndef SEGFS_TESTS_OPERATIONS_FACTS_H
#define SEGFS_TESTS_OPERATIONS_FACTS_H

#include "tests/lib/operations.h"

/* As an operation: checks the value of user.segfs.ATTRIBUTE. 0, -errno, or -EBADMSG for another value. */
int has_value(const char *path, const char *attribute, const char *value);

/*
 * note_attributes(), for prepare(): records all attributes of a file. has_noted_attributes(), as an
 * operation: they are unchanged.
 */
void note_attributes(const char *path);
int has_noted_attributes(const char *path);

/* The same for the names in a directory. */
void note_names(const char *path);
int has_noted_names(const char *path);

/*
 * Checks another call that must fail, as an operation: 0 as long as all have failed as expected. result: of
 * result_of_failure().
 */
#define and_also(result, call) ((result) == 0 ? (call) : (result))

#endif
