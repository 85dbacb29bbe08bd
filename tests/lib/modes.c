// SPDX-License-Identifier: MIT
#include "tests/lib/modes.h"

#include <stdio.h>
#include <string.h>

#define CASES_MAX 128 /* of a group, if it is skipped */

static struct {
	const char *mode;
	int (*start)(const char *mode);
} group; /* currently running */

const char *mode_options(const char *mode)
{
	static const char suffix[] = "-mand";
	const size_t length = strlen(mode);
	const bool keeps_locks =
		length > strlen(suffix) && strcmp(mode + length - strlen(suffix), suffix) == 0;

	return path_of("io_mode=%.*s%s", (int)(length - (keeps_locks ? strlen(suffix) : 0)), mode,
		       keeps_locks ? ",mand" : "");
}

static int set_up(void **unused)
{
	(void)unused;
	return group.start(group.mode);
}

static void skip_mode(void **unused)
{
	(void)unused;
	skip_missing("passthrough");
}

/* Without passthrough these modes are relayed, with "-mand" as well. */
static bool is_relayed_instead(const char *mode)
{
	return (strncmp(mode, "direct", strlen("direct")) == 0 ||
		strncmp(mode, "mediated", strlen("mediated")) == 0) &&
	       !kernel_has("passthrough");
}

const char *usual_mode(void)
{
	return kernel_has("passthrough") ? "direct" : "relayed";
}

/* Replaces "usual" in the name of a mode. Valid until the next call. */
static const char *resolve(const char *mode)
{
	static const char usual[] = "usual";
	static char resolved[64];
	const char *at = strstr(mode, usual);

	if (!at)
		return mode;
	snprintf(resolved, sizeof(resolved), "%.*s%s%s", (int)(at - mode), mode, usual_mode(),
		 at + strlen(usual));
	return resolved;
}

static int skip_group(const char *mode, const struct CMUnitTest *cases, size_t n)
{
	struct CMUnitTest skipped[CASES_MAX];

	for (size_t i = 0; i < n && i < CASES_MAX; i++)
		skipped[i] = (struct CMUnitTest){.name = cases[i].name, .test_func = skip_mode};
	return _cmocka_run_group_tests(mode, skipped, n < CASES_MAX ? n : CASES_MAX, NULL, NULL);
}

int run_in_mode(const char *mode, const struct CMUnitTest *cases, size_t n, int (*start)(const char *mode),
		CMFixtureFunction stop)
{
	mode = resolve(mode);
	if (is_relayed_instead(mode))
		return skip_group(mode, cases, n);
	group.mode = mode;
	group.start = start;
	return _cmocka_run_group_tests(mode, cases, n, set_up, stop);
}

static int run_in_all(const char *const modes[3], const struct CMUnitTest *cases, size_t n,
		      int (*start)(const char *mode), CMFixtureFunction stop)
{
	int failed = 0;

	for (int i = 0; i < 3; i++)
		failed += run_in_mode(modes[i], cases, n, start, stop);
	return failed;
}

int run_in_each_mode(const struct CMUnitTest *cases, size_t n, int (*start)(const char *mode),
		     CMFixtureFunction stop)
{
	static const char *const modes[] = {"direct", "mediated", "relayed"};

	return run_in_all(modes, cases, n, start, stop);
}

int run_in_each_mode_with_mand(const struct CMUnitTest *cases, size_t n, int (*start)(const char *mode),
			       CMFixtureFunction stop)
{
	static const char *const modes[] = {"direct-mand", "mediated-mand", "relayed-mand"};

	return run_in_all(modes, cases, n, start, stop);
}
