#!/bin/bash
# SPDX-License-Identifier: MIT
#
# fsync(2) and fdatasync(2): on memory they cost no request, on a disk they reach it.
# shellcheck disable=SC2317 # functions are called by until_true
set -u
# shellcheck source=tests/lib/tap.sh
. "$SEGFS_TOP/tests/lib/tap.sh"
# shellcheck source=tests/lib/segfs.sh
. "$SEGFS_TOP/tests/lib/segfs.sh"

ini=$TMPDIR/segfs.ini
log=$TMPDIR/daemon.log
disk=$TMPDIR/disk
device=
mkdir "$disk"

clean_up() {
	segfs_clean_up
	! mountpoint -q "$disk" || umount "$disk"
	[ -z "$device" ] || losetup --detach "$device"
}
trap clean_up EXIT

# start_logged OPTION...: keeps the log in $log
start_logged() {
	"$SEGFS" -f --config "$ini" "$@" "$mnt" >"$log" 2>&1 &
	until_true is_mounted && until_true test -e "$mnt/.segfs/status"
}

# sync_all PATH: ten times each, the file and its directory
sync_all() {
	python3 -c '
import os, sys
path = sys.argv[1]
file, directory = os.open(path, os.O_RDWR | os.O_CREAT), os.open(os.path.dirname(path), os.O_RDONLY)
for i in range(10):
    os.pwrite(file, b"%d" % i, i * 4096)
    os.fdatasync(file)
    os.fsync(file)
    os.fsync(directory)' "$1"
}

requests() { echo "$(status fsync) $(status fsyncdir)"; }
said() { [ "$(grep -c "$1" "$log")" -eq "${2-1}" ]; }

printf '[mount]\n' >"$ini"
ok "start, in memory" start_logged
is "... .segfs/status" "$(status syncs)" false
ok "... fsync and fdatasync succeed" sync_all "$mnt/file"
is "... as one request of each kind" "$(requests)" "1 1"
kill -KILL "$(status worker_pid)"
ok "... also in the next worker" sync_all "$mnt/file"
is "... for good" "$(requests)" "1 1"
printf '[mount]\n[directory disk]\nmedium = %s\n[directory early]\n' "$disk" >"$ini"
supervisor=$(status supervisor_pid)
kill -HUP "$supervisor"
if [ "$(stat -f -c %T "$disk")" = tmpfs ]; then
	tap_skip "SIGHUP: no medium on disk is added" "a temporary directory on disk"
else
	ok "SIGHUP: no medium on disk is added" until_true said 'segfs.ini:2: \[directory disk\] is on disk.*fsync = always.*nothing was changed$'
	not_ok "... and nothing has changed" test -e "$mnt/early"
	kill -USR2 "$supervisor"
	ok "... nor by an upgrade" until_true said 'segfs.ini:2: \[directory disk\] is on disk.*fsync = always' 2
	is "... which does not happen" "$(status upgrades)" 0
fi
mkdir "$TMPDIR/memory"
ok "(a tmpfs)" mount -t tmpfs -o size=1M segfs-test "$TMPDIR/memory"
printf '[mount]\n[directory memory]\nmedium = %s\n' "$TMPDIR/memory" >"$ini"
kill -HUP "$supervisor"
ok "... but one that is a tmpfs is" until_true test -d "$mnt/memory"
printf '[mount]\nfsync = always\n' >"$ini"
kill -HUP "$supervisor"
ok "SIGHUP: fsync = always comes too late, and says so" until_true said 'segfs.ini: fsync = always: .*until it is started again$'
is "... .segfs/status" "$(status syncs)" false
ok "stop" stop
umount "$TMPDIR/memory"

printf '[mount]\nfsync = always\n' >"$ini"
ok "start with fsync = always" start_logged
is "... .segfs/status" "$(status syncs)" true
ok "... fsync and fdatasync succeed" sync_all "$mnt/file"
is "... as requests" "$(requests)" "20 10"
printf '[mount]\n[directory disk]\nmedium = %s\n' "$disk" >"$ini"
kill -HUP "$(status supervisor_pid)"
ok "... a medium on disk can be added" until_true test -d "$mnt/disk"
ok "stop" stop

# a device that counts its flushes
truncate -s 64M "$TMPDIR/image"
if mkfs.ext4 -q "$TMPDIR/image" 2>/dev/null && device=$(losetup --find --show "$TMPDIR/image" 2>/dev/null) &&
	mount "$device" "$disk" 2>/dev/null; then
	"$SEGFS" --purge "$name" # it has another medium from before
	flushes() { sync -f "$disk" && awk '{print $16}' "/sys/block/${device##*/}/stat"; }
	ok "start, with a disk" start_logged
	for call in fdatasync fsync; do
		before=$(flushes)
		ok "... $call" python3 -c "
import os
file = os.open('$mnt/disk/file', os.O_RDWR | os.O_CREAT)
for i in range(10):
    os.pwrite(file, b'%d' % i, 0)
    os.$call(file)"
		after=$(awk '{print $16}' "/sys/block/${device##*/}/stat")
		ok "... reaches the device each time: $((after - before)) flushes" test $((after - before)) -ge 10
	done
	ok "stop" stop
	"$SEGFS" --purge "$name"
else
	tap_skip "a disk" "loop devices"
fi
tap_done
