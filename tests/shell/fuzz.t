#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Each fuzzer over what was found once, and for some seconds more; `make fuzz` runs them longer.
set -u
# shellcheck source=tests/lib/tap.sh
. "$SEGFS_TOP/tests/lib/tap.sh"

readonly SECONDS_EACH=1
fuzzers=$SEGFS_TOP/build/fuzz/tests/fuzz

# Runs fuzzer $1 with the options that follow. What it says is shown only if it fails.
run() {
	local name=$1
	shift
	timeout -s KILL 60 "$fuzzers/$name" -verbosity=0 -timeout=20 -artifact_prefix="$TMPDIR/" "$@"
}

make build/bootstrap-fuzz.stamp >"$TMPDIR/bootstrap" 2>&1 || tap_skip_all "clang with libFuzzer"
ok "fuzzers are built" make -j"$(nproc)" FLAVOUR=fuzz fuzzers
for source in tests/fuzz/fuzz_*.c; do
	name=$(basename "$source" .c)
	ok "$name: what was found once" run "$name" -runs=0 "tests/fuzz/corpus/$name"
	mkdir "$TMPDIR/$name"
	ok "$name: $SECONDS_EACH s more" run "$name" -max_total_time=$SECONDS_EACH "$TMPDIR/$name" "tests/fuzz/corpus/$name"
done
tap_done
