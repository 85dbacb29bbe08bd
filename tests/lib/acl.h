/* SPDX-License-Identifier: MIT */
/*
 * POSIX ACLs as setxattr(2) takes them, by the names system.posix_acl_access and system.posix_acl_default.
 */
#ifndef SEGFS_TESTS_ACL_H
#define SEGFS_TESTS_ACL_H

#include <linux/posix_acl.h>
#include <linux/posix_acl_xattr.h>
#include <stdint.h>

/* An ACL that names one user. */
struct user_acl {
	struct posix_acl_xattr_header header;
	struct posix_acl_xattr_entry entries[5];
};

/* user: its id; the others: permissions, 0 to 7, as setfacl -m u:USER:OF_USER sets them. */
#define USER_ACL(owner, user, of_user, group, mask, other)                                                   \
	{                                                                                                    \
		{POSIX_ACL_XATTR_VERSION},                                                                   \
			{                                                                                    \
				{ACL_USER_OBJ, (owner), UINT32_MAX},  {ACL_USER, (of_user), (user)},         \
				{ACL_GROUP_OBJ, (group), UINT32_MAX}, {ACL_MASK, (mask), UINT32_MAX},        \
				{ACL_OTHER, (other), UINT32_MAX},                                            \
			},                                                                                   \
	}

#endif
