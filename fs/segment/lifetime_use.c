// SPDX-License-Identifier: MIT
#include "fs/segment/lifetime_use.h"
#include "fs/source/source.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define USE_MAX 48 /* bytes of the attribute's value */

#define OPEN "open"

static ssize_t read_use(struct fs *fs, const struct node_slot *node, char text[USE_MAX])
{
	const struct source *source = source_of(&fs->state, node);

	return source->getxattr
		       ? source->getxattr(&fs->state, node, source_use_attribute(&fs->state), text, USE_MAX)
		       : -ENODATA;
}

static void note_use(struct fs *fs, const struct node_slot *node, const char *use)
{
	const struct source *source = source_of(&fs->state, node);
	int result = source->setxattr ? source->setxattr(&fs->state, node, source_use_attribute(&fs->state),
							 use, strlen(use), 0)
				      : -EOPNOTSUPP;

	if (result < 0)
		log_warning("the state '%.6s' of a segment cannot be stored: %s", use, strerror(-result));
}

/*
 * Writes a new value only: each write changes st_ctime, and backup tools take that for a change of the file.
 */
void use_note_open(struct fs *fs, const struct node_slot *node)
{
	char text[USE_MAX];

	if (read_use(fs, node, text) != (ssize_t)strlen(OPEN) || memcmp(text, OPEN, strlen(OPEN)) != 0)
		note_use(fs, node, OPEN);
}

void use_note_closed(struct fs *fs, const struct node_slot *node)
{
	char use[USE_MAX];
	uint64_t ago = boottime_nanoseconds() - atomic_load(&node->closed_at);

	snprintf(use, sizeof(use), "closed %" PRIu64, realtime_nanoseconds() - ago);
	note_use(fs, node, use);
}

bool use_read(struct fs *fs, const struct node_slot *node, uint64_t *ago)
{
	uint64_t now = realtime_nanoseconds();
	char text[USE_MAX + 1];
	uint64_t at;
	ssize_t length = read_use(fs, node, text);

	if (length < 0)
		return false;
	text[length] = 0;
	/* a segment that was open was closed when the mount ended */
	*ago = sscanf(text, "closed %" SCNu64, &at) == 1 && at < now ? now - at : 0;
	return true;
}
