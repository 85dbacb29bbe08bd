# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# shellcheck disable=SC2034 # the variables are the tests'
#
# What shell tests on a real mount share; source it after tap.sh. Everything is removed when the test ends.
#
#   $mnt, $name, $store        mount point, instance and default store of the test's segfs
#   start ARGUMENT...          segfs ARGUMENT... $mnt, in the background; its errors are in $TMPDIR/start.err
#   stop                       unmounts and waits until the daemon has ended
#   $usual_mode                the mode of most opens by root, see tests/lib/modes.h
#   status KEY                 the number or text that .segfs/status has for a key
#   gone PID                   whether a process has ended
#   is_mounted [DIRECTORY]     whether a segfs is mounted there

mnt=$TMPDIR/mnt
name=$(sed 's|^/||; s|/|-|g' <<<"$mnt")
store=/run/segfs/$name/store
mkdir -p "$mnt"

is_mounted() { findmnt --noheadings --types fuse.segfs --mountpoint "${1:-$mnt}" >/dev/null 2>&1; }
gone() { [ ! -e "/proc/$1" ] || grep -q '^State:[[:space:]]*Z' "/proc/$1/status"; }
status() { sed -n "s/^.*\"$1\": \"\{0,1\}\([^,\"]*\).*$/\1/p" "$mnt/.segfs/status" | head -n 1; }
usual_mode=relayed
if kernel_has passthrough; then usual_mode=direct; fi

start() { "$SEGFS" "$@" "$mnt" 2>"$TMPDIR/start.err"; }

stop() {
	local pid
	pid=$(status supervisor_pid)
	umount "$mnt" && until_true gone "$pid"
}

segfs_clean_up() {
	local instance
	if is_mounted; then
		umount "$mnt" 2>/dev/null || umount -l "$mnt"
	fi
	# `--purge` waits for one that is ending
	for instance in /run/segfs/*"${TMPDIR##*/}"*; do
		[ ! -d "$instance" ] || "$SEGFS" --purge "${instance##*/}" >/dev/null 2>&1
	done
}
trap segfs_clean_up EXIT

[ "$(id -u)" -eq 0 ] || tap_skip_all root
