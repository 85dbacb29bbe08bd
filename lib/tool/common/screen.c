// SPDX-License-Identifier: MIT
#include "lib/tool/common/screen.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>
#include <wchar.h>

#define ENTER "\033[?1049h\033[?25l\033[?7l" /* another screen, no cursor, lines are cut off */
#define LEAVE "\033[?7h\033[?25h\033[?1049l"

/* Signals that end the process: asked for, and faults. */
static const int ending[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

static struct {
	bool is_open;
	struct termios saved;
	volatile sig_atomic_t ends, stops;
	char *picture; /* being made */
	size_t length, size, row, rows, columns;
	bool failed; /* memory was missing for it */
} self;

/* Async-signal-safe. */
static void put(const char *text, size_t length)
{
	while (length > 0) {
		ssize_t written = write(STDOUT_FILENO, text, length);

		if (written < 0 && errno == EINTR)
			continue;
		if (written <= 0)
			return;
		text += written;
		length -= (size_t)written;
	}
}

static void restore(void)
{
	put(LEAVE, sizeof(LEAVE) - 1);
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &self.saved);
}

static int take(void)
{
	struct termios raw = self.saved;

	raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	raw.c_cc[VMIN] = 0;
	raw.c_cc[VTIME] = 0;
	if (tcsetattr(STDIN_FILENO, TCSAFLUSH, &raw) < 0)
		return -errno;
	put(ENTER, sizeof(ENTER) - 1);
	return 0;
}

/* --- signals --- */

static void end(int signal)
{
	self.ends = signal;
}

static void stop(int signal)
{
	self.stops = signal;
}

static void wake(int signal)
{
	(void)signal;
}

/* Restores the terminal, and dies of the signal, whose handler is reset. */
static void die(int signal)
{
	if (self.is_open)
		restore();
	raise(signal);
}

static void handle(const int *signals, size_t n, void (*handler)(int), int flags)
{
	struct sigaction action = {.sa_handler = handler, .sa_flags = flags};

	for (size_t i = 0; i < n; i++)
		sigaction(signals[i], &action, NULL);
}

/*
 * Blocks those that are waited for, until ppoll(2) waits, so that none comes too early. Otherwise they are
 * not blocked: a look at a file system that hangs can be ended.
 */
static void block(sigset_t *before)
{
	sigset_t blocked;

	sigemptyset(&blocked);
	for (size_t i = 0; i < LENGTH(ending); i++)
		sigaddset(&blocked, ending[i]);
	sigaddset(&blocked, SIGTSTP);
	sigaddset(&blocked, SIGWINCH);
	sigprocmask(SIG_BLOCK, &blocked, before);
}

/* Gives the terminal back while the process is stopped. */
static void stop_now(void)
{
	sigset_t only, before;

	self.stops = 0;
	restore();
	handle((const int[]){SIGTSTP}, 1, SIG_DFL, 0);
	raise(SIGTSTP);
	sigemptyset(&only);
	sigaddset(&only, SIGTSTP);
	sigprocmask(SIG_UNBLOCK, &only, &before); /* stops here */
	sigprocmask(SIG_SETMASK, &before, NULL);
	handle((const int[]){SIGTSTP}, 1, stop, SA_RESTART);
	take();
}

/* --- the terminal --- */

int screen_open(bool draws)
{
	int result;

	if (!draws) {
		handle(ending, LENGTH(ending), end, 0);
		return 0;
	}
	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
		return -ENOTTY;
	if (tcgetattr(STDIN_FILENO, &self.saved) < 0)
		return -errno;
	fflush(stdout);
	handle(ending, LENGTH(ending), end, 0);
	handle(faults, LENGTH(faults), die, (int)SA_RESETHAND | SA_NODEFER);
	handle((const int[]){SIGTSTP}, 1, stop, SA_RESTART);
	handle((const int[]){SIGWINCH}, 1, wake, SA_RESTART);
	result = take();
	self.is_open = result == 0;
	return result;
}

void screen_close(void)
{
	handle(ending, LENGTH(ending), SIG_DFL, 0);
	if (!self.is_open)
		return;
	self.is_open = false;
	restore();
	handle(faults, LENGTH(faults), SIG_DFL, 0);
	handle((const int[]){SIGTSTP, SIGWINCH}, 2, SIG_DFL, 0);
	free(self.picture);
	self.picture = NULL;
	self.size = self.length = 0;
}

void screen_size(size_t *columns, size_t *rows)
{
	struct winsize size = {0};

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_col == 0 || size.ws_row == 0)
		size = (struct winsize){.ws_col = 80, .ws_row = 24};
	*columns = size.ws_col;
	*rows = size.ws_row;
}

/* --- pictures --- */

static void add(const char *text, size_t length)
{
	if (self.length + length > self.size) {
		const size_t size = 2 * (self.length + length) + 4096;
		char *larger = realloc(self.picture, size);

		if (!larger) {
			self.failed = true;
			return;
		}
		self.picture = larger;
		self.size = size;
	}
	memcpy(self.picture + self.length, text, length);
	self.length += length;
}

static void add_text(const char *text)
{
	add(text, strlen(text));
}

void screen_begin(void)
{
	self.length = self.row = 0;
	self.failed = false;
	screen_size(&self.columns, &self.rows);
	/* the terminal shows it when it is complete, if it knows this */
	add_text("\033[?2026h\033[H");
}

/* Bytes of the beginning of a text that fit into so many columns. */
static size_t fitting(const char *text, size_t columns)
{
	mbstate_t state = {0};
	size_t at = 0;

	while (text[at] && text[at] != '\n') {
		wchar_t character;
		const size_t n = mbrtowc(&character, text + at, MB_CUR_MAX, &state);
		const int width = n == (size_t)-1 || n == (size_t)-2 ? -1 : wcwidth(character);

		/* what the locale does not know would be anything */
		if (width < 0 || (size_t)width > columns)
			break;
		columns -= (size_t)width;
		at += n;
	}
	return at;
}

void screen_line(const char *style, const char *text)
{
	if (self.row >= self.rows)
		return;
	if (self.row++ > 0)
		add_text("\r\n");
	if (style) {
		add_text("\033[");
		add_text(style);
		add_text("m");
	}
	add(text, fitting(text, self.columns));
	add_text(style ? "\033[0m\033[K" : "\033[K");
}

void screen_coloured(const char *text)
{
	if (self.row >= self.rows)
		return;
	if (self.row++ > 0)
		add_text("\r\n");
	add_text(text);
	add_text("\033[0m\033[K");
}

void screen_linef(const char *style, const char *format, ...)
{
	char text[4096];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	screen_line(style, text);
}

void screen_show(void)
{
	add_text("\033[J\033[?2026l");
	if (!self.failed)
		put(self.picture, self.length);
}

/* --- keys --- */

static int read_byte(void)
{
	unsigned char byte;

	return read(STDIN_FILENO, &byte, 1) == 1 ? byte : -1;
}

/* What follows ESC, if it comes at once. */
static int read_sequence(void)
{
	struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
	int number = 0, byte;

	if (poll(&input, 1, 20) <= 0)
		return SCREEN_ESCAPE;
	byte = read_byte();
	if (byte != '[' && byte != 'O')
		return SCREEN_ESCAPE;
	for (byte = read_byte(); byte >= '0' && byte <= '9' && number < 100; byte = read_byte())
		number = 10 * number + byte - '0';
	switch (byte) {
	case 'A':
		return SCREEN_UP;
	case 'B':
		return SCREEN_DOWN;
	case 'H':
		return SCREEN_HOME;
	case 'F':
		return SCREEN_END;
	case '~':
		return number == 5   ? SCREEN_PAGE_UP
		       : number == 6 ? SCREEN_PAGE_DOWN
		       : number == 1 ? SCREEN_HOME
		       : number == 4 ? SCREEN_END
				     : SCREEN_NONE;
	default:
		return SCREEN_NONE;
	}
}

bool screen_ends(void)
{
	return self.ends != 0;
}

int screen_wait(uint64_t nanoseconds)
{
	const struct timespec timeout = {.tv_sec = (time_t)(nanoseconds / 1000000000u),
					 .tv_nsec = (long)(nanoseconds % 1000000000u)};
	struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
	sigset_t before;
	int result = 0, byte;

	block(&before);
	if (!self.ends && !self.stops)
		result = ppoll(&input, self.is_open ? 1 : 0, &timeout, &before);
	sigprocmask(SIG_SETMASK, &before, NULL);
	if (self.ends)
		return SCREEN_QUIT;
	if (self.stops)
		stop_now();
	if (result <= 0)
		return SCREEN_NONE;
	byte = read_byte();
	if (byte < 0)
		return SCREEN_QUIT;
	return byte == '\033' ? read_sequence() : byte;
}
