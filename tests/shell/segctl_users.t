#!/bin/bash
# SPDX-License-Identifier: MIT
#
# segctl stat, attached and locks: who uses a segment, and who waits for whom.
set -u
# shellcheck source=tests/lib/tap.sh
. "$SEGFS_TOP/tests/lib/tap.sh"
# shellcheck source=tests/lib/segctl.sh
. "$SEGFS_TOP/tests/lib/segctl.sh"

lockers=()
clean_up() {
	[ ${#lockers[@]} -eq 0 ] || kill -9 "${lockers[@]}" 2>/dev/null
	segctl_clean_up
}
trap clean_up EXIT

# Starts a process that holds the first of these locks and waits for the others; its pid is added to $lockers.
locker() {
	rm -f "$TMPDIR/locked"
	/usr/bin/python3 "$SEGFS_TOP/tests/tool/lock.py" "$@" >"$TMPDIR/locked" &
	lockers+=($!)
	until_true grep -q ready "$TMPDIR/locked"
}
unlock() {
	kill -9 "${lockers[@]}"
	wait "${lockers[@]}" 2>/dev/null
	lockers=()
}
flat() { sed 's/  */ /g; s/^ //; s/ $//'; }
users() { "$segctl" attached -n "$@" | flat; }
locks() { "$segctl" locks -n -o NAME,PID,STATE,KIND,TYPE,START,END "$@" | flat; }

for command in stat attached locks; do
	exits "$command without a mount" 3 env SEGFS_MOUNT=/nowhere "$segctl" $command a
	help_fits $command
done

for kind in kernel mandatory; do
	options=()
	[ $kind = kernel ] || options=(-o mand)
	start "${options[@]}" || tap_skip_all "a mount"
	chmod 1777 "$mnt"
	truncate -s 1M "$mnt/a" "$mnt/b"
	chmod 666 "$mnt/a" "$mnt/b"

	# --- who uses it ---

	hold open "$mnt/a"
	is "$kind: an open" "$(users -o NAME,PID,COMMAND,USER,ACCESS,MODE a)" "a $holder python3 root rw $usual_mode"
	is "$kind: of a process" "$(users -o NAME -p "$holder")" a
	is "$kind: of another" "$(users -o NAME -p 1)" ""
	is "$kind: of a command" "$(users -o NAME --command python3)" a
	exec 5<"$mnt/a"
	is "$kind: only writers" "$(users -o ACCESS --writers a)" rw
	is "$kind: sorted by pid" "$(users -o PID --sort pid)" "$(printf '%s\n' "$holder" $$ | sort -n)"
	exec 5<&-
	fits attached "$segctl" attached --json
	says "$kind: stat tells it" "$holder python3, rw $usual_mode since" "$segctl" stat a
	fits stat "$segctl" stat --json a
	is "$kind: ... as JSON" "$("$segctl" stat --json a | jq .users[0].pid)" "$holder"
	says "$kind: an ordinary user does not see who" "1 opens and views, which you may not see" as_user "$segctl" stat a
	let_go
	ok "$kind: nobody uses it" until_true eval '"$segctl" stat a | grep -q "used by *nobody since"'

	# --- locks ---

	locker "fcntl:exclusive:$mnt/a:0:100"
	first=${lockers[0]}
	is "$kind: a lock" "$(locks a)" "a $first held process exclusive 0 99"
	says "$kind: stat tells it" "process $first has an exclusive lock from 0 to 99" "$segctl" stat a
	locker "flock:shared:$mnt/b" "fcntl:shared:$mnt/a:50:10"
	second=${lockers[1]}
	until_true eval '"$segctl" locks a | grep -q waits'
	is "$kind: who waits" "$(locks --waiting)" "a $second waits process shared 50 59"
	is "$kind: of a process" "$(locks --pid "$second" | sort)" "a $second waits process shared 50 59
b $second held flock shared 0"
	locker "fcntl:exclusive:$mnt/a:500:10" "flock:exclusive:$mnt/b"
	third=${lockers[2]}
	until_true eval '"$segctl" locks b | grep -q waits'
	is "$kind: who waits for whom" "$("$segctl" locks --waits -n -o COMMAND,PID,STATE,NAME | sed 's/  */ /g; s/ $//')" \
		"python3 $first held a
└─python3 $second waits a
 └─python3 $second held b
 └─python3 $third waits b"
	fits locks "$segctl" locks --json
	fits locks_waits "$segctl" locks --waits --json
	is "$kind: ... as JSON" "$("$segctl" locks --waits --json | jq -r '.locks[0].children[0].children[0].children[0].pid')" "$third"
	unlock

	# two kinds of locks, of whose circle no kernel knows
	locker "fcntl:exclusive:$mnt/a"
	unlock
	/usr/bin/python3 - "$SEGFS_TOP/tests/tool/lock.py" "$mnt" <<'END' >"$TMPDIR/pids"
import subprocess, sys, time
lock, mnt = sys.argv[1:]
held = [subprocess.Popen([sys.executable, "-c", """
import fcntl, os, sys, signal
own, other, flag = (os.open(path, os.O_RDWR) for path in sys.argv[1:3] + [sys.argv[1]])
kinds = [fcntl.lockf, fcntl.flock]
if sys.argv[3] == "1":
    kinds.reverse()
kinds[0](own, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.readline()
kinds[1](other, fcntl.LOCK_EX)
signal.pause()
""", *paths], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for paths in ((mnt + "/a", mnt + "/b", "0"), (mnt + "/b", mnt + "/a", "1"))]
for process in held:
    process.stdout.readline()
for process in held:
    process.stdin.write("\n")
    process.stdin.flush()
print(*(process.pid for process in held))
sys.stdout.flush()
import os
os._exit(0)
END
	read -ra lockers <"$TMPDIR/pids"
	if [ $kind = kernel ]; then
		ok "$kind: a deadlock" until_true eval '[ "$("$segctl" locks --waits -n -o STATE | grep -c deadlock)" -ge 2 ]'
	fi
	kill -9 "${lockers[@]}" 2>/dev/null
	for pid in "${lockers[@]}"; do until_true gone "$pid"; done
	lockers=()

	# --- of others ---

	locker "flock:exclusive:$mnt/a"
	is "$kind: others do not see it" "$(as_user "$segctl" locks -n)" ""
	rm "$TMPDIR/locked"
	setpriv --reuid=65534 --regid=65534 --clear-groups /usr/bin/python3 "$SEGFS_TOP/tests/tool/lock.py" "flock:exclusive:$mnt/b" >"$TMPDIR/locked" &
	lockers+=($!)
	until_true grep -q ready "$TMPDIR/locked"
	is "$kind: they see their own" "$(as_user "$segctl" locks -n -o PID | flat)" "${lockers[1]}"
	unlock

	# --- a dead worker ---

	hold open "$mnt/a"
	kill -9 "$(status worker_pid)"
	is "$kind: a dead worker is not noticed" "$(users -o PID a)" "$holder"
	let_go
	ok "$kind: it unmounts" stop
	"$SEGFS" --purge "$name"
done

# --- stat, of each kind ---

start || tap_skip_all "a mount"
mkdir "$mnt/names"
hostile_names "$mnt/names"
exits "stat of a directory" 1 "$segctl" stat names
says "... says what to do" "'segctl ls' lists" "$segctl" stat names
exits "stat of nothing" 1 "$segctl" stat nothing
ln -s names "$mnt/link"
exits "stat of a symbolic link" 1 "$segctl" stat link
exits "stat below one" 1 "$segctl" stat link/-dash
exits "... of several" 1 "$segctl" stat nothing names/-dash
is "no odd byte gets to a terminal" "$(find "$mnt/names" -type f -printf 'names/%f\0' | xargs -0 "$segctl" stat -- | LC_ALL=C grep -c '[^[:print:]]')" 1
is "JSON has odd names in full" "$("$segctl" stat --json $'names/invalid\xff\xfe' | jq -r .name_hex | xxd -r -p)" $'names/invalid\xff\xfe'
ctime=$(stat -c %z "$mnt/names/-dash")
"$segctl" stat names/-dash >/dev/null
is "stat changes nothing" "$(stat -c %z "$mnt/names/-dash")" "$ctime"
setfattr -n user.segfs.writers -v 2 "$mnt/names/-dash"
says "policies are told" "writers=2" "$segctl" stat names/-dash
says "an absolute path" "$(printf 'names/-dash\n  kind')" "$segctl" stat "$mnt/names/-dash"
object=segfs-users-$$
head -c 5000 /dev/zero >"/dev/shm/$object"
hold map "/dev/shm/$object"
says "who maps a POSIX object" "mapped by processes    $holder" "$segctl" stat "posix/$object"
fits stat "$segctl" stat --json "posix/$object"
let_go
rm "/dev/shm/$object"
id=$(ipcmk -M 8192 | awk '{ print $NF }')
key=$(ipcs -m | awk -v id="$id" '$2 == id { print $1 }')
says "a System V segment" "shmid                  $id" "$segctl" stat "sysv/$key"
hold attach "$id"
says "... that is attached" "1 attachments; the kernel does not say whose" "$segctl" stat "sysv/$key"
fits stat "$segctl" stat --json "sysv/$key"
let_go
ipcrm -m "$id"
umount "$mnt"
tap_done
