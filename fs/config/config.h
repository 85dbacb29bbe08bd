/* SPDX-License-Identifier: MIT */
/*
 * The INI file of segfs, read with inih, as one checked struct.
 *
 * Parsing is pure: text in, struct or one error line out; nothing is looked up but users and groups. The
 * result owns all its strings; config_free() releases them. config_parse() and config_read() are for one
 * thread at a time, since inih's line limit is a global of that library; the rest has no state but the
 * struct.
 */
#ifndef SEGFS_CONFIG_CONFIG_H
#define SEGFS_CONFIG_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/base/policy.h"

#define CONFIG_ERROR_MAX    512  /* bytes of an error line, with the final 0 */
#define CONFIG_HANG_LIMIT   10000 /* milliseconds after which a worker that does not go on is replaced */
#define CONFIG_COUNT_LEAST  64           /* of what there may be many */
#define CONFIG_COUNT_MOST   (1u << 26)
#define CONFIG_SEGMENT_MODE 0600 /* permission bits of a segment that gives no mode */

/* Where the bytes of a directory's segments live. */
enum config_medium {
	MEDIUM_PARENT, /* no key: a plain directory of the store it lies in */
	MEDIUM_MEMORY, /* a tmpfs of its own */
	MEDIUM_PATH,   /* a directory of another file system, bind-mounted */
};

/* Those fields of a policy that were given. */
struct config_policy {
	struct policy policy;
	bool given[POLICY_FIELDS];
};

/* Limits and placement of one store; the same keys in [mount] (the default store) and [directory]. */
struct config_store {
	enum config_medium medium;
	char *path;     /* MEDIUM_PATH: absolute, normalized; else NULL */
	uint64_t size;  /* bytes, the tmpfs limit; 0 = the kernel's default */
	uint64_t files; /* names, attributes and what they take besides bytes: tmpfs nr_inodes=; 0 = the kernel's default */
	char *huge;     /* tmpfs huge= value: never, always, within_size or advise; NULL = not given */
	char *numa;     /* tmpfs mpol= value, checked for form, may hold commas; NULL = not given */
	mode_t mode;    /* permission bits of the directory, 07777 */
	bool has_mode;  /* `mode` was given */
	uid_t owner;    /* owner of the directory */
	gid_t group;    /* its group */
	bool has_owner; /* `owner` was given: sets both owner and group */
	struct config_policy policy; /* the default for what is made in the directory */
};

/* [directory NAME] */
struct config_directory {
	char *name; /* path relative to the mount, no leading or trailing '/', no "." or ".." */
	struct config_store
		store; /* placement; MEDIUM_PARENT where no medium was given: then no size, huge or numa */
	unsigned int source;    /* SOURCE_STORE, or what it shows: SOURCE_POSIX, SOURCE_SYSV; then no key of a store was given */
	char *source_path;      /* SOURCE_POSIX: the tmpfs, absolute, normalized; NULL = that of shm_open(3) */
	char *ipc_namespace;    /* SOURCE_SYSV: a pid in digits, or an absolute path; NULL = the daemon's own */
	unsigned int line; /* line of the section header */
};

/* [segment NAME] */
struct config_segment {
	char *name;        /* as above */
	uint64_t size;     /* bytes; 0 where not given */
	bool has_size;     /* `size` was given */
	mode_t mode;       /* permission bits, 07777; 0600 where not given */
	bool has_mode;     /* `mode` was given */
	uid_t owner;       /* owner of the file */
	gid_t group;       /* its group */
	bool has_owner;    /* `owner` was given: sets both owner and group */
	struct config_policy policy; /* what differs from the default of its directory */
	char *load;        /* absolute path of a file whose bytes fill the segment at creation; NULL = none */
	unsigned int line; /* line of the section header */
};

struct config {
	char *mount_path;                     /* [mount] path, absolute; NULL = not given */
	struct config_store root;             /* the default store; medium is MEDIUM_MEMORY */
	unsigned int sources;                 /* [mount] sources: bits 1 << enum source_kind */
	bool has_sources;                     /* `sources` was given; else all that the machine has */
	uint64_t hang_limit;                  /* [mount] hang-limit: milliseconds, 0 = never */
	bool has_hang_limit;                  /* it was given; else CONFIG_HANG_LIMIT */
	uint64_t max_nodes;                   /* [mount] bounds; 0 = not given */
	uint64_t max_handles;
	uint64_t max_locks;
	uint64_t max_waiting;                 /* bytes */
	uint64_t user_share;                  /* percent */
	struct config_directory *directories; /* parents before children, else in the order of the file */
	size_t n_directories;                 /* elements of directories */
	struct config_segment *segments;      /* in the order of the file */
	size_t n_segments;                    /* elements of segments */
};

/*
 * Parses `length` bytes of INI text.
 * file: name for messages. out: filled on success, untouched on failure; release with config_free().
 * error: on failure one line "FILE:LINE: what is wrong; what would be right", without a newline.
 * Returns 0; -EINVAL for anything wrong in the text; -ENOMEM.
 */
int config_parse(const char *text, size_t length, const char *file, struct config *out,
		 char error[CONFIG_ERROR_MAX]);

/*
 * Reads and parses a file. Returns as config_parse(); and the negative errno of open(2) or read(2), -EFBIG
 * for a file over 1 MiB, with `error` filled.
 */
int config_read(const char *file, struct config *out, char error[CONFIG_ERROR_MAX]);

/* An empty configuration: what holds when there is no file. */
void config_init(struct config *out);

/*
 * Writes the configuration as INI text that config_parse() reads back to the same struct.
 * Returns a malloc'd string that the caller frees, or NULL without memory.
 */
char *config_format(const struct config *config);

/* Releases all strings and arrays; the struct may be reused after config_init(). */
void config_free(struct config *config);

#endif
