#!/bin/bash
# SPDX-License-Identifier: MIT
#
# segctl new: segments and objects with content, owner, mode and policies, whose names appear when they are complete.
set -u
# shellcheck source=tests/lib/tap.sh
. "$SEGFS_TOP/tests/lib/tap.sh"
# shellcheck source=tests/lib/segctl.sh
. "$SEGFS_TOP/tests/lib/segctl.sh"

exits "without a mount" 3 env SEGFS_MOUNT=/nowhere "$segctl" new a --size 1

mkdir "$TMPDIR/disk"
cat >"$TMPDIR/segfs.ini" <<INI
[directory small]
medium = memory
size = 1M
mode = 1777
INI
start --config "$TMPDIR/segfs.ini" || tap_skip_all "a mount"
mkdir -m 1777 "$mnt/pub"

# --- usage ---

help_fits new
exits "no name" 2 "$segctl" new --size 1
exits "two names" 2 "$segctl" new --size 1 a b
exits "no size" 2 "$segctl" new a
says "... says what tells it" "--size, or --load" "$segctl" new a
exits "no number" 2 "$segctl" new --size 1MB a
exits "more than a file can have" 2 "$segctl" new --size 8E a
exits "a mode that is none" 2 "$segctl" new --size 1 --mode 8 a
exits "a kind that is none" 2 "$segctl" new --kind lock a
says "... lists those that are" "recursive-mutex" "$segctl" new --kind lock a
exits "a user who is none" 2 "$segctl" new --size 1 --owner no-such-user a
exits "a group that is none" 2 "$segctl" new --size 1 --owner root:no-such-group a
exits "an owner that is none" 2 "$segctl" new --size 1 --owner : a
exits "a policy that is none" 2 "$segctl" new --size 1 --policy attached=1 a
exits "... without a value" 2 "$segctl" new --size 1 --policy commit a
exits "... with a wrong one" 2 "$segctl" new --size 1 --policy commit=maybe a
says "... which says what would be right" "commit=maybe: neither yes nor no" "$segctl" new --size 1 --policy commit=maybe a
exits "... given twice" 2 "$segctl" new --size 1 --policy commit=yes --policy commit=no a
for lifetime in owner last-close; do
	exits "lifetime=$lifetime, which would end with segctl" 2 "$segctl" new --size 1 --policy lifetime=$lifetime a
done
exits "an object with a size" 2 "$segctl" new --kind mutex --size 4K a
exits "an object with content" 2 "$segctl" new --kind mutex --load - a
exits "a segment with a count" 2 "$segctl" new --size 1 --initial 1 a
exits "a mutex with a count" 2 "$segctl" new --kind mutex --initial 1 a
exits "an event with another count" 2 "$segctl" new --kind event --initial 2 a
exits "an event with a maximum" 2 "$segctl" new --kind event --maximum 2 a
exits "a semaphore with more than its maximum" 2 "$segctl" new --kind semaphore --initial 3 --maximum 2 a
exits "... than there can be" 2 "$segctl" new --kind semaphore --initial 2147483648 a
exits "... than a number can be" 2 "$segctl" new --kind semaphore --maximum 4294967297 a
exits "a barrier for nobody" 2 "$segctl" new --kind barrier a
exits "... for too many" 2 "$segctl" new --kind barrier --maximum 65536 a
exits "an empty name" 2 "$segctl" new --size 1 ''
exits "a name that goes up" 2 "$segctl" new --size 1 pub/../a
exits "a name with a slash at its end" 1 "$segctl" new --size 1 a/
exits "a name that is too long" 1 "$segctl" new --size 1 "$(printf 'x%.0s' {1..256})"
exits "a directory that is not there" 1 "$segctl" new --size 1 none/a
says "... says what to do" "mkdir" "$segctl" new --size 1 none/a
is "of all that nothing was created" "$(find "$mnt" -xdev -path "$mnt/posix" -prune -o -path "$mnt/process" -prune -o -path "$mnt/sysv" -prune -o \
	-path "$mnt/.segfs" -prune -o -type f -print)" ""

# --- segments ---

is "a segment" "$("$segctl" new --size 64K seg; echo $?)" 0
is "... has size, mode and owner" "$(stat -c '%s %a %U %b' "$mnt/seg")" "65536 644 root 0"
is "... the mode is that of the umask" "$(umask 077 && "$segctl" new --size 1 masked && stat -c %a "$mnt/masked")" 600
is "all that can be asked for" "$("$segctl" new --size 128K --mode 2660 --owner nobody:nogroup --policy commit=yes --policy writers=3 \
	--policy size-policy=fixed --policy lifetime=ttl:1h full && stat -c '%s %a %U %G' "$mnt/full")" "131072 2660 nobody nogroup"
is "... policies are set" "$("$segctl" get full commit writers size-policy lifetime | xargs)" "yes 3 fixed ttl:1h"
is "... memory is reserved" "$(stat -c %b "$mnt/full")" 256
is "a group alone" "$("$segctl" new --size 1 --owner :nogroup group && stat -c '%U %G' "$mnt/group")" "root nogroup"
is "numbers of users and groups" "$("$segctl" new --size 1 --owner 4242:4243 numbers && stat -c '%u %g' "$mnt/numbers")" "4242 4243"
is "an empty segment" "$("$segctl" new --size 0 empty && stat -c %s "$mnt/empty")" 0
is "an absolute path" "$("$segctl" new --size 1 "$mnt/absolute" && stat -c %s "$mnt/absolute")" 1
exits "what exists" 1 "$segctl" new --size 1 seg
says "... is named, with what to do" "seg: this name exists; choose another one, or use what exists with --existing" "$segctl" new --size 1 seg
exits "... is accepted" 0 "$segctl" new --existing --size 1 seg
says "... and left as it is, which is said" "65536 bytes; nothing of it was changed" "$segctl" new --existing --size 1 seg
is "... or not" "$("$segctl" new --existing --quiet --size 1 --mode 600 seg 2>&1; stat -c '%s %a' "$mnt/seg")" "65536 644"
is "... nothing is read" "$(printf text | { "$segctl" new -eq --load - seg; cat; })" text
"$segctl" set seg lifetime=last-close
is "... its lifetime does not end by that" "$("$segctl" new -eq --size 1 seg; test -e "$mnt/seg" && echo there)" there
exits "... but not a directory" 1 "$segctl" new --existing --size 1 pub
exits "... nor an object" 1 "$segctl" new --existing --kind mutex seg
ln -s nowhere "$mnt/dangling"
exits "... nor a link that leads nowhere" 1 "$segctl" new --existing --size 1 dangling
says "... which is said" "a symbolic link that leads nowhere" "$segctl" new --existing --size 1 dangling
mkfifo "$mnt/pipe"
exits "... nor a fifo" 1 timeout "$(wait_seconds 20)" "$segctl" new --existing --size 1 pipe
mkdir "$mnt/ending"
"$segctl" set ending lifetime=last-close
exits "a directory whose segments end with segctl" 1 "$segctl" new --size 1 ending/a
says "... says what to do" "add --policy lifetime=persistent" "$segctl" new --size 1 ending/a
exits "... does not hinder others" 0 "$segctl" new --size 1 --policy lifetime=persistent ending/a
exits "no room" 1 "$segctl" new --size 8M --policy commit=yes small/a
says "... is said" "there is no room for it" "$segctl" new --size 8M --policy commit=yes small/a
is "... and leaves nothing" "$(ls -A "$mnt/small")" ""
exits "lock=mandatory" 1 "$segctl" new --size 1 --policy lock=mandatory mandatory
says "... says where it is possible" "-o mand" "$segctl" new --size 1 --policy lock=mandatory mandatory

# --- content ---

seq 100000 >"$TMPDIR/text"
truncate -s 100M "$TMPDIR/sparse"
printf middle | dd of="$TMPDIR/sparse" bs=1 seek=50000000 conv=notrunc status=none
exits "a file" 0 "$segctl" new --load "$TMPDIR/text" text
ok "... is loaded" cmp "$TMPDIR/text" "$mnt/text"
exits "a sparse file" 0 "$segctl" new --load "$TMPDIR/sparse" sparse
ok "... is loaded" cmp "$TMPDIR/sparse" "$mnt/sparse"
is "... and stays sparse" "$(($(stat -c %b "$mnt/sparse") < 100))" 1
exits "a file of more than --size" 1 "$segctl" new --size 1K --load "$TMPDIR/text" less
is "... of less" "$("$segctl" new --size 1M --load "$TMPDIR/text" more && stat -c %s "$mnt/more")" 1048576
ok "... the rest is zero" cmp -n 1048576 "$mnt/more" <(cat "$TMPDIR/text" /dev/zero)
is "a pipe" "$("$segctl" new --load - piped <"$TMPDIR/text" 2>&1; cat "$TMPDIR/text" | "$segctl" new --load - pipe2; cmp "$mnt/pipe2" "$TMPDIR/text" && echo same)" same
ok "standard input that is a file" cmp "$mnt/piped" "$TMPDIR/text"
is "... of which a part was read" "$({ dd bs=2 count=1 status=none >/dev/null; "$segctl" new --load - tail; } <"$TMPDIR/text"; cmp "$mnt/tail" <(tail -c +3 "$TMPDIR/text") && echo same)" same
is "a file that does not tell its size" "$("$segctl" new --load /proc/version version && cmp /proc/version "$mnt/version" && echo same)" same
is "an empty file" "$("$segctl" new --load /dev/null devnull && : >"$TMPDIR/empty" && "$segctl" new --load "$TMPDIR/empty" empty2 && stat -c %s "$mnt/empty2")" 0
is "an empty pipe" "$(: | "$segctl" new --load - nothing && stat -c %s "$mnt/nothing")" 0
is "a pipe of more than --size" "$("$segctl" new --size 1K --load - less 2>&1 < <(cat "$TMPDIR/text"); test -e "$mnt/less" || echo none)" \
	"segctl: new: 'standard input': it has more bytes than --size says; nothing was created
none"
exits "a file that is not there" 1 "$segctl" new --load "$TMPDIR/none" less
exits "a directory" 1 "$segctl" new --load "$TMPDIR" less
is "no room" "$("$segctl" new --load "$TMPDIR/sparse" small/a && cat "$mnt/small/a" | wc -c; head -c 2M /dev/urandom | "$segctl" new --load - small/b 2>&1; ls "$mnt/small")" \
	"104857600
segctl: new: small/b: there is no room for it; 'df' shows that of its directory
a"
is "content, owner and set-id bits" "$("$segctl" new --load "$TMPDIR/text" --mode 6755 --owner nobody:nogroup all && stat -c '%a %U' "$mnt/all")" "6755 nobody"
exits "a fixed size and a pipe" 0 bash -c '"$0" new --policy size-policy=fixed --load - fixed < <(cat "$1")' "$segctl" "$TMPDIR/text"
ok "... has all" cmp "$mnt/fixed" "$TMPDIR/text"
exits "a sparse file that is reserved" 0 "$segctl" new --policy commit=yes --size 8M --load "$TMPDIR/text" reserved
is "... is" "$(($(stat -c %b "$mnt/reserved") >= 16384))" 1

# --- objects ---

for kind in mutex recursive-mutex rwlock semaphore event auto-event doorbell condition; do
	is "a $kind" "$("$segctl" new --kind $kind "o-$kind" && "$segctl" get "o-$kind" object && "$segctl" value "o-$kind")" "$kind
0"
done
is "a barrier" "$("$segctl" new --kind barrier --maximum 2 o-barrier && "$segctl" get o-barrier object)" barrier
is "a semaphore with a count" "$("$segctl" new --kind semaphore --initial 3 --maximum 4 slots && "$segctl" value slots)" 3
is "... and a maximum" "$("$segctl" post slots 2 2>/dev/null; echo $?; "$segctl" value slots)" "1
3"
is "an event that is set" "$("$segctl" new --kind event --initial 1 go && "$segctl" value go)" 1
is "owner, mode and policy" "$("$segctl" new --kind mutex --mode 660 --owner nobody --policy lifetime=ttl:1h lock && stat -c '%a %U' "$mnt/lock" &&
	"$segctl" get lock lifetime)" "660 nobody
ttl:1h"
exits "an object that exists" 1 "$segctl" new --kind mutex lock
exits "... is accepted" 0 "$segctl" new --existing --kind mutex lock
exits "... not one of another kind" 1 "$segctl" new --existing --kind rwlock lock
says "... which is said" "lock: a mutex has this name" "$segctl" new --existing --kind rwlock lock
exits "... nor for a segment" 1 "$segctl" new --existing --size 4K lock

# --- sources ---

key=$(printf 'sysv/0x5e6%05x' $(($$ % 1048576)))
is "a System V segment" "$("$segctl" new --size 64K --mode 640 --owner nobody "$key" && stat -c '%s %a %U' "$mnt/$key")" "65536 640 nobody"
exits "... that exists" 1 "$segctl" new --size 64K "$key"
"$segctl" rm "$key"
is "... with content" "$("$segctl" new --load "$TMPDIR/text" "$key" && cmp "$mnt/$key" "$TMPDIR/text" && echo same)" same
"$segctl" rm "$key"
is "... from a pipe" "$("$segctl" new --load - "$key" 2>&1 < <(echo text); "$segctl" new --size 5 --load - "$key" < <(echo text); cat "$mnt/$key")" \
	"segctl: new: $key: its size must be known before it is loaded; add --size
text"
"$segctl" rm "$key"
exits "... not with policies" 1 "$segctl" new --size 64K --policy commit=yes "$key"
exits "... nor as an object" 1 "$segctl" new --kind mutex "$key"
exits "... nor with another name" 1 "$segctl" new --size 64K sysv/name
is "... all that leaves nothing" "$(test -e "$mnt/$key" || echo none)" none
posix=posix/segfs-test-$$
is "a POSIX object" "$("$segctl" new --load "$TMPDIR/text" --mode 640 $posix && stat -c '%s %a' "/dev/shm/${posix#*/}")" "588895 640"
"$segctl" rm $posix
exits "... which is no synchronization object" 1 "$segctl" new --kind mutex $posix
exits "memory of processes" 4 "$segctl" new --size 1 process/a
exits "what segfs knows" 4 "$segctl" new --size 1 .segfs/a

# --- other users ---

exits "an ordinary user" 0 as_user "$segctl" new --size 4K pub/theirs
is "... owns it" "$(stat -c '%u' "$mnt/pub/theirs")" 65534
exits "... not where he may not" 4 as_user "$segctl" new --size 4K ending/theirs
says "... which is said" "you may not create names in its directory" as_user "$segctl" new --size 4K ending/theirs
exits "... not for others" 4 as_user "$segctl" new --size 4K --owner root pub/gift
says "... which is said" "only root can give it" as_user "$segctl" new --size 4K --owner root pub/gift
is "... and leaves nothing" "$(test -e "$mnt/pub/gift" || echo none)" none
chmod 600 "$TMPDIR/text"
chmod 711 "$TMPDIR"
exits "... not what he may not read" 4 as_user "$segctl" new --load "$TMPDIR/text" pub/secret
exits "an object of his" 0 as_user "$segctl" new --kind mutex pub/lock

# --- names ---

mkdir "$TMPDIR/names" "$mnt/names"
hostile_names "$TMPDIR/names"
for file in "$TMPDIR/names"/*; do
	"$segctl" new --load "$file" "names/${file##*/}" || echo failed
	"$segctl" new --size 1 "names/${file##*/}" 2>&1 | LC_ALL=C grep -c '[^[:print:]]'
done | sort | uniq -c | sed 's/^ *//' >"$TMPDIR/hostile"
ok "names of odd bytes" diff -r "$TMPDIR/names" "$mnt/names"
is "... no odd byte gets to a terminal" "$(cat "$TMPDIR/hostile")" "12 0
1 1"
is "... a name like an option" "$(cd "$mnt/names" && "$segctl" new --size 1 -- -dash 2>&1; stat -c %s "$mnt/-dash")" 1

# --- deaths and races ---

mkdir "$mnt/deaths"
mkfifo "$TMPDIR/slow"
# whether a process has written something to a file without a name
has_written() { # PID
	local fd
	for fd in "/proc/$1/fd"/*; do
		[[ $(readlink "$fd") == "$mnt"/*deleted* ]] && [ "$(stat -L -c %b "$fd")" -gt 0 ] && return
	done
	return 1
}
load_slowly() { # NAME
	"$segctl" new --load "$TMPDIR/slow" "$1" &
	loader=$!
	exec 7>"$TMPDIR/slow"
	head -c 100000 "$TMPDIR/sparse" >&7
	until_true has_written $loader
}
for signal in INT TERM KILL; do
	load_slowly deaths/killed
	is "nothing is visible while it is loaded" "$(ls -A "$mnt/deaths")" ""
	kill -$signal $loader
	[ $signal != INT ] || kill $loader # which a shell lets a job in the background ignore
	exec 7>&-
	wait $loader 2>/dev/null
	is "... nor after SIG$signal" "$(ls -A "$mnt/deaths")" ""
done
is "killed at any time, it is there or not" "$(for ((i = 1; i <= 30; i++)); do
	timeout -s KILL "0.$(printf '%03d' $i)" "$segctl" new --load "$TMPDIR/text" "deaths/$i" 2>/dev/null
	[ ! -e "$mnt/deaths/$i" ] || cmp "$TMPDIR/text" "$mnt/deaths/$i" || echo half
done 2>/dev/null; find "$mnt/deaths" -type f ! -name '[0-9]*')" ""
load_slowly deaths/worker
kill -9 "$(status worker_pid)"
head -c 100000 "$TMPDIR/text" >&7
exec 7>&-
wait $loader
is "a worker that dies meanwhile is not noticed" "$?" 0
ok "... the content is complete" cmp "$mnt/deaths/worker" <(head -c 100000 "$TMPDIR/sparse"; head -c 100000 "$TMPDIR/text")

race() { # OPTION...
	local i
	for ((i = 0; i < 8; i++)); do
		(
			"$segctl" new "$@" 2>/dev/null
			echo $?
		) &
	done
	wait
}
is "of several at a time, one creates it" "$(for ((r = 0; r < 10; r++)); do race --size 64K "deaths/race$r"; done | sort | uniq -c | xargs)" "10 0 70 1"
is "... with content" "$(for ((r = 0; r < 10; r++)); do race --load "$TMPDIR/text" "deaths/content$r"; done | sort | uniq -c | xargs)" "10 0 70 1"
is "... and all are content with what exists" "$(for ((r = 0; r < 10; r++)); do race --kind mutex --existing "deaths/lock$r"; done | sort | uniq -c | xargs)" "80 0"
is "... nothing is left" "$(find "$mnt" -maxdepth 2 -name '.segfs-*')" ""

# --- elsewhere ---

export SEGFS_MOUNT=$TMPDIR/disk
is "another directory" "$("$segctl" new --load "$TMPDIR/text" --mode 640 seg && cmp "$TMPDIR/disk/seg" "$TMPDIR/text" && stat -c %a "$TMPDIR/disk/seg")" 640
is "... an object" "$("$segctl" new --kind semaphore --initial 2 slots && "$segctl" value slots)" 2
exits "... that exists" 0 "$segctl" new --existing --kind semaphore slots
exits "... of another kind" 1 "$segctl" new --existing --kind mutex slots
exits "... has no policies" 1 "$segctl" new --size 1 --policy commit=yes policy
is "... and leaves nothing" "$(ls -A "$TMPDIR/disk")" "seg
slots"
export SEGFS_MOUNT=$mnt
kill -9 "$(status supervisor_pid)"
until_true eval "! stat '$mnt/.segfs' >/dev/null 2>&1"
exits "a mount that has ended" 3 "$segctl" new --size 1 a
exits "... by its path" 3 "$segctl" new --size 1 "$mnt/a"
umount -l "$mnt"
tap_done
