#!/bin/bash
# SPDX-License-Identifier: MIT
#
# segctl save and load: directories and archives, what is kept, what is refused, locks.
set -u
# shellcheck source=tests/lib/tap.sh
. "$SEGFS_TOP/tests/lib/tap.sh"
# shellcheck source=tests/lib/segctl.sh
. "$SEGFS_TOP/tests/lib/segctl.sh"
# shellcheck source=tests/lib/saved.sh
. "$SEGFS_TOP/tests/lib/saved.sh"

mkdir "$TMPDIR/small"
trap 'kill "${holder-}" 2>/dev/null; umount "$TMPDIR/small" "$ram" 2>/dev/null; ipcrm -M 0x5e9f5001 2>/dev/null; rm -f "/dev/shm/segfs-save-$$"; segctl_clean_up' EXIT
# Holds a lock of an open file description until it is killed: hold FILE F_RDLCK|F_WRLCK
hold() {
	/usr/bin/python3 -c '
import fcntl, os, struct, sys, time
fd = os.open(sys.argv[1], os.O_RDWR)
fcntl.fcntl(fd, 37, struct.pack("hhqqi4x", getattr(fcntl, sys.argv[2]), 0, 0, 0, 0))
print("held", flush=True)
time.sleep(1000)' "$1" "$2" >"$TMPDIR/held" &
	holder=$!
	until_true test -s "$TMPDIR/held"
}
let_go() {
	kill "$holder"
	wait "$holder" 2>/dev/null
	: >"$TMPDIR/held"
}

# --- usage ---

help_fits save
help_fits load
exits "no target" 2 "$segctl" save name
exits "no source" 2 "$segctl" load
exits "both ways to change what exists" 2 "$segctl" load --replace --in-place "$out"
exits "a directory outside of the mount" 2 "$segctl" load --to ../up "$out"
exits "a directory without a mount" 3 env SEGFS_MOUNT=/nowhere "$segctl" save name "$out"
exits "... to load" 3 env SEGFS_MOUNT=/nowhere "$segctl" load "$out"

printf '[directory tiny]\nmedium = memory\nsize = 1M\n' >"$TMPDIR/segfs.ini"
start --config "$TMPDIR/segfs.ini" || tap_skip_all "a mount"
mkdir -m 750 "$mnt/video"
setfattr -n user.segfs.writers -v 3 "$mnt/video"
make_ring
setfattr -x user.segfs.writers "$mnt/video/ring"
echo 'a small one' >"$mnt/small"
setfattr -n user.mine -v "one of mine" "$mnt/small"
setfattr -n user.binary -v 0x00ff0a "$mnt/small"
setfattr -n user.segfs.commit -v yes "$mnt/small"
setfattr -n user.segfs.lifetime -v ttl:1h "$mnt/small"
setfacl -m u:12345:rw,g:54321:r "$mnt/small"
chown 12345:54321 "$mnt/small"
chmod 4750 "$mnt/small"
touch -d '2020-01-02 03:04:05.123456789' "$mnt/small"
: >"$mnt/empty"
truncate -s 8E "$mnt/hole" 2>/dev/null || truncate -s 1T "$mnt/hole"

# --- directories ---

is "saved to a directory" "$(save video small empty hole "$out" 2>&1)" ""
ok "bytes" same_ring "$mnt/video/ring" "$out/video/ring"
is "holes stay holes" "$(blocks "$out/video/ring")" "$(blocks "$mnt/video/ring")"
is "the largest segment" "$(stat -c '%s %b' "$out/hole")" "$(stat -c '%s %b' "$mnt/hole")"
is "nothing hidden is left" "$(hidden "$out")" 0
is "what was saved is checked" "$(load --verify "$out")" "4 segments are as saved"
exits "what is saved already" 1 save small "$out"
says "... stays" "--replace saves it again" save small "$out"
ok "--replace" save --replace small "$out"
is "... leaves one line for each name" "$(grep -c '"segment":"small"' "$out/.segctl-manifest")" 1
ok "--resume of what is complete" save --resume small "$out"
is "loaded elsewhere" "$(load --to copy "$out" 2>&1)" ""
ok "bytes come back" same_ring "$mnt/video/ring" "$mnt/copy/video/ring"
is "... and holes" "$(blocks "$mnt/copy/video/ring")" "$(blocks "$mnt/video/ring")"
ok "mode, owner, time, attributes, policies, access list" same "$mnt/small" "$mnt/copy/small"
is "directories, too" "$(stat -c %a "$mnt/copy/video") $(getfattr --only-values -n user.segfs.writers --absolute-names "$mnt/copy/video")" "750 3"
is "... which are no default for what is loaded" "$(getfattr -d --absolute-names "$mnt/copy/video/ring")" ""
exits "what exists" 1 load --to copy "$out" small
says "... stays" "it exists; --replace" load --to copy "$out" small
exits "a name that was not saved" 1 load "$out" other
exits "a name that there is not" 1 save other "$out"
exits "a directory that was not saved by segctl" 1 load "$TMPDIR"
reset

# --- how much is moved ---

is "100 MiB of 4 GiB are read" "$(moved pread64 "$segctl" save video "$out")" 100
is "... and written to load" "$(moved pwrite64 "$segctl" load --to copy "$out")" 100
is "... written to an archive" "$(moved write "$segctl" save video "$ram/x.tar")" 100
is "... and loaded from one" "$(moved pwrite64 "$segctl" load --to copy2 "$ram/x.tar")" 100
rm -r "$mnt/copy2" "$ram/x.tar"
mkdir "$mnt/many"
for i in {1..200}; do echo "$i" >"$mnt/many/$i"; done
save many "$ram/x.tar"
moved flock "$segctl" load --to copy2 "$ram/x.tar" >/dev/null
is "files of the same command are not looked at again" "$(($(wc -l <"$TMPDIR/trace") <= 400)) $(find "$mnt/copy2" -type f | wc -l)" "1 200"
rm -r "$mnt/copy2" "$mnt/many" "$ram/x.tar"
reset

# --- archives ---

is "saved to an archive" "$(save video small empty "$ram/a.tar" 2>&1)" ""
is "... which only the owner reads" "$(stat -c %a "$ram/a.tar")" 600
exits "an archive that exists" 1 save small "$ram/a.tar"
is "... is as it was" "$(load --verify "$ram/a.tar")" "3 segments are as saved"
ok "loaded from an archive" load --to copy "$ram/a.tar"
ok "... bytes" same_ring "$mnt/video/ring" "$mnt/copy/video/ring"
is "... holes" "$(blocks "$mnt/copy/video/ring")" "$(blocks "$mnt/video/ring")"
ok "... properties" same "$mnt/small" "$mnt/copy/small"
is "tar(1) extracts it" "$(tar --xattrs --acls -xf "$ram/a.tar" -C "$out" 2>&1)" ""
ok "... bytes" same_ring "$mnt/video/ring" "$out/video/ring"
is "... attributes" "$(getfattr --only-values -n user.mine --absolute-names "$out/small")" "one of mine"
is "... access list" "$(getfacl -cnp "$out/small")" "$(getfacl -cnp "$mnt/small")"
is "what tar(1) has extracted is loaded" "$(load --to copy --replace "$out" 2>&1; same_ring "$mnt/video/ring" "$mnt/copy/video/ring")" ""
tar -cSf "$ram/b.tar" -C "$out" .
is "... and what it has archived again" "$(load --verify "$ram/b.tar")" "3 segments are as saved"
if command -v bsdtar >/dev/null; then
	is "bsdtar extracts it" "$(reset; bsdtar -xf "$ram/a.tar" -C "$out" 2>&1; same_ring "$mnt/video/ring" "$out/video/ring")" ""
else
	tap_skip "bsdtar extracts it" bsdtar
fi
reset
is "through a pipe" "$(save video small - | load --to copy - 2>&1; same_ring "$mnt/video/ring" "$mnt/copy/video/ring")" ""
exits "one of several" 0 load --to copy/one "$ram/a.tar" small
is "... alone" "$(ls "$mnt/copy/one")" small
exits "a reader that goes" 141 bash -o pipefail -c '"$1" save video - | head -c 1 >/dev/null' - "$segctl"
reset

# --- what exists ---

save small "$out"
echo 'changed since' >"$mnt/small"
exec 5<"$mnt/small"
ok "--replace" load --replace "$out" small
is "... replaces" "$(cat "$mnt/small")" "a small one"
is "... and leaves what is open" "$(cat <&5)" "changed since"
exec 5<"$mnt/small"
echo 'changed again, and longer' >"$mnt/small"
ok "--in-place" load --in-place "$out" small
is "... changes what is open" "$(cat <&5)" "a small one"
exec 5>&-

# --- locks ---

hold "$mnt/small" F_WRLCK
exits "a locked segment is not saved" 1 save --replace --nonblock small "$out"
says "... at once" "without --nonblock" save --replace --nonblock small "$out"
exits "... nor in time" 1 save --replace --timeout 50ms small "$out"
is "... and what was saved stays" "$(cat "$out/small")" "a small one"
save --replace small "$out" &
saver=$!
until_true grep -q -- "-> OFDLCK.*:$(stat -c %i "$mnt/small") " /proc/locks
ok "it waits" kill -0 "$saver"
let_go
wait "$saver"
is "... until it is unlocked" $? 0
hold "$mnt/small" F_RDLCK
ok "a shared lock lets it be saved" save --replace --nonblock small "$out"
exits "... but not replaced" 1 load --replace --nonblock "$out" small
exits "... nor changed" 1 load --in-place --timeout 50ms "$out" small
let_go
is "nothing hidden is left" "$(hidden "$mnt") $(hidden "$out")" "0 0"
save video "$out"
(for _ in 1 2 3; do kill -9 "$(status worker_pid)" && until_true status worker_pid; done) &
ok "workers that die meanwhile" save --replace video "$out"
wait $!
is "... are not noticed" "$(load --verify "$out" video)" "1 segment is as saved"
reset

# --- space ---

mount -t tmpfs -o size=1M none "$TMPDIR/small"
exits "a full disk" 1 save video "$TMPDIR/small/d"
says "... is told" "no space is left" save video "$TMPDIR/small/d2"
is "... and nothing of it left" "$(find "$TMPDIR/small" -name ring) $(hidden "$TMPDIR/small")" " 0"
exits "a full disk for an archive" 1 save video "$TMPDIR/small/x.tar"
is "... is left without" "$(ls "$TMPDIR/small/x.tar" 2>/dev/null) $(hidden "$TMPDIR/small")" " 0"
save video small "$out"
exits "a full store" 1 load --to tiny "$out"
is "... takes what there is room for" "$(find "$mnt/tiny" -type f) $(hidden "$mnt")" "$mnt/tiny/small 0"
reset

# --- damage, and archives of others ---

save video small "$out"
printf X | dd of="$out/video/ring" bs=1 seek=$((2010 << 20)) conv=notrunc status=none
exits "a damaged file" 1 load --verify "$out"
says "... is named with the place" "video/ring: it is damaged: bytes from 2G on" load --verify "$out"
exits "... and not loaded" 1 load --to copy "$out"
is "... as the others are" "$(find "$mnt/copy" -type f) $(hidden "$mnt")" "$mnt/copy/small 0"
truncate -s 1M "$out/video/ring"
exits "a file that was cut" 1 load --verify "$out"
ln -sf /etc/passwd "$out/small"
exits "a symbolic link" 1 load --to copy4 "$out" small
says "... is told" "a symbolic link" load --to copy4 "$out" small
mkdir -p "$mnt/above/below" "$ram/elsewhere"
echo deep >"$mnt/above/below/deep"
ln -s "$ram/elsewhere" "$out/above"
exits "a symbolic link above" 1 save above "$out"
is "... is not followed" "$(ls "$ram/elsewhere")" ""
rm -r "$mnt/above" "$ram/elsewhere" "$out/above"
sed -i 's/"mode":/"mode": /' "$out/.segctl-manifest"
exits "a manifest that was changed" 1 load --verify "$out"
says "... is told with the line" "line 2 of the manifest" load --verify "$out"
reset
echo whole >"$mnt/first"
echo second >"$mnt/second"
save first second "$ram/good.tar"
rm "$mnt/first" "$mnt/second"
cat >"$TMPDIR/make.py" <<'END'
import io, sys, tarfile
good = tarfile.open(sys.argv[1])
members = [(m, good.extractfile(m).read() if m.isreg() else b"") for m in good.getmembers()]
def write(name, items):
    with tarfile.open(f"{sys.argv[2]}/{name}.tar", "w", format=tarfile.PAX_FORMAT) as tar:
        for member, data in items:
            tar.addfile(member, io.BytesIO(data))
def extra(name, type=tarfile.REGTYPE, link=""):
    member = tarfile.TarInfo(name)
    member.type, member.linkname = type, link
    return [(member, b"")]
write("up", extra("../up") + members)
write("deep", extra("a/../../up") + members)
write("absolute", extra("/tmp/absolute") + members)
write("link", extra("link", tarfile.SYMTYPE, "/etc/passwd") + members)
write("hard", extra("hard", tarfile.LNKTYPE, "first") + members)
write("fifo", extra("fifo", tarfile.FIFOTYPE) + members)
write("device", extra("device", tarfile.CHRTYPE) + members)
write("own", extra(".segfs/status") + members)
write("hidden", extra(".segctl-0.part") + members)
write("more", extra("more") + members)
write("twice", members[:1] + members)
write("nomanifest", members[:-1])
write("less", members[1:])
write("manifests", members + members[-1:])
data = bytearray(members[0][1]); data[0] ^= 1
write("flipped", [(members[0][0], bytes(data))] + members[1:])
m = members[0][0]; m.size -= 1
write("short", [(m, members[0][1][:-1])] + members[1:])
raw = open(sys.argv[1], "rb").read()
for n in (100, 600, 1600, len(raw) // 2):
    open(f"{sys.argv[2]}/cut{n}.tar", "wb").write(raw[:n])
open(f"{sys.argv[2]}/zero.tar", "wb")
open(f"{sys.argv[2]}/noise.tar", "wb").write(b"noise" * 5000)
END
/usr/bin/python3 "$TMPDIR/make.py" "$ram/good.tar" "$out"
# process/, posix/ and sysv/ are those of the machine, in which others work at the same time
all_names() { find "$mnt" \( -path "$mnt/process" -o -path "$mnt/posix" -o -path "$mnt/sysv" \) -prune -o -print | sort; }
names=$(all_names)
for file in "$out"/*.tar; do
	kind=$(basename "$file" .tar)
	for option in -q --resume; do
		output=$(load "$option" "$file" 2>&1)
		is "an archive that is bad: $kind ($option)" "$? $(grep -c '^segctl: load: ' <<<"$output") $(tr -d '[:print:]\n' <<<"$output" | wc -c)" "1 1 0"
		case $kind in
		flipped | short | less) rm -f "$mnt/first" "$mnt/second" ;; # the others are loaded
		esac
		is "... leaves nothing" "$(all_names)" "$names"
	done
done
reset

# --- names, users, sources, objects ---

mkdir "$mnt/names"
hostile_names "$mnt/names"
is "odd names" "$(save names "$out" 2>&1; load --to copy "$out" 2>&1; diff -r "$mnt/names" "$mnt/copy/names")" ""
is "... in an archive" "$(save names "$ram/n.tar" 2>&1; load --to copy2 "$ram/n.tar" 2>&1; diff -r "$mnt/names" "$mnt/copy2/names")" ""
is "... in another locale" "$(export LC_ALL=C; save names "$ram/n2.tar" 2>&1; load --to copy3 "$ram/n2.tar" 2>&1; diff -r "$mnt/names" "$mnt/copy3/names")" ""
rm -rf "$mnt/names" "$mnt"/copy?
reset
mkdir "$mnt/.segctl-mine"
echo mine >"$mnt/.segctl-mine/mine"
exits "a name that is reserved" 1 save '*' "$out"
says "... is told" ".segctl-mine/mine: its path is too long, or a part of it begins with .segctl-" save --replace '*' "$out"
ok "... and does no harm to the others" load --verify "$out"
rm -r "$mnt/.segctl-mine"
reset
chmod 1777 "$mnt"
install -d -o 65534 "$ram/theirs"
chmod 711 "$TMPDIR"
as_user touch "$mnt/theirs"
echo secret >"$mnt/secret"
chmod 600 "$mnt/secret"
ok "an ordinary user saves" as_user "$segctl" save theirs "$ram/theirs/d"
exits "... what he may read" 4 as_user "$segctl" save secret "$ram/theirs/d"
as_user "$segctl" save small - >"$ram/u.tar" 2>/dev/null
ok "... and loads" as_user "$segctl" load --to mine "$ram/theirs/d"
is "... for himself" "$(stat -c %u "$mnt/mine/theirs")" 65534
save small "$ram/open.tar" && chmod 644 "$ram/open.tar"
as_user "$segctl" load -q --no-policy --to mine "$ram/open.tar"
is "... without set-id bits of others" "$(stat -c '%u %a' "$mnt/mine/small")" "65534 750"
rm -r "$mnt/mine" "$mnt/secret" "$mnt/theirs"
ipcmk_key() { /usr/bin/python3 -c '
import ctypes
libc = ctypes.CDLL(None)
libc.shmat.restype = ctypes.c_void_p
id = libc.shmget(0x5e9f5001, 8192, 0o1640)
ctypes.memmove(libc.shmat(id, None, 0), b"sysv", 4)'; }
ipcmk_key
printf posix >"/dev/shm/segfs-save-$$"
ok "other sources" save sysv/0x5e9f5001 "posix/segfs-save-$$" "$out"
ipcrm -M 0x5e9f5001
rm "/dev/shm/segfs-save-$$"
ok "... are loaded" load "$out"
is "... with what was in them" "$(head -c 4 "$mnt/sysv/0x5e9f5001") $(stat -c '%s %a' "$mnt/sysv/0x5e9f5001") $(cat "/dev/shm/segfs-save-$$")" "sysv 8192 640 posix"
printf else | dd of="$mnt/sysv/0x5e9f5001" conv=notrunc status=none
exits "segments of System V are not replaced" 1 load --replace "$out" sysv
ok "... but changed" load --in-place "$out" sysv
is "... to what they were" "$(head -c 4 "$mnt/sysv/0x5e9f5001")" sysv
ok "... also from an archive" bash -c '"$1" save sysv/0x5e9f5001 - | "$1" load --in-place -' - "$segctl"
says "a name that sysv/ has not" "keys only" load --to sysv "$out" "posix/segfs-save-$$"
/usr/bin/python3 -c '
import os, time
fd = os.memfd_create("held")
os.write(fd, b"memory")
print(os.getpid(), flush=True)
time.sleep(1000)' >"$TMPDIR/pid" &
holder=$!
until_true test -s "$TMPDIR/pid"
ok "memory of a process" save "process/$(cat "$TMPDIR/pid")" "$out"
exits "... cannot go back" 1 load "$out" process
ok "... but elsewhere" load --to copy "$out" process
is "... with its bytes" "$(cat "$mnt/copy/process"/*/memfd-*)" memory
kill "$holder"
wait "$holder" 2>/dev/null
reset
make_mutex() {
	LD_LIBRARY_PATH=$SEGFS_OUT PYTHONPATH=$SEGFS_TOP/lib/python /usr/bin/python3 -c 'import segfs; segfs.Mutex("lock", create=True)'
}
if make_mutex 2>/dev/null; then
	says "objects are left out" "lock: left out" save lock "$out"
	is "... which -q does not say" "$(save -q lock "$out" 2>&1)" ""
	ok "... unless they are wanted" save --objects lock "$out"
	ok "... and loaded the same way" load --objects --to copy "$out"
	is "... as objects" "$("$segctl" ls -n -o KIND copy/lock)" mutex
else
	tap_skip "objects are left out" "Python 3.11"
fi
reset
echo brief >"$mnt/brief"
exec 5<"$mnt/brief"
setfattr -n user.segfs.lifetime -v last-close "$mnt/brief"
ok "a segment that ends with its user" save brief "$out"
exec 5>&-
says "... stays when it is loaded" "its lifetime is left out" load "$out"
is "... with its bytes" "$(cat "$mnt/brief")" brief
reset

# --- terminals, mounts ---

is "no progress in a pipe" "$(save video "$out" 2>&1 | wc -c)" 0
reset
if command -v tmux >/dev/null; then
	terminal 70 10 env ASAN_OPTIONS=detect_leaks=0 strace -qq -o /dev/null -e trace=pwrite64 -e inject=pwrite64:delay_enter=40000 "$segctl" save video "$out"
	ok "progress on a terminal" shows "% "
	ok "... with the time left" shows " left"
	ended
	is "... which goes" "$(screen | grep -c '%') $(screen | awk 'length > 70' | wc -l)" "0 0"
else
	tap_skip "progress on a terminal" tmux
fi
exits "an archive is not for a terminal" 2 script -qec "'$segctl' save small -" /dev/null
mkdir "$TMPDIR/second"
"$SEGFS" -o mand "$TMPDIR/second"
echo held >"$TMPDIR/second/held"
setfattr -n user.segfs.lock -v mandatory "$TMPDIR/second/held"
exits "two mounts" 3 env -u SEGFS_MOUNT "$segctl" save small "$out"
ok "... one of them by path" env -u SEGFS_MOUNT "$segctl" save "$TMPDIR/second/held" "$out"
ok "a policy comes back" "$segctl" --mount "$TMPDIR/second" load --to copy "$out"
is "... as it was" "$(getfattr --only-values -n user.segfs.lock --absolute-names "$TMPDIR/second/copy/held")" mandatory
says "one that the mount does not have" "mount with -o mand" load "$out" held
exits "... is refused" 1 load "$out" held
is "... with the segment" "$(ls "$mnt/held" 2>/dev/null) $(hidden "$mnt")" " 0"
ok "... or left out" load --no-policy "$out" held
umount "$TMPDIR/second"
"$SEGFS" --purge "$(sed 's|^/||; s|/|-|g' <<<"$TMPDIR/second")" 2>/dev/null
tap_done
