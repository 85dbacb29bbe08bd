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

# Runs the tests named, $jobs at a time.
start_runner() {
	local name tests=()
	for name in "$@"; do
		tests+=("$work/$name.t")
	done
	exec env -u CI TEST_SETTLE=1 TEST_TIMEOUT="${limit:-60}" ${ci:+CI=true} WORK="$work" SEGFS_OUT="$work/out" \
		"$SEGFS_TOP/tests/run" ${jobs:+"-j$jobs"} ${tests[@]+"${tests[@]}"} 2>&1
}

# The same; their output is in $output, the exit status in $status.
run() {
	output=$(start_runner "$@")
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

write_test program <<'END'
echo "1..1"
cd /
[ -x "$SEGFS" ] && echo "ok 1" || echo "not ok 1"
END
output=$(cd "$work" && cp /bin/true relative && SEGFS=relative start_runner program)
is "a program under test is found from any directory" "$(tail -n 1 <<<"$output")" "1 passed, 0 failed, 0 skipped"

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

# --- several at a time -----------------------------------------------------------------------------------------------

# what the tests below share: a place for marks, and waiting for one of another test
cat >"$work/common" <<'END'
mark() { echo "$*" >>"$WORK/marks"; }
marked() { grep -qxF -- "$*" "$WORK/marks" 2>/dev/null; }
await() {
	local tries
	for ((tries = 0; tries < 1000; tries++)); do
		"$@" && return 0
		sleep 0.01
	done
	return 1
}
END

# A test named $1 that prints one case, the result of the commands on standard input.
write_case() {
	{
		echo '. "$WORK/common"'
		[ -z "${first_line-}" ] || echo "$first_line"
		echo 'commands() {'
		cat
		echo '}'
		echo "echo 1..1; mark $1 starts; if commands; then echo ok 1; else echo not ok 1; fi; mark $1 ends"
	} >"$work/$1.t"
}

marks() { tr '\n' ',' <"$work/marks"; }

for pair in "left right" "right left"; do
	read -r one other <<<"$pair"
	write_case "$one" <<END
await marked $other starts
for line in 1 2 3; do echo "# of $one"; done
false
END
done
rm -f "$work/marks"
jobs=2 run left right
is "two tests run at the same time" "$counts" "0 passed, 2 failed, 0 skipped"
is "... and what they print does not mix" "$(sed -n 's/.*# of //p' <<<"$output" | uniq | wc -l)" 2

for name in first second; do
	write_case $name <<<true
done
rm -f "$work/marks"
jobs=1 run second first
is "with -j1 they run one after the other, as they are given" "$(marks)" "second starts,second ends,first starts,first ends,"
is "... and count" "$counts" "2 passed, 0 failed, 0 skipped"

write_case short <<<'true'
write_case long <<<'await marked middle starts'
write_case middle <<<'await marked long starts'
printf '%s 1.0\n%s 9.5\n%s 5.0\n' "$work/short.t" "$work/long.t" "$work/middle.t" >"$work/out/test-logs/durations"
rm -f "$work/marks"
jobs=2 run short long middle
is "what took long before starts first" "$(grep starts "$work/marks" | tail -n 1)" "short starts"
is "durations are kept" "$(grep -c -e '/short\.t [0-9.]*$' -e '/long\.t [0-9.]*$' -e '/middle\.t [0-9.]*$' "$work/out/test-logs/durations")" 3
not_ok "... as they were this time" grep -q '/long.t 9.5' "$work/out/test-logs/durations"

first_line='# tests/run: waits: for the others' write_case waiter <<<'await marked left starts && await marked right starts'
for name in left right; do
	write_case $name <<<'await marked waiter starts && await marked left starts && await marked right starts'
done
rm -f "$work/marks"
jobs=2 run left right waiter
is "a test that mostly waits runs beside the others" "$counts" "3 passed, 0 failed, 0 skipped"

first_line='# tests/run: alone: counts the others' write_case solitary <<'END'
marked left ends && marked right ends && marked first ends
END
for name in left right; do
	write_case $name <<<'await marked first starts'
done
rm -f "$work/marks"
jobs=3 run solitary left right first
is "a test that asks for it runs alone" "$counts" "4 passed, 0 failed, 0 skipped"
is "... when the others have ended" "$(tail -n 2 "$work/marks" | tr '\n' ',')" "solitary starts,solitary ends,"

# one leaves a process and a mount; the other one has some as well, and ends when those are gone
write_case leaver <<'END'
await marked worker ready
setsid -f tail -f /dev/null >/dev/null 2>&1
await pgrep -P "$PPID" -x tail >/dev/null
pgrep -P "$PPID" -x tail >"$WORK/left"
mark leaver ready
END
write_case worker <<'END'
setsid -f tail -f /dev/null >/dev/null 2>&1
await pgrep -P "$PPID" -x tail >/dev/null
own=$(pgrep -P "$PPID" -x tail)
mark worker ready
left() { [ -e "/proc/$(cat "$WORK/left")" ]; }
ended() { ! left; }
await marked leaver ready && await ended && kill -0 "$own" && kill "$own"
END
rm -f "$work/marks"
jobs=2 run leaver worker
is "what one test leaves is ended while another one runs" "$counts" "2 passed, 1 failed, 0 skipped"
is "... whose processes are not called left" "$(grep -c 'left a process:' <<<"$output")" 1
ok "... and nothing of that is its failure" grep -q "^ok .*worker" <<<"$output"

if [ "$(id -u)" -eq 0 ] && unshare -m true 2>/dev/null; then
	write_case mounter <<'END'
mkdir "$TMPDIR/mnt" && mount -t tmpfs mine "$TMPDIR/mnt" || return 1
mark mounter is "$TMPDIR"
await marked looker ends
umount "$TMPDIR/mnt"
END
	write_case looker <<'END'
await grep -q '^mounter is' "$WORK/marks" || return 1
! grep -qF "$(sed -n 's/^mounter is //p' "$WORK/marks")" /proc/self/mountinfo
END
	rm -f "$work/marks"
	jobs=2 run mounter looker
	is "no test has another one's mounts in its namespace" "$counts" "2 passed, 0 failed, 0 skipped"
else
	tap_skip "no test has another one's mounts in its namespace" "permission to mount"
fi

write_case endless <<<'mark endless in "$TMPDIR"; exec tail -f /dev/null'
rm -f "$work/marks"
(jobs=2 start_runner endless >"$work/output") &
runner=$!
until_marked() {
	local tries
	for ((tries = 0; tries < 1000; tries++)); do
		! grep -q "$1" "$work/marks" 2>/dev/null || return 0
		sleep 0.01
	done
	return 1
}
ok "a test runs" until_marked '^endless in'
kill -TERM $runner
wait $runner
is "a signal ends the runner" $? 1
ok "... which says so" grep -qx interrupted "$work/output"
tmp=$(sed -n 's/^endless in //p' "$work/marks")
not_ok "... and leaves nothing of the test" test -e "${tmp:-/}"

output=$("$SEGFS_TOP/tests/run" -j0 2>&1)
is "no number of tests is a mistake" $? 2
ok "... that is explained" mentions "usage:"

tap_done
