#!/bin/bash
# SPDX-License-Identifier: MIT
#
# mount(8) hands its options on: who mounts with suid and dev has set-id programs and devices, also after an upgrade.
set -u
# shellcheck source=tests/lib/tap.sh
. "$SEGFS_TOP/tests/lib/tap.sh"
# shellcheck source=tests/lib/segfs.sh
. "$SEGFS_TOP/tests/lib/segfs.sh"

has_option() { grep -q "[ ,]$1[ ,]" <<<" $(findmnt --noheadings --output OPTIONS --mountpoint "$mnt") "; }
other_worker() { local now; now=$(status worker_pid) && [ -n "$now" ] && [ "$now" != "$worker" ]; }

[ "$(id -u)" -eq 0 ] || tap_skip_all root
command -v mount.fuse3 >/dev/null || tap_skip_all mount.fuse3
mknod "$TMPDIR/may" c 1 3 2>/dev/null || tap_skip_all "mknod of devices"
# mount.fuse3 looks for the program by the type's name, in the folders of the system
mkdir "$TMPDIR/bin"
ln -s "$SEGFS" "$TMPDIR/bin/segfs"
mount_it() { mount.fuse3 "$TMPDIR/bin/segfs#$1" "$mnt" -o "$2"; }

ok "mount with suid and dev" mount_it none rw,suid,dev
not_ok "not nodev" has_option nodev
not_ok "not nosuid" has_option nosuid
ok "mknod" mknod -m 666 "$mnt/null" c 1 3
is "its number" "$(stat -c '%F %t:%T' "$mnt/null")" "character special file 1:3"
ok "it is written to" sh -c "echo text >'$mnt/null'"
worker=$(status worker_pid)
kill -USR2 "$(status supervisor_pid)"
ok "an upgrade" until_true other_worker
ok "... keeps the option" mknod "$mnt/zero" c 1 5
is "... and what was made" "$(head -c 3 "$mnt/zero" | od -An -tx1)" " 00 00 00"
ok "tar restores devices" sh -c "tar -cf '$TMPDIR/tar' -C '$mnt' zero && rm '$mnt/zero' && tar -xf '$TMPDIR/tar' -C '$mnt' && [ -c '$mnt/zero' ]"
rm "$mnt/zero" "$mnt/null"
ok "stop" stop
ok "mount without" mount_it segfs nosuid,nodev
ok "nodev" has_option nodev
not_ok "no mknod" mknod "$mnt/null" c 1 3
ok "stop" stop
tap_done
