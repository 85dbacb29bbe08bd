// SPDX-License-Identifier: MIT
#include "lib/tool/common/survey.h"
#include "lib/base/cleanup.h"
#include "lib/base/procfs.h"
#include "lib/client/internal.h"
#include "lib/tool/common/command.h"
#include "lib/tool/common/facts.h"
#include "lib/tool/common/report.h"
#include "lib/tool/common/tool.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DEPTH_MAX 64 /* directories in one another */
#define MANY      64 /* files of which it is worth to read the policies of all that there are */

/* --- names --- */

static const struct {
	enum subject_source source;
	const char *name;
} source_names[] = {
	{SOURCE_STORE, "store"}, {SOURCE_POSIX, "posix"}, {SOURCE_SYSV, "sysv"}, {SOURCE_PROCESS, "process"}};

const char *survey_source_name(enum subject_source source)
{
	for (size_t i = 0; i < sizeof(source_names) / sizeof(source_names[0]); i++)
		if (source_names[i].source == source)
			return source_names[i].name;
	return "none";
}

enum subject_source survey_source_find(const char *name)
{
	for (size_t i = 0; i < sizeof(source_names) / sizeof(source_names[0]); i++)
		if (strcmp(source_names[i].name, name) == 0)
			return source_names[i].source;
	return 0;
}

enum subject_source survey_source_of(int fd)
{
	char value[32];
	enum subject_source source =
		attribute_get(fd, "source", value, sizeof(value)) > 0 ? survey_source_find(value) : 0;

	return source ? source : SOURCE_NONE;
}

int survey_parse_sources(struct tool *tool, const char *list, unsigned int *sources)
{
	while (list && *list) {
		const size_t length = strcspn(list, ",");
		char name[32];
		enum subject_source source;

		snprintf(name, sizeof(name), "%.*s", (int)(length < sizeof(name) ? length : 0), list);
		source = survey_source_find(name);
		if (!source)
			return report(tool, STATUS_USAGE, list,
				      "no such source; there are store, posix, sysv and process");
		*sources |= source;
		list += length + (list[length] == ',');
	}
	return STATUS_DONE;
}

bool survey_matches(const char *pattern, const char *name)
{
	size_t length;
	const char *last;

	while (*pattern == '/')
		pattern++;
	length = strlen(pattern);
	while (length > 0 && pattern[length - 1] == '/')
		length--;
	if (length == 0)
		return true;
	if (strncmp(pattern, name, length) == 0 && (name[length] == '\0' || name[length] == '/'))
		return true;
	if (fnmatch(pattern, name, FNM_PATHNAME) == 0)
		return true;
	last = strrchr(name, '/');
	return !memchr(pattern, '/', length) && last && fnmatch(pattern, last + 1, 0) == 0;
}

/* --- the walk --- */

struct walk {
	struct tool *tool;
	const struct survey_request *request;
	struct survey *survey;
	size_t max;
};

static bool is_wanted(const struct survey_request *request, const char *name)
{
	if (request->n_patterns == 0)
		return true;
	for (size_t i = 0; i < request->n_patterns; i++)
		if (survey_matches(request->patterns[i], name))
			return true;
	return false;
}

/* Whether a pattern without wildcards leads into another directory, so that this one need not be read. */
static bool may_contain(const struct survey_request *request, const char *name)
{
	for (size_t i = 0; i < request->n_patterns; i++) {
		const char *pattern = request->patterns[i] + strspn(request->patterns[i], "/");
		const size_t plain = strcspn(pattern, "*?[\\");
		const size_t length = strlen(name);
		const size_t common = plain < length ? plain : length;

		if (!strchr(pattern, '/') || strncmp(pattern, name, common) == 0)
			return true;
	}
	return request->n_patterns == 0;
}

static int add(struct walk *walk, const char *name, enum subject_source source, const struct stat *attr)
{
	struct survey *survey = walk->survey;
	struct subject *subject;

	if (survey->n == walk->max) {
		const size_t max = walk->max ? 2 * walk->max : 256;
		struct subject *larger = reallocarray(survey->subjects, max, sizeof(*larger));

		if (!larger)
			return -ENOMEM;
		survey->subjects = larger;
		walk->max = max;
	}
	subject = &survey->subjects[survey->n];
	facts_clear(subject);
	subject->name = strdup(name);
	if (!subject->name)
		return -ENOMEM;
	subject->source = source;
	subject_set(subject, attr);
	survey->n++;
	return 0;
}

/* What others fill has no directories of another source, and none of a store need be asked for. */
static enum subject_source source_below(int fd, enum subject_source parent)
{
	return parent & (SOURCE_POSIX | SOURCE_SYSV | SOURCE_PROCESS) ? parent : survey_source_of(fd);
}

/* --- what cannot be looked at --- */

/* Whether it is better to end: nothing more can be looked at. */
static bool is_of_all(int error)
{
	return error == -EMFILE || error == -ENFILE || error == -ENOMEM || error == -ENOTCONN;
}

/* Tells why something is left out. Returns 0; the error, if nothing more can be looked at. */
static int leave_out(struct tool *tool, const struct survey_request *request, struct survey *survey,
		     const char *name, int error)
{
	if (error == 0 || is_of_all(error) || request->quiet)
		return is_of_all(error) ? error : 0;
	report_error(tool, *name ? name : tool->mount, error);
	survey->failed = STATUS_NOT_AS_ASKED;
	return 0;
}

/* The same in a walk. error: negative, of looking at a name. */
static int pass_by(struct walk *walk, const char *name, enum subject_source source, int error)
{
	return leave_out(walk->tool, walk->request, walk->survey, name,
			 facts_judge(error, source, &walk->survey->has_unknown));
}

/* --- directories --- */

static int walk_directory(struct walk *walk, int fd, const char *name, enum subject_source parent,
			  unsigned int depth);

/* Takes a directory's entry. prefix: the directory with a slash, or "". */
static int take(struct walk *walk, int dir_fd, const char *prefix, const char *entry,
		enum subject_source source, unsigned int depth)
{
	struct stat attr;
	char name[PATH_MAX];
	int fd;

	if (snprintf(name, sizeof(name), "%s%s", prefix, entry) >= (int)sizeof(name))
		return 0;
	if (fstatat(dir_fd, entry, &attr, AT_SYMLINK_NOFOLLOW) < 0)
		return is_wanted(walk->request, name) || may_contain(walk->request, name)
			       ? pass_by(walk, name, source, -errno)
			       : 0;
	if (S_ISREG(attr.st_mode))
		return is_wanted(walk->request, name) ? add(walk, name, source, &attr) : 0;
	if (!S_ISDIR(attr.st_mode) || depth >= DEPTH_MAX || !may_contain(walk->request, name))
		return 0;
	fd = openat(dir_fd, entry, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0) {
		walk->survey->unreadable += errno == EACCES;
		return pass_by(walk, name, source, -errno);
	}
	return walk_directory(walk, fd, name, source, depth + 1);
}

/* Closes fd. */
static int walk_directory(struct walk *walk, int fd, const char *name, enum subject_source parent,
			  unsigned int depth)
{
	_cleanup_closedir_ DIR *dir = NULL;
	enum subject_source source = source_below(fd, parent);
	const struct dirent *entry;
	char prefix[PATH_MAX] = "";
	int result = 0;

	if (walk->request->sources && !(walk->request->sources & source) && source != SOURCE_STORE) {
		close(fd);
		return 0;
	}
	dir = fdopendir(fd);
	if (!dir) {
		result = pass_by(walk, name, source, -errno);
		close(fd);
		return result;
	}
	if (*name)
		snprintf(prefix, sizeof(prefix), "%s/", name);
	for (errno = 0; result == 0 && (entry = readdir(dir)); errno = 0)
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
		    !(depth == 0 && strcmp(entry->d_name, ".segfs") == 0))
			result = take(walk, dirfd(dir), prefix, entry->d_name, source, depth);
	/* that of a process may be gone by now */
	return result == 0 && errno ? pass_by(walk, name, source, -errno) : result;
}

/* --- a survey --- */

static int compare(const void *a, const void *b)
{
	return strcmp(((const struct subject *)a)->name, ((const struct subject *)b)->name);
}

static void drop_unwanted(struct survey *survey, unsigned int wanted)
{
	size_t kept = 0;

	for (size_t i = 0; i < survey->n; i++) {
		if (survey->subjects[i].is_gone || survey->subjects[i].error ||
		    (wanted && !(survey->subjects[i].source & wanted)))
			subject_free(&survey->subjects[i]);
		else
			survey->subjects[kept++] = survey->subjects[i];
	}
	survey->n = kept;
}

static int open_root(const struct tool *tool)
{
	char path[PROCFS_FD_MAX];
	int fd;

	procfs_fd_path(path, tool->mount_fd);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int survey_take(struct tool *tool, const struct survey_request *request, struct survey *survey)
{
	struct walk walk = {.tool = tool, .request = request, .survey = survey};
	struct attached_list users = {0};
	struct stored_list policies = {0};
	struct facts_known known = {0};
	int status = tool_find_mount(tool, true);
	int result;

	*survey = (struct survey){0};
	if (status != STATUS_DONE)
		return status;
	result = open_root(tool);
	if (result >= 0)
		result = walk_directory(&walk, result, "", SOURCE_STORE, 0);
	if (result < 0) {
		survey_free(survey);
		return report_error(tool, tool->mount, result);
	}
	drop_unwanted(survey, request->sources);
	if ((request->facts & (FACT_ATTACHED | FACT_ORPHAN)) && tool->is_segfs && survey->n > 0) {
		status = attached_read(tool, &users);
		known.users = &users;
	}
	if (status == STATUS_DONE && (request->facts & FACT_POLICY) && survey->n >= MANY && tool->is_segfs) {
		status = stored_read(tool, &policies);
		known.policies = &policies;
	}
	if (status == STATUS_DONE) {
		if (users.has_unknown)
			survey->has_unknown = true;
		facts_find_all(tool, request->facts, &known, survey);
		for (size_t i = 0; i < survey->n && result >= 0; i++)
			result = leave_out(tool, request, survey, survey->subjects[i].name,
					   survey->subjects[i].error);
		if (result < 0)
			status = report_error(tool, tool->mount, result);
	}
	if (status == STATUS_DONE) {
		drop_unwanted(survey, 0);
		if (survey->n > 0)
			qsort(survey->subjects, survey->n, sizeof(*survey->subjects), compare);
	} else {
		survey_free(survey);
	}
	attached_free(&users);
	stored_free(&policies);
	return status;
}

int survey_look(const struct tool *tool, const char *name, int fd, unsigned int facts,
		const struct attached_list *users, struct subject *subject)
{
	const struct facts_known known = {.users = users};

	facts_clear(subject);
	if (fstat(fd, &subject->attr) < 0)
		return -errno;
	if (!S_ISREG(subject->attr.st_mode))
		return S_ISDIR(subject->attr.st_mode) ? -EISDIR : -EINVAL;
	subject->name = strdup(name);
	if (!subject->name)
		return -ENOMEM;
	subject->source = survey_source_of(fd);
	subject_set(subject, &subject->attr);
	facts_find(tool, fd, facts | FACT_EXACT, &known, subject);
	return 0;
}

void subject_free(struct subject *subject)
{
	free(subject->name);
	free(subject->policy);
	free(subject->idle);
	free(subject->io_mode);
	facts_clear(subject);
}

void survey_free(struct survey *survey)
{
	for (size_t i = 0; i < survey->n; i++)
		subject_free(&survey->subjects[i]);
	free(survey->subjects);
	*survey = (struct survey){0};
}
