// SPDX-License-Identifier: MIT
/*
 * Arbitrary messages as requests of the kernel, to the real operations on a small store. One byte selects
 * options, enum stand_option; messages follow, each preceded by its length in 16 bits: struct fuse_in_header
 * and a body.
 *
 * To get past the first checks a message is corrected before it is sent, unless it is far off: a length below
 * 65536 becomes the real one, an id of 0 a new one, and a node id or handle below 256 gets the generation of
 * its slot. Node 255 is the node of the handle in the message.
 */
#include "fs/fuse/loop.h"
#include "fs/fuse/protocol.h"
#include "fs/state/node.h"
#include "tests/fuzz/replies.h"
#include "tests/fuzz/stand.h"

#include <stdlib.h>
#include <string.h>

#define MESSAGES_MAX 200 /* per input */

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t last_unique;

static uint64_t true_node(const struct fs *fs, uint64_t node)
{
	return node > 1 && node < 256 && node < fs->state.arena->header->nodes_high
		       ? node_id(&fs->state, (uint32_t)node)
		       : node;
}

static uint64_t true_handle(const struct fs *fs, uint64_t handle)
{
	const struct arena *arena = fs->state.arena;

	if (handle >= 256 || handle >= arena->header->handles_high)
		return handle;
	return (uint64_t)atomic_load(&arena->handles[handle].generation) << 32 | handle;
}

/* Corrects a number in the body. */
static void improve(const struct fs *fs, char *message, size_t length, size_t at,
		    uint64_t (*improved)(const struct fs *fs, uint64_t number))
{
	struct fuse_in_header *header = (void *)message;
	const struct handle_slot *handle;
	uint64_t number;

	at += sizeof(*header);
	if (at + sizeof(number) > length)
		return;
	memcpy(&number, message + at, sizeof(number));
	number = improved(fs, number);
	memcpy(message + at, &number, sizeof(number));
	handle = improved == true_handle ? handle_get(&fs->state, number) : NULL;
	if (header->nodeid == STAND_NODE_OF_HANDLE && handle)
		header->nodeid = handle->node;
}

static void improve_body(const struct fs *fs, char *message, size_t length)
{
	switch (((const struct fuse_in_header *)(const void *)message)->opcode) {
	case FUSE_READ:
	case FUSE_WRITE:
	case FUSE_RELEASE:
	case FUSE_FSYNC:
	case FUSE_FLUSH:
	case FUSE_READDIR:
	case FUSE_READDIRPLUS:
	case FUSE_RELEASEDIR:
	case FUSE_FSYNCDIR:
	case FUSE_GETLK:
	case FUSE_SETLK:
	case FUSE_SETLKW:
	case FUSE_IOCTL:
	case FUSE_FALLOCATE:
	case FUSE_LSEEK:
		improve(fs, message, length, 0, true_handle);
		break;
	case FUSE_GETATTR:
	case FUSE_SETATTR:
		improve(fs, message, length, 8, true_handle);
		break;
	case FUSE_COPY_FILE_RANGE:
		improve(fs, message, length, offsetof(struct fuse_copy_file_range_in, fh_in), true_handle);
		improve(fs, message, length, offsetof(struct fuse_copy_file_range_in, nodeid_out), true_node);
		improve(fs, message, length, offsetof(struct fuse_copy_file_range_in, fh_out), true_handle);
		break;
	case FUSE_LINK:
	case FUSE_RENAME:
	case FUSE_RENAME2:
		improve(fs, message, length, 0, true_node);
		break;
	default:
		break;
	}
}

static void send(struct fs *fs, struct fuse_in_header *message, size_t length)
{
	const bool is_replay = message->unique & STAND_REPLAY;

	message->unique &= ~STAND_REPLAY;
	replies_await(message, length);
	loop_process(&stand_thread, message, length, is_replay);
	replies_look(stand_waiting(fs));
}

/* Sends a copy that ends where the message does, so that reads past its end are found. */
static void send_improved(struct fs *fs, const uint8_t *data, size_t length)
{
	struct fuse_in_header *header = malloc(length);

	if (!header)
		abort();
	memcpy(header, data, length);
	if (header->len < UINT16_MAX)
		header->len = (uint32_t)length;
	if (header->unique == 0)
		header->unique = last_unique += 2;
	header->nodeid = true_node(fs, header->nodeid);
	improve_body(fs, (char *)header, length);
	send(fs, header, length);
	free(header);
}

static bool release_all(struct fs *fs)
{
	const struct arena *arena = fs->state.arena;
	bool any = false;

	for (uint32_t i = 1; i < arena->header->handles_high; i++) {
		const struct handle_slot *handle = &arena->handles[i];
		struct {
			struct fuse_in_header header;
			struct fuse_release_in in;
		} message = {
			.header =
				{
					.len = sizeof(message),
					.opcode = handle->kind == HANDLE_DIRECTORY ? FUSE_RELEASEDIR
										   : FUSE_RELEASE,
					.unique = last_unique += 2,
					.nodeid = handle->node,
				},
			.in = {.fh = true_handle(fs, i)},
		};

		if (atomic_load(&handle->state) != SLOT_LIVE)
			continue;
		send(fs, &message.header, sizeof(message));
		any = true;
	}
	return any;
}

/*
 * The requests of an unmount. An open that waited for a lock is carried out when another handle is released.
 */
static void let_go(struct fs *fs)
{
	const struct arena *arena = fs->state.arena;

	for (int i = 0; i < MESSAGES_MAX && release_all(fs); i++)
		;
	for (uint32_t i = NODE_ROOT; i < arena->header->nodes_high; i++) {
		struct {
			struct fuse_in_header header;
			struct fuse_forget_in in;
		} message = {
			.header = {.len = sizeof(message),
				   .opcode = FUSE_FORGET,
				   .nodeid = node_id(&fs->state, i)},
			.in = {.nlookup = UINT64_MAX},
		};

		if (atomic_load(&arena->nodes[i].state) == SLOT_LIVE)
			send(fs, &message.header, sizeof(message));
	}
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	stand_setup();
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *end = data + size;
	struct fs *fs;

	if (size < 1)
		return -1;
	last_unique = 0;
	replies_begin();
	fs = stand_begin(*data++);
	for (int i = 0; i < MESSAGES_MAX && end - data >= 2; i++) {
		size_t length = (size_t)(data[0] | data[1] << 8);

		data += 2;
		if (length > (size_t)(end - data))
			length = (size_t)(end - data);
		/* the loop itself refuses shorter messages */
		if (length >= sizeof(struct fuse_in_header)) {
			send_improved(fs, data, length);
		}
		data += length;
	}
	stand_check(fs);
	let_go(fs);
	replies_look(0);
	stand_end(fs);
	return 0;
}
