// SPDX-License-Identifier: MIT
#include "fs/setup/tmpfs.h"
#include "lib/base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>

#define TMPFS_OPTIONS 4
#define NUMBER_MAX    24 /* bytes of a number as text, including the final 0 */

struct tmpfs_option {
	const char *key;
	const char *value;
	char number[NUMBER_MAX]; /* buffer for `value` */
};

__attribute__((format(printf, 3, 4))) static int fail(int result, char error[TMPFS_ERROR_MAX],
						      const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(error, TMPFS_ERROR_MAX, format, arguments);
	va_end(arguments);
	return result;
}

static void add_number(struct tmpfs_option *option, const char *key, uint64_t number)
{
	snprintf(option->number, sizeof(option->number), "%llu", (unsigned long long)number);
	option->key = key;
	option->value = option->number;
}

static size_t options_of(const struct config_store *store, struct tmpfs_option options[TMPFS_OPTIONS])
{
	size_t n = 0;

	if (store->size)
		add_number(&options[n++], "size", store->size);
	if (store->files)
		add_number(&options[n++], "nr_inodes", store->files);
	if (store->huge)
		options[n++] = (struct tmpfs_option){.key = "huge", .value = store->huge};
	if (store->numa)
		options[n++] = (struct tmpfs_option){.key = "mpol", .value = store->numa};
	return n;
}

static int set_options(int context, const struct config_store *store, char error[TMPFS_ERROR_MAX])
{
	struct tmpfs_option options[TMPFS_OPTIONS];
	size_t n = options_of(store, options);

	for (size_t i = 0; i < n; i++)
		if (fsconfig(context, FSCONFIG_SET_STRING, options[i].key, options[i].value, 0) < 0)
			return fail(-errno, error, "the kernel refuses the tmpfs option '%s=%s': %s",
				    options[i].key, options[i].value, strerror(errno));
	return 0;
}

int tmpfs_make(const struct config_store *store, mode_t fresh_mode, char error[TMPFS_ERROR_MAX])
{
	_cleanup_close_ int context = fsopen("tmpfs", FSOPEN_CLOEXEC);
	char mode[NUMBER_MAX];
	int result;
	int fd;

	snprintf(mode, sizeof(mode), "%o", store->has_mode ? store->mode : fresh_mode);
	if (context < 0 || fsconfig(context, FSCONFIG_SET_STRING, "source", TMPFS_NAME, 0) < 0 ||
	    fsconfig(context, FSCONFIG_SET_STRING, "mode", mode, 0) < 0)
		return fail(-errno, error, "making a tmpfs: %s", strerror(errno));
	result = set_options(context, store, error);
	if (result < 0)
		return result;
	if (fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return fail(-errno, error, "making a tmpfs: %s", strerror(errno));
	fd = fsmount(context, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
	return fd < 0 ? fail(-errno, error, "making a tmpfs: %s", strerror(errno)) : fd;
}

int tmpfs_change(int fd, const struct config_store *store, char error[TMPFS_ERROR_MAX])
{
	_cleanup_close_ int context = fspick(fd, "", FSPICK_CLOEXEC | FSPICK_EMPTY_PATH);
	int result;

	if (context < 0)
		return fail(-errno, error, "changing a tmpfs: %s", strerror(errno));
	result = set_options(context, store, error);
	if (result < 0)
		return result;
	if (fsconfig(context, FSCONFIG_CMD_RECONFIGURE, NULL, NULL, 0) < 0)
		return fail(-errno, error, "changing a tmpfs: %s", strerror(errno));
	return 0;
}

int mount_attach(int mount_fd, int target_fd)
{
	return move_mount(mount_fd, "", target_fd, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0
		       ? -errno
		       : 0;
}
