// SPDX-License-Identifier: MIT
/* The descriptor cache: hits, sharing, eviction, and closing together with nodes. */
#include "tests/unit/store.h"

#include <sys/resource.h>

#define PLACES 64u /* a quarter of this process's limit of descriptors */
#define ALL    (&store.slots.state)

static const struct cached_fd_record *record_of(struct store *store, uint64_t id)
{
	return &store->slots.arena.header->cached_fds[node_index_of(id) % PLACES];
}

/* Gets and puts a descriptor. Returns its number. */
static int touch(struct store *store, uint64_t id)
{
	struct cached_fd cached = CACHED_FD_NONE;

	assert_int_equal(fd_cache_get(&store->slots.state, slot_of(store, id), &cached), 0);
	assert_int_equal(fcntl(cached.fd, F_GETFL) & O_PATH, O_PATH);
	fd_cache_put(&cached);
	assert_int_equal(cached.fd, -1);
	return record_of(store, id)->fd;
}

/* The node whose index is PLACES above another one's, and so maps to the same place. */
static uint64_t rival_of(struct store *store, uint64_t id)
{
	uint64_t other = 0;
	char name[16];

	for (uint32_t i = 0; node_index_of(other) != node_index_of(id) + PLACES; i++) {
		snprintf(name, sizeof(name), "rival%u", i);
		other = make_file(store, root_of(store), name, "rival");
	}
	return other;
}

static void finds_them_again(void **state)
{
	struct cached_fd first = CACHED_FD_NONE, second = CACHED_FD_NONE;
	struct store store;
	uint64_t id;

	(void)state;
	store_begin(&store);
	id = make_file(&store, root_of(&store), "file", "text");
	assert_int_equal(fd_cache_get(ALL, slot_of(&store, id), &first), 0);
	assert_int_equal(fd_cache_get(ALL, slot_of(&store, id), &second), 0);
	assert_int_equal(first.fd, second.fd);
	assert_int_equal(record_of(&store, id)->id, id);
	assert_int_equal(record_of(&store, id)->fd, first.fd);
	fd_cache_put(&first);
	fd_cache_put(&second);
	fd_cache_put(&second); /* a second put has no effect */
	assert_true(is_open(record_of(&store, id)->fd));
	/* the next worker has it, too */
	slots_again(&store.slots);
	assert_int_equal(touch(&store, id), record_of(&store, id)->fd);
	assert_int_equal(record_of(&store, id)->id, id);
	store_end(&store);
}

static void gives_way_at_its_place(void **state)
{
	struct cached_fd used = CACHED_FD_NONE, other = CACHED_FD_NONE;
	struct store store;
	uint64_t id, rival;
	int fd;

	(void)state;
	store_begin(&store);
	id = make_file(&store, root_of(&store), "file", "text");
	rival = rival_of(&store, id);
	fd = touch(&store, id);
	assert_int_equal(fd_cache_get(ALL, slot_of(&store, rival), &used), 0);
	assert_int_equal(record_of(&store, id)->id, rival);
	assert_false(is_open(fd));
	/* in use: the other node gets a private descriptor */
	assert_int_equal(fd_cache_get(ALL, slot_of(&store, id), &other), 0);
	assert_int_equal(other.slot, CACHED_FD_PRIVATE);
	assert_int_equal(record_of(&store, id)->id, rival);
	fd = other.fd;
	fd_cache_put(&other);
	assert_false(is_open(fd));
	assert_true(is_open(used.fd));
	fd_cache_put(&used);
	touch(&store, id);
	assert_int_equal(record_of(&store, id)->id, id);
	store_end(&store);
}

static void closes_them_with_their_nodes(void **state)
{
	struct cached_fd used = CACHED_FD_NONE;
	struct store store;
	uint64_t id, rival;
	int fd;

	(void)state;
	store_begin(&store);
	id = make_file(&store, root_of(&store), "file", "text");
	rival = rival_of(&store, id);
	fd = touch(&store, id);
	fd_cache_drop(ALL, rival); /* it has no cached one */
	assert_true(is_open(fd));
	forget_node(&store, id);
	assert_false(is_open(fd));
	assert_int_equal(record_of(&store, id)->id, 0);
	fd_cache_drop(ALL, id);
	/* a descriptor in use stays */
	assert_int_equal(fd_cache_get(ALL, slot_of(&store, rival), &used), 0);
	fd_cache_drop(ALL, rival);
	assert_true(is_open(used.fd));
	fd_cache_put(&used);
	store_end(&store);
}

/* Nobody would close it. */
static void keeps_none_of_forgotten_nodes(void **state)
{
	struct cached_fd cached = CACHED_FD_NONE;
	struct store store;
	uint64_t id;
	int fd;

	(void)state;
	store_begin(&store);
	id = make_file(&store, root_of(&store), "file", "text");
	forget_node(&store, id);
	assert_int_equal(fd_cache_get(ALL, slot_of(&store, id), &cached), 0);
	assert_int_equal(cached.slot, CACHED_FD_PRIVATE);
	assert_int_equal(record_of(&store, id)->id, 0);
	fd = cached.fd;
	fd_cache_put(&cached);
	assert_false(is_open(fd));
	store_end(&store);
}

static void uses_what_the_node_holds(void **state)
{
	struct cached_fd cached = CACHED_FD_NONE;
	struct store store;
	uint64_t id;
	int fd;

	(void)state;
	store_begin(&store);
	id = make_file(&store, root_of(&store), "file", "text");
	assert_int_equal(store_source.remove(ALL, NULL, root_of(&store), "file", 0), 0);
	fd = slot_of(&store, id)->fd;
	assert_int_equal(fd_cache_get(ALL, slot_of(&store, id), &cached), 0);
	assert_int_equal(cached.fd, fd);
	assert_int_equal(cached.slot, CACHED_FD_OF_NODE);
	fd_cache_put(&cached);
	assert_true(is_open(fd));
	store_end(&store);
}

static void knows_directories(void **state)
{
	struct cached_fd cached = CACHED_FD_NONE;
	struct store store;
	uint64_t id;

	(void)state;
	store_begin(&store);
	id = make_file(&store, root_of(&store), "file", "text");
	assert_int_equal(fd_cache_get_directory(ALL, slot_of(&store, id), &cached), -ENOTDIR);
	assert_int_equal(cached.fd, -1);
	assert_int_equal(fd_cache_get_directory(ALL, root_of(&store), &cached), 0);
	fd_cache_put(&cached);
	store_end(&store);
}

static void says_why_there_is_none(void **state)
{
	struct cached_fd cached = CACHED_FD_NONE;
	struct rlimit limit, none;
	struct store store;
	uint64_t id;
	int result;

	(void)state;
	store_begin(&store);
	id = make_file(&store, root_of(&store), "file", "text");
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	none = (struct rlimit){.rlim_cur = 0, .rlim_max = limit.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	result = fd_cache_get(ALL, slot_of(&store, id), &cached);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_int_equal(result, -EMFILE);
	assert_int_equal(unlinkat(store.slots.arena.header->stores[0].root_fd, "file", 0), 0);
	assert_int_equal(fd_cache_get(ALL, slot_of(&store, id), &cached), -ESTALE);
	assert_int_equal(cached.fd, -1);
	assert_int_equal(record_of(&store, id)->id, 0);
	store_end(&store);
}

/* A cached descriptor pins a removed file; another file of that name is another node. */
static void tells_old_from_new(void **state)
{
	struct store store;
	struct stat stat;
	uint64_t old, new;

	(void)state;
	store_begin(&store);
	old = make_file(&store, root_of(&store), "file", "old");
	touch(&store, old);
	assert_int_equal(store_source.remove(ALL, NULL, root_of(&store), "file", 0), 0);
	new = make_file(&store, root_of(&store), "file", "new!");
	assert_int_not_equal(old, new);
	stat = stat_of(&store, old);
	assert_int_equal(stat.st_nlink, 0);
	assert_int_equal(stat.st_size, 3);
	assert_int_equal(stat_of(&store, new).st_size, 4);
	store_end(&store);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_them_again),
		cmocka_unit_test(gives_way_at_its_place),
		cmocka_unit_test(closes_them_with_their_nodes),
		cmocka_unit_test(keeps_none_of_forgotten_nodes),
		cmocka_unit_test(uses_what_the_node_holds),
		cmocka_unit_test(knows_directories),
		cmocka_unit_test(says_why_there_is_none),
		cmocka_unit_test(tells_old_from_new),
	};
	struct rlimit limit;

	/* before the cache is used for the first time */
	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return 1;
	limit.rlim_cur = PLACES * 4;
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
