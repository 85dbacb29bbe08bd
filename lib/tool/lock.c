// SPDX-License-Identifier: MIT
/* segctl lock: runs a command while a segment, a mutex or a reader-writer lock is locked. */
#include "lib/base/cleanup.h"
#include "lib/base/object_format.h"
#include "lib/base/sizes.h"
#include "lib/tool/common/child.h"
#include "lib/tool/common/command.h"
#include "lib/tool/common/filelock.h"
#include "lib/tool/common/objects.h"
#include "lib/tool/common/remedy.h"
#include "lib/tool/common/report.h"
#include "lib/tool/common/target.h"
#include "lib/tool/internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

struct settings {
	const char *range;
	struct option_number timeout, exit_code;
	bool shared, flock, nonblock, clear, quiet;
};

/* --- what is asked for --- */

/* START:LENGTH, or START. Returns 0; -EINVAL. */
static int parse_range(const char *text, struct filelock *lock)
{
	const char *colon = strchr(text, ':');
	char start[SIZE_TEXT_MAX];
	const size_t length = colon ? (size_t)(colon - text) : strlen(text);

	if (length >= sizeof(start))
		return -EINVAL;
	snprintf(start, sizeof(start), "%.*s", (int)length, text);
	if (size_parse(start, &lock->start) < 0 || (colon && size_parse(colon + 1, &lock->length) < 0))
		return -EINVAL;
	/* the last byte of a lock has an offset that a file can have */
	return lock->start > INT64_MAX || lock->length > INT64_MAX - lock->start ? -EINVAL : 0;
}

static int check(const struct tool *tool, const struct settings *settings, struct filelock *lock, char **argv)
{
	*lock = (struct filelock){.by_flock = settings->flock, .shared = settings->shared};
	if (settings->exit_code.value > 255)
		return report(tool, STATUS_USAGE, "--exit-code", "an exit status is from 0 to 255");
	if (settings->range && settings->flock)
		return report(tool, STATUS_USAGE, "--range", "flock(2) locks have no range; use one of both");
	if (settings->range && parse_range(settings->range, lock) < 0)
		return report(
			tool, STATUS_USAGE, settings->range,
			"a range is START:LENGTH, in bytes or with K, M, G or T; LENGTH 0 is to the end");
	if (settings->clear && settings->shared)
		return report(tool, STATUS_USAGE, "--clear", "only who locks for writing can clear that");
	if (*argv[1] == '-' && strcmp(argv[1], "--") != 0)
		return report(tool, STATUS_USAGE, argv[1],
			      "options come before the name, and the command after '--'");
	if (strcmp(argv[1], "--") == 0 && !argv[2])
		return report(tool, STATUS_USAGE, NULL,
			      "what command is to run? segctl lock NAME -- COMMAND");
	return STATUS_DONE;
}

static int not_locked(const struct settings *settings)
{
	return settings->exit_code.is_given ? (int)settings->exit_code.value : STATUS_NOT_AS_ASKED;
}

static int run_command(const struct tool *tool, char **argv)
{
	char **command = strcmp(argv[1], "--") == 0 ? argv + 2 : argv + 1;
	int status = STATUS_NOT_AS_ASKED;
	const int result = child_run(tool, command, &status);

	return result < 0 ? report_error(tool, *command, result) : status;
}

/* --- segments --- */

static int lock_segment(const struct tool *tool, const struct settings *settings, const struct filelock *lock,
			int fd, char **argv)
{
	const int result = filelock_take(fd, lock, filelock_timeout(settings->nonblock, &settings->timeout));
	const bool is_held = result == -EAGAIN || result == -ETIMEDOUT;
	long holder;

	if (result == 0)
		return run_command(tool, argv);
	if (!is_held)
		return report_error(tool, argv[0], result);
	if (settings->quiet)
		return not_locked(settings);
	holder = filelock_holder(fd, lock);
	if (holder > 0)
		return report(tool, not_locked(settings), argv[0], "it is locked by process %ld", holder);
	return report(tool, not_locked(settings), argv[0], "it is locked by another process");
}

/* --- objects --- */

static void tell_deaths(const struct tool *tool, const struct settings *settings, const char *name,
			int result)
{
	if (result & SEGFS_ABANDONED)
		report(tool, STATUS_DONE, name, "its last owner died while it held it%s",
		       settings->clear || settings->shared
			       ? ""
			       : "; with --clear, a command that succeeds clears that");
	if (result & SEGFS_READER_DIED)
		report(tool, STATUS_DONE, name, "a process died while it read");
}

static int lock_object(const struct tool *tool, const struct settings *settings, struct segfs_object *object,
		       char **argv)
{
	const uint64_t timeout = filelock_timeout(settings->nonblock, &settings->timeout);
	struct timespec deadline;
	const struct timespec *end = timeout == FILELOCK_FOREVER ? NULL : segfs_deadline(&deadline, timeout);
	const unsigned int flags = timeout == 0 ? SEGFS_TRY : 0;
	int result =
		settings->shared ? segfs_lock_shared(object, end, flags) : segfs_lock(object, end, flags);
	int status;

	if (result == -EAGAIN || result == -ETIMEDOUT)
		return settings->quiet
			       ? not_locked(settings)
			       : report(tool, not_locked(settings), argv[0], "it is held by another process");
	if (result == -EPROTOTYPE)
		return report(tool, STATUS_NOT_AS_ASKED, argv[0],
			      "a mutex is not shared; leave --shared out, or use a rwlock");
	if (result < 0)
		return report_error(tool, argv[0], result);
	tell_deaths(tool, settings, argv[0], result);
	status = run_command(tool, argv);
	if (settings->clear && status == 0)
		segfs_clear_abandoned(object);
	result = segfs_unlock(object);
	if (result < 0)
		report(tool, STATUS_DONE, argv[0],
		       "others may have held it as well, since one has overwritten it");
	return status;
}

static int open_object(struct tool *tool, const struct settings *settings, enum segfs_kind kind, char **argv)
{
	struct segfs_object *object;
	int status;

	if (kind != SEGFS_MUTEX && kind != SEGFS_RECURSIVE_MUTEX && kind != SEGFS_RWLOCK)
		return objects_refuse(tool, argv[0], kind);
	if (settings->range || settings->flock)
		return report(tool, STATUS_USAGE, argv[0], "this is %s %s, and %s is for segments",
			      object_kind_article(kind), objects_kind(kind),
			      settings->range ? "--range" : "--flock");
	status = objects_open(tool, argv[0], &object);
	if (status != STATUS_DONE)
		return status;
	/* it may be another one by now */
	status = segfs_object_kind(object) == kind ? lock_object(tool, settings, object, argv)
						   : objects_refuse(tool, argv[0], segfs_object_kind(object));
	segfs_object_close(object);
	return status;
}

/* --- the command --- */

static int open_segment(struct tool *tool, const struct settings *settings, const char *name,
			struct segfs_segment **segment)
{
	static const struct remedy remedies[] = {
		{ENOENT, "there is no such segment or object; 'segctl new' creates one"},
		{EACCES, "you may not write it, as an exclusive lock must; try --shared, or --flock"},
		{EBUSY, "as many write to it as its policy 'writers' allows; try --flock"},
		{EISDIR, "this is a directory; name a segment or object in it"},
		{ENXIO, "this is no regular file"},
		{0},
	};
	static const struct remedy of_reading[] = {
		{ENOENT, "there is no such segment or object; 'segctl new' creates one"},
		{EACCES, "you may not read it; ask its owner"},
		{EISDIR, "this is a directory; name a segment or object in it"},
		{ENXIO, "this is no regular file"},
		{0},
	};
	const bool writes = !settings->shared && !settings->flock;
	char path[PATH_MAX];
	int status = target_find(tool, name, path);
	int result;

	if (status != STATUS_DONE)
		return status;
	result = segfs_open(name, writes ? SEGFS_WRITE : 0, 0, segment);
	if (result < 0)
		return remedy_report(tool, name, result, writes ? remedies : of_reading);
	return STATUS_DONE;
}

static int run(struct tool *tool, void *given, int argc, char **argv)
{
	const struct settings *settings = given;
	struct segfs_segment *segment;
	struct filelock lock;
	enum segfs_kind kind;
	uint64_t size = 0;
	int status = check(tool, settings, &lock, argv);

	(void)argc;
	if (status == STATUS_DONE)
		status = open_segment(tool, settings, argv[0], &segment);
	if (status != STATUS_DONE)
		return status;
	segfs_size(segment, &size);
	kind = objects_kind_of(segfs_fd(segment), size);
	if (kind == SEGFS_SEGMENT && settings->clear)
		status = report(tool, STATUS_USAGE, "--clear", "this is for mutexes and reader-writer locks");
	else if (kind == SEGFS_SEGMENT)
		status = lock_segment(tool, settings, &lock, segfs_fd(segment), argv);
	else
		status = open_object(tool, settings, kind, argv);
	segfs_close(segment);
	return status;
}

static const struct command_option options[] = {
	COMMAND_OPTION(OPTION_FLAG, settings, shared, "shared", 's', NULL,
		       "for reading: others may read, too"),
	COMMAND_OPTION(OPTION_TEXT, settings, range, "range", 'r', "START:LENGTH",
		       "only these bytes of a segment"),
	COMMAND_OPTION(OPTION_FLAG, settings, flock, "flock", 'f', NULL,
		       "a lock of flock(2), not of fcntl(2)"),
	COMMAND_OPTION(OPTION_TIME, settings, timeout, "timeout", 't', "TIME", "waits no longer than this"),
	COMMAND_OPTION(OPTION_FLAG, settings, nonblock, "nonblock", 'n', NULL, "does not wait"),
	COMMAND_OPTION(OPTION_NUMBER, settings, exit_code, "exit-code", 'E', "N",
		       "exit status if it is not locked, 1"),
	COMMAND_OPTION(OPTION_FLAG, settings, clear, "clear", 'c', NULL,
		       "success of COMMAND clears that an owner died"),
	COMMAND_OPTION(OPTION_FLAG, settings, quiet, "quiet", 'q', NULL, "no message if it is not locked"),
	{0},
};

const struct command lock_command = {
	.name = "lock",
	.arguments = "NAME -- COMMAND [ARG]...",
	.summary = "Runs COMMAND while a segment, a mutex or a reader-writer lock is locked",
	.options = options,
	.more = "The exit status is that of COMMAND, 128+N if signal N has ended it.\n"
		"\nExamples:\n"
		"  segctl lock video/ring -- cp /mnt/seg/video/ring ring.bak\n"
		"  segctl lock --shared --range 0:4K --timeout 5s table -- ./reader\n"
		"  segctl lock --clear mutex -- ./repair\n",
	.settings_size = sizeof(struct settings),
	.min = 2,
	.max = SIZE_MAX,
	.options_first = true,
	.completes = ARGUMENT_NAME,
	.run = run,
};
