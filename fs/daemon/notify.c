// SPDX-License-Identifier: MIT
#include "fs/daemon/notify.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

static int notify_fd = -1;
static struct sockaddr_un address = {.sun_family = AF_UNIX};
static socklen_t address_length;

void notify_setup(void)
{
	const char *path = getenv("NOTIFY_SOCKET");
	size_t length = path ? strlen(path) : 0;

	if ((length == 0 || (path[0] != '/' && path[0] != '@')) || length >= sizeof(address.sun_path))
		return;
	memcpy(address.sun_path, path, length + 1);
	address_length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
	if (path[0] == '@')
		address.sun_path[0] = '\0'; /* abstract namespace */
	else
		address_length++;
	notify_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

void notify_send(const char *message)
{
	if (notify_fd >= 0)
		sendto(notify_fd, message, strlen(message), MSG_NOSIGNAL, (const struct sockaddr *)&address,
		       address_length);
}

void notify_reloading(void)
{
	char message[64];
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	snprintf(message, sizeof(message), "RELOADING=1\nMONOTONIC_USEC=%llu",
		 (unsigned long long)now.tv_sec * 1000000 + (unsigned long long)now.tv_nsec / 1000);
	notify_send(message);
}
