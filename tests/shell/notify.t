#!/bin/bash
# SPDX-License-Identifier: MIT
#
# What segfs tells others while it starts and ends: the service manager, a descriptor, the system's log.
# shellcheck disable=SC2317 # functions are called by ok
set -u
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"

work=${TMPDIR:-/tmp}
name=$(basename "$work")
mnt=$work/mnt
received=$work/received
listener=

cleanup() {
	umount -l "$mnt" 2>/dev/null
	[ -z "$listener" ] || kill "$listener" 2>/dev/null
	"$SEGFS" --purge "$name" 2>/dev/null
}
trap cleanup EXIT
mkdir -p "$mnt"

# receive SOCKET: writes each datagram as a line to $received, from when this returns
receive() {
	: >"$received"
	perl -MSocket -e '
		my $s; socket($s, AF_UNIX, SOCK_DGRAM, 0) && bind($s, sockaddr_un($ARGV[0])) or die "$!";
		open(my $out, ">>", $ARGV[1]); select($out); $| = 1;
		chmod(0666, $ARGV[0]);
		while (defined(recv($s, my $message, 4096, 0))) { print "$message\n" }
	' "$1" "$received" &
	listener=$!
	for ((i = 0; i < 500; i++)); do
		[ -S "$1" ] && return
		sleep 0.01
	done
}

# told PATTERN: waits until a line that matches was received
told() {
	for ((i = 0; i < 500; i++)); do
		grep -q -- "$1" "$received" && return 0
		sleep 0.01
	done
	cat "$received"
	return 1
}

receive "$work/notify"
ok "a mount with NOTIFY_SOCKET starts" env NOTIFY_SOCKET="$work/notify" "$SEGFS" --name "$name" "$mnt"
ok "the service manager hears READY=1" told '^READY=1$'
pid=$(sed -n 's/.*"supervisor_pid": \([0-9]*\).*/\1/p' "$mnt/.segfs/status")
for signal in HUP USR2; do
	: >"$received"
	kill -$signal "$pid"
	ok "SIG$signal: the service manager hears RELOADING=1" told '^RELOADING=1$'
	ok "... since when" told '^MONOTONIC_USEC=[1-9][0-9]*$'
	ok "... and READY=1 at the end" told '^READY=1$'
done
ok "it ends" umount "$mnt"
ok "the service manager hears STOPPING=1" told '^STOPPING=1$'
kill "$listener"
wait "$listener" 2>/dev/null
listener=

# a reading that is under way for as long as the test likes, and what is asked for meanwhile
configure() { printf '[directory %s]\nmode = 0700\n' "$1" >"$work/next.ini" && mv "$work/next.ini" "$work/segfs.ini"; }
times() { [ "$(grep -c "$1" "$received")" -ge "$2" ] || return; }
until_times() {
	for ((i = 0; i < 500; i++)); do
		times "$@" && return 0
		sleep 0.01
	done
	cat "$received"
	return 1
}
configure first
receive "$work/notify.again"
ok "a mount with a configuration starts" env NOTIFY_SOCKET="$work/notify.again" "$SEGFS" --name "$name" --config "$work/segfs.ini" "$mnt"
told '^READY=1$' >/dev/null
pid=$(sed -n 's/.*"supervisor_pid": \([0-9]*\).*/\1/p' "$mnt/.segfs/status")
for last in HUP USR2; do
	rm "$work/segfs.ini"
	mkfifo "$work/segfs.ini"
	: >"$received"
	kill -HUP "$pid"
	exec 6>"$work/segfs.ini" # returns when it is read
	configure "after-$last"
	kill -$last "$pid"
	ok "SIG$last during a slow reading: RELOADING=1 once more" until_times '^RELOADING=1$' 2
	# another version ends the worker that reads
	[ $last = USR2 ] || not_ok "... and no READY=1 yet" grep -q '^READY=1$' "$received"
	# after an upgrade nobody reads it any more
	(trap '' PIPE && printf '[directory slow-%s]\n' $last >&6) 2>/dev/null
	exec 6>&-
	ok "... READY=1 at the end" told '^READY=1$'
	ok "... when the last one is in force" grep -q "^.directory after-$last" "$mnt/.segfs/config"
	is "... once" "$(grep -c '^READY=1$' "$received")" 1
done
# a worker that dies over a reading leaves that to the next one
rm "$work/segfs.ini"
mkfifo "$work/segfs.ini"
: >"$received"
kill -HUP "$pid"
exec 6>"$work/segfs.ini"
configure "death"
kill -KILL "$(sed -n 's/.*"worker_pid": \([0-9]*\).*/\1/p' "$mnt/.segfs/status")"
exec 6>&-
ok "a worker's death: READY=1 at the end" told '^READY=1$'
ok "... when the last one is in force" grep -q "^.directory death" "$mnt/.segfs/config"
umount "$mnt"
kill "$listener"
wait "$listener" 2>/dev/null
listener=

exec 5>"$work/ready"
ok "a mount with --ready-fd starts" "$SEGFS" --name "$name" --ready-fd 5 "$mnt"
ok "the descriptor got the line" test "$(cat "$work/ready")" = READY
exec 5>&-
umount "$mnt"

refused=$("$SEGFS" --name "$name" --ready-fd 77 "$mnt" 2>&1)
is "a descriptor that is not open is refused" "$?: $refused" \
	"2: segfs: --ready-fd 77: not usable; write an open descriptor, 3 or higher"

# the system's log, in a mount namespace with a /dev/log of its own
kill_one() {
	mount --bind "$work/log-socket" /dev/log && "$SEGFS" --name "$name" "$mnt" || return
	kill -KILL "$(sed -n 's/.*"worker_pid": \([0-9]*\).*/\1/p' "$mnt/.segfs/status")"
	ls "$mnt" && umount "$mnt"
}
export -f kill_one
export work name mnt SEGFS
made=
[ -e /dev/log ] || { touch /dev/log 2>/dev/null && made=1; }
if [ -e /dev/log ]; then
	receive "$work/log-socket"
	ok "a worker is killed in the background" unshare -m bash -c kill_one
	ok "the system's log hears of it" told 'segfs\[[0-9]*\]: worker [0-9]* was ended by signal 9'
else
	tap_skip "the system's log" "a place for /dev/log"
fi
[ -z "$made" ] || rm -f /dev/log
tap_done
