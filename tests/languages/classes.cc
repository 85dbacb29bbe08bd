// SPDX-License-Identifier: MIT
/*
 * Cases for segfs.hpp, which shell/languages.t builds with the installed library and runs in a directory of
 * SEGFS_MOUNT.
 *
 *   classes list     prints the names of the cases
 *   classes CASE     runs one; the exit status is 1, with a message, if it has failed
 */
#include <segfs.hpp>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <list>
#include <mutex>
#include <shared_mutex>
#include <signal.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

using namespace std::chrono_literals;
using std::chrono::steady_clock;
using std::chrono::system_clock;

static void fail(int line, const char *what)
{
	std::fprintf(stderr, "classes.cc:%d: %s\n", line, what);
	std::exit(1);
}

#define CHECK(condition) (static_cast<bool>(condition) ? void() : fail(__LINE__, #condition))
/* the expression throws a segfs::error with this errno */
#define CHECK_ERROR(number, expression)                                                                      \
	do {                                                                                                 \
		int thrown = 0;                                                                              \
		try {                                                                                        \
			(void)(expression);                                                                  \
		} catch (const segfs::error &error) {                                                        \
			thrown = error.code().value();                                                       \
		}                                                                                            \
		if (thrown != (number)) {                                                                    \
			std::fprintf(stderr, "errno %d\n", thrown);                                          \
			fail(__LINE__, #expression);                                                         \
		}                                                                                            \
	} while (0)

/* --- processes --- */

/* Seconds that nothing takes; a slow machine sets them. */
static unsigned int long_time()
{
	const char *text = std::getenv("TEST_WAIT");

	return text ? static_cast<unsigned int>(std::atoi(text)) : 60;
}

/* Runs a function in a child. */
template <class Function> static pid_t start(Function function)
{
	const pid_t child = fork();

	CHECK(child >= 0);
	if (child == 0) {
		alarm(long_time());
		try {
			function();
			std::_Exit(0);
		} catch (const std::exception &error) {
			std::fprintf(stderr, "%s\n", error.what());
		}
		std::_Exit(1);
	}
	return child;
}

static void must_end(pid_t child)
{
	int status;

	CHECK(waitpid(child, &status, 0) == child);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* Runs a function in a child that is killed when it has returned. */
template <class Function> static void killed_after(Function function)
{
	segfs::event ready("killed-ready");
	int status;
	const pid_t child = start([&] {
		function();
		segfs::event("killed-ready").set();
		for (;;)
			pause();
	});

	CHECK(ready.wait_for(60s));
	kill(child, SIGKILL);
	CHECK(waitpid(child, &status, 0) == child && WIFSIGNALED(status));
	segfs::remove("killed-ready");
}

/* --- what the compiler knows --- */

template <class T>
using movable_only =
	std::conjunction<std::is_nothrow_move_constructible<T>, std::is_nothrow_move_assignable<T>,
			 std::is_nothrow_destructible<T>, std::negation<std::is_copy_constructible<T>>,
			 std::negation<std::is_copy_assignable<T>>>;

template <class... Types> constexpr bool are_movable_only = (movable_only<Types>::value && ...);

static_assert(are_movable_only<segfs::segment, segfs::view, segfs::semaphore, segfs::event, segfs::auto_event,
			       segfs::doorbell, segfs::mutex, segfs::recursive_mutex, segfs::shared_mutex,
			       segfs::condition, segfs::barrier>);
static_assert(std::is_base_of_v<std::system_error, segfs::error>);
static_assert(std::is_nothrow_copy_constructible_v<segfs::abandoned_error>);
static_assert(segfs::is_shareable<int>::value && !segfs::is_shareable<std::string>::value);
static_assert(segfs::is_shareable<std::atomic<int>>::value);
#if __cplusplus >= 202002L
static_assert(std::is_same_v<segfs::elements<int>, std::span<int>>);
#endif

/* --- segments and views --- */

static void segments()
{
	segfs::segment frames("frames", segfs::opening::create, 100, 0640);

	CHECK(frames.created() && frames.size() == 100 && frames.name() == "frames");
	CHECK_ERROR(EEXIST, segfs::segment("frames", segfs::opening::create, 1));
	CHECK(!segfs::segment("frames", segfs::opening::open_or_create, 1).created());
	CHECK(segfs::segment("frames", segfs::opening::open, 100).size() == 100);
	CHECK_ERROR(ERANGE, segfs::segment("frames", segfs::opening::open, 101));
	CHECK_ERROR(ERANGE, segfs::segment("frames", SEGFS_SIZE_EXACT, 99));
	CHECK_ERROR(EBADF, segfs::segment("frames").resize(1));
	frames.resize(8192);
	CHECK(segfs::segment("frames", SEGFS_SIZE_EXACT, 8192).size() == 8192);
	bool found = false;
	for (const segfs::entry &entry : segfs::list())
		found |= entry.name == "frames" && entry.kind == SEGFS_SEGMENT && entry.size == 8192 &&
			 entry.mode == 0640;
	CHECK(found);
	CHECK_ERROR(ENOENT, segfs::list("nowhere"));
	segfs::segment moved(std::move(frames));
	CHECK(moved.size() == 8192);
	frames = std::move(moved);
	CHECK(frames.size() == 8192);
	segfs::remove("frames");
	CHECK_ERROR(ENOENT, segfs::remove("frames"));
}

static void attributes()
{
	const bool is_on_segfs =
		access((std::string(std::getenv("SEGFS_MOUNT")) + "/.segfs").c_str(), F_OK) == 0;

	if (!is_on_segfs) {
		CHECK_ERROR(EOPNOTSUPP,
			    segfs::segment("frames", segfs::opening::create, 1, 0600, {{"commit", "yes"}}));
		CHECK_ERROR(ENOENT, segfs::segment("frames"));
		return;
	}
	segfs::segment frames("frames", segfs::opening::create, 1, 0600, {{"commit", "yes"}});
	CHECK(frames.get("commit") == "yes" && frames.get("source") == "store");
	frames.set("commit", "no");
	CHECK(frames.get("commit") == "no");
	CHECK_ERROR(EINVAL, frames.set("commit", "perhaps"));
	CHECK_ERROR(ENODATA, frames.get("nothing"));
	segfs::remove("frames");
}

static void errors()
{
	try {
		segfs::segment missing("missing");
		fail(__LINE__, "nothing was thrown");
	} catch (const std::system_error &error) {
		CHECK(error.code() == std::errc::no_such_file_or_directory);
		CHECK(error.code().category() == std::generic_category());
		CHECK(std::strcmp(error.what(), "missing: No such file or directory") == 0);
	}
	segfs::event event("event");
	CHECK_ERROR(EPROTOTYPE, segfs::mutex("event"));
	try {
		const segfs::mutex wrong("event");
		fail(__LINE__, "nothing was thrown");
	} catch (const segfs::error &error) {
		CHECK(std::strcmp(error.what(), "event: an object of another kind: an event") == 0);
	}
	segfs::remove("event");
}

struct point {
	std::int32_t x, y;
};

static void views()
{
	segfs::segment points("points", segfs::opening::create, 10 * sizeof(point) + 3);
	segfs::view view = points.map();

	CHECK(view.size() == 83 && view.is_writable());
	CHECK(view.elements<point>().size() == 10 && view.elements<point>(8, 2).size() == 2);
	std::int32_t n = 0;
	for (point &one : view.elements<point>())
		one = {n++, -1};
	CHECK(view.at<point>(72).x == 9 && view.at<const std::int32_t>(76) == -1);
	CHECK(view.elements<const point>()[3].x == 3);
	CHECK_ERROR(EINVAL, view.at<point>(2));
	CHECK_ERROR(ERANGE, view.at<point>(76));
	CHECK_ERROR(ERANGE, view.at<char>(83));
	CHECK_ERROR(ERANGE, view.at<char>(SIZE_MAX));
	CHECK_ERROR(ERANGE, view.elements<point>(0, 11));
	CHECK_ERROR(ERANGE, view.elements<point>(8, SIZE_MAX));
	CHECK(view.elements<char>(83).empty());
	view.at<std::atomic<std::int32_t>>(0)++;
	CHECK(view.at<const point>().x == 1);

	const segfs::segment readable("points");
	const segfs::view constant = readable.map();
	CHECK(!constant.is_writable() && constant.at<const point>(8).x == 1);
	CHECK_ERROR(EACCES, constant.at<point>(8));
	CHECK_ERROR(EACCES, readable.map(0, 0, SEGFS_MAP_WRITE));
	const segfs::view copy = readable.map(8, 8, SEGFS_MAP_COPY);
	copy.at<point>().x = 77;
	CHECK(constant.at<const point>(8).x == 1);

	points.resize(8192);
	view.remap(points);
	CHECK(view.size() == 8192 && view.elements<point>(8000, 1)[0].x == 0);
	view.flush();
	view.flush(8000, 8);
	CHECK_ERROR(EINVAL, view.flush(8192, 1));
	segfs::view moved(std::move(view));
	CHECK(moved.at<point>(72).x == 9);
	segfs::remove("points");
}

/* --- waits --- */

static void semaphores()
{
	segfs::semaphore jobs("jobs", 1, 3);

	CHECK(jobs.created() && jobs.value() == 1);
	jobs.acquire();
	CHECK(!jobs.try_acquire());
	CHECK(!jobs.try_acquire_for(1ms) && !jobs.try_acquire_for(-1h));
	CHECK(!jobs.try_acquire_until(steady_clock::now() + 1ms));
	CHECK(!jobs.try_acquire_until(system_clock::now() + 1ms));
	CHECK(!jobs.try_acquire_until(steady_clock::time_point::min()));
	CHECK(!jobs.try_acquire_until(system_clock::time_point()));
	must_end(start([] { segfs::semaphore("jobs", 0, 0, segfs::opening::open).release(3); }));
	CHECK_ERROR(EOVERFLOW, jobs.release());
	CHECK(jobs.try_acquire() && jobs.try_acquire_for(1s));
	CHECK(jobs.try_acquire_until(steady_clock::time_point::max()));
	/* who waits for ever, as chrono can say it */
	const pid_t child = start([] {
		segfs::semaphore mine("jobs");

		CHECK(mine.try_acquire_for(std::chrono::hours::max()));
		CHECK(mine.try_acquire_for(std::chrono::duration<double>(1e300)));
		CHECK(mine.try_acquire_until(steady_clock::time_point::max()));
	});
	for (int i = 0; i < 3; i++)
		jobs.release();
	must_end(child);
	CHECK(steady_clock::now() + 20ms < steady_clock::time_point::max());
	const auto begin = steady_clock::now();
	CHECK(!jobs.try_acquire_for(20ms) && steady_clock::now() - begin >= 20ms);
	CHECK(!jobs.try_acquire_until(system_clock::now() + 20ms));
	segfs::remove("jobs");
}

static void events()
{
	segfs::event stop("stop", true);
	segfs::auto_event turn("turn");
	segfs::doorbell bell("bell");

	CHECK(stop.is_set() && stop.try_wait());
	stop.wait();
	stop.reset();
	CHECK(!stop.try_wait() && !stop.wait_for(1ms) && !stop.wait_until(steady_clock::now() + 1ms));
	must_end(start([] {
		segfs::event("stop").set();
		segfs::auto_event("turn").set();
		segfs::doorbell("bell").ring();
	}));
	CHECK(stop.is_set() && stop.wait_for(1s));
	CHECK(turn.is_set());
	turn.wait();
	CHECK(!turn.is_set() && !turn.try_wait());
	CHECK(bell.value() == 1);
	bell.wait();
	CHECK(!bell.wait_for(1ms));
	for (const char *name : {"stop", "turn", "bell"})
		segfs::remove(name);
}

static void several()
{
	std::vector<segfs::semaphore> many;
	segfs::event stop("stop");
	segfs::semaphore jobs("jobs");

	for (const char *name : {"many-0", "many-1", "many-2"})
		many.emplace_back(name);
	CHECK(!segfs::try_wait_any(many) && !segfs::try_wait_all(many));
	CHECK(!segfs::wait_any_for(many, 1ms) && !segfs::wait_all_for(many, 1ms));
	CHECK(!segfs::wait_any_until({stop, jobs}, steady_clock::now() + 1ms));
	CHECK(!segfs::wait_all_until({stop, jobs}, system_clock::now() + 1ms));
	const pid_t child = start([] { segfs::semaphore("many-1").release(); });
	CHECK(segfs::wait_any(many) == 1);
	must_end(child);
	stop.set();
	CHECK(segfs::wait_any({jobs, stop}) == 1 && segfs::wait_any({stop}) == 0);
	CHECK(!segfs::wait_all_for({jobs, stop}, 1ms));
	jobs.release();
	segfs::wait_all({jobs, stop});
	CHECK(jobs.value() == 0);
	const std::list<const segfs::waitable *> pointers = {&jobs, &stop};
	CHECK(segfs::try_wait_any(pointers) == std::size_t(1));
	const std::array<std::reference_wrapper<segfs::waitable>, 2> references = {jobs, stop};
	CHECK(segfs::wait_any_for(references, 1s) == std::size_t(1));
#ifdef __cpp_lib_span
	CHECK(!segfs::try_wait_any(std::span(many).first(2)));
	CHECK(segfs::try_wait_any(std::span(references)) == std::size_t(1));
#endif
	CHECK_ERROR(EINVAL, segfs::wait_any(std::vector<segfs::waitable *>()));
	CHECK_ERROR(EINVAL, segfs::wait_any(std::vector<segfs::waitable *>(129, &jobs)));
	CHECK(!segfs::try_wait_any(std::vector<segfs::waitable *>(128, &jobs)));
	for (const char *name : {"many-0", "many-1", "many-2", "stop", "jobs"})
		segfs::remove(name);
}

/* --- locks --- */

static void mutexes()
{
	segfs::segment segment("counter", segfs::opening::create, 8);
	const segfs::view view = segment.map();
	std::uint64_t &counter = view.at<std::uint64_t>();
	segfs::mutex mutex("mutex"), other("other");

	const auto count = [&] {
		segfs::mutex mine("mutex", segfs::opening::open);
		for (int i = 0; i < 20000; i++) {
			const std::lock_guard<segfs::mutex> guard(mine);
			counter = counter + 1;
		}
	};
	const pid_t child = start(count);
	count();
	must_end(child);
	CHECK(counter == 40000);

	std::unique_lock<segfs::mutex> lock(mutex, std::defer_lock);
	CHECK(lock.try_lock());
	CHECK_ERROR(EDEADLK, mutex.lock());
	lock.unlock();
	CHECK(lock.try_lock_for(1s));
	lock.unlock();
	CHECK(lock.try_lock_until(system_clock::now() + 1s));
	must_end(start([] {
		segfs::mutex mine("mutex");
		CHECK(!mine.try_lock() && !mine.try_lock_for(1ms) &&
		      !mine.try_lock_until(steady_clock::now() + 1ms));
		CHECK_ERROR(EPERM, mine.checked_unlock());
	}));
	lock.unlock();
	{
		const std::scoped_lock both(mutex, other);
		CHECK(!segfs::mutex("other").try_lock());
	}
	CHECK(std::try_lock(mutex, other) == -1);
	mutex.checked_unlock();
	other.unlock();

	segfs::recursive_mutex recursive("recursive");
	{
		const std::lock_guard<segfs::recursive_mutex> once(recursive), twice(recursive);
		CHECK(!segfs::recursive_mutex("recursive").try_lock());
	}
	CHECK(segfs::recursive_mutex("recursive").try_lock()); /* and is abandoned: nobody unlocks it */
	CHECK_ERROR(EOWNERDEAD, recursive.lock());
	for (const char *name : {"counter", "mutex", "other", "recursive"})
		segfs::remove(name);
}

static void shared_mutexes()
{
	segfs::shared_mutex lock("rwlock");

	{
		const std::shared_lock<segfs::shared_mutex> reads(lock);
		must_end(start([] {
			segfs::shared_mutex mine("rwlock");
			CHECK(std::shared_lock(mine, 1s).owns_lock());
			CHECK(!mine.try_lock() && !mine.try_lock_for(1ms));
			CHECK(!mine.try_lock_until(steady_clock::now() + 1ms));
			CHECK(mine.try_lock_shared());
			mine.unlock_shared();
		}));
	}
	const std::unique_lock<segfs::shared_mutex> writes(lock);
	must_end(start([] {
		segfs::shared_mutex mine("rwlock");
		CHECK(!mine.try_lock_shared() && !mine.try_lock_shared_for(1ms));
		CHECK(!mine.try_lock_shared_until(system_clock::now() + 1ms));
		CHECK(!mine.try_lock());
	}));
	CHECK_ERROR(EDEADLK, lock.lock_shared());
	segfs::remove("rwlock");
}

static void abandoned_mutexes()
{
	segfs::mutex mutex("mutex"), other("other");
	segfs::mutex lenient("mutex", segfs::opening::open, 0600, segfs::on_abandoned::proceed);

	killed_after([] { segfs::mutex("mutex").lock(); });
	/* the child's object was destroyed before it was killed */
	CHECK(mutex.abandoned());
	{
		const auto guard = mutex.repair();
		mutex.clear_abandoned();
	}
	static segfs::mutex *held; /* is not */
	killed_after([] {
		held = new segfs::mutex("mutex");
		held->lock();
	});
	for (int i = 0; i < 2; i++) {
		CHECK_ERROR(EOWNERDEAD, mutex.lock());
		CHECK_ERROR(EOWNERDEAD, mutex.try_lock());
		CHECK_ERROR(EOWNERDEAD, mutex.try_lock_for(1s));
		CHECK_ERROR(EPERM, mutex.checked_unlock()); /* it was not locked */
	}
	try {
		const std::scoped_lock both(other, mutex);
		fail(__LINE__, "nothing was thrown");
	} catch (const segfs::abandoned_error &error) {
		CHECK(std::strncmp(error.what(), "mutex: ", 7) == 0);
	}
	CHECK(other.try_lock());
	other.unlock();
	{
		const std::lock_guard<segfs::mutex> guard(lenient);
		CHECK(lenient.abandoned());
	}
	CHECK_ERROR(EPERM, mutex.clear_abandoned());
	{
		const std::unique_lock<segfs::mutex> guard = mutex.repair();
		CHECK(guard.owns_lock() && mutex.abandoned());
		mutex.clear_abandoned();
	}
	mutex.lock();
	CHECK(!mutex.abandoned());
	mutex.unlock();
	std::thread([&] { mutex.lock(); }).join(); /* a thread's end is a death as well */
	CHECK_ERROR(EOWNERDEAD, mutex.lock());
	segfs::remove("mutex");
	segfs::remove("other");
}

static void abandoned_shared_mutexes()
{
	segfs::shared_mutex lock("rwlock");
	static segfs::shared_mutex *held;

	killed_after([] {
		held = new segfs::shared_mutex("rwlock");
		held->lock_shared();
	});
	{
		const std::lock_guard<segfs::shared_mutex> guard(lock); /* no error */
		CHECK(lock.reader_died() && !lock.abandoned());
		lock.clear_abandoned();
		CHECK(!lock.reader_died());
	}
	killed_after([] {
		held = new segfs::shared_mutex("rwlock");
		held->lock();
	});
	CHECK_ERROR(EOWNERDEAD, lock.lock_shared());
	CHECK_ERROR(EOWNERDEAD, lock.try_lock_shared());
	CHECK_ERROR(EOWNERDEAD, lock.lock());
	{
		const std::unique_lock<segfs::shared_mutex> guard = lock.repair();
		lock.clear_abandoned();
	}
	lock.lock_shared();
	lock.unlock_shared();
	segfs::remove("rwlock");
}

/* --- conditions and barriers --- */

static void conditions()
{
	segfs::segment segment("turns", segfs::opening::create, 4);
	const segfs::view view = segment.map();
	std::int32_t &turn = view.at<std::int32_t>();
	segfs::mutex mutex("mutex");
	segfs::condition condition("condition");

	const auto play = [&](std::int32_t mine) {
		segfs::mutex own("mutex");
		segfs::condition changed("condition");

		for (int i = 0; i < 500; i++) {
			std::unique_lock<segfs::mutex> lock(own);
			changed.wait(lock, [&] { return turn % 2 == mine; });
			turn = turn + 1;
			changed.notify_all();
		}
	};
	const pid_t child = start([&] { play(1); });
	play(0);
	must_end(child);
	CHECK(turn == 1000);

	std::unique_lock<segfs::mutex> lock(mutex);
	CHECK(condition.wait_for(lock, 1ms) == std::cv_status::timeout && lock.owns_lock());
	CHECK(condition.wait_until(lock, steady_clock::now() + 1ms) == std::cv_status::timeout);
	CHECK(!condition.wait_for(lock, 1ms, [] { return false; }));
	CHECK(!condition.wait_until(lock, system_clock::now() + 1ms, [] { return false; }));
	CHECK(condition.wait_until(lock, steady_clock::now() + 1h, [] { return true; }));
	/* a death with the mutex, while another thread waits for the condition */
	static segfs::mutex *held;
	const pid_t dies = start([] {
		held = new segfs::mutex("mutex");
		held->lock();
		segfs::condition("condition").notify_one();
	});
	try {
		condition.wait(lock, [] { return false; });
		fail(__LINE__, "nothing was thrown");
	} catch (const segfs::abandoned_error &) {
		CHECK(lock.owns_lock() && mutex.abandoned());
		mutex.clear_abandoned();
	}
	must_end(dies);
	mutex.checked_unlock();
	lock.release();
	std::unique_lock<segfs::mutex> none(mutex, std::defer_lock);
	CHECK_ERROR(EPERM, condition.wait(none));
	segfs::recursive_mutex recursive("recursive");
	std::unique_lock<segfs::recursive_mutex> over(recursive);
	CHECK(condition.wait_for(over, 1ms) == std::cv_status::timeout);
	for (const char *name : {"turns", "mutex", "condition", "recursive"})
		segfs::remove(name);
}

static void barriers()
{
	segfs::barrier barrier("barrier", 2);

	CHECK_ERROR(EINVAL, segfs::barrier("empty", 0));
	CHECK(!barrier.try_arrive_and_wait() && !barrier.arrive_and_wait_for(1ms));
	CHECK(!barrier.arrive_and_wait_until(steady_clock::now() + 1ms) && barrier.value() == 0);
	const pid_t child = start([] {
		segfs::barrier mine("barrier", 0, segfs::opening::open);
		mine.arrive_and_wait();
		CHECK(mine.arrive_and_wait_for(60s).has_value());
	});
	barrier.arrive_and_wait();
	CHECK(barrier.arrive_and_wait_for(60s).has_value());
	must_end(child);
	segfs::remove("barrier");
	segfs::barrier alone("barrier", 1);
	CHECK(alone.arrive_and_wait() && alone.try_arrive_and_wait() == true);
	segfs::remove("barrier");
}

static const struct {
	const char *name;
	void (*run)();
} cases[] = {
	{"segments", segments},
	{"attributes", attributes},
	{"errors", errors},
	{"views", views},
	{"semaphores", semaphores},
	{"events", events},
	{"several", several},
	{"mutexes", mutexes},
	{"shared_mutexes", shared_mutexes},
	{"abandoned_mutexes", abandoned_mutexes},
	{"abandoned_shared_mutexes", abandoned_shared_mutexes},
	{"conditions", conditions},
	{"barriers", barriers},
};

int main(int argc, char **argv)
try {
	alarm(2 * long_time());
	for (const auto &one : cases) {
		if (argc == 2 && std::strcmp(argv[1], "list") == 0) {
			std::puts(one.name);
		} else if (argc == 2 && std::strcmp(argv[1], one.name) == 0) {
			one.run();
			return 0;
		}
	}
	return argc == 2 && std::strcmp(argv[1], "list") == 0 ? 0 : 2;
} catch (const std::exception &error) {
	std::fprintf(stderr, "%s\n", error.what());
	return 1;
}
