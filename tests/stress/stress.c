// SPDX-License-Identifier: MIT
/*
 * The soak; see stress.h. `make stress` runs it: STRESS_TIME seconds (60), a third in each I/O mode; of each
 * third, a part without kills, in which no difference from a tmpfs is allowed, and twice as long with kills.
 * SEED=N repeats the choices.
 */
#include "tests/stress/stress.h"
#include "tests/lib/leaks.h"
#include "tests/lib/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define MORE_KILLS    3    /* further kills of workers that have hardly begun */
#define BETWEEN       1500 /* maximum of operations between kills */
#define ONE_IN_SHARED 4    /* one in so many of a client's operations is on shared names */

static struct mount m;
static struct stress_shared *shared;
static struct job *clients[CLIENTS];
static struct choices choices; /* of this process: when to kill */
static unsigned int seed;
static unsigned int part; /* number of the current part */
static bool killing;
static bool relayed;
static unsigned long total_operations;
static unsigned long total_done[KINDS];
static unsigned long total_kills;

static void start_choices(struct choices *of, unsigned int stream)
{
	of->state[0] = (unsigned short)seed;
	of->state[1] = (unsigned short)(seed >> 16);
	of->state[2] = (unsigned short)(part * 100 + stream);
	/* streams of adjacent seeds begin alike */
	for (int i = 0; i < 10; i++)
		choose(of, 2);
}

static const char *twin_root(void)
{
	return path_of("%s/twin", test_directory());
}

/* --- a client --- */

static bool is_ordinary(unsigned int number)
{
	return number % 2 == 1;
}

static void become_ordinary(struct stress_client *client)
{
	if (setgroups(0, NULL) < 0 || setresgid(TEST_GID, TEST_GID, TEST_GID) < 0 ||
	    setresuid(TEST_UID, TEST_UID, TEST_UID) < 0)
		client_fail(client, "becoming an ordinary user: %s", strerror(errno));
	/* changing the user resets both */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_DUMPABLE, 1);
}

static void prepare_side(struct stress_client *client, struct side *side, const char *root)
{
	side->root = open(path_of("%s/client-%u", root, client->number), O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (side->root < 0)
		client_fail(client, "%s/client-%u: %s", root, client->number, strerror(errno));
	for (int i = 0; i < SLOTS; i++)
		side->fds[i] = -1;
}

static void run_client(struct job *job, void *context)
{
	static struct stress_client client;

	client.job = job;
	client.shared = shared;
	client.number = *(const unsigned int *)context;
	client.killing = killing;
	start_choices(&client.private_choices, 2 * client.number + 1);
	start_choices(&client.common_choices, 2 * client.number + 2);
	signal(SIGTERM, SIG_DFL);
	signal(SIGPIPE, SIG_IGN);
	if (is_ordinary(client.number))
		become_ordinary(&client);
	prepare_side(&client, &client.mount, m.path);
	prepare_side(&client, &client.twin, twin_root());
	client.twin.reads = relayed;
	client.common = open(path_of("%s/shared", m.path), O_PATH | O_DIRECTORY | O_CLOEXEC);
	for (int i = 0; i < SLOTS; i++)
		client.common_fds[i] = -1;
	umask(0);
	common_prepare(&client);
	umask(is_ordinary(client.number) ? 027 : 022);
	while (!atomic_load(&job->stop)) {
		for (int i = 1; i < ONE_IN_SHARED; i++)
			private_step(&client);
		umask(0);
		common_step(&client);
		umask(is_ordinary(client.number) ? 027 : 022);
		atomic_fetch_add(&job->steps, 1);
	}
}

static int make_directories(const char *root)
{
	for (unsigned int i = 0; i < CLIENTS; i++) {
		const char *path = path_of("%s/client-%u", root, i);
		uid_t owner = is_ordinary(i) ? TEST_UID : 0;

		if (mkdir(path, 0700) < 0 || chown(path, owner, owner) < 0)
			return -1;
	}
	return 0;
}

static int start_clients(void)
{
	if (make_directories(m.path) < 0 || make_directories(twin_root()) < 0 ||
	    mkdir(path_of("%s/shared", m.path), 0777) < 0 || chmod(path_of("%s/shared", m.path), 0777) < 0 ||
	    write_text(path_of("%s/shared/counters", m.path), "") < 0 ||
	    truncate(path_of("%s/shared/counters", m.path), 8192) < 0 ||
	    chmod(path_of("%s/shared/counters", m.path), 0666) < 0) {
		fprintf(stderr, "making the clients' directories: %s\n", strerror(errno));
		return -1;
	}
	for (unsigned int i = 0; i < CLIENTS; i++) {
		clients[i] = job_start(run_client, &i);
		if (!clients[i])
			return -1;
	}
	return 0;
}

static bool has_failed(void)
{
	for (unsigned int i = 0; i < CLIENTS; i++)
		if (atomic_load(&clients[i]->failed))
			return true;
	return false;
}

/* Waits until the clients have done some more operations, or time is up. False if they hang. */
static bool wait_operations(unsigned long more, const struct deadline *end)
{
	const struct deadline deadline = deadline_in(WAIT_SECONDS);
	unsigned long wanted = atomic_load(&shared->operations) + more;

	while (atomic_load(&shared->operations) < wanted && milliseconds_until(end) > 0) {
		if (has_failed())
			return false;
		/* without pauses: a millisecond is many operations */
		for (int i = 0; i < 100 && atomic_load(&shared->operations) < wanted; i++)
			sched_yield();
		if (more > 0 && milliseconds_until(&deadline) == 0) {
			fprintf(stderr, "the clients do not go on\n");
			return false;
		}
	}
	return !has_failed();
}

/* --- killing --- */

/* The supervisor's only child; 0 if there is none at the moment. */
static pid_t present_worker(void)
{
	char text[64];

	if (read_text(path_of("/proc/%d/task/%d/children", m.supervisor, m.supervisor), text, sizeof(text)) <=
	    0)
		return 0;
	return (pid_t)strtol(text, NULL, 10);
}

/* Kills the worker, and sometimes several of its successors early on. */
static bool kill_workers(void)
{
	unsigned int more = choose(&choices, 4) == 0 ? choose(&choices, MORE_KILLS + 1) : 0;
	pid_t worker = 0;
	pid_t killed = 0;

	atomic_fetch_add(&shared->kills, 1);
	for (unsigned int i = 0; i <= more; i++) {
		unsigned int yields = i == 0 ? 0 : choose(&choices, 3000);

		if (!wait_for((worker = present_worker()) > 1 && worker != killed) ||
		    !is_child_of(worker, m.supervisor))
			return false;
		while (yields-- > 0)
			sched_yield();
		kill(worker, SIGKILL);
		killed = worker;
		total_kills++;
	}
	if (!wait_for((worker = (pid_t)mount_status(&m, "worker_pid")) > 0 && worker != killed)) {
		fprintf(stderr, "no new worker answers\n");
		return false;
	}
	atomic_fetch_add(&shared->kills, 1);
	return true;
}

/* --- the end of a part --- */

static int check_trees(void)
{
	int result = 0;

	for (unsigned int i = 0; i < CLIENTS; i++) {
		const char *on_mount = path_of("%s/client-%u", m.path, i);

		if (!trees_are_equal(path_of("%s/client-%u", twin_root(), i), on_mount) ||
		    !trees_are_equal(on_mount, path_of("%s/client-%u", m.store, i)))
			result = -1;
	}
	if (!trees_are_equal(path_of("%s/shared", m.path), path_of("%s/shared", m.store)) ||
	    common_check(path_of("%s/shared", m.path), shared) < 0 ||
	    common_check(path_of("%s/shared", m.store), shared) < 0)
		result = -1;
	return result;
}

static int remove_everything(void)
{
	int result = 0;

	for (unsigned int i = 0; i <= CLIENTS; i++) {
		const char *name = i < CLIENTS ? path_of("client-%u", i) : "shared";
		const char *const argv[] = {"rm",
					    "-rf",
					    "--",
					    path_of("%s/%s", m.path, name),
					    path_of("%s/%s", twin_root(), name),
					    NULL};

		if (run_program(argv) != 0) {
			fprintf(stderr, "removing %s failed\n", name);
			result = -1;
		}
	}
	return result;
}

struct usage {
	unsigned long long blocks;
	unsigned long long inodes;
};

static struct usage usage_of_store(void)
{
	struct statvfs found = {0};

	statvfs(m.store, &found);
	return (struct usage){.blocks = found.f_blocks - found.f_bfree,
			      .inodes = found.f_files - found.f_ffree};
}

static bool is_back_to(const struct usage *before)
{
	struct usage after = usage_of_store();

	return after.blocks == before->blocks && after.inodes == before->inodes;
}

static int check_end(const struct usage *before)
{
	int result = 0;

	if (mount_verify(&m, 0) < 0 || log_has(&m, "internal error"))
		result = -1;
	if (!no_lost_descriptors(&m) || !no_lost_backing_ids(&m))
		result = -1;
	/* memory is freed a moment after the name is removed */
	if (!wait_for(is_back_to(before))) {
		struct usage after = usage_of_store();

		fprintf(stderr, "%llu blocks and %llu inodes of the store are in use, %llu and %llu before\n",
			after.blocks, after.inodes, before->blocks, before->inodes);
		removed_files_held(&m, true);
		result = -1;
	}
	return result;
}

static void sum_up(void)
{
	total_operations += atomic_load(&shared->operations);
	for (unsigned int i = 0; i < KINDS; i++)
		total_done[i] += atomic_load(&shared->done[i]);
}

/* --- parts --- */

static unsigned int seconds_of_part(void)
{
	const char *given = getenv("STRESS_TIME");
	unsigned int all = given && *given ? (unsigned int)strtoul(given, NULL, 10) : 60;
	unsigned int third = all / 9 > 0 ? all / 9 : 1;

	return killing ? 2 * third : third;
}

static void soak(void **unused)
{
	const struct deadline end = deadline_in(seconds_of_part());
	const struct usage before = usage_of_store();
	bool going = true;
	int result;

	(void)unused;
	start_choices(&choices, 0);
	memset(shared, 0, sizeof(*shared));
	result = start_clients();
	while (result == 0 && going && milliseconds_until(&end) > 0) {
		going = wait_operations(killing ? choose(&choices, BETWEEN) : BETWEEN, &end);
		if (killing && going)
			going = kill_workers();
	}
	result |= jobs_end(clients, CLIENTS);
	sum_up();
	if (result == 0)
		result |= check_trees();
	result |= remove_everything();
	result |= check_end(&before);
	assert_int_equal(result, 0);
	assert_true(going);
}

static int start(const char *tag, const char *options, bool kills)
{
	const struct mount_spec spec = {.tag = tag, .options = options};

	part++;
	killing = kills;
	relayed = strncmp(tag, "relayed", 7) == 0;
	return mount_start(&m, &spec);
}

#define PART(mode)                                                                                           \
	static int start_##mode(void **unused)                                                               \
	{                                                                                                    \
		(void)unused;                                                                                \
		return start(#mode, "io_mode=" #mode, false);                                                \
	}                                                                                                    \
	static int start_##mode##_killing(void **unused)                                                     \
	{                                                                                                    \
		(void)unused;                                                                                \
		return start(#mode "-killing", "io_mode=" #mode, true);                                      \
	}
PART(direct)
PART(mediated)
PART(relayed)

static int stop(void **unused)
{
	(void)unused;
	return mount_stop(&m);
}

static void report(void)
{
	unsigned int n = n_private_kinds() + n_common_kinds();

	for (unsigned int i = 0; i < n; i++)
		printf("# %-18s %10lu\n",
		       i < n_private_kinds() ? private_kind_name(i) : common_kind_name(i - n_private_kinds()),
		       total_done[i]);
	printf("# %lu operations, %lu kills, seed %u\n", total_operations, total_kills, seed);
}

static void unmount_twin(void)
{
	umount2(twin_root(), MNT_DETACH);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		{"direct", soak, start_direct, stop, NULL},
		{"direct, killing", soak, start_direct_killing, stop, NULL},
		{"mediated", soak, start_mediated, stop, NULL},
		{"mediated, killing", soak, start_mediated_killing, stop, NULL},
		{"relayed", soak, start_relayed, stop, NULL},
		{"relayed, killing", soak, start_relayed_killing, stop, NULL},
	};
	const char *device = "twin";
	const char *given = getenv("SEED");
	int failed;

	if (geteuid() != 0)
		skip_program("root");
	seed = given && *given ? (unsigned int)strtoul(given, NULL, 10)
			       : (unsigned int)time(NULL) ^ (unsigned int)getpid();
	printf("# seed %u\n", seed);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED || n_private_kinds() + n_common_kinds() > KINDS)
		return 1;
	if (mkdir(twin_root(), 0755) < 0 ||
	    mount(device, twin_root(), "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755") < 0) {
		perror("mounting the twin");
		return 1;
	}
	if (getenv("TEST_FILTER"))
		cmocka_set_test_filter(getenv("TEST_FILTER"));
	atexit(unmount_twin);
	failed = cmocka_run_group_tests_name("stress", tests, NULL, NULL);
	report();
	return failed;
}
