// SPDX-License-Identifier: MIT
#include "fs/state/node_fd.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* Returns the pin of a descriptor, or a free entry; NULL if there is neither. */
static struct node_fd_pin *find_pin(struct state *state, int fd)
{
	struct node_fd_pin *vacant = NULL;

	for (unsigned int i = 0; i < NODE_FD_PINS; i++) {
		struct node_fd_pin *pin = &state->pins[i];

		if (pin->users > 0 && pin->fd == fd)
			return pin;
		if (pin->users == 0 && !vacant)
			vacant = pin;
	}
	return vacant;
}

int node_fd_get(struct state *state, const struct node_slot *node)
{
	struct node_fd_pin *pin;
	int fd;

	if (atomic_load(&node->fd) < 0)
		return -1;
	pthread_mutex_lock(&state->lock);
	fd = atomic_load(&node->fd);
	pin = fd >= 0 ? find_pin(state, fd) : NULL;
	if (fd >= 0 && !pin)
		fd = -ENFILE;
	if (pin) {
		pin->fd = fd;
		pin->users++;
	}
	pthread_mutex_unlock(&state->lock);
	return fd;
}

void node_fd_put(struct state *state, int fd)
{
	struct node_fd_pin *pin;
	bool is_last = false;

	pthread_mutex_lock(&state->lock);
	pin = find_pin(state, fd);
	if (pin && pin->users > 0) {
		pin->users--;
		is_last = pin->users == 0 && pin->is_closing;
		if (pin->users == 0)
			*pin = (struct node_fd_pin){0};
	}
	pthread_mutex_unlock(&state->lock);
	if (is_last)
		close(fd);
}

void node_fd_close_locked(struct state *state, int fd)
{
	struct node_fd_pin *pin;

	if (fd < 0)
		return;
	pin = find_pin(state, fd);
	if (pin && pin->users > 0)
		pin->is_closing = true;
	else if (state->n_closing < NODE_FDS_CLOSING)
		state->closing[state->n_closing++] = fd;
	else
		close(fd);
}

void state_unlock(struct state *state)
{
	int closing[NODE_FDS_CLOSING];
	unsigned int n = state->n_closing;

	memcpy(closing, state->closing, n * sizeof(*closing));
	state->n_closing = 0;
	pthread_mutex_unlock(&state->lock);
	for (unsigned int i = 0; i < n; i++)
		close(closing[i]);
}
