/* SPDX-License-Identifier: MIT */
/* Synchronization objects of libsegfs but locks. Part of segfs.hpp. */
#ifndef SEGFS_OBJECT_HPP
#define SEGFS_OBJECT_HPP

#include <segfs/error.hpp>
#include <segfs/time.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

namespace segfs
{

/* What all have in common. */
class object
{
      public:
	const std::string &name() const noexcept
	{
		return name_;
	}
	/* Whether the constructor has created it. */
	bool created() const noexcept
	{
		return created_;
	}
	segfs_object *native_handle() const noexcept
	{
		return object_.get();
	}

      protected:
	object(std::string name, segfs_kind kind, opening how, std::uint32_t mode, std::uint32_t initial = 0,
	       std::uint32_t maximum = 0)
	    : name_(std::move(name))
	{
		segfs_object_creation creation = {};
		segfs_object *made = nullptr;

		creation.mode = mode;
		creation.flags = how == opening::open_or_create ? SEGFS_OPEN_EXISTING : 0;
		creation.initial = initial;
		creation.maximum = maximum;
		if (how == opening::open)
			detail::check(name_, segfs_object_open(name_.c_str(), kind, &made));
		else
			created_ = detail::check(name_, segfs_object_create(name_.c_str(), kind, &creation,
									    &made)) == 0;
		object_.reset(made);
	}
	object(object &&) noexcept = default;
	object &operator=(object &&) noexcept = default;
	~object() = default;

	int check(int result) const
	{
		return detail::check(name_, result);
	}
	std::uint32_t value() const noexcept
	{
		return segfs_object_value(object_.get());
	}

      private:
	struct close {
		void operator()(segfs_object *object) const noexcept
		{
			segfs_object_close(object);
		}
	};
	std::unique_ptr<segfs_object, close> object_;
	std::string name_;
	bool created_ = false;
};

/* A semaphore, event or doorbell. */
class waitable : public object
{
      protected:
	using object::object;
	waitable(waitable &&) noexcept = default;
	waitable &operator=(waitable &&) noexcept = default;
	~waitable() = default;

	void take()
	{
		check(segfs_wait(native_handle(), nullptr, 0));
	}
	bool try_take()
	{
		return detail::has_come(name(), segfs_wait(native_handle(), nullptr, SEGFS_TRY));
	}
	template <class Rep, class Period> bool take_for(const std::chrono::duration<Rep, Period> &time)
	{
		return detail::wait_for(time, [this](const timespec *end) { return take_by(end); });
	}
	template <class Clock, class Duration>
	bool take_until(const std::chrono::time_point<Clock, Duration> &time)
	{
		return detail::wait_until(time, [this](const timespec *end) { return take_by(end); });
	}

      private:
	bool take_by(const timespec *deadline)
	{
		return detail::has_come(name(), segfs_wait(native_handle(), deadline, 0));
	}
};

/* As std::counting_semaphore, between processes. */
class semaphore : public waitable
{
      public:
	/* initial, maximum: of a new one; maximum 0 = 2^31-1 */
	explicit semaphore(std::string name, std::uint32_t initial = 0, std::uint32_t maximum = 0,
			   opening how = opening::open_or_create, std::uint32_t mode = 0600)
	    : waitable(std::move(name), SEGFS_SEMAPHORE, how, mode, initial, maximum)
	{
	}
	/* EOVERFLOW: the count would be more than the maximum */
	void release(std::uint32_t n = 1)
	{
		check(segfs_post(native_handle(), n));
	}
	void acquire()
	{
		take();
	}
	/* These return whether one was taken. */
	bool try_acquire()
	{
		return try_take();
	}
	template <class Rep, class Period>
	bool try_acquire_for(const std::chrono::duration<Rep, Period> &time)
	{
		return take_for(time);
	}
	template <class Clock, class Duration>
	bool try_acquire_until(const std::chrono::time_point<Clock, Duration> &time)
	{
		return take_until(time);
	}
	/* the count */
	using object::value;
};

namespace detail
{

/* The waits of events and doorbells. */
class signal : public waitable
{
      public:
	void wait()
	{
		take();
	}
	/* These return whether it was there. */
	bool try_wait()
	{
		return try_take();
	}
	template <class Rep, class Period> bool wait_for(const std::chrono::duration<Rep, Period> &time)
	{
		return take_for(time);
	}
	template <class Clock, class Duration>
	bool wait_until(const std::chrono::time_point<Clock, Duration> &time)
	{
		return take_until(time);
	}

      protected:
	using waitable::waitable;
	signal(signal &&) noexcept = default;
	signal &operator=(signal &&) noexcept = default;
	~signal() = default;
};

template <segfs_kind Kind> class basic_event : public signal
{
      public:
	/* is_set: whether a new one is */
	explicit basic_event(std::string name, bool is_set = false, opening how = opening::open_or_create,
			     std::uint32_t mode = 0600)
	    : signal(std::move(name), Kind, how, mode, is_set ? 1 : 0)
	{
	}
	void set()
	{
		check(segfs_set_event(native_handle()));
	}
	void reset()
	{
		check(segfs_reset_event(native_handle()));
	}
	bool is_set() const noexcept
	{
		return value() != 0;
	}
};

} /* namespace detail */

/* Set until it is reset. All waits end while it is set. */
using event = detail::basic_event<SEGFS_EVENT>;
/* Set until a wait ends, which resets it. */
using auto_event = detail::basic_event<SEGFS_AUTO_EVENT>;

/* A wait ends when it was rung since the last wait through this object, or since the constructor. */
class doorbell : public detail::signal
{
      public:
	explicit doorbell(std::string name, opening how = opening::open_or_create, std::uint32_t mode = 0600)
	    : signal(std::move(name), SEGFS_DOORBELL, how, mode)
	{
	}
	void ring()
	{
		check(segfs_ring(native_handle()));
	}
	/* how often it was rung, modulo 2^31 */
	using object::value;
};

/* --- several --- */

/*
 * Up to SEGFS_OBJECTS_MAX semaphores, events and doorbells: {jobs, stop}, or a container or std::span of
 * objects, pointers or std::reference_wrapper. It refers to them.
 */
class waitables
{
      public:
	waitables(std::initializer_list<std::reference_wrapper<const waitable>> objects)
	{
		for (const waitable &one : objects)
			add(one);
	}
	template <class Range, class = std::enable_if_t<!std::is_same_v<waitables, std::decay_t<Range>> &&
							!std::is_base_of_v<waitable, std::decay_t<Range>>>>
	waitables(const Range &objects)
	{
		for (const auto &one : objects)
			add(one);
	}
	segfs_object *const *data() const noexcept
	{
		return handles_.data();
	}
	std::size_t size() const noexcept
	{
		return n_;
	}
	/* whether the result of a wait for them is that it ended by one */
	bool has_come(int result) const
	{
		return result >= 0 || detail::has_come(name(), result);
	}

      private:
	/* for messages */
	std::string name() const
	{
		return n_ == 1 ? first_->name() : n_ ? first_->name() + ", ..." : "no objects";
	}
	void add(const waitable &one)
	{
		if (n_ == handles_.size())
			throw error(name(), -EINVAL);
		if (n_ == 0)
			first_ = &one;
		handles_[n_++] = one.native_handle();
	}
	void add(const waitable *one)
	{
		add(*one);
	}
	std::array<segfs_object *, SEGFS_OBJECTS_MAX> handles_;
	std::size_t n_ = 0;
	const waitable *first_ = nullptr;
};

namespace detail
{

inline std::optional<std::size_t> any(const waitables &objects, const timespec *deadline, unsigned int flags)
{
	const int result = segfs_wait_any(objects.data(), objects.size(), deadline, flags);

	return objects.has_come(result) ? std::optional(static_cast<std::size_t>(result)) : std::nullopt;
}

inline bool all(const waitables &objects, const timespec *deadline, unsigned int flags)
{
	return objects.has_come(segfs_wait_all(objects.data(), objects.size(), deadline, flags));
}

} /* namespace detail */

/* The index of the one for which the wait ended; see segfs_wait_any(). Nothing: none was there in time. */
inline std::size_t wait_any(const waitables &objects)
{
	return *detail::any(objects, nullptr, 0);
}
inline std::optional<std::size_t> try_wait_any(const waitables &objects)
{
	return detail::any(objects, nullptr, SEGFS_TRY);
}
template <class Rep, class Period>
std::optional<std::size_t> wait_any_for(const waitables &objects,
					const std::chrono::duration<Rep, Period> &time)
{
	return detail::wait_for(time, [&](const timespec *end) { return detail::any(objects, end, 0); });
}
template <class Clock, class Duration>
std::optional<std::size_t> wait_any_until(const waitables &objects,
					  const std::chrono::time_point<Clock, Duration> &time)
{
	return detail::wait_until(time, [&](const timespec *end) { return detail::any(objects, end, 0); });
}

/* See segfs_wait_all(). The result is whether all were there in time. */
inline void wait_all(const waitables &objects)
{
	detail::all(objects, nullptr, 0);
}
inline bool try_wait_all(const waitables &objects)
{
	return detail::all(objects, nullptr, SEGFS_TRY);
}
template <class Rep, class Period>
bool wait_all_for(const waitables &objects, const std::chrono::duration<Rep, Period> &time)
{
	return detail::wait_for(time, [&](const timespec *end) { return detail::all(objects, end, 0); });
}
template <class Clock, class Duration>
bool wait_all_until(const waitables &objects, const std::chrono::time_point<Clock, Duration> &time)
{
	return detail::wait_until(time, [&](const timespec *end) { return detail::all(objects, end, 0); });
}

/* --- barriers --- */

/* For a number of threads, of any processes. The result is whether the caller was the last to arrive. */
class barrier : public object
{
      public:
	/* threads: of a new one, 1 to SEGFS_BARRIER_MAX */
	explicit barrier(std::string name, std::uint32_t threads, opening how = opening::open_or_create,
			 std::uint32_t mode = 0600)
	    : object(std::move(name), SEGFS_BARRIER, how, mode, 0, threads)
	{
	}
	bool arrive_and_wait()
	{
		return check(segfs_barrier_wait(native_handle(), nullptr, 0)) == 1;
	}
	/* Nothing: the others did not arrive in time, and the caller has not arrived. */
	std::optional<bool> try_arrive_and_wait()
	{
		return wait(nullptr, SEGFS_TRY);
	}
	template <class Rep, class Period>
	std::optional<bool> arrive_and_wait_for(const std::chrono::duration<Rep, Period> &time)
	{
		return detail::wait_for(time, [this](const timespec *deadline) { return wait(deadline, 0); });
	}
	template <class Clock, class Duration>
	std::optional<bool> arrive_and_wait_until(const std::chrono::time_point<Clock, Duration> &time)
	{
		return detail::wait_until(time,
					  [this](const timespec *deadline) { return wait(deadline, 0); });
	}
	/* how many have arrived */
	using object::value;

      private:
	std::optional<bool> wait(const timespec *deadline, unsigned int flags)
	{
		const int result = segfs_barrier_wait(native_handle(), deadline, flags);

		return detail::has_come(name(), result) ? std::optional(result == 1) : std::nullopt;
	}
};

} /* namespace segfs */

#endif
