#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The installed library in C and C++: headers, classes and the examples, with each compiler that is there, in a directory and
# on a mount.
set -u
# shellcheck source=tests/lib/tap.sh
. "$SEGFS_TOP/tests/lib/tap.sh"
# shellcheck source=tests/lib/installed.sh
. "$SEGFS_TOP/tests/lib/installed.sh"

mkdir bin
limit=$(wait_seconds 60)
export PKG_CONFIG_PATH=$root/usr/lib/pkgconfig PKG_CONFIG_SYSROOT_DIR=$root
read -ra flags <<<"$(pkg-config --cflags --libs segfs)"

c() { "$cc" -std=c11 -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror "$@" "${flags[@]}"; }
cxx() { "$cc" -std="c++$standard" -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Werror "$@" "${flags[@]}" -pthread; }

# Whether a compiler is there, with its library.
compiles() { # COMPILER LANGUAGE HEADER
	printf '#include <%s>\n' "$3" | "$1" -x "$2" -fsyntax-only - 2>/dev/null
}

# Reads a name from each line of a list, and runs the case.
run_cases() { # WHAT PROGRAM...
	local what=$1 name status
	shift
	for name in $("$@" list); do
		"$@" "$name" >out 2>&1
		status=$?
		ok "$what: $name" sh -c "cat out; exit $status"
		is "... leaves nothing" "$(find "$SEGFS_MOUNT" -maxdepth 1 -type f | head -n 3)" ""
	done
}

run_c_examples() { # WHAT; programs are in bin
	local pid worker other
	timeout "$limit" bin/ring read >lines &
	pid=$!
	ok "$1: ring" timeout "$limit" bin/ring write < <(seq 10000)
	wait "$pid"
	is "... moves each line, in order" "$(md5sum <lines)" "$(seq 10000 | md5sum)"
	is "... and ends with nothing left" "$(ls "$SEGFS_MOUNT"/ring* 2>/dev/null)" ""

	timeout "$limit" bin/queue work >first &
	worker=$!
	timeout "$limit" bin/queue work >second &
	other=$!
	# shellcheck disable=SC2046
	ok "$1: queue" timeout "$limit" bin/queue add $(seq 100)
	ok "... is stopped" timeout "$limit" bin/queue stop
	wait "$worker" "$other"
	is "... has done each job once" "$(sort -n first second)" "$(for i in $(seq 100); do echo "$i squared is $((i * i))"; done)"
	ok "... and keeps what comes later" timeout "$limit" bin/queue add 7
	is "... for a later worker" "$(timeout "$limit" bin/queue work)" "7 squared is 49"
	rm "$SEGFS_MOUNT"/queue*

	timeout "$limit" bin/doorbell watch 30 >values &
	pid=$!
	for i in 10 20 30; do
		ok "$1: doorbell $i" timeout "$limit" bin/doorbell set "$i"
	done
	wait "$pid"
	is "... is heard" "$(tail -n 1 values)" 30
	rm "$SEGFS_MOUNT"/thermometer*
}

run_parameters() { # WHAT
	ok "$1: parameters" timeout "$limit" bin/parameters set 1.5 2.5 -7
	is "... are shown" "$(timeout "$limit" bin/parameters show)" "1 changes: 1.5 2.5 -7 0 0 0 0 0"
	rm "$SEGFS_MOUNT"/parameters*
}

# --- each compiler ---

for cc in gcc clang; do
	if ! compiles "$cc" c stdio.h; then
		tap_skip "examples in C" "$cc"
		continue
	fi
	for example in "$examples"/*.c; do
		ok "$cc compiles ${example##*/}" c "$example" -o "bin/$(basename "$example" .c)"
	done
	run_c_examples "$cc"
done

for cc in g++ clang++; do
	if ! compiles "$cc" c++ vector; then
		tap_skip "C++" "$cc"
		continue
	fi
	for standard in 17 20; do
		for header in "$root"/usr/include/segfs.hpp "$root"/usr/include/segfs/*.hpp; do
			[ $standard -eq 17 ] || continue
			printf '#include <%s>\n' "${header#"$root/usr/include/"}" >alone.cc
			ok "$cc: ${header##*/} alone" "$cc" -std=c++17 -Wall -Wextra -Wpedantic -Werror -fsyntax-only "-I$root/usr/include" alone.cc
		done
		for example in "$examples"/*.cc; do
			ok "$cc, C++$standard: ${example##*/}" cxx "$example" -o "bin/$(basename "$example" .cc)"
		done
		run_parameters "$cc, C++$standard"
		ok "$cc, C++$standard: the cases" cxx "$SEGFS_TOP/tests/languages/classes.cc" -o bin/classes
		run_cases "$cc, C++$standard" bin/classes
	done
done

# --- on a mount ---

what_was_built() {
	[ ! -x bin/ring ] || run_c_examples "on a mount"
	[ ! -x bin/parameters ] || run_parameters "on a mount"
	[ ! -x bin/classes ] || run_cases "C++ on a mount" bin/classes
}
on_a_mount what_was_built
