#!/bin/bash
# SPDX-License-Identifier: MIT
#
# segctl lock: a command that runs while a segment, a mutex or a reader-writer lock is locked, whatever dies meanwhile.
set -u
# shellcheck source=tests/lib/tap.sh
. "$SEGFS_TOP/tests/lib/tap.sh"
# shellcheck source=tests/lib/segctl.sh
. "$SEGFS_TOP/tests/lib/segctl.sh"

exits "without a mount" 3 env SEGFS_MOUNT=/nowhere "$segctl" lock a -- true
start || tap_skip_all "a mount"
mkdir -m 1777 "$mnt/pub"
"$segctl" new --size 64K --mode 644 seg
for kind in mutex recursive-mutex rwlock semaphore; do
	"$segctl" new --kind $kind --mode 666 $kind
done

# runs a command under a lock until `release`, given the arguments before "--"
mkfifo "$TMPDIR/go"
keep() { # [OPTION]... NAME
	rm -f "$TMPDIR/held"
	# shellcheck disable=SC2016 # for the other shell
	"$segctl" lock "$@" -- sh -c 'echo $$ >"$1/held.new"; mv "$1/held.new" "$1/held"; read -r _ <"$1/go"; exit 5' sh "$TMPDIR" 2>"$TMPDIR/keep.err" &
	keeper=$!
	until_true test -e "$TMPDIR/held"
	held=$(cat "$TMPDIR/held")
}
release() {
	echo >"$TMPDIR/go"
	wait $keeper
}
# whether a process waits in a system call, and not for a file
waits() { grep -q '^State:[[:space:]]*S' "/proc/$1/status" && grep -q -v '^running' "/proc/$1/syscall"; }

# --- usage ---

help_fits lock
exits "no name" 2 "$segctl" lock
exits "no command" 2 "$segctl" lock seg
exits "... after --" 2 "$segctl" lock seg --
exits "an option after the name" 2 "$segctl" lock seg -n true
says "... says where it belongs" "-n: options come before the name" "$segctl" lock seg -n true
exits "a range that is none" 2 "$segctl" lock --range 1:x seg -- true
exits "... beyond a file" 2 "$segctl" lock --range 8E:1 seg -- true
exits "... that ends beyond it" 2 "$segctl" lock --range 1:9223372036854775807 seg -- true
exits "a range of flock" 2 "$segctl" lock --flock --range 1:1 seg -- true
exits "a status that is none" 2 "$segctl" lock --exit-code 256 seg -- true
exits "to clear a segment" 2 "$segctl" lock --clear seg -- true
exits "to clear what is read" 2 "$segctl" lock --clear --shared rwlock -- true
exits "flock of a mutex" 2 "$segctl" lock --flock mutex -- true
exits "a range of a mutex" 2 "$segctl" lock --range 1:1 mutex -- true
exits "a mutex that is shared" 1 "$segctl" lock --shared mutex -- true
exits "a semaphore" 1 "$segctl" lock semaphore -- true
says "... says what it is for" "semaphore: this is a semaphore; use 'segctl wait'" "$segctl" lock semaphore -- true
exits "what is not there" 1 "$segctl" lock none -- true
exits "a directory" 1 "$segctl" lock pub -- true

# --- the command ---

is "its output" "$("$segctl" lock seg -- printf '%s,' a '' 'b c' --flag)" "a,,b c,--flag,"
is "... input" "$(echo text | "$segctl" lock seg -- cat)" text
is "without --" "$("$segctl" lock seg printf %s -n)" -n
exits "its status" 7 "$segctl" lock seg -- sh -c 'exit 7'
exits "... of a signal" 137 "$segctl" lock seg -- sh -c 'kill -9 $$'
exits "one that is not there" 127 "$segctl" lock seg -- no-such-command
says "... is named" "no-such-command: the command cannot be executed: No such file" "$segctl" lock seg -- no-such-command
exits "one that cannot be executed" 126 "$segctl" lock seg -- /etc/passwd
is "it has no descriptor of the segment" "$("$segctl" lock seg -- ls -l /proc/self/fd | grep -c "$mnt/seg")" 0
is "it has the signals of before" "$("$segctl" lock seg -- grep -E '^Sig(Blk|Ign)' /proc/self/status)" "$(env grep -E '^Sig(Blk|Ign)' /proc/self/status)"
is "... also ignored ones" "$(trap '' INT TERM ALRM CHLD; "$segctl" lock --timeout 9s seg -- grep -E '^Sig(Blk|Ign)' /proc/self/status)" \
	"$(trap '' INT TERM ALRM CHLD; env grep -E '^Sig(Blk|Ign)' /proc/self/status)"

# --- what is locked ---

for name in seg mutex recursive-mutex rwlock; do
	keep $name
	exits "$name is locked" 1 "$segctl" lock --nonblock $name -- true
	says "... which is said" "$name: it is" "$segctl" lock --nonblock $name -- true
	is "... or not" "$("$segctl" lock -nq $name -- true 2>&1; echo $?)" 1
	exits "... with another status" 75 "$segctl" lock -n --exit-code 75 $name -- true
	exits "... as 0" 0 "$segctl" lock -n --exit-code 0 $name -- false
	exits "... for some time" 1 "$segctl" lock --timeout 50ms $name -- true
	exits "... for nearly a millisecond" 1 timeout "$(wait_seconds 20)" "$segctl" lock --timeout 0.9999999ms $name -- true
	exits "... for no time" 1 "$segctl" lock --timeout 0 $name -- true
	"$segctl" lock --timeout 1h $name -- touch "$TMPDIR/later-$name" &
	waiter=$!
	until_true waits $waiter
	is "... who waits does" "$(ls "$TMPDIR/later-$name" 2>/dev/null)" ""
	release
	is "... until the command has ended" "$?" 5
	wait $waiter
	is "... then it is the next one's" "$? $(ls "$TMPDIR/later-$name")" "0 $TMPDIR/later-$name"
done
is "a mutex is held" "$("$segctl" lock mutex -- "$segctl" value mutex)" 1
is "... and released" "$("$segctl" value mutex)" 0
is "a rwlock is held for writing" "$("$segctl" lock rwlock -- "$segctl" value rwlock)" writing
is "... by several for reading" "$("$segctl" lock -s rwlock -- "$segctl" lock -s rwlock -- "$segctl" value rwlock)" 2
exits "... not for writing as well" 1 "$segctl" lock -s rwlock -- "$segctl" lock -n rwlock -- true
exits "a segment, shared" 0 "$segctl" lock -s seg -- "$segctl" lock -sn seg -- true
exits "... not exclusive as well" 1 "$segctl" lock -s seg -- "$segctl" lock -n seg -- true
exits "ranges that do not touch" 0 "$segctl" lock -r 0:4K seg -- "$segctl" lock -n -r 4K:0 seg -- true
exits "... that do" 1 "$segctl" lock -r 0:4097 seg -- "$segctl" lock -n -r 4K seg -- true
exits "... to the end, whatever that is" 1 "$segctl" lock -r 4K seg -- "$segctl" lock -n -r 1T:1 seg -- true
exits "... of the last byte" 0 "$segctl" lock -r 9223372036854775806:1 seg -- true
exits "flock(2)" 1 "$segctl" lock -f seg -- flock -n "$mnt/seg" true
exits "... of another" 1 flock "$mnt/seg" "$segctl" lock -fn seg -- true
exits "... in time" 1 flock "$mnt/seg" "$segctl" lock -f -t 50ms seg -- true
exits "... shared" 0 "$segctl" lock -fs seg -- flock -sn "$mnt/seg" true
exits "... is no lock of fcntl(2)" 0 "$segctl" lock -f seg -- "$segctl" lock -n seg -- true
is "it is listed" "$("$segctl" lock -r 0:4K seg -- grep -c ' 0 4095 .*seg$' "$mnt/.segfs/locks")" 1
"$segctl" set seg writers=1
exec 5<>"$mnt/seg"
exits "a segment that no more may write" 1 "$segctl" lock seg -- true
says "... says what to do" "try --flock" "$segctl" lock seg -- true
exits "... flock(2)" 0 "$segctl" lock --flock seg -- true
exec 5>&-
"$segctl" set seg writers=0

# --- signals and deaths ---

keep seg
kill $keeper
wait $keeper
is "SIGTERM is passed on" "$?" 143
ok "... the command has ended" gone "$held"
exits "... and the lock is free" 0 "$segctl" lock -n seg -- true
# shellcheck disable=SC2016 # for the other shell
is "what the command does with it, it does" "$("$segctl" lock seg -- sh -c 'trap "echo caught; exit 3" TERM; kill $PPID; while :; do sleep 0.01; done'; echo $?)" "caught
3"
for name in seg mutex recursive-mutex rwlock; do
	keep $name
	kill -9 $keeper
	wait $keeper 2>/dev/null
	exits "$name is free when segctl is killed" 0 "$segctl" lock --timeout "$(wait_seconds 20)s" $name -- true
	ok "... and the command ends" until_true gone "$held"
	[ $name != seg ] || continue
	says "... the next owner is told" "$name: its last owner died while it held it; with --clear" "$segctl" lock $name -- true
	exits "... a command that fails does not clear that" 1 "$segctl" lock --clear $name -- false
	says "... so that the next one is told" "its last owner died while it held it" "$segctl" lock --clear $name -- true
	is "... one that succeeds does" "$("$segctl" lock $name -- echo quiet 2>&1)" quiet
done
keep -s rwlock
kill -9 $keeper
wait $keeper 2>/dev/null
says "a reader that died is told" "rwlock: a process died while it read" "$segctl" lock --clear --timeout "$(wait_seconds 20)s" rwlock -- true
is "... once it is cleared, no more" "$("$segctl" lock rwlock -- echo quiet 2>&1)" quiet
keep mutex
"$segctl" lock mutex -- touch "$TMPDIR/after" &
waiter=$!
until_true waits $waiter
kill -9 $waiter
wait $waiter 2>/dev/null
release
is "who is killed while he waits leaves nothing" "$("$segctl" lock -n mutex -- echo quiet 2>&1; ls "$TMPDIR/after" 2>/dev/null)" quiet
for name in seg mutex; do
	keep $name
	"$segctl" lock --timeout 1h $name -- true &
	waiter=$!
	until_true waits $waiter
	kill -9 "$(status worker_pid)"
	exits "a worker that dies takes no lock: $name" 1 "$segctl" lock -n $name -- true
	release
	wait $waiter
	is "... nor does one who waits notice" "$?" 0
done

# --- other users ---

exits "who may only read locks for reading" 0 as_user "$segctl" lock --shared seg -- true
exits "... or by flock(2)" 0 as_user "$segctl" lock --flock seg -- true
exits "... not for writing" 4 as_user "$segctl" lock seg -- true
says "... which is said" "try --shared, or --flock" as_user "$segctl" lock seg -- true
exits "an object of all" 0 as_user "$segctl" lock mutex -- true
chmod 644 "$mnt/mutex"
exits "... that may not be written" 4 as_user "$segctl" lock mutex -- true
chmod 600 "$mnt/seg"
exits "what may not be read" 4 as_user "$segctl" lock -s seg -- true

# --- names ---

mkdir "$mnt/names"
hostile_names "$mnt/names"
is "names of odd bytes" "$(for file in "$mnt/names"/*; do
	"$segctl" lock "names/${file##*/}" -- "$segctl" lock -n "names/${file##*/}" -- true 2>&1 | LC_ALL=C grep -c '[^[:print:]]'
done | sort | uniq -c | sed 's/^ *//')" "12 0
1 1"
"$segctl" new --kind mutex $'names/lock\e[31m'
is "... of objects" "$({
	"$segctl" lock -f $'names/lock\e[31m' -- true
	"$segctl" lock -s $'names/lock\e[31m' -- true
	"$segctl" lock $'names/lock\e[31m' -- $'no\e[31mcommand'
} 2>&1 | LC_ALL=C grep -c '[^[:print:]]')" 0

# --- a terminal ---

if command -v tmux >/dev/null; then
	rm -f "$TMPDIR/held"
	terminal 80 24 env SEGFS_MOUNT="$mnt" "$segctl" lock mutex -- sh -c "'touch $TMPDIR/held; sleep 1000; echo not reached'"
	until_true test -e "$TMPDIR/held"
	exits "a command in a terminal holds it" 1 "$segctl" lock -n mutex -- true
	keys C-c
	ended
	is "... Ctrl-C ends the command" "$(screen | grep -c 'not reached')" 0
	shows "status 130"
	is "... with the status of the signal" "$(screen | grep -o 'status [0-9]*')" "status 130"
	is "... and the lock is released, by who held it" "$("$segctl" lock -n mutex -- echo quiet 2>&1)" quiet
	close_terminal
	rm -f "$TMPDIR/held"
	terminal 80 24 env SEGFS_MOUNT="$mnt" "$segctl" lock mutex -- sh -c \
		"'trap \"echo caught >>$TMPDIR/caught\" INT; touch $TMPDIR/held; while ! [ -e $TMPDIR/caught ]; do sleep 0.01; done; read -r line; exit 9'"
	until_true test -e "$TMPDIR/held"
	keys C-c
	until_true test -s "$TMPDIR/caught"
	exits "a command that catches Ctrl-C goes on" 1 "$segctl" lock -n mutex -- true
	keys Enter
	ended
	is "... and gets it once" "$(cat "$TMPDIR/caught")" caught
	is "... its status is passed on" "$(screen | grep -o 'status [0-9]*')" "status 9"
else
	tap_skip "in a terminal" tmux
fi

# --- mandatory locks, and other directories ---

mkdir "$TMPDIR/disk"
truncate -s 4K "$TMPDIR/disk/seg"
exits "another directory" 1 env SEGFS_MOUNT="$TMPDIR/disk" "$segctl" lock seg -- env SEGFS_MOUNT="$TMPDIR/disk" "$segctl" lock -n seg -- true
is "... an object" "$(export SEGFS_MOUNT=$TMPDIR/disk; "$segctl" new --kind mutex mutex && "$segctl" lock mutex -- "$segctl" value mutex)" 1
stop
start -o mand
keep seg
exits "a mount that keeps the locks" 1 "$segctl" lock -t 50ms seg -- true
says "... and knows who has it" "seg: it is locked by process $keeper" "$segctl" lock -n seg -- true
"$segctl" lock --timeout 1h seg -- true &
waiter=$!
until_true grep -q -e ' -> ' "$mnt/.segfs/locks"
kill -9 "$(status worker_pid)"
release
wait $waiter
is "... whose worker dies while somebody waits" "$?" 0
keep -f seg
exits "... flock(2)" 1 "$segctl" lock -f -t 50ms seg -- true
release
kill -9 "$(status supervisor_pid)"
until_true eval "! stat '$mnt/.segfs' >/dev/null 2>&1"
exits "a mount that has ended" 3 "$segctl" lock other -- true
umount -l "$mnt"
tap_done
