// SPDX-License-Identifier: MIT
/* segctl reload, upgrade: what the supervisor does by signals, and how it ended. */
#include "lib/base/clock.h"
#include "lib/tool/common/command.h"
#include "lib/tool/common/daemon.h"
#include "lib/tool/common/report.h"
#include "lib/tool/common/tool.h"
#include "lib/tool/internal.h"

#include <signal.h>
#include <stdio.h>
#include <time.h>

#define TIMEOUT_NS  UINT64_C(30000000000)
#define INTERVAL_NS 20000000

struct settings {
	struct option_number timeout;
};

/* Whether it has ended since `before`. error: why it failed; "" = it did not; lives as long as `now`. */
typedef bool ended(const json_t *before, const json_t *now, const char **error);

static bool reload_ended(const json_t *before, const json_t *now, const char **error)
{
	*error = daemon_text(now, "reload_error");
	return daemon_number(now, "reloads_requested") != daemon_number(before, "reloads_requested") &&
	       daemon_number(now, "reloads") != daemon_number(before, "reloads") &&
	       !daemon_truth(now, "reloading");
}

static bool upgrade_ended(const json_t *before, const json_t *now, const char **error)
{
	if (daemon_number(now, "upgrades_refused") != daemon_number(before, "upgrades_refused")) {
		*error = daemon_text(now, "upgrade_error");
		return true;
	}
	*error = "";
	return daemon_number(now, "upgrades") != daemon_number(before, "upgrades");
}

/* Waits until it has ended. Returns a STATUS_*, after a message. */
static int wait_until(struct tool *tool, const json_t *before, ended *has_ended, uint64_t timeout)
{
	const struct timespec interval = {.tv_nsec = INTERVAL_NS};
	const uint64_t end = monotonic_nanoseconds() + timeout;

	do {
		json_t *status;
		const char *error;
		int result = daemon_status(tool, &status);

		if (result != STATUS_DONE)
			return result;
		if (has_ended(before, status, &error)) {
			if (*error)
				result = report(tool, STATUS_NOT_AS_ASKED, NULL, "refused: %s", error);
			else if (tool->is_terminal)
				printf("segfs %s\n", daemon_text(status, "version"));
			json_decref(status);
			return result;
		}
		json_decref(status);
		nanosleep(&interval, NULL);
	} while (monotonic_nanoseconds() < end);
	return report(tool, STATUS_NOT_AS_ASKED, NULL,
		      "it has not ended in time; the log of segfs says more");
}

static int control(struct tool *tool, const struct settings *settings, int signal, ended *has_ended)
{
	json_t *before;
	int result = daemon_status(tool, &before);

	if (result != STATUS_DONE)
		return result;
	result = daemon_signal(tool, before, signal);
	if (result == STATUS_DONE)
		result = wait_until(tool, before, has_ended,
				    settings->timeout.is_given ? settings->timeout.value : TIMEOUT_NS);
	json_decref(before);
	return result;
}

static int run_reload(struct tool *tool, void *given, int argc, char **argv)
{
	(void)argc;
	(void)argv;
	return control(tool, given, SIGHUP, reload_ended);
}

static int run_upgrade(struct tool *tool, void *given, int argc, char **argv)
{
	(void)argc;
	(void)argv;
	return control(tool, given, SIGUSR2, upgrade_ended);
}

static const struct command_option options[] = {
	COMMAND_OPTION(OPTION_TIME, settings, timeout, "timeout", 't', "TIME", "for how long to wait (30s)"),
	{0},
};

const struct command reload_command = {
	.name = "reload",
	.arguments = "",
	.summary = "Has the daemon read its configuration again",
	.options = options,
	.more = "Nothing is deleted or shrunk, and what is refused has no effect.\n\n"
		"Examples:\n"
		"  segctl reload\n"
		"  segctl check /etc/segfs/segfs.ini && segctl reload\n",
	.settings_size = sizeof(struct settings),
	.run = run_reload,
};

const struct command upgrade_command = {
	.name = "upgrade",
	.arguments = "",
	.summary = "Has the installed version of segfs take over the mount",
	.options = options,
	.more = "Open files, views and locks stay; if it cannot take over, the old one goes on.\n\n"
		"Examples:\n"
		"  segctl upgrade\n"
		"  segctl upgrade --timeout 2m && segctl status\n",
	.settings_size = sizeof(struct settings),
	.run = run_upgrade,
};
