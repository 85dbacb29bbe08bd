// SPDX-License-Identifier: MIT
#include "fs/segment/policy.h"
#include "fs/source/source.h"
#include "fs/state/lock.h"
#include "lib/base/cleanup.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/procfs.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <string.h>
#include <sys/stat.h>

#define ANY_MODE (1u << IO_DIRECT | 1u << IO_MEDIATED | 1u << IO_RELAYED)

/* Serializes changes: each reads the stored line, and rewrites all of it. Taken before state.lock. */
static pthread_mutex_t changing = PTHREAD_MUTEX_INITIALIZER;

uint32_t policy_pack(const struct policy *policy)
{
	static const uint32_t lifetimes[] = {
		[LIFETIME_PERSISTENT] = 0,
		[LIFETIME_LAST_CLOSE] = NODE_POLICY_LAST_CLOSE,
		[LIFETIME_OWNER] = NODE_POLICY_OWNER,
		[LIFETIME_TTL] = NODE_POLICY_TTL,
	};

	return NODE_POLICY_KNOWN | (policy->mandatory ? NODE_POLICY_MANDATORY : 0) |
	       (policy->commit ? NODE_POLICY_COMMIT : 0) | (policy->fixed_size ? NODE_POLICY_FIXED : 0) |
	       lifetimes[policy->lifetime] | (uint32_t)policy->writers << 16;
}

int policy_read(struct state *state, const struct node_slot *node, struct policy *policy)
{
	const struct source *source = source_of(state, node);
	char text[POLICY_TEXT_MAX];
	ssize_t length = -ENODATA;

	*policy = (struct policy){0};
	if (source->getxattr)
		length = source->getxattr(state, node, source_policy_attribute(state), text, sizeof(text));
	if (length == -ENODATA || length == -EOPNOTSUPP)
		return 0;
	if (length < 0)
		return (int)length;
	if (policy_load(policy, text, (size_t)length) < 0)
		log_warning("the stored policy of a segment has unknown parts: %.*s", (int)length, text);
	return 0;
}

/* The writable slot of a const node. */
static struct node_slot *slot_of(struct state *state, const struct node_slot *node)
{
	return &state->arena->nodes[node - state->arena->nodes];
}

int policy_find(struct state *state, const struct node_slot *node, uint32_t *out)
{
	uint32_t word = atomic_load(&node->policy);
	struct policy policy;
	int result;

	if (word & NODE_POLICY_KNOWN || node->store == NODE_STORE_CONTROL) {
		*out = word;
		return 0;
	}
	/* an external file has no policy but the fixed size of its source */
	if (node_is_external(node)) {
		word = NODE_POLICY_KNOWN | (source_of(state, node)->fixed_size ? NODE_POLICY_FIXED : 0u);
		atomic_store(&slot_of(state, node)->policy, word);
		*out = word;
		return 0;
	}
	result = policy_read(state, node, &policy);
	if (result < 0)
		return result;
	/* unless another thread has changed it, or read it, meanwhile */
	*out = atomic_compare_exchange_strong(&slot_of(state, node)->policy, &word, policy_pack(&policy))
		       ? policy_pack(&policy)
		       : word;
	return 0;
}

uint32_t policy_word(struct state *state, const struct node_slot *node)
{
	uint32_t word = atomic_load(&node->policy);
	int result = policy_find(state, node, &word);

	if (result < 0)
		log_warning("the policy of a segment cannot be read: %s", strerror(-result));
	return word;
}

static int store(struct state *state, const struct node_slot *node, const struct policy *policy)
{
	const struct source *source = source_of(state, node);
	const char *name = source_policy_attribute(state);
	char text[POLICY_TEXT_MAX];
	int length = policy_store(policy, text);
	int result;

	if (!source->setxattr || !source->removexattr)
		return -EOPNOTSUPP;
	if (length > 0)
		return source->setxattr(state, node, name, text, (size_t)length, 0);
	result = source->removexattr(state, node, name);
	return result == -ENODATA ? 0 : result;
}

/* Finds the process that created a file, if it still exists. */
static int find_creator(const struct node_slot *node, struct policy_owner *owner)
{
	const pid_t creator = node->creator;
	bool is_another;
	uint64_t identity = 0;
	int result = creator > 0 ? procfs_owner(creator, owner) : -ESRCH;

	if (result == 0)
		result = procfs_thread_identity(creator, &identity);
	if (result < 0)
		return result == -ETIMEDOUT ? -EAGAIN : result;
	/* a thread that started after the creation merely reuses the thread id, however old its process is */
	if (procfs_identity_waits())
		is_another = identity / (procfs_ticks_per_second() / 10) > node->creator_mark;
	else
		is_another = (uint32_t)identity != node->creator_mark;
	return is_another ? -ESRCH : 0;
}

/* Allocates the memory for the whole size of a file. */
static int commit_all(struct state *state, const struct node_slot *node)
{
	_cleanup_close_ int fd = source_of(state, node)->open(state, node, O_RDWR);
	struct stat stat;

	if (fd < 0)
		return fd;
	if (fstat(fd, &stat) < 0)
		return -errno;
	return stat.st_size > 0 && fallocate(fd, 0, 0, stat.st_size) < 0 ? -errno : 0;
}

/*
 * Returns the process whose opens do not conflict with a policy that excludes their mode: the requester,
 * since a tool that restores a file has it open when it sets its attributes. 0 = none, as for a file that has
 * locks already.
 */
static int32_t exempt_process(struct state *state, uint64_t id, int32_t requester)
{
	struct lock_entry entry;
	uint32_t cursor = 0;

	while (requester && lock_next_entry(state, &cursor, &entry))
		if (entry.node == id)
			return 0;
	return requester;
}

uint32_t policy_in_force(const struct node_slot *node, uint32_t policy)
{
	return atomic_load(&node->flags) & NODE_FILLING ? policy & ~(uint32_t)NODE_POLICY_FIXED : policy;
}

void policy_size_settled(struct state *state, const struct node_slot *node)
{
	if (atomic_load(&node->flags) & NODE_FILLING)
		atomic_fetch_and(&slot_of(state, node)->flags, ~(uint32_t)NODE_FILLING);
}

/* A segment that is not empty when its size becomes fixed keeps that size. */
static void settle_size(struct state *state, const struct node_slot *node)
{
	struct stat stat;

	if (source_of(state, node)->stat(state, node, &stat) < 0 || stat.st_size > 0)
		policy_size_settled(state, node);
}

/*
 * Sets the policy word, marked as possibly newer than the stored policy; then does what is slow or may fail.
 */
static int change_locked(struct state *state, uint64_t id, const struct node_slot *node,
			 const struct policy *before, const struct policy *after, int32_t requester)
{
	const bool is_file = node->type == S_IFREG >> 12;
	unsigned int stay = ANY_MODE;
	unsigned int write_stay = ANY_MODE;
	int result;

	if (after->mandatory && !before->mandatory)
		stay = write_stay = 1u << IO_MEDIATED;
	else if ((after->commit && !before->commit) || (after->fixed_size && !before->fixed_size))
		write_stay = ANY_MODE & ~(1u << IO_DIRECT);
	result = handle_set_policy(state, id, policy_pack(after) | NODE_POLICY_CHANGING, stay, write_stay,
				   exempt_process(state, id, requester));
	if (result < 0)
		return result;
	if (is_file && after->fixed_size && !before->fixed_size)
		settle_size(state, node);
	if (is_file && after->commit && !before->commit)
		result = commit_all(state, node);
	if (result == 0)
		result = store(state, node, after);
	/* reverting to a looser policy cannot fail: opens that raced in already satisfy the stricter one */
	handle_set_policy(state, id, policy_pack(result == 0 ? after : before), ANY_MODE, ANY_MODE, 0);
	if (result == 0 && before->mandatory && !after->mandatory)
		lock_grant_all_access(state, id);
	return result;
}

bool policy_freeze(const struct node_slot *node, uint32_t lifetime)
{
	pthread_mutex_lock(&changing);
	return (atomic_load(&node->policy) & NODE_POLICY_LIFETIMES) == lifetime;
}

void policy_thaw(void)
{
	pthread_mutex_unlock(&changing);
}

/* Drops the state stored under an earlier lifetime, which does not apply to a new one. */
static void forget_use(struct state *state, const struct node_slot *node)
{
	const struct source *source = source_of(state, node);

	atomic_store(&slot_of(state, node)->closed_at, 0);
	if (source->removexattr)
		source->removexattr(state, node, source_use_attribute(state));
}

/* requester: 0 = none. */
static int give(struct state *state, uint64_t id, const bool fields[POLICY_FIELDS],
		const struct policy *wanted, int32_t requester)
{
	const struct node_slot *node = node_get(state, id);
	bool is_file = node && node->type == S_IFREG >> 12;
	struct policy before;
	struct policy after;
	struct policy_owner creator = {0};
	bool same = true;
	int found = 0;
	int result;

	if (!node)
		return -ESTALE;
	/* before the lock, since it may be slow on older kernels */
	if (is_file && fields[POLICY_LIFETIME] && wanted->lifetime == LIFETIME_OWNER)
		found = find_creator(node, &creator);
	pthread_mutex_lock(&changing);
	result = policy_read(state, node, &before);
	after = before;
	for (int field = 0; field < POLICY_FIELDS; field++) {
		if (fields[field] && !policy_is_same(&before, (enum policy_field)field, wanted)) {
			policy_copy(&after, (enum policy_field)field, wanted);
			same = false;
		}
	}
	if (result == 0 && is_file && after.lifetime == LIFETIME_OWNER && before.lifetime != LIFETIME_OWNER) {
		after.owner = creator;
		result = found;
	}
	if (result == 0 && !same)
		result = change_locked(state, id, node, &before, &after, requester);
	same = policy_is_same(&before, POLICY_LIFETIME, &after);
	if (result == 0 && !same)
		forget_use(state, node);
	pthread_mutex_unlock(&changing);
	return result == 0 && !same && is_file ? 1 : result;
}

int policy_change_fields(struct state *state, uint64_t id, const bool fields[POLICY_FIELDS],
			 const struct policy *wanted)
{
	return give(state, id, fields, wanted, 0);
}

int policy_change(struct state *state, uint64_t id, enum policy_field field, const struct policy *wanted,
		  pid_t requester)
{
	bool fields[POLICY_FIELDS] = {false};

	fields[field] = true;
	return give(state, id, fields, wanted, requester);
}

int policy_inherit(struct state *state, const struct node_slot *dir, bool is_file, pid_t requester,
		   struct policy *policy, char text[POLICY_TEXT_MAX])
{
	uint32_t word = 0;
	int result = node_is_external(dir) ? 0 : policy_find(state, dir, &word);

	*policy = (struct policy){0};
	text[0] = 0;
	if (result == 0 && word & ~(uint32_t)NODE_POLICY_KNOWN)
		result = policy_read(state, dir, policy);
	if (result == 0 && is_file && policy->lifetime == LIFETIME_OWNER)
		result = procfs_owner(requester, &policy->owner);
	if (result == 0)
		policy_store(policy, text);
	return result;
}

/* The mark detects reuse of the thread id; without one there is no creator. */
static void note_creator(struct node_new *file, pid_t thread, uint64_t identity)
{
	if (procfs_identity_waits())
		identity = boottime_nanoseconds() / 100000000;
	if (identity == 0)
		return;
	file->creator_mark = (uint32_t)identity;
	file->creator = thread;
}

bool policy_of_new(const struct policy *policy, pid_t requester, uint64_t requester_identity,
		   struct node_new *file)
{
	file->policy = policy_pack(policy);
	if (!S_ISREG(file->mode))
		return false;
	file->flags |= NODE_FILLING;
	note_creator(file, requester, requester_identity);
	return policy->lifetime != LIFETIME_PERSISTENT;
}

bool policy_made(struct state *state, uint64_t id, const struct policy *policy, pid_t requester,
		 uint64_t requester_identity)
{
	struct node_slot *node = node_get(state, id);
	struct node_new file;
	bool is_limited;

	if (!node || node_is_external(node))
		return false;
	file = (struct node_new){.mode = (mode_t)node->type << 12};
	is_limited = policy_of_new(policy, requester, requester_identity, &file);
	node_complete(node, &file);
	return is_limited;
}

/* Keeps the size: the write behind the gap may still fail, or write nothing. */
static int reserve_gap(int fd, off_t end, off_t offset)
{
	return offset > end && fallocate(fd, FALLOC_FL_KEEP_SIZE, end, offset - end) < 0 ? -errno : 0;
}

int policy_before_write(uint32_t policy, int fd, bool append, off_t offset, size_t *size)
{
	struct stat stat;

	if (!(policy & (NODE_POLICY_FIXED | NODE_POLICY_COMMIT)))
		return 0;
	if (fstat(fd, &stat) < 0)
		return -errno;
	if (append)
		offset = stat.st_size;
	if (policy & NODE_POLICY_FIXED && *size > 0) {
		if (offset >= stat.st_size)
			return -EFBIG;
		if ((off_t)*size > stat.st_size - offset)
			*size = (size_t)(stat.st_size - offset);
	}
	return policy & NODE_POLICY_COMMIT ? reserve_gap(fd, stat.st_size, offset) : 0;
}

int policy_before_fallocate(uint32_t policy, int fd, int mode, off_t offset, off_t length)
{
	struct stat stat;

	if (policy & NODE_POLICY_COMMIT && mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_COLLAPSE_RANGE))
		return -EOPNOTSUPP;
	if (!(policy & (NODE_POLICY_FIXED | NODE_POLICY_COMMIT)))
		return 0;
	if (fstat(fd, &stat) < 0)
		return -errno;
	if (policy & NODE_POLICY_FIXED && stat.st_size > 0) {
		if (mode & (FALLOC_FL_COLLAPSE_RANGE | FALLOC_FL_INSERT_RANGE))
			return -EPERM;
		/* written so that it cannot overflow */
		if (!(mode & FALLOC_FL_KEEP_SIZE) && length > stat.st_size - offset)
			return -EPERM;
	}
	return policy & NODE_POLICY_COMMIT && !(mode & FALLOC_FL_KEEP_SIZE)
		       ? reserve_gap(fd, stat.st_size, offset)
		       : 0;
}

int policy_before_resize(uint32_t policy, int fd, off_t size)
{
	struct stat stat;

	if (!(policy & (NODE_POLICY_FIXED | NODE_POLICY_COMMIT)))
		return 0;
	if (fstat(fd, &stat) < 0)
		return -errno;
	if (policy & NODE_POLICY_FIXED && stat.st_size > 0 && stat.st_size != size)
		return -EPERM;
	if (policy & NODE_POLICY_COMMIT && size > stat.st_size && fallocate(fd, 0, 0, size) < 0)
		return -errno;
	return 0;
}

void policy_recover(struct state *state)
{
	uint32_t high = atomic_load(&state->arena->header->nodes_high);

	for (uint32_t i = NODE_ROOT; i < high; i++) {
		struct node_slot *node = &state->arena->nodes[i];

		if (atomic_load(&node->state) == SLOT_LIVE &&
		    atomic_load(&node->policy) & NODE_POLICY_CHANGING) {
			atomic_store(&node->policy, 0);
			policy_word(state, node);
		}
	}
}
