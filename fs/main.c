// SPDX-License-Identifier: MIT
/* clang-format off */
/*
 * segfs: named shared-memory segments as files.
 *
 * A map of the program. Each folder uses only those below it; `make lint` checks it.
 *
 *   main.c           reads the command line, makes what supervisor and workers run on
 *
 *   daemon/          lives and deaths of processes
 *     supervisor       starts workers, survives them
 *     worker           one worker's life: recover, serve, leave
 *     mounting         the mount, from its making to its end
 *     watchdog         detects a worker that hangs
 *     upgrade          another version of the program takes over
 *     program          what main() has made; reading the configuration again
 *     probe            finds out what the kernel can do
 *     privileges       what supervisor and workers give up
 *     filter           system calls that each may use; filter/ generates the lists when the program is built
 *     notify           sd_notify(3)
 *   setup/           turns the configuration into stores, directories, segments
 *     apply            all of it: stores, directories, segments
 *     application adopt medium place segment sources register   ... step by step
 *     tmpfs            stores in memory, made before they are shown
 *     instance         /run/segfs/NAME: the default store, the lock, --purge
 *     removal holders  ... its end, and who keeps it in use
 *     unmount          fusermount3(1), for ordinary users
 *     names            names that the kernel may have missed
 *   config/          the INI file, and the command line (options), as checked structs
 *   control/         the files under .segfs
 *
 *   ops/             what each request does
 *     operations       the table: a row for each opcode
 *     file close       opens and their end
 *     io               moves the bytes of reads and writes that the kernel does not pass through
 *     lookup attr name dir xattr lock ioctl
 *     wants            which bytes a request reads or changes, for mandatory locks
 *   segment/         what a segment's attributes promise
 *     policy           policies of nodes
 *     opening          who moves the bytes of an open: the kernel or the daemon
 *     lifetime         ends segments whose life is limited; lifetime_watch when, lifetime_use notes
 *     mandatory        mandatory locks: who may read and write now
 *     parked resume    requests that wait for that, and the end of their wait
 *     attached         who has a segment open or mapped
 *     set_id           set-user-id and set-group-id bits
 *     entry            attributes and references of a node that the kernel gets
 *   fuse/            the protocol
 *     loop             takes requests from the kernel and has them carried out
 *     reader           ... the role of the thread that does so
 *     dispatch         each request once, by its operation
 *     request reply    one request, and its reply
 *     operation        what is known of each opcode: a row of the table that ops/operations.c fills
 *     protocol         the kernel's messages
 *     session init     libfuse's part: the mount, INIT, notifications
 *     cost deferral    which requests other threads carry out, so that the reader never waits
 *     identity idmapped   on whose behalf a request is made
 *     interrupt killable  a requester's signal ends a system call
 *     passthrough      backing files for the kernel
 *     prune            room for nodes
 *
 *   source/          where nodes come from
 *     source           the table of functions that a source is
 *     store            a directory tree of backing files; store_make store_names make, remove and rename
 *     posix            objects of shm_open(3), a store
 *     sysv             System V shared memory: sysv_node sysv_names sysv_facts sysv_calls
 *     process          memory of running processes: process_node _names _facts _memory _maps _medium _view
 *     task             a process, identified for certain
 *     requester        the credentials with which a thread acts
 *     users views peek what uses a file
 *     backing fd_cache from a node to its file; descriptors that are cached
 *     paths            from a node to its name
 *     records          a listing that is no directory's
 *     huge             writing to hugetlbfs
 *   state/           what survives a worker
 *     arena            the shared memory, and the layout of all that is in it
 *     node handle      slots and indexes; node_table node_list node_fd backing_id
 *     name_change      names that are taken from files, and nodes that outlive them
 *     journal          requests in flight: what a worker dies over is done once
 *     message          what was read and has no reply: buffers, and messages of requests that wait
 *     lock             locks: lock_queue lock_table lock_tree lock_recover
 *     share            how much of a bounded resource one user has
 *     fault            where a worker died
 *     features         what segfs uses of the kernel where it is there
 *     descriptors      those that outlive a worker
 *     state            the indexes over all slots, and their invariants
 *     recover          what a new worker makes of the slots that the previous one left
 *
 * lib/base is below all of these. lib/client is libsegfs, which programs use; nothing here does.
 */
/* clang-format on */
#include "fs/config/options.h"
#include "fs/config/parse.h"
#include "fs/control/control.h"
#include "fs/daemon/mounting.h"
#include "fs/daemon/notify.h"
#include "fs/daemon/probe.h"
#include "fs/daemon/program.h"
#include "fs/daemon/supervisor.h"
#include "fs/daemon/upgrade.h"
#include "fs/setup/apply.h"
#include "fs/setup/instance.h"
#include "fs/setup/unmount.h"
#include "fs/state/features.h"
#include "fs/state/message.h"
#include "fs/state/recover.h"
#include "lib/base/cleanup.h"
#include "lib/base/clock.h"
#include "lib/base/delegate.h"
#include "lib/base/log.h"
#include "lib/base/names.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>

#define DEFAULT_CONFIG "/etc/segfs/segfs.ini"
#define EXIT_USAGE     2

static int report(int status, const char *text)
{
	log_error("%s", text);
	return status;
}

/* A lack of memory is not an error in the configuration. */
static int config_status(int result)
{
	return result == -ENOMEM ? EXIT_FAILURE : EXIT_USAGE;
}

static int check_config(const char *file)
{
	char error[CONFIG_ERROR_MAX];
	struct config config;
	int result;

	result = config_read(file, &config, error);
	if (result < 0)
		return report(config_status(result), error);
	config_free(&config);
	printf("%s: the configuration is valid\n", file);
	return EXIT_SUCCESS;
}

static int purge(const char *name)
{
	char error[INSTANCE_ERROR_MAX];

	return instance_purge(name, geteuid() == 0, error) < 0 ? report(EXIT_FAILURE, error) : EXIT_SUCCESS;
}

/*
 * Without --config, the default file applies to the mount that it names, or to every mount if it names none.
 */
static bool is_for_us(const struct program *program)
{
	const char *wanted = program->options.mount_point;
	char path[PATH_MAX];

	return program->options.config_file || !program->config.mount_path || !wanted ||
	       (realpath(wanted, path) && strcmp(path, program->config.mount_path) == 0);
}

static int load_config(struct program *program)
{
	const char *file = program->options.config_file;
	char error[CONFIG_ERROR_MAX];
	int result;

	config_init(&program->config);
	if (!file && (!program->privileged || access(DEFAULT_CONFIG, F_OK) < 0))
		return EXIT_SUCCESS;
	if (!file)
		file = DEFAULT_CONFIG;
	result = config_read(file, &program->config, error);
	if (result < 0)
		return report(config_status(result), error);
	if (!is_for_us(program)) {
		config_free(&program->config);
		config_init(&program->config);
		return EXIT_SUCCESS;
	}
	if (!realpath(file, program->config_file)) {
		log_error("%s: %s", file, strerror(errno));
		return EXIT_USAGE;
	}
	return EXIT_SUCCESS;
}

/* Unmounts the mount of a daemon that was killed, on which every access fails with ENOTCONN. */
static void unmount_dead(const char *path)
{
	struct statx found;

	/* query the server instead of using cached attributes */
	if (statx(AT_FDCWD, path, AT_STATX_FORCE_SYNC, STATX_BASIC_STATS, &found) == 0 || errno != ENOTCONN)
		return;
	log_notice("%s is a mount whose daemon is gone; unmounting it", path);
	if (umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW) < 0)
		unmount_as_user(path);
}

static int find_mount_point(struct program *program)
{
	const char *path =
		program->options.mount_point ? program->options.mount_point : program->config.mount_path;
	struct stat stat_buffer;

	if (!path) {
		log_error("no mount point; write segfs [options] MOUNTPOINT, or set path in [mount]; see "
			  "segfs --help");
		return EXIT_USAGE;
	}
	unmount_dead(path);
	if (!realpath(path, program->mount_point) || stat(program->mount_point, &stat_buffer) < 0) {
		log_error("mount point %s: %s%s", path, strerror(errno),
			  errno == ENOENT ? "; create it with mkdir -p" : "");
		return EXIT_FAILURE;
	}
	if (!S_ISDIR(stat_buffer.st_mode)) {
		log_error("mount point %s is not a directory; name a directory", path);
		return EXIT_FAILURE;
	}
	return EXIT_SUCCESS;
}

static int open_instance(struct program *program)
{
	char made_name[NAME_MAX + 1];
	const char *name = program->options.name;
	char error[INSTANCE_ERROR_MAX];
	int result;

	if (!name) {
		result = instance_name_from_path(program->mount_point, made_name);
		if (result < 0) {
			log_error("the instance cannot be named after %s: %s; choose a name with --name",
				  program->mount_point, strerror(-result));
			return EXIT_FAILURE;
		}
		name = made_name;
	}
	return instance_open(&program->instance, name, program->privileged, error) < 0
		       ? report(EXIT_FAILURE, error)
		       : EXIT_SUCCESS;
}

/*
 * Creates the arena, the nodes of stores, root and .segfs, and what the configuration declares in the stores.
 */
static int make_content(struct program *program)
{
	char error[CONFIG_ERROR_MAX];
	struct config_where mandatory;
	struct state state;
	bool is_open;
	int root_fd;
	int result;

	root_fd = instance_open_store(&program->instance, &program->config.root, error);
	if (root_fd < 0)
		return report(EXIT_FAILURE, error);
	result = arena_create(&program->arena, program_slots(program->config.max_nodes, PROGRAM_MAX_NODES),
			      program_slots(program->config.max_handles, PROGRAM_MAX_HANDLES),
			      program_slots(program->config.max_locks, PROGRAM_MAX_LOCKS));
	if (result == 0)
		result = message_create(program->arena.header,
					program_blocks(program->arena.header, &program->config));
	if (result < 0) {
		close(root_fd);
		log_error("allocating the state of the mount: %s", strerror(-result));
		return EXIT_FAILURE;
	}
	program->arena.header->started_at = realtime_nanoseconds();
	program->arena.header->privileged = program->privileged;
	result = probe_features(&program->arena.header->features);
	if (result < 0)
		log_notice("trying out what the kernel can do: %s; what it may lack is not used",
			   strerror(-result));
	program->arena.header->keeps_locks =
		program->options.mand || config_find_mandatory(&program->config, &mandatory);
	program->arena.header->lock_fd = program->instance.lock_fd;
	snprintf(program->arena.header->mount_point, ARENA_PATH_MAX, "%s", program->mount_point);
	snprintf(program->arena.header->config_file, ARENA_PATH_MAX, "%s", program->config_file);
	snprintf(program->arena.header->instance, ARENA_NAME_MAX, "%s", program->instance.name);
	result = state_recover(&state, &program->arena, 0);
	is_open = result == 0;
	if (result == 0)
		result = apply_root(&state, root_fd);
	if (result == 0)
		result = control_add_nodes(&state);
	if (result == 0)
		result = program_store_config(&program->arena, &program->config);
	if (result < 0) {
		log_error("the state of the mount: %s", strerror(-result));
		if (is_open)
			state_close(&state);
		return EXIT_FAILURE;
	}
	result = apply_config(&state, &program->config, program->config_file, NULL, error);
	program->arena.header->syncs_nothing = !program->config.fsync_always && apply_is_memory(&state);
	state_close(&state);
	return result < 0 ? report(config_status(result), error) : EXIT_SUCCESS;
}

/*
 * Raises the resource limits that would affect users. The others stay as set for this program and bind
 * supervisor and workers, except those that workers do not need (fs/daemon/privileges.c). RLIMIT_NPROC stays,
 * too: it does not bind root, and an ordinary user's daemon is a process of that user like any other.
 */
static void raise_limits(void)
{
	struct rlimit limit;

	/* as many descriptors as possible, since nodes of some media hold one each */
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
	/* the requester's own limit applies, and the kernel has checked it */
	if (getrlimit(RLIMIT_FSIZE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_FSIZE, &limit);
	}
}

/* Opens missing standard descriptors, and closes all others except the one passed by --ready-fd. */
static void tidy_descriptors(int ready_fd)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	while (fd >= 0 && fd <= 2);
	if (ready_fd < 0) {
		close_range(3, ~0u, 0);
		return;
	}
	fcntl(ready_fd, F_SETFD, FD_CLOEXEC);
	if (ready_fd > 3)
		close_range(3, (unsigned int)ready_fd - 1, 0);
	close_range((unsigned int)ready_fd + 1, ~0u, 0);
}

/* --features */
static int print_features(void)
{
	uint32_t features;
	int result = probe_features(&features);

	for (int i = 0; i < FEATURES; i++) {
		const struct feature_info *info = feature_info((enum feature)i);
		bool has = feature_in(features, (enum feature)i);

		printf("%-17s %-4s %s%s%s\n", info->name, has ? "yes" : "no", info->purpose,
		       has ? "" : "; without it: ", has ? "" : info->without);
	}
	if (result < 0)
		log_error(
			"a FUSE file system cannot be mounted to try it out (%s), so what needs one is 'no'",
			strerror(-result));
	return result < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

/*
 * Forks; the parent returns when the mount is usable, or when the child has ended before. Returns -1 in the
 * child, else the exit status.
 */
static int go_to_background(struct program *program)
{
	int ends[2];
	char byte;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0) {
		log_error("creating a pipe: %s", strerror(errno));
		return EXIT_FAILURE;
	}
	pid = fork();
	if (pid < 0) {
		log_error("entering the background: %s", strerror(errno));
		return EXIT_FAILURE;
	}
	if (pid == 0) {
		close(ends[0]);
		program->arena.header->ready_fd = ends[1];
		setsid();
		return -1;
	}
	close(ends[1]);
	while (read(ends[0], &byte, 1) < 0 && errno == EINTR)
		;
	return byte == 'R' ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* If this fails, what it has created must be undone. */
static int start(struct program *program)
{
	int status = make_content(program);

	if (status != EXIT_SUCCESS)
		return status;
	if (supervisor_mount(program) < 0)
		return EXIT_FAILURE;
	if (chdir("/") < 0)
		log_debug("chdir: %s", strerror(errno));
	if (!program->options.foreground) {
		status = go_to_background(program);
		if (status >= 0)
			_exit(status); /* the child owns the instance now */
	}
	return supervisor_run(program);
}

static int mount_segfs(struct program *program)
{
	int ready_fd = program->options.ready_fd;
	int status;

	if (ready_fd >= 0 && fcntl(ready_fd, F_GETFD) < 0) {
		log_error("--ready-fd %d: not usable; write an open descriptor, 3 or higher", ready_fd);
		return EXIT_USAGE;
	}
	program->privileged = geteuid() == 0;
	status = load_config(program);
	if (status != EXIT_SUCCESS)
		return status;
	log_setup(program->options.foreground ? LOG_TO_STDERR : LOG_TO_BOTH, program->options.log_priority);
	tidy_descriptors(program->options.ready_fd);
	log_open();
	notify_setup();
	raise_limits();
	status = find_mount_point(program);
	if (status == EXIT_SUCCESS)
		status = open_instance(program);
	if (status != EXIT_SUCCESS)
		return status;
	status = start(program);
	instance_close(&program->instance, status != EXIT_SUCCESS && !program->was_usable);
	return status;
}

/* Logs to where the running version logs. */
static int check_take_over(struct program *program)
{
	log_setup(program->options.foreground ? LOG_TO_STDERR : LOG_TO_BOTH, program->options.log_priority);
	log_open();
	return upgrade_check(program) == EXIT_SUCCESS && mounting_check_options(program) == 0 ? EXIT_SUCCESS
											      : EXIT_FAILURE;
}

/* The mount exists, but no worker serves it yet, so it must not be accessed. */
static int take_over(struct program *program)
{
	int status;

	log_setup(program->options.foreground ? LOG_TO_STDERR : LOG_TO_BOTH, program->options.log_priority);
	log_open();
	notify_setup();
	raise_limits();
	if (upgrade_adopt(program) < 0 || supervisor_adopt(program) < 0)
		return EXIT_FAILURE;
	log_notice("segfs %s has taken over", SEGFS_VERSION);
	status = supervisor_run(program);
	instance_close(&program->instance, false);
	return status;
}

int main(int argc, char *argv[])
{
	static struct program program;
	enum upgrade_role role = upgrade_begin(argv);
	char error[OPTIONS_ERROR_MAX];

	if (options_parse(argc, argv, &program.options, error) < 0)
		return report(EXIT_USAGE, error);
	log_setup(LOG_TO_STDERR, program.options.log_priority);
	switch (program.options.action) {
	case ACTION_HELP:
		options_print_help();
		return EXIT_SUCCESS;
	case ACTION_VERSION:
		printf("segfs %s\n", SEGFS_VERSION);
		return EXIT_SUCCESS;
	case ACTION_CHECK:
		return check_config(program.options.config_file);
	case ACTION_FEATURES:
		return print_features();
	case ACTION_PURGE:
		return purge(program.options.name);
	case ACTION_MOUNT:
		break;
	}
	if (role == UPGRADE_CHECK)
		return check_take_over(&program);
	delegate_calibrate();
	return role == UPGRADE_TAKE_OVER ? take_over(&program) : mount_segfs(&program);
}
