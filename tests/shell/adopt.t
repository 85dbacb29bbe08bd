#!/bin/bash
# SPDX-License-Identifier: MIT
#
# A configuration declares names that files and directories in the store have already: what is taken over, and what is refused, since
# somebody else has a hold on it.
# shellcheck disable=SC2317 # functions are called by ok
set -u
# shellcheck source=tests/lib/tap.sh
. "$SEGFS_TOP/tests/lib/tap.sh"
# shellcheck source=tests/lib/segfs.sh
. "$SEGFS_TOP/tests/lib/segfs.sh"

user=12345
owner=23456
ini=$TMPDIR/segfs.ini
log=$TMPDIR/daemon.log
chmod 755 "$TMPDIR"
as() { setpriv --reuid "$1" --regid "$1" --clear-groups "${@:2}"; }
facts() { stat -c '%u:%g %a %s' "$1"; }

# declare_it LINE...: the configuration is these lines, and is read again; returns when that is done
reloads=0
declare_it() {
	printf '%s\n' '[mount]' "path = $mnt" "$@" >"$ini"
	reloads=$((reloads + 1))
	kill -HUP "$supervisor"
	until_true is_read
}
is_read() { [ "$(grep -c 'is in force$\|was not changed$\|nothing was changed$' "$log")" -ge $reloads ]; }
# refused NAME PATTERN: the last reading was, in one line
refused() { ok "$1" grep -q "^segfs: $ini:[0-9]*: $2.*was not changed\$" <<<"$(tail -n 1 "$log")"; }
accepted() { ok "$1" grep -q 'is in force$' <<<"$(tail -n 1 "$log")"; }

# hold USER FILE HOW: a process that has the file open (r, w) or mapped (m) until it is let go
hold() {
	: >"$TMPDIR/held" # what the one before said
	as "$1" perl -e '
		my ($file, $how) = @ARGV; $| = 1;
		open(my $f, $how eq "r" ? "<" : "+<", $file) or do { print "no: $!\n"; exit 1 };
		print "held\n"; <STDIN>; seek($f, 0, 0); $how ne "r" and syswrite($f, "stolen");' "$2" "$3" \
		<"$TMPDIR/hold" >"$TMPDIR/held" &
	holder=$!
	exec 7>"$TMPDIR/hold"
	until_true grep -q . "$TMPDIR/held"
}
# map USER FILE: the same for a view without a descriptor
map() {
	: >"$TMPDIR/held"
	python3 -c '
import mmap, os, sys
os.setgroups([]), os.setgid(int(sys.argv[1])), os.setuid(int(sys.argv[1]))
fd = os.open(sys.argv[2], os.O_RDWR)
view = mmap.mmap(fd, 4096)
os.close(fd)
print("held", flush=True)
sys.stdin.readline()' "$1" "$2" <"$TMPDIR/hold" >"$TMPDIR/held" &
	holder=$!
	exec 7>"$TMPDIR/hold"
	until_true grep -q . "$TMPDIR/held"
}
let_go() {
	exec 7>&-
	wait "$holder"
}
mkfifo "$TMPDIR/hold"

printf '[mount]\npath = %s\n' "$mnt" >"$ini"
"$SEGFS" -f -o attr_timeout=600,entry_timeout=600 --config "$ini" 2>"$log" &
ok "it mounts" until_true is_mounted
supervisor=$(status supervisor_pid)

# --- a segment ---------------------------------------------------------------------------------------------------------

vault=("[segment vault]" "size = 8K" "mode = 0600" "owner = $owner:$owner")
as $user truncate -s 4K "$mnt/vault"
hold $user "$mnt/vault" w
declare_it "${vault[@]}"
refused "a file of another user's is refused" "segment 'vault': .* belongs to user $user"
is "... and stays as it is" "$(facts "$mnt/vault")" "$user:$user 644 4096"
let_go
declare_it "${vault[@]}"
refused "... also when nobody has it open" "segment 'vault': .* belongs to user $user"
rm "$mnt/vault"

truncate -s 4K "$mnt/vault" && chmod 666 "$mnt/vault"
hold $user "$mnt/vault" w
declare_it "${vault[@]}"
refused "root's, which somebody has open for writing" "segment 'vault': .* open or mapped for writing"
is "... stays as it is" "$(facts "$mnt/vault")" "0:0 666 4096"
let_go
map $user "$mnt/vault"
declare_it "${vault[@]}"
refused "root's, which somebody has mapped" "segment 'vault': .* open or mapped for writing"
is "... stays as it is" "$(facts "$mnt/vault")" "0:0 666 4096"
let_go
ln "$mnt/vault" "$mnt/second"
declare_it "${vault[@]}"
refused "root's, which has a second name" "segment 'vault': .* another name"
is "... stays as it is" "$(facts "$mnt/vault")" "0:0 666 4096"
rm "$mnt/second"
hold $user "$mnt/vault" r
declare_it "${vault[@]}"
accepted "root's, which nobody can write to"
is "... is the owner's" "$(facts "$mnt/vault")" "$owner:$owner 600 8192"
not_ok "... and nobody else opens it, though the mode was cached" as $user dd if=/dev/zero of="$mnt/vault" count=1 conv=notrunc
let_go

hold $owner "$mnt/vault" w
declare_it "[segment vault]" "size = 12K" "mode = 0640" "owner = $owner:$owner"
accepted "one that is declared changes while it is open"
is "... in place" "$(facts "$mnt/vault")" "$owner:$owner 640 12288"
declare_it "[segment vault]" "size = 16K" "mode = 0640" "owner = $user:$user"
refused "... but gets no other owner" "segment 'vault': .* open or mapped for writing"
is "... and stays as it is" "$(facts "$mnt/vault")" "$owner:$owner 640 12288"
let_go
declare_it "[segment vault]" "size = 16K" "mode = 0640" "owner = $user:$user"
accepted "... until it is closed"
is "... then it has" "$(facts "$mnt/vault")" "$user:$user 640 16384"
as $user mv "$mnt/vault" "$mnt/moved"
declare_it "[segment moved]" "size = 16K" "owner = $owner:$owner"
refused "a declared one under another name is another file" "segment 'moved': .* belongs to user $user"
rm "$mnt/moved"

as $owner truncate -s 4K "$mnt/vault"
declare_it "${vault[@]}"
accepted "the owner's own file"
is "... is as declared" "$(facts "$mnt/vault")" "$owner:$owner 600 8192"
rm "$mnt/vault"
as $user ln -s /etc/passwd "$mnt/vault"
declare_it "${vault[@]}"
refused "a symbolic link" "segment 'vault': .* is not a regular file"
rm "$mnt/vault"
as $user mkfifo "$mnt/vault"
declare_it "${vault[@]}"
refused "a fifo" "segment 'vault': .* is not a regular file"
rm "$mnt/vault"

# who makes and removes the file all the time gets nothing of what becomes the owner's
python3 - "$user" "$mnt/vault" "$TMPDIR/hold" <<'END' >"$TMPDIR/held" &
import os, sys, threading
user, path, end = int(sys.argv[1]), sys.argv[2], sys.argv[3]
end = open(end)
os.setgroups([]), os.setgid(user), os.setuid(user)
done = []
def wait():
    end.read()
    done.append(1)
threading.Thread(target=wait).start()
print("held", flush=True)
mine = {}
while not done:
    try:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
        mine[os.fstat(fd).st_ino] = fd
        os.unlink(path)
    except OSError:
        pass
    for inode in list(mine)[:-1]:
        os.close(mine.pop(inode))
for fd in mine.values():
    os.write(fd, b"stolen")
END
holder=$!
exec 7>"$TMPDIR/hold"
until_true grep -q . "$TMPDIR/held"
for ((i = 0; i < 20; i++)); do
	declare_it "${vault[@]}"
	[ "$(stat -c %u "$mnt/vault" 2>/dev/null)" != $owner ] || break
done
let_go
is "a file that comes and goes is never the owner's" "$(head -c 6 "$mnt/vault" 2>/dev/null | tr -d '\0')" ""
rm -f "$mnt/vault"

# --- directories -------------------------------------------------------------------------------------------------------

as $user mkdir "$mnt/web" "$mnt/web/below"
declare_it "[directory web]" "mode = 0700" "owner = $owner:$owner"
refused "a directory of another user's" "directory 'web': .* belongs to user $user"
is "... stays as it is" "$(stat -c '%u %a' "$mnt/web")" "$user 755"
declare_it "[segment web/below/ring]" "size = 4K" "owner = $owner:$owner"
refused "a segment below it" "segment 'web/below/ring': the existing directory 'web' belongs to user $user"
not_ok "... is not made" test -e "$mnt/web/below/ring"
declare_it "[directory web/memory]" "medium = memory" "owner = $owner:$owner"
refused "a medium below it" "directory 'web/memory': the existing directory 'web' belongs to user $user"
declare_it "[directory web/shm]" "source = posix"
refused "a source below it" "directory 'web/shm': the existing directory 'web' belongs to user $user"
is "... nothing is mounted" "$(grep -c "$store/web" /proc/self/mountinfo)" 0
is "... and nothing is made" "$(ls "$mnt/web")" below
declare_it "[segment web/ring]" "size = 4K" "owner = $user:$user"
accepted "a segment of the same user's"
declare_it "[directory web]" "owner = $user:$user" "[segment web/other]" "size = 4K"
accepted "a directory that is declared as that user's"
declare_it "[directory web]" "owner = $owner:$owner"
accepted "... may change its owner from then on"
is "... and has changed it" "$(stat -c %u "$mnt/web")" $owner
as $user ln -s web "$mnt/link"
declare_it "[segment link/ring]" "size = 4K"
refused "a symbolic link on the way" "segment 'link/ring': the directory 'link'"

# --- a later start -----------------------------------------------------------------------------------------------------

declare_it "${vault[@]}"
accepted "a segment"
map $owner "$mnt/vault"
kill -KILL "$supervisor"
until_true gone "$supervisor"
"$SEGFS" -f --config "$ini" 2>"$log" &
ok "one that is still mapped is no obstacle to a start" until_true test -e "$mnt/vault"
let_go
ok "stop" stop
install -m 644 -o $user /dev/null "$store/trap"
printf '[mount]\npath = %s\n[segment trap]\nsize = 4K\nowner = %s\n' "$mnt" "$owner:$owner" >"$ini"
"$SEGFS" --config "$ini" 2>"$TMPDIR/start.err"
is "a file of another user's: nothing is mounted" "$? $(grep -c "segment 'trap': .* belongs to user $user" "$TMPDIR/start.err")" "2 1"
is "... and it stays as it is" "$(facts "$store/trap")" "$user:0 644 0"
not_ok "... without a mount" is_mounted
tap_done
