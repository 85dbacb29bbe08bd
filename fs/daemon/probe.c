// SPDX-License-Identifier: MIT
#include "fs/daemon/probe.h"
#include "fs/fuse/identity.h"
#include "fs/fuse/protocol.h"
#include "fs/state/features.h"
#include "lib/base/cleanup.h"
#include "lib/base/clock.h"
#include "lib/base/procfs.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#define PLACE       "/dev" /* exists everywhere, and is not needed once /dev/fuse is open */
#define FILE_NAME   PLACE "/probe"
#define FILE_NODE   2
#define MESSAGE_MAX 8192       /* bytes; the kernel demands as much */
#define TIME_MAX    5000000000 /* nanoseconds for all of it */
#define LOOKS       20         /* in a row, 1 ms apart, that find the closing process blocked */
#define FLAG2(bit)  (UINT32_C(1) << ((bit)-32)) /* of fuse_init_in.flags2 */

/* What the child finds out; shared with it. */
struct findings {
	int result;
	uint32_t features;
};

/* A server of one file, in the child, and its two clients. */
struct probe {
	int fuse_fd;
	int close_now[2]; /* pipe: the closing process waits for its end */
	pid_t writer;     /* writes a byte, and gets no reply until the end */
	pid_t closer;     /* opens the file, and closes it when the write has come */
	unsigned int opens;
	uint64_t write_id; /* the WRITE without a reply, 0 = none yet */
	bool has_flush;    /* FLUSH came while the write waited */
	uint32_t *features;
};

static void find_by_calls(uint32_t *features)
{
	_cleanup_close_ int fd = memfd_create("segfs-probe", MFD_CLOEXEC);

	if (!procfs_identity_waits())
		*features |= UINT32_C(1) << FEATURE_PIDFS;
	if (identity_can_be_asked())
		*features |= UINT32_C(1) << FEATURE_PIDFD_INFO;
	if (fd >= 0 && fsetxattr(fd, "user.segfs", "", 0, 0) == 0)
		*features |= UINT32_C(1) << FEATURE_USER_XATTR;
}

/* --- the server --- */

static void reply(const struct probe *probe, uint64_t unique, int error, const void *body, size_t size)
{
	struct {
		struct fuse_out_header header;
		char body[256];
	} message = {.header = {.len = (uint32_t)(sizeof(message.header) + size),
				.error = error,
				.unique = unique}};

	if (size > 0)
		memcpy(message.body, body, size);
	/* ENOENT: the client is gone */
	if (write(probe->fuse_fd, &message, message.header.len) < 0)
		return;
}

static struct fuse_attr attributes_of(uint64_t node)
{
	return (struct fuse_attr){
		.ino = node,
		.size = 4096,
		.nlink = 1,
		.mode = node == FILE_NODE ? S_IFREG | 0666 : S_IFDIR | 0777,
		.blksize = 4096,
	};
}

static void find_by_init(struct probe *probe, const struct fuse_init_in *in)
{
	static const struct {
		enum feature feature;
		uint32_t flag2;
	} offered[] = {
		{FEATURE_EXPIRE_ONLY, FLAG2(35)},
		{FEATURE_MMAP_DIRECT_IO, FLAG2(36)},
		{FEATURE_PASSTHROUGH, FLAG2(37)},
		{FEATURE_IDMAPPED, FLAG2(40)},
	};
	const uint32_t flags2 = in->flags & FUSE_INIT_EXT ? in->flags2 : 0;

	for (size_t i = 0; i < sizeof(offered) / sizeof(offered[0]); i++)
		if (flags2 & offered[i].flag2)
			*probe->features |= UINT32_C(1) << offered[i].feature;
}

/* An empty list of nodes to forget. */
static void find_prune(struct probe *probe)
{
	const struct {
		struct fuse_out_header header;
		struct protocol_prune prune;
	} message = {.header = {.len = sizeof(message), .error = PROTOCOL_NOTIFY_PRUNE}};

	if (write(probe->fuse_fd, &message, sizeof(message)) == (ssize_t)sizeof(message))
		*probe->features |= UINT32_C(1) << FEATURE_PRUNE;
}

static void serve_init(struct probe *probe, const struct fuse_in_header *header)
{
	const struct fuse_init_out out = {
		.major = FUSE_KERNEL_VERSION,
		.minor = 31,
		.max_background = 16,
		.congestion_threshold = 12,
		.max_write = 4096,
		.time_gran = 1,
	};

	find_by_init(probe, (const void *)(header + 1));
	reply(probe, header->unique, 0, &out, sizeof(out));
	find_prune(probe);
}

static void serve(struct probe *probe, const struct fuse_in_header *header)
{
	const struct fuse_entry_out entry = {
		.nodeid = FILE_NODE, .entry_valid = 60, .attr_valid = 60, .attr = attributes_of(FILE_NODE)};
	const struct fuse_attr_out attributes = {.attr_valid = 60, .attr = attributes_of(header->nodeid)};
	const struct fuse_open_out open = {.fh = 1, .open_flags = FOPEN_DIRECT_IO};

	switch (header->opcode) {
	case FUSE_INIT:
		serve_init(probe, header);
		break;
	case FUSE_LOOKUP:
		reply(probe, header->unique, 0, &entry, sizeof(entry));
		break;
	case FUSE_GETATTR:
		reply(probe, header->unique, 0, &attributes, sizeof(attributes));
		break;
	case FUSE_OPEN:
		probe->opens++;
		reply(probe, header->unique, 0, &open, sizeof(open));
		break;
	case FUSE_WRITE:
		probe->write_id = header->unique;
		break;
	case FUSE_FLUSH:
		probe->has_flush = true;
		reply(probe, header->unique, 0, NULL, 0);
		break;
	case FUSE_FORGET:
	case FUSE_BATCH_FORGET:
	case FUSE_INTERRUPT:
		break;
	default:
		reply(probe, header->unique, -ENOSYS, NULL, 0);
	}
}

/* --- the clients --- */

static pid_t start_client(struct probe *probe, void (*run)(const struct probe *probe))
{
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* the server's ends are to be the only ones */
	close(probe->fuse_fd);
	close(probe->close_now[1]);
	run(probe);
	_exit(0);
}

static void write_byte(const struct probe *probe)
{
	int fd = open(FILE_NAME, O_RDWR | O_CLOEXEC);

	(void)probe;
	if (fd >= 0 && pwrite(fd, "", 1, 0) < 0)
		_exit(1);
}

static void close_file(const struct probe *probe)
{
	int fd = open(FILE_NAME, O_RDWR | O_CLOEXEC);
	char byte;

	if (read(probe->close_now[0], &byte, 1) == 0)
		close(fd);
}

/* Serves the clients until it is known whether FLUSH comes while a write waits. */
static int find_close(struct probe *probe)
{
	_Alignas(8) char message[MESSAGE_MAX];
	const uint64_t end = monotonic_nanoseconds() + TIME_MAX;
	unsigned int blocked = 0;

	while (!probe->has_flush && blocked < LOOKS) {
		struct pollfd device = {.fd = probe->fuse_fd, .events = POLLIN};
		ssize_t length = 0;

		if (poll(&device, 1, 1) > 0)
			length = read(probe->fuse_fd, message, sizeof(message));
		if (length >= (ssize_t)sizeof(struct fuse_in_header))
			serve(probe, (const void *)message);
		else if (monotonic_nanoseconds() > end)
			return -ETIMEDOUT;
		if (probe->opens < 2 || probe->write_id == 0)
			continue;
		if (probe->close_now[1] >= 0)
			close(probe->close_now[1]);
		probe->close_now[1] = -1;
		/* D: a wait that no signal ends, as that for the inode's lock */
		blocked = procfs_state(probe->closer) == 'D' ? blocked + 1 : 0;
	}
	if (probe->has_flush)
		*probe->features |= UINT32_C(1) << FEATURE_CLOSE_UNLOCKED;
	return 0;
}

/* --- the child --- */

static int write_text(const char *path, const char *text)
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC);

	return fd < 0 || write(fd, text, strlen(text)) < 0 ? -errno : 0;
}

/* A mount namespace from which nothing gets out; for an ordinary user in a user namespace, as its root. */
static int enter_namespace(void)
{
	const uid_t uid = geteuid();
	const gid_t gid = getegid();
	char map[64];
	int result = 0;

	if (unshare(CLONE_NEWNS | (uid ? CLONE_NEWUSER : 0)) < 0)
		return -errno;
	if (uid) {
		snprintf(map, sizeof(map), "0 %u 1", uid);
		result = write_text("/proc/self/uid_map", map);
		if (result == 0)
			result = write_text("/proc/self/setgroups", "deny");
		snprintf(map, sizeof(map), "0 %u 1", gid);
		if (result == 0)
			result = write_text("/proc/self/gid_map", map);
	}
	if (result == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		result = -errno;
	return result;
}

static int mount_probe(struct probe *probe)
{
	char options[128];

	probe->fuse_fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	if (probe->fuse_fd < 0)
		return -errno;
	snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=%u,group_id=%u", probe->fuse_fd,
		 geteuid(), getegid());
	return mount("segfs-probe", PLACE, "fuse", MS_NOSUID | MS_NODEV, options) < 0 ? -errno : 0;
}

static void run_child(struct findings *findings)
{
	struct probe probe = {.fuse_fd = -1, .close_now = {-1, -1}, .features = &findings->features};

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	findings->result = enter_namespace();
	if (findings->result == 0)
		findings->result = mount_probe(&probe);
	if (findings->result < 0)
		return;
	if (pipe2(probe.close_now, O_CLOEXEC) < 0) {
		findings->result = -errno;
		return;
	}
	probe.closer = start_client(&probe, close_file);
	probe.writer = probe.closer < 0 ? -1 : start_client(&probe, write_byte);
	findings->result = probe.writer < 0 ? -errno : find_close(&probe);
	/* ends the connection, and so what the clients wait for */
	close(probe.fuse_fd);
	if (probe.closer > 0)
		kill(probe.closer, SIGKILL);
	if (probe.writer > 0)
		kill(probe.writer, SIGKILL);
	while (wait(NULL) >= 0 || errno == EINTR)
		;
}

int probe_features(uint32_t *features)
{
	struct findings *findings;
	pid_t pid;
	int result;

	*features = 0;
	find_by_calls(features);
	findings = mmap(NULL, sizeof(*findings), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (findings == MAP_FAILED)
		return -errno;
	findings->result = -ECHILD;
	pid = fork();
	if (pid == 0) {
		run_child(findings);
		_exit(0);
	}
	result = pid < 0 ? -errno : 0;
	while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	if (result == 0) {
		result = findings->result;
		*features |= findings->features;
	}
	/* a mount that may be idmapped needs both */
	if (!feature_in(*features, FEATURE_PIDFD_INFO))
		*features &= ~(UINT32_C(1) << FEATURE_IDMAPPED);
	munmap(findings, sizeof(*findings));
	return result;
}
