#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Sources that the configuration shows somewhere: the System V segments of another IPC namespace, and another tmpfs.
# shellcheck disable=SC2317 # functions are called by ok
set -u
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=tests/lib/segfs.sh
. "$(dirname "$0")/../lib/segfs.sh"

other=$TMPDIR/tmpfs
cleanup() {
	segfs_clean_up
	umount "$other" 2>/dev/null
	[ -z "${holder:-}" ] || kill "$holder" 2>/dev/null
}
trap cleanup EXIT

unshare --ipc true 2>/dev/null || tap_skip_all "IPC namespaces"
unshare --ipc sleep 60 &
holder=$!
is_elsewhere() { [ "$(readlink "/proc/$holder/ns/ipc")" != "$(readlink /proc/self/ns/ipc)" ]; }
until_true is_elsewhere
inside() { nsenter --target "$holder" --ipc "$@"; }
mkdir "$other"
mount -t tmpfs none "$other"
echo bytes >"$other/object"
inside ipcmk -M 5000 >/dev/null

cat >"$TMPDIR/config" <<END
[mount]
sources = none
[directory web/shm]
source = sysv
ipc-namespace = $holder
[directory objects]
source = posix
path = $other
END
ok "it mounts" start --config "$TMPDIR/config"
# shellcheck disable=SC2012 # names of the test's own
is "no source in the root" "$(ls -A "$mnt" | tr '\n' ' ')" ".segfs objects web "
is "the segment of the namespace" "$(stat -c %s "$mnt"/web/shm/0x*)" 5000
ok "one is made" truncate -s 4K "$mnt/web/shm/0x77"
is "... there" "$(inside ipcs -m | grep -c 0x00000077)" 1
is "... and not here" "$(ipcs -m | grep -c 0x00000077)" 0
printf 'text' | dd of="$mnt/web/shm/0x77" conv=notrunc status=none
is "bytes" "$(head -c 4 "$mnt/web/shm/0x77")" text
ok "one is removed" rm "$mnt"/web/shm/0x77
is "... there" "$(inside ipcs -m | grep -c 0x00000077)" 0
is "an object of the other tmpfs" "$(cat "$mnt/objects/object")" bytes
echo more >"$mnt/objects/made"
is "... and one that is made" "$(cat "$other/made")" more
not_ok "the directory of a source stays" rmdir "$mnt/web/shm"
not_ok "... where it is" mv "$mnt/web/shm" "$mnt/elsewhere"

kill -9 "$(status worker_pid)"
is "after a worker's death" "$(stat -c %s "$mnt"/web/shm/0x*)" 5000
sed -i 's/none/posix/' "$TMPDIR/config"
kill -HUP "$(status supervisor_pid)"
ok "the configuration is read again" until_true test -d "$mnt/posix"
is "... and the same is there" "$(stat -c %s "$mnt"/web/shm/0x*)" 5000
kill "$holder"
wait "$holder" 2>/dev/null
is "the namespace outlives its processes" "$(stat -c %s "$mnt"/web/shm/0x*)" 5000
holder=
ok "it unmounts" stop

printf '[directory a]\nsource = sysv\nipc-namespace = %s\n' "$mnt" >"$TMPDIR/config"
not_ok "what is no namespace is refused" start --config "$TMPDIR/config"
is "... with the reason" "$(sed 's/.*: //' "$TMPDIR/start.err" | head -n 1)" \
	"$mnt is not an IPC namespace; write a pid, or a path such as /proc/PID/ns/ipc"
tap_done
