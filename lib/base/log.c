// SPDX-License-Identifier: MIT
/* One write(2) per message: lines of several processes never mix. */
#include "lib/base/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static enum log_target target = LOG_TO_STDERR;
static int max_priority = LOG_NOTICE;
static int log_socket = -1;
static bool journal_stream; /* stderr is connected to the journal, which parses a <priority> prefix */

static const struct {
	const char *name;
	int priority;
} level_names[] = {
	{"error", LOG_ERR}, {"warning", LOG_WARNING}, {"notice", LOG_NOTICE},
	{"info", LOG_INFO}, {"debug", LOG_DEBUG},
};

int log_priority_from_name(const char *name)
{
	for (size_t i = 0; i < sizeof(level_names) / sizeof(level_names[0]); i++)
		if (strcmp(name, level_names[i].name) == 0)
			return level_names[i].priority;
	return -1;
}

void log_setup(enum log_target new_target, int new_max_priority)
{
	target = new_target;
	max_priority = new_max_priority;
	journal_stream = getenv("JOURNAL_STREAM") != NULL;
}

void log_open(void)
{
	if (target == LOG_TO_BOTH)
		log_socket = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

/* The datagram of syslog(3): priority, tag, text. The receiver adds time and host. */
static void send_to_system_log(int priority, const char *text, size_t length)
{
	static const struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "/dev/log"};
	char message[1088];
	int head = snprintf(message, sizeof(message), "<%d>segfs[%d]: ", LOG_DAEMON | priority, getpid());

	memcpy(message + head, text, length);
	sendto(log_socket, message, (size_t)head + length, MSG_NOSIGNAL, (const struct sockaddr *)&address,
	       sizeof(address));
}

void log_vwrite(int priority, const char *format, va_list arguments)
{
	char line[1024];
	int saved = errno;
	size_t head;
	size_t length;
	int written;

	if (priority > max_priority)
		return;
	if (journal_stream)
		written = snprintf(line, sizeof(line), "<%d>segfs: ", priority);
	else
		written = snprintf(line, sizeof(line), "segfs: ");
	head = length = (size_t)written;
	written = vsnprintf(line + length, sizeof(line) - length - 1, format, arguments);
	if (written > 0) {
		length += (size_t)written;
		if (length > sizeof(line) - 2)
			length = sizeof(line) - 2;
	}
	if (line[length - 1] != '\n')
		line[length++] = '\n';
	if (log_socket >= 0)
		send_to_system_log(priority, line + head, length - head - 1);
	/* a failure to write the log cannot be reported anywhere */
	if (write(STDERR_FILENO, line, length) < 0)
		errno = saved;
	errno = saved;
}

void log_write(int priority, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	log_vwrite(priority, format, arguments);
	va_end(arguments);
}
