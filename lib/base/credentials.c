// SPDX-License-Identifier: MIT
#include "lib/base/credentials.h"
#include "lib/base/cleanup.h"
#include "lib/base/procfs.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define RETURN_TRIES 100    /* attempts to restore the thread's own credentials before the process gives up */
#define STATUS_STEP  4096u  /* step, in bytes, by which /proc/TID/status is read */
#define OVERFLOW_ID  65534u /* the overflow uid and gid for unmapped ids, see user_namespaces(7) */

/*
 * The C library's wrappers change the ids of all threads; the system calls change those of the caller only.
 */
#ifdef __NR_setresuid32
#define CALL_SETRESUID __NR_setresuid32
#define CALL_SETRESGID __NR_setresgid32
#define CALL_SETGROUPS __NR_setgroups32
#define CALL_SETFSUID  __NR_setfsuid32
#define CALL_SETFSGID  __NR_setfsgid32
#else
#define CALL_SETRESUID __NR_setresuid
#define CALL_SETRESGID __NR_setresgid
#define CALL_SETGROUPS __NR_setgroups
#define CALL_SETFSUID  __NR_setfsuid
#define CALL_SETFSGID  __NR_setfsgid
#endif

/* --- reading --- */

/*
 * Reads a whole file of /proc, with a final 0, into memory that the caller frees. Returns 0; -ENOENT if there
 * is no such thread.
 */
static int read_all(const char *path, char **out)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	_cleanup_free_ char *text = NULL;
	size_t size = 0;
	size_t length = 0;
	ssize_t n;

	if (fd < 0)
		return -errno;
	do {
		if (size - length < STATUS_STEP) {
			char *larger = realloc(text, size + 2 * STATUS_STEP);

			if (!larger)
				return -ENOMEM;
			text = larger;
			size += 2 * STATUS_STEP;
		}
		n = read(fd, text + length, size - length - 1);
		if (n < 0 && errno != EINTR)
			return -errno;
		length += n > 0 ? (size_t)n : 0;
	} while (n != 0);
	text[length] = 0;
	*out = take_ptr(text);
	return 0;
}

/* The value of a line "NAME:\tVALUE", or NULL. */
static const char *find_line(const char *text, const char *name)
{
	const size_t length = strlen(name);

	for (const char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, name, length) == 0 && line[length] == ':')
			return line + length + 1;
	}
	return NULL;
}

static int parse_groups(const char *line, struct credentials *out)
{
	size_t n = 0;
	char *end;

	for (const char *at = line; at && *at && *at != '\n'; at = end) {
		unsigned long group = strtoul(at, &end, 10);

		if (end == at)
			break;
		if (n == CREDENTIALS_INLINE_GROUPS && out->groups == out->small) {
			/* at most this many fit into the rest of the line */
			gid_t *groups = malloc((n + strcspn(at, "\n")) * sizeof(*groups));

			if (!groups)
				return -ENOMEM;
			memcpy(groups, out->small, n * sizeof(*groups));
			out->groups = groups;
		}
		out->groups[n++] = (gid_t)group;
		/* the kernel writes a blank after the last group */
		while (*end == ' ' || *end == '\t')
			end++;
	}
	out->n_groups = n;
	return 0;
}

/* The file-system id is the last of four. */
static unsigned int parse_id(const char *line)
{
	unsigned int id;

	return line && sscanf(line, "%*u %*u %*u %u", &id) == 1 ? id : OVERFLOW_ID;
}

/* Returns 1 or 0; a negative errno. */
static int is_in_same_namespace(pid_t thread, const char *name)
{
	struct stat theirs;
	struct stat ours;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/ns/%s", (int)thread, name);
	if (stat(path, &theirs) < 0)
		return procfs_means_absent(errno) ? 0 : -errno;
	snprintf(path, sizeof(path), "/proc/thread-self/ns/%s", name);
	if (stat(path, &ours) < 0)
		return -errno;
	return ours.st_dev == theirs.st_dev && ours.st_ino == theirs.st_ino;
}

int credentials_shares_namespaces(pid_t thread)
{
	int result = thread > 0 ? is_in_same_namespace(thread, "user") : 0;

	return result > 0 ? is_in_same_namespace(thread, "pid") : result;
}

/* Capabilities in another user namespace do not count in this one. */
static int read_capabilities(pid_t thread, const char *text, struct credentials *out)
{
	const char *line = find_line(text, "CapEff");
	uint64_t found;
	int result;

	if (!line || sscanf(line, "%" SCNx64, &found) != 1 || found == 0)
		return 0;
	result = is_in_same_namespace(thread, "user");
	if (result > 0)
		out->capabilities = found;
	return result < 0 ? result : 0;
}

static int read_thread(pid_t thread, struct credentials *out)
{
	_cleanup_free_ char *text = NULL;
	char path[64];
	int result;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)thread);
	result = read_all(path, &text);
	if (result < 0)
		return procfs_means_absent(-result) ? 0 : result;
	if (out->uid == (uid_t)-1)
		out->uid = parse_id(find_line(text, "Uid"));
	if (out->gid == (gid_t)-1)
		out->gid = parse_id(find_line(text, "Gid"));
	result = parse_groups(find_line(text, "Groups"), out);
	return result < 0 ? result : read_capabilities(thread, text, out);
}

int credentials_read(pid_t thread, uid_t uid, gid_t gid, struct credentials *out)
{
	int result;

	*out = (struct credentials){.uid = uid, .gid = gid};
	out->groups = out->small;
	result = thread > 0 ? read_thread(thread, out) : 0;
	if (result < 0) {
		credentials_free(out);
		return result;
	}
	if (out->uid == (uid_t)-1)
		out->uid = OVERFLOW_ID;
	if (out->gid == (gid_t)-1)
		out->gid = OVERFLOW_ID;
	return 0;
}

void credentials_free(struct credentials *credentials)
{
	if (credentials->groups != credentials->small)
		free(credentials->groups);
	*credentials = CREDENTIALS_NONE;
}

/* --- acting --- */

static int get_capabilities(struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3])
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};

	return syscall(SYS_capget, &header, data) < 0 ? -errno : 0;
}

static int set_capabilities(const struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3])
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};

	return syscall(SYS_capset, &header, data) < 0 ? -errno : 0;
}

/* Groups first, capabilities last: setting ids requires capabilities. */
static int set_ids(uid_t uid, gid_t gid, size_t n_groups, const gid_t *groups)
{
	if (syscall(CALL_SETGROUPS, n_groups, groups) < 0 ||
	    syscall(CALL_SETRESGID, (gid_t)-1, gid, (gid_t)-1) < 0 ||
	    syscall(CALL_SETRESUID, (uid_t)-1, uid, (uid_t)-1) < 0)
		return -errno;
	return 0;
}

/* data: the current capabilities of the thread; updated to the new ones. */
static int set_all(const struct credentials *credentials,
		   struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3])
{
	int result = set_ids(credentials->uid, credentials->gid, credentials->n_groups, credentials->groups);

	if (result < 0)
		return result;
	for (int i = 0; i < _LINUX_CAPABILITY_U32S_3; i++)
		data[i].effective = (uint32_t)(credentials->capabilities >> 32 * i) & data[i].permitted;
	return set_capabilities(data);
}

int credentials_set(const struct credentials *credentials)
{
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];
	int result = get_capabilities(data);

	return result < 0 ? result : set_all(credentials, data);
}

int credentials_assume(const struct credentials *credentials, struct credentials_self *self)
{
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];
	struct credentials_self found = {
		.changed = true,
		.uid = geteuid(),
		.gid = getegid(),
		.fsuid = (uid_t)syscall(CALL_SETFSUID, (uid_t)-1),
		.fsgid = (gid_t)syscall(CALL_SETFSGID, (gid_t)-1),
	};
	int result = get_capabilities(found.capabilities);

	if (result < 0)
		return result;
	memcpy(data, found.capabilities, sizeof(data));
	result = set_all(credentials, data);
	if (result < 0)
		credentials_restore(&found);
	else
		*self = found;
	return result;
}

/*
 * A privileged worker has no supplementary groups. The file-system ids follow the effective ids. setfsuid(2)
 * does not report failure, so the result is read back.
 */
static int restore(const struct credentials_self *self)
{
	int result = set_capabilities(self->capabilities);

	if (result == 0)
		result = set_ids(self->uid, self->gid, 0, NULL);
	if (result < 0)
		return result;
	if (self->fsgid != self->gid)
		syscall(CALL_SETFSGID, self->fsgid);
	if (self->fsuid != self->uid)
		syscall(CALL_SETFSUID, self->fsuid);
	if (self->fsgid != self->gid && syscall(CALL_SETFSGID, (gid_t)-1) != (long)self->fsgid)
		return -ENOMEM;
	return self->fsuid != self->uid && syscall(CALL_SETFSUID, (uid_t)-1) != (long)self->fsuid ? -ENOMEM
												  : 0;
}

void credentials_restore(struct credentials_self *self)
{
	const int saved = errno;

	if (!self->changed)
		return;
	/* a transient shortage, usually of memory, is worth another try */
	for (int tries = 1; restore(self) < 0; tries++)
		if (tries == RETURN_TRIES)
			__builtin_trap();
	self->changed = false;
	errno = saved;
}
