/* SPDX-License-Identifier: MIT */
/* What main() prepares before the first process is started; shared by supervisor and workers. */
#ifndef SEGFS_DAEMON_PROGRAM_H
#define SEGFS_DAEMON_PROGRAM_H

/* Default limits. In the arena they cost address space, not memory. */
#define PROGRAM_MAX_NODES   (4u * 1024u * 1024u)
#define PROGRAM_MAX_HANDLES (1024u * 1024u)
#define PROGRAM_MAX_LOCKS   (4u * 1024u * 1024u)
#define PROGRAM_MAX_WAITING (256u * 1024u * 1024u) /* bytes */
#define PROGRAM_USER_SHARE  50                     /* percent */

#include "fs/config/config.h"
#include "fs/config/options.h"
#include "fs/setup/instance.h"
#include "fs/state/arena.h"

struct state;

struct program {
	struct options options;
	char mount_point[PATH_MAX]; /* absolute, without symbolic links */
	char config_file[PATH_MAX]; /* absolute; "" = none */
	struct config config;       /* as of the start */
	struct instance instance;
	struct arena arena;
	bool privileged;
	bool was_usable; /* the mount has been usable: what was created for it stays */
};

/*
 * Reads the configuration file again and applies it. For a worker at SIGHUP.
 * changed: see apply_config(). named: see names_of_config(); called for what was applied, also on failure.
 * Returns 0, or a negative errno with the reason logged; the configuration in force then stays.
 */
int program_reload(const struct program *program, struct state *state, void (*changed)(uint64_t id),
		   void (*named)(uint64_t dir, const char *name));

/*
 * Checks that a configuration does not require what a mount cannot become: one that keeps the locks, or one
 * that synchronizes, if it began otherwise.
 * file: its name, for `error`. Returns 0; -EINVAL with one line in `error`.
 */
int program_check_kind(const struct arena_header *header, const struct config *config, const char *file,
		       char error[CONFIG_ERROR_MAX]);

/* The number of slots of an arena: the configured limit, or the default if that is larger. */
uint32_t program_slots(uint64_t wanted, uint32_t by_default);

/* The number of blocks for messages of requests that wait, likewise. */
uint32_t program_blocks(const struct arena_header *header, const struct config *config);

/*
 * Requests a reload by the current or the next worker, also while another one is in progress. A running
 * worker must then be sent SIGHUP.
 */
void program_request_reload(struct arena_header *header);

/*
 * Begins a requested reload. reading: receives the argument of program_end_reload(). If the worker dies over
 * it the next one tries again, but not for ever, since the configuration may be the cause. Returns false if
 * none is pending.
 */
bool program_begin_reload(struct arena_header *header, uint32_t *reading);

/* Ends a reload. Another one may have been requested meanwhile. */
void program_end_reload(struct arena_header *header, uint32_t reading);

/* Stores a configuration as the one in force, as text in the arena. Returns 0 or a negative errno. */
int program_store_config(struct arena *arena, const struct config *config);

#endif
