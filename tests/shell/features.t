#!/bin/bash
# SPDX-License-Identifier: MIT
#
# What the kernel can do: found out by trying, told by --features and .segfs/status.
set -u
# shellcheck source=tests/lib/tap.sh
. "$SEGFS_TOP/tests/lib/tap.sh"
# shellcheck source=tests/lib/segfs.sh
. "$SEGFS_TOP/tests/lib/segfs.sh"

names="passthrough close-unlocked mmap-direct-io expire-only idmapped prune pidfs pidfd-info tmpfs-user-xattr"

# columns of --features: name, yes or no
answers() { awk '{print $1, $2}' "$1"; }
# features of .segfs/status, in the same form
told() {
	python3 -c "
import json
for name, has in json.load(open('$mnt/.segfs/status'))['features'].items():
    print(name, 'yes' if has else 'no')"
}

mounts=$(cat /proc/self/mountinfo)
ok "segfs --features" eval '"$SEGFS" --features >"$TMPDIR/features"'
is "... names all of them" "$(answers "$TMPDIR/features" | cut -d' ' -f1 | xargs)" "$names"
is "... each is there or not" "$(answers "$TMPDIR/features" | cut -d' ' -f2 | grep -cvE '^(yes|no)$')" 0
is "... what a missing one is done without" \
	"$(grep -c 'without it: ' "$TMPDIR/features")" "$(answers "$TMPDIR/features" | grep -c ' no$')"
is "... the same each time" "$("$SEGFS" --features)" "$(cat "$TMPDIR/features")"
is "... and no mount is left" "$(cat /proc/self/mountinfo)" "$mounts"
not_ok "... it takes no mount point" "$SEGFS" --features "$TMPDIR"
ok "start" start
is "... .segfs/status says the same" "$(told)" "$(answers "$TMPDIR/features")"
is "... as what segfs goes by" "$(status passthrough)" "$(told | sed -n 's/^passthrough yes$/true/p;s/^passthrough no$/false/p')"
kill -KILL "$(status worker_pid)"
is "... also after a worker's death" "$(told)" "$(answers "$TMPDIR/features")"
ok "stop" stop

# an ordinary user needs a user namespace to try, and a device that is open to all
as_user="setpriv --reuid=65534 --regid=65534 --clear-groups"
cp "$SEGFS" "$TMPDIR/segfs"
chmod 755 "$TMPDIR" "$TMPDIR/segfs"
if $as_user unshare -Ur true 2>/dev/null && mknod -m 666 "$TMPDIR/fuse" c 10 229 2>/dev/null; then
	unshare -m sh -c "mount --bind '$TMPDIR/fuse' /dev/fuse && exec $as_user '$TMPDIR/segfs' --features" >"$TMPDIR/of-user" 2>"$TMPDIR/error"
	# a user namespace is for processes of one thread, which those of a sanitizer are not
	if grep -q "(Invalid argument)" "$TMPDIR/error"; then
		tap_skip "an ordinary user is told the same" "a build without thread sanitizer"
	else
		is "an ordinary user is told the same" "$(answers "$TMPDIR/of-user")" "$(answers "$TMPDIR/features")"
	fi
else
	tap_skip "an ordinary user is told the same" "user namespaces of ordinary users, mknod"
fi
# without the device nothing can be tried
ok "without /dev/fuse" eval '! unshare -m sh -c "mount -t tmpfs none /dev && exec \"\$SEGFS\" --features" >"$TMPDIR/none" 2>"$TMPDIR/error"'
is "... what needs a mount is not there" "$(answers "$TMPDIR/none" | grep -E '^(passthrough|close-unlocked|prune) ' | grep -c ' no$')" 3
ok "... and it says why" grep -q "cannot be mounted to try it out (No such file or directory)" "$TMPDIR/error"
tap_done
