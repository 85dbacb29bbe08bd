// SPDX-License-Identifier: MIT
#include "fs/daemon/program.h"
#include "fs/config/parse.h"
#include "fs/setup/apply.h"
#include "fs/setup/names.h"
#include "fs/setup/tmpfs.h"
#include "fs/state/message.h"
#include "fs/state/node.h"
#include "lib/base/cleanup.h"
#include "lib/base/log.h"

#include <errno.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/vfs.h>

#define RELOAD_TRIES 3 /* workers that may die over one reload */

uint32_t program_slots(uint64_t wanted, uint32_t by_default)
{
	return wanted > by_default ? (uint32_t)wanted : by_default;
}

uint32_t program_blocks(const struct arena_header *header, const struct config *config)
{
	const uint64_t bytes =
		config->max_waiting > PROGRAM_MAX_WAITING ? config->max_waiting : PROGRAM_MAX_WAITING;

	return message_blocks(bytes, header->max_locks);
}

static uint32_t bound(uint64_t wanted, uint32_t by_default, uint32_t slots)
{
	return wanted == 0 ? by_default : wanted < slots ? (uint32_t)wanted : slots;
}

static void set_bounds(struct arena_header *header, const struct config *config)
{
	uint64_t milliseconds = config->has_hang_limit ? config->hang_limit : CONFIG_HANG_LIMIT;

	atomic_store(&header->limit_nodes, bound(config->max_nodes, PROGRAM_MAX_NODES, header->max_nodes));
	atomic_store(&header->limit_handles,
		     bound(config->max_handles, PROGRAM_MAX_HANDLES, header->max_handles));
	atomic_store(&header->limit_locks, bound(config->max_locks, PROGRAM_MAX_LOCKS, header->max_locks));
	atomic_store(&header->limit_hot,
		     (uint32_t)(config->has_hot_segments ? config->hot_segments : CONFIG_HOT_SEGMENTS));
	atomic_store(&header->limit_parked, config->max_waiting ? config->max_waiting : PROGRAM_MAX_WAITING);
	atomic_store(&header->user_percent,
		     config->user_share ? (uint32_t)config->user_share : PROGRAM_USER_SHARE);
	atomic_store(&header->hang_limit, milliseconds * UINT64_C(1000000));
}

int program_store_config(struct arena *arena, const struct config *config)
{
	_cleanup_free_ char *text = config_format(config);
	_cleanup_close_ int fd = memfd_create("segfs-config", MFD_CLOEXEC);
	size_t length;
	int old;

	if (!text)
		return -ENOMEM;
	if (fd < 0)
		return -errno;
	length = strlen(text);
	if (length > 0 && pwrite(fd, text, length, 0) != (ssize_t)length)
		return -ENOSPC;
	set_bounds(arena->header, config);
	/* those reading the old one have a copy */
	old = atomic_exchange(&arena->header->config_fd, take_fd(&fd));
	if (old >= 0)
		close(old);
	return 0;
}

/* Applies limits, mode and owner to the default store, which apply_config() expects to be mounted. */
static int apply_default_store(const struct state *state, const struct config_store *root, const char *file,
			       char error[CONFIG_ERROR_MAX])
{
	const struct arena_header *header = state->arena->header;
	int fd = header->stores[0].root_fd;
	char why[INSTANCE_ERROR_MAX];
	int result = 0;

	if (header->privileged)
		result = tmpfs_change(fd, root, why);
	if (result == 0) {
		result = apply_mode_and_owner(fd, root);
		snprintf(why, sizeof(why), "mode and owner: %s", strerror(-result));
	}
	if (result < 0)
		snprintf(error, CONFIG_ERROR_MAX, "%.200s: the default store: %.280s", file, why);
	return result;
}

/* The arena cannot grow. */
static int check_bounds(const struct arena_header *header, const struct config *config, const char *file,
			char error[CONFIG_ERROR_MAX])
{
	const struct {
		const char *key;
		uint64_t wanted;
		uint32_t slots;
	} bounds[] = {
		{"max-nodes", config->max_nodes, header->max_nodes},
		{"max-handles", config->max_handles, header->max_handles},
		{"max-locks", config->max_locks, header->max_locks},
	};

	for (size_t i = 0; i < sizeof(bounds) / sizeof(bounds[0]); i++) {
		if (bounds[i].wanted <= bounds[i].slots)
			continue;
		snprintf(error, CONFIG_ERROR_MAX,
			 "%.200s: %s: this mount has room for %u; lower it, or unmount and start again", file,
			 bounds[i].key, bounds[i].slots);
		return -EINVAL;
	}
	if (program_blocks(header, config) > header->max_blocks) {
		snprintf(error, CONFIG_ERROR_MAX,
			 "%.200s: max-waiting: this mount has no room for so much; lower it, or unmount and "
			 "start again",
			 file);
		return -EINVAL;
	}
	return 0;
}

static int check_locks(const struct arena_header *header, const struct config *config, const char *file,
		       char error[CONFIG_ERROR_MAX])
{
	char line[16] = "";
	struct config_where where;

	if (header->keeps_locks || !config_find_mandatory(config, &where))
		return 0;
	if (where.line)
		snprintf(line, sizeof(line), ":%u", where.line);
	snprintf(error, CONFIG_ERROR_MAX,
		 "%.200s%s: lock = mandatory in [%s%s%.100s]: this mount leaves locks to the kernel, and "
		 "cannot change that; remove it, or unmount and start again",
		 file, line, where.kind, where.name ? " " : "", where.name ? where.name : "");
	return -EINVAL;
}

/* The kernel sends no FSYNC any more. A path that does not exist is reported by apply_config(). */
static int check_media(const struct arena_header *header, const struct config *config, const char *file,
		       char error[CONFIG_ERROR_MAX])
{
	for (size_t i = 0; header->syncs_nothing && i < config->n_directories; i++) {
		const struct config_directory *directory = &config->directories[i];
		struct statfs found;

		if (directory->store.medium != MEDIUM_PATH || statfs(directory->store.path, &found) < 0 ||
		    found.f_type == TMPFS_MAGIC)
			continue;
		snprintf(error, CONFIG_ERROR_MAX,
			 "%.150s:%u: [directory %.60s] is on disk, but this mount was started with memory "
			 "only, and the kernel synchronizes nothing on it; start it again, with this section "
			 "or with fsync = always in [mount]",
			 file, directory->line, directory->name);
		return -EINVAL;
	}
	return 0;
}

int program_check_kind(const struct arena_header *header, const struct config *config, const char *file,
		       char error[CONFIG_ERROR_MAX])
{
	int result = check_locks(header, config, file, error);

	return result < 0 ? result : check_media(header, config, file, error);
}

/* What a configuration without mandatory locks, or with fsync = always, changes only at the next start. */
static void tell_what_stays(const struct program *program, const struct config *config)
{
	struct config_where where;

	if (program->arena.header->syncs_nothing && config->fsync_always)
		log_notice(
			"%s: fsync = always: this mount was started with memory only and without it: "
			"fsync(2) stays without effect, and no disk can be added, until it is started again",
			program->config_file);
	if (program->arena.header->keeps_locks && !program->options.mand &&
	    !config_find_mandatory(config, &where))
		log_notice(
			"%s: no section has lock = mandatory, but this mount was started with one: it keeps "
			"the locks, as with -o mand, until it is started again",
			program->config_file);
}

void program_request_reload(struct arena_header *header)
{
	uint32_t before = atomic_load(&header->reload);

	while (!atomic_compare_exchange_weak(&header->reload, &before,
					     (before | ARENA_RELOAD_TRIES_MASK) + 1 + RELOAD_TRIES + 1))
		;
}

static void abandon_reload(struct arena_header *header)
{
	static const char error[] =
		"workers have died while reading the configuration; the old one stays in force";

	log_error("%s", error);
	arena_record_outcome(&header->reloads, error);
}

bool program_begin_reload(struct arena_header *header, uint32_t *reading)
{
	uint32_t before = atomic_load(&header->reload);

	for (;;) {
		uint32_t tries = before & ARENA_RELOAD_TRIES_MASK;

		if (tries == 0)
			return false;
		if (!atomic_compare_exchange_weak(&header->reload, &before,
						  tries == 1 ? before & ~ARENA_RELOAD_TRIES_MASK
							     : before - 1))
			continue;
		if (tries == 1) {
			abandon_reload(header);
			return false;
		}
		*reading = before - 1;
		return true;
	}
}

void program_end_reload(struct arena_header *header, uint32_t reading)
{
	atomic_compare_exchange_strong(&header->reload, &reading, reading & ~ARENA_RELOAD_TRIES_MASK);
}

/* Returns 0; otherwise a negative errno, and in `error` what is wrong. */
static int apply(const struct program *program, struct state *state, void (*changed)(uint64_t id),
		 void (*named)(uint64_t dir, const char *name), const struct config *config,
		 char error[CONFIG_ERROR_MAX])
{
	int result = check_bounds(state->arena->header, config, program->config_file, error);

	if (result == 0)
		result = program_check_kind(state->arena->header, config, program->config_file, error);
	if (result < 0) {
		log_error("%s; nothing was changed", error);
		return result;
	}
	result = apply_default_store(state, &config->root, program->config_file, error);
	if (result == 0)
		changed(NODE_ROOT);
	if (result == 0)
		result = apply_config(state, config, program->config_file, changed, error);
	names_of_config(state, config, named);
	if (result < 0) {
		log_error("%s; this and what follows was not changed", error);
		return result;
	}
	result = program_store_config(state->arena, config);
	if (result < 0) {
		snprintf(error, CONFIG_ERROR_MAX,
			 "%.300s is in force, but .segfs/config does not show it: %s", program->config_file,
			 strerror(-result));
		log_error("%s", error);
	}
	tell_what_stays(program, config);
	return result;
}

int program_reload(const struct program *program, struct state *state, void (*changed)(uint64_t id),
		   void (*named)(uint64_t dir, const char *name))
{
	char error[CONFIG_ERROR_MAX];
	struct config config;
	int result;

	if (!*program->config_file) {
		snprintf(error, sizeof(error), "there is no configuration to read again");
		log_notice("%s", error);
		arena_record_outcome(&state->arena->header->reloads, error);
		return -ENOENT;
	}
	result = config_read(program->config_file, &config, error);
	if (result < 0) {
		log_error("%s; nothing was changed", error);
	} else {
		result = apply(program, state, changed, named, &config, error);
		config_free(&config);
	}
	arena_record_outcome(&state->arena->header->reloads, result < 0 ? error : NULL);
	return result;
}
