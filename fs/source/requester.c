// SPDX-License-Identifier: MIT
#include "fs/source/requester.h"
#include "fs/source/source.h"

#include <linux/capability.h>

#define BIT(capability) (UINT64_C(1) << (capability))

/* With all of these a requester may do everything that the daemon does on behalf of requesters. */
#define EQUAL                                                                                                \
	(BIT(CAP_CHOWN) | BIT(CAP_DAC_OVERRIDE) | BIT(CAP_DAC_READ_SEARCH) | BIT(CAP_FOWNER) |               \
	 BIT(CAP_FSETID) | BIT(CAP_LINUX_IMMUTABLE) | BIT(CAP_IPC_OWNER) | BIT(CAP_SYS_PTRACE) |             \
	 BIT(CAP_SYS_ADMIN) | BIT(CAP_SETFCAP))

static _Thread_local struct {
	bool is_set;
	bool is_read;
	pid_t thread;
	uid_t uid;
	gid_t gid;
	struct credentials credentials;
	int shares; /* the daemon's namespaces: 1 or 0; -1 = not determined yet */
} requester;

void requester_clear(void)
{
	if (requester.is_read)
		credentials_free(&requester.credentials);
	requester.is_read = false;
	requester.is_set = false;
}

void requester_set(pid_t thread, uid_t uid, gid_t gid)
{
	requester_clear();
	requester.is_set = true;
	requester.shares = -1;
	requester.thread = thread;
	requester.uid = uid;
	requester.gid = gid;
}

int requester_credentials(const struct state *state, const struct credentials **out)
{
	int result = 0;

	if (!requester.is_set || !state->arena->header->privileged) {
		*out = NULL;
		return 0;
	}
	if (!requester.is_read)
		result = credentials_read(requester.thread, requester.uid, requester.gid,
					  &requester.credentials);
	if (result < 0)
		return result;
	requester.is_read = true;
	*out = &requester.credentials;
	return 0;
}

int requester_shares_namespaces(void)
{
	int result;

	if (requester.shares >= 0)
		return requester.shares;
	result = credentials_shares_namespaces(requester.thread);
	if (result >= 0)
		requester.shares = result;
	return result;
}

int requester_assume(const struct state *state, struct credentials_self *self)
{
	const struct credentials *credentials;
	int result = requester_credentials(state, &credentials);

	if (result < 0 || !credentials ||
	    (credentials->uid == 0 && (credentials->capabilities & EQUAL) == EQUAL))
		return result;
	return credentials_assume(credentials, self);
}

int requester_assume_in(const struct state *state, uint16_t store, struct credentials_self *self)
{
	return state->arena->header->stores[store].source == SOURCE_STORE ? 0 : requester_assume(state, self);
}
