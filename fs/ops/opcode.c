// SPDX-License-Identifier: MIT
#include "fs/ops/opcode.h"

#include <stddef.h>

enum {
	ONCE = 1,
	OPENS = 2,
};

/* By number; see the kernel's fuse.h. */
static const struct {
	const char *name;
	unsigned int properties;
} opcodes[] = {
	[1] = {"lookup", 0},
	[2] = {"forget", 0},
	[3] = {"getattr", 0},
	[4] = {"setattr", ONCE},
	[5] = {"readlink", 0},
	[6] = {"symlink", ONCE},
	[8] = {"mknod", ONCE},
	[9] = {"mkdir", ONCE},
	[10] = {"unlink", ONCE},
	[11] = {"rmdir", ONCE},
	[12] = {"rename", ONCE},
	[13] = {"link", ONCE},
	[14] = {"open", ONCE | OPENS},
	[15] = {"read", 0},
	[16] = {"write", ONCE},
	[17] = {"statfs", 0},
	[18] = {"release", 0},
	[20] = {"fsync", 0},
	[21] = {"setxattr", ONCE},
	[22] = {"getxattr", 0},
	[23] = {"listxattr", 0},
	[24] = {"removexattr", ONCE},
	[25] = {"flush", 0},
	[26] = {"init", 0},
	[27] = {"opendir", ONCE | OPENS},
	[28] = {"readdir", 0},
	[29] = {"releasedir", 0},
	[30] = {"fsyncdir", 0},
	[31] = {"getlk", 0},
	[32] = {"setlk", 0},
	[33] = {"setlkw", 0},
	[34] = {"access", 0},
	[35] = {"create", ONCE | OPENS},
	[36] = {"interrupt", 0},
	[38] = {"destroy", 0},
	[39] = {"ioctl", 0},
	[40] = {"poll", 0},
	[42] = {"batch_forget", 0},
	[43] = {"fallocate", ONCE},
	[44] = {"readdirplus", 0},
	[45] = {"rename2", ONCE},
	[46] = {"lseek", 0},
	[47] = {"copy_file_range", ONCE},
	[50] = {"syncfs", 0},
	[51] = {"tmpfile", ONCE | OPENS},
	[52] = {"statx", 0},
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
