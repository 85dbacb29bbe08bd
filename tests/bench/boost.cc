// SPDX-License-Identifier: MIT
/*
 * Boost.Interprocess, for table "library". Names are in /dev/shm. What the functions throw ends the program.
 */
#include "tests/bench/library.h"

#include <boost/interprocess/mapped_region.hpp>
#include <boost/interprocess/shared_memory_object.hpp>
#include <boost/interprocess/sync/named_mutex.hpp>
#include <boost/interprocess/sync/named_semaphore.hpp>
#include <boost/interprocess/sync/named_sharable_mutex.hpp>

#include <memory>
#include <string>
#include <unistd.h>

namespace ipc = boost::interprocess;

namespace
{
std::unique_ptr<ipc::named_mutex> the_mutex;
std::unique_ptr<ipc::named_semaphore> semaphores[LIBRARY_SEMAPHORES];
std::unique_ptr<ipc::named_sharable_mutex> sharable;

std::string name_of(const char *kind, unsigned int i)
{
	static const pid_t creator = getpid();

	return "segfs-bench." + std::to_string(creator) + '.' + kind + std::to_string(i);
}

void set_up(const char *)
{
	the_mutex = std::make_unique<ipc::named_mutex>(ipc::create_only, name_of("mutex", 0).c_str());
	for (unsigned int i = 0; i < LIBRARY_SEMAPHORES; i++)
		semaphores[i] = std::make_unique<ipc::named_semaphore>(ipc::create_only,
								       name_of("semaphore", i).c_str(), 0);
	sharable =
		std::make_unique<ipc::named_sharable_mutex>(ipc::create_only, name_of("sharable", 0).c_str());
}

void tear_down()
{
	ipc::named_mutex::remove(name_of("mutex", 0).c_str());
	for (unsigned int i = 0; i < LIBRARY_SEMAPHORES; i++)
		ipc::named_semaphore::remove(name_of("semaphore", i).c_str());
	ipc::named_sharable_mutex::remove(name_of("sharable", 0).c_str());
	ipc::shared_memory_object::remove(name_of("memory", 0).c_str());
}

void mutex(unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		the_mutex->lock();
		the_mutex->unlock();
	}
}

void semaphore(unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		semaphores[0]->post();
		semaphores[0]->wait();
	}
}

void reader(unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		sharable->lock_sharable();
		sharable->unlock_sharable();
	}
}

void lock()
{
	the_mutex->lock();
}

void unlock()
{
	the_mutex->unlock();
}

void post(unsigned int i)
{
	semaphores[i]->post();
}

void wait(unsigned int i)
{
	semaphores[i]->wait();
}

void open(unsigned int n)
{
	static const std::string name = name_of("memory", 0);

	for (unsigned int i = 0; i < n; i++) {
		ipc::shared_memory_object memory(ipc::open_or_create, name.c_str(), ipc::read_write);
		ipc::offset_t size = 0;

		if (!memory.get_size(size) || size == 0)
			memory.truncate(64 * 1024);
		ipc::mapped_region region(memory, ipc::read_write);
	}
}
} // namespace

const struct library *boost_library(void)
{
	static const struct library library = {"Boost", set_up, tear_down, mutex, semaphore, reader,
					       lock,    unlock, post,      wait,  open};

	return &library;
}
