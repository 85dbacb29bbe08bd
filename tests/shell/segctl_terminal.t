#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Commands of segctl that print once, on a terminal: colours there and nowhere else, NO_COLOR, a narrow window, Ctrl-C.
set -u
# shellcheck source=tests/lib/tap.sh
. "$SEGFS_TOP/tests/lib/tap.sh"
# shellcheck source=tests/lib/segctl.sh
. "$SEGFS_TOP/tests/lib/segctl.sh"

command -v tmux >/dev/null || tap_skip_all tmux
start || tap_skip_all "a mount"
mkdir "$mnt/video"
truncate -s 1M "$mnt/video/ring"
hostile_names "$mnt/video"
"$segctl" new --kind semaphore --initial 1 jobs
kill -9 "$(status worker_pid)"
until_true test -e "$mnt/video"

coloured() { tmux -S "$tmux_socket" capture-pane -e -p | grep -q $'\e\\[[0-9;]*3[0-9]m'; }
for command in "ls --source store" "stat video/ring" "attached" "locks" "locks --waits" "get video/ring" "value jobs" "status" "doctor" \
	"gc --dry-run" "top -c 1" "map video/ring" "dump video/ring" "post jobs" "wait --try jobs" "new fresh --size 4K" "set fresh commit=yes" \
	"resize fresh 8K" "rm fresh" "lock video/ring -- true" "check /dev/null"; do
	terminal 100 40 "$segctl $command"
	ok "$command" ended
	is "... succeeds" "$(screen | grep -c '^status 0$')" 1
	[[ $command != ls* && $command != status ]] || ok "... with colours" coloured
done
for command in "ls --source store" status doctor; do
	terminal 100 40 "env NO_COLOR=1 $segctl $command"
	ended
	not_ok "$command without, as NO_COLOR asks" coloured
	terminal 100 40 "env TERM=dumb $segctl $command"
	ended
	not_ok "... nor on a terminal that has none" coloured
done
terminal 20 10 "$segctl ls --source store"
ok "a narrow window" ended
hold open "$mnt/video/ring"
terminal 80 24 "$segctl wait nothing-is-rung"
ended
"$segctl" new --kind doorbell bell
terminal 80 24 "$segctl wait bell"
until_true pgrep -f "segctl wait bell"
keys C-c
ok "Ctrl-C ends a wait" until_true eval '! pgrep -f "segctl wait bell"'
let_go
umount "$mnt"
tap_done
