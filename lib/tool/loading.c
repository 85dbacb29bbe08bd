// SPDX-License-Identifier: MIT
#include "lib/tool/loading.h"
#include "lib/tool/common/command.h"
#include "lib/tool/common/depot.h"
#include "lib/tool/common/objects.h"
#include "lib/tool/common/report.h"
#include "lib/tool/common/selection.h"
#include "lib/tool/common/text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- messages --- */

int loading_complain(struct loading *loading, const char *name, int error, const char *what)
{
	struct tool *tool = loading->tool;

	progress_clear(&loading->progress);
	if (what && (error == -EOPNOTSUPP || error == -EINVAL || error == -EBUSY || error == -EPERM))
		return report(tool, report_status(error), name, "%s cannot be set here: %s; %s", what,
			      strerror(-error),
			      error == -EOPNOTSUPP && strstr(what, "lock")
				      ? "mount with -o mand, or load with --no-policy"
				      : "load with --no-policy to leave policies out");
	switch (error) {
	case -EEXIST:
		return report(tool, STATUS_NOT_AS_ASKED, name,
			      "it exists; --replace replaces it, --in-place changes its bytes");
	case -EAGAIN:
		return report(tool, STATUS_NOT_AS_ASKED, name,
			      "a process has locked it; %s waits, .segfs/locks shows who has",
			      loading->style.timeout == 0 ? "without --nonblock the command"
							  : "a longer --timeout");
	case -EBUSY:
		return report(
			tool, STATUS_NOT_AS_ASKED, name,
			"others have it open as its policies do not allow more, or another segctl loads "
			"it; try again when they have ended");
	case -EROFS:
		return report(tool, STATUS_NOT_AS_ASKED, name,
			      "nothing can be created in process/; --to DIRECTORY loads it elsewhere");
	case -ENOTSUP:
		return report(
			tool, STATUS_NOT_AS_ASKED, name,
			"sysv/ creates segments with keys only, such as 0x0000c0de; --to DIRECTORY loads "
			"it elsewhere");
	case -EXDEV:
		return report(tool, STATUS_NOT_AS_ASKED, name,
			      "segments of System V cannot be replaced; --in-place changes its bytes");
	case -EISDIR:
		return report(tool, STATUS_NOT_AS_ASKED, name,
			      "a directory has this name; --to DIRECTORY loads the segment elsewhere");
	case -EINVAL:
	case -ELOOP:
	case -ENOTDIR:
		return report(tool, STATUS_NOT_AS_ASKED, name,
			      "what has this name is no segment, or not in a directory; remove it");
	default:
		return report_error(tool, name, error);
	}
}

int loading_complain_of_source(struct loading *loading, const char *name, int error)
{
	progress_clear(&loading->progress);
	if (error == -ENOENT)
		return report(loading->tool, STATUS_NOT_AS_ASKED, name, "it is missing in %s",
			      loading->source);
	return depot_report(loading->tool, loading->source, name, error);
}

int loading_complain_of_damage(struct loading *loading, const char *name, uint64_t first)
{
	char from[TEXT_SIZE_MAX];

	progress_clear(&loading->progress);
	text_size(first, from);
	return report(loading->tool, STATUS_NOT_AS_ASKED, name,
		      "it is damaged: bytes from %s on are not those that were saved; load another copy",
		      from);
}

static void note(struct loading *loading, const char *name, const char *text)
{
	progress_clear(&loading->progress);
	if (!loading->style.quiet)
		report(loading->tool, STATUS_DONE, name, "%s", text);
}

/* --- which, and where to --- */

bool loading_is_wanted(struct loading *loading, const char *name)
{
	bool wanted = loading->n_patterns == 0;

	for (size_t i = 0; i < loading->n_patterns; i++)
		if (selection_matches(loading->patterns[i], name))
			wanted = loading->is_matched[i] = true;
	return wanted;
}

bool loading_is_left_out(struct loading *loading, const struct manifest_entry *entry)
{
	if (!objects_is_kind(entry->kind) || loading->objects || loading->verifies)
		return false;
	note(loading, entry->name,
	     "left out: it is a synchronization object, whose state was that of running processes; --objects "
	     "loads it");
	return true;
}

/* Its name below the mount. Returns 0; -ENAMETOOLONG. */
int loading_target(const struct loading *loading, const char *name, char target[PATH_MAX])
{
	const char *to = loading->to;

	return snprintf(target, PATH_MAX, "%s%s%s", to ? to : "", to ? "/" : "", name) < PATH_MAX
		       ? 0
		       : -ENAMETOOLONG;
}

static size_t skip_of(const struct loading *loading)
{
	return loading->to ? strlen(loading->to) + 1 : 0;
}

/* What cannot be told is loaded again, which reports errors. */
bool loading_is_complete(struct loading *loading, const char *target, const struct manifest_entry *entry)
{
	if (!loading->style.resume ||
	    landing_is_complete(loading->tool, target, entry, &loading->style, &loading->progress) <= 0)
		return false;
	loading->n_complete++;
	return true;
}

struct manifest_entry *loading_find_entry(const struct manifest *manifest, const char *name,
					  const struct checksum *checksum, uint64_t *first)
{
	size_t n;
	const size_t *same = manifest_find(manifest, name, &n);
	uint64_t other;

	for (size_t i = n; same && i-- > 0;) {
		struct manifest_entry *entry = &manifest->entries[same[i]];

		if (!entry->is_directory &&
		    checksum_equals(checksum, &entry->checksum, i == n - 1 ? first : &other))
			return entry;
	}
	return NULL;
}

int loading_publish(struct loading *loading, const struct manifest *manifest,
		    const struct manifest_entry *entry, struct landing *landing, int content)
{
	const char *what = NULL;
	int result = landing_make_directories(loading->tool, landing->name, skip_of(loading), manifest,
					      &loading->style);

	if (!loading->style.no_policy && !landing->is_written &&
	    properties_has_brief_life(&entry->properties))
		note(loading, entry->name,
		     "its lifetime is left out, since it would end with this command; set it when a process "
		     "uses it");
	if (result == 0)
		result = landing_publish(loading->tool, landing, entry, content, &loading->style,
					 &loading->progress, &what);
	if (result == -EBADMSG)
		return loading_complain_of_damage(loading, landing->name, 0);
	if (result < 0)
		return loading_complain(loading, landing->name, result, what);
	loading->n++;
	return STATUS_DONE;
}
