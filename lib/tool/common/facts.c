// SPDX-License-Identifier: MIT
#include "lib/tool/common/facts.h"
#include "lib/base/cleanup.h"
#include "lib/base/object_format.h"
#include "lib/base/procfs.h"
#include "lib/client/internal.h"
#include "lib/tool/common/objects.h"
#include "lib/tool/common/tool.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#define PREFIX      "user.segfs."
#define THREADS_MAX 4
#define SHARE       64 /* subjects that a thread takes at a time; fewer need no further thread */

void facts_clear(struct subject *subject)
{
	*subject = (struct subject){.kind = "segment",
				    .attached = -1,
				    .resident = -1,
				    .shmid = -1,
				    .creator_pid = -1,
				    .last_pid = -1};
}

int facts_judge(int error, enum subject_source source, _Atomic bool *has_unknown)
{
	if (procfs_means_absent(-error))
		return 0;
	if (source != SOURCE_PROCESS || error != -ETIMEDOUT)
		return error;
	atomic_store(has_unknown, true);
	return 0;
}

/* The text of an attribute, which the caller frees; NULL without. */
static char *text_of(int fd, const char *attribute)
{
	char value[256];

	return attribute_get(fd, attribute, value, sizeof(value)) < 0 ? NULL : strdup(value);
}

static int64_t number_of(int fd, const char *attribute)
{
	char value[32];
	char *end;
	long long number;

	if (attribute_get(fd, attribute, value, sizeof(value)) <= 0)
		return -1;
	errno = 0;
	number = strtoll(value, &end, 10);
	return errno || *end || number < 0 ? -1 : number;
}

/* --- kinds --- */

static const char *kind_in_process(const char *name)
{
	const char *last = strrchr(name, '/');

	last = last ? last + 1 : name;
	return strncmp(last, "memfd-", 6) == 0  ? "memfd"
	       : strncmp(last, "anon-", 5) == 0 ? "anonymous"
						: "removed";
}

/* Objects have few sizes, whatever the pages of the machine that made them: others need not be asked. */
static bool may_be_object(off_t size)
{
	const off_t page = size % (OBJECT_READERS_MAX + 1) == 0 ? size / (OBJECT_READERS_MAX + 1) : size;

	return page == 4096 || page == 16384 || page == 65536;
}

static const char *kind_of_posix(int fd, off_t size)
{
	char value[32];

	if (size == (off_t)sizeof(sem_t) && attribute_get(fd, "kind", value, sizeof(value)) > 0 &&
	    strcmp(value, "semaphore") == 0)
		return "posix-semaphore";
	return "segment";
}

static const char *kind_of(int fd, const struct subject *subject)
{
	switch (subject->source) {
	case SOURCE_STORE:
		return may_be_object(subject->attr.st_size) ? objects_kind(segment_kind_of(fd, true, 0))
							    : "segment";
	case SOURCE_POSIX:
		return kind_of_posix(fd, subject->attr.st_size);
	case SOURCE_PROCESS:
		return kind_in_process(subject->name);
	default:
		return "segment";
	}
}

/* --- users --- */

/* Whether the lists of .segfs have all of a subject. */
static bool is_listed(const struct tool *tool, const struct subject *subject)
{
	return subject->source == SOURCE_STORE && tool_sees_all_of(tool, subject->attr.st_uid);
}

static void find_attached(const struct tool *tool, int fd, unsigned int facts,
			  const struct attached_list *users, struct subject *subject)
{
	const struct attached *found = NULL;
	size_t n = 0;

	if (users)
		found = attached_find(users, subject->name, &n);
	for (size_t i = 0; i < n; i++)
		if (found[i].since && (!subject->since || found[i].since < subject->since))
			subject->since = found[i].since;
	switch (subject->source) {
	case SOURCE_SYSV:
		subject->attached = number_of(fd, "nattch");
		break;
	case SOURCE_POSIX:
		if (!(facts & FACT_CHEAP))
			subject->attached = number_of(fd, "mapped");
		break;
	case SOURCE_STORE:
		subject->attached =
			users && is_listed(tool, subject) ? (int64_t)n : number_of(fd, "attached");
		break;
	default:
		break;
	}
}

static void find_orphan(const struct tool *tool, int fd, unsigned int facts,
			const struct attached_list *users, struct subject *subject)
{
	char value[32];
	size_t n = 0;

	/* who is listed uses it */
	if (users && attached_find(users, subject->name, &n)) {
		subject->orphan = ORPHAN_NO;
		return;
	}
	if (users && !(facts & FACT_EXACT) && is_listed(tool, subject)) {
		subject->orphan = users->has_unknown ? ORPHAN_UNKNOWN : ORPHAN_YES;
		return;
	}
	if (attribute_get(fd, "orphan", value, sizeof(value)) <= 0)
		return;
	subject->orphan = strcmp(value, "yes") == 0  ? ORPHAN_YES
			  : strcmp(value, "no") == 0 ? ORPHAN_NO
						     : ORPHAN_UNKNOWN;
}

/* --- policy --- */

/* What of the attributes is a policy, and differs from its default: "commit=yes writers=1"; NULL without
 * memory. */
static char *ask_policy(int fd)
{
	char path[PROCFS_FD_MAX], names[4096], value[64];
	_cleanup_free_ char *text = strdup("");
	ssize_t length;

	procfs_fd_path(path, fd);
	length = listxattr(path, names, sizeof(names));
	for (const char *name = names; text && name < names + length; name += strlen(name) + 1) {
		char *longer;

		if (strncmp(name, PREFIX, strlen(PREFIX)) != 0 ||
		    attribute_get(fd, name + strlen(PREFIX), value, sizeof(value)) < 0)
			continue;
		if (asprintf(&longer, "%s%s%s=%s", text, *text ? " " : "", name + strlen(PREFIX), value) < 0)
			return NULL;
		free(text);
		text = longer;
	}
	return length < 0 ? NULL : take_ptr(text);
}

static char *policy_of(const struct tool *tool, int fd, const struct stored_list *policies,
		       const struct subject *subject)
{
	char *text;

	if (!policies || !is_listed(tool, subject))
		return ask_policy(fd);
	text = strdup(stored_find(policies, subject->name));
	for (char *at = text ? strchr(text, ',') : NULL; at; at = strchr(at, ','))
		*at = ' ';
	return text;
}

static void find_sysv(int fd, struct subject *subject)
{
	char value[32];

	subject->shmid = (long)number_of(fd, "shmid");
	subject->creator_pid = (long)number_of(fd, "creator-pid");
	subject->last_pid = (long)number_of(fd, "last-pid");
	if (attribute_get(fd, "key", value, sizeof(value)) > 0)
		snprintf(subject->key, sizeof(subject->key), "%.15s", value);
}

void facts_find(const struct tool *tool, int fd, unsigned int facts, const struct facts_known *known,
		struct subject *subject)
{
	if (!tool->is_segfs)
		return;
	if (facts & FACT_KIND)
		subject->kind = kind_of(fd, subject);
	if (facts & FACT_ATTACHED)
		find_attached(tool, fd, facts, known->users, subject);
	if ((facts & FACT_ORPHAN) && subject->source != SOURCE_PROCESS)
		find_orphan(tool, fd, facts, known->users, subject);
	if ((facts & FACT_POLICY) && subject->source == SOURCE_STORE)
		subject->policy = policy_of(tool, fd, known->policies, subject);
	if (facts & FACT_IDLE)
		subject->idle = text_of(fd, "idle-since");
	if (facts & FACT_IO_MODE)
		subject->io_mode = text_of(fd, "io-mode");
	if ((facts & FACT_RESIDENT) && subject->source == SOURCE_SYSV)
		subject->resident = number_of(fd, "resident");
	if ((facts & FACT_SYSV) && subject->source == SOURCE_SYSV)
		find_sysv(fd, subject);
}

/* Whether facts_find() needs a descriptor. */
static bool must_ask(const struct tool *tool, unsigned int facts, const struct facts_known *known,
		     const struct subject *subject)
{
	if (!is_listed(tool, subject) || (facts & (FACT_IDLE | FACT_IO_MODE)))
		return true;
	return ((facts & FACT_KIND) && may_be_object(subject->attr.st_size)) ||
	       ((facts & FACT_ATTACHED) && !known->users) ||
	       ((facts & FACT_ORPHAN) && (!known->users || (facts & FACT_EXACT))) ||
	       ((facts & FACT_POLICY) && !known->policies);
}

/* --- many --- */

struct work {
	const struct tool *tool;
	const struct facts_known *known;
	struct survey *survey;
	unsigned int facts;
	_Atomic size_t next;
};

static void look_at(const struct work *work, struct subject *subject)
{
	_cleanup_close_ int fd = -1;
	struct stat attr;

	if (!must_ask(work->tool, work->facts, work->known, subject)) {
		facts_find(work->tool, -1, work->facts, work->known, subject);
		return;
	}
	fd = tool_open(work->tool, subject->name);
	if (fd < 0)
		subject->error = facts_judge(fd, subject->source, &work->survey->has_unknown);
	/* another file may have got the name: all that is said is of one */
	if (fd < 0 || fstat(fd, &attr) < 0 || !S_ISREG(attr.st_mode)) {
		subject->is_gone = true;
		return;
	}
	subject_set(subject, &attr);
	facts_find(work->tool, fd, work->facts, work->known, subject);
}

static void *do_work(void *argument)
{
	struct work *work = argument;
	const size_t n = work->survey->n;

	for (size_t first; (first = atomic_fetch_add(&work->next, SHARE)) < n;)
		for (size_t i = first; i < first + SHARE && i < n; i++)
			look_at(work, &work->survey->subjects[i]);
	return NULL;
}

void facts_find_all(const struct tool *tool, unsigned int facts, const struct facts_known *known,
		    struct survey *survey)
{
	const long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	struct work work = {.tool = tool, .known = known, .survey = survey, .facts = facts};
	pthread_t threads[THREADS_MAX];
	int n = 0;

	if (facts == 0)
		return;
	while (n < THREADS_MAX - 1 && n < cpus - 1 && survey->n > (size_t)(n + 1) * SHARE &&
	       pthread_create(&threads[n], NULL, do_work, &work) == 0)
		n++;
	do_work(&work);
	while (n > 0)
		pthread_join(threads[--n], NULL);
}
