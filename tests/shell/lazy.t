#!/bin/bash
# SPDX-License-Identifier: MIT
#
# tests/run: waits: for programs that are to end
#
# umount -l while something of the mount is in use: a new start names who keeps it, and works once they have ended.
set -u
# shellcheck source=tests/lib/tap.sh
. "$SEGFS_TOP/tests/lib/tap.sh"
# shellcheck source=tests/lib/segfs.sh
. "$SEGFS_TOP/tests/lib/segfs.sh"

[ "$(id -u)" -eq 0 ] || tap_skip_all root
holder=
end_holder() {
	[ -z "$holder" ] || kill "$holder" 2>/dev/null
	wait "$holder" 2>/dev/null
	holder=
}
trap 'end_holder; segfs_clean_up' EXIT

refused() { # NAME: a start fails, and says who keeps it
	start
	is "$1: a start fails" $? 1
	ok "$1: ... and names the process" grep -q "still in use by $holder (sleep);" "$TMPDIR/start.err"
	not_ok "$1: ... and nothing is mounted" is_mounted
}
again() { # NAME: a start works now
	ok "$1: a start works" start
	is "$1: ... and finds what was there" "$(cat "$mnt/file" 2>/dev/null)" kept
}

ok "start" start
echo kept >"$mnt/file"

sleep 1000 9<"$mnt/file" &
holder=$!
supervisor=$(status supervisor_pid)
umount -l "$mnt"
refused "a descriptor"
end_holder
again "a descriptor"

supervisor=$(status supervisor_pid)
(cd "$mnt" && exec sleep 1000) &
holder=$!
until_true grep -q sleep "/proc/$holder/comm"
umount -l "$mnt"
refused "a working directory"
ok "the message says how to end the daemon" grep -q "'kill $supervisor'" "$TMPDIR/start.err"
kill "$supervisor"
ok "... which ends" until_true gone "$supervisor"
again "without the daemon"
end_holder

if unshare --mount --propagation private true 2>/dev/null; then
	unshare --mount --propagation private sleep 1000 &
	holder=$!
	until_true grep -q sleep "/proc/$holder/comm"
	umount "$mnt"
	refused "a mount namespace"
	end_holder
	again "a mount namespace"
else
	tap_skip "a mount namespace" "mount namespaces"
fi
start
ok "what is mounted is said to be" grep -q "unmount it first" "$TMPDIR/start.err"
ok "stop" stop
tap_done
