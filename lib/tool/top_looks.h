/* SPDX-License-Identifier: MIT */
/* What segctl top has seen: looks at the mount, and the segments of the last one in order. One thread's. */
#ifndef SEGFS_TOOL_TOP_LOOKS_H
#define SEGFS_TOOL_TOP_LOOKS_H

#include "lib/tool/common/daemon.h"
#include "lib/tool/common/locks.h"
#include "lib/tool/common/survey.h"
#include "lib/tool/common/text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TOP_FILTER_MAX 64

struct tool;

/* What was seen at one time. */
struct top_look {
	struct survey survey;
	struct lock_list locks;
	json_t *status;
	uint64_t time; /* CLOCK_BOOTTIME, nanoseconds */
};

/* A segment with what has changed since the last look. */
struct top_line {
	const struct subject *subject;
	int64_t growth; /* bytes of memory a second */
	unsigned int waits;
};

enum top_order { TOP_BY_SIZE, TOP_BY_RESIDENT, TOP_BY_GROWTH, TOP_BY_ATTACHED, TOP_BY_WAITS, TOP_BY_NAME };

struct top {
	struct tool *tool;
	struct survey_request request;
	struct top_look now, before;
	struct top_line *lines; /* of `now`, those that the filter lets through */
	size_t n;
	enum top_order order;
	bool reverse;
	char filter[TOP_FILTER_MAX]; /* a part of the name, or a pattern of glob(7); "" = none */
	struct text_known owner;     /* of the line written last */

	/* on a screen */
	bool types_filter; /* keys are for the filter */
	bool help;
	size_t first; /* line at the top */
};

/* Takes a look; the one before is kept. Returns a STATUS_*, after a message. */
int top_take(struct top *top);

/* Makes the lines of the last look, by filter and order. Returns 0; -ENOMEM. */
int top_sort(struct top *top);

/* Seconds between the two looks; 0 = there is only one. */
double top_seconds(const struct top *top);

void top_free(struct top *top);

#endif
