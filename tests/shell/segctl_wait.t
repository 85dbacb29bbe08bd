#!/bin/bash
# SPDX-License-Identifier: MIT
#
# segctl wait, post, ring, reset and value, and set of events: synchronization objects for scripts.
set -u
# shellcheck source=tests/lib/tap.sh
. "$SEGFS_TOP/tests/lib/tap.sh"
# shellcheck source=tests/lib/segctl.sh
. "$SEGFS_TOP/tests/lib/segctl.sh"

for command in wait post ring reset value; do
	exits "$command without a mount" 3 env SEGFS_MOUNT=/nowhere "$segctl" $command a
done
start || tap_skip_all "a mount"
"$segctl" new --size 4K seg
mkdir "$mnt/dir"
for kind in mutex rwlock condition event auto-event doorbell; do
	"$segctl" new --kind $kind --mode 644 $kind
done
"$segctl" new --kind semaphore --maximum 5 semaphore
"$segctl" new --kind barrier --maximum 2 barrier

# begin COMMAND... runs segctl in the background until ended; its output and status are in $TMPDIR
begin() {
	{
		"$segctl" "$@" >"$TMPDIR/out" 2>&1
		echo $? >"$TMPDIR/status"
	} &
	job=$!
	until_true waiting
}
waiting() { grep -qs '^State:[[:space:]]*S' "/proc/$(waiter)/status"; }
waiter() {
	local child
	read -r child 2>/dev/null <"/proc/$job/task/$job/children"
	echo "$child"
}
is_ended() { # NAME STATUS [OUTPUT]
	wait $job 2>/dev/null
	is "$1" "$(xargs <"$TMPDIR/out")${3+ }$(cat "$TMPDIR/status")" "${3-}${3+ }$2"
}

# --- usage ---

for command in wait post ring reset value; do
	help_fits $command
	exits "$command of nothing" 2 "$segctl" $command
	exits "... of what is not there" 1 "$segctl" $command none
	says "... says what to do" "none: there is no such object; 'segctl new --kind' creates one" "$segctl" $command none
	exits "... of a segment" 1 "$segctl" $command seg
	says "... says what it is" "seg: this is a segment" "$segctl" $command seg
	exits "... of a directory" 1 "$segctl" $command dir
	exits "... by a user who may not write" 4 as_user "$segctl" $command event
done
exits "a time that is none" 2 "$segctl" wait --timeout soon event
# shellcheck disable=SC2046 # words
exits "more than can be waited for" 2 "$segctl" wait $(printf 'event%.0s ' {1..129})
# shellcheck disable=SC2046 # words
exits "... as many as can be" 1 "$segctl" wait --try $(printf 'event %.0s' {1..128})
for name in mutex rwlock; do
	for command in wait post ring reset set; do
		says "$command of a $name" "this is a $name; use 'segctl lock'" "$segctl" $command $name
	done
done
for name in condition barrier; do
	says "wait for a $name" "$name: this is a $name; only programs use it" "$segctl" wait $name
done
exits "post to an event" 1 "$segctl" post event
says "... says what it is for" "use 'segctl wait', 'segctl set' and 'segctl reset'" "$segctl" post event
for n in 0 -1 x 2147483648 99999999999999999999; do
	exits "post $n" 2 "$segctl" post -- semaphore $n
done

# --- what is there ---

exits "a semaphore of which there is none" 1 "$segctl" wait --try semaphore
says "... is said" "semaphore: it was not there" "$segctl" wait --try semaphore
is "... or not" "$("$segctl" wait --try --quiet semaphore 2>&1; echo $?)" 1
exits "... for some time" 1 "$segctl" wait --timeout 50ms semaphore
says "... is said" "semaphore: it was not there before the time was over" "$segctl" wait --timeout 1ms semaphore
is "a semaphore" "$("$segctl" post semaphore 2; "$segctl" value semaphore; "$segctl" wait semaphore; "$segctl" value semaphore)" "2
1"
exits "more than its maximum" 1 "$segctl" post semaphore 5
says "... is said" "its count would be more than its maximum; nothing was added" "$segctl" post semaphore 5
is "... nothing is added" "$("$segctl" value semaphore)" 1
"$segctl" wait semaphore
is "an event" "$("$segctl" set event; "$segctl" wait event event; "$segctl" value event; "$segctl" reset event; "$segctl" value event)" "event
1
0"
is "... that resets itself" "$("$segctl" set auto-event; "$segctl" wait auto-event; "$segctl" value auto-event)" 0
exits "a doorbell that rang before" 1 bash -c '"$0" ring doorbell; "$0" wait --try doorbell' "$segctl"
is "... is counted" "$("$segctl" value doorbell)" 1

# --- waits ---

begin wait semaphore
"$segctl" post semaphore
is_ended "a wait for a semaphore" 0
begin wait --timeout 1h event
"$segctl" set event
is_ended "a wait for an event" 0
"$segctl" reset event
begin wait auto-event
"$segctl" set auto-event
is_ended "... that resets itself" 0
begin wait doorbell
until_true eval '"$segctl" ring doorbell; ! waiting'
is_ended "a wait for a doorbell" 0
begin wait doorbell semaphore event
"$segctl" set event
is_ended "one of several" 0 event
"$segctl" post semaphore
is "... in their order" "$("$segctl" wait semaphore event; "$segctl" wait semaphore event; "$segctl" value event)" "semaphore
event
1"
"$segctl" reset event
begin wait --all semaphore event
"$segctl" set event
is "all of several: not before all are there" "$(waiting && "$segctl" value event)" 1
"$segctl" post semaphore
is_ended "... then they are" 0
is "... and taken" "$("$segctl" value semaphore)" 0
exits "all of several that are not there in time" 1 "$segctl" wait --all --timeout 50ms event semaphore
says "... is said" "not all of them were there before the time was over" "$segctl" wait --all --timeout 1ms event semaphore
"$segctl" reset event
says "none of several" "none of them was there" "$segctl" wait --try event semaphore
for signal in TERM KILL; do
	begin wait semaphore
	kill -$signal "$(waiter)"
	wait $job 2>/dev/null
	is "a wait that SIG$signal ends takes nothing" "$("$segctl" post semaphore && "$segctl" wait --try semaphore; echo $?)" 0
done
for ((i = 0; i < 5; i++)); do "$segctl" wait semaphore & done
"$segctl" post semaphore 5
wait
is "a post of several ends as many waits" "$("$segctl" value semaphore)" 0
begin wait event
kill -9 "$(status worker_pid)"
"$segctl" set event
is_ended "a worker that dies meanwhile is not noticed" 0
begin wait doorbell
"$segctl" rm doorbell
kill "$(waiter)"
is_ended "what is removed is waited for" 143

# --- values ---

is "a mutex" "$("$segctl" value mutex)$("$segctl" lock mutex -- "$segctl" value mutex)" 01
is "a rwlock" "$("$segctl" value rwlock) $("$segctl" lock -s rwlock -- "$segctl" value rwlock) $("$segctl" lock rwlock -- "$segctl" value rwlock)" \
	"0 1 writing"
is "a condition, a barrier" "$("$segctl" value condition) $("$segctl" value barrier)" "0 0"
truncate -s 4K "$mnt/zero"
exits "a file that is no object" 1 "$segctl" value zero

# --- names ---

for name in $'new\nline' $'escape\e[31mred' $'invalid\xff\xfe' 'two words' "quo'te" -dash '*'; do
	"$segctl" new --kind event --initial 1 -- "$name"
	is "a name of odd bytes" "$("$segctl" wait -- event "$name" | od -c)" "$(echo event | od -c)"
	"$segctl" reset event
	is "... is printed as it is for a program" "$("$segctl" wait -- event "$name")" "$name"
	is "... no odd byte gets to a terminal" "$("$segctl" post -- "$name" 2>&1 | LC_ALL=C grep -c '[^[:print:]]')" 0
	"$segctl" set event
done
if command -v tmux >/dev/null; then
	terminal 80 24 env SEGFS_MOUNT="$mnt" "$segctl" wait "\$'escape\\e[31mred'" event
	ended
	is "... in a terminal it is quoted" "$(screen | grep -cF '$'"'"'escape\033[31mred'"'")" 1
	close_terminal
	"$segctl" reset event
	terminal 80 24 env SEGFS_MOUNT="$mnt" "$segctl" wait event
	until_true grep -q ' event$' "$mnt/.segfs/attached"
	keys C-c
	ok "Ctrl-C ends a wait, and the shell that waits for it" until_true no_terminal
else
	tap_skip "... in a terminal it is quoted" tmux
	tap_skip "Ctrl-C ends a wait" tmux
fi

# --- elsewhere ---

mkdir "$TMPDIR/disk"
export SEGFS_MOUNT=$TMPDIR/disk
is "another directory" "$("$segctl" new --kind semaphore slots; "$segctl" post slots 3; "$segctl" wait slots; "$segctl" value slots)" 2
exits "... what is no object" 1 bash -c 'truncate -s 4K "$1/zero"; "$0" value zero' "$segctl" "$TMPDIR/disk"
export SEGFS_MOUNT=$mnt
begin wait --timeout 1h auto-event
kill -9 "$(status supervisor_pid)"
until_true eval "! stat '$mnt/.segfs' >/dev/null 2>&1"
exits "a mount that has ended" 3 "$segctl" value other
kill "$(waiter)"
is_ended "... leaves a wait that can be ended" 143
umount -l "$mnt"
tap_done
