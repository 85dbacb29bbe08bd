#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Policies and locks as people meet them: in the configuration, by setfattr and getfattr, in .segfs/locks and .segfs/attached.
# shellcheck disable=SC2317 # functions are called by until_true
set -u
# shellcheck source=tests/lib/tap.sh
. "$SEGFS_TOP/tests/lib/tap.sh"
# shellcheck source=tests/lib/segfs.sh
. "$SEGFS_TOP/tests/lib/segfs.sh"

ini=$TMPDIR/segfs.ini
disk=$TMPDIR/disk
mkdir "$disk"
locks=$mnt/.segfs/locks
attached=$mnt/.segfs/attached

policy() { getfattr --absolute-names --only-values -n "user.segfs.$1" "$2"; }
has_policy() { [ "$(policy "$1" "$2")" = "$3" ]; }
is_gone() { [ ! -e "$1" ]; }

# --- the configuration ---------------------------------------------------------------------------------------------

cat >"$ini" <<END
[mount]
path = $mnt
writers = 9

[directory inherits]

[directory video]
lock = mandatory
writers = 2
lifetime = ttl:1h

[directory disk]
medium = $disk
size-policy = fixed

[segment video/ring]
size = 64K
writers = 1
commit = yes
lifetime = persistent

[segment video/default]
size = 4K

[segment disk/file]
size = 8K
END
ok "start" "$SEGFS" --config "$ini"
is "[directory] lock" "$(policy lock "$mnt/video")" mandatory
is "[segment] has the default of its directory" "$(policy lock "$mnt/video/ring")" mandatory
is "... but for what it says itself" "$(policy writers "$mnt/video/ring") $(policy lifetime "$mnt/video/ring")" "1 persistent"
is "... and the rest by default" "$(policy writers "$mnt/video/default") $(policy lifetime "$mnt/video/default")" "2 ttl:1h"
is "commit" "$(policy commit "$mnt/video/ring") $(stat -c %b "$mnt/video/ring")" "yes 128"
is "[mount] is the root directory's default" "$(policy writers "$mnt")" 9
touch "$mnt/file" "$mnt/video/made"
mkdir "$mnt/video/below"
is "... for what is made there" "$(policy writers "$mnt/file")" 9
is "what is made in a directory has its default" "$(policy lock "$mnt/video/made") $(policy lifetime "$mnt/video/made")" "mandatory ttl:1h"
is "... and what is made in one that is made there" "$(policy lock "$mnt/video/below")" mandatory
is "size-policy, on disk" "$(policy size-policy "$mnt/disk/file")" fixed
not_ok "... is enforced" truncate -s 16K "$mnt/disk/file"
cp "$mnt/.segfs/config" "$TMPDIR/in-force.ini"
ok ".segfs/config is a right configuration" "$SEGFS" --check "$TMPDIR/in-force.ini"
ok "... with the policies" grep -qF "lifetime = ttl:1h" "$TMPDIR/in-force.ini"

supervisor=$(status supervisor_pid)
sed -i 's/^writers = 1$/writers = 3/; s/^size = 8K/size = 16K/' "$ini"
kill -HUP "$supervisor"
ok "SIGHUP changes a policy" until_true has_policy writers "$mnt/video/ring" 3
is "... but no size that is fixed" "$(stat -c %s "$mnt/disk/file")" 8192
ok "stop" stop
ok "start without a configuration" "$SEGFS" --config /dev/null "$mnt"
is "what is made stays as it is" "$(policy lock "$mnt/video/made") $(policy writers "$mnt/video/ring")" "mandatory 3"
is "... and so do defaults" "$(policy writers "$mnt")" 9
ok "stop" stop
ok "--purge" "$SEGFS" --purge "$name"
is "what is on disk has its policy with it" "$(getfattr --absolute-names --only-values -n trusted.segfs.policy "$disk/file")" \
	"size-policy=fixed"
rm "$disk/file"

# --- setfattr ------------------------------------------------------------------------------------------------------

ok "start" "$SEGFS" -o mand "$mnt"
cd "$mnt" || exit 1
echo data >segment
for attribute in attached=0 commit=no io-mode=$usual_mode lifetime=persistent lock=advisory orphan=yes size-policy=variable source=store \
	writers=0; do
	is "a new segment has ${attribute%=*}" "$(policy "${attribute%=*}" segment)" "${attribute#*=}"
done
is "... and getfattr -d lists nothing of it" "$(getfattr -d segment)" ""
setfattr -n user.segfs.writers -v 2 segment
is "... but a policy that is not the default" "$(getfattr -d segment | grep '^user')" 'user.segfs.writers="2"'
setfattr -x user.segfs.writers segment
is "... and is no synchronization object" "$(getfattr --only-values -n user.segfs.object segment 2>&1 | grep -c 'No such attribute')" 1
since=$(date -d "$(policy idle-since segment)" +%s)
ok "... also since when nobody has had it" test $((since > $(date +%s) - 10)) = 1
exec 5<segment
is "... which is no more while somebody has" "$(policy orphan segment)" no
not_ok "... nor is there such a time" getfattr -n user.segfs.idle-since segment
exec 5<&-
setfattr -n user.segfs.lock -v sometimes segment 2>"$TMPDIR/error"
ok "a value that is none" grep -q "Invalid argument" "$TMPDIR/error"
setfattr -n user.segfs.colour -v red segment 2>"$TMPDIR/error"
ok "an attribute that is none" grep -q "Operation not supported" "$TMPDIR/error"
setfattr -n user.segfs.attached -v 7 segment 2>"$TMPDIR/error"
ok "an attribute that is read-only" grep -q "Operation not permitted" "$TMPDIR/error"
exec 5<segment
setfattr -n user.segfs.lock -v mandatory segment 2>"$TMPDIR/error"
ok "an open is in the way" grep -q "Device or resource busy" "$TMPDIR/error"
is "... and nothing has changed" "$(policy lock segment)" advisory
exec 5<&-
ok "lock = mandatory" setfattr -n user.segfs.lock -v mandatory segment
is "... is mediated" "$(policy io-mode segment)" mediated
ok "setfattr -x is the default again" setfattr -x user.segfs.lock segment
is "... advisory" "$(policy lock segment)" advisory

ok "lifetime = last-close" setfattr -n user.segfs.lifetime -v last-close segment
exec 5<segment
ok "... is there while it is open" test -e segment
exec 5<&-
ok "... and goes with its last close" until_true is_gone segment

# --- lists ---------------------------------------------------------------------------------------------------------

as_other() { setpriv --reuid 4711 --regid 4711 --clear-groups "$@"; }
waits() { grep -q '^2: -> FLOCK  ADVISORY  READ' "$locks"; }
nobody() { [ -z "$(cat "$attached")" ]; }

# lists SINCE: what .segfs/locks and .segfs/attached say; SINCE: TIME, or UNKNOWN
lists() {
	local since=$1
	mkdir -m 0700 "hidden place"
	printf 'x' >"hidden place/a"
	exec 5<>"hidden place/a"
	flock --exclusive 5
	is ".segfs/locks: a lock" "$(sed 's/ [0-9a-f:]*:[0-9]* / DEV:INO /; s/ [0-9-]*T[0-9:.]*Z / TIME /; s/ EOF - / EOF UNKNOWN /; s/WRITE [0-9]* /WRITE PID /' "$locks")" \
		'1: FLOCK  ADVISORY  WRITE PID DEV:INO 0 EOF '$since' hidden\040place/a'
	is "... of the right file" "$(awk '{split($6, part, ":"); print part[3]}' "$locks")" "$(stat -c %i "hidden place/a")"
	is "... on the right device" "$(awk '{print $6}' "$locks" | cut -d: -f1-2)" "$(stat -c '%Hd:%Ld' "hidden place/a" | awk -F: '{printf "%02x:%02x", $1, $2}')"
	flock --shared "hidden place/a" true 5<&- &
	waiter=$!
	ok "... who waits for it" until_true waits
	is ".segfs/attached: who has it open" "$(awk '{print $2, $3, $4, $6}' "$attached" | sort)" \
		"$(printf 'flock r %s hidden\\040place/a\npolicy.t rw %s hidden\\040place/a' "$usual_mode" "$usual_mode")"
	is "... and when" "$(awk '{print $5}' "$attached" | grep -c "^$(date -u +%Y-)[0-9-]*T[0-9:]*\.[0-9]*Z$")" 2
	is "user.segfs.attached" "$(policy attached "hidden place/a")" 2
	is "others see nothing of it" "$(as_other cat "$locks" "$attached")" ""
	touch shared
	chmod 0666 shared
	is "... but what is their own" "$(as_other flock shared cat "$locks" "$attached" | awk '{print $NF, $(NF - 2)}')" "$(printf -- '- EOF\n- %s' "$usual_mode")"
	chown 4711 shared
	exec 6<shared
	flock --exclusive 6
	is "... and all that concerns what they own" "$(as_other cat "$locks" "$attached" | awk '{print $1 == "1:" ? $2 : $2 " " $4, $NF}')" \
		"$(printf 'FLOCK shared\npolicy.t %s shared' "$usual_mode")"
	exec 6<&-
	rm shared
	exec 5<&-
	wait $waiter
	is "no locks" "$(cat "$locks")" ""
	nobody() { [ -z "$(cat "$attached")" ]; }
	ok "nobody attached" until_true nobody
}

lists TIME
cd /
ok "stop" stop
ok "start, and leave locks to the kernel" "$SEGFS" "$mnt"
cd "$mnt" || exit 1
lists UNKNOWN
cd /
ok "stop" stop

# --- who keeps the locks -------------------------------------------------------------------------------------------

# posix_lock FILE COMMAND...: runs it with the file locked by fcntl(2); fails at once where somebody else has it.
posix_lock() {
	python3 -c '
import fcntl, subprocess, sys
with open(sys.argv[1], "r+b") as file:
    fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    sys.exit(subprocess.run(sys.argv[2:]).returncode)' "$@" 2>"$TMPDIR/error"
}

unsupported() { ! "$@" 2>"$TMPDIR/error" && grep -q "Operation not supported" "$TMPDIR/error"; }
log=$TMPDIR/daemon.log
file=$mnt/local

# start_logged OPTION...: keeps the log in $log
start_logged() {
	"$SEGFS" -f "$@" "$mnt" >"$log" 2>&1 &
	until_true is_mounted && until_true test -e "$mnt/.segfs/status"
}

# exclusive KIND LISTED: locks exclude each other; LISTED: how many lslocks shows
exclusive() {
	is "$1: .segfs/status" "$(status locks)" "$1"
	echo data >"$file"
	ok "... flock" flock --nonblock "$file" true
	not_ok "... which another one does not get" flock --nonblock "$file" flock --nonblock "$file" true
	ok "... fcntl" posix_lock "$file" true
	not_ok "... which another one does not get" posix_lock "$file" python3 -c "
import fcntl
with open('$file', 'r+b') as file: fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)"
	is "... which .segfs/locks shows" "$(flock "$file" cat "$locks" | wc -l)$(posix_lock "$file" cat "$locks" | wc -l)" 11
	is "... and lslocks, by path, if they are the kernel's" "$(flock "$file" lslocks --noheadings --output TYPE,PATH | grep -c "^FLOCK *$file\$")" "$2"
}

ok "start" start_logged
exclusive kernel 1
requests=$(status setlk)$(status setlkw)$(status flush)
is "... none of them as a request" "$requests" 000
# The mount's end does not drop them either.
ok "... which outlive even the supervisor" python3 - "$file" "$(status supervisor_pid)" <<'END'
import errno, fcntl, os, signal, sys, time
path, supervisor = sys.argv[1], int(sys.argv[2])
holder, other = os.open(path, os.O_RDWR), os.open(path, os.O_RDWR)
fcntl.flock(holder, fcntl.LOCK_EX)
os.kill(supervisor, signal.SIGKILL)
deadline = time.monotonic() + 10
while True:
    try:
        os.stat(os.path.dirname(path) + "/.segfs/status")
    except OSError as error:
        if error.errno == errno.ENOTCONN:
            break
    assert time.monotonic() < deadline
    time.sleep(0.01)
try:
    fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    sys.exit("locked twice")
except BlockingIOError:
    pass
fcntl.flock(holder, fcntl.LOCK_UN)
fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
END
ok "start again" start_logged
ok "lock = mandatory can't be had" unsupported setfattr -n user.segfs.lock -v mandatory "$file"
ok "... nor as the default of a directory" unsupported setfattr -n user.segfs.lock -v mandatory "$mnt"
is "... and nothing has changed" "$(policy lock "$file")" advisory
is "... which one line of the log explains" "$(grep -c 'mount with -o mand, or set the attribute to advisory$' "$log")" 1
ok "stop" stop

ok "start -o mand" start_logged -o mand
exclusive segfs 0
mkdir "$mnt/directory"
ok "... lock = mandatory" setfattr -n user.segfs.lock -v mandatory "$file" "$mnt/directory"
needs passthrough is "... which nobody minds" "$(cat "$log")" ""
ok "stop" stop

ok "start without it" start_logged -o mand,nomand
ok "... what must be mandatory can't be opened" unsupported cat "$file"
ok "... nor resized" unsupported truncate -s 1 "$file"
ok "... nor made" unsupported cp /etc/hostname "$mnt/directory/new"
not_ok "... of which nothing is seen" test -e "$mnt/directory/new"
is "... which one line of the log explains" "$(grep -c 'mount with -o mand, or set the attribute to advisory$' "$log")" 1
ok "... until it is advisory" setfattr -n user.segfs.lock -v advisory "$mnt/directory"
ok "... so that files can be made" cp /etc/hostname "$mnt/directory/new"
ok "stop" stop
ok "start -o mand" start_logged -o mand
is "... nothing of it is lost" "$(policy lock "$file") $(cat "$file")" "mandatory data"
rm -r "$file" "$mnt/directory"
ok "stop" stop

# a configuration that requires it, in each kind of section
complaints() { [ "$(grep -c "$1" "$log")" -eq "$2" ]; }
# configure SECTION...: each with lock = mandatory, if it ends with '!'
configure() {
	local section
	for section; do
		printf '[%s]\n' "${section%!}"
		[ "$section" = "${section%!}" ] || echo "lock = mandatory"
	done >"$ini"
}
for section in mount "directory there" "segment there/one"; do
	configure "$section!"
	ok "start with lock = mandatory in [$section]" start_logged --config "$ini"
	is "... as with -o mand" "$(status locks)" segfs
	configure
	kill -HUP "$(status supervisor_pid)"
	ok "... for as long as it is mounted, which SIGHUP says" until_true complaints "no section has lock = mandatory.*keeps the locks" 1
	is "... and no other" "$(status locks)" segfs
	ok "stop" stop
	configure "directory before"
	ok "start without" start_logged --config "$ini"
	is "... as without -o mand" "$(status locks)" kernel
	configure "directory new" "$section!"
	kill -HUP "$(status supervisor_pid)"
	ok "... for as long as it is mounted, which SIGHUP says" until_true complaints \
		"^segfs: $ini\(:[0-9]*\)\?: lock = mandatory in \[$section\]: .*; nothing was changed\$" 1
	not_ok "... and nothing has changed" test -e "$mnt/new"
	kill -USR2 "$(status supervisor_pid)"
	ok "... as does an upgrade" until_true complaints \
		"^segfs: $ini\(:[0-9]*\)\?: lock = mandatory in \[$section\]: .*unmount and start again\$" 1
	is "... which does not happen" "$(status upgrades) $(status locks)" "0 kernel"
	ok "stop" stop
done
tap_done
