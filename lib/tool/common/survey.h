/* SPDX-License-Identifier: MIT */
/*
 * What there is on a mount: segments and objects of all sources, with the facts that are asked for. Symbolic
 * links are not followed. A survey belongs to one thread; it uses further ones itself.
 */
#ifndef SEGFS_TOOL_SURVEY_H
#define SEGFS_TOOL_SURVEY_H

#include "lib/tool/common/attached.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

struct tool;

/* Values are bits of survey_request.sources. */
enum subject_source {
	SOURCE_STORE = 1,
	SOURCE_POSIX = 2,
	SOURCE_SYSV = 4,
	SOURCE_PROCESS = 8,
	SOURCE_NONE = 16, /* the directory is none of segfs */
};

enum subject_orphan {
	ORPHAN_NONE, /* not asked for, or the source does not tell */
	ORPHAN_NO,
	ORPHAN_YES,
	ORPHAN_UNKNOWN,
};

/* Facts that cost requests: bits of survey_request.facts. */
#define FACT_KIND     1u
#define FACT_ATTACHED 2u /* and since */
#define FACT_POLICY   4u
#define FACT_ORPHAN   8u
#define FACT_IDLE     16u
#define FACT_IO_MODE  32u
#define FACT_SYSV     64u  /* shmid, key, creator_pid, last_pid */
#define FACT_RESIDENT 512u /* of sysv/; the others tell it without */
#define FACT_EXACT    256u /* modifies FACT_ORPHAN: also who uses a segment without the mount is looked for */
#define FACT_CHEAP    128u /* modifies FACT_ATTACHED: only what segfs knows without a look at all processes */

/* A segment or an object. */
struct subject {
	char *name; /* relative to the mount */
	enum subject_source source;
	const char *kind; /* "segment", "semaphore", ...; a constant text */
	struct stat attr;
	bool is_gone; /* it vanished meanwhile */
	int error;    /* why it could not be looked at, a negative errno; 0 */

	int64_t attached; /* how many use it; -1 = unknown */
	int64_t resident; /* bytes in memory; -1 = unknown */
	time_t since;     /* when the first of them came; 0 = unknown */
	char *policy;     /* what differs from the default: "commit=yes writers=1"; NULL = unknown */
	char *idle;       /* since when it has no user; NULL = unknown */
	char *io_mode;    /* NULL = unknown */
	enum subject_orphan orphan;
	long shmid, creator_pid, last_pid; /* -1 = unknown */
	char key[16];
};

struct survey_request {
	unsigned int facts;
	unsigned int sources;        /* enum subject_source; 0 = all */
	const char *const *patterns; /* n_patterns, see survey_matches(); none = everything */
	size_t n_patterns;
	bool quiet; /* what cannot be looked at is left out without a message */
};

struct survey {
	struct subject *subjects; /* sorted by name */
	size_t n;
	int failed;        /* the STATUS_* of what was left out after a message; STATUS_DONE = nothing */
	size_t unreadable; /* directories that the user may not read */
	_Atomic bool has_unknown; /* a process did not answer: some counts may be too low, or files missing */
};

/*
 * Takes stock. What cannot be looked at, such as a directory whose medium is missing, is left out. survey:
 * released by survey_free(). Returns a STATUS_*, after a message.
 */
int survey_take(struct tool *tool, const struct survey_request *request, struct survey *survey);
void survey_free(struct survey *survey);

/*
 * Looks at one file by its descriptor, which may be O_PATH. name: relative to the mount. users: of
 * attached_read(), or NULL. subject: released by subject_free(), also after a failure.
 * Returns 0; a negative errno; -EISDIR for a directory, -EINVAL for what is no regular file.
 */
int survey_look(const struct tool *tool, const char *name, int fd, unsigned int facts,
		const struct attached_list *users, struct subject *subject);
void subject_free(struct subject *subject);

/*
 * Whether a name matches a pattern: the name itself, a directory above it, or a pattern of glob(7), in which
 * * does not match a slash; one without a slash is also compared with the last component alone.
 */
bool survey_matches(const char *pattern, const char *name);

const char *survey_source_name(enum subject_source source);

/* The source of that name; 0 = none. */
enum subject_source survey_source_find(const char *name);

/* The source of a file or directory, of a descriptor that may be O_PATH; SOURCE_NONE outside of segfs. */
enum subject_source survey_source_of(int fd);

/* Sets the bits of a list of sources with commas; NULL = all. Returns a STATUS_*, after a message. */
int survey_parse_sources(struct tool *tool, const char *list, unsigned int *sources);

/* Sets what stat(2) tells. The blocks of a System V segment are those of its size. */
static inline void subject_set(struct subject *subject, const struct stat *attr)
{
	subject->attr = *attr;
	if (subject->source != SOURCE_SYSV)
		subject->resident = (int64_t)attr->st_blocks * 512;
}

#endif
