// SPDX-License-Identifier: MIT
#include "fs/fuse/passthrough.h"
#include "fs/segment/lifetime.h"
#include "fs/segment/policy.h"
#include "fs/setup/instance.h"
#include "fs/setup/internal.h"
#include "fs/source/backing.h"
#include "lib/base/cleanup.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

int apply_fail(const struct application *application, int result, unsigned int line, const char *format, ...)
{
	va_list arguments;
	int length = snprintf(application->error, CONFIG_ERROR_MAX, "%s:%u: ", application->file, line);

	if (length < 0 || length >= CONFIG_ERROR_MAX)
		return result;
	va_start(arguments, format);
	vsnprintf(application->error + length, CONFIG_ERROR_MAX - (size_t)length, format, arguments);
	va_end(arguments);
	return result;
}

void apply_tell(const struct application *application, int fd)
{
	struct source_file file = {.fd = -1};
	uint64_t id;

	if (!application->changed || backing_identify(application->state, 0, fd, "", &file) < 0)
		return;
	id = node_find(application->state, &file.key);
	cleanup_close(&file.fd);
	if (id)
		application->changed(id);
}

int apply_reference(const struct application *application, int fd, uint64_t *id)
{
	struct source_file file = {.fd = -1};
	int result = backing_identify(application->state, 0, fd, "", &file);

	if (result == 0)
		result = node_reference(application->state, &file.key, file.stat.st_mode, file.flags, &file.fd, id);
	cleanup_close(&file.fd);
	return result;
}

void apply_forget(const struct application *application, uint64_t id)
{
	int backing_id;

	node_forget(application->state, id, 1, &backing_id);
	passthrough_close_in(application->state, backing_id);
}

int apply_policy(const struct application *application, int fd, const struct config_policy *policy)
{
	bool any = false;
	uint64_t id;
	int result;

	for (int field = 0; field < POLICY_FIELDS; field++)
		any |= policy->given[field];
	if (!any)
		return 0;
	result = apply_reference(application, fd, &id);
	if (result < 0)
		return result;
	result = policy_give(application->state, id, policy->given, &policy->policy);
	if (result > 0) {
		lifetime_changed(id);
		result = 0;
	}
	apply_forget(application, id);
	return result;
}

struct claim claim_of_directory(const struct config_directory *directory)
{
	return (struct claim){
		.kind = "directory",
		.name = directory->name,
		.line = directory->line,
		.has_owner = directory->store.has_owner,
		.owner = directory->store.owner,
	};
}

static int fail_with(const struct application *application, const struct config_directory *directory, int result, const char *what)
{
	return apply_fail(application, result, directory->line, "%s of directory '%s': %s", what, directory->name,
			  strerror(-result));
}

/* The mode is set last; until then only root has access to a new directory. */
static int finish_directory(const struct application *application, const struct config_directory *directory, int fd, bool is_new)
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
	if (result < 0)
		return fail_with(application, directory, result, "mode and owner");
	adopt_mark(application, fd, directory->name);
	apply_tell(application, fd);
	return 0;
}

static int apply_plain(const struct application *application, const struct config_directory *directory, struct place *place)
{
	const struct claim claim = claim_of_directory(directory);
	_cleanup_close_ int fd = place_make(application, &claim, place, 0700);
	int result;

	if (fd < 0)
		return fd;
	result = finish_directory(application, directory, fd, *place->rest != 0);
	if (result < 0)
		place_unmake(place);
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

int apply_config(struct state *state, const struct config *config, const char *file, void (*changed)(uint64_t id),
		 char error[CONFIG_ERROR_MAX])
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
		snprintf(error, CONFIG_ERROR_MAX, "%.200s: the policy of the default store: %s", file, strerror(-result));
	else
		result = apply_sources(&application, config);
	for (size_t i = 0; result == 0 && i < config->n_directories; i++)
		result = apply_directory(&application, &config->directories[i]);
	for (size_t i = 0; result == 0 && i < config->n_segments; i++)
		result = apply_segment(&application, &config->segments[i]);
	umask(umask_before);
	return result;
}
