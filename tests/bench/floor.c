// SPDX-License-Identifier: MIT
/*
 * The minimal cost of a listing through FUSE: a server of one directory, which replies at once and from
 * memory. The kernel may cache its replies for an hour; the rest are the round trips. No daemon with ACLs can
 * have fewer: only GETXATTR returns an ACL, and each READDIRPLUS invalidates it.
 */
#include "tests/bench/bench.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define BEFORE_INO 2u    /* the first file is node 2 */
#define LIFETIME   3600u /* seconds */
#define LONGEST    (1024u * 1024u + 4096u)

static struct {
	int fuse;
	unsigned int n;
	mode_t mode; /* of each file */
	_Alignas(8) unsigned char in[LONGEST];
	_Alignas(8) unsigned char out[LONGEST];
	pid_t pid; /* of the server; 0 = none */
	char mount_point[512];
} server;

static void answer(uint64_t unique, int error, size_t length)
{
	struct fuse_out_header *header = (void *)server.out;

	header->len = (uint32_t)(sizeof(*header) + length);
	header->error = -error;
	header->unique = unique;
	/* ENOENT: the requester was killed */
	if (write(server.fuse, server.out, header->len) < 0 && errno != ENOENT)
		_exit(1);
}

/* The body of the reply, zeroed. */
static void *body(size_t length)
{
	return memset(server.out + sizeof(struct fuse_out_header), 0, length);
}

static void fill_attributes(struct fuse_attr *attributes, uint64_t node)
{
	bool is_root = node == FUSE_ROOT_ID;

	attributes->ino = node;
	attributes->mode = is_root ? S_IFDIR | 0755 : server.mode;
	attributes->nlink = is_root || S_ISDIR(server.mode) ? 2 : 1;
	attributes->blksize = 4096;
}

static void fill_entry(struct fuse_entry_out *entry, unsigned int index)
{
	entry->nodeid = index + BEFORE_INO;
	entry->entry_valid = LIFETIME;
	entry->attr_valid = LIFETIME;
	fill_attributes(&entry->attr, entry->nodeid);
}

static void initialize(const struct fuse_in_header *header, const struct fuse_init_in *in)
{
	struct fuse_init_out *out = body(sizeof(*out));

	out->major = FUSE_KERNEL_VERSION;
	out->minor = in->minor < FUSE_KERNEL_MINOR_VERSION ? in->minor : FUSE_KERNEL_MINOR_VERSION;
	out->max_readahead = in->max_readahead;
	out->max_write = 1024 * 1024;
	out->max_pages = 256;
	out->time_gran = 1;
	out->flags = in->flags & (FUSE_DO_READDIRPLUS | FUSE_POSIX_ACL | FUSE_MAX_PAGES | FUSE_BIG_WRITES |
				  FUSE_PARALLEL_DIROPS);
	answer(header->unique, 0, sizeof(*out));
}

static void tell_attributes(const struct fuse_in_header *header)
{
	struct fuse_attr_out *out = body(sizeof(*out));

	out->attr_valid = LIFETIME;
	fill_attributes(&out->attr, header->nodeid);
	answer(header->unique, 0, sizeof(*out));
}

static void look_up(const struct fuse_in_header *header, const char *name)
{
	char *end;
	unsigned long index = strtoul(name, &end, 10);
	struct fuse_entry_out *out;

	if (*end || end == name || index >= server.n) {
		answer(header->unique, ENOENT, 0);
		return;
	}
	out = body(sizeof(*out));
	fill_entry(out, (unsigned int)index);
	answer(header->unique, 0, sizeof(*out));
}

static void list(const struct fuse_in_header *header, const struct fuse_read_in *in)
{
	unsigned char *out = server.out + sizeof(struct fuse_out_header);
	size_t limit = in->size < LONGEST - 4096 ? in->size : LONGEST - 4096;
	size_t length = 0;

	for (uint64_t index = in->offset; index < server.n; index++) {
		struct fuse_direntplus *entry = (void *)(out + length);
		char name[32];
		size_t size =
			FUSE_DIRENT_ALIGN(FUSE_NAME_OFFSET_DIRENTPLUS +
					  (size_t)snprintf(name, sizeof(name), "%05u", (unsigned int)index));

		if (length + size > limit)
			break;
		memset(entry, 0, size);
		fill_entry(&entry->entry_out, (unsigned int)index);
		entry->dirent.ino = entry->entry_out.nodeid;
		entry->dirent.off = index + 1;
		entry->dirent.namelen = (uint32_t)strlen(name);
		entry->dirent.type = server.mode >> 12;
		memcpy(entry->dirent.name, name, strlen(name));
		length += size;
	}
	answer(header->unique, 0, length);
}

static void answer_request(void)
{
	const struct fuse_in_header *header = (const void *)server.in;
	const void *in = header + 1;

	switch (header->opcode) {
	case FUSE_INIT:
		initialize(header, in);
		break;
	case FUSE_LOOKUP:
		look_up(header, in);
		break;
	case FUSE_GETATTR:
		tell_attributes(header);
		break;
	case FUSE_READDIR:
	case FUSE_READDIRPLUS:
		list(header, in);
		break;
	case FUSE_OPENDIR:
		/* not cached: every listing is current */
		body(sizeof(struct fuse_open_out));
		answer(header->unique, 0, sizeof(struct fuse_open_out));
		break;
	case FUSE_RELEASEDIR:
		answer(header->unique, 0, 0);
		break;
	case FUSE_GETXATTR:
		/* ls requests an attribute that does not exist here, once */
		answer(header->unique,
		       strcmp((const char *)in + sizeof(struct fuse_getxattr_in), "security.selinux") == 0
			       ? EOPNOTSUPP
			       : ENODATA,
		       0);
		break;
	case FUSE_LISTXATTR:
		if (((const struct fuse_getxattr_in *)in)->size == 0)
			body(sizeof(struct fuse_getxattr_out));
		answer(header->unique, 0,
		       ((const struct fuse_getxattr_in *)in)->size == 0 ? sizeof(struct fuse_getxattr_out)
									: 0);
		break;
	case FUSE_FORGET:
	case FUSE_BATCH_FORGET:
	case FUSE_INTERRUPT:
		break;
	default:
		answer(header->unique, ENOSYS, 0);
		break;
	}
}

__attribute__((noreturn)) static void serve(void)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;) {
		if (read(server.fuse, server.in, sizeof(server.in)) >= 0)
			answer_request();
		else if (errno != EINTR && errno != ENOENT)
			_exit(0);
	}
}

void floor_start(const char *mount_point, unsigned int n, bool directories)
{
	char options[128];

	server.n = n;
	server.mode = directories ? S_IFDIR | 0500 : S_IFREG | 0600;
	server.fuse = (int)must(open("/dev/fuse", O_RDWR | O_CLOEXEC));
	snprintf(options, sizeof(options),
		 "fd=%d,rootmode=40000,user_id=0,group_id=0,default_permissions,allow_other", server.fuse);
	must(mount("floor", mount_point, "fuse.floor", MS_NOSUID | MS_NODEV, options));
	snprintf(server.mount_point, sizeof(server.mount_point), "%s", mount_point);
	server.pid = fork();
	if (server.pid == 0)
		serve();
	must(server.pid);
	close(server.fuse);
}

void floor_stop(void)
{
	if (!*server.mount_point)
		return;
	umount2(server.mount_point, MNT_DETACH);
	*server.mount_point = 0;
	if (server.pid > 0)
		waitpid(server.pid, NULL, 0);
	server.pid = 0;
}
