// SPDX-License-Identifier: MIT
#include "lib/tool/common/progress.h"
#include "lib/tool/common/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>
#include <wchar.h>

#define INTERVAL  100000000u /* nanoseconds between lines */
#define SECOND    1000000000u
#define BAR_MAX   40 /* columns */
#define NAME_WIDE 16 /* columns that a bar leaves to the name */

static uint64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * SECOND + (uint64_t)time.tv_nsec;
}

void progress_begin(struct progress *progress, bool quiet, uint64_t total)
{
	*progress = (struct progress){
		.is_shown = !quiet && isatty(STDERR_FILENO),
		.total = total,
		.begin = now(),
	};
}

void progress_name(struct progress *progress, const char *name)
{
	if (!progress->is_shown)
		return;
	free(progress->name);
	progress->name = text_quote(name);
}

static int columns(void)
{
	struct winsize size;

	return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

/* Prints as much of a text as so many columns hold. Returns the columns that it takes. */
static int print_cut(const char *text, int width)
{
	mbstate_t state = {0};
	int used = 0;

	while (*text) {
		wchar_t character;
		const size_t n = mbrtowc(&character, text, MB_CUR_MAX, &state);
		const int wide = n == 0 || n > MB_CUR_MAX ? -1 : wcwidth(character);

		if (wide < 0 || used + wide > width)
			break;
		fwrite(text, n, 1, stderr);
		used += wide;
		text += n;
	}
	return used;
}

static void print_bar(const struct progress *progress, int width)
{
	const uint64_t done = progress->done < progress->total ? progress->done : progress->total;
	const int filled = (int)((double)done / (double)progress->total * width);

	fputs(" [", stderr);
	for (int i = 0; i < width; i++)
		fputc(i < filled ? '#' : '.', stderr);
	fprintf(stderr, "] %3d%%", (int)((double)done / (double)progress->total * 100));
}

/* "1.2G of 4G, 310M/s, 9 s left" */
static void describe(const struct progress *progress, uint64_t time, char *text, size_t size)
{
	const double seconds = (double)(time - progress->begin) / SECOND;
	const double rate = seconds > 0 ? (double)progress->done / seconds : 0;
	char done[TEXT_SIZE_MAX], total[TEXT_SIZE_MAX], speed[TEXT_SIZE_MAX], left[TEXT_TIME_MAX];

	text_size(progress->done, done);
	text_size((uint64_t)rate, speed);
	if (progress->total == 0 || progress->done > progress->total || rate < 1) {
		snprintf(text, size, " %s, %s/s", done, speed);
		return;
	}
	text_size(progress->total, total);
	text_age((int64_t)((double)(progress->total - progress->done) / rate), left);
	snprintf(text, size, " %s of %s, %s/s, %s left", done, total, speed, left);
}

static void print(struct progress *progress, uint64_t time)
{
	const int width = columns() - 1; /* the last column makes some terminals begin a new line */
	char text[128];
	int bar, name;

	describe(progress, time, text, sizeof(text));
	bar = progress->total ? width - (int)strlen(text) - NAME_WIDE - 9 : 0;
	bar = bar > BAR_MAX ? BAR_MAX : bar;
	name = width - (int)strlen(text) - (bar >= 5 ? bar + 9 : 0);
	fputs("\r", stderr);
	print_cut(progress->name ? progress->name : "", name < 0 ? 0 : name);
	if (bar >= 5)
		print_bar(progress, bar);
	print_cut(text, width);
	fputs("\033[K", stderr);
	fflush(stderr);
	progress->printed = time;
	progress->is_printed = true;
}

void progress_add(struct progress *progress, uint64_t bytes)
{
	uint64_t time;

	progress->done += bytes;
	if (!progress->is_shown)
		return;
	time = now();
	if (time - progress->begin > INTERVAL && time - progress->printed > INTERVAL)
		print(progress, time);
}

void progress_clear(struct progress *progress)
{
	if (progress->is_printed)
		fputs("\r\033[K", stderr);
	progress->is_printed = false;
}

void progress_end(struct progress *progress)
{
	progress_clear(progress);
	free(progress->name);
	progress->name = NULL;
}
