#!/bin/bash
# SPDX-License-Identifier: MIT
#
# segctl ls, and what all commands share: options, the mount, names, exit statuses, JSON.
set -u
# shellcheck source=tests/lib/tap.sh
. "$SEGFS_TOP/tests/lib/tap.sh"
# shellcheck source=tests/lib/segctl.sh
. "$SEGFS_TOP/tests/lib/segctl.sh"

list() { "$segctl" ls -n -o "$1" "${@:2}" | sed 's/ \{1,\}/ /g; s/ $//'; }

# --- without a mount ---

exits "a directory without segfs that does not exist" 3 env SEGFS_MOUNT=/nowhere "$segctl" ls
says "... is named" "/nowhere: No such file" env SEGFS_MOUNT=/nowhere "$segctl" ls
if [ "$(findmnt --noheadings --types fuse.segfs | wc -l)" -eq 0 ]; then
	exits "no mount" 3 env -u SEGFS_MOUNT "$segctl" ls
	says "... it says how to get one" "segfs /mnt/seg" env -u SEGFS_MOUNT "$segctl" ls
else
	tap_skip "no mount" "a machine without other mounts"
fi

start || tap_skip_all "a mount"
mkdir "$mnt/video"
truncate -s 64M "$mnt/video/ring"
printf '%08192d' 0 >"$mnt/video/frame"
chmod 640 "$mnt/video/frame"
setfattr -n user.segfs.commit -v yes "$mnt/video/frame"

# --- usage ---

exits "no command" 2 "$segctl"
exits "a wrong command" 2 "$segctl" lss
exits "a wrong option" 2 "$segctl" ls --colour
exits "an option without its argument" 2 "$segctl" ls --sort
says "... is named" "-s: an argument is missing; see 'segctl ls --help'" "$segctl" ls -s
exits "a wrong column" 2 "$segctl" ls -o NAME,WEIGHT
says "... is named" "no column 'WEIGHT'" "$segctl" ls -o NAME,WEIGHT
exits "a wrong order" 2 "$segctl" ls --sort POLICY
exits "a wrong source" 2 "$segctl" ls --source shm
exits "a wrong time" 2 "$segctl" ls --watch soon
exits "--help" 0 "$segctl" --help
is "... names each command" "$("$segctl" --help | grep -c "^  ls ")" 1
is "--version" "$("$segctl" --version)" "segctl $(sed 's/segfs //' "$mnt/.segfs/version")"
help_fits ls
is "a full disk is told" "$("$segctl" ls 2>&1 >/dev/full; echo $?)" \
	"segctl: ls: not all could be written to standard output
1"

# --- what is listed ---

is "all facts of a segment" "$(list NAME,SOURCE,KIND,SIZE,RESIDENT,OWNER,GROUP,MODE,ATTACHED,POLICY,ORPHAN 'video/*')" \
	"video/frame store segment 8K 8K root root -rw-r----- 0 commit=yes yes
video/ring store segment 64M 0 root root -rw-r--r-- 0 yes"
exec 5<>"$mnt/video/ring"
is "... that is open" "$(list NAME,ATTACHED,ORPHAN video/ring)" "video/ring 1 no"
is "... since when" "$("$segctl" ls --json video/ring | jq -r '.segments[0].since | test("^20.*Z$")')" true
exec 5>&-
is "sizes in bytes" "$(list SIZE --bytes video/ring)" 67108864
is "by size" "$(list NAME --source store --sort size)" "video/ring
video/frame"
is "... the other way round" "$(list NAME --source store --sort size -r)" "video/frame
video/ring"
is "a directory" "$(list NAME video)" "video/frame
video/ring"
is "the last component" "$(list NAME 'fr*')" video/frame
is "a tree" "$("$segctl" ls -n --tree -o NAME --source store)" "video
├─frame
└─ring"
is "names for xargs" "$("$segctl" ls --null --source store | xargs -0 -n 1 echo)" "video/frame
video/ring"
is "the help of columns" "$("$segctl" ls -o help | grep -c '^[A-Z-]* ')" 20
is "a column more" "$("$segctl" ls -o +INODE | head -n 1 | awk '{ print $NF }')" INODE
exits "what is not there" 1 "$segctl" ls nothing
exits "an empty mount's pattern" 0 "$segctl" ls --source sysv
is "colours are for terminals" "$("$segctl" ls | grep -c $'\e')" 0

# --- sources ---

id=$(ipcmk -M 1M | awk '{ print $NF }')
key=$(ipcs -m -i "$id" | sed -n 's/.*key=\([^ \t]*\).*/\1/p' | head -n 1)
posix=segfs-test-$$
head -c 10000 /dev/zero >"/dev/shm/$posix"
key=$(ipcs -m | awk -v id="$id" '$2 == id { print $1 }')
is "a System V segment" "$(list NAME,SIZE,RESIDENT,ATTACHED,ORPHAN,SHMID --source sysv "sysv/$key")" "sysv/$key 1M 0 0 yes $id"
printf x | dd "of=$mnt/sysv/$key" bs=1 seek=9000 conv=notrunc status=none
is "... with memory" "$(list RESIDENT --bytes "sysv/$key" | tr -d ' ')" "$(getconf PAGESIZE)"
is "a POSIX object" "$(list NAME,KIND,SIZE,ATTACHED,ORPHAN "posix/$posix")" "posix/$posix segment 9.8K 0 yes"
is "only one source" "$(list SOURCE --source posix | sort -u)" posix
is "only orphans" "$(list NAME --orphans --source posix | grep -c "posix/$posix")" 1
exec 5<"$mnt/video/frame"
is "... not what is open" "$(list NAME --orphans video)" video/ring
exec 5>&-
rm "/dev/shm/$posix"
ipcrm -m "$id"
/usr/bin/python3 -c '
import os, time
fd = os.memfd_create("held")
os.ftruncate(fd, 4096)
print(os.getpid(), flush=True)
time.sleep(1000)' >"$TMPDIR/pid" &
holder=$!
until_true test -s "$TMPDIR/pid"
is "memory of a process" "$(list KIND,SIZE "process/$(cat "$TMPDIR/pid")")" "memfd 4K"
kill "$holder"
wait "$holder" 2>/dev/null

# --- objects ---

make_mutex() {
	LD_LIBRARY_PATH=$SEGFS_OUT PYTHONPATH=$SEGFS_TOP/lib/python /usr/bin/python3 -c 'import segfs; segfs.Mutex("lock", create=True)'
}
if make_mutex 2>/dev/null; then
	is "an object" "$(list NAME,KIND lock)" "lock mutex"
else
	tap_skip "an object" "Python 3.11"
fi

# --- other users ---

chmod 711 "$mnt" 2>/dev/null
chmod 1777 "$mnt"
as_user touch "$mnt/theirs"
is "only mine" "$(as_user "$segctl" ls -n --mine -o NAME)" theirs
is "an ordinary user sees what others have" "$(as_user "$segctl" ls -n -o NAME,ATTACHED,ORPHAN video/ring | sed 's/  */ /g; s/ $//')" \
	"video/ring 0 yes"
mkdir -m 700 "$mnt/private"
touch "$mnt/private/secret"
is "... but not in directories of others" "$(as_user "$segctl" ls -n -o NAME private 2>/dev/null)" ""
exits "... and that is said" 1 as_user "$segctl" ls private/secret
rm -r "$mnt/private" "$mnt/theirs"

# --- names ---

mkdir "$mnt/names"
hostile_names "$mnt/names"
is "no odd byte gets to a terminal" "$("$segctl" ls -o NAME names | LC_ALL=C grep -c '[^[:print:]]')" 1
is "... what is valid UTF-8 does" "$("$segctl" ls -n -o NAME names | grep -c 'ümläut')" 1
is "quoted names are read by bash" "$(eval "for name in $("$segctl" ls -n -o NAME names | tr '\n' ' '); do [ -e \"$mnt/\$name\" ] && echo; done" | wc -l)" 13
fits ls "$segctl" ls --json
fits ls "$segctl" ls --json names
fits ls "$segctl" ls --json nothing-there-at-all -o +SOURCE
is "JSON has all names" "$("$segctl" ls --json names | jq -r '.segments[].name' | wc -l)" 14
is "... of odd bytes in full" "$("$segctl" ls --json names | jq -r '.segments[] | select(.name_hex) | .name_hex' | xxd -r -p)" $'names/invalid\xff\xfe'
is "machine formats do not depend on the locale" "$(LC_ALL=C "$segctl" ls --json names | md5sum)" "$("$segctl" ls --json names | md5sum)"

# --- what cannot be looked at ---

# Runs segctl with the Nth call of a name failing: one that is for files of the mount alone.
failing() { # CALL ERROR WHEN ARGUMENT...
	ASAN_OPTIONS=${ASAN_OPTIONS-}:detect_leaks=0 strace -f -qq -o /dev/null -e "trace=$1" -e "inject=$1:error=$2:when=$3" \
		"$segctl" "${@:4}"
}
ask=(ls -n -o "NAME,IDLE" --source store)
all=$("$segctl" "${ask[@]}" | wc -l)
for call in openat2 getdents64; do
	exits "not all can be looked at: $call, EMFILE" 1 failing "$call" EMFILE 3 "${ask[@]}"
	exits "not all can be looked at: $call, EIO" 1 failing "$call" EIO 3 "${ask[@]}"
	exits "not all can be looked at: $call, ENOTCONN" 3 failing "$call" ENOTCONN 3 "${ask[@]}"
done
says "... is said" "Too many open files" failing openat2 EMFILE 3 "${ask[@]}"
is "... and the others are listed" "$(failing openat2 EIO 3 "${ask[@]}" 2>/dev/null | wc -l)" $((all - 1))
for error in ENOENT ESTALE EACCES; do
	is "what is gone by then is left out: $error" "$(failing openat2 "$error" 3 "${ask[@]}" | wc -l)" $((all - 1))
done

# --- a dead worker, two mounts ---

kill -9 "$(status worker_pid)"
is "a dead worker is not noticed" "$(list NAME video/ring)" video/ring
mkdir "$TMPDIR/second" "$TMPDIR/disk"
printf '[directory disk]\nmedium = %s\n' "$TMPDIR/disk" >"$TMPDIR/segfs.ini"
"$SEGFS" --config "$TMPDIR/segfs.ini" "$TMPDIR/second"
touch "$TMPDIR/second/kept"
umount "$TMPDIR/second"
"$SEGFS" "$TMPDIR/second"
exits "a directory whose medium is missing" 1 env SEGFS_MOUNT="$TMPDIR/second" "$segctl" ls
says "... is named" "segctl: ls: disk: " env SEGFS_MOUNT="$TMPDIR/second" "$segctl" ls
is "... and the rest is listed" "$(SEGFS_MOUNT=$TMPDIR/second list NAME --source store 2>/dev/null)" kept
exits "... for gc, too" 1 env SEGFS_MOUNT="$TMPDIR/second" "$segctl" gc --dry-run
exits "... and save" 1 env SEGFS_MOUNT="$TMPDIR/second" "$segctl" save -q '*' "$TMPDIR/saved.tar"
ok "... which saves the rest" eval 'tar -tf "$TMPDIR/saved.tar" | grep -q kept'
exits "... top goes on" 0 env SEGFS_MOUNT="$TMPDIR/second" "$segctl" top -c 2 -d 100ms
rm "$TMPDIR/second/kept"
exits "two mounts" 3 env -u SEGFS_MOUNT "$segctl" ls
says "... are named" "$TMPDIR/second" env -u SEGFS_MOUNT "$segctl" ls
touch "$TMPDIR/second/other"
is "one is chosen" "$("$segctl" --mount "$TMPDIR/second" ls -n -o NAME --source store)" other
umount "$TMPDIR/second"
"$SEGFS" --purge "$(sed 's|^/||; s|/|-|g' <<<"$TMPDIR/second")" 2>/dev/null

# --- a terminal ---

if command -v tmux >/dev/null; then
	terminal 100 30 "$segctl" ls video
	ended
	is "in a terminal" "$(screen | grep -c '^video/')" 2
else
	tap_skip "in a terminal" tmux
fi
is "on another file system" "$(SEGFS_MOUNT=$TMPDIR "$segctl" ls -n -o NAME pid)" pid
kill -9 "$(status supervisor_pid)"
until_true eval "! stat '$mnt/.segfs' >/dev/null 2>&1"
exits "a mount that has ended" 3 "$segctl" ls
says "... says what to do" "unmount it" "$segctl" ls
umount -l "$mnt"
tap_done
