#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The machine's own shared memory by two kinds of tools: ipcmk, ipcs, ipcrm and lsipc beside truncate, ls, rm, chmod and getfattr, each of
# which sees at once what the other did; and Python's shared memory. In an IPC namespace of its own, so that no segment outlives it.
# shellcheck disable=SC2317 # functions are called by ok
set -u
# shellcheck source=tests/lib/tap.sh
. "$SEGFS_TOP/tests/lib/tap.sh"
if [ -z "${SOURCES_ISOLATED:-}" ]; then
	[ "$(id -u)" -eq 0 ] || tap_skip_all root
	unshare --ipc true 2>/dev/null || tap_skip_all "an IPC namespace of its own"
	SOURCES_ISOLATED=1 exec unshare --ipc "$0" "$@"
fi
# shellcheck source=tests/lib/segfs.sh
. "$SEGFS_TOP/tests/lib/segfs.sh"

object=segfs_test.$$
remove_objects() {
	rm -f "/dev/shm/$object" "/dev/shm/$object."*
	segfs_clean_up
}
trap remove_objects EXIT

sysv=$mnt/sysv
posix=$mnt/posix
fact() { getfattr --absolute-names --only-values -n "user.segfs.$1" "$2"; }
# While a process of the machine does not answer, as in execve(2), it is unknown whether there is a user.
is_known() { [ "$(fact orphan "$1")" != unknown ]; }
known_orphan() {
	until_true is_known "$1"
	fact orphan "$1"
}
key_of() { ipcs -m | sed -n 's/^\(0x[0-9a-f]*\) .*/\1/p' | head -n 1; }
shmid_of() { ipcs -m | awk -v key="$1" '$1 == key { print $2 }'; }
column() { ipcs -m | awk -v key="$1" -v n="$2" '$1 == key { print $n }'; }

ok "start" start

# --- System V: made natively -----------------------------------------------------------------------------------------

ok "ipcmk" ipcmk -M 70000 -p 0640
key=$(key_of)
is "its name is its key" "$(ls "$sysv")" "$key"
is "size and mode" "$(stat -c '%s %a %u %h' "$sysv/$key")" "70000 640 0 1"
is "shmid" "$(fact shmid "$sysv/$key")" "$(shmid_of "$key")"
is "chmod" "$(chmod 0604 "$sysv/$key" && column "$key" 4)" 604
is "chown" "$(chown 12345:6 "$sysv/$key" && column "$key" 3)" 12345
is "find -size" "$(find "$sysv" -type f -size +68k)" "$sysv/$key"
is "an orphan" "$(known_orphan "$sysv/$key")" yes
ok "truncate refuses" bash -c "! truncate -s 1 '$sysv/$key'"
not_ok "so does a redirection" bash -c ": >'$sysv/$key'"
is "the size stays" "$(column "$key" 5)" 70000
ok "dd writes into it" dd if=/dev/zero of="$sysv/$key" bs=1000 count=2 conv=notrunc status=none
printf 'told' | dd of="$sysv/$key" bs=1 seek=69996 conv=notrunc status=none
is "what is written is read" "$(tail -c 4 "$sysv/$key")" told
is "cp saves it" "$(cp "$sysv/$key" "$TMPDIR/saved" && cmp "$TMPDIR/saved" "$sysv/$key" && stat -c %s "$TMPDIR/saved")" 70000
is "nobody is attached" "$(column "$key" 6)" 0
ok "ipcrm" ipcrm -M "$key"
is "it is gone" "$(ls "$sysv")" ""
not_ok "... for stat, too" stat "$sysv/$key"

# --- System V: made by files -----------------------------------------------------------------------------------------

ok "truncate makes one" truncate -s 1M "$sysv/0xc0de"
is "ipcs shows it" "$(column 0x0000c0de 5)" 1048576
is "lsipc shows it" "$(lsipc -m --noheadings -o KEY,SIZE -b -r 2>/dev/null | tr -s ' ' | grep -c '^0x0000c0de 1048576$')" 1
is "ls shows it" "$(stat -c '%n %s' "$sysv"/*)" "$sysv/0x0000c0de 1048576"
ok "the same size again" truncate -s 1M "$sysv/0xc0de"
not_ok "another size" truncate -s 2M "$sysv/0xc0de"
ok "fallocate makes one" fallocate -l 8192 "$sysv/0xf00"
is "ipcs -u counts both" "$(ipcs -mu | sed -n 's/^segments allocated //p')" 2
not_ok "touch makes none" touch "$sysv/0xbad"
not_ok "nor is a name a key" truncate -s 1 "$sysv/name"
is "nothing is left of them" "$(ls "$sysv")" $'0x00000f00\n0x0000c0de'
ok "rm" rm "$sysv/0xc0de"
is "ipcs has it no more" "$(shmid_of 0x0000c0de)" ""
not_ok "rm of what ipcrm removed" bash -c "ipcrm -M 0xf00 && rm '$sysv/0xf00'"
is "all are gone" "$(ipcs -mu | sed -n 's/^segments allocated //p')" 0
is "by attributes" "$(truncate -s 5 "$sysv/0x7" && fact key "$sysv/0x7") $(fact locked "$sysv/0x7") $(fact nattch "$sysv/0x7") $(
	fact removed "$sysv/0x7")" "0x00000007 no 0 no"
is "... which are not listed" "$(getfattr --absolute-names -d "$sysv/0x7")" ""
ok "back up and restore" bash -c "printf abcde | dd of='$sysv/0x7' conv=notrunc status=none && [ \"\$(cat '$sysv/0x7')\" = abcde ]"
rm -f "$sysv/0x7"

# --- POSIX -----------------------------------------------------------------------------------------------------------

ok "truncate makes an object" truncate -s 12345 "$posix/$object"
is "which /dev/shm has" "$(stat -c '%s %a' "/dev/shm/$object")" "12345 $(stat -c %a "$posix/$object")"
printf native >"/dev/shm/$object"
is "what is written there" "$(cat "$posix/$object") $(stat -c %s "$posix/$object")" "native 6"
printf mount >"$posix/$object"
is "what is written here" "$(cat "/dev/shm/$object")" mount
chmod 0604 "$posix/$object"
is "chmod" "$(stat -c %a "/dev/shm/$object")" 604
ok "mv" mv "$posix/$object" "$posix/$object.b"
is "it has moved" "$(cat "/dev/shm/$object.b")" mount
is "kind" "$(fact kind "$posix/$object.b")" memory
is "orphan" "$(known_orphan "$posix/$object.b")" yes
exec 9<"/dev/shm/$object.b"
is "no orphan" "$(fact orphan "$posix/$object.b")" no
exec 9<&-
rm "/dev/shm/$object.b"
not_ok "gone at once" stat "$posix/$object.b"
if mkfifo "$posix/$object.fifo"; then
	is "a fifo" "$(stat -c %F "/dev/shm/$object.fifo")" fifo
	rm "$posix/$object.fifo"
fi

if python3 -c 'from multiprocessing import shared_memory' 2>/dev/null; then
	python3 - "$object" "$posix" >"$TMPDIR/python" 2>&1 <<'END'
import os, sys
from multiprocessing import shared_memory
name, posix = sys.argv[1:]
memory = shared_memory.SharedMemory(name=name, create=True, size=10000)
memory.buf[5000:5006] = b"python"
path = os.path.join(posix, name)
with open(path, "r+b") as file:
    file.seek(5000)
    print(file.read(6).decode(), os.stat(path).st_size, end=" ")
    file.seek(5000)
    file.write(b"mount.")
    file.flush()
    print(bytes(memory.buf[5000:5006]).decode(), end=" ")
print(os.getxattr(path, "user.segfs.mapped-pids") == str(os.getpid()).encode(), end=" ")
print(os.getxattr(path, "user.segfs.orphan").decode(), end=" ")
memory.close()
os.unlink(path)
try:
    shared_memory.SharedMemory(name=name)
except FileNotFoundError:
    print("gone", end=" ")
memory.unlink = lambda: None
from multiprocessing import resource_tracker
resource_tracker.unregister("/" + name, "shared_memory")
END
	is "Python's shared memory" "$(cat "$TMPDIR/python")" "python 10000 mount. True no gone "
else
	tap_skip "Python's shared memory" python3
fi

ok "stop" stop
tap_done
