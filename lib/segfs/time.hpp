/* SPDX-License-Identifier: MIT */
/* Times of std::chrono as deadlines of libsegfs. Part of segfs.hpp. */
#ifndef SEGFS_TIME_HPP
#define SEGFS_TIME_HPP

#include <chrono>
#include <ctime>
#include <type_traits>

namespace segfs
{

namespace detail
{

/* Longer waits are as good as endless, and their time points may overflow. */
constexpr std::chrono::seconds longest{1000000000};

template <class Rep, class Period>
std::chrono::nanoseconds clamp(const std::chrono::duration<Rep, Period> &time, std::chrono::seconds highest)
{
	const long double seconds = std::chrono::duration<long double>(time).count();

	if (!(seconds > 0))
		return std::chrono::nanoseconds::zero();
	if (seconds >= static_cast<long double>(highest.count()))
		return highest;
	return std::chrono::ceil<std::chrono::nanoseconds>(time);
}

inline timespec to_timespec(std::chrono::nanoseconds since_boot)
{
	const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(since_boot);
	timespec time = {};

	time.tv_sec = static_cast<decltype(time.tv_sec)>(seconds.count());
	time.tv_nsec = static_cast<decltype(time.tv_nsec)>((since_boot - seconds).count());
	return time;
}

/* Calls wait(deadline), whose result is false if the deadline has passed. */
template <class Rep, class Period, class Wait>
auto wait_for(const std::chrono::duration<Rep, Period> &time, Wait wait)
{
	const timespec deadline =
		to_timespec(std::chrono::nanoseconds(std::chrono::steady_clock::now().time_since_epoch()) +
			    clamp(time, longest));

	return wait(&deadline);
}

template <class Clock, class Duration, class Wait>
auto wait_until(const std::chrono::time_point<Clock, Duration> &time, Wait wait)
{
	if constexpr (std::is_same_v<Clock, std::chrono::steady_clock>) {
		const timespec deadline = to_timespec(clamp(time.time_since_epoch(), 4 * longest));

		return wait(&deadline);
	} else {
		for (;;) {
			const auto now = Clock::now();
			auto result = time > now ? wait_for(time - now, wait)
						 : wait_for(std::chrono::nanoseconds::zero(), wait);

			if (result || Clock::now() >= time)
				return result;
		}
	}
}

} /* namespace detail */

} /* namespace segfs */

#endif
