/* SPDX-License-Identifier: MIT */
/*
 * Telling the service manager how far we are: the datagram protocol of sd_notify(3), which asks for no library.
 *
 * One thread at a time. The socket is opened once, so that no descriptor comes and goes later.
 */
#ifndef SEGFS_DAEMON_NOTIFY_H
#define SEGFS_DAEMON_NOTIFY_H

/* Opens the socket that $NOTIFY_SOCKET names; without one all calls do nothing. */
void notify_setup(void);

/* Says that the service is busy with a new configuration or version, until READY=1 is sent again. */
void notify_reloading(void);

/* Sends one message, such as "READY=1". What can't be sent is lost, as sd_notify(3) has it. */
void notify_send(const char *message);

#endif
