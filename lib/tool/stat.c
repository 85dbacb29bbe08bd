// SPDX-License-Identifier: MIT
/* segctl stat: all that is known of one segment. */
#include "lib/base/cleanup.h"
#include "lib/base/procfs.h"
#include "lib/client/internal.h"
#include "lib/tool/common/attached.h"
#include "lib/tool/common/command.h"
#include "lib/tool/common/locks.h"
#include "lib/tool/common/report.h"
#include "lib/tool/common/survey.h"
#include "lib/tool/common/text.h"
#include "lib/tool/common/tool.h"
#include "lib/tool/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>

struct settings {
	bool json;
};

/* All that is printed: the subject, and its attributes by name. */
struct view {
	struct tool *tool;
	const char *name;
	int fd; /* O_PATH */
	struct subject subject;
	struct attached_list users;
	struct lock_list locks;
};

/* Attributes that are printed as they are, with what they mean. The generation is missing: reading it may set
 * ctime. */
static const struct {
	const char *name;
	const char *text;
} attributes[] = {
	{"io-mode", "I/O mode"},
	{"mapped", "mapped by"},
	{"mapped-pids", "mapped by processes"},
	{"seals", "seals"},
	{"users", "also used by"},
	{"inode", "memory's inode"},
	{"key", "key"},
	{"shmid", "shmid"},
	{"creator-pid", "created by process"},
	{"creator-uid", "created by user"},
	{"last-pid", "last used by process"},
	{"locked", "locked in memory"},
	{"removed", "marked for removal"},
};

/* Policies with their defaults, which are worth telling too. */
static const char *const policies[] = {"lock", "writers", "commit", "size-policy", "lifetime"};

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

/* --- in words --- */

__attribute__((format(printf, 2, 3))) static void line(const char *heading, const char *format, ...)
{
	va_list arguments;

	printf("  %-22s ", heading);
	va_start(arguments, format);
	vprintf(format, arguments);
	va_end(arguments);
	putchar('\n');
}

static void print_size(const struct subject *subject)
{
	const uint64_t size = (uint64_t)subject->attr.st_size,
		       resident = subject->resident < 0 ? 0 : (uint64_t)subject->resident;
	char text[TEXT_SIZE_MAX], part[TEXT_SIZE_MAX];

	text_size(size, text);
	text_size(resident, part);
	if (subject->resident < 0 || size == 0)
		line("size", "%s (%" PRIu64 " bytes)", text, size);
	else
		line("size", "%s (%" PRIu64 " bytes), for %s of which there is memory (%.0f %%)", text, size,
		     part, 100.0 * (double)(resident < size ? resident : size) / (double)size);
}

static void print_owner(const struct subject *subject)
{
	_cleanup_free_ char *user = text_user(subject->attr.st_uid);
	_cleanup_free_ char *group = text_group(subject->attr.st_gid);
	_cleanup_free_ char *user_text = text_quote(user ? user : "?");
	_cleanup_free_ char *group_text = text_quote(group ? group : "?");
	char mode[TEXT_MODE_MAX];

	text_mode(subject->attr.st_mode, mode);
	line("owner", "%s:%s", user_text ? user_text : "?", group_text ? group_text : "?");
	line("mode", "%s (%04o)", mode, subject->attr.st_mode & 07777);
}

static void print_times(const struct subject *subject)
{
	const struct {
		const char *heading;
		time_t time;
	} times[] = {{"changed by write(2)", subject->attr.st_mtime},
		     {"attributes changed", subject->attr.st_ctime},
		     {"read", subject->attr.st_atime}};

	for (size_t i = 0; i < LENGTH(times); i++) {
		char text[TEXT_TIME_MAX], age[TEXT_TIME_MAX];
		const time_t now = time(NULL);

		if (times[i].time == 0)
			continue;
		text_time(times[i].time, now, text);
		text_age((int64_t)(now - times[i].time), age);
		line(times[i].heading, "%s (%s ago)", text, age);
	}
}

static void print_policies(const struct view *view)
{
	char value[64];

	for (size_t i = 0; i < LENGTH(policies); i++)
		if (attribute_get(view->fd, policies[i], value, sizeof(value)) > 0)
			line(i == 0 ? "policy" : "", "%s=%s", policies[i], value);
}

static void print_attributes(const struct view *view)
{
	char value[1024];

	for (size_t i = 0; i < LENGTH(attributes); i++) {
		_cleanup_free_ char *quoted = NULL;

		if (attribute_get(view->fd, attributes[i].name, value, sizeof(value)) <= 0)
			continue;
		/* lists of processes have blanks */
		quoted = strspn(value, "0123456789 ,") == strlen(value) ? strdup(value) : text_quote(value);
		line(attributes[i].text, "%s", quoted ? quoted : "?");
	}
}

static void print_users(const struct view *view)
{
	size_t n = 0;
	const struct attached *users = attached_find(&view->users, view->name, &n);

	for (size_t i = 0; i < n; i++) {
		_cleanup_free_ char *command = text_quote(users[i].command);
		char since[TEXT_TIME_MAX] = "";

		if (users[i].since)
			text_time(users[i].since, time(NULL), since);
		line(i == 0 ? "used by" : "", "%d %s, %s %s%s%s", (int)users[i].process,
		     command ? command : "?", users[i].access, users[i].mode, *since ? " since " : "", since);
	}
	if (n == 0 && view->subject.attached > 0)
		line("used by", "%" PRId64 " %s", view->subject.attached,
		     view->subject.source == SOURCE_STORE  ? "opens and views, which you may not see"
		     : view->subject.source == SOURCE_SYSV ? "attachments; the kernel does not say whose"
							   : "processes that map it");
	if (view->subject.orphan == ORPHAN_YES)
		line("used by", "nobody%s%s", view->subject.idle ? " since " : "",
		     view->subject.idle ? view->subject.idle : "");
	if (view->subject.orphan == ORPHAN_UNKNOWN)
		line("used by",
		     "unknown: a process did not answer, or the kernel counts a user that none shows");
}

static bool is_of(const struct lock_line *lock, const char *name)
{
	return lock->name && strcmp(lock->name, name) == 0;
}

static void print_locks(const struct view *view)
{
	bool is_first = true;

	for (size_t i = 0; i < view->locks.n; i++) {
		const struct lock_line *lock = &view->locks.locks[i];
		char end[24] = "end", process[32] = "an open file description";

		if (!is_of(lock, view->name))
			continue;
		if (lock->end != UINT64_MAX)
			snprintf(end, sizeof(end), "%" PRIu64, lock->end);
		if (lock->process > 0)
			snprintf(process, sizeof(process), "process %d", (int)lock->process);
		line(is_first ? "locks" : "", "%s %s %s lock from %" PRIu64 " to %s", process,
		     lock->waits ? "waits for" : "has", lock->exclusive ? "an exclusive" : "a shared",
		     lock->start, end);
		is_first = false;
	}
}

static void print(const struct view *view)
{
	_cleanup_free_ char *name = text_quote(view->name);

	printf("%s\n", name ? name : "?");
	line("kind", "%s%s%s", view->subject.kind, view->tool->is_segfs ? ", source " : "",
	     view->tool->is_segfs ? survey_source_name(view->subject.source) : "");
	print_size(&view->subject);
	print_owner(&view->subject);
	print_policies(view);
	print_users(view);
	print_locks(view);
	print_attributes(view);
	print_times(&view->subject);
}

/* --- as JSON --- */

static json_t *json_time(time_t time)
{
	char text[TEXT_TIME_MAX];

	if (time == 0)
		return json_null();
	text_iso_time(time, text);
	return json_string(text);
}

static json_t *json_users(const struct view *view)
{
	json_t *array = json_array();
	size_t n = 0;
	const struct attached *users = attached_find(&view->users, view->name, &n);

	for (size_t i = 0; i < n; i++)
		json_array_append_new(
			array, json_pack("{s:i, s:o, s:s, s:s, s:o}", "pid", (int)users[i].process, "command",
					 text_to_json(users[i].command), "access", users[i].access, "mode",
					 users[i].mode, "since", json_time(users[i].since)));
	return array;
}

static json_t *json_locks(const struct view *view)
{
	json_t *array = json_array();

	for (size_t i = 0; i < view->locks.n; i++) {
		const struct lock_line *lock = &view->locks.locks[i];

		if (is_of(lock, view->name))
			json_array_append_new(
				array,
				json_pack("{s:o, s:s, s:b, s:b, s:I, s:o}", "pid",
					  lock->process > 0 ? json_integer(lock->process) : json_null(),
					  "kind", lock->kind, "exclusive", lock->exclusive, "waits",
					  lock->waits, "start", (json_int_t)lock->start, "end",
					  lock->end == UINT64_MAX ? json_null()
								  : json_integer((json_int_t)lock->end)));
	}
	return array;
}

static json_t *json_attributes(const struct view *view)
{
	json_t *object = json_object();
	char value[1024];

	for (size_t i = 0; i < LENGTH(policies); i++)
		if (attribute_get(view->fd, policies[i], value, sizeof(value)) > 0)
			json_object_set_new(object, policies[i], text_to_json(value));
	for (size_t i = 0; i < LENGTH(attributes); i++)
		if (attribute_get(view->fd, attributes[i].name, value, sizeof(value)) > 0)
			json_object_set_new(object, attributes[i].name, text_to_json(value));
	return object;
}

/* Returns a STATUS_*. */
static int print_json(const struct view *view)
{
	static const char *const orphans[] = {NULL, "no", "yes", "unknown"};
	const struct subject *subject = &view->subject;
	_cleanup_free_ char *user = text_user(subject->attr.st_uid);
	_cleanup_free_ char *group = text_group(subject->attr.st_gid);
	char mode[TEXT_MODE_MAX];
	json_t *object;
	int result;

	text_mode(subject->attr.st_mode, mode);
	object = json_pack(
		"{s:o, s:o, s:s, s:s, s:I, s:o, s:o, s:o, s:s, s:o, s:s?, s:s?, s:o, s:o, s:o, s:o}", "name",
		text_to_json(view->name), "name_hex", text_hex_to_json(view->name), "source",
		survey_source_name(subject->source), "kind", subject->kind, "size",
		(json_int_t)subject->attr.st_size, "resident",
		subject->resident < 0 ? json_null() : json_integer((json_int_t)subject->resident), "owner",
		text_to_json(user ? user : "?"), "group", text_to_json(group ? group : "?"), "mode", mode,
		"attached", subject->attached < 0 ? json_null() : json_integer(subject->attached), "orphan",
		orphans[subject->orphan], "idle", subject->idle, "users", json_users(view), "locks",
		json_locks(view), "attributes", json_attributes(view), "modified",
		json_time(subject->attr.st_mtime));
	result = object ? json_dumpf(object, stdout, JSON_INDENT(2)) : -1;
	if (result == 0)
		putchar('\n');
	json_decref(object);
	return result == 0 ? STATUS_DONE : report_error(view->tool, view->name, -ENOMEM);
}

/* --- the command --- */

static int look(struct view *view, const struct settings *settings)
{
	int result;
	int status = STATUS_DONE;

	if (view->tool->is_segfs)
		status = attached_read(view->tool, &view->users);
	if (status == STATUS_DONE && view->tool->is_segfs)
		status = locks_read(view->tool, &view->locks);
	if (status != STATUS_DONE)
		return status;
	view->fd = tool_open(view->tool, view->name);
	result = view->fd < 0
			 ? view->fd
			 : survey_look(view->tool, view->name, view->fd,
				       FACT_KIND | FACT_ATTACHED | FACT_RESIDENT | FACT_ORPHAN | FACT_IDLE,
				       &view->users, &view->subject);
	if (result == -EISDIR)
		return report(view->tool, STATUS_NOT_AS_ASKED, view->name,
			      "it is a directory; 'segctl ls' lists what is in it");
	if (result == -EINVAL || result == -ELOOP)
		return report(view->tool, STATUS_NOT_AS_ASKED, view->name, "it is no regular file");
	if (result < 0)
		return report_error(view->tool, view->name, result);
	if (settings->json)
		return print_json(view);
	print(view);
	return STATUS_DONE;
}

static int run(struct tool *tool, void *given, int argc, char **argv)
{
	int result = STATUS_DONE;

	for (int i = 0; i < argc; i++) {
		struct view view = {.tool = tool, .fd = -1};
		int status = tool_find_name(tool, argv[i], true, &view.name);

		if (status == STATUS_DONE && !*view.name)
			status = report(tool, STATUS_USAGE, argv[i], "a name is wanted");
		else if (status == STATUS_DONE)
			status = look(&view, given);
		if (view.fd >= 0)
			close(view.fd);
		subject_free(&view.subject);
		attached_free(&view.users);
		locks_free(&view.locks);
		result = result == STATUS_DONE ? status : result;
	}
	return result;
}

static const struct command_option options[] = {
	COMMAND_OPTION(OPTION_FLAG, settings, json, "json", 'J', NULL, "as JSON, an object for each name"),
	{0},
};

const struct command stat_command = {
	.name = "stat",
	.arguments = "NAME...",
	.summary = "Prints all that is known of a segment, and who uses it",
	.options = options,
	.more = "Examples:\n"
		"  segctl stat video/ring\n"
		"  segctl stat --json sysv/0x0052e2c1 | jq .attributes\n",
	.settings_size = sizeof(struct settings),
	.min = 1,
	.max = SIZE_MAX,
	.completes = ARGUMENT_NAMES,
	.run = run,
};
