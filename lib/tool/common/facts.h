/* SPDX-License-Identifier: MIT */
/* Asks the mount for the facts of a survey. Thread-safe, as long as each subject belongs to one thread. */
#ifndef SEGFS_TOOL_FACTS_H
#define SEGFS_TOOL_FACTS_H

#include "lib/tool/common/stored.h"
#include "lib/tool/common/survey.h"

/* A subject of which nothing is known. */
void facts_clear(struct subject *subject);

/* What was read of many at once. NULL = each file is asked. */
struct facts_known {
	const struct attached_list *users;
	const struct stored_list *policies;
};

/*
 * Sets the facts of one file by its descriptor, which may be O_PATH. facts: FACT_*.
 */
void facts_find(const struct tool *tool, int fd, unsigned int facts, const struct facts_known *known,
		struct subject *subject);

/* The same for all subjects of a survey, with a thread for each CPU; files that need not be asked are not
 * opened. */
void facts_find_all(const struct tool *tool, unsigned int facts, const struct facts_known *known,
		    struct survey *survey);

/*
 * Gets an attribute by its short name. fd: of the file, may be O_PATH. Returns the length, with a 0 after it;
 * or a negative errno.
 */
ssize_t facts_attribute(int fd, const char *attribute, char *value, size_t size);

#endif
