// SPDX-License-Identifier: MIT
/*
 * The benchmark; tests/bench/run calls it.
 *
 *   bench TABLE BASE [ONLY]
 *   bench null MOUNTPOINT
 *
 *   main.c        this
 *   place.c       targets to measure on; cost to the daemon
 *   measure.c     short slices, one target after the other; medians; the table
 *   clients.c     a slice that several processes share
 *   data.c        tables "data" and "relayed": views, reads, writes
 *   names.c       table "names": opening, creating, listing, removing
 *   listing.c     ... directories and ways to list them
 *   own.c         ... and what of that is segfs's own work
 *   cold.c        table "cold": opening more files than stay ready
 *   kernel.c      table "kernel": what must cost no request
 *   programs.c    table "programs": SQLite, git, tar
 *   lmdb.c        ... LMDB
 *   postgres.c    ... PostgreSQL
 *   scale.c       table "scale": many segments in one directory; memory per node
 *   locks.c       table "locks": setting, releasing and handing over locks
 *   held.c        ... and their cost when there are many
 *   sources.c     table "sources": cost of `ls -l` of the machine's own shared memory
 *   library.c     table "library": objects of libsegfs beside those of the C library and Boost (boost.cc)
 *   tool.c        table "segctl": the command-line tool beside ls
 *   kills.c       table "kills": time that worker deaths and upgrades add to calls
 *   null.c        the null daemon: a FUSE server of names in memory
 *   calls.c       table "calls": round trips and system calls of each operation
 *   operations.c  those operations
 *   trace.c       strace of the worker, grouped by request
 */
#include "tests/bench/bench.h"

#include <string.h>

const char *only;

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*print)(const char *base);
	} tables[] = {
		{"data", bench_data},       {"names", bench_names},   {"scale", bench_scale},
		{"locks", bench_locks},     {"calls", bench_calls},   {"sources", bench_sources},
		{"kills", bench_kills},     {"kernel", bench_kernel}, {"programs", bench_programs},
		{"cold", bench_cold},       {"null", null_serve},     {"relayed", bench_relayed},
		{"library", bench_library}, {"segctl", bench_tool},
	};

	setvbuf(stdout, NULL, _IOLBF, 0);
	for (size_t i = 0; argc >= 3 && i < sizeof(tables) / sizeof(tables[0]); i++) {
		if (strcmp(argv[1], tables[i].name) == 0) {
			only = argc > 3 && *argv[3] ? argv[3] : NULL;
			tables[i].print(argv[2]);
			return 0;
		}
	}
	fputs("usage: bench data|relayed|names|cold|kernel|programs|scale|locks|calls|sources|kills|library|"
	      "segctl BASE [ONLY]\n"
	      "       bench null MOUNTPOINT\n",
	      stderr);
	return 2;
}
