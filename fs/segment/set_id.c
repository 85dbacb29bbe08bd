// SPDX-License-Identifier: MIT
#include "fs/segment/set_id.h"
#include "fs/fuse/idmapped.h"
#include "fs/fuse/reader.h"
#include "fs/fuse/request.h"
#include "fs/segment/mandatory.h"
#include "lib/base/credentials.h"
#include "lib/base/procfs.h"

#include <errno.h>
#include <linux/capability.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>

#define RELEASE_WAIT 20 /* milliseconds to wait for an earlier RELEASE */
#define RETRIES      64 /* threads that start over at the same time */

bool set_id_has(mode_t mode)
{
	return S_ISREG(mode) && mode & (S_ISUID | S_ISGID);
}

/* The node flags of a mode's set-id bits. */
static uint32_t flags_of(mode_t mode)
{
	if (!set_id_has(mode))
		return 0;
	return (mode & S_ISUID ? NODE_SENT_SUID : 0u) | (mode & S_ISGID ? NODE_SENT_SGID : 0u);
}

bool set_id_sent(struct fs *fs, const struct node_slot *node, mode_t mode)
{
	const uint32_t bits = flags_of(mode);

	if (node && bits)
		atomic_fetch_or(&fs->state.arena->nodes[node - fs->state.arena->nodes].flags, bits);
	return bits != 0;
}

/* --- opens --- */

static uint32_t n_writers(struct state *state, uint64_t id)
{
	uint32_t writers;

	handle_count(state, id, &writers);
	return writers;
}

/*
 * Whether a node has opens of one kind. On disk, a RELEASE that came before this request may still be in
 * flight. The request is then not executed by the reader, and may wait, unless locks are mandatory.
 */
static bool has_opens(struct fs *fs, const struct node_slot *node,
		      uint32_t (*count)(struct state *state, uint64_t id))
{
	const struct timespec moment = {.tv_nsec = 1000000};
	const uint64_t id = node_id_of(&fs->state, node);
	const bool may_wait =
		fs->state.arena->header->stores[node->store].on_disk && !mandatory_is_on(fs, id);

	for (int waited = 0; count(&fs->state, id) > 0; waited++) {
		if (!may_wait || waited == RELEASE_WAIT)
			return true;
		nanosleep(&moment, NULL);
	}
	return false;
}

/* Threads that were sent ESTALE, and have not retried yet. */
static struct {
	pthread_mutex_t lock; /* a leaf */
	struct retry {
		uint64_t node; /* node id; 0 = free */
		pid_t thread;
		uint32_t closes; /* handle_closes() */
	} retries[RETRIES];
	unsigned int next; /* the oldest one, if all are in use */
} starting_over = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void note_retry(const struct retry *retry)
{
	pthread_mutex_lock(&starting_over.lock);
	starting_over.retries[starting_over.next] = *retry;
	starting_over.next = (starting_over.next + 1) % RETRIES;
	pthread_mutex_unlock(&starting_over.lock);
}

/* Whether a thread is retrying. closes: receives the number from its first attempt. */
static bool consume_retry(uint64_t node, pid_t thread, uint32_t *closes)
{
	bool found = false;

	pthread_mutex_lock(&starting_over.lock);
	for (int i = 0; i < RETRIES && !found; i++) {
		struct retry *retry = &starting_over.retries[i];

		found = retry->node == node && retry->thread == thread;
		if (found) {
			*closes = retry->closes;
			retry->node = 0;
		}
	}
	pthread_mutex_unlock(&starting_over.lock);
	return found;
}

/*
 * The kernel was sent bits that the file no longer has. It discards a GETATTR reply if the attributes have
 * changed since the request, as they do with each write, so the reply before this OPEN proves nothing. When
 * the thread retries, it has looked the file up after the last write.
 */
static int start_over(const struct request *request, const struct node_slot *node, uint32_t closes,
		      uint32_t gone)
{
	struct state *state = &request->fs->state;
	const struct retry retry = {
		.node = node_id_of(state, node), .thread = request_pid(request), .closes = closes};
	uint32_t before;

	if (!consume_retry(retry.node, retry.thread, &before)) {
		note_retry(&retry);
		return -ESTALE;
	}
	/* the file was written again meanwhile */
	if (before != closes)
		return -ETXTBSY;
	atomic_fetch_and(&state->arena->nodes[node - state->arena->nodes].flags, ~gone);
	return 0;
}

int set_id_admit(const struct request *request, const struct node_slot *node, int flags, bool writes)
{
	struct fs *fs = request->fs;
	const uint32_t sent = atomic_load(&node->flags) & (NODE_SENT_SUID | NODE_SENT_SGID);
	uint32_t closes;
	struct stat attr;
	uint32_t gone;
	int result;

	if (!sent)
		return 0;
	if (writes)
		return has_opens(fs, node, handle_executors) ? -ETXTBSY : 0;
	if (!(flags & HANDLE_OPEN_EXECUTES))
		return 0;
	if (has_opens(fs, node, n_writers))
		return -ETXTBSY;
	closes = handle_closes(&fs->state, node_id_of(&fs->state, node));
	result = source_of(&fs->state, node)->stat(&fs->state, node, &attr);
	if (result < 0)
		return result;
	gone = sent & ~flags_of(attr.st_mode);
	return gone ? start_over(request, node, closes, gone) : 0;
}

/* --- changes --- */

static bool is_in_group(const struct credentials *credentials, gid_t gid)
{
	bool found = credentials->gid == gid;

	for (size_t i = 0; i < credentials->n_groups && !found; i++)
		found = credentials->groups[i] == gid;
	return found;
}

/* Without S_IXGRP, members of the group keep the bit, as in the kernel's setattr_should_drop_sgid(). */
static bool keeps_set_group_id(const struct credentials *credentials, const struct stat *attr)
{
	return !(attr->st_mode & S_IXGRP) &&
	       (is_in_group(credentials, attr->st_gid) || credentials_can(credentials, CAP_FSETID));
}

int set_id_drop(const struct request *request, const struct node_slot *node)
{
	struct fs *fs = request->fs;
	_cleanup_credentials_ struct credentials credentials = CREDENTIALS_NONE;
	const struct source *source = source_of(&fs->state, node);
	struct source_change change = {.drop_privileges = true, .by_daemon = true};
	struct stat attr;
	int result;

	/* segments of fixed size have no such bits */
	if (source->fixed_size || !source->change)
		return 0;
	result = source->stat(&fs->state, node, &attr);
	if (result < 0 || !set_id_has(attr.st_mode))
		return result;
	result = credentials_read(request_pid(request), request_uid(request), request_gid(request),
				  &credentials);
	if (result < 0)
		return result;
	change.keep_set_group_id = keeps_set_group_id(&credentials, &attr);
	return source->change(&fs->state, node, &change, &attr);
}

static bool is_chown(long call)
{
	static const long calls[] = {
#ifdef SYS_chown
		SYS_chown,
		SYS_lchown,
#endif
		SYS_fchown,
		SYS_fchownat,
	};

	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
		if (calls[i] == call)
			return true;
	return false;
}

/* Whether the requester owns a file, or has CAP_FOWNER. */
static bool is_owner(const struct request *request, const struct credentials *credentials,
		     const struct stat *attr)
{
	return credentials->uid == attr->st_uid || credentials_can(credentials, CAP_FOWNER) ||
	       idmapped_owns(request->fs, request_pid(request), credentials->uid, attr->st_uid);
}

int set_id_complete(const struct request *request, const struct node_slot *node, struct source_change *change)
{
	struct fs *fs = request->fs;
	_cleanup_credentials_ struct credentials credentials = CREDENTIALS_NONE;
	const struct source *source = source_of(&fs->state, node);
	struct stat attr;
	int result;

	if (!change->drop_privileges || source->fixed_size)
		return 0;
	result = source->stat(&fs->state, node, &attr);
	if (result < 0)
		return result;
	/* chown(2) drops them, except from directories */
	change->drop_privileges = !S_ISDIR(attr.st_mode) && attr.st_mode & (S_ISUID | S_ISGID);
	if (!change->drop_privileges)
		return 0;
	result = credentials_read(request_pid(request), request_uid(request), request_gid(request),
				  &credentials);
	if (result < 0)
		return result;
	change->keep_set_group_id = keeps_set_group_id(&credentials, &attr);
	change->drop_privileges = attr.st_mode & S_ISUID || !change->keep_set_group_id;
	if (!change->drop_privileges || change->what != 0 || is_owner(request, &credentials, &attr))
		return 0;
	/* the kernel sends the same request before a write; chown(path, -1, -1) is for the owner only */
	reader_hand_over();
	if (is_chown(procfs_call(request_pid(request))))
		return -EPERM;
	change->by_daemon = true;
	return 0;
}
