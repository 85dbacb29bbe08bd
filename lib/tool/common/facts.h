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

/*
 * The same for all subjects of a survey, with a thread for each CPU; files that need not be asked are not
 * opened. Those that are gone, or that the user may not reach any more, are marked, as are those that cannot
 * be looked at.
 */
void facts_find_all(const struct tool *tool, unsigned int facts, const struct facts_known *known,
		    struct survey *survey);

/*
 * What an error means that a file or directory, which a directory has shown, cannot be looked at: 0 if it is
 * gone, another one by now, or kept from the user; if a process did not answer, that is noted; otherwise the
 * errno. error: negative. has_unknown: see struct survey.
 */
int facts_judge(int error, enum subject_source source, _Atomic bool *has_unknown);

#endif
