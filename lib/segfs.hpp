/* SPDX-License-Identifier: MIT */
/*
 * libsegfs for C++17 and later. segfs.h, below it, documents names, kinds, limits, threads, fork(2) and
 * death.
 *
 *   segfs::segment frames("frames", segfs::opening::open_or_create, 4096);
 *   segfs::view view = frames.map();
 *   segfs::mutex mutex("frames-lock");
 *
 *   std::lock_guard<segfs::mutex> guard(mutex);
 *   view.at<std::uint64_t>(0)++;
 *
 * Errors are thrown as segfs::error, a std::system_error with the errno in generic_category(). Its text
 * begins with the name. A function that throws has changed nothing, except where it says so. Destructors,
 * moves and functions marked noexcept throw nothing.
 *
 * All objects can be moved and not copied. One that was moved from can only be assigned to or destroyed.
 *
 * Times are those of std::chrono. A time point of another clock than steady_clock is looked at again when the
 * wait for it has ended, as that clock may have been set. Waits do not end for a signal; for those that do,
 * call segfs_wait() and the like with native_handle().
 *
 * Abandoned locks. A thread that dies while it holds a mutex, or writes under a shared_mutex, may leave half
 * changed what the lock protects. Until clear_abandoned() is called, each lock() of it throws abandoned_error
 * and does not lock; so do try_lock() and conditions. Who can put the data in order calls repair():
 *
 *   std::unique_lock<segfs::mutex> guard = mutex.repair();   // locks, also if it is abandoned
 *   if (mutex.abandoned()) {                                 // and no other thread was faster
 *           ...
 *           mutex.clear_abandoned();
 *   }
 *
 * A lock made with on_abandoned::proceed is locked without a word, and the program asks abandoned() itself.
 */
#ifndef SEGFS_HPP
#define SEGFS_HPP

#include <segfs/error.hpp>
#include <segfs/lock.hpp>
#include <segfs/object.hpp>
#include <segfs/segment.hpp>
#include <segfs/time.hpp>

#endif
