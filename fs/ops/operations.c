// SPDX-License-Identifier: MIT
#include "fs/ops/operations.h"
#include "fs/ops/close.h"
#include "fs/ops/dir.h"
#include "fs/ops/internal.h"
#include "fs/segment/mandatory.h"
#include "fs/segment/resume.h"

#define FIXED(in)              .fixed = sizeof(struct fuse_##in##_in)
#define COUNT(in, field, size) .count_at = offsetof(struct fuse_##in##_in, field), .counted = (size)
#define OFFSET(in, field)      .offsets = {offsetof(struct fuse_##in##_in, field)}
#define OFFSETS(in, first, second)                                                                           \
	.offsets = {offsetof(struct fuse_##in##_in, first), offsetof(struct fuse_##in##_in, second)}

#define ONCE      OPERATION_ONCE
#define OPENS     (OPERATION_ONCE | OPERATION_OPENS)
#define TRANSFERS (OPERATION_ANY_USER | OPERATION_ON_HANDLE | OPERATION_AS_DAEMON)
#define FORGETS   (TRANSFERS | OPERATION_NO_REPLY | OPERATION_NO_ID)
#define LOCKS     (OPERATION_ANY_USER | OPERATION_IN_MEMORY | OPERATION_ON_HANDLE)
#define SYNCS     (OPERATION_ANY_USER | OPERATION_SLOW | OPERATION_ON_HANDLE)
#define LISTS     (OPERATION_ANY_USER | OPERATION_AS_DAEMON)
#define ARRANGES  (OPERATION_ONCE | OPERATION_SLOW | OPERATION_INTERRUPTIBLE | OPERATION_INODE_LOCKED)

/* clang-format off */
static const struct operation rows[] = {
	[FUSE_LOOKUP] = {.name = "lookup", .run = op_lookup, .body = {.strings = "l"},
		.flags = OPERATION_AS_DAEMON, .user = USER_EXTERNAL, .wanted = SOURCE_NAME},
	[FUSE_FORGET] = {.name = "forget", .run = op_forget, .body = {FIXED(forget)},
		.flags = FORGETS, .user = USER_NEVER},
	[FUSE_BATCH_FORGET] = {.name = "batch_forget", .run = op_batch_forget,
		.body = {FIXED(batch_forget), COUNT(batch_forget, count, sizeof(struct fuse_forget_one))},
		.flags = FORGETS, .user = USER_NEVER},
	[FUSE_GETATTR] = {.name = "getattr", .run = op_getattr, .body = {FIXED(getattr)},
		.flags = OPERATION_AS_DAEMON, .user = USER_EXTERNAL, .wanted = SOURCE_ATTRIBUTES},
	[FUSE_STATX] = {.name = "statx", .run = op_statx, .body = {FIXED(statx)},
		.flags = OPERATION_AS_DAEMON, .user = USER_EXTERNAL, .wanted = SOURCE_ATTRIBUTES},
	[FUSE_SETATTR] = {.name = "setattr", .run = op_setattr, .body = {FIXED(setattr)},
		.flags = ONCE | OPERATION_INODE_LOCKED, .user = USER_EXTERNAL, .wants = wants_setattr},
	[FUSE_STATFS] = {.name = "statfs", .run = op_statfs, .user = USER_NEVER},

	[FUSE_READLINK] = {.name = "readlink", .run = op_readlink, .user = USER_EXTERNAL},
	[FUSE_SYMLINK] = {.name = "symlink", .run = op_symlink, .body = {.strings = "ns"}, .flags = ONCE},
	[FUSE_MKNOD] = {.name = "mknod", .run = op_mknod, .body = {FIXED(mknod), .strings = "n"},
		.flags = ONCE | OPERATION_MAKES_FILE, .is_slow = create_is_slow},
	[FUSE_MKDIR] = {.name = "mkdir", .run = op_mkdir, .body = {FIXED(mkdir), .strings = "n"},
		.flags = ONCE},
	[FUSE_UNLINK] = {.name = "unlink", .run = op_unlink, .body = {.strings = "n"},
		.flags = ONCE, .user = USER_EXTERNAL},
	[FUSE_RMDIR] = {.name = "rmdir", .run = op_rmdir, .body = {.strings = "n"},
		.flags = ONCE, .user = USER_EXTERNAL},
	[FUSE_RENAME] = {.name = "rename", .run = op_rename, .body = {FIXED(rename), .strings = "nn"},
		.flags = ONCE, .user = USER_EXTERNAL},
	[FUSE_RENAME2] = {.name = "rename2", .run = op_rename2, .body = {FIXED(rename2), .strings = "nn"},
		.flags = ONCE},
	[FUSE_LINK] = {.name = "link", .run = op_link, .body = {FIXED(link), .strings = "n"},
		.flags = ONCE, .user = USER_EXTERNAL},

	[FUSE_OPEN] = {.name = "open", .run = op_open, .body = {FIXED(open)},
		.flags = OPENS, .queue = open_queue, .is_slow = open_is_slow, .wants = wants_open},
	[FUSE_CREATE] = {.name = "create", .run = op_create, .body = {FIXED(create), .strings = "n"},
		.flags = OPENS | OPERATION_MAKES_FILE, .is_slow = create_is_slow},
	[FUSE_TMPFILE] = {.name = "tmpfile", .run = op_create, .body = {FIXED(create)},
		.flags = OPENS | OPERATION_MAKES_FILE, .is_slow = create_is_slow},
	[FUSE_FLUSH] = {.name = "flush", .run = op_flush, .body = {FIXED(flush)},
		.flags = LOCKS, .user = USER_NEVER},
	[FUSE_RELEASE] = {.name = "release", .run = op_release, .body = {FIXED(release)},
		.flags = TRANSFERS, .user = USER_NEVER, .prepare = release_prepare},

	[FUSE_READ] = {.name = "read", .run = op_read, .body = {FIXED(read), OFFSET(read, offset)},
		.flags = TRANSFERS, .user = USER_MANDATORY, .is_slow = read_is_large, .wants = wants_read},
	[FUSE_WRITE] = {.name = "write", .run = op_write,
		.body = {FIXED(write), COUNT(write, size, 1), OFFSET(write, offset)},
		.flags = TRANSFERS | ONCE | OPERATION_INODE_LOCKED, .user = USER_MANDATORY,
		.is_slow = write_is_large, .wants = wants_write},
	[FUSE_FSYNC] = {.name = "fsync", .run = op_fsync, .body = {FIXED(fsync)},
		.flags = SYNCS, .user = USER_NEVER},
	[FUSE_FALLOCATE] = {.name = "fallocate", .run = op_fallocate,
		.body = {FIXED(fallocate), OFFSETS(fallocate, offset, length)},
		.flags = ARRANGES, .user = USER_EXTERNAL, .wants = wants_fallocate},
	[FUSE_LSEEK] = {.name = "lseek", .run = op_lseek, .body = {FIXED(lseek)}, .user = USER_EXTERNAL},
	[FUSE_COPY_FILE_RANGE] = {.name = "copy_file_range", .run = op_copy_file_range,
		.body = {FIXED(copy_file_range), OFFSETS(copy_file_range, off_in, off_out)},
		.flags = ARRANGES, .wants = wants_copy_file_range},

	[FUSE_OPENDIR] = {.name = "opendir", .run = op_opendir, .body = {FIXED(open)}, .flags = OPENS},
	[FUSE_READDIR] = {.name = "readdir", .run = op_readdir, .body = {FIXED(read), OFFSET(read, offset)},
		.flags = LISTS, .user = USER_EXTERNAL},
	[FUSE_READDIRPLUS] = {.name = "readdirplus", .run = op_readdirplus,
		.body = {FIXED(read), OFFSET(read, offset)},
		.flags = LISTS, .user = USER_EXTERNAL},
	[FUSE_RELEASEDIR] = {.name = "releasedir", .run = op_releasedir, .body = {FIXED(release)},
		.flags = TRANSFERS, .user = USER_NEVER},
	[FUSE_FSYNCDIR] = {.name = "fsyncdir", .run = op_fsync, .body = {FIXED(fsync)},
		.flags = SYNCS, .user = USER_NEVER},

	[FUSE_SETXATTR] = {.name = "setxattr", .run = op_setxattr,
		.body = {FIXED(setxattr), COUNT(setxattr, size, 1), .strings = "s"},
		.flags = ONCE | OPERATION_SETS_XATTR, .user = USER_XATTR},
	[FUSE_GETXATTR] = {.name = "getxattr", .run = op_getxattr, .body = {FIXED(getxattr), .strings = "s"},
		.user = USER_XATTR, .wanted = SOURCE_ATTRIBUTES, .queue = getxattr_queue},
	[FUSE_LISTXATTR] = {.name = "listxattr", .run = op_listxattr, .body = {FIXED(getxattr)}},
	[FUSE_REMOVEXATTR] = {.name = "removexattr", .run = op_removexattr, .body = {.strings = "s"},
		.flags = ONCE | OPERATION_SETS_XATTR, .user = USER_XATTR},

	[FUSE_GETLK] = {.name = "getlk", .run = op_getlk, .body = {FIXED(lk)}, .flags = LOCKS},
	[FUSE_SETLK] = {.name = "setlk", .run = op_setlk, .body = {FIXED(lk)}, .flags = LOCKS},
	[FUSE_SETLKW] = {.name = "setlkw", .run = op_setlkw, .body = {FIXED(lk)}, .flags = LOCKS},
	[FUSE_INTERRUPT] = {.name = "interrupt", .run = op_interrupt, .body = {FIXED(interrupt)},
		.flags = LOCKS | OPERATION_NO_REPLY, .user = USER_NEVER},

	[FUSE_IOCTL] = {.name = "ioctl", .run = op_ioctl, .body = {FIXED(ioctl), COUNT(ioctl, in_size, 1)}},

	/* handled by the loop, through libfuse */
	[FUSE_INIT] = {.name = "init", .body = {.fixed = offsetof(struct fuse_init_in, flags2)},
		.user = USER_NEVER},
	/* without a function, so the reply is ENOSYS; named for .segfs/status */
	[FUSE_ACCESS] = {.name = "access"},
	[FUSE_DESTROY] = {.name = "destroy"},
	[FUSE_POLL] = {.name = "poll"},
	[FUSE_SYNCFS] = {.name = "syncfs"},
};
/* clang-format on */

#define N_ROWS (sizeof(rows) / sizeof(rows[0]))

const struct operations segfs_operations = {
	.rows = rows,
	.n = N_ROWS,
	.is_mandatory = mandatory_concerns,
	.admit = mandatory_admits,
	.resume = resume_ready,
	.between = resume_between,
	.tidy = forget_unknown,
	.undo_open = close_earlier_attempt,
};

const char *operation_name(uint32_t opcode)
{
	return opcode < N_ROWS ? rows[opcode].name : NULL;
}
