// SPDX-License-Identifier: MIT
/* segctl map: which pages of a segment are where, and who maps them. */
#include "lib/base/cleanup.h"
#include "lib/client/internal.h"
#include "lib/tool/common/command.h"
#include "lib/tool/common/depot.h"
#include "lib/tool/common/place.h"
#include "lib/tool/common/report.h"
#include "lib/tool/common/tool.h"
#include "lib/tool/internal.h"
#include "lib/tool/map_json.h"
#include "lib/tool/map_svg.h"
#include "lib/tool/map_text.h"
#include "lib/tool/mapping.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

struct settings {
	const char *svg;
	bool diff, json;
};

/* Whether views are of the mount's own page cache. */
static bool is_relayed(const struct tool *tool, int fd)
{
	char modes[64];

	return tool->is_segfs && attribute_get(fd, "io-mode", modes, sizeof(modes)) > 0 &&
	       strstr(modes, "relayed");
}

static int look(struct mapping *mapping, const char *relative, int fd)
{
	int result = pages_look(fd, is_relayed(mapping->tool, fd), &mapping->pages);

	if (result == 0)
		result = views_find(fd, survey_source_of(fd), relative, &mapping->views);
	return result;
}

/* Compares with the last look, and keeps this one. */
static int compare(struct mapping *mapping, const char *relative)
{
	int result = looks_read(mapping->tool->mount, relative, &mapping->look);

	if (mapping->diff && result < 0 && result != -ENOENT)
		return report(mapping->tool, report_status(result), mapping->name,
			      "the last look cannot be read: %s; see XDG_STATE_HOME in segctl-map(1)",
			      strerror(-result));
	result = looks_write(mapping->tool->mount, relative, &mapping->pages);
	if (mapping->diff && result < 0)
		return report(mapping->tool, report_status(result), mapping->name,
			      "this look cannot be kept: %s; set XDG_STATE_HOME to a directory of yours",
			      strerror(-result));
	return STATUS_DONE;
}

static int show(const struct mapping *mapping, const struct settings *settings)
{
	int result;

	if (settings->svg) {
		result = map_write_svg(mapping, settings->svg);
		return result < 0 ? depot_report(mapping->tool, settings->svg, NULL, result) : STATUS_DONE;
	}
	if (!settings->json) {
		map_print_text(mapping);
		return STATUS_DONE;
	}
	result = map_print_json(mapping);
	return result < 0 ? report_error(mapping->tool, NULL, result) : STATUS_DONE;
}

static int run(struct tool *tool, void *given, int argc, char **argv)
{
	const struct settings *settings = given;
	struct mapping mapping = {.tool = tool, .name = argv[0], .diff = settings->diff};
	_cleanup_close_ int fd = -1;
	const char *relative;
	int status, result;

	(void)argc;
	if (settings->svg && settings->json)
		return report(tool, STATUS_USAGE, "--json", "it is either --json or --svg");
	status = tool_find_name(tool, mapping.name, *mapping.name != '/', &relative);
	if (status != STATUS_DONE)
		return status;
	fd = place_open_file(tool->mount_fd, relative, O_RDONLY);
	if (fd == -EINVAL)
		return report(tool, STATUS_NOT_AS_ASKED, mapping.name,
			      "it is no segment; 'segctl ls' lists them");
	if (fd < 0)
		return report_error(tool, mapping.name, fd);
	result = look(&mapping, relative, fd);
	if (result < 0)
		status = report_error(tool, mapping.name, result);
	else
		status = compare(&mapping, relative);
	if (status == STATUS_DONE)
		status = show(&mapping, settings);
	pages_free(&mapping.pages);
	views_free(&mapping.views);
	looks_free(&mapping.look);
	return status;
}

static const struct command_option options[] = {
	COMMAND_OPTION(OPTION_FLAG, settings, diff, "diff", 'd', NULL,
		       "what has changed since the last look"),
	COMMAND_OPTION(OPTION_TEXT, settings, svg, "svg", 0, "FILE", "a picture for a report; - for a pipe"),
	COMMAND_OPTION(OPTION_FLAG, settings, json, "json", 'J', NULL, "as JSON"),
	{0},
};

const struct command map_command = {
	.name = "map",
	.arguments = "NAME",
	.summary = "Draws which pages of a segment are in memory, and who maps them",
	.options = options,
	.more = "Cells stand for equal parts: holes, data in memory, in huge pages, dirty, or\n"
		"swapped. Views are shown of processes that you may inspect.\n\n"
		"Examples:\n"
		"  segctl map video/ring\n"
		"  segctl map video/ring --diff\n"
		"  segctl map video/ring --svg ring.svg\n"
		"  segctl map --json video/ring | jq '.map.views[].process'\n",
	.settings_size = sizeof(struct settings),
	.min = 1,
	.max = 1,
	.completes = ARGUMENT_NAME,
	.run = run,
};
