// SPDX-License-Identifier: MIT
#include "fs/daemon/upgrade.h"
#include "fs/config/parse.h"
#include "fs/state/descriptors.h"
#include "lib/base/cleanup.h"
#include "lib/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#define CHECK_VARIABLE     "SEGFS_CHECK_TAKE_OVER" /* each contains the arena's descriptor */
#define TAKE_OVER_VARIABLE "SEGFS_TAKE_OVER"

static struct {
	char file[PATH_MAX]; /* the program file; "" = unknown */
	char **argv;
	int arena_fd; /* of the version to take over from, or -1 */
} self = {.arena_fd = -1};

static bool take_variable(const char *name)
{
	const char *value = getenv(name);

	if (!value)
		return false;
	self.arena_fd = atoi(value);
	unsetenv(name);
	return true;
}

enum upgrade_role upgrade_begin(char *argv[])
{
	ssize_t length = readlink("/proc/self/exe", self.file, sizeof(self.file) - 1);

	self.file[length > 0 ? length : 0] = 0;
	self.argv = argv;
	if (take_variable(CHECK_VARIABLE))
		return UPGRADE_CHECK;
	return take_variable(TAKE_OVER_VARIABLE) ? UPGRADE_TAKE_OVER : UPGRADE_NONE;
}

static void set_variable(const char *name, int fd)
{
	char value[16];

	snprintf(value, sizeof(value), "%d", fd);
	setenv(name, value, 1);
}

pid_t upgrade_start_check(const struct program *program)
{
	const int arena_fd = program->arena.fd;
	sigset_t none;
	pid_t pid;

	if (access(self.file, X_OK) < 0)
		return -errno;
	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid > 0)
		return pid;
	/* it dies with us, and does not inherit our signal mask */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	fcntl(arena_fd, F_SETFD, 0);
	set_variable(CHECK_VARIABLE, arena_fd);
	execv(self.file, self.argv);
	_exit(127);
}

/*
 * Clears or sets FD_CLOEXEC of all descriptors that must survive an upgrade. Returns 0 or a negative errno.
 */
static int set_inheritable(const struct arena *arena, bool inheritable)
{
	_cleanup_free_ unsigned char *named = NULL;
	int n = descriptors_name(arena, &named);

	for (int fd = 0; fd < n; fd++)
		if (named[fd])
			fcntl(fd, F_SETFD, inheritable ? 0 : FD_CLOEXEC);
	return n < 0 ? n : 0;
}

int upgrade_execute(const struct program *program)
{
	int result = set_inheritable(&program->arena, true);

	if (result < 0)
		return result;
	set_variable(TAKE_OVER_VARIABLE, program->arena.fd);
	execv(self.file, self.argv);
	result = -errno;
	unsetenv(TAKE_OVER_VARIABLE);
	set_inheritable(&program->arena, false);
	return result;
}

static int open_arena(struct arena *arena)
{
	int result = arena_open(arena, self.arena_fd);

	if (result == -EPROTO)
		log_error("this version (%s) keeps its state in layout %u, the running version in another; "
			  "unmount and start this one",
			  SEGFS_VERSION, ARENA_LAYOUT);
	else if (result < 0)
		log_error("the state of the running version: %s", strerror(-result));
	return result;
}

/*
 * The configuration is reloaded after an upgrade, so what an existing mount cannot change must be the same.
 */
static int check_config(const struct arena_header *header)
{
	char error[CONFIG_ERROR_MAX];
	struct config config;
	int result;

	if (!*header->config_file)
		return 0;
	result = config_read(header->config_file, &config, error);
	if (result < 0) {
		log_error("%s", error);
		return result;
	}
	if (config.mount_path && strcmp(config.mount_path, header->mount_point) != 0) {
		log_error("%s: path in [mount] is %s, but the mount is on %s and cannot move; restore the "
			  "path, or unmount and start again",
			  header->config_file, config.mount_path, header->mount_point);
		result = -EINVAL;
	} else {
		result = program_check_kind(header, &config, header->config_file, error);
		if (result < 0)
			log_error("%s", error);
	}
	config_free(&config);
	return result;
}

int upgrade_check(struct program *program)
{
	if (open_arena(&program->arena) < 0 || check_config(program->arena.header) < 0)
		return EXIT_FAILURE;
	return EXIT_SUCCESS;
}

int upgrade_adopt(struct program *program)
{
	struct arena_header *header;
	int result = open_arena(&program->arena);

	if (result < 0)
		return result;
	header = program->arena.header;
	header->upgrades++;
	program->privileged = header->privileged;
	program->was_usable = true;
	config_init(&program->config);
	snprintf(program->mount_point, sizeof(program->mount_point), "%s", header->mount_point);
	snprintf(program->config_file, sizeof(program->config_file), "%s", header->config_file);
	result = instance_adopt(&program->instance, header->instance, header->privileged, header->lock_fd);
	if (result == 0)
		result = set_inheritable(&program->arena, false);
	if (result < 0)
		log_error("taking over: %s", strerror(-result));
	/* the configuration may have changed */
	if (*program->config_file)
		program_request_reload(header);
	return result;
}
