#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The tour in segfs(7): each of its commands, one after the other, in one shell; on a mount of the test's own.
set -u
# shellcheck source=tests/lib/tap.sh
. "$SEGFS_TOP/tests/lib/tap.sh"
# shellcheck source=tests/lib/segctl.sh
. "$SEGFS_TOP/tests/lib/segctl.sh"

# the commands, with the mount point and the instance of the test
sed -n '/^\.Sh A TOUR/,/^\.Sh WHO/{s/^# //p}' "$SEGFS_TOP/packaging/man/segfs.7" |
	sed "s|/mnt/seg|$mnt|g; s|mnt-seg|$name|g" >"$TMPDIR/commands"
ok "the tour has commands" test "$(wc -l <"$TMPDIR/commands")" -ge 30
for command in $("$segctl" --help | sed -n 's/^  \([a-z]*\) .*/\1/p'); do
	case $command in
	# what needs another program's state, or is told of in another section
	reload | upgrade | check | ring | reset | set | resize | rm | load | save) continue ;;
	esac
	ok "it shows segctl $command" grep -q "segctl $command" "$TMPDIR/commands"
done

PATH=$SEGFS_OUT:$PATH
cd "$TMPDIR" || exit 1
number=0
set -m # %2 is the second job
while IFS= read -r line <&7; do
	status=0
	number=$((number + 1)) # what a job in the background prints is its own
	eval "$line" >"$TMPDIR/output$number" 2>&1 </dev/null 7<&- || status=$?
	# a program that was killed says so
	[[ $line != "wait \$PROGRAM" ]] || status=0
	is "# $line" "$status" 0
	[ "$status" = 0 ] || tap_diag "$(cat "$TMPDIR/output$number")"
	case $line in
	*"echo hello"*) ;;
	*"segctl dump"*) is "... shows it" "$(grep -c hello "$TMPDIR/output$number")" 1 ;;
	*"now it is mine"*) is "... waits" "$(cat "$TMPDIR/output$number")" "now it is mine" ;;
	*"segctl value"*) is "... is one less" "$(cat "$TMPDIR/output$number")" 1 ;;
	*"segctl get"*) is "... has its policy" "$(cat "$TMPDIR/output$number")" yes ;;
	*"segctl gc --source sysv"*) is "... is offered" "$(grep -c '^sysv/' "$TMPDIR/output$number")" "$(ipcs -m | awk '$6 == 0' | wc -l)" ;;
	esac
done 7<"$TMPDIR/commands"
not_ok "nothing is left" test -e "/run/segfs/$name"
tap_done
