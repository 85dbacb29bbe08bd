// SPDX-License-Identifier: MIT
#include "lib/tool/top_looks.h"
#include "lib/base/clock.h"
#include "lib/tool/common/command.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

static void free_look(struct top_look *look)
{
	survey_free(&look->survey);
	locks_free(&look->locks);
	json_decref(look->status);
	*look = (struct top_look){0};
}

int top_take(struct top *top)
{
	int status;

	free_look(&top->before);
	top->before = top->now;
	top->now = (struct top_look){.time = boottime_nanoseconds()};
	status = daemon_status(top->tool, &top->now.status);
	if (status == STATUS_DONE)
		status = locks_read(top->tool, &top->now.locks);
	/* a message would take the screen away, at each look */
	top->request.quiet = true;
	if (status == STATUS_DONE)
		status = survey_take(top->tool, &top->request, &top->now.survey);
	return status;
}

double top_seconds(const struct top *top)
{
	return top->before.time ? (double)(top->now.time - top->before.time) / 1e9 : 0;
}

/* The same segment in the look before; NULL = there was none. Both are sorted by name. */
static const struct subject *find_before(const struct survey *before, size_t *at,
					 const struct subject *subject)
{
	while (*at < before->n && strcmp(before->subjects[*at].name, subject->name) < 0)
		++*at;
	if (*at == before->n || strcmp(before->subjects[*at].name, subject->name) != 0 ||
	    before->subjects[*at].attr.st_ino != subject->attr.st_ino)
		return NULL;
	return &before->subjects[*at];
}

static unsigned int count_waits(const struct lock_list *locks, const char *name)
{
	unsigned int n = 0;

	for (size_t i = 0; i < locks->n; i++)
		n += locks->locks[i].waits && locks->locks[i].name && strcmp(locks->locks[i].name, name) == 0;
	return n;
}

static bool has_waiting(const struct lock_list *locks)
{
	for (size_t i = 0; i < locks->n; i++)
		if (locks->locks[i].waits)
			return true;
	return false;
}

static bool passes(const struct top *top, const struct subject *subject)
{
	return !*top->filter || strcasestr(subject->name, top->filter) ||
	       fnmatch(top->filter, subject->name, FNM_CASEFOLD) == 0;
}

static int compare_numbers(int64_t a, int64_t b)
{
	return a < b ? -1 : a > b;
}

static int compare(const void *a, const void *b, void *context)
{
	const struct top *top = context;
	const struct top_line *first = a, *second = b;
	int result = 0;

	switch (top->order) {
	case TOP_BY_SIZE:
		result = compare_numbers(second->subject->attr.st_size, first->subject->attr.st_size);
		break;
	case TOP_BY_RESIDENT:
		result = compare_numbers(second->subject->resident, first->subject->resident);
		break;
	case TOP_BY_GROWTH:
		result = compare_numbers(second->growth, first->growth);
		break;
	case TOP_BY_ATTACHED:
		result = compare_numbers(second->subject->attached, first->subject->attached);
		break;
	case TOP_BY_WAITS:
		result = compare_numbers(second->waits, first->waits);
		break;
	case TOP_BY_NAME:
		break;
	}
	if (result == 0)
		result = strcmp(first->subject->name, second->subject->name);
	return top->reverse ? -result : result;
}

int top_sort(struct top *top)
{
	const struct survey *survey = &top->now.survey;
	const bool is_waited = has_waiting(&top->now.locks);
	const double seconds = top_seconds(top);
	struct top_line *lines = calloc(survey->n + 1, sizeof(*lines));
	size_t at = 0;

	if (!lines)
		return -ENOMEM;
	free(top->lines);
	top->lines = lines;
	top->n = 0;
	for (size_t i = 0; i < survey->n; i++) {
		const struct subject *subject = &survey->subjects[i];
		const struct subject *before = find_before(&top->before.survey, &at, subject);
		struct top_line *line = &lines[top->n];

		if (!passes(top, subject))
			continue;
		line->subject = subject;
		if (before && seconds > 0 && before->resident >= 0 && subject->resident >= 0)
			line->growth = (int64_t)((double)(subject->resident - before->resident) / seconds);
		if (is_waited)
			line->waits = count_waits(&top->now.locks, subject->name);
		top->n++;
	}
	qsort_r(lines, top->n, sizeof(*lines), compare, top);
	return 0;
}

void top_free(struct top *top)
{
	free_look(&top->now);
	free_look(&top->before);
	free(top->lines);
	text_forget(&top->owner);
	top->lines = NULL;
	top->n = 0;
}
