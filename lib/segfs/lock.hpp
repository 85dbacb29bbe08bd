/* SPDX-License-Identifier: MIT */
/* Mutexes, reader-writer locks and conditions of libsegfs. Part of segfs.hpp. */
#ifndef SEGFS_LOCK_HPP
#define SEGFS_LOCK_HPP

#include <segfs/object.hpp>

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <utility>

namespace segfs
{

/* What the functions that lock do with a lock whose thread has died; see segfs.hpp. */
enum class on_abandoned {
	fail,    /* throw abandoned_error; it is not locked */
	proceed, /* lock it; the program asks abandoned() */
};

namespace detail
{

/* What mutexes and reader-writer locks have in common. */
class lockable : public object
{
      public:
	/* Whether a thread died while it held it, or wrote, and that was not cleared. */
	bool abandoned() const noexcept
	{
		return segfs_abandoned(native_handle()) & SEGFS_ABANDONED;
	}
	/* Says that the data are in order again. The caller holds it, a shared_mutex for writing; else EPERM.
	 */
	void clear_abandoned()
	{
		check(segfs_clear_abandoned(native_handle()));
	}
	on_abandoned policy() const noexcept
	{
		return policy_;
	}

      protected:
	lockable(std::string name, segfs_kind kind, opening how, std::uint32_t mode, on_abandoned policy)
	    : object(std::move(name), kind, how, mode), policy_(policy)
	{
	}
	lockable(lockable &&) noexcept = default;
	lockable &operator=(lockable &&) noexcept = default;
	~lockable() = default;

	/* The result of a function that locks. Returns whether it is locked. */
	bool is_locked(int result)
	{
		if (!has_come(name(), result))
			return false;
		if (result & SEGFS_ABANDONED && policy_ == on_abandoned::fail) {
			segfs_unlock(native_handle());
			throw abandoned_error(name());
		}
		return true;
	}
	void lock_anyway()
	{
		check(segfs_lock(native_handle(), nullptr, 0));
	}

      private:
	on_abandoned policy_;
};

} /* namespace detail */

namespace detail
{

/* What mutexes, and locks of writers, have in common. Self: the class that derives from this. */
template <class Self> class exclusive : public lockable
{
      public:
	using lockable::lockable;
	void lock()
	{
		lock_by(nullptr, 0);
	}
	/* These return whether it is locked. */
	bool try_lock()
	{
		return lock_by(nullptr, SEGFS_TRY);
	}
	template <class Rep, class Period> bool try_lock_for(const std::chrono::duration<Rep, Period> &time)
	{
		return wait_for(time, [this](const timespec *end) { return lock_by(end, 0); });
	}
	template <class Clock, class Duration>
	bool try_lock_until(const std::chrono::time_point<Clock, Duration> &time)
	{
		return wait_until(time, [this](const timespec *end) { return lock_by(end, 0); });
	}
	/* The caller holds it: nothing fails but what a peer has spoilt, which checked_unlock() tells. */
	void unlock() noexcept
	{
		segfs_unlock(native_handle());
	}
	/* Errors: those of segfs_unlock(). Ends a reading, too. */
	void checked_unlock()
	{
		check(segfs_unlock(native_handle()));
	}
	/* Locks it even if it is abandoned; for writing. */
	[[nodiscard]] std::unique_lock<Self> repair()
	{
		lock_anyway();
		return {static_cast<Self &>(*this), std::adopt_lock};
	}

      private:
	bool lock_by(const timespec *deadline, unsigned int flags)
	{
		return is_locked(segfs_lock(native_handle(), deadline, flags));
	}
};

} /* namespace detail */

/*
 * As std::timed_mutex or std::recursive_timed_mutex, between processes: for std::lock_guard, std::unique_lock
 * and std::scoped_lock. Errors of what locks: abandoned_error; those of segfs_lock(), such as EDEADLK.
 */
template <segfs_kind Kind> class basic_mutex : public detail::exclusive<basic_mutex<Kind>>
{
      public:
	explicit basic_mutex(std::string name, opening how = opening::open_or_create,
			     std::uint32_t mode = 0600, on_abandoned policy = on_abandoned::fail)
	    : detail::exclusive<basic_mutex>(std::move(name), Kind, how, mode, policy)
	{
	}
};

using mutex = basic_mutex<SEGFS_MUTEX>;
using recursive_mutex = basic_mutex<SEGFS_RECURSIVE_MUTEX>;

/*
 * As std::shared_timed_mutex, between processes: for std::shared_lock as well. A reader's death changes no
 * data: it is not an error, and reader_died() tells.
 */
class shared_mutex : public detail::exclusive<shared_mutex>
{
      public:
	explicit shared_mutex(std::string name, opening how = opening::open_or_create,
			      std::uint32_t mode = 0600, on_abandoned policy = on_abandoned::fail)
	    : exclusive(std::move(name), SEGFS_RWLOCK, how, mode, policy)
	{
	}
	void lock_shared()
	{
		lock_shared_by(nullptr, 0);
	}
	bool try_lock_shared()
	{
		return lock_shared_by(nullptr, SEGFS_TRY);
	}
	template <class Rep, class Period>
	bool try_lock_shared_for(const std::chrono::duration<Rep, Period> &time)
	{
		return detail::wait_for(time, [this](const timespec *end) { return lock_shared_by(end, 0); });
	}
	template <class Clock, class Duration>
	bool try_lock_shared_until(const std::chrono::time_point<Clock, Duration> &time)
	{
		return detail::wait_until(time,
					  [this](const timespec *end) { return lock_shared_by(end, 0); });
	}
	void unlock_shared() noexcept
	{
		segfs_unlock(native_handle());
	}
	/* Whether a thread died while it read; clear_abandoned() clears that as well. */
	bool reader_died() const noexcept
	{
		return segfs_abandoned(native_handle()) & SEGFS_READER_DIED;
	}

      private:
	bool lock_shared_by(const timespec *deadline, unsigned int flags)
	{
		return is_locked(segfs_lock_shared(native_handle(), deadline, flags));
	}
};

/*
 * As std::condition_variable, between processes, over a segfs::mutex or segfs::recursive_mutex. What waits
 * throws abandoned_error if a thread died with the mutex meanwhile: then the mutex is locked. After EBADMSG
 * and EFAULT it is not, and `lock` is released; after all other errors nothing has changed.
 */
class condition : public object
{
      public:
	explicit condition(std::string name, opening how = opening::open_or_create, std::uint32_t mode = 0600)
	    : object(std::move(name), SEGFS_CONDITION, how, mode)
	{
	}
	void notify_one()
	{
		check(segfs_notify(native_handle(), 1));
	}
	void notify_all()
	{
		check(segfs_notify(native_handle(), UINT32_MAX));
	}
	template <segfs_kind Kind> void wait(std::unique_lock<basic_mutex<Kind>> &lock)
	{
		wait_by(lock, nullptr);
	}
	template <segfs_kind Kind, class Predicate>
	void wait(std::unique_lock<basic_mutex<Kind>> &lock, Predicate predicate)
	{
		while (!predicate())
			wait(lock);
	}
	template <segfs_kind Kind, class Rep, class Period>
	std::cv_status wait_for(std::unique_lock<basic_mutex<Kind>> &lock,
				const std::chrono::duration<Rep, Period> &time)
	{
		return status(detail::wait_for(
			time, [&](const timespec *deadline) { return wait_by(lock, deadline); }));
	}
	template <segfs_kind Kind, class Clock, class Duration>
	std::cv_status wait_until(std::unique_lock<basic_mutex<Kind>> &lock,
				  const std::chrono::time_point<Clock, Duration> &time)
	{
		return status(detail::wait_until(
			time, [&](const timespec *deadline) { return wait_by(lock, deadline); }));
	}
	/* These return what the predicate says. */
	template <segfs_kind Kind, class Rep, class Period, class Predicate>
	bool wait_for(std::unique_lock<basic_mutex<Kind>> &lock,
		      const std::chrono::duration<Rep, Period> &time, Predicate predicate)
	{
		return detail::wait_for(time, [&](const timespec *deadline) {
			while (!predicate())
				if (!wait_by(lock, deadline))
					return static_cast<bool>(predicate());
			return true;
		});
	}
	template <segfs_kind Kind, class Clock, class Duration, class Predicate>
	bool wait_until(std::unique_lock<basic_mutex<Kind>> &lock,
			const std::chrono::time_point<Clock, Duration> &time, Predicate predicate)
	{
		while (!predicate())
			if (wait_until(lock, time) == std::cv_status::timeout)
				return predicate();
		return true;
	}

      private:
	static std::cv_status status(bool notified)
	{
		return notified ? std::cv_status::no_timeout : std::cv_status::timeout;
	}
	/* Returns false if the deadline has passed. */
	template <segfs_kind Kind>
	bool wait_by(std::unique_lock<basic_mutex<Kind>> &lock, const timespec *deadline)
	{
		basic_mutex<Kind> &held = *lock.mutex();
		const int result = segfs_condition_wait(native_handle(), held.native_handle(), deadline, 0);

		if (result == -EBADMSG || result == -EFAULT)
			lock.release();
		const bool notified = detail::has_come(name(), result);

		if (held.policy() == on_abandoned::fail && held.abandoned())
			throw abandoned_error(held.name());
		return notified;
	}
};

} /* namespace segfs */

#endif
