// SPDX-License-Identifier: MIT
/*
 * Reloads that are refused: no part of the refused section is visible, not even for a moment. Segments and
 * directories of an accepted one appear with owner, mode and policy, or not at all.
 */
#include "lib/base/cleanup.h"
#include "tests/lib/leaks.h"
#include "tests/lib/preload.h"
#include "tests/lib/worker.h"
#include "tests/mount/harness.h"
#include "tests/preload/hold.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define LOG_MAX (256 * 1024)

#define SETTLE 64 /* requests after which a FORGET is done: the kernel sends it after 16 others at most */

static struct mount mount;
static struct hold *hold;

static int start(void **unused)
{
	const struct mount_spec spec = {.config = "[mount]\nfsync = always\n[directory there]\nmode = 0755\n",
					.options = "attr_timeout=600,entry_timeout=600",
					.preload = preload_path("holdcall")};

	(void)unused;
	return geteuid() == 0 ? mount_start(&mount, &spec) : 0;
}

static int stop(void **unused)
{
	(void)unused;
	return mount.running ? mount_stop(&mount) : 0;
}

static const char *at(const char *name)
{
	return path_of("%s/%s", mount.path, name);
}

static void begin_reload(const char *config)
{
	check(write_text(mount.config, config));
	check(kill(mount.supervisor, SIGHUP));
}

/* Reloads; returns when `text` has appeared in the log once more. */
static void reload(const char *config, const char *text)
{
	unsigned int before = log_count(&mount, text);

	begin_reload(config);
	assert_true(wait_for(log_count(&mount, text) > before));
}

static char *mountinfo(void)
{
	char *text = malloc(LOG_MAX);

	assert_non_null(text);
	assert_true(read_text("/proc/self/mountinfo", text, LOG_MAX) > 0);
	return text;
}

static void expect_no_event(int watcher, const char *what)
{
	char buffer[4096] __attribute__((aligned(8)));
	ssize_t length = read(watcher, buffer, sizeof(buffer));

	for (ssize_t at_event = 0; at_event < length;) {
		const struct inotify_event *event =
			(const struct inotify_event *)(const void *)(buffer + at_event);

		/* a file without a name is reported with such a name */
		if (!event->len || event->name[0] != '#')
			fail_msg("%s: '%s' was seen: event %x", what, event->len ? event->name : "",
				 event->mask);
		at_event += (ssize_t)(sizeof(*event) + event->len);
	}
}

/* Records everything created, removed or changed in the store, including the store, by name. */
static int watch_store(void)
{
	const uint32_t events = IN_CREATE | IN_DELETE | IN_MOVE | IN_ATTRIB;
	int watcher = (int)check(inotify_init1(IN_NONBLOCK | IN_CLOEXEC));

	check(inotify_add_watch(watcher, mount.store, events));
	check(inotify_add_watch(watcher, path_of("%s/there", mount.store), events));
	return watcher;
}

static void nothing_of_a_refused_one_is_seen(void **unused)
{
	static const char *const sections[] = {
		"[directory web/shm]\nsource = sysv\nipc-namespace = 999999999\n",
		"[directory web/shm]\nsource = sysv\nipc-namespace = /dev/null\n",
		"[directory there]\nsource = sysv\nipc-namespace = 999999999\n",
		"[directory web/objects]\nsource = posix\npath = /nowhere\n",
		"[directory there]\nsource = posix\npath = /etc/passwd\n",
		"[directory web/disk]\nmedium = /nowhere\nmode = 0777\n",
		"[directory there]\nmedium = /nowhere\nmode = 0777\n",
		"[directory web/memory]\nmedium = memory\nsize = 1M\nnuma = bind:1000\n",
		"[directory there]\nmedium = memory\nsize = 1M\nnuma = bind:1000\n",
		"[segment web/deep/er]\nload = /nowhere\n",
		"[segment there/load]\nload = /nowhere\n",
		"[segment web/deep/er]\nsize = 1P\ncommit = yes\n",
		"[segment there/much]\nsize = 1P\ncommit = yes\n",
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(sections) / sizeof(sections[0]); i++) {
		_cleanup_close_ int watcher = watch_store();
		_cleanup_free_ char *before = mountinfo();
		_cleanup_free_ char *after = NULL;

		reload(sections[i], "was not changed");
		expect_no_event(watcher, sections[i]);
		after = mountinfo();
		assert_string_equal(before, after);
		check_error(ENOENT, access(at("web"), F_OK));
		assert_int_equal(mount_verify(&mount, 0), 0);
	}
}

/* A refused change of a segment has no effect. */
static void a_segment_stays_as_it_was(void **unused)
{
	struct stat before;
	struct stat after;

	(void)unused;
	reload("[segment there/file]\nsize = 4K\nmode = 0640\nowner = 11:12\n", "is in force");
	check(stat(path_of("%s/there/file", mount.store), &before));
	assert_int_equal(before.st_uid, 11);
	reload("[segment there/file]\nsize = 1P\nmode = 0666\nowner = 21:22\ncommit = yes\nwriters = 1\n",
	       "was not changed");
	check(stat(path_of("%s/there/file", mount.store), &after));
	assert_memory_equal(&before, &after, sizeof(before));
	check(unlink(at("there/file")));
}

/* Its directory appears in its final state. */
static void a_mount_appears_as_a_whole(void **unused)
{
	struct stat found;

	(void)unused;
	check(mkdir(at("there/mine"), 0777));
	reload("[directory there/mine]\nmedium = memory\nsize = 1M\nmode = 0710\nowner = 11:12\nwriters = 3\n"
	       "[directory there/shm]\nsource = sysv\n[directory there/objects]\nsource = posix\n",
	       "is in force");
	check(stat(path_of("%s/there/mine", mount.store), &found));
	assert_int_equal(found.st_mode, S_IFDIR | 0710);
	assert_int_equal(found.st_uid, 11);
	check(stat(at("there/shm"), &found));
	check(stat(at("there/objects"), &found));
	assert_int_equal(found.st_mode, S_IFDIR | 01777);
	/* again there is nothing to do */
	reload("[directory there/mine]\nmedium = memory\nsize = 2M\nmode = 0711\n"
	       "[directory there/shm]\nsource = sysv\n[directory there/objects]\nsource = posix\n",
	       "is in force");
	check(stat(path_of("%s/there/mine", mount.store), &found));
	assert_int_equal(found.st_mode, S_IFDIR | 0711);
	/* the medium of an existing mount is never changed */
	reload("[directory there/mine]\nsource = posix\n", "was not changed");
	reload("[directory there/objects]\nmedium = memory\n", "was not changed");
	assert_int_equal(mount_verify(&mount, 0), 0);
}

/*
 * A segment is removed, and the kernel forgets it, while its policy is being stored: the reload has the last
 * reference to its node, and with that ends its passthrough id, which would hold the memory.
 */
static void a_segment_is_removed_meanwhile(void **unused)
{
	static const char text[] = "[segment there/file]\nsize = 4K\nmode = 0640\n";
	struct holdings before;
	struct statfs found;
	unsigned int done;

	(void)unused;
	reload(text, "is in force");
	before = holdings_of(&mount);
	/* its id is kept for the next open */
	check(close((int)check(open(at("there/file"), O_RDWR | O_CLOEXEC))));
	assert_true(wait_for(mount_handles(&mount) == 0));
	done = log_count(&mount, "is in force");
	atomic_store(&hold->call, HOLD_SETXATTR);
	begin_reload(path_of("%swriters = 1\n", text));
	assert_true(wait_for(atomic_load(&hold->reached)));
	check(unlink(at("there/file")));
	for (int i = 0; i < SETTLE; i++)
		check(statfs(mount.path, &found));
	atomic_store(&hold->go, 1);
	assert_true(wait_for(log_count(&mount, "is in force") > done));
	assert_true(has_the_same(&mount, &before));
	assert_true(no_lost_backing_ids(&mount));
}

int main(void)
{
	static const struct CMUnitTest all[] = {
		cmocka_unit_test(nothing_of_a_refused_one_is_seen),
		cmocka_unit_test(a_segment_stays_as_it_was),
		cmocka_unit_test(a_mount_appears_as_a_whole),
		cmocka_unit_test(a_segment_is_removed_meanwhile),
	};

	if (geteuid() != 0)
		skip_program("root");
	hold = preload_plan("holdcall", "HOLD_CALL", sizeof(*hold));
	if (!hold)
		return 1;
	preload_with_sanitizers("");
	return cmocka_run_group_tests_name("reload", all, start, stop);
}
