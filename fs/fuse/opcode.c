// SPDX-License-Identifier: MIT
#include "fs/fuse/opcode.h"
#include "fs/fuse/wire.h"

#include <stddef.h>

enum {
	ONCE = 1,
	OPENS = 2,
};

static const struct {
	const char *name;
	unsigned int properties;
} opcodes[] = {
	[WIRE_OP_LOOKUP] = {"lookup", 0},
	[WIRE_OP_FORGET] = {"forget", 0},
	[WIRE_OP_GETATTR] = {"getattr", 0},
	[WIRE_OP_SETATTR] = {"setattr", ONCE},
	[WIRE_OP_READLINK] = {"readlink", 0},
	[WIRE_OP_SYMLINK] = {"symlink", ONCE},
	[WIRE_OP_MKNOD] = {"mknod", ONCE},
	[WIRE_OP_MKDIR] = {"mkdir", ONCE},
	[WIRE_OP_UNLINK] = {"unlink", ONCE},
	[WIRE_OP_RMDIR] = {"rmdir", ONCE},
	[WIRE_OP_RENAME] = {"rename", ONCE},
	[WIRE_OP_LINK] = {"link", ONCE},
	[WIRE_OP_OPEN] = {"open", ONCE | OPENS},
	[WIRE_OP_READ] = {"read", 0},
	[WIRE_OP_WRITE] = {"write", ONCE},
	[WIRE_OP_STATFS] = {"statfs", 0},
	[WIRE_OP_RELEASE] = {"release", 0},
	[WIRE_OP_FSYNC] = {"fsync", 0},
	[WIRE_OP_SETXATTR] = {"setxattr", ONCE},
	[WIRE_OP_GETXATTR] = {"getxattr", 0},
	[WIRE_OP_LISTXATTR] = {"listxattr", 0},
	[WIRE_OP_REMOVEXATTR] = {"removexattr", ONCE},
	[WIRE_OP_FLUSH] = {"flush", 0},
	[WIRE_OP_INIT] = {"init", 0},
	[WIRE_OP_OPENDIR] = {"opendir", ONCE | OPENS},
	[WIRE_OP_READDIR] = {"readdir", 0},
	[WIRE_OP_RELEASEDIR] = {"releasedir", 0},
	[WIRE_OP_FSYNCDIR] = {"fsyncdir", 0},
	[WIRE_OP_GETLK] = {"getlk", 0},
	[WIRE_OP_SETLK] = {"setlk", 0},
	[WIRE_OP_SETLKW] = {"setlkw", 0},
	[WIRE_OP_ACCESS] = {"access", 0},
	[WIRE_OP_CREATE] = {"create", ONCE | OPENS},
	[WIRE_OP_INTERRUPT] = {"interrupt", 0},
	[WIRE_OP_DESTROY] = {"destroy", 0},
	[WIRE_OP_IOCTL] = {"ioctl", 0},
	[WIRE_OP_POLL] = {"poll", 0},
	[WIRE_OP_BATCH_FORGET] = {"batch_forget", 0},
	[WIRE_OP_FALLOCATE] = {"fallocate", ONCE},
	[WIRE_OP_READDIRPLUS] = {"readdirplus", 0},
	[WIRE_OP_RENAME2] = {"rename2", ONCE},
	[WIRE_OP_LSEEK] = {"lseek", 0},
	[WIRE_OP_COPY_FILE_RANGE] = {"copy_file_range", ONCE},
	[WIRE_OP_SYNCFS] = {"syncfs", 0},
	[WIRE_OP_TMPFILE] = {"tmpfile", ONCE | OPENS},
	[WIRE_OP_STATX] = {"statx", 0},
};

static unsigned int properties_of(uint32_t opcode)
{
	return opcode < sizeof(opcodes) / sizeof(opcodes[0]) ? opcodes[opcode].properties : 0;
}

const char *opcode_known_name(uint32_t opcode)
{
	return opcode < sizeof(opcodes) / sizeof(opcodes[0]) ? opcodes[opcode].name : NULL;
}

const char *opcode_name(uint32_t opcode)
{
	const char *name = opcode_known_name(opcode);

	return name ? name : "operation";
}

bool opcode_is_once(uint32_t opcode)
{
	return properties_of(opcode) & ONCE;
}

bool opcode_opens(uint32_t opcode)
{
	return properties_of(opcode) & OPENS;
}
