// SPDX-License-Identifier: MIT
/*
 * .segfs/locks and .segfs/attached, while slots that they read are reused: what is shown of a segment that
 * vanishes is never another's name, owner or policy, and a lock is never shown to somebody who only got the
 * slot of its handle.
 */
#include "tests/unit/slots.h"

#include "fs/control/listed.h"
#include "fs/source/source.h"
#include "fs/state/lock.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/fsuid.h>

#define READER 1000u /* who reads the list */
#define OTHER  1001u

#define INODE 77u

static struct slots slots;
static uint64_t segment;      /* another user's */
static uint64_t handle;       /* his, of it */
static unsigned int looks;    /* calls of setfsuid() so far */
static unsigned int reuse_at; /* the one in which the slot of `handle` becomes the reader's; 0 = none */

/* --- the segments' source --- */

enum moment {
	NEVER,
	IN_STAT,
	IN_PATH,
};

static enum moment moment; /* when the slot of `segment` becomes that of a segment of the reader's */
static bool is_reused;     /* ... or is freed only */

static uint64_t make(uint64_t inode, uint32_t policy)
{
	struct node_key key = key_of(inode);
	uint64_t id = 0;
	int none = -1;

	key.store = NODE_STORE_CONTROL;
	assert_int_equal(node_reference(&slots.state, &key, S_IFREG | 0600, NODE_UNLINKED, &none, &id), 0);
	atomic_store(&node_get(&slots.state, id)->policy, policy);
	return id;
}

static void vanish(enum moment now)
{
	uint64_t id;

	if (moment != now)
		return;
	moment = NEVER;
	forget(&slots, segment, 1);
	assert_null(node_get(&slots.state, segment));
	if (!is_reused)
		return;
	id = make(INODE + 1, NODE_POLICY_MANDATORY);
	assert_int_equal(node_index_of(id), node_index_of(segment));
}

static int stat_of(struct state *state, const struct node_slot *node, struct stat *stat)
{
	(void)state;
	vanish(IN_STAT);
	*stat = (struct stat){
		.st_ino = node->inode,
		.st_uid = node->inode == INODE && moment != IN_PATH ? OTHER : READER,
		.st_nlink = 1,
	};
	return 0;
}

static int path_of(const struct state *state, const struct node_slot *node, char *path, size_t size)
{
	(void)state;
	vanish(IN_PATH);
	return snprintf(path, size, "file-%llu", (unsigned long long)node->inode);
}

static const struct source source = {.name = "test", .stat = stat_of, .path = path_of};

/* --- the reader --- */

/* A handle of the reader's gets the slot of `handle`, as after a RELEASE. */
static void reuse_handle(void)
{
	const struct handle_open open = {.node = segment, .unique = 2, .uid = READER, .mode = IO_RELAYED};
	int backing_id;
	uint64_t number;
	int none = -1;

	lock_drop_handle(&slots.state, segment, handle);
	assert_int_equal(handle_remove(&slots.state, handle, &backing_id), 0);
	assert_int_equal(handle_add(&slots.state, &open, &none, &number, &backing_id), 0);
	assert_int_equal((uint32_t)number, (uint32_t)handle);
}

/* In the place of the C library's: the file-system ids of the thread are the reader's. */
int setfsuid(uid_t uid)
{
	assert_int_equal(uid, (uid_t)-1);
	if (++looks == reuse_at)
		reuse_handle();
	return READER;
}

static int start(void **unused)
{
	(void)unused;
	slots_open(&slots, 16, 16, 16);
	slots.arena.header->privileged = true;
	slots.arena.header->keeps_locks = true;
	source_set_control(&source);
	segment = make(INODE, 0);
	moment = NEVER;
	looks = reuse_at = 0;
	return 0;
}

static int stop(void **unused)
{
	(void)unused;
	slots_close(&slots);
	return 0;
}

/* --- segments --- */

static void find_segment(struct listed_segment *found)
{
	*found = (struct listed_segment){0};
	assert_int_equal(listed_find(&slots.state, segment, found), 0);
	assert_int_equal(found->id, segment);
}

static void expect_nothing(void)
{
	struct listed_segment found;

	find_segment(&found);
	assert_int_equal(moment, NEVER);
	assert_string_equal(found.path, "-");
	assert_false(found.is_shown);
	assert_false(found.mandatory);
	assert_int_equal(found.inode, 0);
}

static void to_its_owner(void **unused)
{
	struct listed_segment found;

	(void)unused;
	segment = make(INODE + 2, NODE_POLICY_MANDATORY);
	find_segment(&found);
	assert_string_equal(found.path, "file-79");
	assert_true(found.is_shown);
	assert_true(found.mandatory);
	assert_int_equal(found.inode, INODE + 2);
}

static void to_others(void **unused)
{
	struct listed_segment found;

	(void)unused;
	find_segment(&found);
	assert_string_equal(found.path, "-");
	assert_false(found.is_shown);
	assert_int_equal(found.inode, INODE);
}

static void vanishing_while_its_attributes_are_read(void **unused)
{
	(void)unused;
	moment = IN_STAT;
	is_reused = false;
	expect_nothing();
}

static void replaced_while_its_attributes_are_read(void **unused)
{
	(void)unused;
	moment = IN_STAT;
	is_reused = true;
	expect_nothing();
}

static void vanishing_while_its_path_is_read(void **unused)
{
	(void)unused;
	moment = IN_PATH;
	is_reused = false;
	expect_nothing();
}

static void replaced_while_its_path_is_read(void **unused)
{
	(void)unused;
	moment = IN_PATH;
	is_reused = true;
	expect_nothing();
}

/* --- locks --- */

static void lock_as(uint32_t uid)
{
	const struct handle_open open = {.node = segment, .unique = 1, .uid = uid, .mode = IO_RELAYED};
	struct lock_request request = {
		.node = segment, .owner = 5, .kind = LOCK_RANGE, .end = LOCK_END, .type = LOCK_EXCLUSIVE};
	int backing_id;
	int none = -1;

	assert_int_equal(handle_add(&slots.state, &open, &none, &handle, &backing_id), 0);
	request.handle = handle;
	assert_int_equal(lock_set(&slots.state, &request), 0);
}

static size_t length_of_list(void)
{
	struct control_text text = {0};

	control_print_locks(&text, &slots.state);
	assert_int_equal(text.result, 0);
	free(text.bytes);
	return text.length;
}

static void own_lock_on_a_segment_of_others(void **unused)
{
	(void)unused;
	lock_as(READER);
	assert_true(length_of_list() > 0);
	lock_drop_handle(&slots.state, segment, handle);
}

/* At each moment at which the list asks who reads it. */
static void lock_of_others(void **unused)
{
	unsigned int n;

	(void)unused;
	lock_as(OTHER);
	assert_int_equal(length_of_list(), 0);
	n = looks;
	assert_true(n > 0);
	lock_drop_handle(&slots.state, segment, handle);
	for (unsigned int i = 1; i <= n; i++) {
		stop(NULL);
		start(NULL);
		lock_as(OTHER);
		reuse_at = i;
		assert_int_equal(length_of_list(), 0);
		assert_null(handle_get(&slots.state, handle));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(to_its_owner, start, stop),
		cmocka_unit_test_setup_teardown(to_others, start, stop),
		cmocka_unit_test_setup_teardown(vanishing_while_its_attributes_are_read, start, stop),
		cmocka_unit_test_setup_teardown(replaced_while_its_attributes_are_read, start, stop),
		cmocka_unit_test_setup_teardown(vanishing_while_its_path_is_read, start, stop),
		cmocka_unit_test_setup_teardown(replaced_while_its_path_is_read, start, stop),
		cmocka_unit_test_setup_teardown(own_lock_on_a_segment_of_others, start, stop),
		cmocka_unit_test_setup_teardown(lock_of_others, start, stop),
	};

	return cmocka_run_group_tests_name("what lists show", tests, NULL, NULL);
}
