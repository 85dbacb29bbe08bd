// SPDX-License-Identifier: MIT
#include "fs/apply_internal.h"
#include "fs/instance.h"
#include "fs/ops/policy.h"
#include "fs/source/backing.h"
#include "fs/source/paths.h"
#include "fs/source/posix.h"
#include "fs/source/source.h"
#include "lib/base/cleanup.h"
#include "lib/base/procfs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>

#define DIRECTORY_MODE 0755 /* of a directory that the configuration implies or gives no mode */

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

static int fail_directory(const struct application *application, const struct claim *claim, int result, const char *path)
{
	return apply_fail(application, result, claim->line, "%s '%s': the directory '%s': %s", claim->kind, claim->name, path,
			  strerror(-result));
}

int open_directory_path(const struct application *application, const struct claim *claim, const char *path)
{
	_cleanup_close_ int fd = fcntl(application->root_fd, F_DUPFD_CLOEXEC, 0);
	const char *rest = path;

	if (fd < 0)
		return fail_directory(application, claim, -errno, path);
	while (*rest) {
		const char *slash = strchrnul(rest, '/');
		char component[NAME_MAX + 1];
		char so_far[PATH_MAX];
		int next;
		int result;

		snprintf(component, sizeof(component), "%.*s", (int)(slash - rest), rest);
		snprintf(so_far, sizeof(so_far), "%.*s", (int)(slash - path), path);
		next = paths_open_beneath(fd, component);
		if (next == -ENOENT) {
			if (mkdirat(fd, component, DIRECTORY_MODE) < 0 && errno != EEXIST)
				return fail_directory(application, claim, -errno, so_far);
			next = paths_open_beneath(fd, component);
		}
		if (next < 0)
			return fail_directory(application, claim, next, so_far);
		close(fd);
		fd = next;
		result = adopt_directory(application, claim, fd, so_far);
		if (result < 0)
			return result;
		rest = *slash ? slash + 1 : slash;
	}
	return take_fd(&fd);
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

static int mount_id_of(int fd, int *mount_id)
{
	struct statx found;

	if (statx(fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &found) < 0)
		return -errno;
	*mount_id = (int)found.stx_mnt_id;
	return 0;
}

/* Whether files on the store can be reached by file handle, by this process. */
static bool handles_work(int root_fd)
{
	union {
		struct file_handle handle;
		char space[sizeof(struct file_handle) + MAX_HANDLE_SZ];
	} buffer = {.handle.handle_bytes = MAX_HANDLE_SZ};
	int mount_id;
	int fd;

	if (name_to_handle_at(root_fd, "", &buffer.handle, &mount_id, AT_EMPTY_PATH) < 0)
		return false;
	fd = open_by_handle_at(root_fd, &buffer.handle, O_PATH | O_CLOEXEC);
	if (fd < 0)
		return false;
	close(fd);
	return true;
}

int apply_register_virtual(struct state *state, const char *path, enum source_kind source, int root_fd)
{
	struct arena_header *header = state->arena->header;

	for (int i = 0; i < ARENA_STORES; i++) {
		struct store_record *place = &header->stores[i];

		if (atomic_load(&place->state) == SLOT_LIVE)
			continue;
		place->source = source;
		place->mount_id = -1;
		place->root_fd = root_fd;
		place->ipc_fd = -1;
		place->no_handles = true;
		place->on_disk = false;
		snprintf(place->path, sizeof(place->path), "%s", path);
		atomic_store(&place->state, SLOT_LIVE);
		return i;
	}
	return -ENFILE;
}

int apply_register(struct state *state, const char *path, enum source_kind source, int root_fd)
{
	struct arena_header *header = state->arena->header;
	_cleanup_close_ int fd = root_fd;
	struct store_record *place;
	struct statfs found;
	int free_place = -1;
	int mount_id = -1;
	int result;

	if (strlen(path) >= ARENA_STORE_PATH)
		return -ENAMETOOLONG;
	result = mount_id_of(fd, &mount_id);
	if (result < 0)
		return result;
	for (int i = 0; i < ARENA_STORES; i++) {
		bool live = atomic_load(&header->stores[i].state) == SLOT_LIVE;

		if (live && header->stores[i].mount_id == mount_id && header->stores[i].source == source)
			return i;
		if (!live && free_place < 0)
			free_place = i;
	}
	if (free_place < 0)
		return -ENFILE;
	if (fstatfs(fd, &found) < 0)
		return -errno;
	place = &header->stores[free_place];
	place->source = source;
	place->mount_id = mount_id;
	place->ipc_fd = -1;
	place->no_handles = !handles_work(fd);
	place->on_disk = found.f_type != TMPFS_MAGIC;
	snprintf(place->path, sizeof(place->path), "%s", path);
	place->root_fd = take_fd(&fd);
	atomic_store(&place->state, SLOT_LIVE);
	return free_place;
}

/* ENOTEMPTY, where there are entries; or what it can't be told for. */
static int check_empty(int dir_fd)
{
	_cleanup_closedir_ DIR *dir = NULL;
	int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const struct dirent *entry;

	if (fd < 0)
		return -errno;
	dir = fdopendir(fd);
	if (!dir) {
		int result = -errno;

		close(fd);
		return result;
	}
	while ((entry = readdir(dir)))
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			return -ENOTEMPTY;
	return 0;
}

/* Shows a directory of another file system at `fd`, unless it is shown there already. */
static int bind_path(const struct application *application, const struct config_directory *directory, int fd,
		     bool is_mounted)
{
	const char *path = directory->store.path;
	_cleanup_close_ int source = -1;
	struct stat theirs;
	struct stat here;
	char target[PROCFS_FD_MAX];
	char from[PROCFS_FD_MAX];

	source = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (source < 0 || fstat(source, &theirs) < 0 || fstat(fd, &here) < 0)
		return apply_fail(application, -errno, directory->line,
				  "the medium %s of directory '%s': %s; name a directory that exists", path,
				  directory->name, strerror(errno));
	if (is_mounted) {
		if (theirs.st_dev == here.st_dev && theirs.st_ino == here.st_ino)
			return 0;
		return apply_fail(application, -EBUSY, directory->line,
				  "directory '%s' has another medium since an earlier start; end that with --purge first",
				  directory->name);
	}
	procfs_fd_path(target, fd);
	procfs_fd_path(from, source);
	if (mount(from, target, NULL, MS_BIND, NULL) < 0)
		return apply_fail(application, -errno, directory->line, "showing %s as '%s': %s", path, directory->name,
				  strerror(errno));
	return 0;
}

static int mount_medium(const struct application *application, const struct config_directory *directory, int fd)
{
	bool is_mounted = is_mount_root(fd);
	char why[INSTANCE_ERROR_MAX];
	struct statfs found;
	int result;

	if (!application->state->arena->header->privileged)
		return apply_fail(application, -EPERM, directory->line,
				  "directory '%s' has a medium, which only root can mount; leave 'medium' away",
				  directory->name);
	result = is_mounted ? 0 : check_empty(fd);
	if (result == -ENOTEMPTY)
		return apply_fail(application, result, directory->line,
				  "directory '%s' has entries, which a medium would hide; empty it first",
				  directory->name);
	if (result < 0)
		return apply_fail(application, result, directory->line, "directory '%s': %s", directory->name,
				  strerror(-result));
	if (directory->store.medium == MEDIUM_PATH)
		return bind_path(application, directory, fd, is_mounted);
	if (is_mounted && (fstatfs(fd, &found) < 0 || found.f_type != TMPFS_MAGIC))
		return apply_fail(application, -EBUSY, directory->line,
				  "directory '%s' has another medium since an earlier start; end that with --purge first",
				  directory->name);
	result = tmpfs_apply(fd, is_mounted, &directory->store, DIRECTORY_MODE, why);
	return result < 0 ? apply_fail(application, result, directory->line, "directory '%s': %s", directory->name, why)
			  : 0;
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

	/* a node that is not open has no passthrough id of its own */
	node_forget(application->state, id, 1, &backing_id);
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
	apply_forget(application, id);
	return result;
}

static struct claim claim_of(const struct config_directory *directory)
{
	return (struct claim){
		.kind = "directory",
		.name = directory->name,
		.line = directory->line,
		.has_owner = directory->store.has_owner,
		.owner = directory->store.owner,
	};
}

/*
 * Where a source is shown somewhere in the store, a mount tells its root from the store: that of the source's file system, or a tmpfs
 * for one that has none. Returns the index of its record, or a negative errno with the error noted.
 */
static int apply_source(const struct application *application, const struct config_directory *directory)
{
	const struct claim claim = claim_of(directory);
	struct config_directory place = *directory;
	int fd;
	int result;

	if (directory->source == SOURCE_POSIX) {
		place.store.medium = MEDIUM_PATH;
		place.store.path = directory->source_path ? directory->source_path : (char *)(uintptr_t)POSIX_DIRECTORY;
	} else {
		place.store.medium = MEDIUM_MEMORY;
		place.store.size = 4096;
	}
	fd = open_directory_path(application, &claim, directory->name);
	if (fd < 0)
		return fd;
	result = mount_medium(application, &place, fd);
	close(fd);
	if (result < 0)
		return result;
	fd = open_directory_path(application, &claim, directory->name);
	result = fd < 0 ? fd : apply_register(application->state, directory->name, (enum source_kind)directory->source, fd);
	if (result >= 0 && directory->source == SOURCE_SYSV)
		result = apply_namespace(application, result, directory);
	else if (result < 0)
		apply_fail(application, result, directory->line, "the source of directory '%s': %s", directory->name,
			   strerror(-result));
	return result;
}

static int apply_directory(const struct application *application, const struct config_directory *directory)
{
	const struct claim claim = claim_of(directory);
	_cleanup_close_ int fd = -1;
	int result;

	if (directory->source != SOURCE_STORE) {
		result = apply_source(application, directory);
		return result < 0 ? result : 0;
	}
	fd = open_directory_path(application, &claim, directory->name);
	if (fd < 0)
		return fd;
	if (directory->store.medium != MEDIUM_PARENT) {
		result = mount_medium(application, directory, fd);
		if (result < 0)
			return result;
		cleanup_close(&fd);
		fd = open_directory_path(application, &claim, directory->name);
		result = fd < 0 ? fd : apply_register(application->state, directory->name, SOURCE_STORE,
						      fcntl(fd, F_DUPFD_CLOEXEC, 0));
		if (result < 0)
			return apply_fail(application, result, directory->line, "the store of directory '%s': %s",
					  directory->name, strerror(-result));
	}
	result = apply_mode_and_owner(fd, &directory->store);
	if (result < 0)
		return apply_fail(application, result, directory->line, "mode and owner of directory '%s': %s",
				  directory->name, strerror(-result));
	apply_tell(application, fd);
	/* the root of a medium is told from others by being one */
	if (directory->store.medium == MEDIUM_PARENT)
		adopt_mark(application, fd, directory->name);
	result = apply_policy(application, fd, &directory->store.policy);
	if (result < 0)
		return apply_fail(application, result, directory->line, "the policy of directory '%s': %s", directory->name,
				  strerror(-result));
	return 0;
}

int apply_root(struct state *state, int root_fd)
{
	struct source_file file = {.fd = -1};
	int result = apply_register(state, "", SOURCE_STORE, root_fd);

	if (result >= 0)
		result = source_identify_root(state, &file);
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
	int result = apply_policy(&application, application.root_fd, &config->root.policy);

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
