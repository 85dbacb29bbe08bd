/* SPDX-License-Identifier: MIT */
/*
 * The configuration as one checked struct, which owns all its strings; config_free() releases them. parse.h
 * makes it of the INI file.
 */
#ifndef SEGFS_CONFIG_CONFIG_H
#define SEGFS_CONFIG_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/base/policy.h"

#define CONFIG_ERROR_MAX    512   /* bytes of an error line, including the final 0 */
#define CONFIG_HANG_LIMIT   10000 /* milliseconds without progress after which a worker is replaced */
#define CONFIG_HOT_SEGMENTS 4096  /* closed segments that keep their passthrough id */
#define CONFIG_COUNT_LEAST  64    /* range of counts */
#define CONFIG_COUNT_MOST   (1u << 26)
#define CONFIG_SEGMENT_MODE 0600 /* default permission bits of a segment */

/* Where a directory's segments are stored. */
enum config_medium {
	MEDIUM_PARENT, /* no key: in the store of the parent directory */
	MEDIUM_MEMORY, /* a separate tmpfs */
	MEDIUM_PATH,   /* a bind-mounted directory of another file system */
};

/* A policy and which of its fields are given. */
struct config_policy {
	struct policy policy;
	bool given[POLICY_FIELDS];
};

/* Limits and placement of a store; the same keys in [mount] (the default store) and [directory]. */
struct config_store {
	enum config_medium medium;
	char *path;     /* MEDIUM_PATH: absolute, normalized; else NULL */
	uint64_t size;  /* bytes, the tmpfs limit; 0 = the kernel's default */
	uint64_t files; /* limit of inodes, tmpfs nr_inodes=; 0 = the kernel's default */
	char *huge;     /* tmpfs huge= value: never, always, within_size or advise; NULL = not given */
	char *numa;     /* tmpfs mpol= value: a known policy, nodes unchecked; NULL = not given */
	mode_t mode;    /* permission bits of the directory, 07777 */
	bool has_mode;  /* `mode` was given */
	uid_t owner;    /* owner of the directory */
	gid_t group;    /* its group */
	bool has_owner; /* `owner` was given, which sets both owner and group */
	struct config_policy policy; /* default for entries created in the directory */
};

/* [directory NAME] */
struct config_directory {
	char *name; /* path relative to the mount, no leading or trailing '/', no "." or ".." */
	struct config_store store; /* MEDIUM_PARENT if no medium was given; then without size, huge or numa */
	unsigned int source; /* SOURCE_STORE; SOURCE_POSIX or SOURCE_SYSV, which have no keys of a store */
	char *source_path;   /* SOURCE_POSIX: the tmpfs, absolute, normalized; NULL = that of shm_open(3) */
	char *ipc_namespace; /* SOURCE_SYSV: a pid in digits, or an absolute path; NULL = the daemon's own */
	unsigned int line;   /* line of the section header */
};

/* [segment NAME] */
struct config_segment {
	char *name;                  /* as for directories */
	uint64_t size;               /* bytes; 0 if not given */
	bool has_size;               /* `size` was given */
	mode_t mode;                 /* permission bits, 07777; 0600 if not given */
	bool has_mode;               /* `mode` was given */
	uid_t owner;                 /* owner of the file */
	gid_t group;                 /* its group */
	bool has_owner;              /* `owner` was given, which sets both owner and group */
	struct config_policy policy; /* overrides the default of its directory */
	char *load;                  /* absolute path of a file with the initial content; NULL = none */
	unsigned int line;           /* line of the section header */
};

struct config {
	char *mount_path;         /* [mount] path, absolute; NULL = not given */
	struct config_store root; /* the default store; medium is MEDIUM_MEMORY */
	unsigned int sources;     /* [mount] sources: bits 1 << enum source_kind */
	bool has_sources;         /* `sources` was given; else all supported sources */
	uint64_t hang_limit;      /* [mount] hang-limit: milliseconds, 0 = never */
	bool has_hang_limit;      /* given; else CONFIG_HANG_LIMIT */
	uint64_t max_nodes;       /* [mount] limits; 0 = not given */
	uint64_t max_handles;
	uint64_t max_locks;
	uint64_t max_waiting;                 /* bytes */
	uint64_t hot_segments;                /* [mount] hot-segments; 0 = none */
	bool has_hot_segments;                /* given; else CONFIG_HOT_SEGMENTS */
	uint64_t user_share;                  /* percent */
	bool fsync_always;                    /* [mount] fsync: ask for it even if all media are memory */
	struct config_directory *directories; /* parents before children, else in file order */
	size_t n_directories;                 /* number of directories */
	struct config_segment *segments;      /* in file order */
	size_t n_segments;                    /* number of segments */
};

/* A section of the configuration. */
struct config_where {
	const char *kind;  /* "mount", "directory" or "segment"; NULL = no section */
	const char *name;  /* the configuration's; NULL for [mount] */
	unsigned int line; /* of the section header; 0 for [mount] */
};

/* Finds the first section with `lock = mandatory`. Returns false, and no section, if there is none. */
bool config_find_mandatory(const struct config *config, struct config_where *where);

/* Initializes an empty configuration, which applies without a file. */
void config_init(struct config *out);

/*
 * Formats the configuration as INI text that config_parse() parses to the same struct.
 * Returns a malloc'd string that the caller frees, or NULL without memory.
 */
char *config_format(const struct config *config);

/* Frees all strings and arrays, and reinitializes the struct. */
void config_free(struct config *config);

#endif
