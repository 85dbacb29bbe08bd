/* SPDX-License-Identifier: MIT */
/*
 * What main() has found out and made before the first process is started: what supervisor and workers run on.
 */
#ifndef SEGFS_DAEMON_PROGRAM_H
#define SEGFS_DAEMON_PROGRAM_H

/* Bounds without a configuration. Of the arena they are address space, not memory. */
#define PROGRAM_MAX_NODES (4u * 1024u * 1024u)
#define PROGRAM_MAX_HANDLES (1024u * 1024u)
#define PROGRAM_MAX_LOCKS (4u * 1024u * 1024u)
#define PROGRAM_MAX_WAITING (256u * 1024u * 1024u) /* bytes */
#define PROGRAM_USER_SHARE 50                      /* percent */

#include "fs/config/config.h"
#include "fs/config/options.h"
#include "fs/setup/instance.h"
#include "fs/state/arena.h"

struct state;

struct program {
	struct options options;
	char mount_point[PATH_MAX]; /* absolute, without symbolic links */
	char config_file[PATH_MAX]; /* absolute; "" = there is none */
	struct config config;       /* as read at the start */
	struct instance instance;
	struct arena arena;
	bool privileged;
	bool was_usable;            /* the mount was: what was made for it stays */
};

/*
 * Reads the configuration file again and makes what is new or different in it. For a worker at SIGHUP.
 * changed: as apply_config() has it.
 * Returns 0, or a negative errno with the reason logged; then the configuration in force stays as it was.
 */
int program_reload(const struct program *program, struct state *state, void (*changed)(uint64_t id));

/* Slots that the arena of a mount has, for the bounds of its configuration, and more. */
uint32_t program_slots(uint64_t wanted, uint32_t by_default);

/*
 * Has the worker that runs, or the next one, read the configuration again; a reading that is under way does not count. The worker is told
 * by SIGHUP where one runs.
 */
void program_want_reload(struct arena_header *header);

/*
 * Begins a reading that is wanted. reading: gets what program_end_reload() is called with. A worker that dies over it leaves it to the
 * next one. Not for ever: what the configuration asks for may be what kills it. Returns false where none is wanted any more.
 */
bool program_begin_reload(struct arena_header *header, uint32_t *reading);

/* Ends a reading. Another one may have been wanted meanwhile. */
void program_end_reload(struct arena_header *header, uint32_t reading);

/* Whether a reading is wanted or under way. */
bool program_reloads(const struct arena_header *header);

/* Keeps a configuration as the one in force, as text in the arena. Returns 0 or a negative errno. */
int program_keep_config(struct arena *arena, const struct config *config);

#endif
