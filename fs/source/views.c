// SPDX-License-Identifier: MIT
#include "fs/source/views.h"
#include "lib/base/cleanup.h"

#include <errno.h>
#include <fcntl.h>

int views_probe_open(struct state *state, const struct node_slot *node, struct views_probe *probe)
{
	probe->fd = source_of(state, node)->open(state, node, O_RDONLY);
	return probe->fd < 0 ? probe->fd : 0;
}

void views_probe_close(struct views_probe *probe)
{
	cleanup_close(&probe->fd);
	probe->fd = -1;
}

/*
 * The kernel grants a lease only if no open conflicts with it. The lease is released at once; an open that
 * arrives meanwhile waits for that. The signal of a lease break is blocked.
 */
int views_probe(const struct views_probe *probe, bool only_writers)
{
	if (fcntl(probe->fd, F_SETLEASE, only_writers ? F_RDLCK : F_WRLCK) < 0)
		return errno == EAGAIN ? 1 : -errno;
	fcntl(probe->fd, F_SETLEASE, F_UNLCK);
	return 0;
}

bool views_remain(struct state *state, const struct node_slot *node, bool only_writers)
{
	struct views_probe probe = VIEWS_PROBE_NONE;
	int result = views_probe_open(state, node, &probe);

	if (result == 0)
		result = views_probe(&probe, only_writers);
	views_probe_close(&probe);
	return result == 1 || result == -ENOMEM || result == -EMFILE || result == -ENFILE;
}
