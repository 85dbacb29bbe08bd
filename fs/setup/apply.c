// SPDX-License-Identifier: MIT
#include "fs/setup/apply.h"
#include "fs/setup/adopt.h"
#include "fs/setup/application.h"
#include "fs/setup/instance.h"
#include "fs/setup/medium.h"
#include "fs/setup/place.h"
#include "fs/setup/register.h"
#include "fs/setup/segment.h"
#include "fs/setup/sources.h"
#include "fs/setup/undo.h"
#include "fs/source/backing.h"
#include "lib/base/cleanup.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static int fail_with(const struct application *application, const struct config_directory *directory,
		     int result, const char *what)
{
	return apply_fail(application, result, directory->line, "%s of directory '%s': %s", what,
			  directory->name, strerror(-result));
}

/* The mode is set last; until then only root has access to a new directory. */
static int set_all(const struct application *application, const struct config_directory *directory, int fd,
		   bool is_new)
{
	struct config_store store = directory->store;
	int result = apply_policy(application, fd, &store.policy);

	if (result < 0)
		return fail_with(application, directory, result, "the policy");
	if (is_new && !store.has_mode) {
		store.has_mode = true;
		store.mode = APPLY_DIRECTORY_MODE;
	}
	result = apply_mode_and_owner(fd, &store);
	return result < 0 ? fail_with(application, directory, result, "mode and owner") : 0;
}

static int finish_directory(const struct application *application, const struct config_directory *directory,
			    int fd, bool is_new)
{
	struct undo undo;
	int result = undo_note(application, fd, &undo);

	if (result < 0)
		return fail_with(application, directory, result, "inspection");
	result = set_all(application, directory, fd, is_new);
	if (result == 0)
		adopt_mark(application, fd, directory->name);
	else if (!is_new)
		undo_change(application, fd, &undo, &directory->store.policy);
	apply_notify(application, fd);
	return result;
}

static int apply_plain(const struct application *application, const struct config_directory *directory,
		       struct place *place)
{
	const struct claim claim = claim_of_directory(directory);
	_cleanup_close_ int fd = place_create(application, &claim, place, 0700);
	int result;

	if (fd < 0)
		return fd;
	result = finish_directory(application, directory, fd, *place->rest != 0);
	if (result < 0)
		place_remove(place);
	return result;
}

static int apply_directory(const struct application *application, const struct config_directory *directory)
{
	const struct claim claim = claim_of_directory(directory);
	struct place place;
	int result = place_find(application, &claim, directory->name, &place);

	if (result < 0)
		return result;
	if (directory->source == SOURCE_STORE && directory->store.medium == MEDIUM_PARENT)
		result = apply_plain(application, directory, &place);
	else
		result = apply_medium(application, directory, &place);
	place_close(&place);
	return result;
}

int apply_root(struct state *state, int root_fd)
{
	struct source_file file = {.fd = -1};
	int result = apply_register(state, "", SOURCE_STORE, root_fd, -1);

	if (result < 0)
		close(root_fd);
	else
		result = backing_identify_root(state, &file);
	if (result == 0)
		result = node_add_fixed(state, NODE_ROOT, &file.key, file.stat.st_mode, 0, file.fd);
	return result < 0 ? result : apply_builtins(state);
}

int apply_config(struct state *state, const struct config *config, const char *file,
		 void (*changed)(uint64_t id), char error[CONFIG_ERROR_MAX])
{
	const struct application application = {
		.state = state,
		.root_fd = state->arena->header->stores[0].root_fd,
		.file = file,
		.changed = changed,
		.error = error,
	};
	mode_t umask_before = umask(0);
	int result;

	apply_settle(state);
	result = apply_policy(&application, application.root_fd, &config->root.policy);

	if (result < 0)
		snprintf(error, CONFIG_ERROR_MAX, "%.200s: the policy of the default store: %s", file,
			 strerror(-result));
	else
		result = apply_sources(&application, config);
	for (size_t i = 0; result == 0 && i < config->n_directories; i++)
		result = apply_directory(&application, &config->directories[i]);
	for (size_t i = 0; result == 0 && i < config->n_segments; i++)
		result = apply_segment(&application, &config->segments[i]);
	umask(umask_before);
	return result;
}

bool apply_is_memory(const struct state *state)
{
	for (int i = 0; i < ARENA_STORES; i++) {
		const struct store_record *store = &state->arena->header->stores[i];

		if (store_exists(store) && store->on_disk)
			return false;
	}
	return true;
}
