// SPDX-License-Identifier: MIT
/*
 * A block of parameters: many read it, now and then somebody changes it, and nobody sees half a change.
 *
 *   parameters set VALUE...   sets up to 8 parameters, the others to 0
 *   parameters show           prints how often they were set, and each one; as reader.py does
 *
 * Build: c++ -std=c++17 parameters.cc $(pkg-config --cflags --libs segfs) -o parameters
 * Run:   ./parameters set 1.5 2.5; ./parameters show
 */
#include <segfs.hpp>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <mutex>
#include <shared_mutex>

static constexpr int parameters_max = 8;

struct block {
	std::uint64_t changes;
	double values[parameters_max];
};

static void set(block &block, int n, char **values)
{
	for (int i = 0; i < parameters_max; i++)
		block.values[i] = i < n ? std::strtod(values[i], nullptr) : 0;
	block.changes++;
}

static void show(const block &block)
{
	std::cout << block.changes << " changes:";
	for (const double value : block.values)
		std::cout << ' ' << value;
	std::cout << '\n';
}

static int run(int argc, char **argv)
{
	const segfs::segment segment("parameters", segfs::opening::open_or_create, sizeof(block));
	const segfs::view view = segment.map();
	segfs::shared_mutex lock("parameters-lock");

	if (argc >= 2 && std::strcmp(argv[1], "set") == 0) {
		/* whoever sets all of them needs not care whether another one died meanwhile */
		const auto guard = lock.repair();

		set(view.at<block>(), argc - 2, argv + 2);
		lock.clear_abandoned();
	} else if (argc == 2 && std::strcmp(argv[1], "show") == 0) {
		const std::shared_lock guard(lock);

		show(view.at<const block>());
	} else {
		std::cerr << "usage: parameters set VALUE... | parameters show\n";
		return 2;
	}
	return 0;
}

int main(int argc, char **argv)
try {
	return run(argc, argv);
} catch (const segfs::abandoned_error &) {
	std::cerr << "parameters: a change was not finished; set them again\n";
	return 1;
} catch (const std::system_error &error) {
	std::cerr << error.what() << '\n';
	return 1;
}
