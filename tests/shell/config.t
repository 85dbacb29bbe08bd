#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The configuration file on a real mount: what each key does, what each error says, and what SIGHUP changes.
set -u
# shellcheck source=tests/lib/tap.sh
. "$SEGFS_TOP/tests/lib/tap.sh"
# shellcheck source=tests/lib/segfs.sh
. "$SEGFS_TOP/tests/lib/segfs.sh"

ini=$TMPDIR/segfs.ini
disk=$TMPDIR/disk
mkdir "$disk"
printf 'calibration' >"$TMPDIR/load.bin"

mode() { stat -c %a "$1"; }
owner() { stat -c %u:%g "$1"; }
size() { stat -c %s "$1"; }
bytes_used() { echo $(($(stat -c %b "$1") * $(stat -c %B "$1"))); }
mount_options() { findmnt --noheadings --output OPTIONS --mountpoint "$1"; }
has_option() { case ",$(mount_options "$1")," in *",$2,"*) ;; *) return 1 ;; esac }

# --- every key -----------------------------------------------------------------------------------------------------

cat >"$ini" <<END
[mount]
path = $mnt
size = 64M
huge = never
numa = bind:0
mode = 1775
owner = 11:12

[directory plain]
mode = 2750
owner = 21:22

[directory memory]
medium = memory
size = 8M
huge = never
numa = interleave:0
mode = 3771
owner = 31:32

[directory memory/below]
mode = 0700

[directory disk]
medium = $disk
mode = 0711

[directory a/b/c]

[segment plain/segment]
size = 1M
mode = 0640
owner = 41:42

[segment memory/committed]
size = 2M
commit = yes

[segment loaded]
load = $TMPDIR/load.bin

[segment padded]
size = 8K
load = $TMPDIR/load.bin
mode = 0604

[segment disk/file]
size = 4K

[segment deep/er/segment]
size = 1
END

is "--check says that it is right" "$("$SEGFS" --check "$ini")" "$ini: the configuration is valid"
not_ok "... and mounts nothing" is_mounted
ok "start with every key, mount point from the file" "$SEGFS" --config "$ini"
ok "the mount is there" is_mounted

is "[mount] mode" "$(mode "$mnt")" 1775
is "[mount] owner" "$(owner "$mnt")" 11:12
ok "[mount] size" has_option "$store" size=65536k
is "[mount] size is what statfs tells" "$(stat -f -c '%S %b' "$mnt" | awk '{print $1 * $2}')" 67108864
if has_option "$store" mpol=bind:0; then
	ok "[mount] numa" has_option "$store" mpol=bind:0
else
	tap_skip "[mount] numa" "NUMA in this kernel"
fi

is "[directory] without medium lies in its parent's store" "$(stat -c %d "$store/plain")" "$(stat -c %d "$store")"
is "[directory] mode" "$(mode "$mnt/plain")" 2750
is "[directory] owner" "$(owner "$mnt/plain")" 21:22
is "medium = memory is a tmpfs" "$(findmnt --noheadings --output FSTYPE --mountpoint "$store/memory")" tmpfs
ok "... of its own size" has_option "$store/memory" size=8192k
is "... which statfs tells" "$(stat -f -c '%S %b' "$mnt/memory" | awk '{print $1 * $2}')" 8388608
is "... with its mode" "$(mode "$mnt/memory")" 3771
is "... and its owner" "$(owner "$mnt/memory")" 31:32
is "a directory in it" "$(mode "$mnt/memory/below")" 700
is "medium = PATH is that directory" "$(stat -c '%d %i' "$store/disk")" "$(stat -c '%d %i' "$disk")"
is "... with its mode" "$(mode "$mnt/disk")" 711
ok "directories above a directory are made" test -d "$mnt/a/b/c"
is "... with a mode for all" "$(mode "$mnt/a/b")" 755

is "[segment] size" "$(size "$mnt/plain/segment")" 1048576
is "[segment] mode" "$(mode "$mnt/plain/segment")" 640
is "[segment] owner" "$(owner "$mnt/plain/segment")" 41:42
is "[segment] mode where none is given" "$(mode "$mnt/loaded")" 600
is "a segment's memory comes when it is used" "$(bytes_used "$mnt/plain/segment")" 0
is "commit = yes reserves it" "$(bytes_used "$mnt/memory/committed")" 2097152
is "load fills the segment" "$(cat "$mnt/loaded")" calibration
is "load and size: the rest is zeros" "$(size "$mnt/padded") $(head -c 11 "$mnt/padded")" "8192 calibration"
is "... and its mode" "$(mode "$mnt/padded")" 604
is "a segment on disk" "$(size "$disk/file")" 4096
is "directories above a segment are made" "$(size "$mnt/deep/er/segment")" 1

dd if=/dev/zero of="$mnt/memory/fill" bs=64k count=200 2>"$TMPDIR/dd.err"
ok "the limit of a directory is the kernel's: ENOSPC" grep -q "No space left" "$TMPDIR/dd.err"
is "... exactly at the limit" "$(($(bytes_used "$mnt/memory/fill") + 2097152))" 8388608
ok "... and elsewhere there is space" dd if=/dev/zero of="$mnt/plain/other" bs=64k count=200 status=none
rm "$mnt/memory/fill" "$mnt/plain/other"

# what is in force parses back to itself
cp "$mnt/.segfs/config" "$TMPDIR/in-force.ini"
ok ".segfs/config is a right configuration" "$SEGFS" --check "$TMPDIR/in-force.ini"
for word in "size = 64M" "[directory memory]" "mode = 3771" "commit = yes" "load = $TMPDIR/load.bin"; do
	ok "... with: $word" grep -qF "$word" "$TMPDIR/in-force.ini"
done

# --- starting again ------------------------------------------------------------------------------------------------

printf 'changed' | dd of="$mnt/loaded" conv=notrunc status=none
truncate -s 2M "$mnt/plain/segment"
chmod 0666 "$mnt/padded"
echo kept >"$mnt/memory/kept"
ok "stop" stop
"$SEGFS" -f --config "$ini" 2>"$TMPDIR/daemon.log" &
ok "start again" until_true is_mounted
is "what is loaded is loaded once" "$(cat "$mnt/loaded")" changedtion
is "a segment does not get smaller" "$(size "$mnt/plain/segment")" 2097152
is "a mode that is given is set again" "$(mode "$mnt/padded")" 604
is "what is in a directory's own store stays" "$(cat "$mnt/memory/kept")" kept
is "... and is mounted once" "$(grep -c " $store/memory " /proc/self/mountinfo)" 1

# --- SIGHUP --------------------------------------------------------------------------------------------------------

supervisor=$(status supervisor_pid)
cat >"$ini" <<END
[mount]
path = $mnt
size = 128M
mode = 1777

[directory plain]
mode = 0755
owner = 51:52

[directory memory]
medium = memory
size = 16M

[directory new]
medium = memory
size = 4M

[segment plain/segment]
size = 4K
mode = 0600

[segment new/segment]
size = 64K
load = $TMPDIR/load.bin
END
printf 'y' >"$mnt/deep/er/segment"
before=$(stat -c %i "$mnt/plain/segment")
kill -HUP "$supervisor"
ok "SIGHUP: a new segment appears" until_true test -e "$mnt/new/segment"
is "... with its size" "$(size "$mnt/new/segment")" 65536
is "... and its bytes" "$(head -c 11 "$mnt/new/segment")" calibration
is "... in a store of its own" "$(stat -f -c '%S %b' "$mnt/new" | awk '{print $1 * $2}')" 4194304
ok "a limit changes in place" until_true has_option "$store/memory" size=16384k
ok "... also the default store's" until_true has_option "$store" size=131072k
mode_is() { [ "$(mode "$1")" = "$2" ]; }
ok "a mode changes in place" until_true mode_is "$mnt/plain" 755
is "... and an owner" "$(owner "$mnt/plain")" 51:52
is "... and a segment's mode" "$(mode "$mnt/plain/segment")" 600
is "no segment gets smaller" "$(size "$mnt/plain/segment")" 2097152
is "... and it is the same one" "$(stat -c %i "$mnt/plain/segment")" "$before"
is "what is no longer declared stays" "$(cat "$mnt/deep/er/segment")" y
is "... also a directory's medium" "$(stat -c '%d %i' "$store/disk")" "$(stat -c '%d %i' "$disk")"
is "... and what is in it" "$(cat "$mnt/memory/kept")" kept
ok ".segfs/config is the new one" until_true grep -qF "[directory new]" "$mnt/.segfs/config"
is "the supervisor is the same" "$(status supervisor_pid)" "$supervisor"

cp "$mnt/.segfs/config" "$TMPDIR/before.ini"
complaints=0
has_complaints() { [ "$(grep -c 'nothing was changed' "$TMPDIR/daemon.log")" -eq $complaints ]; }
workers=$(status workers_started)
for bad in "[directory bad]
mode = 9" "[segment other]
size = 4K
unknown = key" "nonsense"; do
	{
		cat "$TMPDIR/before.ini"
		echo "[segment appears/not]"
		echo "size = 1"
		echo "$bad"
	} >"$ini"
	kill -HUP "$supervisor"
	complaints=$((complaints + 1))
	ok "SIGHUP with a wrong file is told in the log" until_true has_complaints
	is "... and what is in force stays" "$(cat "$mnt/.segfs/config")" "$(cat "$TMPDIR/before.ini")"
	not_ok "... and nothing of the file is made" test -e "$mnt/appears"
done
cat "$TMPDIR/before.ini" >"$ini"
printf '\n[segment after]\nsize = 3\n' >>"$ini"
kill -HUP "$supervisor"
ok "SIGHUP with a right file again" until_true test -e "$mnt/after"
is "... by the same worker" "$(status workers_started)" "$workers"
ok "stop" stop
ok "--purge" "$SEGFS" --purge "$name"
is "... leaves what is on disk" "$(size "$disk/file")" 4096
not_ok "... and no mount" grep -q "$name" /proc/self/mountinfo
rm "$disk/file"

# paths that are longer than those of most
long=$(printf 'd%.0s' {1..240})
printf '[mount]\npath = %s\n[directory %s/%s]\nmedium = memory\n[directory b]\nmedium = memory\n' "$mnt" "$long" "$long" >"$ini"
ok "a medium with a long path" "$SEGFS" --config "$ini"
ok "... is used" touch "$mnt/$long/$long/file"
ok "a tree that is deeper than a path can be long" perl -e '
	chdir($ARGV[0]) or die; for (1 .. 40) { mkdir("$_$ARGV[1]") && chdir("$_$ARGV[1]") or die "$_: $!" }
	open(my $f, ">", "file") or die; mkdir("closed", 0) or die' "$mnt" "$long"
ok "stop" stop
ok "--purge" "$SEGFS" --purge "$name"
not_ok "... leaves no mount" grep -q "$name" /proc/self/mountinfo
not_ok "... and nothing else" test -e "/run/segfs/$name"

# a mount point whose path is longer than a line of the log
deep=$TMPDIR/$long/$long/$long
mkdir -p "$deep"
ok "a mount point with a long path" "$SEGFS" --name "$name" "$deep"
ok "... is used" touch "$deep/file"
"$SEGFS" --purge "$name" 2>"$TMPDIR/start.err"
is "... --purge says to unmount it" "$? $(grep -c 'in use by process [0-9]*; unmount it first' "$TMPDIR/start.err")" "1 1"
umount "$deep"
ok "... --purge" until_true "$SEGFS" --purge "$name"
not_ok "... leaves no mount" grep -q "$name" /proc/self/mountinfo
not_ok "... and nothing else" test -e "/run/segfs/$name"

# --- every kind of error -------------------------------------------------------------------------------------------

# wrong NAME LINE PATTERN TEXT: the file is refused by --check and at the start, in one line with its number.
wrong() {
	local what=$1 line=$2 pattern=$3 text=$4 result
	printf '%b' "$text" >"$ini"
	"$SEGFS" --check "$ini" >"$TMPDIR/check.out" 2>&1
	result="$? $(grep -c '' "$TMPDIR/check.out") $(grep -c -F "$ini:$line: " "$TMPDIR/check.out") $(grep -c -E -- "$pattern" "$TMPDIR/check.out")"
	if [ "$result" = "2 1 1 1" ]; then
		refused "$what" "$line" "$pattern"
	else
		is "$what: --check, status and line" "$result: $(cat "$TMPDIR/check.out")" "2 1 1 1"
	fi
}

# refused NAME LINE PATTERN: only at the start, since it depends on the machine.
refused() {
	local result
	"$SEGFS" --config "$ini" "$mnt" >"$TMPDIR/start.out" 2>&1
	result="$? $(grep -c '' "$TMPDIR/start.out") $(grep -c -F "$ini:$2: " "$TMPDIR/start.out") $(grep -c -E -- "$3" "$TMPDIR/start.out")"
	is_mounted && result="$result mounted"
	[ ! -e "/run/segfs/$name" ] || result="$result left /run/segfs/$name"
	grep -q "$name" /proc/self/mountinfo && result="$result left a mount"
	[ "$result" = "2 1 1 1" ] || tap_diag "$(cat "$TMPDIR/start.out")"
	is "$1: status 2, one line, nothing mounted" "$result" "2 1 1 1"
}

wrong "unknown section" 1 "unknown|kind" '[stores x]\n'
wrong "unknown key" 2 "known keys: .*size" '[segment x]\nsise = 4K\n'
wrong "unknown key in [mount]" 2 "known keys" '[mount]\nspeed = 9\n'
wrong "key outside of a section" 1 "section" 'size = 4K\n'
wrong "section twice" 3 "line 1" '[segment x]\nsize = 1\n[segment x]\n'
wrong "key twice" 3 "size" '[segment x]\nsize = 1\nsize = 2\n'
wrong "no value" 2 "size" '[segment x]\nsize =\n'
wrong "no '='" 2 "" '[segment x]\nsize\n'
wrong "size with a unit" 2 "2GB" '[segment x]\nsize = 2GB\n'
wrong "size zero" 2 "size" '[segment x]\nsize = 0\n'
wrong "size negative" 2 "size" '[segment x]\nsize = -1\n'
wrong "size too large" 2 "size" '[segment x]\nsize = 99999999999999999999\n'
wrong "mode not octal" 2 "mode" '[segment x]\nmode = rw\n'
wrong "mode too large" 3 "mode" '[segment x]\nsize = 1\nmode = 10000\n'
wrong "user that does not exist" 3 "no-such-user" '[segment x]\nsize = 1\nowner = no-such-user\n'
wrong "group that does not exist" 3 "no-such-group" '[segment x]\nsize = 1\nowner = root:no-such-group\n'
wrong "huge" 3 "never.*always" '[directory d]\nmedium = memory\nhuge = sometimes\n'
wrong "numa" 3 "numa" '[directory d]\nmedium = memory\nnuma = near:0\n'
wrong "commit" 3 "yes.*no" '[segment x]\nsize = 1\ncommit = maybe\n'
wrong "load not absolute" 2 "load" '[segment x]\nload = file.bin\n'
wrong "medium not absolute" 2 "medium" '[directory d]\nmedium = there\n'
wrong "size without medium = memory" 2 "medium" '[directory d]\nsize = 1M\n'
wrong "size with a path as medium" 3 "medium" '[directory d]\nmedium = /tmp\nsize = 1M\n'
wrong "name with .." 1 "\.\." '[segment a/../b]\n'
wrong "name with a leading slash" 1 "" '[segment /b]\n'
wrong "no name" 1 "name" '[segment]\n'
wrong "name below .segfs" 1 "segfs" '[segment .segfs/x]\n'
wrong "segment and directory" 3 "x" '[segment x]\nsize = 1\n[directory x]\n'
wrong "segment below a segment" 3 "x" '[segment x]\nsize = 1\n[segment x/y]\nsize = 1\n'
wrong "bytes that are not UTF-8" 2 "UTF-8" '[segment x]\nsize = \xff\n'
wrong "a zero byte" 2 "" '[segment x]\nsize = 1\\0\n'

printf '[segment x]\nsize = 4\nload = %s\n' "$TMPDIR/load.bin" >"$ini"
refused "load larger than size" 1 "11 bytes"
printf '[segment x]\nload = %s\n' "$TMPDIR/missing" >"$ini"
refused "load that does not exist" 1 "No such file"
printf '[segment x]\nload = %s\n' "$TMPDIR" >"$ini"
refused "load of a directory" 1 "regular"
printf '[directory d]\nmedium = %s\n' "$TMPDIR/missing" >"$ini"
refused "medium that does not exist" 1 "No such file"
printf '[mount]\nsize = 1M\n\n[segment x]\nsize = 2M\ncommit = yes\n' >"$ini"
refused "commit beyond the limit" 4 "No space"
printf '[directory d]\nmedium = memory\nsize = 1M\n[directory e]\nmedium = %s\n' "$TMPDIR/missing" >"$ini"
refused "an error after something was mounted" 4 "No such file"

"$SEGFS" --config "$TMPDIR/missing.ini" "$mnt" >"$TMPDIR/start.out" 2>&1
is "a file that does not exist: status 2" $? 2
is "... one line" "$(grep -c "$TMPDIR/missing.ini" "$TMPDIR/start.out")" 1
"$SEGFS" --check "$TMPDIR/missing.ini" >"$TMPDIR/start.out" 2>&1
is "... also for --check" $? 2

# --- names that the kernel may know not to exist -------------------------------------------------------------------

ini=$TMPDIR/names.ini
cat >"$ini" <<END
[mount]
path = $mnt
sources = none

[directory there]
mode = 0755
END
ok "start" "$SEGFS" --config "$ini" -o entry_timeout=600 "$mnt"
absent() { [ ! -e "$1" ]; }
lookups() { status lookup; }
before=$(lookups)
for ((i = 0; i < 20; i++)); do
	absent "$mnt/there/new"
done
ok "a name that does not exist is asked for once" test $(($(lookups) - before)) -le 4
for missing in top posix there/medium there/deep; do
	ok "$missing is not there yet" absent "$mnt/$missing"
done
touch "$mnt/there/new"
ok "... and is there when it is created" test -e "$mnt/there/new"
rm "$mnt/there/new"
ok "... and gone when it is removed" absent "$mnt/there/new"
cat >"$ini" <<END
[mount]
path = $mnt
sources = posix

[directory there]
mode = 0755

[directory there/medium]
medium = memory

[segment there/deep/er/new]
size = 4K

[segment there/new]
size = 4K

[segment top]
size = 4K
END
kill -HUP "$(status supervisor_pid)"
for new in top posix there/medium there/deep/er/new there/new; do
	ok "SIGHUP: $new appears" until_true test -e "$mnt/$new"
done
ok "stop" stop
tap_done
