// SPDX-License-Identifier: MIT
/* segctl status: what the daemon says of itself, what is wrong first. */
#include "lib/tool/common/command.h"
#include "lib/tool/common/daemon.h"
#include "lib/tool/common/report.h"
#include "lib/tool/common/text.h"
#include "lib/tool/common/tool.h"
#include "lib/tool/internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NEARLY_FULL 90 /* per cent */

struct settings {
	bool json, check;
};

/* What is wrong, and what to do. */
struct problems {
	struct tool *tool;
	json_t *array; /* of texts; NULL = they are printed */
	size_t n;
};

__attribute__((format(printf, 3, 4))) static void add(struct problems *problems, bool is_bad,
						      const char *format, ...)
{
	char text[2048];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	problems->n++;
	if (problems->array) {
		json_array_append_new(problems->array, json_string(text));
		return;
	}
	if (problems->tool->colour)
		printf("\033[%sm%s\033[0m\n", is_bad ? "1;31" : "33", text);
	else
		printf("%s %s\n", is_bad ? "!!" : "!", text);
}

static unsigned int percent(int64_t used, int64_t limit)
{
	return limit > 0 ? (unsigned int)(100.0 * (double)used / (double)limit) : 0;
}

static void look_at_store(struct problems *problems, const json_t *store)
{
	const unsigned int bytes =
		percent(daemon_number(store, "bytes_used"), daemon_number(store, "bytes_limit"));
	const unsigned int files =
		percent(daemon_number(store, "files_used"), daemon_number(store, "files_limit"));
	char *path = text_quote(daemon_text(store, "path"));

	if (bytes >= NEARLY_FULL)
		add(problems, bytes >= 99,
		    "store %s: %u %% of its bytes are used; remove segments ('segctl gc'), or raise size",
		    path ? path : "?", bytes);
	if (files >= NEARLY_FULL)
		add(problems, files >= 99,
		    "store %s: %u %% of its files are used; remove segments ('segctl gc')", path ? path : "?",
		    files);
	free(path);
}

static void look_at_limit(struct problems *problems, const json_t *limits, const char *key, int64_t used,
			  const char *option)
{
	const unsigned int part = percent(used, daemon_number(limits, key));

	if (part >= NEARLY_FULL)
		add(problems, part >= 99, "%u %% of %s are used; raise %s in [mount], see segfs.ini(5)", part,
		    key, option);
}

static int64_t count_handles(const json_t *status)
{
	const json_t *handles = json_object_get(status, "handles");

	return daemon_number(handles, "direct") + daemon_number(handles, "mediated") +
	       daemon_number(handles, "relayed") + daemon_number(handles, "directories");
}

static void look(struct problems *problems, const json_t *status)
{
	const json_t *stores = json_object_get(status, "stores");
	const json_t *limits = json_object_get(status, "limits");
	const int64_t died = daemon_number(status, "workers_started") - 1 - daemon_number(status, "upgrades");
	const char *reload_error = daemon_text(status, "reload_error");
	const char *upgrade_error = daemon_text(status, "upgrade_error");
	size_t i;
	json_t *store;

	if (*reload_error)
		add(problems, true, "the last reload was refused: %s", reload_error);
	if (*upgrade_error)
		add(problems, true, "the last upgrade was refused: %s", upgrade_error);
	json_array_foreach(stores, i, store) look_at_store(problems, store);
	look_at_limit(problems, limits, "nodes", daemon_number(status, "nodes"), "max-nodes");
	look_at_limit(problems, limits, "handles", count_handles(status), "max-handles");
	if (died > 0)
		add(problems, false, "its worker has ended %" PRId64 " times; the log of segfs says why",
		    died);
	if (daemon_truth(status, "privileged") && !daemon_truth(status, "passthrough"))
		add(problems, false,
		    "opens are relayed: this kernel or mount has no passthrough, see 'segctl doctor'");
	if (strcmp(daemon_text(status, "version"), SEGFS_VERSION) != 0)
		add(problems, false,
		    "it is version %s, and segctl is %s; 'segctl upgrade' starts the installed one",
		    daemon_text(status, "version"), SEGFS_VERSION);
}

/* --- in words --- */

static void print_store(const json_t *store)
{
	char used[TEXT_SIZE_MAX], limit[TEXT_SIZE_MAX];
	char *path = text_quote(daemon_text(store, "path"));
	const int64_t bytes = daemon_number(store, "bytes_used");

	text_size((uint64_t)bytes, used);
	text_size((uint64_t)daemon_number(store, "bytes_limit"), limit);
	printf("  store %-14s %s of %s (%u %%), %" PRId64 " files, %s\n", path ? path : "?", used, limit,
	       percent(bytes, daemon_number(store, "bytes_limit")), daemon_number(store, "files_used"),
	       strcmp(daemon_text(store, "medium"), "path") == 0 ? "on disk" : "in memory");
	free(path);
}

static void print(const json_t *status)
{
	const json_t *handles = json_object_get(status, "handles");
	char *mount = text_quote(daemon_text(status, "mount_point"));
	char *instance = text_quote(daemon_text(status, "instance"));
	char age[TEXT_TIME_MAX];
	size_t i;
	json_t *store;

	text_age(daemon_number(status, "uptime"), age);
	printf("segfs %s on %s, instance %s, for %s\n", daemon_text(status, "version"), mount ? mount : "?",
	       instance ? instance : "?", age);
	printf("  %-20s supervisor %" PRId64 ", worker %" PRId64 "\n", "processes",
	       daemon_number(status, "supervisor_pid"), daemon_number(status, "worker_pid"));
	printf("  %-20s %" PRId64 ", of which %" PRId64 " have ended; %" PRId64 " upgrades\n", "workers",
	       daemon_number(status, "workers_started"), daemon_number(status, "workers_started") - 1,
	       daemon_number(status, "upgrades"));
	printf("  %-20s %s\n", "mounted by",
	       daemon_truth(status, "privileged") ? "root" : "an ordinary user");
	printf("  %-20s %s\n", "locks",
	       strcmp(daemon_text(status, "locks"), "segfs") == 0 ? "kept by segfs (-o mand)"
								  : "kept by the kernel");
	printf("  %-20s %" PRId64 " direct, %" PRId64 " mediated, %" PRId64 " relayed\n", "opens",
	       daemon_number(handles, "direct"), daemon_number(handles, "mediated"),
	       daemon_number(handles, "relayed"));
	printf("  %-20s %" PRId64 "\n", "requests so far", daemon_number(status, "requests"));
	json_array_foreach(json_object_get(status, "stores"), i, store) print_store(store);
	free(mount);
	free(instance);
}

/* --- the command --- */

static int run(struct tool *tool, void *given, int argc, char **argv)
{
	const struct settings *settings = given;
	struct problems problems = {.tool = tool};
	json_t *status;
	int result = daemon_status(tool, &status);

	(void)argc;
	(void)argv;
	if (result != STATUS_DONE)
		return result;
	if (settings->json)
		problems.array = json_array();
	look(&problems, status);
	if (!settings->json) {
		if (problems.n > 0)
			putchar('\n');
		print(status);
	} else if (json_object_set_new(status, "problems", problems.array) < 0 ||
		   json_dumpf(status, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(12)) < 0) {
		result = report_error(tool, NULL, -ENOMEM);
	} else {
		putchar('\n');
	}
	json_decref(status);
	return result == STATUS_DONE && settings->check && problems.n > 0 ? STATUS_NOT_AS_ASKED : result;
}

static const struct command_option options[] = {
	COMMAND_OPTION(OPTION_FLAG, settings, check, "check", 'c', NULL, "exit with 1 if something is wrong"),
	COMMAND_OPTION(OPTION_FLAG, settings, json, "json", 'J', NULL, ".segfs/status, and what is wrong"),
	{0},
};

const struct command status_command = {
	.name = "status",
	.arguments = "",
	.summary = "Prints how the daemon is, what is wrong first",
	.options = options,
	.more = "Examples:\n"
		"  segctl status\n"
		"  segctl status --check >/dev/null || segctl status --json | jq -r '.problems[]'\n",
	.settings_size = sizeof(struct settings),
	.run = run,
};
