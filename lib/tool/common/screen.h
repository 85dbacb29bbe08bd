/* SPDX-License-Identifier: MIT */
/*
 * A full-screen display on the terminal of standard input and output, redrawn in place. There is one for a
 * process. Whatever ends the process, but for SIGKILL, restores the terminal; a stop (Ctrl-Z) gives it back
 * until the process continues.
 */
#ifndef SEGFS_TOOL_SCREEN_H
#define SEGFS_TOOL_SCREEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What screen_wait() returns besides characters. */
enum screen_key {
	SCREEN_NONE = -1, /* the time has passed, or the window has another size */
	SCREEN_QUIT = -2, /* a signal asks to end, or the terminal is gone */
	SCREEN_UP = 0x100,
	SCREEN_DOWN,
	SCREEN_PAGE_UP,
	SCREEN_PAGE_DOWN,
	SCREEN_HOME,
	SCREEN_END,
	SCREEN_ESCAPE,
};

/*
 * Takes the terminal. Without `draws` it takes only the signals that end the process, until screen_close().
 * Returns 0; -ENOTTY if standard input or output is no terminal; the errno of tcsetattr(3).
 */
int screen_open(bool draws);

/* Gives it back. */
void screen_close(void);

/* Its present size in characters. */
void screen_size(size_t *columns, size_t *rows);

/*
 * Begins a picture; then each line is added from the top, cut off at the right edge; those beyond the last
 * row are dropped. text: printable, of the locale. style: SGR parameters such as "1" or "33", or NULL.
 * screen_show() draws all in one write.
 */
void screen_begin(void);
void screen_line(const char *style, const char *text);
void screen_linef(const char *style, const char *format, ...) __attribute__((format(printf, 2, 3)));
void screen_show(void);

/* Adds a line that contains its own styles, and is as wide as it likes: the terminal cuts it off. */
void screen_coloured(const char *text);

/* Whether a signal asks to end: system calls may have failed with EINTR. */
bool screen_ends(void);

/* Waits for a key, at most so many nanoseconds. Returns a byte or an enum screen_key. */
int screen_wait(uint64_t nanoseconds);

#endif
