#!/bin/bash
# SPDX-License-Identifier: MIT
#
# An ordinary user mounts through fusermount3: relayed mode, a store of the user's own, and nothing for anybody else.
#
# In a mount namespace of its own, in which that user exists and /dev/fuse is open to all.
set -u
# shellcheck source=tests/lib/tap.sh
. "$SEGFS_TOP/tests/lib/tap.sh"
user=12345
other=12346

if [ "${1-}" != inside ]; then
	[ "$(id -u)" -eq 0 ] || tap_skip_all "root, to become an ordinary user"
	command -v fusermount3 setpriv unshare >/dev/null || tap_skip_all "fusermount3, setpriv and unshare"
	[ -u "$(command -v fusermount3)" ] || tap_skip_all "a fusermount3 with set-user-id"
	unshare --mount --propagation private true 2>/dev/null || tap_skip_all "a mount namespace"
	exec unshare --mount --propagation private bash "$0" inside
fi

mkdir "$TMPDIR/dev" "$TMPDIR/runtime" "$TMPDIR/mnt"
mount -t tmpfs -o mode=755 private "$TMPDIR/dev"
mknod -m 666 "$TMPDIR/dev/fuse" c 10 229 && mount --bind "$TMPDIR/dev/fuse" /dev/fuse || tap_skip_all "mknod"
mount -t tmpfs -o mode=1777 private /dev/shm
{
	cat /etc/passwd
	echo "segfs-test:x:$user:$user::/nonexistent:/bin/false"
	echo "segfs-other:x:$other:$other::/nonexistent:/bin/false"
} >"$TMPDIR/passwd"
mount --bind "$TMPDIR/passwd" /etc/passwd
chown $user:$user "$TMPDIR/mnt" "$TMPDIR/runtime"
chmod 700 "$TMPDIR/runtime"
# the checkout may be where only root gets in
mkdir "$TMPDIR/bin"
cp "$SEGFS" "$SEGFS_OUT/tests/clients/demo-map" "$TMPDIR/bin"
SEGFS=$TMPDIR/bin/segfs
mnt=$TMPDIR/mnt
name=$(sed 's|^/||; s|/|-|g' <<<"$mnt")

as() { # UID COMMAND...
	local uid=$1
	shift
	setpriv --reuid "$uid" --regid "$uid" --clear-groups env -u XDG_RUNTIME_DIR ${runtime:+XDG_RUNTIME_DIR="$runtime"} "$@"
}
gone() { [ ! -e "/proc/$1" ] || grep -q '^State:[[:space:]]*Z' "/proc/$1/status"; }
status() { as $user sed -n "s/^.*\"$1\": \"\{0,1\}\([^,\"]*\).*$/\1/p" "$mnt/.segfs/status" | head -n 1; }
is_mounted() { findmnt --noheadings --types fuse.segfs --mountpoint "$mnt" >/dev/null 2>&1; }
stop() {
	local pid
	pid=$(status supervisor_pid)
	as $user fusermount3 -u "$mnt" && until_true gone "$pid"
}
clean_up() { ! is_mounted || fusermount3 -u "$mnt" || umount -l "$mnt"; }
trap clean_up EXIT

# --- a store in XDG_RUNTIME_DIR ------------------------------------------------------------------------------------

runtime=$TMPDIR/runtime
store=$runtime/segfs/$name/store
ok "an ordinary user mounts" as $user "$SEGFS" "$mnt"
ok "... and has a mount" is_mounted
is "the store is in XDG_RUNTIME_DIR" "$(stat -c '%U %A' "$store")" "segfs-test drwx------"
is "the daemon is the user's" "$(stat -c %u "/proc/$(status supervisor_pid)")" $user
is "... and not privileged" "$(status privileged)" false

ok "a segment" as $user truncate -s 1M "$mnt/segment"
is "relayed mode" "$(as $user getfattr --only-values -n user.segfs.io-mode "$mnt/segment" 2>/dev/null)" relayed
is "its owner" "$(as $user stat -c '%u:%g %s' "$mnt/segment")" "$user:$user 1048576"
map=$TMPDIR/bin/demo-map
as $user "$map" wait "$mnt/segment" >"$TMPDIR/heard" &
listener=$!
ok "a view writes" as $user "$map" write "$mnt/segment" "through the page cache"
wait $listener
is "... and another process sees it" "$(cat "$TMPDIR/heard")" "through the page cache"
ok "bytes" as $user dd if=/dev/zero bs=64k count=4 of="$mnt/segment" oflag=append conv=notrunc status=none
is "a file is written and read" "$(as $user sh -c "echo text >'$mnt/text' && cat '$mnt/text'")" text
ok "mkdir" as $user mkdir "$mnt/dir"
ok "link" as $user ln "$mnt/text" "$mnt/dir/second"
ok "symlink" as $user ln -s text "$mnt/link"
ok "rename" as $user mv "$mnt/text" "$mnt/renamed"
ok "fifo" as $user mkfifo "$mnt/fifo"
is "what is listed" "$(as $user ls -A "$mnt" | LC_ALL=C sort | tr '\n' ' ')" ".segfs dir fifo link posix process renamed segment "
ok "chmod" as $user chmod 0640 "$mnt/renamed"
needs tmpfs-user-xattr ok "an attribute" as $user setfattr -n user.note -v mine "$mnt/renamed"
not_ok "chown is not for ordinary users" as $user chown 0:0 "$mnt/renamed"
not_ok "nor mknod of a device" as $user mknod "$mnt/device" c 1 3
is "an open file without a name goes on" "$(as $user sh -c "exec 5<'$mnt/dir/second'; rm '$mnt/dir/second'; cat <&5")" text
is "umask" "$(as $user sh -c "umask 027; >'$mnt/masked'; stat -c %a '$mnt/masked'; rm '$mnt/masked'")" 640
ok "ACLs" as $user setfacl -m "u:$other:r" "$mnt/renamed"
is "... are kept" "$(as $user getfacl -cpn "$mnt/renamed" 2>/dev/null | grep -c "user:$other:r--")" 1

segctl() { as "$1" env SEGFS_MOUNT="$mnt" "$SEGFS_OUT/segctl" "${@:2}"; }
ok "segctl creates a segment" segctl $user new --size 8K --policy commit=yes by-segctl
is "... lists it" "$(segctl $user ls -n -o NAME,SIZE,POLICY by-segctl | sed 's/  */ /g')" "by-segctl 8K commit=yes"
ok "... which is the caller's" grep -q "^by-segctl " <<<"$(segctl $user ls -n --mine -o NAME,SIZE --source store)"
ok "... says how the mount is" grep -q "mounted by *an ordinary user" <<<"$(segctl $user status)"
ok "... has the configuration read, of which there is none" grep -q "no configuration" <<<"$(segctl $user reload 2>&1)"
ok "... removes what nobody uses" segctl $user gc --yes by-segctl
segctl $other ls >/dev/null 2>&1
is "... and says that others may not" $? 4
not_ok "another user sees nothing of it" as $other ls "$mnt"
not_ok "... nor a file" as $other cat "$mnt/renamed"
not_ok "... nor of the store" as $other ls "$store"
not_ok "even root does not look into the mount" ls "$mnt"
ok "... and the error is that of permissions" grep -q "Permission denied" <<<"$(LC_ALL=C as $other ls "$mnt" 2>&1)"
not_ok "another user does not mount there" as $other "$SEGFS" "$mnt"
not_ok "... nor ends it" as $other fusermount3 -u "$mnt"

worker=$(status worker_pid)
supervisor=$(status supervisor_pid)
privileges() { # PID KEY...: values of /proc/PID/status, of all its threads, without what is said twice
	local pid=$1 key
	shift
	for key; do
		sed -n "s/^$key:[[:space:]]*//p" /proc/"$pid"/task/*/status | sort -u
	done | tr '\n' ' '
}
none=0000000000000000
is "the worker has no capabilities" "$(privileges "$worker" CapInh CapPrm CapEff CapAmb)" "$none $none $none $none "
is "... can't get any, and has a filter of system calls" "$(privileges "$worker" NoNewPrivs Seccomp)" "1 2 "
is "nor has the supervisor any" "$(privileges "$supervisor" CapInh CapPrm CapEff CapAmb)" "$none $none $none $none "
if [ "$(awk '/^PPid:/ {print $2}' "/proc/$worker/status")" = "$supervisor" ]; then
	as $user sh -c "exec 5<'$mnt/renamed'; kill -KILL $worker; cat <&5" >"$TMPDIR/heard"
	is "an open file outlives the worker" "$(cat "$TMPDIR/heard")" text
	is "... there is a second one" "$(status workers_started)" 2
	is "... and nothing is lost" "$(as $user stat -c '%s %h' "$mnt/renamed")" "5 1"
fi

worker=$(status worker_pid)
upgraded() { [ "$(status upgrades)" = 1 ] && [ "$(status worker_pid)" != "$worker" ]; }
cp "$SEGFS" "$SEGFS.next" && mv "$SEGFS.next" "$SEGFS"
as $user sh -c "exec 5<'$mnt/renamed'; kill -USR2 $supervisor; sleep 0.2; cat <&5" >"$TMPDIR/heard"
ok "another version takes over" until_true upgraded
is "... under an open file" "$(cat "$TMPDIR/heard")" text
is "... with the same pid" "$(status supervisor_pid)" "$supervisor"
is "... and no more capabilities" "$(privileges "$(status worker_pid)" CapInh CapPrm CapEff CapAmb)" "$none $none $none $none "

ok "stop" stop
ok "start again" as $user "$SEGFS" "$mnt"
is "segments survive" "$(as $user cat "$mnt/renamed")" text
is "... with modes" "$(as $user stat -c %a "$mnt/renamed")" 640
needs tmpfs-user-xattr is "... and attributes" "$(as $user getfattr --only-values -n user.note "$mnt/renamed" 2>/dev/null)" mine
not_ok "--purge while it runs" as $user "$SEGFS" --purge "$name"
ok "SIGTERM" as $user bash -c 'kill -TERM "$1"' kill "$(status supervisor_pid)"
not_mounted() { ! is_mounted; }
ok "... unmounts" until_true not_mounted
ok "--purge" until_true as $user "$SEGFS" --purge "$name"
not_ok "... leaves nothing" test -e "$runtime/segfs/$name"

# --- a store in /dev/shm -------------------------------------------------------------------------------------------

runtime=
ok "without XDG_RUNTIME_DIR" as $user "$SEGFS" "$mnt"
is "the store is in /dev/shm" "$(stat -c '%U %a' "/dev/shm/segfs-$user/$name")" "segfs-test 700"
ok "... and is used" as $user touch "$mnt/file"
ok "... for the file" test -e "/dev/shm/segfs-$user/$name/store/file"
ok "stop" stop
ok "--purge" as $user "$SEGFS" --purge "$name"
rm -rf "/dev/shm/segfs-$user"
mkdir -m 777 "/dev/shm/segfs-$user"
as $user "$SEGFS" "$mnt" 2>"$TMPDIR/start.err"
is "a store that somebody else has put there is refused" "$? $(grep -c '' "$TMPDIR/start.err")" "1 1"
not_ok "... and nothing is mounted" is_mounted
rm -rf "/dev/shm/segfs-$user"

# what somebody else made in a shared place leads nowhere
elsewhere=$TMPDIR/elsewhere
mkdir "$elsewhere" "$elsewhere/$name"
chown -R $user:$user "$elsewhere"
contents() { find "$elsewhere" -mindepth 1 -printf '%P '; }
refuses() { # NAME: neither --purge nor a start goes there
	as $user "$SEGFS" --purge "$name" 2>"$TMPDIR/start.err"
	is "$1: --purge is refused" "$? $(grep -c 'that only user 12345 owns and can write to; remove it' "$TMPDIR/start.err")" "1 1"
	as $user "$SEGFS" "$mnt" 2>"$TMPDIR/start.err"
	is "... and so is a start" "$? $(grep -c 'that only user 12345 owns and can write to; remove it' "$TMPDIR/start.err")" "1 1"
	is "... nothing is made behind it" "$(contents)" "$name "
}
runtime=
ln -s "$elsewhere" "/dev/shm/segfs-$user" && chown -h $other:$other "/dev/shm/segfs-$user"
refuses "a link that somebody else made"
rm "/dev/shm/segfs-$user"
mkdir "/dev/shm/segfs-$user" && ln -s "$elsewhere/$name" "/dev/shm/segfs-$user/$name"
chown -h $other:$other "/dev/shm/segfs-$user" "/dev/shm/segfs-$user/$name"
refuses "a link in somebody else's directory"
chown $user:$user "/dev/shm/segfs-$user"
refuses "a link in one of the user's own"
rm -r "/dev/shm/segfs-$user"
runtime=$TMPDIR/shared
mkdir -m 1777 "$runtime" && as $other ln -s "$elsewhere" "$runtime/segfs"
refuses "a link in a shared XDG_RUNTIME_DIR"
rm "$runtime/segfs"
as $user mkdir -m 700 "$runtime/segfs" "$runtime/segfs/$name" "$runtime/segfs/$name/keep" && as $user ln -s "$elsewhere/$name" "$runtime/segfs/$name/store"
as $user "$SEGFS" "$mnt" 2>"$TMPDIR/start.err"
is "a link for the store" "$? $(contents)" "1 $name "
rm "$runtime/segfs/$name/store"
as $user ln -s "$elsewhere/made" "$runtime/segfs/$name/lock.link" && as $user mv "$runtime/segfs/$name/lock.link" "$runtime/segfs/$name/lock"
as $user "$SEGFS" "$mnt" 2>"$TMPDIR/start.err"
is "a link for the lock" "$? $(contents)" "1 $name "
rm -r "$runtime"

runtime=$TMPDIR/runtime
ok "it mounts" as $user "$SEGFS" "$mnt"
as $user sh -c "mkdir -p '$mnt/a/b/c/d' && touch '$mnt/a/b/c/d/file' && chmod 555 '$mnt/a/b/c/d' '$mnt/a/b/c' && chmod 0 '$mnt/a/b'"
ok "stop" stop
ok "--purge of directories that can't be written to" as $user "$SEGFS" --purge "$name"
not_ok "... leaves nothing" test -e "$runtime/segfs"

# --- the configuration ---------------------------------------------------------------------------------------------

runtime=$TMPDIR/runtime
printf '[directory here]\nmode = 0750\n[segment here/segment]\nsize = 64K\nmode = 0600\n' >"$TMPDIR/good.ini"
ok "a configuration without media" as $user "$SEGFS" --config "$TMPDIR/good.ini" "$mnt"
is "... is applied" "$(as $user stat -c '%s %a' "$mnt/here/segment")" "65536 600"
ok "stop" stop
ok "--purge" as $user "$SEGFS" --purge "$name"
printf '[directory here]\nmedium = memory\n' >"$TMPDIR/bad.ini"
as $user "$SEGFS" --config "$TMPDIR/bad.ini" "$mnt" 2>"$TMPDIR/start.err"
is "a medium is refused: status 2, one line" "$? $(grep -c "$TMPDIR/bad.ini:1: " "$TMPDIR/start.err")" "2 1"
not_ok "... and nothing is mounted" is_mounted
not_ok "... nor left" test -e "$runtime/segfs/$name"

tap_done
