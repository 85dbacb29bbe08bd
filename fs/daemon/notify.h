/* SPDX-License-Identifier: MIT */
/*
 * Notifies the service manager by the datagram protocol of sd_notify(3), without its library.
 *
 * One thread at a time. The socket is opened once, so that no descriptor comes and goes later.
 */
#ifndef SEGFS_DAEMON_NOTIFY_H
#define SEGFS_DAEMON_NOTIFY_H

/* Opens the socket named by $NOTIFY_SOCKET; without one, all functions do nothing. */
void notify_setup(void);

/* Reports that a reload or upgrade is in progress, until READY=1 is sent. */
void notify_reloading(void);

/* Sends a message such as "READY=1". Failures are ignored, as with sd_notify(3). */
void notify_send(const char *message);

#endif
