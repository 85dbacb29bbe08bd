// SPDX-License-Identifier: MIT
#include "tests/lib/hanging.h"
#include "lib/base/cleanup.h"
#include "tests/mount/harness.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/fuse.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define MESSAGE_MAX (128 * 1024)
#define OP_STATX    52 /* FUSE_STATX of later headers */
#define FILE_NODE   2
#define DEV_NODE    3
#define SHM_NODE    4

static struct {
	int device;
	pthread_t server;
	char path[PATH_MAX];          /* "" = not started */
	atomic_uint held;             /* requests without a reply */
	atomic_bool mute;             /* nor do GETATTR and STATFS get a reply */
	atomic_bool leaving;          /* everything gets a reply */
	uint64_t unique[HANGING_MAX]; /* of the first held requests */
	pid_t processes[HANGING_MAX];
	size_t n;
} hanging = {.device = -1};

union body {
	struct fuse_init_out init;
	struct fuse_entry_out entry;
	struct fuse_attr_out attr;
	struct fuse_open_out open;
};

static void set_attributes(struct fuse_attr *attr, uint64_t node)
{
	attr->ino = node;
	attr->mode = node == FILE_NODE ? S_IFREG | 0666 : S_IFDIR | 0755;
	attr->nlink = 1;
}

static bool is_held(const struct fuse_in_header *in)
{
	if (atomic_load(&hanging.leaving))
		return false;
	return in->opcode == FUSE_FLUSH ||
	       (atomic_load(&hanging.mute) &&
		(in->opcode == FUSE_GETATTR || in->opcode == OP_STATX || in->opcode == FUSE_STATFS));
}

/* Returns the size of the reply's body, -1 for no reply, or a negative errno to reply with. */
static int answer_to(const struct fuse_in_header *in, union body *body)
{
	const struct fuse_init_in *init = (const void *)(in + 1);
	const char *name = (const void *)(in + 1);

	if (is_held(in)) {
		unsigned int n = atomic_load(&hanging.held);

		if (n < HANGING_MAX)
			hanging.unique[n] = in->unique;
		/* after the counted data: whoever sees the number sees them */
		atomic_store(&hanging.held, n + 1);
		return -1;
	}
	switch (in->opcode) {
	case FUSE_INIT:
		body->init.major = FUSE_KERNEL_VERSION;
		body->init.minor =
			init->minor < FUSE_KERNEL_MINOR_VERSION ? init->minor : FUSE_KERNEL_MINOR_VERSION;
		body->init.max_write = 4096;
		return sizeof(body->init);
	case FUSE_LOOKUP:
		/* the directories of shared memory objects */
		body->entry.nodeid = strcmp(name, "dev") == 0   ? DEV_NODE
				     : strcmp(name, "shm") == 0 ? SHM_NODE
								: FILE_NODE;
		set_attributes(&body->entry.attr, body->entry.nodeid);
		return sizeof(body->entry);
	case FUSE_GETATTR:
		set_attributes(&body->attr.attr, in->nodeid);
		return sizeof(body->attr);
	case FUSE_OPEN:
		return sizeof(body->open);
	case FUSE_FORGET:
	case FUSE_BATCH_FORGET:
	case FUSE_INTERRUPT:
		return -1;
	case FUSE_RELEASE:
		return 0;
	default:
		return -ENOSYS;
	}
}

static void *serve(void *message)
{
	const struct fuse_in_header *in = message;
	struct {
		struct fuse_out_header header;
		union body body;
	} out;

	for (;;) {
		ssize_t length = read(hanging.device, message, MESSAGE_MAX);
		int size;

		if (length < 0 && (errno == EINTR || errno == ENOENT))
			continue;
		if (length < (ssize_t)sizeof(*in))
			break;
		memset(&out, 0, sizeof(out));
		size = answer_to(in, &out.body);
		if (size == -1)
			continue;
		out.header.unique = in->unique;
		out.header.error = size < 0 ? size : 0;
		out.header.len = (uint32_t)sizeof(out.header) + (uint32_t)(size < 0 ? 0 : size);
		/* the requester may have been killed */
		if (write(hanging.device, &out, out.header.len) < 0 && errno != ENOENT)
			break;
	}
	free(message);
	return NULL;
}

int hanging_begin(void)
{
	return hanging_begin_at(path_of("%s/hanging", test_directory()));
}

int hanging_begin_at(const char *path)
{
	void *message = malloc(MESSAGE_MAX);
	char options[128];

	snprintf(hanging.path, sizeof(hanging.path), "%s", path);
	hanging.device = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other",
		 hanging.device);
	if (!message || hanging.device < 0 || (mkdir(hanging.path, 0755) < 0 && errno != EEXIST) ||
	    mount("hanging", hanging.path, "fuse.hanging", MS_NOSUID | MS_NODEV, options) < 0) {
		perror(hanging.path);
		return -1;
	}
	atomic_store(&hanging.held, 0);
	atomic_store(&hanging.mute, false);
	atomic_store(&hanging.leaving, false);
	return pthread_create(&hanging.server, NULL, serve, message) == 0 ? 0 : -1;
}

static _Noreturn void hang(uid_t uid, gid_t gid, void (*before)(void *context), void *context)
{
	char file[PATH_MAX + 8];

	snprintf(file, sizeof(file), "%s/file", hanging.path);
	if (setgroups(0, NULL) < 0 || setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0)
		_exit(2);
	if (before)
		before(context);
	if (open(file, O_RDWR | O_CLOEXEC) < 0)
		_exit(3);
	execl("/bin/sleep", "sleep", "1000", NULL);
	_exit(4);
}

pid_t hanging_start(uid_t uid, gid_t gid, void (*before)(void *context), void *context)
{
	unsigned int held = atomic_load(&hanging.held);
	pid_t pid;

	assert_true(hanging.n < HANGING_MAX);
	pid = (pid_t)check(fork());
	if (pid == 0)
		hang(uid, gid, before, context);
	hanging.processes[hanging.n++] = pid;
	assert_true(wait_for(atomic_load(&hanging.held) > held));
	return pid;
}

const char *hanging_path(const char *name)
{
	return path_of("%s/%s", hanging.path, name);
}

void hanging_mute(void)
{
	atomic_store(&hanging.mute, true);
}

unsigned int hanging_held(void)
{
	return atomic_load(&hanging.held);
}

void hanging_detach(void)
{
	check(umount2(hanging.path, MNT_DETACH));
}

/* Once detached, only its server can end requests that hang in it. */
static void answer_all(void)
{
	unsigned int n = atomic_load(&hanging.held);

	atomic_store(&hanging.leaving, true);
	for (unsigned int i = 0; i < n && i < HANGING_MAX; i++) {
		const struct fuse_out_header out = {
			.len = sizeof(out), .error = -EIO, .unique = hanging.unique[i]};

		if (write(hanging.device, &out, sizeof(out)) < 0 && errno != ENOENT)
			perror("an answer of a file system that hangs");
	}
}

void hanging_end(void)
{
	if (!*hanging.path)
		return;
	for (size_t i = 0; i < hanging.n; i++)
		kill(hanging.processes[i], SIGKILL);
	answer_all();
	/* aborts requests without a reply */
	umount2(hanging.path, MNT_FORCE);
	umount2(hanging.path, MNT_DETACH);
	for (size_t i = 0; i < hanging.n; i++)
		waitpid(hanging.processes[i], NULL, 0);
	pthread_join(hanging.server, NULL);
	cleanup_close(&hanging.device);
	hanging.device = -1;
	hanging.n = 0;
	rmdir(hanging.path);
	*hanging.path = 0;
}
