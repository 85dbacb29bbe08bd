// SPDX-License-Identifier: MIT
/*
 * Extended attributes: the user's, stored with the backing file, and segfs's own, user.segfs.*, which report
 * facts about a segment and set its policy.
 */
#include "fs/fuse/identity.h"
#include "fs/fuse/idmapped.h"
#include "fs/fuse/reader.h"
#include "fs/fuse/reply.h"
#include "fs/ops/internal.h"
#include "fs/segment/attached.h"
#include "fs/segment/lifetime.h"
#include "fs/segment/mandatory.h"
#include "fs/segment/policy.h"
#include "fs/source/source.h"
#include "fs/state/journal.h"
#include "lib/base/log.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/xattr.h>

#define TRUSTED_PREFIX "trusted."
#define OWN_VALUE_MAX  64

/* Modes of the node's opens; without opens, the mode that the next open would get. */
static int io_mode_value(struct fs *fs, uint64_t id, const struct node_slot *node, char value[OWN_VALUE_MAX])
{
	static const enum io_mode modes[] = {IO_DIRECT, IO_MEDIATED, IO_RELAYED};
	const struct arena *arena = fs->state.arena;
	uint32_t high = atomic_load(&arena->header->handles_high);
	uint32_t policy = 0;
	unsigned int used = 0;
	int length = 0;
	int result = policy_find(&fs->state, node, &policy);

	if (result < 0)
		return result;
	pthread_mutex_lock(&fs->state.lock);
	for (uint32_t i = 1; i < high; i++) {
		const struct handle_slot *handle = &arena->handles[i];

		if (handle->node == id && handle->kind == HANDLE_FILE &&
		    atomic_load(&handle->state) == SLOT_LIVE)
			used |= 1u << handle->mode;
	}
	pthread_mutex_unlock(&fs->state.lock);
	if (!used && policy & NODE_POLICY_MANDATORY)
		used = 1u << IO_MEDIATED;
	else if (!used && (!fs->passthrough || atomic_load(&node->flags) & NODE_REFUSED))
		used = 1u << IO_RELAYED;
	else if (!used)
		used = 1u << fs->options.io_mode;
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
		if (used & 1u << modes[i])
			length += snprintf(value + length, OWN_VALUE_MAX - (size_t)length, "%s%s",
					   length ? "," : "", io_mode_name(modes[i]));
	return length;
}

static int source_value(struct fs *fs, uint64_t id, const struct node_slot *node, char value[OWN_VALUE_MAX])
{
	(void)id;
	return snprintf(value, OWN_VALUE_MAX, "%s", source_of(&fs->state, node)->name);
}

static bool starts_with(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

static int attached_value(struct fs *fs, uint64_t id, const struct node_slot *node, char value[OWN_VALUE_MAX])
{
	uint32_t attached;
	int result = attached_count(fs, id, node, &attached);

	return result < 0 ? result : snprintf(value, OWN_VALUE_MAX, "%u", attached);
}

/* Facts about a segment, in addition to its policy. */
static const struct own_attribute {
	const char *name;
	bool of_directories; /* directories have it, too */
	int (*value)(struct fs *fs, uint64_t id, const struct node_slot *node, char value[OWN_VALUE_MAX]);
} own_attributes[] = {
	{SOURCE_PUBLIC_PREFIX "attached", false, attached_value},
	{SOURCE_PUBLIC_PREFIX "io-mode", false, io_mode_value},
	{SOURCE_PUBLIC_PREFIX "source", true, source_value},
};

#define N_OWN (sizeof(own_attributes) / sizeof(own_attributes[0]))

/* Files under .segfs and external files have no policy. */
static bool has_policy(const struct node_slot *node)
{
	return (node->type == S_IFREG >> 12 || node->type == S_IFDIR >> 12) &&
	       node->store != NODE_STORE_CONTROL && !node_is_external(node);
}

/* The policy field that an attribute of this node shows, or POLICY_FIELDS. */
static enum policy_field find_field(const struct node_slot *node, const char *name)
{
	const char *field = source_attribute(name);

	return field && has_policy(node) ? policy_field_find(field) : POLICY_FIELDS;
}

/* Whether a node has a fact: 1 or 0; a negative errno if that cannot be determined. */
static int has_fact(struct fs *fs, const struct node_slot *node, const struct source_fact *fact)
{
	if (node->type != S_IFREG >> 12 && !(fact->of_directories && node->type == S_IFDIR >> 12))
		return 0;
	return fact->applies ? fact->applies(&fs->state, node) : 1;
}

static bool has_attribute(const struct node_slot *node, const struct own_attribute *attribute)
{
	return node->type == S_IFREG >> 12 || (attribute->of_directories && node->type == S_IFDIR >> 12);
}

static const struct own_attribute *find_own(const struct node_slot *node, const char *name)
{
	for (size_t i = 0; i < N_OWN; i++)
		if (has_attribute(node, &own_attributes[i]) && strcmp(own_attributes[i].name, name) == 0)
			return &own_attributes[i];
	return NULL;
}

/* The fact that an attribute of this node shows, or NULL. */
static const struct source_fact *fact_named(const struct fs *fs, const struct node_slot *node,
					    const char *name)
{
	const struct source_fact *fact = source_of(&fs->state, node)->facts;
	const char *wanted = source_attribute(name);

	if (!wanted || !fact)
		return NULL;
	while (fact->name && strcmp(fact->name, wanted) != 0)
		fact++;
	return fact->name ? fact : NULL;
}

/* Finds a fact of a node. Returns 1 with it in `found`; 0; a negative errno if that cannot be determined. */
static int find_fact(struct fs *fs, const struct node_slot *node, const char *name,
		     const struct source_fact **found)
{
	const struct source_fact *fact = fact_named(fs, node, name);

	if (!fact)
		return 0;
	*found = fact;
	return has_fact(fs, node, fact);
}

/*
 * `value` has room for more than XATTR_SIZE_MAX bytes. size: what the requester takes; 0 = the length only.
 */
static ssize_t get_fact(struct fs *fs, const struct node_slot *node, const struct source_fact *fact,
			char *value, size_t size)
{
	ssize_t length;

	length = fact->value(&fs->state, node, value, XATTR_SIZE_MAX);
	return length > 0 && size > 0 && (size_t)length > size ? -ERANGE : length;
}

static ssize_t get_own(struct fs *fs, uint64_t id, const struct node_slot *node, const char *name,
		       char *value, size_t size)
{
	const struct own_attribute *attribute = find_own(node, name);
	enum policy_field field = find_field(node, name);
	char text[OWN_VALUE_MAX];
	struct policy policy;
	int length;

	if (field != POLICY_FIELDS) {
		length = policy_read(&fs->state, node, &policy);
		if (length == 0)
			length = policy_format(&policy, field, text);
	} else {
		length = attribute ? attribute->value(fs, id, node, text) : -ENODATA;
	}
	if (length < 0)
		return length;
	if (size == 0)
		return length;
	if ((size_t)length > size)
		return -ERANGE;
	memcpy(value, text, (size_t)length);
	return length;
}

static ssize_t get(struct fs *fs, uint64_t id, const char *name, char *value, size_t size)
{
	const struct node_slot *node = node_get(&fs->state, id);
	const struct source_fact *fact = NULL;
	const struct source *source;
	ssize_t length;

	if (!node)
		return -ESTALE;
	source = source_of(&fs->state, node);
	length = find_fact(fs, node, name, &fact);
	if (length < 0)
		return length;
	if (length > 0)
		return get_fact(fs, node, fact, value, size);
	if (source_attribute(name))
		return get_own(fs, id, node, name, value, size);
	if (starts_with(name, SOURCE_PRIVATE_PREFIX))
		return -ENODATA;
	length = source->getxattr ? source->getxattr(&fs->state, node, name, value, size) : -ENODATA;
	/* ls(1) asks for it for every file unless the reply is EOPNOTSUPP: no labels here */
	return length == -ENODATA && strcmp(name, "security.selinux") == 0 ? -EOPNOTSUPP : length;
}

int op_getxattr(struct request *request)
{
	const struct fuse_getxattr_in *in = request->body;
	const size_t size = in->size < REQUEST_BUFFER_SIZE ? in->size : REQUEST_BUFFER_SIZE;
	char *value = request_buffer(request);
	ssize_t length = value ? get(request->fs, request->node, request->name, value, size) : -ENOMEM;

	if (length < 0)
		return (int)length;
	reply_xattr(request, (size_t)length, value, size);
	return 0;
}

/* The queue of attributes whose value requires a scan of all processes. */
enum deferral_kind getxattr_queue(const struct request *request)
{
	const struct node_slot *node = request_node(request);
	const struct source_fact *fact = fact_named(request->fs, node, request->name);

	if (strcmp(request->name, SOURCE_PUBLIC_PREFIX "attached") == 0)
		return DEFERRAL_FACTS;
	return fact && fact->scans ? DEFERRAL_FACTS : DEFERRAL_NONE;
}

/*
 * Removes the names that the requester may not see: segfs's private ones and, unless it is root, trusted
 * ones. The kernel hides those without CAP_SYS_ADMIN, but a request carries only the user. Returns the new
 * length.
 */
static size_t without_private(char *list, size_t length, bool is_root)
{
	size_t end = 0;

	for (size_t at = 0; at < length;) {
		size_t name = strnlen(list + at, length - at - 1) + 1;

		if (!starts_with(list + at, is_root ? SOURCE_PRIVATE_PREFIX : TRUSTED_PREFIX) &&
		    !source_attribute(list + at)) {
			memmove(list + end, list + at, name);
			end += name;
		}
		at += name;
	}
	return end;
}

/* Appends the policy fields that differ from the default. Returns the length. */
static ssize_t list_policies(struct fs *fs, const struct node_slot *node, char *list)
{
	static const struct policy by_default;
	struct policy policy;
	ssize_t length = 0;
	int result;

	if (!has_policy(node))
		return 0;
	result = policy_read(&fs->state, node, &policy);
	if (result < 0)
		return result;
	for (int field = 0; field < POLICY_FIELDS; field++)
		if (!policy_is_same(&policy, (enum policy_field)field, &by_default))
			length += sprintf(list + length, SOURCE_PUBLIC_PREFIX "%s",
					  policy_field_name((enum policy_field)field)) +
				  1;
	return length;
}

/*
 * Gets the whole list, into a buffer larger than any list. It contains what is stored, so that a backup can
 * restore it; facts about a segment can only be read by name.
 */
static ssize_t list_names(struct fs *fs, uint64_t id, char *list, bool is_root)
{
	const struct node_slot *node = node_get(&fs->state, id);
	const struct source *source;
	ssize_t policies;
	ssize_t length = 0;

	if (!node)
		return -ESTALE;
	source = source_of(&fs->state, node);
	if (source->listxattr)
		length = source->listxattr(&fs->state, node, list, XATTR_LIST_MAX);
	/* a medium without attributes stores no policy either */
	if (length == -EOPNOTSUPP)
		length = 0;
	if (length < 0)
		return length;
	length = (ssize_t)without_private(list, (size_t)length, is_root);
	policies = list_policies(fs, node, list + length);
	return policies < 0 ? policies : length + policies;
}

int op_listxattr(struct request *request)
{
	const struct fuse_getxattr_in *in = request->body;
	char *list = request_buffer(request);
	ssize_t length =
		list ? list_names(request->fs, request->node, list, request_uid(request) == 0) : -ENOMEM;

	if (length < 0)
		return (int)length;
	if (in->size > 0 && (size_t)length > in->size)
		return -ERANGE;
	reply_xattr(request, (size_t)length, list, in->size);
	return 0;
}

/* Only the kernel knows the requester's user on an idmapped mount, and it checks no ownership here. */
static bool is_owner(const struct request *request, const struct stat *attr)
{
	const uid_t user = request_uid(request);

	if (user == IDENTITY_UNKNOWN)
		return false;
	if (user == 0 || user == attr->st_uid)
		return true;
	reader_hand_over();
	return idmapped_owns(request->fs, request_pid(request), user, attr->st_uid);
}

/* Sets a policy field. The kernel has checked write permission; only the owner and root may do this. */
static int set_field(const struct request *request, const struct node_slot *node, enum policy_field field,
		     const struct policy *wanted)
{
	struct fs *fs = request->fs;
	struct stat attr;
	int result = source_of(&fs->state, node)->stat(&fs->state, node, &attr);

	if (result == 0 && !is_owner(request, &attr))
		result = -EPERM;
	if (result == 0 && field == POLICY_LOCK && wanted->mandatory)
		result = mandatory_available(fs);
	if (result == 0)
		result = policy_change(&fs->state, request->node, field, wanted, request_pid(request));
	if (result > 0)
		lifetime_changed(request->node);
	return result < 0 ? result : 0;
}

static int set_field_text(const struct request *request, const struct node_slot *node,
			  enum policy_field field, const char *value, size_t size, int flags)
{
	struct policy wanted = {0};
	char why[POLICY_WHY_MAX];

	/* every segment has this attribute */
	if (flags & XATTR_CREATE)
		return -EEXIST;
	if (policy_set(&wanted, field, value, size, why) < 0) {
		log_info("setting %s%s: %s", SOURCE_PUBLIC_PREFIX, policy_field_name(field), why);
		return -EINVAL;
	}
	return set_field(request, node, field, &wanted);
}

/* EPERM for an attribute of segfs that is not a policy; EOPNOTSUPP for one that does not exist. */
static int refuse_own(struct fs *fs, const struct node_slot *node, const char *name)
{
	const struct source_fact *fact = NULL;
	int result;

	if (source_attribute(name)) {
		result = find_own(node, name) ? 1 : find_fact(fs, node, name, &fact);
		return result < 0 ? result : result > 0 ? -EPERM : -EOPNOTSUPP;
	}
	if (starts_with(name, SOURCE_PRIVATE_PREFIX))
		return -EPERM;
	return 0;
}

/* Like the kernel's posix_acl_update_mode(); only the request knows whether the caller may keep the bit. */
static int drop_set_group_id(struct fs *fs, const struct node_slot *node)
{
	const struct source *source = source_of(&fs->state, node);
	struct source_change change = {.what = SOURCE_SET_MODE};
	struct stat attr;
	int result = source->stat(&fs->state, node, &attr);

	if (result < 0 || !(attr.st_mode & S_ISGID))
		return result;
	change.mode = attr.st_mode & 07777 & ~(mode_t)S_ISGID;
	return source->change(&fs->state, node, &change, &attr);
}

/*
 * Whether an attribute existed when the request was begun: 1 or 0; a negative errno if that cannot be
 * determined. The kernel lets nobody else change the file's attributes meanwhile.
 */
static int attribute_existed(struct request *request, const struct node_slot *node)
{
	struct state *state = &request->fs->state;
	struct journal_note note = {.fd = -1};
	ssize_t length;

	if (journal_get_note(&request->journal, &note))
		return (int)note.flags;
	if (!source_of(state, node)->getxattr)
		return -EOPNOTSUPP;
	length = source_of(state, node)->getxattr(state, node, request->name, NULL, 0);
	if (length < 0 && length != -ENODATA)
		return (int)length;
	note.flags = length >= 0;
	journal_note(&request->journal, &note);
	return (int)note.flags;
}

int op_setxattr(struct request *request)
{
	const struct fuse_setxattr_in *in = request->body;
	const char *value = request->name + strlen(request->name) + 1;
	const char *name = request->name;
	struct fs *fs = request->fs;
	const struct node_slot *node = request_node(request);
	int flags = (int)in->flags;
	enum policy_field field;
	int result;

	if (!node)
		return -ESTALE;
	field = find_field(node, name);
	if (field != POLICY_FIELDS)
		return set_field_text(request, node, field, value, in->size, flags);
	result = refuse_own(fs, node, name);
	if (result < 0)
		return result;
	if (!source_of(&fs->state, node)->setxattr)
		return -EPERM;
	/* in a replay, an attribute that did not exist before was set by the worker that died */
	if (flags & XATTR_CREATE && attribute_existed(request, node) == 0 &&
	    journal_is_replay(&request->journal))
		flags &= ~XATTR_CREATE;
	result = source_of(&fs->state, node)->setxattr(&fs->state, node, name, value, in->size, flags);
	if (result == 0 && !fs->short_setxattr && in->setxattr_flags & FUSE_SETXATTR_ACL_KILL_SGID)
		result = drop_set_group_id(fs, node);
	return result;
}

int op_removexattr(struct request *request)
{
	static const struct policy by_default;
	const char *name = request->name;
	struct fs *fs = request->fs;
	const struct node_slot *node = request_node(request);
	enum policy_field field;
	int result;
	int was;

	if (!node)
		return -ESTALE;
	field = find_field(node, name);
	if (field != POLICY_FIELDS)
		return set_field(request, node, field, &by_default);
	result = refuse_own(fs, node, name);
	if (result < 0)
		return result == -EOPNOTSUPP ? -ENODATA : result;
	if (!source_of(&fs->state, node)->removexattr)
		return -EPERM;
	was = attribute_existed(request, node);
	result = source_of(&fs->state, node)->removexattr(&fs->state, node, name);
	return result == -ENODATA && was == 1 && journal_is_replay(&request->journal) ? 0 : result;
}
