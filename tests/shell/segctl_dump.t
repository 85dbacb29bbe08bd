#!/bin/bash
# SPDX-License-Identifier: MIT
#
# segctl dump: hexadecimal, numbers, holes, JSON, and what changes.
set -u
# shellcheck source=tests/lib/tap.sh
. "$SEGFS_TOP/tests/lib/tap.sh"
# shellcheck source=tests/lib/segctl.sh
. "$SEGFS_TOP/tests/lib/segctl.sh"

trap 'kill "${follower-}" 2>/dev/null; segctl_clean_up' EXIT
dump() { "$segctl" dump "$@"; }
exits "a directory without a mount" 3 env SEGFS_MOUNT=/nowhere "$segctl" dump name
help_fits dump
start || tap_skip_all "a mount"

# --- usage ---

exits "no name" 2 "$segctl" dump
exits "two names" 2 "$segctl" dump a b
exits "a wrong type" 2 "$segctl" dump a --as u32,u24
says "... is named" "u24: --as takes" dump a --as u32,u24
exits "an order of bytes alone" 2 "$segctl" dump a --as be
exits "JSON that never ends" 2 "$segctl" dump a --json --follow
exits "a name that there is not" 1 "$segctl" dump nothing
exits "a directory" 1 "$segctl" dump posix
exits "the path of a file elsewhere" 3 "$segctl" dump /etc/passwd

# --- bytes ---

{ printf 'text \001\377'; head -c 64 /dev/zero; printf 'end'; } >"$mnt/bytes"
is "as hexdump -C" "$(dump bytes)" "$(hexdump -C "$mnt/bytes" 2>/dev/null || cat <<'END'
00000000  74 65 78 74 20 01 ff 00  00 00 00 00 00 00 00 00  |text ...........|
00000010  00 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00  |................|
*
00000040  00 00 00 00 00 00 00 65  6e 64                    |.......end|
0000004a
END
)"
is "a part" "$(dump bytes -o 71 -l 2)" "00000047  65 6e                                             |en|
00000049"
is "nothing" "$(dump bytes -o 74)" "0000004a"
exits "beyond the end" 1 "$segctl" dump bytes -o 75
says "... is told" "it has 74 bytes" dump bytes -o 75
: >"$mnt/empty"
is "an empty segment" "$(dump empty)" "00000000"
is "no colours in a pipe" "$(dump bytes | grep -c $'\e')" 0

# --- numbers ---

/usr/bin/python3 -c '
import struct, sys
out = sys.stdout.buffer
out.write(struct.pack("<QIdf", 2**64 - 1, 7, 0.1, -1.5) + struct.pack("<QIdf", 1, 0, float("inf"), float("nan")))' >"$mnt/records"
is "records" "$(dump records --as u64,u32,f64,f32 | sed 's/  */ /g')" "00000000 18446744073709551615 7 0.1 -1.5
00000018 1 0 inf nan
00000030"
printf '\377\376\000\001' >"$mnt/small"
is "signed" "$(dump small --as i16 | sed 's/  */ /g')" "00000000 -257 256 - - - - - -
00000004"
is "big-endian" "$(dump small --as i16,be | head -n 1 | sed 's/  */ /g')" "00000000 -2"
is "a record that is cut off" "$(dump small --as u8,u16 | sed 's/  */ /g')" "00000000 255 254
00000003 1 -
00000004"
is "single bytes" "$(dump small --as i8 | head -n 1 | awk '{ print $2, $3, $4, $5 }')" "-1 -2 0 1"

# --- holes ---

truncate -s 4G "$mnt/sparse"
printf 'x' | dd of="$mnt/sparse" bs=1 seek=$((3 << 30)) conv=notrunc status=none
is "holes" "$(dump sparse)" "000000000  -- hole: 3G (3221225472 bytes) --
0c0000000  78 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00  |x...............|
0c0000010  00 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00  |................|
*
0c0001000  -- hole: 1G (1073737728 bytes) --
100000000"
ASAN_OPTIONS=${ASAN_OPTIONS-}:detect_leaks=0 strace -qq -y -e trace=pread64 -o "$TMPDIR/trace" "$segctl" dump sparse >/dev/null
is "... are not read" "$(awk '/sparse.* = [0-9]+$/ { n += $NF } END { print n }' "$TMPDIR/trace")" 4096
is "rows across their ends" "$(dump sparse --as u8,u8,u8 -o 3221225470 | sed 's/  */ /g' | head -n 2)" "0bffffffe 0 0 120
0c0000001 0 0 0"

# --- JSON ---

fits dump "$segctl" dump bytes --json
fits dump "$segctl" dump records --as u64,u32,f64,f32 --json
fits dump "$segctl" dump sparse --json
fits dump "$segctl" dump empty --json
is "values" "$(dump records --as u64,u32,f64,f32 --json | jq -c '.dump.rows[1]')" '{"offset":24,"values":[1,0,null,null]}'
is "all bytes" "$(dump bytes --json | jq -r '.dump.rows[].hex' | xxd -r -p | md5sum)" "$(md5sum <"$mnt/bytes")"
hostile_names "$mnt"
fits dump "$segctl" dump $'invalid\xff\xfe' --json
is "odd names" "$(cd "$mnt" && for name in *$'\n'* *$'\e'* '*' -dash; do dump -- "$name" | head -n 1 | cut -c 1-12; done | sort -u)" "00000000  78"

# --- what changes ---

head -c 64 /dev/zero >"$mnt/live"
"$segctl" dump live --follow -i 10ms >"$TMPDIR/live" &
follower=$!
until_true grep -q '^\*' "$TMPDIR/live"
printf A | dd of="$mnt/live" bs=1 seek=20 conv=notrunc status=none
ok "a line that changes is printed again" until_true grep -q '^00000010 .*|....A' "$TMPDIR/live"
printf B | dd of="$mnt/live" bs=1 seek=21 conv=notrunc status=none
ok "... and again" until_true grep -q '^00000010 .*|....AB' "$TMPDIR/live"
is "... others are not" "$(grep -c '^000000[23]0' "$TMPDIR/live")" 0
kill -INT "$follower"
wait "$follower"
is "... until it is interrupted" $? 0
rm "$TMPDIR/live"
"$segctl" dump live --follow -i 10ms >"$TMPDIR/live" 2>"$TMPDIR/errors" &
follower=$!
until_true grep -q '^00000010' "$TMPDIR/live"
truncate -s 10 "$mnt/live"
ok "a segment that becomes shorter" until_true grep -q '^0000000a  -- end: it became shorter by 54 bytes --$' "$TMPDIR/live"
is "... with what is left of its last row" "$(tail -n 2 "$TMPDIR/live" | head -n 1)" "00000000  00 00 00 00 00 00 00 00  00 00                    |..........|"
printf 'grown' >>"$mnt/live"
ok "one that grows" until_true grep -q '^00000000 .*|..........grown|$' "$TMPDIR/live"
{ head -c 33 /dev/zero; printf 'D'; } >>"$mnt/live"
ok "... by rows" until_true grep -q '^00000030  44 *|D|$' "$TMPDIR/live"
is "... of which equal ones are left out" "$(tail -n 4 "$TMPDIR/live" | cut -c 1-11)" "00000000  0
00000010  0
*
00000030  4"
truncate -s 1M "$mnt/live"
ok "... by a hole" until_true grep -q '^00001000  -- hole: 1020K (1044480 bytes) --$' "$TMPDIR/live"
printf E | dd of="$mnt/live" bs=1 seek=65552 conv=notrunc status=none
ok "... in which something is written" until_true grep -q '^00010010 .*|E...............|$' "$TMPDIR/live"
truncate -s 17M "$mnt/live"
ok "... beyond what is compared" until_true grep -q '^01000000  -- --follow takes at most 16M' "$TMPDIR/live"
truncate -s 0 "$mnt/live"
ok "... and is empty" until_true grep -q '^00000000  -- end: it became shorter by 16777216 bytes --$' "$TMPDIR/live"
printf FG >>"$mnt/live"
until_true grep -q '|FG|' "$TMPDIR/live"
truncate -s 1 "$mnt/live"
ok "... once more" until_true grep -q '^00000001  -- end: it became shorter by 1 byte --$' "$TMPDIR/live"
kill -INT "$follower"
wait "$follower"
is "... until it is interrupted" "$? $(cat "$TMPDIR/errors")" "0 "
head -c 64 /dev/zero >"$mnt/live"
rm "$TMPDIR/live"
"$segctl" dump live --follow -i 10ms -o 8 -l 60 >"$TMPDIR/live" 2>"$TMPDIR/errors" &
follower=$!
until_true grep -q '^\*' "$TMPDIR/live"
{ printf '%032d' 7; } >>"$mnt/live"
ok "a range ends where it is to end" until_true grep -q '^00000038 .*|........0000|$' "$TMPDIR/live"
truncate -s 4 "$mnt/live"
ok "... or before it begins" until_true grep -q '^00000004  -- end: it became shorter by 60 bytes --$' "$TMPDIR/live"
truncate -s 12 "$mnt/live"
ok "... and goes on" until_true grep -q '^00000008  00 00 00 00  *|....|$' "$TMPDIR/live"
is "... without more" "$(grep -c '^0000004' "$TMPDIR/live")" 0
kill -INT "$follower"
wait "$follower"
is "... to its end" "$? $(cat "$TMPDIR/errors")" "0 "
exits "more than can be compared" 2 "$segctl" dump sparse --follow
if command -v tmux >/dev/null; then
	head -c 64 /dev/zero >"$mnt/live"
	terminal 90 10 "$segctl" dump live --follow -i 20ms
	ok "on a terminal" shows "live, every 0.0 s; q ends"
	printf C | dd of="$mnt/live" bs=1 seek=40 conv=notrunc status=none
	ok "... it is drawn in place" shows "|........C.......|"
	is "... once" "$(screen | grep -c '^00000020')" 1
	printf 'grown' >>"$mnt/live"
	ok "... with what has grown" shows "00000040  67 72 6f 77 6e"
	truncate -s 40 "$mnt/live"
	ok "... without what is gone" shows "|........|"
	is "... which is told" "$(screen | grep -c '^0000') $(screen | tail -n 7 | head -n 1)" "3 live, every 0.0 s; q ends; it became shorter: 40B"
	truncate -s 69 "$mnt/live"
	ok "... until it is there again" until_true eval '! screen_has "it became shorter"'
	resize 90 4
	ok "... in what room there is" until_true eval '[ "$(screen | grep -c "^0000")" -eq 3 ]'
	keys C-c
	ended
	ok "... and goes" shows "status 0"
	tmux -S "$tmux_socket" kill-server
	until_true eval '! tmux -S "$tmux_socket" list-sessions'
	terminal 90 10 "$segctl" dump bytes
	ended
	is "colours" "$(tmux -S "$tmux_socket" capture-pane -pe | grep -c $'\e\[32m')" 2
else
	tap_skip "on a terminal" tmux
fi

# --- users, pipes, sources, workers ---

chmod 600 "$mnt/bytes"
exits "another user's" 4 as_user "$segctl" dump bytes
is "a full disk is told" "$(dump bytes 2>&1 >/dev/full; echo $?)" "segctl: dump: not all could be written to standard output
1"
head -c 10M /dev/urandom >"$mnt/random"
exits "a reader that goes" 141 bash -o pipefail -c '"$1" dump random | head -n 1 >/dev/null' - "$segctl"
printf posix >"/dev/shm/segfs-dump-$$"
is "other sources" "$(dump "posix/segfs-dump-$$" | head -n 1 | cut -c 61-)" "|posix|"
rm "/dev/shm/segfs-dump-$$"
kill -9 "$(status worker_pid)"
is "a dead worker is not noticed" "$(dump small | head -n 1 | cut -c 61-)" "|....|"
mkdir "$TMPDIR/second"
"$SEGFS" "$TMPDIR/second"
exits "two mounts" 3 env -u SEGFS_MOUNT "$segctl" dump bytes
is "... one of them by path" "$(env -u SEGFS_MOUNT "$segctl" dump "$mnt/small" | wc -l)" 2
umount "$TMPDIR/second"
"$SEGFS" --purge "$(sed 's|^/||; s|/|-|g' <<<"$TMPDIR/second")" 2>/dev/null
tap_done
