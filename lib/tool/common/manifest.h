/* SPDX-License-Identifier: MIT */
/*
 * The manifest of saved segments: a file of lines, the first of which says what it is. Each line is the
 * XXH3-64 of a JSON object, a blank, and the object, which describes a segment or a directory. A line holds
 * for the files that it describes, so that a name may have several: the last one whose checksum is that of
 * the file.
 *
 * Parsing takes any bytes. A manifest belongs to one thread.
 */
#ifndef SEGFS_TOOL_MANIFEST_H
#define SEGFS_TOOL_MANIFEST_H

#include "lib/tool/common/checksum.h"
#include "lib/tool/common/properties.h"

#define MANIFEST_NAME ".segctl-manifest" /* in a directory or archive */

struct manifest_entry {
	char *name; /* relative to the mount */
	bool is_directory;
	char *kind;               /* "segment", "semaphore", ... */
	struct checksum checksum; /* with the size */
	struct properties properties;
};

struct manifest {
	struct manifest_entry *entries;
	size_t n, max;
	size_t *order; /* n indexes, by name; those of a name in the order of the lines */
	bool has_header;
};

/* The first line. malloc'd; NULL without memory. */
char *manifest_header(void);

/* The line of an entry, malloc'd; NULL without memory. */
char *manifest_line(const struct manifest_entry *entry);

/*
 * Parses a text, which is changed. manifest: released by manifest_free(), also after a failure.
 * line: receives the number of the line that is wrong. Returns 0; -EBADMSG, a line is damaged;
 * -EPROTONOSUPPORT, it is of another version; -ENOMEM.
 */
int manifest_parse(struct manifest *manifest, char *text, size_t length, size_t *line);
void manifest_free(struct manifest *manifest);
void manifest_entry_free(struct manifest_entry *entry);

/*
 * The entries of a name: `n` indexes, the last of which is that of the last line. Returns them, as a part of
 * `order`; NULL if there are none.
 */
const size_t *manifest_find(const struct manifest *manifest, const char *name, size_t *n);

/*
 * Whether a name may be one of a segment below a mount: no component is empty, "." or "..", too long, or a
 * name of ours, and it does not lie in .segfs.
 */
bool manifest_is_name(const char *name);

#endif
