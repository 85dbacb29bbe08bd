#!/bin/bash
# SPDX-License-Identifier: MIT
#
# segctl top and ls --watch: on a terminal, which is typed at, resized and restored, and in a pipe.
set -u
# shellcheck source=tests/lib/tap.sh
. "$SEGFS_TOP/tests/lib/tap.sh"
# shellcheck source=tests/lib/segctl.sh
. "$SEGFS_TOP/tests/lib/segctl.sh"

clean_up() {
	[ -z "${locker-}" ] || kill -9 "$locker" "${waiter-}" 2>/dev/null
	segctl_clean_up
}
trap clean_up EXIT

help_fits top
exits "no mount" 3 env SEGFS_MOUNT="$TMPDIR" "$segctl" top -c 1
exits "a wrong key" 2 "$segctl" top --sort colour
exits "too often" 2 "$segctl" top --delay 1ms
start || tap_skip_all "a mount"
truncate -s 3M "$mnt/alpha"
truncate -s 2M "$mnt/beta"
truncate -s 1M "$mnt/gamma"
head -c 1M /dev/zero >"$mnt/gamma"

# --- in a pipe ---

names() { sed -n '/NAME$/,$p' | awk 'NR > 1 && NF { print $NF }'; }
is "plain lines" "$("$segctl" top -c 1 --source store | names)" "alpha
beta
gamma"
is "... by resident" "$("$segctl" top -c 1 --source store --sort resident | names | head -n 1)" gamma
is "... of a pattern" "$("$segctl" top -c 1 'b*' | names)" beta
is "... without a control character" "$("$segctl" top -c 1 | LC_ALL=C grep -c $'[\001-\010\013-\037]')" 0
is "two looks" "$("$segctl" top -c 2 -d 100ms | grep -c 'NAME$')" 2
ok "a closed pipe ends it" timeout "$(wait_seconds 10)" bash -c "'$segctl' top -d 100ms | head -n 1"
exec 5<>"$mnt/beta"
is "who is attached" "$("$segctl" top -c 1 --sort attached --source store | names | head -n 1)" beta
exec 5>&-
"$segctl" top -d 500ms --sort growth --source store >"$TMPDIR/growth" &
growing=$!
until_true grep -q NAME "$TMPDIR/growth"
head -c 2M /dev/zero >"$mnt/beta"
until_true grep -q '[+]' "$TMPDIR/growth"
kill $growing
is "what grows" "$(awk '$3 ~ /^[+]/ { print $NF }' "$TMPDIR/growth" | sort -u)" beta
id=$(ipcmk -M 4M | awk '{ print $NF }')
key=$(ipcs -m | awk -v id="$id" '$2 == id { print $1 }')
is "memory of System V counts as it is used" "$("$segctl" top -c 1 "sysv/$key" | awk 'END { print p } NF { p = $1 " " $2 }')" "4M 0"
"$segctl" top -d 500ms --sort growth "sysv/$key" >"$TMPDIR/growth" &
growing=$!
until_true grep -q NAME "$TMPDIR/growth"
head -c 2M /dev/zero | dd of="$mnt/sysv/$key" conv=notrunc status=none
until_true grep -q ' 2M *[+]' "$TMPDIR/growth"
kill $growing
is "... and grows" "$(awk '$3 ~ /^[+]/ { last = $2 " " $NF } END { print last }' "$TMPDIR/growth")" "2M sysv/$key"
ipcrm -m "$id"
hostile_names "$mnt"
is "no odd byte gets to a terminal" "$("$segctl" top -c 1 --source store | LC_ALL=C grep -v 'ml' | LC_ALL=C grep -c '[^[:print:]]')" 0
find "$mnt" -maxdepth 1 -size 1 -type f -delete

# --- on a terminal ---

command -v tmux >/dev/null || {
	tap_skip "on a terminal" tmux
	umount "$mnt"
	tap_done
}
row() { screen | grep -n -- "$1" | head -n 1 | cut -d : -f 1; }
terminal 90 20 "$segctl" top -d 200ms --source store
ok "it draws" shows alpha
is "by size" "$(screen | names | head -n 3 | tr '\n' ' ')" "alpha beta gamma "
keys n R
ok "by name, reversed" until_true eval '[ "$(screen | names | head -n 1)" = gamma ]'
keys R s
ok "by size again" until_true eval '[ "$(screen | names | head -n 1)" = alpha ]'
keys / b e
ok "a filter is typed" shows "filter: be_"
ok "... and applied" until_true eval '[ "$(screen | names | tr "\n" " ")" = "beta " ]'
keys Enter
ok "... and stays" shows "filter: be"
keys Escape
ok "... until it is ended" until_true eval '[ "$(screen | names | wc -l)" -eq 3 ]'
keys h
ok "help" shows "sort by size, resident"
keys h
ok "... is ended" until_true eval '[ "$(screen | names | wc -l)" -eq 3 ]'
/usr/bin/python3 "$SEGFS_TOP/tests/tool/lock.py" "fcntl:exclusive:$mnt/gamma" >"$TMPDIR/locked" &
locker=$!
until_true grep -q ready "$TMPDIR/locked"
/usr/bin/python3 "$SEGFS_TOP/tests/tool/lock.py" "fcntl:exclusive:$mnt/gamma" >/dev/null &
waiter=$!
ok "who waits is counted" shows "1 waiting"
keys w
ok "... and sorted by" until_true eval '[ "$(screen | names | head -n 1)" = gamma ]'
kill -9 $locker $waiter
wait $locker $waiter 2>/dev/null
locker=
kill -9 "$(status worker_pid)"
ok "a worker that died is counted" shows "workers ended: 1"
resize 60 8
ok "a smaller window" until_true eval '[ "$(screen | wc -l)" -le 8 ] && [ -n "$(row alpha)" ]'
resize 120 30
ok "a larger one" until_true eval '[ -n "$(row gamma)" ]'
for i in {1..60}; do truncate -s $((i * 4096)) "$mnt/many$i"; done
keys n
until_true screen_has many1
keys End
ok "it scrolls to the end" shows many9
keys Home
ok "... and back" shows alpha
rm "$mnt"/many*
keys q
ended
is "q ends it" "$(screen | grep -c 'status 0')" 1
is "... and gives the screen back" "$(screen | grep -c alpha)" 0
for signal in INT TERM HUP; do
	terminal 80 24 "sh -c 'echo \$\$ >$TMPDIR/pid; exec $segctl top -d 200ms'"
	ok "SIG$signal: it draws" shows alpha
	kill -$signal "$(cat "$TMPDIR/pid")"
	ok "... it ends" ended
	keys 'stty -a | grep -o " icanon" ; true' Enter
	is "... and gives the screen back" "$(screen | grep -c alpha)" 0
done
terminal 80 24 "bash --norc -i"
keys "PS1='prompt>'" Enter
keys "$segctl top -d 200ms" Enter
ok "under a shell: it draws" shows alpha
keys C-z
ok "a stop gives the terminal back" shows "Stopped"
keys fg Enter
ok "... and it continues" until_true eval 'screen | grep -q alpha && ! screen | grep -q Stopped'
keys C-c
ok "Ctrl-C ends it" shows "prompt>"
keys "stty -a | tr ' ' '\n' | grep -cx -e icanon -e echo" Enter
ok "... the terminal echoes again" until_true eval '[ "$(screen | grep -cx 2)" -eq 1 ]'

terminal 90 20 "$segctl" ls --watch 200ms -o NAME,SIZE --source store
ok "ls --watch draws" shows alpha
truncate -s 1M "$mnt/delta"
ok "... what is new" shows delta
rm "$mnt/alpha"
ok "... and not what is gone" until_true eval '! screen | grep -q alpha'
keys q
ended
is "q ends it" "$(screen | grep -c 'status 0')" 1
ok "ls --watch in a pipe" timeout "$(wait_seconds 10)" bash -c "'$segctl' ls --watch 100ms -n -o NAME | head -n 8 | grep -c delta"

# --- the mount ends meanwhile ---

terminal 90 20 "$segctl" top -d 200ms
ok "it draws" shows delta
kill -9 "$(status supervisor_pid)"
ended
ok "the end of the mount ends it, with a message" shows "segctl: top:"
umount -l "$mnt"
tap_done
