#!/bin/bash
# SPDX-License-Identifier: MIT
#
# segctl map: pages, views, pictures in terminals and as SVG, and what has changed.
set -u
# shellcheck source=tests/lib/tap.sh
. "$SEGFS_TOP/tests/lib/tap.sh"
# shellcheck source=tests/lib/segctl.sh
. "$SEGFS_TOP/tests/lib/segctl.sh"

trap 'kill "${holder-}" 2>/dev/null; rm -f "/dev/shm/segfs-map-$$"; segctl_clean_up' EXIT
export XDG_STATE_HOME=$TMPDIR/state
map() { "$segctl" map "$@"; }
fact() { map --json "$1" | jq -c ".map.$2"; }
# Maps a file, uses 8 MiB of it, and waits until it is killed: hold FILE OFFSET LENGTH
hold() {
	/usr/bin/python3 -c '
import mmap, os, sys, time
fd = os.open(sys.argv[1], os.O_RDWR)
view = mmap.mmap(fd, int(sys.argv[3]), offset=int(sys.argv[2]))
os.close(fd)
for page in range(0, min(len(view), 8 << 20), 4096):
    view[page] = 1
print("held", flush=True)
time.sleep(1000)' "$@" >"$TMPDIR/held" &
	holder=$!
	until_true test -s "$TMPDIR/held"
}
let_go() {
	kill "$holder"
	wait "$holder" 2>/dev/null
	: >"$TMPDIR/held"
}

exits "a directory without a mount" 3 env SEGFS_MOUNT=/nowhere "$segctl" map name
help_fits map
mkdir "$TMPDIR/store"
printf '[directory huge]\nmedium = memory\nhuge = always\n[directory disk]\nmedium = %s\n' "$TMPDIR/store" >"$TMPDIR/segfs.ini"
start --config "$TMPDIR/segfs.ini" || tap_skip_all "a mount"
direct=no
[ "$usual_mode" != direct ] || direct=yes

# --- usage ---

exits "no name" 2 "$segctl" map
exits "two forms" 2 "$segctl" map a --json --svg x
exits "a name that there is not" 1 "$segctl" map nothing
exits "a directory" 1 "$segctl" map huge

# --- pages ---

truncate -s 4G "$mnt/ring"
dd if=/dev/urandom of="$mnt/ring" bs=1M count=64 seek=2048 conv=notrunc status=none
is "data" "$(fact ring data)" $((64 << 20))
if [ $direct = yes ]; then
	is "... in memory" "$(fact ring resident)" $((64 << 20))
	is "ranges" "$(fact ring 'ranges | map([.offset / 1048576, .length / 1048576, .state])' | sed 's/huge/resident/')" \
		'[[0,2048,"hole"],[2048,64,"resident"],[2112,1984,"hole"]]'
	strace -c -o "$TMPDIR/calls" env ASAN_OPTIONS=detect_leaks=0 "$segctl" map ring >/dev/null
	is "... of few calls" "$(awk '$NF == "lseek" { print ($4 < 12) }' "$TMPDIR/calls")" 1
	is "nothing comes into memory by looking" "$(stat -c %b "$mnt/ring")" $((64 << 11))
else
	tap_skip "pages in memory" passthrough
fi
is "a picture is as wide as 80 columns" "$(($(map ring | wc -L) <= 80))" 1
is "... of 16 rows" "$(map ring | grep -c '^0[0-9a-f]\{8\}  ')" 16
is "... with a legend" "$(map ring | grep -c '^· hole')" 1
is "plain without UTF-8" "$(LC_ALL=C map ring | LC_ALL=C grep -c '[^ -~]')" 0
is "... and with NO_COLOR" "$(NO_COLOR=1 map ring | LC_ALL=C grep -c '[^ -~]')" 0
is "no colours in a pipe" "$(map ring | grep -c $'\e')" 0
: >"$mnt/empty"
ok "an empty segment" map empty
truncate -s 1T "$mnt/large" && printf x | dd of="$mnt/large" bs=1 seek=$((1 << 39)) conv=notrunc status=none
is "a large one" "$(fact large data)" 4096
rm "$mnt/large"
if [ $direct = yes ] && head -c 4M /dev/zero >"$mnt/huge/h" && [ "$(fact huge/h huge)" != null ] &&
	[ "$(sed 's/.*\[\(.*\)\].*/\1/' /sys/kernel/mm/transparent_hugepage/shmem_enabled)" != deny ]; then
	is "huge pages" "$(fact huge/h huge)" $((4 << 20))
else
	tap_skip "huge pages" "PAGEMAP_SCAN"
fi

# of pages in the mount's own page cache, cachestat(2) tells, since Linux 6.5
has_cachestat() {
	perl -e 'open F, "<", "/dev/null"; my ($range, $state) = (pack("Q2", 0, 0), pack("Q5", (0) x 5));
		exit(syscall(451, fileno F, $range, $state, 0) < 0 && $!{ENOSYS} ? 1 : 0)'
}
if [ $direct = no ] && ! has_cachestat; then
	is "the kernel does not tell what is dirty" "$(fact ring 'unknown | map(select(startswith("dirty pages: "))) | length')" 1
	tap_skip "dirty pages" cachestat
elif [ "$(stat -f -c %T "$TMPDIR/store")" != tmpfs ] && { [ $direct = no ] || [ -r /proc/kpageflags ]; }; then
	is "memory is not dirty, since it has no medium" "$(fact ring dirty)" 0
	# large folios are dirty as a whole, so the parts are far from each other
	truncate -s 16M "$mnt/disk/file"
	for at in 0 8388608; do
		printf x | dd of="$mnt/disk/file" bs=1 seek=$at conv=notrunc status=none
	done
	sync "$mnt/disk/file"
	is "what is on the medium is not dirty" "$(fact disk/file dirty)" 0
	python3 -c '
import mmap, sys
with open(sys.argv[1], "r+b") as file, mmap.mmap(file.fileno(), 0) as view:
    view[8388608] = 1' "$mnt/disk/file"
	is "... and is, when it is changed" "$(fact disk/file 'ranges | map(select(.state == "dirty") | .offset)')" "[8388608]"
	is "... which the picture shows" "$(map disk/file | grep -c '▚')" 2
	sync "$mnt/disk/file"
	is "... until it is written" "$(fact disk/file dirty)" 0
else
	tap_skip "dirty pages" "/proc/kpageflags, or a disk"
fi

# --- views ---

is "no view" "$(map ring | grep -c '^No process has a view')" 1
hold "$mnt/ring" $((2048 << 20)) $((32 << 20))
is "a view" "$(fact ring 'views | map([.process, .command, .access, .offset, .length])')" "[[$holder,\"python3\",\"rw\",$((2048 << 20)),$((32 << 20))]]"
is "... with the pages that it uses" "$(fact ring 'views[0].resident >= 8388608')" true
ok "... is drawn" eval 'map ring | grep -q "^ *$holder python3 *rw *32M at 080000000, "'
is "... where it lies" "$(NO_COLOR=1 map ring | grep -A 1 "^ *$holder " | tail -n 1 | tr -d ' ')" '='
fits map "$segctl" map ring --json
chmod 755 "$mnt"
chmod 644 "$mnt/ring"
chmod 711 "$TMPDIR"
as_user_map() { as_user env XDG_STATE_HOME= HOME=/nonexistent "$segctl" map "$@"; }
is "an ordinary user is told what cannot be known" "$(as_user_map ring | grep -c '^Not known: \(which pages\|views of\)')" 2
[ $direct = no ] || is "... which are dirty" "$(as_user_map ring | grep -c '^Not known: dirty pages: ')" 1
exits "... and where a look cannot be kept" 1 as_user_map ring --diff
chmod 600 "$mnt/ring"
exits "... and what is not for him" 4 as_user_map ring
let_go
head -c 1M /dev/urandom >"/dev/shm/segfs-map-$$"
hold "/dev/shm/segfs-map-$$" 0 $((1 << 20))
is "views without segfs" "$(fact "posix/segfs-map-$$" 'views | map([.process, .length])')" "[[$holder,1048576]]"
let_go
rm "/dev/shm/segfs-map-$$"
# each look at a process takes longer than the tool waits on a usual machine; among few processes
if strace -o /dev/null -e inject=openat:delay_enter=1 true 2>/dev/null; then
	is "a view, on a slow machine" "$(unshare --pid --fork --mount-proc bash -c "$(declare -f hold until_true)
		hold \"\$1\" 0 \$((1 << 20))
		strace -f -o /dev/null -e inject=openat:delay_enter=30000 \"\$2\" map --json ring
		kill \$holder" - "$mnt/ring" "$segctl" | jq -c '.map.views | map(.command)')" '["python3"]'
	: >"$TMPDIR/held"
else
	tap_skip "a view, on a slow machine" "strace with delays"
fi

# --- what has changed ---

map ring >/dev/null
is "the last look is the user's" "$(stat -c %a "$XDG_STATE_HOME/segctl") $(stat -c %a "$XDG_STATE_HOME"/segctl/map-*.json | sort -u)" "700 600"
says "nothing has changed" "Nothing has changed." map ring --diff
dd if=/dev/urandom of="$mnt/ring" bs=1M count=2 seek=512 conv=notrunc status=none
output=$(NO_COLOR=1 map ring --diff)
is "what came" "$(grep -c '^020000000  2M: [a-z]*, was hole' <<<"$output") $(grep -c '^020000000  +' <<<"$output")" "1 1"
fallocate -p -o $((512 << 20)) -l 2M "$mnt/ring"
is "... and went" "$(NO_COLOR=1 map ring --diff | grep -c '^020000000  -')" 1
fits map "$segctl" map ring --diff --json
truncate -s 1G "$mnt/ring"
ok "another size" map ring --diff
is "... is told" "$(map --json --diff ring | jq -c '.map.since != null')" true
printf broken >"$(echo "$XDG_STATE_HOME"/segctl/map-*.json | cut -d ' ' -f 1)"
for file in "$XDG_STATE_HOME"/segctl/*; do printf '{"states": 7}' >"$file"; done
says "a look that is damaged is none" "There was no look before" map ring --diff
echo first >"$mnt/fresh"
says "the first look" "There was no look before" map fresh --diff

# --- SVG ---

hold "$mnt/ring" 0 $((512 << 20))
cp "$mnt/fresh" "$mnt/"$'odd <&> "name"\e[31m\xff'
for name in ring empty $'odd <&> "name"\e[31m\xff'; do
	rm -f "$TMPDIR/map.svg"
	ok "SVG" map "$name" --svg "$TMPDIR/map.svg"
	ok "... is XML" /usr/bin/python3 -c 'import sys, xml.dom.minidom; xml.dom.minidom.parse(sys.argv[1])' "$TMPDIR/map.svg"
	if command -v rsvg-convert >/dev/null; then
		ok "... and a picture" rsvg-convert -o "$TMPDIR/map.png" "$TMPDIR/map.svg"
		is "... of some size" "$(($(head -c 20 "$TMPDIR/map.png" | tail -c 4 | xxd -p | sed 's/^/0x/') > 900))" 1
	else
		tap_skip "... and a picture" rsvg-convert
	fi
done
let_go
is "SVG for a pipe" "$(map ring --svg - | head -n 1)" '<?xml version="1.0" encoding="UTF-8"?>'
exits "SVG where there is no directory" 1 "$segctl" map ring --svg "$TMPDIR/none/map.svg"
says "... is named" "$TMPDIR/none/" map ring --svg "$TMPDIR/none/map.svg"

# --- terminals, workers, names ---

if command -v tmux >/dev/null; then
	terminal 50 30 "$segctl" map ring
	ended
	is "the width of a terminal" "$(screen | grep -c '^[0-9a-f]\{8\}  .\{32\}$')" 16
	is "... with colours" "$(($(tmux -S "$tmux_socket" capture-pane -pe | grep -c $'\e\[') >= 16))" 1
else
	tap_skip "the width of a terminal" tmux
fi
kill -9 "$(status worker_pid)"
ok "a dead worker is not noticed" map ring
mkdir "$mnt/names"
hostile_names "$mnt/names"
is "odd names" "$(cd "$mnt/names" && for name in *; do map "names/$name" 2>&1 | LC_ALL=C grep -a $'[\e\xff]'; done)" ""
fits map "$segctl" map $'names/invalid\xff\xfe' --json
exits "a reader that goes" 0 bash -c '"$1" map ring | head -n 1 >/dev/null' - "$segctl"
is "a full disk is told" "$(map ring 2>&1 >/dev/full; echo $?)" "segctl: map: not all could be written to standard output
1"
mkdir "$TMPDIR/second"
"$SEGFS" "$TMPDIR/second"
exits "two mounts" 3 env -u SEGFS_MOUNT "$segctl" map ring
ok "... one of them by path" env -u SEGFS_MOUNT "$segctl" map "$mnt/ring"
umount "$TMPDIR/second"
"$SEGFS" --purge "$(sed 's|^/||; s|/|-|g' <<<"$TMPDIR/second")" 2>/dev/null
stop
start -o io_mode=relayed
truncate -s 1M "$mnt/relayed"
printf x >"$mnt/relayed"
says "relayed views are told" "its views are relayed" map relayed
fits map "$segctl" map relayed --json
tap_done
