// SPDX-License-Identifier: MIT
/*
 * Which requests queue for an inspection of processes. The mount has no memory for the queue, and a user
 * takes all places: what needs one fails with EAGAIN, and all other requests of the same user succeed.
 */
#include "lib/base/cleanup.h"
#include "tests/mount/harness.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#define PENDING 12 /* processes that ask all the time; there are fewer places */
#define ROUNDS  40 /* in which each request comes while the places are taken */

static struct mount mount_here;
static pid_t pending[PENDING];

static const char *at(const char *name)
{
	return path_of("%s/%s", mount_here.path, name);
}

static void become_user(void)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || setgid(TEST_GID) < 0 || setuid(TEST_UID) < 0)
		_exit(1);
}

static int start(const char *options)
{
	const struct mount_spec spec = {
		.config = "[mount]\nsources = none\nmax-waiting = 1\n",
		.options = options,
	};

	if (mount_start(&mount_here, &spec) < 0 || chmod(mount_here.path, 01777) < 0)
		return -1;
	for (int i = 0; i < PENDING; i++) {
		pending[i] = fork();
		if (pending[i] == 0) {
			char value[64];

			become_user();
			/* fails until the file is there */
			for (;;)
				getxattr(at("file"), "user.segfs.attached", value, sizeof(value));
		}
	}
	return 0;
}

static int start_default(void **unused)
{
	(void)unused;
	return start("");
}

static int start_mand(void **unused)
{
	(void)unused;
	return start("mand");
}

static int stop(void **unused)
{
	(void)unused;
	for (int i = 0; i < PENDING; i++)
		if (pending[i] > 0)
			kill(pending[i], SIGKILL);
	for (int i = 0; i < PENDING; i++)
		if (pending[i] > 0)
			waitpid(pending[i], NULL, 0);
	memset(pending, 0, sizeof(pending));
	return mount_stop(&mount_here);
}

/* --- as the user: 0 or -errno --- */

static int read_attribute(const char *name)
{
	char value[64];

	return getxattr(at("file"), path_of("user.segfs.%s", name), value, sizeof(value)) < 0 ? -errno : 0;
}

static int set_attribute(const char *name, const char *value)
{
	return setxattr(at("file"), path_of("user.segfs.%s", name), value, strlen(value), 0) < 0 ? -errno : 0;
}

static int read_control(const char *name)
{
	char text[65536];

	return (int)read_text(at(path_of(".segfs/%s", name)), text, sizeof(text)) < 0 ? -errno : 0;
}

static int use_files(void)
{
	_cleanup_close_ int fd = open(at("file"), O_RDWR | O_CLOEXEC);
	_cleanup_close_ int made = open(at("made"), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	struct stat stat;

	return fd < 0 || made < 0 || fstat(fd, &stat) < 0 || ftruncate(made, 10) < 0 ||
			       rename(at("made"), at("moved")) < 0 || unlink(at("moved")) < 0
		       ? -errno
		       : 0;
}

/* Opens for writing of a segment that may have one writer; reads of its policy. */
static int use_policies(void)
{
	int result = set_attribute("writers", "1");
	int fd;

	if (result < 0)
		return result;
	fd = open(at("file"), O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	close(fd);
	result = set_attribute("lifetime", "ttl:1h");
	return result < 0 ? result : set_attribute("writers", "0");
}

static int ask_all(void)
{
	static const char *const attributes[] = {"lock",     "writers", "commit", "size-policy",
						 "lifetime", "io-mode", "source"};
	static const char *const control[] = {"version", "status", "config", "locks"};

	for (size_t i = 0; i < sizeof(attributes) / sizeof(attributes[0]); i++)
		if (read_attribute(attributes[i]) < 0) {
			fprintf(stderr, "%s: %s\n", attributes[i], strerror(errno));
			return -errno;
		}
	for (size_t i = 0; i < sizeof(control) / sizeof(control[0]); i++)
		if (read_control(control[i]) < 0) {
			fprintf(stderr, "%s: %s\n", control[i], strerror(errno));
			return -errno;
		}
	if (use_files() < 0 || use_policies() < 0) {
		perror("files, policies");
		return -errno;
	}
	return 0;
}

/* Conclusive only if a request that needs a place finds none, in each round. */
static int ask(void *unused)
{
	int fd = open(at("file"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	(void)unused;
	if (fd < 0)
		return 1;
	close(fd);
	for (int i = 0; i < ROUNDS; i++) {
		if (!wait_for(read_attribute("attached") == -EAGAIN))
			return 2;
		if (ask_all() < 0)
			return 3;
	}
	return 0;
}

static void what_needs_no_place(void **unused)
{
	(void)unused;
	assert_int_equal(as_user(TEST_UID, TEST_GID, ask, NULL), 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_needs_no_place, start_default, stop),
		cmocka_unit_test_setup_teardown(what_needs_no_place, start_mand, stop),
	};

	if (geteuid() != 0)
		skip_program("root");
	return cmocka_run_group_tests_name("deferral", tests, NULL, NULL);
}
