# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# TAP for shell tests: source it, call the functions below, end with tap_done.
#
#   ok NAME COMMAND...       passes if the command succeeds
#   not_ok NAME COMMAND...   passes if it fails
#   is NAME GOT WANTED       passes if both strings are equal
#   needs FEATURE is|ok|not_ok NAME...   the case, skipped where `segfs --features` lacks the feature
#   kernel_has FEATURE       whether it has
#   until_true COMMAND...    waits until the command succeeds; fails after 10 seconds, or TEST_WAIT
#   wait_seconds USUAL       TEST_WAIT of the environment, which a slow machine sets, or what is usual
#   tap_skip NAME FEATURE    skips one case for a missing feature
#   tap_skip_all FEATURE     ends the test, skipped as a whole
#
# A command's output is shown only when its case fails.

tap_count=0
tap_failed=0

tap_result() { # RESULT NAME
	tap_count=$((tap_count + 1))
	echo "$1 $tap_count - $2"
	[ "$1" = ok ] || tap_failed=1
}

tap_diag() { sed 's/^/# /' <<<"$1"; }

ok() {
	local tap_name=$1 tap_output tap_status=0
	shift
	tap_output=$("$@" 2>&1) || tap_status=$?
	if [ $tap_status -eq 0 ]; then
		tap_result ok "$tap_name"
	else
		tap_result "not ok" "$tap_name"
		tap_diag "status $tap_status: $*"
		[ -z "$tap_output" ] || tap_diag "$tap_output"
	fi
}

not_ok() {
	local tap_name=$1 tap_output
	shift
	if tap_output=$("$@" 2>&1); then
		tap_result "not ok" "$tap_name"
		tap_diag "succeeded: $*"
		[ -z "$tap_output" ] || tap_diag "$tap_output"
	else
		tap_result ok "$tap_name"
	fi
}

is() {
	if [ "$2" = "$3" ]; then
		tap_result ok "$1"
	else
		tap_result "not ok" "$1"
		tap_diag "got:    $2"
		tap_diag "wanted: $3"
	fi
}

kernel_has() { "$SEGFS" --features | grep -q "^$1 *yes"; }

needs() {
	if kernel_has "$1"; then "${@:2}"; else tap_skip "$3" "$1"; fi
}

until_true() {
	local end=$((SECONDS + ${TEST_WAIT:-10} + 1))
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.02
	done
}

wait_seconds() { echo "${TEST_WAIT:-$1}"; }

tap_skip() {
	tap_count=$((tap_count + 1))
	echo "ok $tap_count - $1 # SKIP missing: $2"
}

tap_skip_all() {
	echo "1..0 # SKIP missing: $1"
	exit 0
}

tap_done() {
	echo "1..$tap_count"
	exit $tap_failed
}
