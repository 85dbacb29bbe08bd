// SPDX-License-Identifier: MIT
#include "fs/daemon/worker.h"
#include "fs/control/control.h"
#include "fs/fuse/identity.h"
#include "fs/fuse/interrupt.h"
#include "fs/fuse/loop.h"
#include "fs/fuse/passthrough.h"
#include "fs/fuse/session.h"
#include "fs/ops/dir.h"
#include "fs/ops/operations.h"
#include "fs/segment/lifetime.h"
#include "fs/segment/policy.h"
#include "fs/state/descriptors.h"
#include "fs/state/fault.h"
#include "fs/state/message.h"
#include "fs/state/recover.h"
#include "lib/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/lsan_interface.h>
#endif

#define MAX_IDLE_NODES 262144u /* limit of idle nodes: 150 bytes each */
#define PASSING_FDS    256     /* descriptors for requests in flight: more than all threads need */
#define RESERVED_FDS   16      /* more than a new worker needs before it has closed leaked descriptors */

static struct fs fs; /* of this process */
static struct control_facts facts;
static const struct program *program;

/* Called once per worker, when it starts to serve. */
static void serving(struct fs *the_fs)
{
	struct arena_header *header = the_fs->state.arena->header;

	facts.passthrough = the_fs->passthrough;
	atomic_store(&header->workers_serving, atomic_load(&header->workers_started));
	kill(header->supervisor_pid, WORKER_READY_SIGNAL);
}

static int recover(struct fuse_session *session)
{
	struct arena *arena = (struct arena *)(uintptr_t)&program->arena;
	struct arena_header *header = arena->header;
	bool is_successor = atomic_load(&header->workers_started) > 1;
	char why[128];
	int result;

	if (is_successor) {
		result = descriptors_check(arena);
		if (result < 0)
			return result;
	}
	result = state_recover(&fs.state, arena, MAX_IDLE_NODES);
	if (result < 0)
		return result;
	result = message_open(&fs.state);
	if (result < 0)
		return result;
	fs.streams = index_map(header->max_handles, sizeof(void *));
	if (!fs.streams)
		return -ENOMEM;
	result = session_attach(&fs, session, header->fuse_fd);
	if (result < 0)
		return result;
	fs.operations = &segfs_operations;
	fs.privileged = header->privileged;
	fs.options = (struct fs_options){
		.entry_timeout = program->options.entry_timeout,
		.attr_timeout = program->options.attr_timeout,
		.negative_timeout = program->options.negative_timeout,
		.io_mode = (enum io_mode)program->options.io_mode,
		.allow_root = program->options.allow_root,
		.devices = program->options.devices,
		.debug = program->options.debug,
		.max_read = program->options.max_read,
	};
	facts.instance = program->instance.name;
	facts.mount_point = program->mount_point;
	facts.operation_name = operation_name;
	control_setup(&facts);
	if (is_successor) {
		int strays = descriptors_close_strays(arena);

		if (strays < 0)
			return strays;
		log_debug("closed %d descriptors that the previous worker left", strays);
		passthrough_recover(&fs);
	}
	policy_recover(&fs.state);
	if (state_check(&fs.state, why, sizeof(why)) < 0)
		log_error("internal error: after recovery: %s", why);
	return 0;
}

/* Stale cached attributes would grant access that the file now denies. */
static void attributes_changed(uint64_t id)
{
	session_invalidate(&fs, id, -1, 0);
}

/* The kernel may have cached that a name does not exist. */
static void name_may_be_new(uint64_t dir, const char *name)
{
	session_expire(&fs, dir, name);
}

/* Repeats while reloads are requested. */
static void reload(void)
{
	struct arena_header *header = fs.state.arena->header;
	uint32_t reading;

	while (program_begin_reload(header, &reading)) {
		if (program_reload(program, &fs.state, attributes_changed, name_may_be_new) == 0) {
			passthrough_trim(&fs.state, atomic_load(&header->limit_hot));
			log_notice("the configuration %s is in force", program->config_file);
		}
		program_end_reload(header, reading);
	}
	kill(header->supervisor_pid, WORKER_READY_SIGNAL);
}

/* Thread that handles signals one after another. */
static void *take_signals(void *unused)
{
	sigset_t signals;
	int signal;

	(void)unused;
	sigemptyset(&signals);
	sigaddset(&signals, SIGHUP);
	sigaddset(&signals, SIGTERM);
	reload(); /* left pending by an earlier worker */
	while (sigwait(&signals, &signal) == 0) {
		if (signal == SIGTERM)
			loop_stop(&fs);
		else
			reload();
	}
	return NULL;
}

static void set_signals(void)
{
	struct sigaction by_default = {.sa_handler = SIG_DFL};
	struct sigaction ignored = {.sa_handler = SIG_IGN};
	sigset_t signals;

	sigfillset(&signals);
	for (int signal = 1; signal < NSIG; signal++)
		if (signal == SIGSEGV || signal == SIGBUS || signal == SIGFPE || signal == SIGILL ||
		    signal == SIGABRT || signal == SIGSYS || signal == SIGTRAP ||
		    signal == INTERRUPT_SIGNAL || signal == FAULT_STACK_SIGNAL)
			sigdelset(&signals, signal);
	/* a closed pipe or a file-size limit is an errno, not a death */
	sigaction(SIGPIPE, &ignored, NULL);
	sigaction(SIGXFSZ, &ignored, NULL);
	sigaction(SIGCHLD, &by_default, NULL);
	fault_setup(program->arena.header);
	pthread_sigmask(SIG_SETMASK, &signals, NULL);
	interrupt_setup();
}

/*
 * Reserves some descriptors for the supervisor and for a worker that takes over from one that died with all
 * in use; and some for requests in flight, so that files can be examined and removed even when no more can be
 * opened.
 */
static void share_out_descriptors(void)
{
	struct rlimit limit;
	rlim_t passing;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur <= RESERVED_FDS)
		return;
	limit.rlim_cur -= RESERVED_FDS;
	limit.rlim_max = limit.rlim_cur;
	setrlimit(RLIMIT_NOFILE, &limit);
	passing = limit.rlim_cur / 4 < PASSING_FDS ? limit.rlim_cur / 4 : PASSING_FDS;
	if (limit.rlim_cur < INT_MAX)
		fs.state.max_fd = (int)(limit.rlim_cur - passing);
}

int worker_run(const struct program *the_program, struct fuse_session *session)
{
	pthread_t signal_thread;
	char why[128];
	int result;

	program = the_program;
	set_signals();
	result = recover(session);
	if (result == 0)
		result = -pthread_create(&signal_thread, NULL, take_signals, NULL);
	if (result == 0)
		result = lifetime_start(&fs);
	share_out_descriptors();
	if (result == 0)
		result = loop_start(&fs, serving);
	if (result < 0) {
		log_error("the worker cannot start: %s", strerror(-result));
		return EXIT_FAILURE;
	}
	result = loop_wait();
	if (result < 0) {
		log_error("the worker cannot continue: %s", strerror(-result));
		return EXIT_FAILURE;
	}
	if (result > 0) {
		log_info("the worker ends while a thread waits for another process");
		return EXIT_SUCCESS;
	}
	lifetime_stop();
	identity_close();
	if (state_check(&fs.state, why, sizeof(why)) < 0)
		log_error("internal error: at the end: %s", why);
	directory_streams_free(&fs);
#ifdef __SANITIZE_ADDRESS__
	/* the process skips exit handlers, which are the supervisor's */
	__lsan_do_recoverable_leak_check();
#endif
	return EXIT_SUCCESS;
}
