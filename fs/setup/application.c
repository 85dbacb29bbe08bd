// SPDX-License-Identifier: MIT
#include "fs/setup/application.h"
#include "fs/fuse/passthrough.h"
#include "fs/segment/lifetime.h"
#include "fs/segment/policy.h"
#include "fs/source/backing.h"
#include "lib/base/cleanup.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/xattr.h>

int apply_fail(const struct application *application, int result, unsigned int line, const char *format, ...)
{
	va_list arguments;
	int length = snprintf(application->error, CONFIG_ERROR_MAX, "%s:%u: ", application->file, line);

	if (length < 0 || length >= CONFIG_ERROR_MAX)
		return result;
	va_start(arguments, format);
	vsnprintf(application->error + length, CONFIG_ERROR_MAX - (size_t)length, format, arguments);
	va_end(arguments);
	return result;
}

void apply_notify(const struct application *application, int fd)
{
	struct source_file file = {.fd = -1};
	uint64_t id;

	if (!application->changed || backing_identify(application->state, 0, fd, "", &file) < 0)
		return;
	id = node_find(application->state, &file.key);
	cleanup_close(&file.fd);
	if (id)
		application->changed(id);
}

int apply_reference(const struct application *application, int fd, uint64_t *id)
{
	struct source_file file = {.fd = -1};
	int result = backing_identify(application->state, 0, fd, "", &file);

	if (result == 0)
		result = node_reference(application->state, &file.key, file.stat.st_mode, file.flags,
					&file.fd, id);
	cleanup_close(&file.fd);
	return result;
}

void apply_forget(const struct application *application, uint64_t id)
{
	int backing_id;

	node_forget(application->state, id, 1, &backing_id);
	passthrough_close_in(application->state, backing_id);
}

int apply_policy(const struct application *application, int fd, const struct config_policy *policy)
{
	bool any = false;
	uint64_t id;
	int result;

	for (int field = 0; field < POLICY_FIELDS; field++)
		any |= policy->given[field];
	if (!any)
		return 0;
	result = apply_reference(application, fd, &id);
	if (result < 0)
		return result;
	result = policy_change_fields(application->state, id, policy->given, &policy->policy);
	if (result > 0) {
		lifetime_changed(id);
		result = 0;
	}
	apply_forget(application, id);
	return result;
}

int apply_read_policy(const struct application *application, int fd, struct policy *policy)
{
	char text[POLICY_TEXT_MAX];
	ssize_t length = fgetxattr(fd, source_policy_attribute(application->state), text, sizeof(text));

	*policy = (struct policy){0};
	if (length < 0)
		return errno == ENODATA || errno == EOPNOTSUPP ? 0 : -errno;
	policy_load(policy, text, (size_t)length);
	return 0;
}

void apply_merge_policy(struct policy *policy, const struct config_policy *given)
{
	for (int field = 0; field < POLICY_FIELDS; field++)
		if (given->given[field])
			policy_copy(policy, (enum policy_field)field, &given->policy);
}

int apply_store_policy(const struct application *application, int fd, struct policy *policy,
		       const struct config_policy *given)
{
	char text[POLICY_TEXT_MAX];
	int length;

	apply_merge_policy(policy, given);
	length = policy_store(policy, text);
	if (length > 0)
		return fsetxattr(fd, source_policy_attribute(application->state), text, (size_t)length, 0) < 0
			       ? -errno
			       : 0;
	if (fremovexattr(fd, source_policy_attribute(application->state)) < 0 && errno != ENODATA &&
	    errno != EOPNOTSUPP)
		return -errno;
	return 0;
}

struct claim claim_of_directory(const struct config_directory *directory)
{
	return (struct claim){
		.kind = "directory",
		.name = directory->name,
		.line = directory->line,
		.has_owner = directory->store.has_owner,
		.owner = directory->store.owner,
	};
}
