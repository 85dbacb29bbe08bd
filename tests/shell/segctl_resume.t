#!/bin/bash
# SPDX-License-Identifier: MIT
#
# segctl save and load that are interrupted: what is left, what continues, and how much of it is moved again.
set -u
# shellcheck source=tests/lib/tap.sh
. "$SEGFS_TOP/tests/lib/tap.sh"
# shellcheck source=tests/lib/segctl.sh
. "$SEGFS_TOP/tests/lib/segctl.sh"
# shellcheck source=tests/lib/saved.sh
. "$SEGFS_TOP/tests/lib/saved.sh"

trap 'umount "$ram" 2>/dev/null; segctl_clean_up' EXIT
start || tap_skip_all "a mount"
mkdir "$mnt/video"
make_ring
echo 'a small one' >"$mnt/small"
: >"$mnt/empty"

# --- directories ---

killed pwrite64 10 "$segctl" save video "$out"
is "a save that is killed" "$(find "$out" -name ring) $(hidden "$out")" " 1"
is "... continues" "$(moved pwrite64 "$segctl" save --resume video "$out")" 72
ok "... to the whole" same_ring "$mnt/video/ring" "$out/video/ring"
is "... once" "$(moved pwrite64 "$segctl" save --resume video "$out")" 0
is "... which is told" "$(save --resume video "$out" 2>&1)" "segctl: save: $out: 1 segment is complete, and was left out"
is "... without -q" "$(save -q --resume video "$out" 2>&1)" ""
killed pwrite64 10 "$segctl" load --to copy "$out"
is "a load that is killed" "$(find "$mnt/copy" -name ring 2>/dev/null) $(hidden "$mnt")" " 1"
is "... continues" "$(moved pwrite64 "$segctl" load --resume --to copy "$out")" 64
ok "... to the whole" same_ring "$mnt/video/ring" "$mnt/copy/video/ring"
is "... once" "$(moved pwrite64 "$segctl" load --resume --to copy "$out")" 0
is "... which is told" "$(load --resume --to copy "$out" 2>&1)" "segctl: load: $out: 1 segment is complete, and was left out"
setfattr -n user.other -v 1 "$mnt/copy/video/ring"
exits "one that was changed since" 1 load --resume --to copy "$out"
ok "... is replaced" load --resume --replace --to copy "$out"
is "... with its attributes" "$(getfattr --absolute-names "$mnt/copy/video/ring")" ""
rm -r "$mnt/copy"
killed pwrite64 10 "$segctl" load --to copy "$out"
ok "or it begins again" load --to copy "$out"
is "... and removes what is left" "$(hidden "$mnt")" 0
killed renameat 1 "$segctl" save --replace video "$out"
is "killed before the last step" "$(load --verify "$out") $(hidden "$out")" "1 segment is as saved 1"
ok "... the next one removes it" save small "$out"
killed pwrite64 10 "$segctl" load --to copy3 "$out"
printf 'half a li' >>"$out/.segctl-manifest"
is "half a line of the manifest" "$(load --verify "$out")" "2 segments are as saved"
ok "... is removed" save empty "$out"
is "... by what is saved" "$(load --verify "$out")" "3 segments are as saved"
killed write 20 "$segctl" save video "$ram/k.tar"
is "an archive that is killed" "$(ls "$ram"/k.tar 2>/dev/null) $(hidden "$ram" 1)" " 1"
ok "... is made anew" save small "$ram/k.tar"
is "... and removed" "$(hidden "$ram" 1)" 0
setfattr -n user.mine -v "one of mine" "$mnt/empty"
chown 12345:54321 "$mnt/empty"
reset
save empty "$out"
killed renameat2 1 "$segctl" load --to copy "$out"
is "killed when a segment has its owner" "$(find "$mnt" -maxdepth 1 -name '.segctl-*' -printf '%U\n') $(ls "$mnt/copy" 2>/dev/null)" "12345 "
ok "... the next one begins again" load --to copy "$out"
is "... and removes what is left" "$(hidden "$mnt") $(stat -c %u "$mnt/copy/empty")" "0 12345"
rm -r "$mnt/copy"
killed renameat2 1 "$segctl" load --to copy "$out"
ok "... or continues" load --resume --to copy "$out"
is "... to the whole" "$(hidden "$mnt") $(stat -c %u "$mnt/copy/empty")" "0 12345"
killed renameat2 1 "$segctl" save --replace empty "$out"
ok "so do those of a directory" save --replace empty "$out"
reset

# --- archives ---

mkdir "$mnt/many"
for name in a b c; do head -c 10M /dev/urandom >"$mnt/many/$name"; done
truncate -s 8M "$mnt/many/sparse"
head -c 1M /dev/urandom | dd of="$mnt/many/sparse" bs=1M seek=4 conv=notrunc status=none
save many "$ram/m.tar"
# shellcheck disable=SC2120 # it is called by the variable "way"
from_file() { "$segctl" load --to copy "$@" "$ram/m.tar"; }
# shellcheck disable=SC2120
from_pipe() { cat "$ram/m.tar" | "$segctl" load --to copy "$@" -; }
export -f from_file from_pipe
export segctl ram
all_same() { diff -r "$mnt/many" "$mnt/copy/many" && [ "$(hidden "$mnt")" = 0 ]; }
for way in from_file from_pipe; do
	killed pwrite64 16 "$segctl" load --to copy "$ram/m.tar"
	is "a load of an archive that is killed, then $way" "$(ls "$mnt/copy" 2>/dev/null) $(hidden "$mnt")" " 2"
	is "... continues" "$(moved pwrite64 bash -c "$way --resume")" 17
	ok "... to the whole" all_same
	is "... once" "$(moved pwrite64 bash -c "$way --resume")" 0
	says "... which is told" "4 segments are complete, and were left out" "$way" --resume
	rm -r "$mnt/copy"
	killed renameat2 3 "$segctl" load --to copy "$ram/m.tar"
	is "killed when half of the segments have their names" "$(find "$mnt/copy" -type f | wc -l) $(hidden "$mnt")" "2 2"
	is "... nothing is written again" "$(moved pwrite64 bash -c "$way --resume")" 0
	ok "... and all is there" all_same
	rm -r "$mnt/copy"
	killed pwrite64 40 "$segctl" load --to copy "$ram/m.tar"
	printf X | dd of="$(find "$mnt" -name '.segctl-*.part' -size -20000 -printf '%s %p\n' | sort -n | head -n 1 | cut -d ' ' -f 2-)" bs=1M seek=1 conv=notrunc status=none
	ok "what does not belong to a part of it" "$way" --resume
	ok "... is removed" all_same
	printf X | dd of="$mnt/copy/many/b" bs=1M seek=5 conv=notrunc status=none
	exits "a segment that was changed since" 1 "$way" --resume
	is "... is written, and no other one" "$(moved pwrite64 bash -c "$way --resume --replace")" 10
	ok "... to what it was" all_same
	printf X | dd of="$mnt/copy/many/sparse" bs=1M seek=1 conv=notrunc status=none
	exits "... also in a hole" 1 "$way" --resume
	ok "... is replaced" "$way" --resume --replace
	ok "... by what it was" all_same
	setfattr -n user.other -v 1 "$mnt/copy/many/a"
	exits "other attributes" 1 "$way" --resume
	ok "... are replaced" "$way" --resume --replace
	is "... by what they were" "$(getfattr --absolute-names "$mnt/copy/many/a")" ""
	printf X | dd of="$mnt/copy/many/c" bs=1M seek=5 conv=notrunc status=none
	ok "in place" "$way" --resume --in-place
	ok "... too" all_same
	rm -r "$mnt/copy"
done
from_file
# twice, a block of 1 MiB at the header of each of four members
is "of a file with 31 MiB that are there, the headers are read" "$(moved read bash -c 'from_file --resume')" 8
is "... also as standard input" "$(moved read bash -c '"$segctl" load --resume --to copy - <"$ram/m.tar"')" 8
head -c 15M "$ram/m.tar" >"$ram/cut.tar"
rm -r "$mnt/copy"
exits "an archive that is cut off" 1 load --resume --to copy "$ram/cut.tar"
is "... leaves nothing" "$(find "$mnt" -path "$mnt/copy*" -o -name '.segctl-*')" ""
exits "... nor does standard input" 1 bash -c '"$segctl" load --resume --to copy - <"$ram/cut.tar"'
is "... anything" "$(find "$mnt" -path "$mnt/copy*" -o -name '.segctl-*')" ""
exits "a pipe that breaks" 1 bash -c 'cat "$ram/cut.tar" | "$segctl" load --to copy -'
is "... leaves nothing" "$(hidden "$mnt")" 0
says "... but with --resume" "what was read is kept for --resume" bash -c 'cat "$ram/cut.tar" | "$segctl" load --resume --to copy -'
is "... what was read" "$(ls "$mnt/copy" 2>/dev/null) $(hidden "$mnt")" " 2"
is "... which is not written again" "$(moved pwrite64 bash -c 'from_pipe --resume')" 16
ok "... and completed" all_same
rm -r "$mnt/copy" "$mnt/many" "$ram/m.tar" "$ram/cut.tar"

# --- more than can be open ---

mkdir "$mnt/few"
for i in $(seq 40); do echo "$i" >"$mnt/few/$i"; done
"$segctl" save -q few "$ram/few.tar"
few() { (ulimit -n 32 && "$segctl" load -q --to copy "$ram/few.tar") 2>"$TMPDIR/few"; }
exits "more segments than files can be open" 1 few
is "... are said once" "$(wc -l <"$TMPDIR/few") $(grep -c "raise the limit" "$TMPDIR/few")" "1 1"
is "... and leave nothing" "$(find "$mnt" -path "$mnt/copy*" -o -name '.segctl-*')" ""
rm -r "$mnt/few" "$ram/few.tar"
tap_done
