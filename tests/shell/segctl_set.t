#!/bin/bash
# SPDX-License-Identifier: MIT
#
# segctl set, get, resize and rm: what segments have, how large they are, and their end.
set -u
# shellcheck source=tests/lib/tap.sh
. "$SEGFS_TOP/tests/lib/tap.sh"
# shellcheck source=tests/lib/segctl.sh
. "$SEGFS_TOP/tests/lib/segctl.sh"

for command in "set a commit=yes" "set a" "get a" "resize a 1" "rm a"; do
	# shellcheck disable=SC2086
	exits "without a mount: $command" 3 env SEGFS_MOUNT=/nowhere "$segctl" $command
done

cat >"$TMPDIR/segfs.ini" <<INI
[directory small]
medium = memory
size = 1M
INI
start --config "$TMPDIR/segfs.ini" || tap_skip_all "a mount"
mkdir -m 1777 "$mnt/pub"
mkdir "$mnt/dir"
"$segctl" new --size 64K --mode 644 seg
"$segctl" new --kind mutex lock
"$segctl" new --kind event go
ln -s seg "$mnt/link"
mkfifo "$mnt/pipe"
policies() { "$segctl" get "$1" lock writers commit size-policy lifetime | xargs; }
default="advisory 0 no variable persistent"

# --- set ---

help_fits set
exits "set nothing" 2 "$segctl" set
exits "no policy" 2 "$segctl" set seg commit
exits "... of this name" 2 "$segctl" set seg attached=1
says "... lists those that there are" "attached=1: this is no policy; there are lock, writers" "$segctl" set seg attached=1
exits "no value" 2 "$segctl" set seg writers=many
says "... says what would be one" "writers=many: not a number of writers; write 0 for any number" "$segctl" set seg writers=many
exits "twice" 2 "$segctl" set seg writers=1 writers=2
exits "what is not there" 1 "$segctl" set none commit=yes
exits "a symbolic link" 1 "$segctl" set link commit=yes
exits "a fifo" 1 "$segctl" set pipe commit=yes
exits "policies" 0 "$segctl" set seg commit=yes writers=3 size-policy=fixed lifetime=ttl:90s
is "... are set" "$(policies seg)" "advisory 3 yes fixed ttl:90s"
exits "the defaults" 0 "$segctl" set seg lifetime=persistent size-policy=variable writers=0 commit=no
is "... are set" "$(policies seg)" "$default"
is "... are no attributes that are stored" "$(getfattr -d -m user.segfs "$mnt/seg" 2>&1)" ""
exits "what is not possible here" 1 "$segctl" set seg writers=3 commit=yes lock=mandatory
says "... says which" "seg: lock=mandatory: not possible here" "$segctl" set seg writers=3 commit=yes lock=mandatory
is "... nothing was set" "$(policies seg)" "$default"
exec 5<>"$mnt/seg" 6<>"$mnt/seg"
exits "fewer writers than there are" 1 "$segctl" set seg commit=no lifetime=ttl:1h writers=1
says "... says why" "writers=1: others have it open" "$segctl" set seg lifetime=ttl:1h writers=1
is "... nothing was set" "$(policies seg)" "$default"
exec 5>&- 6>&-
truncate -s 4M "$mnt/small/large"
exits "no memory to commit" 1 "$segctl" set small/large writers=1 commit=yes
is "... nothing was set" "$(policies small/large)" "$default"
exits "a lifetime that would end with an open" 0 "$segctl" set seg lifetime=last-close
is "... does not end by that" "$(policies seg)" "advisory 0 no variable last-close"
"$segctl" set seg lifetime=persistent
exits "a directory's defaults" 0 "$segctl" set dir writers=2
is "... are those of what is created in it" "$("$segctl" new --size 1 dir/a && policies dir/a)" "advisory 2 no variable persistent"
exits "by another user" 4 as_user "$segctl" set seg writers=1
says "... says who may" "seg: writers=1: only its owner" as_user "$segctl" set seg writers=1
exits "by its owner" 0 as_user bash -c '"$0" new --size 1 pub/theirs && "$0" set pub/theirs writers=1' "$segctl"
exits "an event" 0 "$segctl" set go
is "... is set" "$("$segctl" value go)" 1
exits "a segment is no event" 1 "$segctl" set seg
says "... which is said" "seg: this is a segment" "$segctl" set seg
exits "a mutex is no event" 1 "$segctl" set lock
says "... says what it is for" "lock: this is a mutex; use 'segctl lock'" "$segctl" set lock
exits "an event of another user" 4 as_user "$segctl" set go

# --- get ---

help_fits get
exits "get nothing" 2 "$segctl" get
exits "what is not there" 1 "$segctl" get none
exits "a symbolic link" 1 "$segctl" get link
is "one value" "$("$segctl" get seg size)" 65536
is "several values" "$("$segctl" get seg owner group mode size commit source | xargs)" "root root 0644 65536 no store"
exits "no such value" 1 "$segctl" get seg weight
says "... which is said" "seg: it has no attribute weight; 'segctl get NAME' lists what it has" "$segctl" get seg weight
is "... among several: no line at all" "$("$segctl" get seg size weight 2>/dev/null)" ""
says "... of an odd name is quoted" "attribute \$'\\033[31m'" "$segctl" get seg $'\e[31m'
is "all values" "$("$segctl" get -n seg | awk '{ print $1 }' | xargs)" \
	"lock writers commit size-policy lifetime size resident owner group mode source attached orphan idle-since io-mode"
is "headings" "$("$segctl" get seg | head -n 1)" "KEY         VALUE"
is "an object" "$("$segctl" get lock object)" mutex
is "a directory" "$("$segctl" get -n dir | awk '{ print $1 }' | xargs)" "lock writers commit size-policy lifetime owner group mode source"
exits "get opens nothing" 0 bash -c '"$0" set seg lifetime=last-close && "$0" get seg >/dev/null && "$0" set seg lifetime=persistent' "$segctl"
ctime=$(stat -c %z "$mnt/seg")
is "get changes nothing" "$("$segctl" get seg >/dev/null; stat -c %z "$mnt/seg")" "$ctime"
is "the generation is told when asked for" "$("$segctl" get seg generation | grep -c '^[0-9]')" 1
for name in seg lock dir posix sysv; do
	fits get "$segctl" get --json $name
done
fits get "$segctl" get --json seg size writers
is "JSON of some" "$("$segctl" get --json seg writers size | jq -c .)" '{"name":"seg","name_hex":null,"policies":{"writers":0},"facts":{"size":65536}}'
id=$(ipcmk -M 64K | awk '{ print $NF }')
key=$(ipcs -m | awk -v id="$id" '$2 == id { print $1 }')
fits get "$segctl" get --json "sysv/$key"
is "a System V segment" "$("$segctl" get "sysv/$key" shmid size nattch | xargs)" "$id 65536 0"
is "... has nothing in memory" "$("$segctl" get "sysv/$key" resident)" 0
printf x | dd of="$mnt/sysv/$key" conv=notrunc status=none
is "... but what was written" "$("$segctl" get "sysv/$key" resident)" "$(getconf PAGESIZE)"
is "... which a list tells, too" "$("$segctl" get -n "sysv/$key" | awk '$1 == "resident" { print $2 }')" "$(getconf PAGESIZE)"
posix=segfs-test-$$
truncate -s 4K "/dev/shm/$posix"
fits get "$segctl" get --json "posix/$posix"
is "a POSIX object" "$("$segctl" get "posix/$posix" kind size mapped | xargs)" "memory 4096 0"
exits "... has no policies" 1 "$segctl" set "posix/$posix" commit=yes
exits "... to get" 1 "$segctl" get "posix/$posix" commit
"$segctl" new --size 1 --mode 600 private
exits "what a user may not read" 4 as_user "$segctl" get private writers
exits "... among all" 4 as_user "$segctl" get private
is "... he sees what stat tells" "$(as_user "$segctl" get -n private 2>/dev/null | awk '{ print $1 }' | xargs)" "size resident owner group mode"
is "what he may read" "$(as_user "$segctl" get seg writers)" 0

# --- resize ---

help_fits resize
exits "resize nothing" 2 "$segctl" resize seg
exits "no size" 2 "$segctl" resize seg 1MB
exits "... at all" 2 "$segctl" resize seg -
exits "what is not there" 1 "$segctl" resize none 1
exits "a directory" 1 "$segctl" resize dir 1
exits "a symbolic link" 1 "$segctl" resize link 1
is "another size" "$("$segctl" resize seg 128K && "$segctl" get seg size)" 131072
is "larger by" "$("$segctl" resize seg +64K && "$segctl" get seg size)" 196608
is "smaller by" "$("$segctl" resize seg -192K && "$segctl" get seg size)" 0
exits "less than nothing" 1 "$segctl" resize seg -1
says "... is said" "seg: it has 0 bytes, which cannot be changed by -1" "$segctl" resize seg -1
exits "more than a file can have" 1 "$segctl" resize seg 8E
"$segctl" resize seg 64K
exits "... by any means" 1 "$segctl" resize seg +99999999999999999999
"$segctl" set seg size-policy=fixed
exits "a fixed size" 1 "$segctl" resize seg 1
says "... says what to do" "segctl set NAME size-policy=variable" "$segctl" resize seg 1
"$segctl" set seg size-policy=variable
exits "an object" 1 "$segctl" resize lock 1
says "... is fixed" "the size of a synchronization object is fixed" "$segctl" resize lock 1
exits "a System V segment" 1 "$segctl" resize "sysv/$key" 128K
says "... cannot be resized" "memory of the source 'sysv' cannot be resized" "$segctl" resize "sysv/$key" 128K
is "a POSIX object can" "$("$segctl" resize "posix/$posix" 8K && stat -c %s "/dev/shm/$posix")" 8192
"$segctl" set small/large commit=no
"$segctl" resize small/large 0
"$segctl" set small/large commit=yes
exits "no room" 1 "$segctl" resize small/large 8M
says "... is said" "there is no room for it" "$segctl" resize small/large 8M
is "... and it is as large as before" "$("$segctl" get small/large size)" 0
exits "by another user" 4 as_user "$segctl" resize seg 1
says "... is refused" "you may not write it" as_user "$segctl" resize seg 1
is "resize opens nothing" "$("$segctl" set seg lifetime=last-close && "$segctl" resize seg 32K && "$segctl" set seg lifetime=persistent && "$segctl" get seg size)" 32768

# --- names ---

mkdir "$mnt/names"
hostile_names "$mnt/names"
is "names of odd bytes" "$(for file in "$mnt/names"/*; do
	"$segctl" set "names/${file##*/}" writers=7 && "$segctl" resize "names/${file##*/}" +1 && "$segctl" get "names/${file##*/}" size writers | xargs
done | sort | uniq -c | sed 's/^ *//')" "13 2 7"
fits get "$segctl" get --json $'names/invalid\xff\xfe'
is "... in full" "$("$segctl" get --json $'names/invalid\xff\xfe' | jq -r .name_hex | xxd -r -p)" $'names/invalid\xff\xfe'
is "no odd byte gets to a terminal" "$({
	"$segctl" rm $'names/none\e[31m'
	"$segctl" get $'names/none\e[31m'
	"$segctl" set $'names/none\e[31m' commit=yes
	"$segctl" set $'names/escape\e[31mred\e]0;title\a' lock=mandatory
	"$segctl" resize $'names/escape\e[31mred\e]0;title\a' -1G
} 2>&1 | LC_ALL=C grep -c '[^[:print:]]')" 0

# --- rm ---

help_fits rm
exits "remove nothing" 2 "$segctl" rm
exits "what is not there" 1 "$segctl" rm none
exits "... by force" 0 "$segctl" rm -f none
exits "a directory" 1 "$segctl" rm dir
says "... says what to do" "dir: this is a directory; use rmdir" "$segctl" rm dir
exits "by another user" 4 as_user "$segctl" rm dir/a
exits "... what is his" 0 as_user "$segctl" rm pub/theirs
touch "$mnt/pub/sticky"
exits "... not in a sticky directory" 4 as_user "$segctl" rm pub/sticky
is "a symbolic link, not what it leads to" "$("$segctl" rm link && ls "$mnt/link" "$mnt/seg" 2>/dev/null)" "$mnt/seg"
is "several, whatever one is" "$("$segctl" rm none dir lock go 2>/dev/null; echo $?; ls -d "$mnt/lock" "$mnt/go" "$mnt/dir" 2>/dev/null)" "1
$mnt/dir"
exec 5<>"$mnt/seg"
exits "one that is open" 0 "$segctl" rm seg
is "... is kept by who has it" "$(stat -L -c %s /dev/fd/5)" 32768
exec 5>&-
exits "names of odd bytes" 0 "$segctl" rm -- "$mnt/names"/*
is "... are gone" "$(ls "$mnt/names")" ""
exits "a name like an option" 0 bash -c 'touch "$1/-dash" && "$0" rm -- -dash' "$segctl" "$mnt"
exits "a System V segment" 0 "$segctl" rm "sysv/$key"
is "... is removed" "$(ipcs -m | awk -v id="$id" '$2 == id' | wc -l)" 0
exits "a POSIX object" 0 "$segctl" rm "posix/$posix"
is "... is removed" "$(test -e "/dev/shm/$posix" || echo gone)" gone
exits "what segfs knows" 4 "$segctl" rm .segfs/status

# --- elsewhere, and two mounts ---

kill -9 "$(status worker_pid)"
is "a dead worker is not noticed" "$("$segctl" get private size)" 1
mkdir "$TMPDIR/second" "$TMPDIR/disk"
"$SEGFS" "$TMPDIR/second"
exits "two mounts" 3 env -u SEGFS_MOUNT "$segctl" rm private
exits "... by a path" 0 env -u SEGFS_MOUNT "$segctl" rm "$mnt/private"
umount "$TMPDIR/second"
export SEGFS_MOUNT=$TMPDIR/disk
"$segctl" new --size 64K seg
is "another directory" "$("$segctl" resize seg +1 && "$segctl" get -n seg | awk '{ print $1 }' | xargs)" "size resident owner group mode"
exits "... has no policies" 1 "$segctl" set seg commit=yes
exits "... to get" 1 "$segctl" get seg commit
if setfattr -n user.segfs.commit -v $'odd\e[31m' "$TMPDIR/disk/seg" 2>/dev/null; then
	exits "... also if somebody stored one" 1 "$segctl" get seg commit
else
	tap_skip "... also if somebody stored one" "attributes of users"
fi
exits "... rm" 0 "$segctl" rm seg
export SEGFS_MOUNT=$mnt
kill -9 "$(status supervisor_pid)"
until_true eval "! stat '$mnt/.segfs' >/dev/null 2>&1"
# a name that the kernel does not know yet
for command in "set other commit=yes" "set other" "get other" "resize other 1" "rm other"; do
	# shellcheck disable=SC2086
	exits "a mount that has ended: $command" 3 "$segctl" $command
done
umount -l "$mnt"
tap_done
