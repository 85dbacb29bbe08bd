#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The installed Python module: its classes, and the example that reads what a program in C++ writes, in a directory and on a
# mount.
set -u
# shellcheck source=tests/lib/tap.sh
. "$SEGFS_TOP/tests/lib/tap.sh"

python3 -c 'import ctypes, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || tap_skip_all "Python 3.11 with ctypes"

# shellcheck source=tests/lib/installed.sh
. "$SEGFS_TOP/tests/lib/installed.sh"
mkdir elsewhere
export PYTHONPATH=$root/usr/lib/python3/dist-packages PYTHONDONTWRITEBYTECODE=1

run_cases() { # WHERE
	local name status python
	for name in $(python3 "$SEGFS_TOP/tests/languages/module.py" list); do
		# of several interpreters one may be that of the distribution's packages
		python=python3
		[ "$name" != numpy_arrays ] || python3 -c 'import numpy' 2>/dev/null || python=/usr/bin/python3
		"$python" "$SEGFS_TOP/tests/languages/module.py" "$name" >out 2>&1
		status=$?
		if [ $status -eq 77 ]; then
			tap_skip "$1: $name" numpy
		else
			ok "$1: $name" sh -c "cat out; exit $status"
		fi
		is "... leaves nothing" "$(find "$SEGFS_MOUNT" -maxdepth 1 -type f | head -n 3)" ""
	done
}

run_reader() { # WHERE
	if [ -x parameters ]; then
		ok "$1: a program in C++ sets parameters" ./parameters set 1.5 2.5 -7
		is "... and Python reads them" "$(python3 "$examples/reader.py")" "1 changes: 1.5 2.5 -7 0 0 0 0 0"
		rm "$SEGFS_MOUNT"/parameters*
	fi
	is "$1: Python says what is missing" "$(python3 "$examples/reader.py" 2>&1)" "parameters: No such file or directory"
}

if command -v g++ >/dev/null; then
	ok "a program in C++" g++ -std=c++17 "-I$root/usr/include" "$examples/parameters.cc" "-L$root/usr/lib" -lsegfs -o parameters
else
	tap_skip "a program in C++" g++
fi
run_cases "in a directory"
run_reader "in a directory"
loaded() { python3 -c 'import segfs; print(segfs._library._name)'; }
is "the module loads the library of its own installation" "$(unset LD_LIBRARY_PATH; loaded)" "$root/usr/lib/libsegfs.so.0"
cp "$PYTHONPATH/segfs.py" elsewhere
is "... or the one that the loader finds" "$(PYTHONPATH=elsewhere loaded)" libsegfs.so.0

# --- on a mount ---

cases_and_reader() {
	run_cases "on a mount"
	run_reader "on a mount"
}
on_a_mount cases_and_reader
