// SPDX-License-Identifier: MIT
/* segctl new: creates a segment or a synchronization object. */
#include "lib/base/cleanup.h"
#include "lib/base/object_format.h"
#include "lib/tool/common/command.h"
#include "lib/tool/common/creation.h"
#include "lib/tool/common/objects.h"
#include "lib/tool/common/report.h"
#include "lib/tool/common/target.h"
#include "lib/tool/common/users.h"
#include "lib/tool/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#define TRIES 100 /* of creating a name that others create and remove all the time */

struct settings {
	struct option_number size, mode, initial, maximum;
	struct option_list policies;
	const char *kind;
	const char *owner;
	const char *load;
	bool existing, quiet;
};

/* --- what is asked for --- */

static int find_kind(const struct tool *tool, const char *text, enum segfs_kind *kind)
{
	*kind = SEGFS_SEGMENT;
	if (!text || strcmp(text, "segment") == 0)
		return STATUS_DONE;
	*kind = (enum segfs_kind)object_kind_find(text);
	if (*kind)
		return STATUS_DONE;
	return report(tool, STATUS_USAGE, text,
		      "no such kind; there are segment, mutex, recursive-mutex, rwlock, semaphore, event, "
		      "auto-event, doorbell, condition and barrier");
}

static int check_segment(const struct tool *tool, const struct settings *settings)
{
	if (settings->initial.is_given || settings->maximum.is_given)
		return report(tool, STATUS_USAGE, settings->initial.is_given ? "--initial" : "--maximum",
			      "this is for objects; say which with --kind");
	if (!settings->size.is_given && !settings->load)
		return report(tool, STATUS_USAGE, NULL, "how large it is to be says --size, or --load FILE");
	if (settings->size.value > INT64_MAX)
		return report(tool, STATUS_USAGE, "--size", "a file cannot be that large");
	return STATUS_DONE;
}

static int check_object(const struct tool *tool, const struct settings *settings, enum segfs_kind kind)
{
	const uint64_t initial = settings->initial.value, maximum = settings->maximum.value;
	const uint64_t highest = maximum ? maximum : INT32_MAX;

	if (settings->size.is_given || settings->load)
		return report(tool, STATUS_USAGE, settings->load ? "--load" : "--size",
			      "this is for segments; an object has its own size and content");
	if (kind == SEGFS_SEMAPHORE && (maximum > INT32_MAX || initial > highest))
		return report(tool, STATUS_USAGE, NULL,
			      "the --initial count of a semaphore is up to --maximum, and that up to %d",
			      INT32_MAX);
	if (kind == SEGFS_BARRIER &&
	    (maximum == 0 || maximum > SEGFS_BARRIER_MAX || settings->initial.is_given))
		return report(tool, STATUS_USAGE, NULL,
			      "a barrier has --maximum threads, from 1 to %d, and no --initial",
			      SEGFS_BARRIER_MAX);
	if (kind == SEGFS_SEMAPHORE || kind == SEGFS_BARRIER)
		return STATUS_DONE;
	if (settings->maximum.is_given)
		return report(tool, STATUS_USAGE, "--maximum", "this is for semaphores and barriers");
	if (kind != SEGFS_EVENT && kind != SEGFS_AUTO_EVENT && settings->initial.is_given)
		return report(tool, STATUS_USAGE, "--initial", "this is for semaphores and events");
	return initial > 1 ? report(tool, STATUS_USAGE, "--initial", "of an event it is 1, set, or 0")
			   : STATUS_DONE;
}

/* A process that ends takes with it what lives as long as its opens, or itself. */
static int check_lifetime(const struct tool *tool, const struct policies *policies)
{
	const char *value = policies_find(policies, POLICY_LIFETIME);

	if (!value || (strcmp(value, "last-close") != 0 && strcmp(value, "owner") != 0))
		return STATUS_DONE;
	return report(
		tool, STATUS_USAGE, value,
		"with this lifetime it would end with segctl; use ttl:TIME, or 'segctl set' while it is "
		"in use");
}

/* As for open(2). */
static uint32_t default_mode(void)
{
	const mode_t mask = umask(0);

	umask(mask);
	return 0666u & ~mask;
}

static int prepare(const struct tool *tool, const struct settings *settings, struct creation *creation)
{
	int status = find_kind(tool, settings->kind, &creation->kind);

	if (status == STATUS_DONE)
		status = creation->kind == SEGFS_SEGMENT ? check_segment(tool, settings)
							 : check_object(tool, settings, creation->kind);
	if (status == STATUS_DONE)
		status = policies_parse(tool, settings->policies.items, settings->policies.n,
					&creation->policies);
	if (status == STATUS_DONE)
		status = check_lifetime(tool, &creation->policies);
	if (status == STATUS_DONE && settings->owner)
		status = users_parse(tool, settings->owner, &creation->uid, &creation->gid);
	creation->mode = settings->mode.is_given ? (uint32_t)settings->mode.value : default_mode();
	creation->initial = (uint32_t)settings->initial.value;
	creation->maximum = (uint32_t)settings->maximum.value;
	return status;
}

/* The size of a segment, which may be that of what is loaded. */
static int find_size(const struct tool *tool, const struct settings *settings, struct creation *creation)
{
	const struct load *load = creation->load;

	creation->has_size = settings->size.is_given || (load && !load->is_stream);
	creation->size = settings->size.is_given ? settings->size.value : load ? load->size : 0;
	if (load && load->size > creation->size)
		return report(tool, STATUS_NOT_AS_ASKED, load->name,
			      "it has %llu bytes, more than --size says; leave --size out, or raise it",
			      (unsigned long long)load->size);
	return STATUS_DONE;
}

/* --- what exists --- */

/* Returns a STATUS_*; -1 if nothing has the name any more. */
static int accept(const struct tool *tool, const char *name, const char *path,
		  const struct creation *creation, const struct settings *settings)
{
	_cleanup_close_ int fd = open(path, O_PATH | O_CLOEXEC);
	enum segfs_kind kind;
	struct stat attr;
	char size[24];

	if (fd < 0 && errno == ENOENT)
		return lstat(path, &attr) == 0
			       ? report(tool, STATUS_NOT_AS_ASKED, name,
					"a symbolic link that leads nowhere has this name; remove it")
			       : -1;
	if (fd < 0 || fstat(fd, &attr) < 0)
		return report_error(tool, name, -errno);
	if (!S_ISREG(attr.st_mode))
		return report(tool, STATUS_NOT_AS_ASKED, name, "%s has this name; choose another one",
			      S_ISDIR(attr.st_mode) ? "a directory" : "what is no regular file");
	kind = objects_kind_of(fd, (uint64_t)attr.st_size);
	if (kind != creation->kind)
		return report(tool, STATUS_NOT_AS_ASKED, name, "%s %s has this name; choose another one",
			      object_kind_article(kind), objects_kind(kind));
	if (settings->quiet)
		return STATUS_DONE;
	snprintf(size, sizeof(size), "%lld", (long long)attr.st_size);
	return kind == SEGFS_SEGMENT
		       ? report(tool, STATUS_DONE, name,
				"it exists, with %s bytes; nothing of it was changed", size)
		       : report(tool, STATUS_DONE, name, "it exists; nothing of it was changed");
}

static int create(const struct tool *tool, const char *name, const char *path,
		  const struct creation *creation, const struct settings *settings)
{
	bool exists;

	for (int tries = 0; tries < TRIES; tries++) {
		int status = creation_make(tool, name, creation, &exists);

		if (!exists)
			return status;
		if (!settings->existing)
			return report(
				tool, STATUS_NOT_AS_ASKED, name,
				"this name exists; choose another one, or use what exists with --existing");
		status = accept(tool, name, path, creation, settings);
		if (status >= 0)
			return status;
	}
	return report_error(tool, name, -EAGAIN);
}

static int run(struct tool *tool, void *given, int argc, char **argv)
{
	const struct settings *settings = given;
	struct creation creation = {.uid = (uid_t)-1, .gid = (gid_t)-1};
	struct load load = {.fd = -1};
	char path[PATH_MAX];
	int status = prepare(tool, settings, &creation);

	(void)argc;
	if (status == STATUS_DONE)
		status = target_find(tool, argv[0], path);
	if (status == STATUS_DONE && settings->load) {
		status = load_open(tool, settings->load, &load);
		creation.load = &load;
	}
	if (status == STATUS_DONE && creation.kind == SEGFS_SEGMENT)
		status = find_size(tool, settings, &creation);
	if (status == STATUS_DONE)
		status = create(tool, argv[0], path, &creation, settings);
	load_close(&load);
	return status;
}

static const struct command_option options[] = {
	COMMAND_OPTION(OPTION_SIZE, settings, size, "size", 's', "SIZE",
		       "bytes, or a number with K, M, G, T"),
	COMMAND_OPTION(OPTION_TEXT, settings, load, "load", 'l', "FILE", "its content; - = standard input"),
	COMMAND_OPTION(OPTION_MODE, settings, mode, "mode", 'm', "MODE", "permissions, such as 660"),
	COMMAND_OPTION(OPTION_TEXT, settings, owner, "owner", 'o', "USER[:GROUP]", "whose it is to be"),
	COMMAND_OPTION(OPTION_LIST, settings, policies, "policy", 'p', "KEY=VALUE",
		       "see 'segctl set --help'"),
	COMMAND_OPTION(OPTION_TEXT, settings, kind, "kind", 'k', "KIND",
		       "mutex, recursive-mutex, rwlock, semaphore,\n"
		       "                          event, auto-event, doorbell, condition, barrier"),
	COMMAND_OPTION(OPTION_NUMBER, settings, initial, "initial", 'i', "N",
		       "count of a semaphore; 1: a set event"),
	COMMAND_OPTION(OPTION_NUMBER, settings, maximum, "maximum", 'x', "N",
		       "highest count; threads of a barrier"),
	COMMAND_OPTION(OPTION_FLAG, settings, existing, "existing", 'e', NULL,
		       "if it exists, nothing is done"),
	COMMAND_OPTION(OPTION_FLAG, settings, quiet, "quiet", 'q', NULL, "... and nothing said"),
	{0},
};

const struct command new_command = {
	.name = "new",
	.arguments = "NAME",
	.summary = "Creates a segment or an object, whose name appears when it is complete",
	.options = options,
	.more = "Examples:\n"
		"  segctl new --size 64M --mode 660 --owner cam:video video/ring\n"
		"  segctl new --load model.bin --policy size-policy=fixed model\n"
		"  zcat model.gz | segctl new --load - model\n"
		"  segctl new --kind semaphore --initial 4 slots\n"
		"  segctl new --size 1M sysv/0x0000c0de\n",
	.settings_size = sizeof(struct settings),
	.min = 1,
	.max = 1,
	.completes = ARGUMENT_OTHER,
	.run = run,
};
