// SPDX-License-Identifier: MIT
/*
 * Listing directories. The cookie of an entry is its position in the backing directory, so a listing
 * continues correctly when entries are added and removed, and when the worker dies. Entries that one
 * getdents64(2) has returned beyond the size of a reply are buffered for the next request. The buffer is lost
 * with the worker; the next one seeks.
 */
#include "fs/ops/dir.h"
#include "fs/fuse/reply.h"
#include "fs/ops/internal.h"
#include "fs/segment/entry.h"
#include "fs/segment/set_id.h"
#include "fs/source/source.h"
#include "fs/state/journal.h"
#include "lib/base/cleanup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>

#define STREAM_BUFFER   32768                 /* bytes read ahead */
#define LARGE_DIRECTORY (STREAM_BUFFER - 512) /* bytes of a read-ahead that filled the buffer */

/*
 * Bytes of a reply whose entries the kernel may cache for LISTED_TIMEOUT only: some 20 entries. ls(1) reads
 * the ACL of each, and more entries would expire before it is done.
 */
#define LISTED_REPLY 4096

/*
 * Cookies of the builtin directories, which are listed first. No file system uses positions this high, except
 * that ext4 uses INT64_MAX for the end of a directory.
 */
#define BUILTIN_COOKIE(n) (INT64_MAX - 64 + (int64_t)(n))

struct directory_stream {
	off_t position; /* cookie of the next entry in `buffer` */
	size_t taken;   /* bytes of `buffer` already sent */
	size_t length;  /* bytes of `buffer` filled */
	bool large;     /* the first read-ahead did not return the whole directory */
	char buffer[STREAM_BUFFER] __attribute__((aligned(8)));
};

/* One READDIR or READDIRPLUS. */
struct listing {
	struct request *request;
	struct fs *fs;
	const struct node_slot *dir;
	const struct source *source;
	struct directory_stream *stream;
	int fd;
	bool plus;
	char *out;
	size_t size; /* of `out`, bytes */
	size_t used;
};

static int open_list(struct request *request, const struct node_slot *dir)
{
	const struct source *source = source_of(&request->fs->state, dir);
	int result = source->as_requester ? request_identity(request, 0) : 0;

	return result < 0 ? result : source->list(&request->fs->state, dir);
}

static void drop_stream(struct fs *fs, uint64_t number)
{
	uint32_t index = (uint32_t)number;

	free(fs->streams[index]);
	fs->streams[index] = NULL;
}

int directory_close(struct fs *fs, uint64_t number)
{
	const struct handle_slot *handle = handle_get(&fs->state, number);
	int backing_id;

	if (!handle)
		return 0;
	if (handle->kind != HANDLE_DIRECTORY)
		return -EBADF;
	drop_stream(fs, number);
	handle_remove(&fs->state, number, &backing_id);
	return 0;
}

static int open_directory(struct request *request, uint64_t *number)
{
	const struct fuse_open_in *in = request->body;
	const struct node_slot *node = request_node(request);
	struct handle_open open = {
		.node = request->node,
		.unique = request->unique,
		.flags = in->flags,
		.pid = request_pid(request),
		.uid = request_uid(request),
		.mode = IO_RELAYED,
		.kind = HANDLE_DIRECTORY,
	};
	_cleanup_close_ int fd = -1;
	int backing_id;

	if (!node)
		return -ESTALE;
	if (node->type != S_IFDIR >> 12)
		return -ENOTDIR;
	if (journal_is_replay(&request->journal))
		request->fs->operations->undo_open(request->fs, request->unique);
	fd = open_list(request, node);
	if (fd < 0)
		return fd;
	return handle_add(&request->fs->state, &open, &fd, number, &backing_id);
}

int op_opendir(struct request *request)
{
	struct fuse_open_out out = {0};
	uint64_t number;
	int result = open_directory(request, &number);

	if (result < 0)
		return result;
	out.fh = number;
	if (reply_data(request, &out, sizeof(out)) < 0)
		directory_close(request->fs, number);
	return 0;
}

int op_releasedir(struct request *request)
{
	const struct fuse_release_in *in = request->body;

	return directory_close(request->fs, in->fh);
}

void directory_streams_free(struct fs *fs)
{
	uint32_t high = atomic_load(&fs->state.arena->header->handles_high);

	for (uint32_t i = 1; i < high; i++)
		drop_stream(fs, i);
}

static int read_ahead(struct listing *listing)
{
	struct directory_stream *stream = listing->stream;
	ssize_t length;

	if (listing->source->listed_in_memory)
		length = read(listing->fd, stream->buffer, sizeof(stream->buffer));
	else
		length = getdents64(listing->fd, stream->buffer, sizeof(stream->buffer));
	if (length < 0)
		return -errno;
	stream->taken = 0;
	stream->length = (size_t)length;
	if (stream->position == 0)
		stream->large = length >= LARGE_DIRECTORY;
	return 0;
}

/* Whether the buffer's next record is complete: reads of a list in memory ignore record boundaries. */
static bool has_entry(const struct directory_stream *stream)
{
	size_t left = stream->length - stream->taken;
	const struct dirent64 *entry = (const void *)(stream->buffer + stream->taken);

	return left >= offsetof(struct dirent64, d_name) && left >= entry->d_reclen;
}

/* lseek(2) can set any position in a list in memory. Returns where the next record begins. */
static off_t record_at(const struct listing *listing, off_t position)
{
	struct dirent64 head;
	off_t at = 0;

	while (at < position && pread(listing->fd, &head, offsetof(struct dirent64, d_name), at) ==
					(ssize_t)offsetof(struct dirent64, d_name))
		at += head.d_reclen;
	return at;
}

/* rewinddir(3) must show the present entries. The descriptor keeps its number, which the handle stores. */
static int reopen_list(struct listing *listing)
{
	_cleanup_close_ int fd = open_list(listing->request, listing->dir);

	if (fd < 0)
		return fd;
	return dup3(fd, listing->fd, O_CLOEXEC) < 0 ? -errno : 0;
}

/* The entry at `position`, or NULL at the end. */
static int next_entry(struct listing *listing, off_t position, const struct dirent64 **entry)
{
	struct directory_stream *stream = listing->stream;
	bool in_memory = listing->source->listed_in_memory;
	int result;

	/* position 0 is rewinddir(3) */
	if (stream->position != position || !has_entry(stream) || position == 0) {
		off_t where =
			in_memory && stream->position != position ? record_at(listing, position) : position;

		result = in_memory && position == 0 && stream->position >= 0 ? reopen_list(listing) : 0;
		if (result < 0)
			return result;
		if ((stream->position != position || position == 0 || in_memory) &&
		    lseek(listing->fd, where, SEEK_SET) < 0)
			return -errno;
		stream->position = position;
		result = read_ahead(listing);
		if (result < 0)
			return result;
	}
	*entry = has_entry(stream) ? (const void *)(stream->buffer + stream->taken) : NULL;
	return 0;
}

static void entry_consumed(struct listing *listing, const struct dirent64 *entry)
{
	listing->stream->position = entry->d_off;
	listing->stream->taken += entry->d_reclen;
}

static bool is_dot_or_dotdot(const char *name)
{
	return name[0] == '.' && (name[1] == '\0' || (name[1] == '.' && name[2] == '\0'));
}

/* Size of one entry in the reply, bytes. */
static size_t size_in_reply(const struct listing *listing, size_t name_length)
{
	size_t size = FUSE_NAME_OFFSET + name_length;

	return (listing->plus ? sizeof(struct fuse_entry_out) : 0) + (size + 7) / 8 * 8;
}

static void write_entry(const struct fuse_dirent *entry, const char *name, char *at, size_t size)
{
	memset(at + size - 8, 0, 8);
	memcpy(at, entry, sizeof(*entry));
	memcpy(at + FUSE_NAME_OFFSET, name, entry->namelen);
}

/*
 * Adds one entry. With `plus` and `with_node` the entry includes the node, and the kernel need not look it
 * up; a READDIRPLUS entry without a node is equivalent to a READDIR entry. Returns false if it does not fit.
 */
static bool add_entry(struct listing *listing, const char *name, const struct fuse_dirent *entry,
		      bool with_node)
{
	size_t size = size_in_reply(listing, entry->namelen);
	char *at = listing->out + listing->used;
	struct source_file file = {.fd = -1};
	struct fuse_entry_param param = {0};
	struct fuse_dirent known = *entry;

	if (size > listing->size - listing->used)
		return false;
	listing->used += size;
	if (with_node && listing->source->find(&listing->fs->state, listing->dir, name, &file) == 0 &&
	    entry_from_file(listing->fs, &file, &param) == 0) {
		if (node_is_external(listing->dir))
			param.entry_timeout = LISTED_TIMEOUT;
		if (node_is_external(listing->dir) && !set_id_has(param.attr.st_mode))
			param.attr_timeout = LISTED_TIMEOUT;
	}
	if (param.ino) {
		reply_fill_entry((struct fuse_entry_out *)(void *)at, &param);
		known.ino = param.attr.st_ino;
		known.type = (param.attr.st_mode & S_IFMT) >> 12;
	} else if (listing->plus) {
		memset(at, 0, sizeof(struct fuse_entry_out));
	}
	if (listing->plus) {
		at += sizeof(struct fuse_entry_out);
		size -= sizeof(struct fuse_entry_out);
	}
	write_entry(&known, name, at, size);
	return true;
}

/*
 * The root lists the builtin directories first. Returns the position at which the backing directory
 * continues, or -1 if an entry does not fit.
 */
static int64_t list_builtins(struct listing *listing, int64_t position)
{
	struct state *state = &listing->fs->state;
	int64_t n = position == 0 ? 0 : position - BUILTIN_COOKIE(0);

	if (listing->dir != &state->arena->nodes[NODE_ROOT] || n < 0 || n > SOURCE_KINDS)
		return position;
	for (; n < SOURCE_KINDS; n++) {
		const struct builtin *builtin = source_builtin(state, (unsigned int)n);
		struct fuse_dirent entry;

		if (!builtin)
			continue;
		entry = (struct fuse_dirent){
			.ino = source_inode_of(&state->arena->nodes[builtin->index]),
			.off = (uint64_t)BUILTIN_COOKIE(n + 1),
			.namelen = (uint32_t)strlen(builtin->name),
			.type = DT_DIR,
		};
		if (!add_entry(listing, builtin->name, &entry, false))
			return -1;
	}
	return 0;
}

/*
 * Whether the kernel may cache entries of an external directory for a moment. Not in process/, where each
 * user sees other entries: the kernel's cache is shared by all users.
 */
static bool may_rely_on(const struct listing *listing)
{
	return listing->plus && node_is_external(listing->dir) && listing->stream->large &&
	       !listing->source->waits;
}

static bool is_new_to_kernel(const struct listing *listing, const struct dirent64 *entry)
{
	if (!listing->plus || is_dot_or_dotdot(entry->d_name))
		return false;
	return node_is_external(listing->dir) ? may_rely_on(listing)
					      : !kernel_knows(listing->fs, listing->dir->store, entry->d_ino);
}

static int list_entries(struct listing *listing, int64_t position)
{
	const uint16_t store = listing->dir->store;
	const struct dirent64 *found = NULL;
	int result;

	position = list_builtins(listing, position);
	if (position < 0)
		return 0;
	if (may_rely_on(listing)) {
		node_was_listed(listing->fs, listing->dir);
		if (listing->size > LISTED_REPLY)
			listing->size = LISTED_REPLY;
	}
	for (;;) {
		struct fuse_dirent entry;

		result = next_entry(listing, position, &found);
		if (result < 0 || !found)
			return result;
		entry = (struct fuse_dirent){
			.ino = listing->source->listed_in_memory ? found->d_ino
								 : source_unique_inode(found->d_ino, store),
			.off = (uint64_t)found->d_off,
			.namelen = (uint32_t)strlen(found->d_name),
			.type = found->d_type,
		};
		if (!add_entry(listing, found->d_name, &entry, is_new_to_kernel(listing, found)))
			return 0;
		position = found->d_off;
		entry_consumed(listing, found);
	}
}

static struct directory_stream *stream_of(struct fs *fs, uint64_t number)
{
	struct directory_stream **place = &fs->streams[(uint32_t)number];

	if (!*place) {
		*place = malloc(sizeof(**place));
		if (*place) {
			(*place)->position = -1;
			(*place)->large = false;
		}
	}
	return *place;
}

static int prepare_listing(struct listing *listing, uint64_t number)
{
	struct fs *fs = listing->fs;
	const struct handle_slot *handle = handle_get(&fs->state, number);

	if (!handle || handle->kind != HANDLE_DIRECTORY)
		return -EBADF;
	listing->dir = node_get(&fs->state, handle->node);
	if (!listing->dir)
		return -ESTALE;
	listing->source = source_of(&fs->state, listing->dir);
	listing->fd = handle->fd;
	listing->stream = stream_of(fs, number);
	listing->out = request_buffer(listing->request);
	return listing->stream && listing->out ? 0 : -ENOMEM;
}

static int list(struct request *request, bool plus)
{
	const struct fuse_read_in *in = request->body;
	struct listing listing = {
		.request = request,
		.fs = request->fs,
		.plus = plus,
		.size = in->size < REQUEST_BUFFER_SIZE ? in->size : REQUEST_BUFFER_SIZE,
	};
	int result = prepare_listing(&listing, in->fh);

	if (result == 0)
		result = list_entries(&listing, (int64_t)in->offset);
	if (result < 0 && listing.used == 0)
		return result;
	reply_data(request, listing.out, listing.used);
	return 0;
}

int op_readdir(struct request *request)
{
	return list(request, false);
}

int op_readdirplus(struct request *request)
{
	return list(request, true);
}
