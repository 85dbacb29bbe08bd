/* SPDX-License-Identifier: MIT */
/* Synchronization objects of the command line, and messages about them. */
#ifndef SEGFS_TOOL_OBJECTS_H
#define SEGFS_TOOL_OBJECTS_H

#include "lib/segfs.h"

#include <stdbool.h>

struct tool;

/*
 * Opens an object of any kind. object: released by segfs_object_close(). Returns a STATUS_*, after a message.
 */
int objects_open(struct tool *tool, const char *name, struct segfs_object **object);

/* Opens an object, makes one change, and releases it. Returns a STATUS_*, after a message. */
int objects_change(struct tool *tool, const char *name, int (*change)(struct segfs_object *object));

/* Says that a command is not for objects of this kind, and which one is. Returns a STATUS_*. */
int objects_refuse(const struct tool *tool, const char *name, enum segfs_kind kind);

/*
 * What a file is: the kind of an object, or SEGFS_SEGMENT, also if that cannot be told. fd: may be O_PATH.
 * size: of the file, bytes.
 */
enum segfs_kind objects_kind_of(int fd, uint64_t size);

/* Whether the kind of a subject or of a saved segment is one of objects, and not one of memory. */
bool objects_is_kind(const char *kind);

/* The name of a kind, such as "mutex", for messages. */
const char *objects_kind(enum segfs_kind kind);

#endif
