#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The command line, and the life of a mount: start, stop, signals, what survives, what is told below .segfs.
set -u
# shellcheck source=tests/lib/tap.sh
. "$SEGFS_TOP/tests/lib/tap.sh"
# shellcheck source=tests/lib/segfs.sh
. "$SEGFS_TOP/tests/lib/segfs.sh"

# run ARGUMENT...: exit status and lines of standard output and error in $result, texts in $out and $err.
run() {
	"$SEGFS" "$@" >"$TMPDIR/out" 2>"$TMPDIR/err" </dev/null
	result="$? $(grep -c '' "$TMPDIR/out") $(grep -c '' "$TMPDIR/err")"
	out=$(cat "$TMPDIR/out")
	err=$(cat "$TMPDIR/err")
}

says() { grep -qE -- "$1" <<<"$out$err"; }
nothing_left() { ! is_mounted && [ ! -e "/run/segfs/$name" ] && ! grep -q "$name" /proc/self/mountinfo; }

# --- what is told and refused --------------------------------------------------------------------------------------

run --help
is "--help: status 0, nothing on standard error" "${result%% *} ${result##* }" "0 0"
for word in MOUNTPOINT --config --check --name --purge --ready-fd --version io_mode mand; do
	ok "--help tells of $word" says "$word"
done
run --version
is "--version: one line" "$result" "0 1 0"
ok "... with the name and a number" says '^segfs [0-9]+\.[0-9]+\.[0-9]+$'

refused() { # NAME STATUS PATTERN ARGUMENT...
	local what=$1 status=$2 pattern=$3
	shift 3
	run "$@"
	is "$what: status $status, one line" "$result" "$status 0 1"
	ok "... that says what is wrong" says "$pattern"
	ok "... and nothing is left" nothing_left
}

touch "$TMPDIR/file"
refused "no mount point" 2 "mount point"
refused "unknown option" 2 "--nonsense" --nonsense "$mnt"
refused "unknown short option" 2 "-z" -z "$mnt"
refused "an option without its value" 2 "--config" "$mnt" --config
refused "two mount points" 2 "$TMPDIR/file" "$mnt" "$TMPDIR/file"
refused "io_mode" 2 "direct, mediated or relayed" -o io_mode=fast "$mnt"
refused "a time that is none" 2 "seconds" -o attr_timeout=soon "$mnt"
refused "a mount option that nobody knows" 1 "colour" -o colour=red "$mnt"
refused "a name that can't be one" 2 "instance" --name a/b "$mnt"
refused "a name that begins with -" 2 "instance" --name=-a "$mnt"
refused "a descriptor that is not open" 2 "descriptor" --ready-fd 77 "$mnt"
refused "a descriptor that is no number" 2 "ready-fd" --ready-fd x "$mnt"
refused "a log level" 2 "warning" --log-level loud "$mnt"
refused "a mount point that does not exist" 1 "No such file" "$TMPDIR/missing"
refused "a mount point that is a file" 1 "not a directory" "$TMPDIR/file"
refused "--purge of what is not there" 1 "no instance" --purge "$name"
refused "--purge with a mount point" 2 "mount point" --purge "$name" "$mnt"

# --- in the background ---------------------------------------------------------------------------------------------

ok "start" start
# usable from the moment on at which the command returns
ok "the mount is there when it returns" is_mounted
ok "... and can be written to" truncate -s 64K "$mnt/segment"
needs passthrough is "what it says at a good start: nothing" "$(cat "$TMPDIR/start.err")" ""
ok "... with the instance's name from the mount point" test -e "$store/segment"
is "the mount's type" "$(findmnt --noheadings --output FSTYPE --mountpoint "$mnt")" fuse.segfs
for option in nosuid nodev default_permissions allow_other; do
	ok "... and option $option" grep -q "[ ,]${option}[ ,]" <<<" $(findmnt --noheadings --output OPTIONS,FS-OPTIONS --mountpoint "$mnt" | tr -s ' ' ,) "
done
supervisor=$(status supervisor_pid)
worker=$(status worker_pid)
is "the worker is the supervisor's child" "$(awk '/^PPid:/ {print $2}' "/proc/$worker/status")" "$supervisor"
not_ok "the supervisor does not keep the directory of the caller" test "$(readlink "/proc/$supervisor/cwd")" = "$PWD"
is "nor its terminal's session" "$(awk '{print $6}' "/proc/$supervisor/stat")" "$supervisor"
is "the store is for root only" "$(stat -c %a:%u "/run/segfs/$name")" 700:0

is ".segfs/version" "$(cat "$mnt/.segfs/version")" "$("$SEGFS" --version)"
ok ".segfs/status is JSON" python3 -m json.tool "$mnt/.segfs/status"
json() { python3 -c "import json, sys; d = json.load(open('$mnt/.segfs/status')); print($1)"; }
is "... with the instance" "$(json 'd["instance"]')" "$name"
is "... the mount point" "$(json 'd["mount_point"]')" "$mnt"
is "... the first worker" "$(json 'd["workers_started"]')" 1
is "... a time" "$(json '0 <= d["uptime"] < 1000')" True
is "... operations by kind" "$(json 'd["operations"]["open"] > 0 and d["operations"]["rename"] == 0')" True
is "... handles by mode" "$(json 'sorted(d["handles"])')" "['direct', 'directories', 'mediated', 'relayed']"
is "... the store" "$(json '[(s["path"], s["bytes_used"] <= s["bytes_limit"]) for s in d["stores"]]')" "[('.', True)]"
exec 9<"$mnt/segment"
is "... an open file" "$(json "d['handles']['$usual_mode']")" 1
exec 9<&-
no_handle() { [ "$(json 'd["handles"]["direct"]')" = 0 ]; }
ok "... and none" until_true no_handle
is ".segfs is a read-only directory" "$(stat -c '%A %U' "$mnt/.segfs")" "dr-xr-xr-x root"
is "... of read-only files" "$(stat -c '%A' "$mnt"/.segfs/* | sort -u)" "-r--r--r--"
is "... which are listed" "$(cd "$mnt/.segfs" && ls -A | tr '\n' ' ')" "attached config locks policies status version "
is "... beside the segments" "$(cd "$mnt" && ls -A | tr '\n' ' ')" ".segfs posix process segment sysv "
not_ok "nothing is made in it" touch "$mnt/.segfs/file"
not_ok "nothing is removed from it" rm -f "$mnt/.segfs/status"
not_ok "nothing is written to it" dd if=/dev/null of="$mnt/.segfs/status" conv=notrunc
not_ok "it is not moved" mv "$mnt/.segfs" "$mnt/moved"
not_ok "nothing is moved over it" mv -T "$mnt/segment" "$mnt/.segfs"
not_ok "it is not removed" rmdir "$mnt/.segfs"
not_ok "its mode is not changed" chmod 700 "$mnt/.segfs/status"
is "a file of it says at a second read from its start what it said" "$(python3 -c "
f = open('$mnt/.segfs/status'); a = f.read(); f.seek(0); print(a == f.read() and len(a) > 100)")" True

run "$mnt"
is "a second segfs there: status 1, one line" "$result" "1 0 1"
ok "... that names the instance" says "$name"
mkdir "$TMPDIR/other"
run --name "$name" "$TMPDIR/other"
is "the instance's name a second time: status 1, one line" "$result" "1 0 1"
ok "... that names who has it" says "$mnt"
ok "... the first one goes on" truncate -s 65K "$mnt/segment"
not_ok "... and nothing is mounted there" is_mounted "$TMPDIR/other"
run --purge "$name"
is "--purge while it runs: status 1, one line" "$result" "1 0 1"
ok "... and nothing is gone" test -e "$mnt/segment"

# --- the end, and the next start -----------------------------------------------------------------------------------

echo "some bytes" >"$mnt/text"
chmod 640 "$mnt/text"
chown 7:8 "$mnt/text"
setfattr -n user.note -v kept "$mnt/text" 2>/dev/null
mkdir "$mnt/dir"
ln "$mnt/text" "$mnt/dir/second"
ok "umount" umount "$mnt"
ok "... ends the supervisor" until_true gone "$supervisor"
ok "... and the worker" until_true gone "$worker"
ok "... and leaves the store" test -e "$store/text"
ok "start again" start
is "bytes survive" "$(cat "$mnt/text")" "some bytes"
is "... owners, modes and links" "$(stat -c '%u:%g %a %h' "$mnt/dir/second")" "7:8 640 2"
needs tmpfs-user-xattr is "... attributes" "$(getfattr --only-values -n user.note "$mnt/text" 2>/dev/null)" kept

supervisor=$(status supervisor_pid)
worker=$(status worker_pid)
kill -TERM "$supervisor"
ok "SIGTERM ends the supervisor" until_true gone "$supervisor"
not_ok "... and the mount" is_mounted
ok "... and the worker" until_true gone "$worker"
is "... and leaves the store" "$(cat "$store/text")" "some bytes"

ok "start with names of its own" start --name "$name.own"
ok "... in a store of its own" test ! -e "$mnt/text"
ok "stop" stop
ok "--purge of that" "$SEGFS" --purge "$name.own"
not_ok "... leaves nothing" test -e "/run/segfs/$name.own"
ok "... and the other store alone" test -e "$store/text"

# --- in the foreground ---------------------------------------------------------------------------------------------

mkfifo "$TMPDIR/ready"
"$SEGFS" -f --ready-fd 9 "$mnt" 9>"$TMPDIR/ready" 2>"$TMPDIR/foreground.err" &
foreground=$!
is "--ready-fd says READY, and no more" "$(cat "$TMPDIR/ready")" READY
ok "... when the mount is usable" is_mounted
is "-f stays the process that was started" "$(status supervisor_pid)" "$foreground"
kill -INT "$foreground"
wait "$foreground"
is "SIGINT: ended with status 0" $? 0
not_ok "... and no mount is left" is_mounted

"$SEGFS" -f "$mnt" 2>"$TMPDIR/foreground.err" &
foreground=$!
until_true is_mounted
exec 8<"$mnt/text"
ok "umount -l while a file is open" umount -l "$mnt"
is "... the file goes on" "$(cat <&8)" "some bytes"
exec 8<&-
wait "$foreground"
is "... and the daemon ends with the last user, with status 0" $? 0

# --- a daemon that is gone -----------------------------------------------------------------------------------------

"$SEGFS" -f "$mnt" 2>"$TMPDIR/foreground.err" &
foreground=$!
until_true is_mounted
worker=$(status worker_pid)
kill -KILL "$foreground"
{ wait "$foreground"; } 2>/dev/null
ok "the worker goes when its supervisor is killed" until_true gone "$worker"
is_dead() { ! stat "$mnt"; }
ok "the mount is dead" until_true is_dead
ok "start on a dead mount" start
is "... brings the segments back" "$(cat "$mnt/text")" "some bytes"
is "... on a single mount" "$(grep -c " $mnt " /proc/self/mountinfo)" 1

# --- an option of each kind ----------------------------------------------------------------------------------------

ok "stop" stop
for mode in direct mediated relayed; do
	ok "-o io_mode=$mode" start -o "io_mode=$mode"
	told=$(getfattr --only-values -n user.segfs.io-mode "$mnt/text" 2>/dev/null)
	if [ $mode = relayed ]; then
		is "... is what the attribute tells" "$told" relayed
	else
		needs passthrough is "... is what the attribute tells" "$told" $mode
	fi
	stop
done
ok "-o of others: ro, noatime" start -o ro,noatime
not_ok "... is read-only" touch "$mnt/new"
is "... and readable" "$(cat "$mnt/text")" "some bytes"
ok "... and said so" findmnt --noheadings --options ro,noatime --mountpoint "$mnt"
ok "stop" stop

ok "a relative mount point" bash -c "cd '$TMPDIR' && '$SEGFS' mnt"
ok "... is the same instance" test -e "$mnt/text"
ok "stop" stop
ln -s mnt "$TMPDIR/link"
ok "a mount point through a link" "$SEGFS" "$TMPDIR/link"
ok "... is the same instance" test -e "$mnt/text"
ok "stop" stop
ok "closed standard descriptors" bash -c "exec '$SEGFS' '$mnt' <&- >&- 2>&-"
is "... do no harm" "$(cat "$mnt/text")" "some bytes"
ok "stop" stop

ok "--purge" "$SEGFS" --purge "$name"
ok "... leaves nothing" nothing_left
ok "start after that" start
is "... with an empty store" "$(cd "$mnt" && ls | tr '\n' ' ')" "posix process sysv "
ok "stop" stop
ok "--purge" "$SEGFS" --purge "$name"

tap_done
