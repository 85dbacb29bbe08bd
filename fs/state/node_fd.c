// SPDX-License-Identifier: MIT
#include "fs/state/node_fd.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static bool is_used(unsigned int users)
{
	return (users & ~NODE_FD_CLOSING) > 0;
}

/*
 * Adds `more` to the users of an entry, unless the last one has ended meanwhile, which takes no lock. more:
 * 1, or NODE_FD_CLOSING.
 */
static bool add_unless_unused(struct node_fd_pin *pin, unsigned int more)
{
	unsigned int users = atomic_load(&pin->users);

	while (is_used(users))
		if (atomic_compare_exchange_weak(&pin->users, &users, users + more))
			return true;
	return false;
}

/* Returns the index of the entry of a descriptor in use, or NODE_FD_PINS. */
static unsigned int find_pin(const struct state *state, int fd)
{
	unsigned int i = 0;

	/* in this order: the descriptor of an entry is set before its users */
	while (i < NODE_FD_PINS &&
	       !(is_used(atomic_load(&state->pins[i].users)) && atomic_load(&state->pins[i].fd) == fd))
		i++;
	return i;
}

static bool take_free_pin(struct state *state, int fd)
{
	for (unsigned int i = 0; i < NODE_FD_PINS; i++) {
		struct node_fd_pin *pin = &state->pins[i];

		if (atomic_load(&pin->users) == 0) {
			atomic_store(&pin->fd, fd);
			atomic_store(&pin->users, 1);
			return true;
		}
	}
	return false;
}

int node_fd_get(struct state *state, const struct node_slot *node)
{
	unsigned int i;
	int fd;

	if (atomic_load(&node->fd) < 0)
		return -1;
	pthread_mutex_lock(&state->lock);
	fd = atomic_load(&node->fd);
	i = fd >= 0 ? find_pin(state, fd) : NODE_FD_PINS;
	if (fd >= 0 && !(i < NODE_FD_PINS && add_unless_unused(&state->pins[i], 1)) &&
	    !take_free_pin(state, fd))
		fd = -ENFILE;
	pthread_mutex_unlock(&state->lock);
	return fd;
}

void node_fd_put(struct state *state, int fd)
{
	const unsigned int i = find_pin(state, fd);

	/* the last one closes what was to be closed; until then its entry is neither in use nor free */
	if (i < NODE_FD_PINS && atomic_fetch_sub(&state->pins[i].users, 1) == (NODE_FD_CLOSING | 1)) {
		close(fd);
		atomic_store(&state->pins[i].users, 0);
	}
}

void node_fd_close_locked(struct state *state, int fd)
{
	unsigned int i;

	if (fd < 0)
		return;
	i = find_pin(state, fd);
	if (i < NODE_FD_PINS && add_unless_unused(&state->pins[i], NODE_FD_CLOSING))
		return;
	if (state->n_closing < NODE_FDS_CLOSING)
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
