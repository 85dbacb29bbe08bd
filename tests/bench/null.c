// SPDX-License-Identifier: MIT
/*
 * The null daemon: a FUSE server of names without data, all in memory, in one thread and without a library.
 * It announces the abilities that segfs announces, so that the kernel sends the same requests, and answers
 * each by one write(2). Nodes are never used again.
 *
 * A name that begins with "un" exists as soon as it is looked up: the bench can't create files past it.
 */
#include "tests/bench/bench.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define LIFETIME  3600u /* seconds */
#define LONGEST   (1024u * 1024u + 4096u)
#define FIRST     3u /* node; as offsets, 1 and 2 stand for "." and ".." */
#define NODES     (8u * 1024u * 1024u)
#define BUCKETS   (256u * 1024u)
#define NAME_SIZE 24
#define VALUE     16 /* bytes of an attribute */

/* Index: the node's number. Links are such numbers; 0 = none. */
struct node {
	uint32_t parent;
	uint32_t chained;  /* next in its bucket */
	uint32_t next;     /* in its directory, in order of creation */
	uint32_t previous; /* as next */
	uint32_t first;    /* entry of this directory */
	uint32_t last;     /* as first */
	uint32_t mode;     /* 0 = removed */
	uint32_t length;   /* bytes of the value; 0 = none is set */
	uint64_t size;     /* bytes, as truncate(2) set it */
	char name[NAME_SIZE];
	char value[VALUE]; /* of the one attribute */
};

static struct node *nodes;
static uint32_t n_nodes = FIRST;
static uint32_t buckets[BUCKETS];
static int fuse;
static _Alignas(8) unsigned char in_buffer[LONGEST];
static _Alignas(8) unsigned char out_buffer[LONGEST];

/* --- names --- */

static uint32_t *bucket_of(uint32_t parent, const char *name)
{
	uint32_t hash = 2166136261u ^ parent;

	for (; *name; name++)
		hash = (hash ^ (unsigned char)*name) * 16777619u;
	return &buckets[(hash ^ hash >> 16) % BUCKETS];
}

static uint32_t find(uint32_t parent, const char *name)
{
	uint32_t node = *bucket_of(parent, name);

	while (node && (nodes[node].parent != parent || strcmp(nodes[node].name, name) != 0))
		node = nodes[node].chained;
	return node;
}

static void attach(uint32_t node, uint32_t parent, const char *name)
{
	uint32_t *bucket = bucket_of(parent, name);
	struct node *directory = &nodes[parent];

	snprintf(nodes[node].name, NAME_SIZE, "%s", name);
	nodes[node].parent = parent;
	nodes[node].chained = *bucket;
	*bucket = node;
	nodes[node].next = 0;
	nodes[node].previous = directory->last;
	*(directory->last ? &nodes[directory->last].next : &directory->first) = node;
	directory->last = node;
}

static void detach(uint32_t node)
{
	struct node *found = &nodes[node];
	struct node *directory = &nodes[found->parent];
	uint32_t *link = bucket_of(found->parent, found->name);

	while (*link != node)
		link = &nodes[*link].chained;
	*link = found->chained;
	*(found->previous ? &nodes[found->previous].next : &directory->first) = found->next;
	*(found->next ? &nodes[found->next].previous : &directory->last) = found->previous;
}

/* Returns 0 if that can't be. */
static uint32_t create(uint32_t parent, const char *name, uint32_t mode)
{
	uint32_t node = n_nodes;

	if (strlen(name) >= NAME_SIZE || n_nodes == NODES)
		return 0;
	n_nodes++;
	nodes[node].mode = mode;
	attach(node, parent, name);
	return node;
}

/* --- replies --- */

static void answer(uint64_t unique, int error, size_t length)
{
	struct fuse_out_header *header = (void *)out_buffer;

	header->len = (uint32_t)(sizeof(*header) + length);
	header->error = -error;
	header->unique = unique;
	/* ENOENT: the requester was killed */
	if (write(fuse, out_buffer, header->len) < 0 && errno != ENOENT)
		_exit(1);
}

/* The body of the reply, zeroed. */
static void *body(size_t length)
{
	return memset(out_buffer + sizeof(struct fuse_out_header), 0, length);
}

static void fill_attributes(struct fuse_attr *attributes, uint64_t node)
{
	attributes->ino = node;
	attributes->mode = nodes[node].mode;
	attributes->nlink = S_ISDIR(nodes[node].mode) ? 2 : 1;
	attributes->size = nodes[node].size;
	attributes->blksize = 4096;
}

/* node: 0 = there is none, which the kernel may remember */
static void fill_entry(struct fuse_entry_out *entry, uint64_t node)
{
	entry->nodeid = node;
	entry->entry_valid = LIFETIME;
	if (!node)
		return;
	entry->attr_valid = LIFETIME;
	fill_attributes(&entry->attr, node);
}

static void answer_entry(uint64_t unique, uint64_t node)
{
	fill_entry(body(sizeof(struct fuse_entry_out)), node);
	answer(unique, 0, sizeof(struct fuse_entry_out));
}

static void answer_attributes(uint64_t unique, uint64_t node)
{
	struct fuse_attr_out *out = body(sizeof(*out));

	out->attr_valid = LIFETIME;
	fill_attributes(&out->attr, node);
	answer(unique, 0, sizeof(*out));
}

/* --- requests --- */

static void initialize(const struct fuse_in_header *header, const struct fuse_init_in *in)
{
	struct fuse_init_out *out = body(sizeof(*out));

	out->major = FUSE_KERNEL_VERSION;
	out->minor = in->minor < FUSE_KERNEL_MINOR_VERSION ? in->minor : FUSE_KERNEL_MINOR_VERSION;
	out->max_readahead = in->max_readahead;
	out->max_write = 1024 * 1024;
	out->max_pages = 256;
	out->time_gran = 1;
	out->flags = in->flags & (FUSE_DO_READDIRPLUS | FUSE_READDIRPLUS_AUTO | FUSE_POSIX_ACL |
				  FUSE_DONT_MASK | FUSE_MAX_PAGES | FUSE_BIG_WRITES | FUSE_PARALLEL_DIROPS |
				  FUSE_ATOMIC_O_TRUNC | FUSE_HANDLE_KILLPRIV_V2);
	answer(header->unique, 0, sizeof(*out));
}

static void look_up(const struct fuse_in_header *header, const char *name)
{
	uint32_t node = find((uint32_t)header->nodeid, name);

	if (!node && strncmp(name, "un", 2) == 0)
		node = create((uint32_t)header->nodeid, name, S_IFREG | 0644);
	answer_entry(header->unique, node);
}

static void set_attributes(const struct fuse_in_header *header, const struct fuse_setattr_in *in)
{
	struct node *node = &nodes[header->nodeid];

	if (in->valid & FATTR_SIZE)
		node->size = in->size;
	if (in->valid & FATTR_MODE)
		node->mode = in->mode;
	answer_attributes(header->unique, header->nodeid);
}

static void make_directory(const struct fuse_in_header *header, const struct fuse_mkdir_in *in)
{
	uint32_t node = create((uint32_t)header->nodeid, (const char *)(in + 1),
			       S_IFDIR | (in->mode & ~in->umask & 07777));

	if (node)
		answer_entry(header->unique, node);
	else
		answer(header->unique, ENOSPC, 0);
}

static void create_and_open(const struct fuse_in_header *header, const struct fuse_create_in *in)
{
	uint32_t node = create((uint32_t)header->nodeid, (const char *)(in + 1),
			       S_IFREG | (in->mode & ~in->umask & 07777));
	struct fuse_entry_out *entry = body(sizeof(*entry) + sizeof(struct fuse_open_out));
	struct fuse_open_out *open = (void *)(entry + 1);

	if (!node) {
		answer(header->unique, ENOSPC, 0);
		return;
	}
	fill_entry(entry, node);
	open->open_flags = FOPEN_NOFLUSH;
	answer(header->unique, 0, sizeof(*entry) + sizeof(*open));
}

static void open_file(const struct fuse_in_header *header)
{
	struct fuse_open_out *out = body(sizeof(*out));

	out->open_flags = header->opcode == FUSE_OPEN ? FOPEN_NOFLUSH : 0;
	answer(header->unique, 0, sizeof(*out));
}

static void remove_name(const struct fuse_in_header *header, const char *name)
{
	uint32_t node = find((uint32_t)header->nodeid, name);
	int error = !node ? ENOENT : nodes[node].first ? ENOTEMPTY : 0;

	if (!error)
		detach(node);
	answer(header->unique, error, 0);
}

/* names: the old and the new one, each with its final zero */
static void rename_node(const struct fuse_in_header *header, uint64_t new_parent, const char *names)
{
	const char *new_name = names + strlen(names) + 1;
	uint32_t node = find((uint32_t)header->nodeid, names);
	uint32_t replaced = find((uint32_t)new_parent, new_name);

	if (!node || strlen(new_name) >= NAME_SIZE) {
		answer(header->unique, node ? ENAMETOOLONG : ENOENT, 0);
		return;
	}
	if (replaced && replaced != node)
		detach(replaced);
	detach(node);
	attach(node, (uint32_t)new_parent, new_name);
	answer(header->unique, 0, 0);
}

static void set_attribute(const struct fuse_in_header *header, const char *in)
{
	/* without FUSE_SETXATTR_EXT, the short form */
	const struct fuse_setxattr_in *setxattr = (const void *)in;
	const char *name = in + FUSE_COMPAT_SETXATTR_IN_SIZE;
	struct node *node = &nodes[header->nodeid];

	if (setxattr->size > VALUE) {
		answer(header->unique, ENOSPC, 0);
		return;
	}
	memcpy(node->value, name + strlen(name) + 1, setxattr->size);
	node->length = setxattr->size;
	answer(header->unique, 0, 0);
}

static void get_attribute(const struct fuse_in_header *header, const struct fuse_getxattr_in *in)
{
	const struct node *node = &nodes[header->nodeid];
	const char *name = (const char *)(in + 1);

	if (node->length == 0 || strncmp(name, "user.", 5) != 0) {
		/* ls asks for this one until it is told that there is none on this file system */
		answer(header->unique, strcmp(name, "security.selinux") == 0 ? EOPNOTSUPP : ENODATA, 0);
	} else if (in->size == 0) {
		((struct fuse_getxattr_out *)body(sizeof(struct fuse_getxattr_out)))->size = node->length;
		answer(header->unique, 0, sizeof(struct fuse_getxattr_out));
	} else {
		memcpy(out_buffer + sizeof(struct fuse_out_header), node->value, node->length);
		answer(header->unique, in->size < node->length ? ERANGE : 0,
		       in->size < node->length ? 0 : node->length);
	}
}

/* No attribute is listed: ls asks for the size of the list. */
static void list_xattrs(const struct fuse_in_header *header, const struct fuse_getxattr_in *in)
{
	size_t length = in->size == 0 ? sizeof(struct fuse_getxattr_out) : 0;

	body(length);
	answer(header->unique, 0, length);
}

/* Returns the bytes of the entry at `out`, 0 if it does not fit. plus: with its attributes. */
static size_t put_entry(unsigned char *out, size_t room, bool plus, uint64_t node, uint64_t offset,
			const char *name)
{
	size_t length = strlen(name);
	size_t before = plus ? FUSE_NAME_OFFSET_DIRENTPLUS - FUSE_NAME_OFFSET : 0;
	size_t size = FUSE_DIRENT_ALIGN(before + FUSE_NAME_OFFSET + length);
	struct fuse_dirent *entry = (void *)(out + before);

	if (size > room)
		return 0;
	memset(out, 0, before);
	if (plus && node >= FIRST)
		fill_entry((void *)out, node);
	entry->ino = node;
	entry->off = offset;
	entry->namelen = (uint32_t)length;
	entry->type = nodes[node].mode >> 12;
	memcpy(entry->name, name, length);
	memset(entry->name + length, 0, size - before - FUSE_NAME_OFFSET - length);
	return size;
}

/* An offset is the number of the node before; 0, and the two below FIRST, are the start. */
static void list(const struct fuse_in_header *header, const struct fuse_read_in *in)
{
	static const char *const dots[] = {".", ".."};
	bool plus = header->opcode == FUSE_READDIRPLUS;
	unsigned char *out = out_buffer + sizeof(struct fuse_out_header);
	size_t limit = in->size < LONGEST - 4096 ? in->size : LONGEST - 4096;
	size_t length = 0;
	size_t added = 1;
	uint64_t offset = in->offset;
	uint32_t node;

	for (; offset < FIRST - 1; offset++)
		length +=
			put_entry(out + length, limit - length, plus, FUSE_ROOT_ID, offset + 1, dots[offset]);
	node = offset < FIRST ? nodes[header->nodeid].first : nodes[offset].next;
	for (; node && added > 0; node = nodes[node].next) {
		added = put_entry(out + length, limit - length, plus, node, node, nodes[node].name);
		length += added;
	}
	answer(header->unique, 0, length);
}

static void tell_space(const struct fuse_in_header *header)
{
	struct fuse_statfs_out *out = body(sizeof(*out));

	out->st.bsize = out->st.frsize = 4096;
	out->st.namelen = NAME_SIZE - 1;
	answer(header->unique, 0, sizeof(*out));
}

static void answer_request(void)
{
	const struct fuse_in_header *header = (const void *)in_buffer;
	const void *in = header + 1;

	switch (header->opcode) {
	case FUSE_INIT:
		initialize(header, in);
		break;
	case FUSE_LOOKUP:
		look_up(header, in);
		break;
	case FUSE_GETATTR:
		answer_attributes(header->unique, header->nodeid);
		break;
	case FUSE_SETATTR:
		set_attributes(header, in);
		break;
	case FUSE_MKDIR:
		make_directory(header, in);
		break;
	case FUSE_CREATE:
		create_and_open(header, in);
		break;
	case FUSE_OPEN:
	case FUSE_OPENDIR: /* not cached: every listing is current */
		open_file(header);
		break;
	case FUSE_RELEASE:
	case FUSE_RELEASEDIR:
		answer(header->unique, 0, 0);
		break;
	case FUSE_UNLINK:
	case FUSE_RMDIR:
		remove_name(header, in);
		break;
	case FUSE_RENAME:
		rename_node(header, ((const struct fuse_rename_in *)in)->newdir,
			    (const char *)in + sizeof(struct fuse_rename_in));
		break;
	case FUSE_RENAME2:
		rename_node(header, ((const struct fuse_rename2_in *)in)->newdir,
			    (const char *)in + sizeof(struct fuse_rename2_in));
		break;
	case FUSE_SETXATTR:
		set_attribute(header, in);
		break;
	case FUSE_GETXATTR:
		get_attribute(header, in);
		break;
	case FUSE_LISTXATTR:
		list_xattrs(header, in);
		break;
	case FUSE_READDIR:
	case FUSE_READDIRPLUS:
		list(header, in);
		break;
	case FUSE_STATFS:
		tell_space(header);
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

static void mount_null(const char *mount_point)
{
	char options[128];

	nodes = mmap(NULL, NODES * sizeof(*nodes), PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (nodes == MAP_FAILED)
		die("no memory");
	nodes[FUSE_ROOT_ID].mode = S_IFDIR | 0755;
	fuse = (int)must(open("/dev/fuse", O_RDWR | O_CLOEXEC));
	snprintf(options, sizeof(options),
		 "fd=%d,rootmode=40000,user_id=0,group_id=0,default_permissions,allow_other", fuse);
	must(mount("null", mount_point, "fuse.null", MS_NOSUID | MS_NODEV, options));
}

/* Returns when the file system is unmounted. */
static void serve(void)
{
	for (;;) {
		if (read(fuse, in_buffer, sizeof(in_buffer)) >= 0)
			answer_request();
		else if (errno != EINTR && errno != ENOENT)
			return;
	}
}

void null_serve(const char *mount_point)
{
	mount_null(mount_point);
	serve();
}

static struct {
	pid_t pid; /* 0 = none */
	char mount_point[512];
} server;

void null_start(const char *mount_point, unsigned int n, bool directories)
{
	mount_null(mount_point);
	snprintf(server.mount_point, sizeof(server.mount_point), "%s", mount_point);
	server.pid = fork();
	if (server.pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (unsigned int i = 0; i < n; i++) {
			char name[NAME_SIZE];

			snprintf(name, sizeof(name), "%05u", i);
			create(FUSE_ROOT_ID, name, directories ? S_IFDIR | 0500 : S_IFREG | 0600);
		}
		serve();
		_exit(0);
	}
	must(server.pid);
	close(fuse);
	munmap(nodes, NODES * sizeof(*nodes));
}

void null_stop(void)
{
	if (!*server.mount_point)
		return;
	umount2(server.mount_point, MNT_DETACH);
	*server.mount_point = 0;
	if (server.pid > 0)
		waitpid(server.pid, NULL, 0);
	server.pid = 0;
}
