#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The test runner itself: what it counts, what it calls a failure, and that it ends what a test left and nothing else.
set -u
# shellcheck source=tests/lib/tap.sh
. "$SEGFS_TOP/tests/lib/tap.sh"

work=$TMPDIR/work
mkdir "$work"
trap 'rm -rf "$work"' EXIT

# A test named $1 from standard input.
write_test() { cat >"$work/$1.t"; }

# Runs the tests named; their output is in $output, the exit status in $status.
run() {
	local name tests=()
	for name in "$@"; do
		tests+=("$work/$name.t")
	done
	output=$(env -u CI TEST_SETTLE=1 TEST_TIMEOUT="${limit:-60}" ${ci:+CI=true} SEGFS_OUT="$work/out" "$SEGFS_TOP/tests/run" ${tests[@]+"${tests[@]}"} 2>&1)
	status=$?
	counts=$(tail -n 1 <<<"$output")
}

mentions() { grep -qF -- "$1" <<<"$output"; }

write_test good <<'END'
echo "1..3"
echo "ok 1 - first"
echo "ok 2 - second"
echo "ok 3 - third # SKIP missing: feature"
END
run good
is "passes and skips are counted" "$counts" "2 passed, 0 failed, 1 skipped"
is "... and end well" "$status" 0
ok "the reason of a skip is shown" mentions "missing: feature"
is "the counts are kept in a file" "$(cat "$work/out/test-logs/counts")" "$counts"

write_test bad <<'END'
echo "1..2"
echo "ok 1 - first"
echo "not ok 2 - second"
echo "# because of this"
exit 1
END
run good bad
is "a failed case is counted once" "$counts" "3 passed, 1 failed, 1 skipped"
is "... and ends badly" "$status" 1
ok "the output of a failed test is shown" mentions "# because of this"

write_test skipped <<'END'
echo "1..0 # SKIP missing: everything"
END
run skipped
is "a test skipped as a whole counts as one" "$counts" "0 passed, 0 failed, 1 skipped"

write_test cmocka_skip <<'END'
echo "1..1"
echo "missing: hugetlb"
echo "not ok 1 # SKIP test_huge"
END
run cmocka_skip
is "a skip in the words of cmocka is no failure" "$counts" "0 passed, 0 failed, 1 skipped"
ok "... and its reason is the line before" mentions "missing: hugetlb"

write_test excuse <<'END'
echo "1..1"
echo "ok 1 # SKIP no time"
END
run excuse
is "elsewhere any skip goes" "$status" 0
ci=1 run excuse
is "with CI=true a skip for no missing feature is a failure" "$counts" "0 passed, 1 failed, 1 skipped"
ci=1 run skipped
is "... and one for a missing feature is none" "$status" 0

run
is "no test at all is a failure" "$status" 1
is "... with counts nevertheless" "$counts" "0 passed, 0 failed, 0 skipped"

write_test silent </dev/null
run silent
is "a test that says nothing fails" "$counts" "0 passed, 1 failed, 0 skipped"

write_test short <<'END'
echo "1..3"
echo "ok 1"
END
run short
is "a test that stops early fails" "$counts" "1 passed, 1 failed, 0 skipped"

write_test crash <<'END'
echo "1..1"
echo "ok 1"
kill -SEGV $$
END
run crash
is "a test that ends by a signal fails" "$counts" "1 passed, 1 failed, 0 skipped"
ok "... and the signal is named" mentions "signal 11"

write_test hang <<'END'
echo "1..1"
echo "ok 1"
exec tail -f /dev/null
END
limit=1 run hang
is "a test that hangs is ended" "$counts" "1 passed, 1 failed, 0 skipped"
ok "... with that reason" mentions "timed out after 1 s"

write_test internal <<'END'
echo "1..1"
echo "segfs: internal error: slot" >"$TMPDIR/daemon.log"
echo "ok 1"
END
run internal
is "an internal error in a log fails the test" "$counts" "1 passed, 1 failed, 0 skipped"
ok "... and is shown" mentions "internal error: slot"

write_test sanitizer <<'END'
echo "1..1"
echo "==1==ERROR: AddressSanitizer: heap-use-after-free" >"$TMPDIR/.sanitizer/report.1"
echo "ok 1"
END
run sanitizer
is "a sanitizer's report fails the test" "$counts" "1 passed, 1 failed, 0 skipped"

# a process that is not the runner's, in a session and a parent of its own, beside one that a test leaves
write_test process <<'END'
echo "1..1"
setsid -f tail -f /dev/null >/dev/null 2>&1
echo "ok 1"
END
tail -f /dev/null &
bystander=$!
run process
is "a process left behind fails the test" "$counts" "1 passed, 1 failed, 0 skipped"
ok "... and is named" mentions "left a process:"
pid=$(sed -n 's/.*left a process: \([0-9]*\) .*/\1/p' <<<"$output")
not_ok "... and is ended" kill -0 "${pid:-$$}"
ok "a process that the runner did not start lives on" kill -0 $bystander
kill $bystander

write_test directory <<'END'
echo "1..1"
[ -n "$TMPDIR" ] && [ -d "$TMPDIR" ] && [ -d "$SEGFS_TOP" ] && [ "$PWD" = "$SEGFS_TOP" ] && echo "ok 1" || echo "not ok 1"
echo "TMPDIR=$TMPDIR"
touch "$TMPDIR/file"
exit 1
END
run directory
ok "a test gets a directory of its own and starts at the top of the tree" mentions "ok 1"
tmp=$(sed -n 's/.*TMPDIR=//p' <<<"$output")
ok "... that has a name" test -n "$tmp"
not_ok "... and is removed" test -e "${tmp:-/}"

write_test mount <<'END'
echo "1..1"
mkdir "$TMPDIR/mnt"
mount -t tmpfs left "$TMPDIR/mnt" && echo "ok 1"
END
if [ "$(id -u)" -eq 0 ] && unshare -m true 2>/dev/null; then
	run mount
	is "a mount left behind fails the test" "$counts" "1 passed, 1 failed, 0 skipped"
	ok "... and is named" mentions "left a mount:"
	not_ok "... and is unmounted" grep -q "$work" /proc/self/mountinfo
else
	tap_skip "a mount left behind fails the test" "permission to mount"
fi

tap_done
