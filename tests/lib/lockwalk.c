// SPDX-License-Identifier: MIT
#include "tests/lib/lockwalk.h"
#include "lib/base/cleanup.h"
#include "tests/lib/locker.h"
#include "tests/lib/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define PROCESSES    6
#define STARTED      4 /* of the processes; the others are forked */
#define OBSERVER     PROCESSES
#define SLOTS        4
#define ON_MOUNT     8 /* slot of the file on the mount, following that of the tmpfs file */
#define DESCRIPTIONS (PROCESSES * SLOTS + 1)
#define OWNERS       (PROCESSES + 1 + DESCRIPTIONS)
#define SIZE         100 /* of the file */
#define CELLS        ((int)(sizeof(bounds) / sizeof(bounds[0])))

/* Boundaries of ranges; the last cell has no end. All bytes of a cell are in the same state. */
static const int64_t bounds[] = {
	0,         1,
	2,         3,
	4,         5,
	6,         7,
	8,         10,
	20,        99,
	100,       101,
	102,       4095,
	4096,      4097,
	65536,     INT32_MAX,
	1ll << 31, UINT32_MAX,
	1ll << 32, 1ll << 40,
	1ll << 62, INT64_MAX - 1,
	INT64_MAX,
};

/* An open file description; index 0 is unused. */
struct description {
	int descriptors; /* that refer to it; 0 = unused */
	int mode;        /* O_ACCMODE */
	int flock;       /* F_RDLCK, F_WRLCK, F_UNLCK */
};

static struct {
	const struct mount *mount;
	bool is_kept; /* segfs keeps the locks, not the kernel */
	unsigned int seed;
	unsigned int step;
	uint64_t random;
	struct description descriptions[DESCRIPTIONS];
	int fds[PROCESSES][SLOTS]; /* descriptions, 0 = the slot is empty */
	/* locks held by owners: processes, the observer, descriptions */
	signed char cells[OWNERS][sizeof(bounds) / sizeof(bounds[0])];
	char what[256]; /* the step as text */
} walk;

static unsigned int pick(unsigned int n)
{
	/* xorshift */
	walk.random ^= walk.random << 13;
	walk.random ^= walk.random >> 7;
	walk.random ^= walk.random << 17;
	return (unsigned int)((walk.random >> 32) % n);
}

#define fail_walk(...)                                                                                       \
	do {                                                                                                 \
		print_error("TEST_SEED=%u, step %u: %s: ", walk.seed, walk.step, walk.what);                 \
		print_error(__VA_ARGS__);                                                                    \
		print_error("\n");                                                                           \
		fail();                                                                                      \
	} while (0)

static const char *name_of(int result)
{
	return result < 0 ? strerrorname_np(-result) : "success";
}

/* --- the model --- */

static int owner_of_description(int description)
{
	return PROCESSES + 1 + description;
}

static bool conflict(int left, int right)
{
	return left != F_UNLCK && right != F_UNLCK && (left == F_WRLCK || right == F_WRLCK);
}

static bool is_in_the_way(int owner, int type, int first, int last)
{
	for (int other = 0; other < OWNERS; other++)
		for (int cell = first; cell <= last && other != owner; cell++)
			if (conflict(walk.cells[other][cell], type))
				return true;
	return false;
}

static bool flock_is_in_the_way(int description, int type)
{
	for (int other = 1; other < DESCRIPTIONS; other++)
		if (other != description && conflict(walk.descriptions[other].flock, type))
			return true;
	return false;
}

static void release(int owner)
{
	memset(walk.cells[owner], F_UNLCK, sizeof(walk.cells[owner]));
}

static int new_description(int mode)
{
	int found = 1;

	while (walk.descriptions[found].descriptors > 0)
		found++;
	walk.descriptions[found] = (struct description){.descriptors = 1, .mode = mode, .flock = F_UNLCK};
	return found;
}

static void forget_descriptor(int process, int slot)
{
	int description = walk.fds[process][slot];

	walk.fds[process][slot] = 0;
	if (description == 0)
		return;
	release(process);
	if (--walk.descriptions[description].descriptors > 0)
		return;
	walk.descriptions[description].flock = F_UNLCK;
	release(owner_of_description(description));
}

/* --- asking --- */

static int64_t end_of(int cell)
{
	const size_t next = (size_t)cell + 1;

	return next < sizeof(bounds) / sizeof(bounds[0]) ? bounds[next] - 1 : INT64_MAX;
}

/* One of the possible struct flock of a range. */
static struct flock range(int type, int first, int last)
{
	struct flock lock = {.l_type = (short)type, .l_whence = SEEK_SET, .l_start = bounds[first]};

	if (last < CELLS - 1 || (first > 0 && pick(2)))
		lock.l_len = end_of(last) - bounds[first] + 1;
	if (last < CELLS - 1 && pick(8) == 0) {
		lock.l_start = end_of(last) + 1;
		lock.l_len = -lock.l_len;
	}
	if (pick(4) == 0) {
		lock.l_whence = SEEK_END;
		lock.l_start -= SIZE;
	}
	return lock;
}

/* Runs the command on both files. */
static void ask_both(int locker, struct locker_command *command, struct locker_answer *reference,
		     struct locker_answer *mounted)
{
	*reference = locker_call(locker, command);
	command->slot += ON_MOUNT;
	*mounted = locker_call(locker, command);
	command->slot -= ON_MOUNT;
}

static void expect(int locker, struct locker_command *command, int expected)
{
	struct locker_answer reference;
	struct locker_answer mounted;

	ask_both(locker, command, &reference, &mounted);
	if (reference.result != expected || mounted.result != expected)
		fail_walk("on the tmpfs %s, on the mount %s, by the model %s", name_of(reference.result),
			  name_of(mounted.result), name_of(expected));
}

/*
 * The kernel reports -1 for the lock of a description. It does not tell a mount that keeps the locks which
 * are of that kind: for such a mount it reports -1 to F_OFD_GETLK, and otherwise a pid, or 0 if that process
 * has ended.
 */
static bool is_true_pid(pid_t pid, int asker, int owner, bool is_kept)
{
	bool of_description = owner > PROCESSES;

	if (is_kept && asker > PROCESSES)
		return pid == -1;
	if (is_kept && of_description)
		return pid >= 0;
	return pid == (of_description ? -1 : locker_pid(owner));
}

/* Whether an answer to F_GETLK is correct: one owner's lock in full, and the first such lock if segfs keeps
 * them. */
static bool is_true(const struct flock *answer, int asker, int type, int first, int last, bool is_kept)
{
	int64_t lowest = INT64_MAX;
	bool found = false;

	for (int owner = 0; owner < OWNERS; owner++) {
		const signed char *cells = walk.cells[owner];

		for (int from = 0, to; owner != asker && from < CELLS; from = to + 1) {
			for (to = from; to + 1 < CELLS && cells[to + 1] == cells[from];)
				to++;
			if (to < first || from > last || !conflict(cells[from], type))
				continue;
			lowest = bounds[from] < lowest ? bounds[from] : lowest;
			found = found ||
				(answer->l_type == cells[from] && answer->l_start == bounds[from] &&
				 answer->l_len == (to == CELLS - 1 ? 0 : end_of(to) - bounds[from] + 1) &&
				 is_true_pid(answer->l_pid, asker, owner, is_kept));
		}
	}
	return found && answer->l_whence == SEEK_SET && (!is_kept || answer->l_start == lowest);
}

static void look(int locker, int slot, int asker, int type, int first, int last)
{
	struct locker_command command = {
		.action = LOCKER_FCNTL,
		.slot = slot,
		.argument = asker > PROCESSES ? F_OFD_GETLK : F_GETLK,
		.lock = range(type, first, last),
	};
	struct locker_answer answers[2];
	bool in_the_way = is_in_the_way(asker, type, first, last);

	ask_both(locker, &command, &answers[0], &answers[1]);
	for (int i = 0; i < 2; i++) {
		const struct flock *lock = &answers[i].lock;

		if (answers[i].result == 0 &&
		    (in_the_way ? is_true(lock, asker, type, first, last, i == 1 && walk.is_kept)
				: lock->l_type == F_UNLCK))
			continue;
		fail_walk("F_GETLK by %d of %s %lld to %lld on the %s: %s, type %d, start %lld, length %lld, "
			  "pid %d; %s in the way",
			  locker, type == F_RDLCK ? "shared" : "exclusive", (long long)bounds[first],
			  (long long)end_of(last), i ? "mount" : "tmpfs", name_of(answers[i].result),
			  lock->l_type, (long long)lock->l_start, (long long)lock->l_len, lock->l_pid,
			  in_the_way ? "something" : "nothing");
	}
}

static void observe_flock(void)
{
	static const int operations[] = {LOCK_SH, LOCK_EX};
	struct locker_command command = {.action = LOCKER_FLOCK};

	for (int i = 0; i < 2; i++) {
		bool in_the_way = flock_is_in_the_way(0, i == 0 ? F_RDLCK : F_WRLCK);

		command.argument = operations[i] | LOCK_NB;
		expect(OBSERVER, &command, in_the_way ? -EWOULDBLOCK : 0);
		command.argument = LOCK_UN;
		expect(OBSERVER, &command, 0);
	}
}

static void observe(void)
{
	int first = (int)pick((unsigned int)CELLS);

	snprintf(walk.what + strlen(walk.what), sizeof(walk.what) - strlen(walk.what),
		 "; then, asked from outside");
	look(OBSERVER, 0, OBSERVER, F_WRLCK, first, first + (int)pick((unsigned int)(CELLS - first)));
	if (pick(4) == 0)
		observe_flock();
	if (walk.step % 100 != 0)
		return;
	for (int cell = 0; cell < CELLS; cell++) {
		look(OBSERVER, 0, OBSERVER, F_RDLCK, cell, cell);
		look(OBSERVER, 0, OBSERVER, F_WRLCK, cell, cell);
	}
}

/* --- steps --- */

static void open_slot(int process, int slot)
{
	static const int modes[] = {O_RDWR, O_RDWR, O_RDWR, O_RDWR, O_RDONLY, O_WRONLY};
	int mode = modes[pick(sizeof(modes) / sizeof(modes[0]))];

	snprintf(walk.what, sizeof(walk.what), "process %d opens %d, mode %d", process, slot, mode);
	locker_open(process, slot, path_of("%s/reference", walk.mount->store), mode);
	locker_open(process, slot + ON_MOUNT, path_of("%s/walked", walk.mount->path), mode);
	walk.fds[process][slot] = new_description(mode);
}

static void close_slot(int process, int slot)
{
	struct locker_command command = {.action = LOCKER_CLOSE, .slot = slot};

	snprintf(walk.what, sizeof(walk.what), "process %d closes %d", process, slot);
	expect(process, &command, 0);
	forget_descriptor(process, slot);
}

static void duplicate(int process, int slot)
{
	struct locker_command command = {.action = LOCKER_DUP, .slot = slot};
	int to = (int)pick(SLOTS);

	if (walk.fds[process][to])
		return;
	snprintf(walk.what, sizeof(walk.what), "process %d duplicates %d as %d", process, slot, to);
	command.argument = to;
	assert_true(locker_call(process, &command).result >= 0);
	command.slot += ON_MOUNT;
	command.argument += ON_MOUNT;
	assert_true(locker_call(process, &command).result >= 0);
	walk.fds[process][to] = walk.fds[process][slot];
	walk.descriptions[walk.fds[process][to]].descriptors++;
}

static void fork_process(int process)
{
	struct locker_command command = {.action = LOCKER_FORK};
	int child = 0;

	while (child < PROCESSES && locker_pid(child))
		child++;
	if (child == PROCESSES)
		return;
	snprintf(walk.what, sizeof(walk.what), "process %d forks %d", process, child);
	command.argument = child;
	assert_true(locker_call(process, &command).result > 0);
	for (int slot = 0; slot < SLOTS; slot++) {
		walk.fds[child][slot] = walk.fds[process][slot];
		walk.descriptions[walk.fds[child][slot]].descriptors += walk.fds[child][slot] != 0;
	}
}

static void end_process(int process)
{
	bool killed = pick(2);
	int n = 0;

	for (int i = 0; i < PROCESSES; i++)
		n += locker_pid(i) != 0;
	if (n < 3)
		return;
	snprintf(walk.what, sizeof(walk.what), "process %d %s", process, killed ? "is killed" : "exits");
	if (killed)
		locker_kill(process);
	else
		locker_exit(process);
	for (int slot = 0; slot < SLOTS; slot++)
		forget_descriptor(process, slot);
}

static void set_flock(int process, int slot)
{
	static const int operations[] = {[F_RDLCK] = LOCK_SH, [F_WRLCK] = LOCK_EX, [F_UNLCK] = LOCK_UN};
	static const char *const names[] = {[F_RDLCK] = "SH", [F_WRLCK] = "EX", [F_UNLCK] = "UN"};
	struct locker_command command = {.action = LOCKER_FLOCK, .slot = slot};
	int description = walk.fds[process][slot];
	int type = (int)pick(3);
	bool in_the_way = type != F_UNLCK && flock_is_in_the_way(description, type);
	bool waits = !in_the_way && pick(2);

	snprintf(walk.what, sizeof(walk.what), "process %d, flock %d LOCK_%s%s", process, slot, names[type],
		 waits ? "" : "|LOCK_NB");
	command.argument = operations[type] | (waits ? 0 : LOCK_NB);
	expect(process, &command, in_the_way ? -EWOULDBLOCK : 0);
	/* a failed conversion loses the old lock */
	if (!in_the_way)
		walk.descriptions[description].flock = type;
	else if (walk.descriptions[description].flock != type)
		walk.descriptions[description].flock = F_UNLCK;
}

static void set_range(int process, int slot)
{
	static const char *const names[] = {
		[F_RDLCK] = "F_RDLCK", [F_WRLCK] = "F_WRLCK", [F_UNLCK] = "F_UNLCK"};
	struct locker_command command = {.action = LOCKER_FCNTL, .slot = slot};
	const struct description *description = &walk.descriptions[walk.fds[process][slot]];
	bool of_description = pick(3) == 0;
	int owner = of_description ? owner_of_description(walk.fds[process][slot]) : process;
	int type = (int)pick(3);
	int first = (int)pick((unsigned int)CELLS);
	int last = pick(8) ? first + (int)pick(CELLS - first < 6 ? (unsigned int)(CELLS - first) : 6)
			   : CELLS - 1;
	int expected = 0;
	bool waits;

	if ((type == F_RDLCK && description->mode == O_WRONLY) ||
	    (type == F_WRLCK && description->mode == O_RDONLY))
		expected = -EBADF;
	else if (type != F_UNLCK && is_in_the_way(owner, type, first, last))
		expected = -EAGAIN;
	waits = expected == 0 && pick(2);
	if (of_description)
		command.argument = waits ? F_OFD_SETLKW : F_OFD_SETLK;
	else
		command.argument = waits ? F_SETLKW : F_SETLK;
	command.lock = range(type, first, last);
	snprintf(walk.what, sizeof(walk.what), "process %d, %sSETLK%s %d %s %lld to %lld", process,
		 of_description ? "F_OFD_" : "F_", waits ? "W" : "", slot, names[type],
		 (long long)bounds[first], (long long)end_of(last));
	expect(process, &command, expected);
	for (int cell = first; cell <= last && expected == 0; cell++)
		walk.cells[owner][cell] = (signed char)type;
}

static void look_by(int process, int slot)
{
	int first = (int)pick((unsigned int)CELLS);
	int last = first + (int)pick((unsigned int)(CELLS - first));
	int asker = pick(2) ? owner_of_description(walk.fds[process][slot]) : process;

	look(process, slot, asker, pick(2) ? F_RDLCK : F_WRLCK, first, last);
}

static void take_step(void)
{
	int process = (int)pick(PROCESSES);
	int slot = (int)pick(SLOTS);
	unsigned int kind = pick(100);

	while (!locker_pid(process))
		process = (process + 1) % PROCESSES;
	if (!walk.fds[process][slot])
		open_slot(process, slot);
	else if (kind < 55)
		set_range(process, slot);
	else if (kind < 70)
		set_flock(process, slot);
	else if (kind < 85)
		look_by(process, slot);
	else if (kind < 89)
		duplicate(process, slot);
	else if (kind < 96)
		close_slot(process, slot);
	else if (kind < 98)
		fork_process(process);
	else
		end_process(process);
}

static unsigned int number_from(const char *variable, unsigned int otherwise)
{
	const char *text = getenv(variable);

	return text ? (unsigned int)strtoul(text, NULL, 0) : otherwise;
}

static void make_files(void)
{
	char bytes[SIZE + 1];

	memset(bytes, 'w', SIZE);
	bytes[SIZE] = '\0';
	assert_int_equal(write_text(path_of("%s/reference", walk.mount->store), bytes), 0);
	assert_int_equal(write_text(path_of("%s/walked", walk.mount->path), bytes), 0);
}

void lockwalk(const struct mount *mount, unsigned int steps, unsigned int kill_every)
{
	unsigned int kills = 0;

	memset(&walk, 0, sizeof(walk));
	memset(walk.cells, F_UNLCK, sizeof(walk.cells));
	for (int i = 0; i < DESCRIPTIONS; i++)
		walk.descriptions[i].flock = F_UNLCK;
	walk.mount = mount;
	walk.is_kept = mount_keeps_locks(mount);
	walk.seed = number_from("TEST_SEED", 1);
	walk.random = walk.seed * 0x9e3779b97f4a7c15u + 1;
	steps = number_from("TEST_ROUNDS", steps);
	make_files();
	lockers_start(STARTED);
	locker_start(OBSERVER);
	locker_open(OBSERVER, 0, path_of("%s/reference", mount->store), O_RDWR);
	locker_open(OBSERVER, ON_MOUNT, path_of("%s/walked", mount->path), O_RDWR);
	for (walk.step = 1; walk.step <= steps; walk.step++) {
		/* steps continue meanwhile */
		if (kill_every && pick(kill_every) == 0) {
			worker_kill(mount, worker_pid(mount));
			kills++;
		}
		take_step();
		observe();
	}
	print_message("TEST_SEED=%u: %u steps, %u kills\n", walk.seed, steps, kills);
	lockers_end();
	check(unlink(path_of("%s/reference", mount->store)));
	check(unlink(path_of("%s/walked", mount->path)));
}
